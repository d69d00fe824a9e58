"""Learning and hunting at scale: whole processes, beside bare group-bys over the same files in the same run.

    python -m benchmarks scale [--events N] [--work DIR] [--repeat R] [--whole]

Two lakes of N simulated process creations: weeks lie between them, the company is the same (and two of half as many,
for the slope, so that start-up does not count; `--whole` leaves these out).
Ours: learn a baseline from the first, then hunt the second with it, findings explained, each a process of its own.
Reference: for every learnt field, one bare `SELECT actor, field, count(*) … GROUP BY ALL` of DuckDB over the lake's
Parquet files, as one process. Start-up: `vizsla --help`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.common import Row, exit_code, table
from vizsla.analytics.rarity.encode import mixed
from vizsla.lake import Lake
from vizsla.simulate import process_events

NAME = "scale"
EVENTS, TIMES, MEMORY, START = 10_000_000, 5.0, 4.0, 0.5
TABLE = "windows_sysmon"
AT_ONCE = 500_000
LATER = 84  # days of the company between what is learnt from and what is hunted in: whole weeks

LEARN = """
from vizsla.hunt import learn
from vizsla.lake import Lake
print(learn([], Lake.open(sys.argv[1]), "scale").baseline.model.events)
"""
HUNT = """
from vizsla.baseline import BaselineStore
from vizsla.hunt import hunt
from vizsla.lake import Lake
from vizsla.nouns import HuntRequest
result = hunt(HuntRequest(lake=sys.argv[2], baseline=str(BaselineStore(Lake.open(sys.argv[1])).folder("scale"))))
print(len(result.findings))
"""
GROUP_BY = """
import duckdb
from vizsla.analytics.rarity.fields import profile
from vizsla.baseline import BaselineStore
from vizsla.lake import Lake
lake = Lake.open(sys.argv[1])
files = list(lake.scan("windows_sysmon").files)
kind = BaselineStore(lake).load("scale").model.kinds["windows_sysmon:1"]
duckdb.sql("SET threads = 2")
duckdb.sql("SET enable_progress_bar = false")
for name in sorted(kind.fields):
    what = '"Image"' if not name else f'"Image", "{name}"'
    duckdb.execute(f"SELECT {what}, count(*) FROM read_parquet(?) GROUP BY ALL", [files]).to_arrow_table()
print(len(kind.fields))
"""
MEASURED = """
import json, resource
from pathlib import Path
used = resource.getrusage(resource.RUSAGE_SELF)
# The kernel's peak of this program alone: ru_maxrss remembers that of the process which started it.
peak = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
print(json.dumps(used.ru_utime + used.ru_stime), int(peak[0].split()[1]))
"""


@dataclass(frozen=True, slots=True)
class Run:
    """A process: what it said, its seconds, those of the processors, and the most memory it held, in GiB."""

    said: int
    seconds: float
    busy: float
    memory: float


def process(script: str, *lakes: Path) -> Run:
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", "import sys" + script + MEASURED, *map(str, lakes)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    seconds = time.perf_counter() - begun
    said, busy, memory = done.stdout.split()[-3:]
    return Run(int(said), seconds, json.loads(busy), json.loads(memory) / 2**20)


def stamped(events: int, day: int) -> Iterator[pa.Table]:
    """Simulated process creations from a day on, as the lake takes them."""
    made, held, rows = 0, [], 0
    for batch in process_events(events, day=day):
        numbers = np.arange(made, made + batch.num_rows, dtype=np.uint64)
        pairs = zip(mixed(numbers).tolist(), mixed(numbers, numbers).tolist(), strict=True)
        ids = pa.array([f"{high:016x}{low:016x}" for high, low in pairs])  # as evenly spread as real ones
        made += batch.num_rows
        whole = pa.Table.from_batches([batch]).append_column("_id", ids)
        held.append(whole.append_column("_day", pc.strftime(whole["_time"], "%Y-%m-%d")))
        rows += batch.num_rows
        if rows >= AT_ONCE:
            yield pa.concat_tables(held, promote_options="default").combine_chunks()
            held, rows = [], 0
    if held:
        yield pa.concat_tables(held, promote_options="default").combine_chunks()


def built(home: Path, events: int, day: int = 0) -> Path:
    """A lake of so many events from a day on, made where it is missing."""
    if not (home / "whole").exists():
        lake = Lake.open(home, create=True)
        for part in stamped(events, day):
            lake.append({TABLE: part.to_batches()})
        lake.compact()
        (home / "whole").touch()
    return home


def starting(repeat: int = 5) -> float:
    """Seconds of `vizsla --help`, the best of several."""
    command = [str(Path(sys.executable).with_name("vizsla")), "--help"]
    seconds = []
    for _ in range(repeat):
        begun = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def measured(work: Path, events: int, repeat: int) -> dict[str, Run]:
    """The best of several runs of each, over lakes of so many events."""
    lake, later = built(work / str(events), events), built(work / f"{events}-later", events, LATER)
    found = {}
    for name, script in (("learn", LEARN), ("hunt", HUNT), ("group by", GROUP_BY)):
        runs = [process(script, lake, later) for _ in range(repeat)]
        found[name] = best = min(runs, key=lambda run: run.seconds)
        load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
        print(
            f"{events:,}, {name}: {best.seconds:.2f} s, {best.busy:.2f} s of processor, {best.memory:.2f} GiB; "
            f"said {best.said}; load {load}",
            flush=True,
        )
    return found


def run(argv: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--work", type=Path, help="keep the lakes here, and use those that are there")
    parser.add_argument("--repeat", type=int, default=1, help="take the best of so many runs")
    parser.add_argument("--whole", action="store_true", help="without the slope from half as many")
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="vizsla-scale-") as scratch:
        work = chosen.work or Path(scratch)
        half = None if chosen.whole else measured(work, chosen.events // 2, chosen.repeat)
        whole = measured(work, chosen.events, chosen.repeat)
    count = f"{chosen.events:,} process events"
    what = f"one group-by for each of {whole['group by'].said} fields"
    memory = max(found.memory for name, found in whole.items() if name != "group by")
    start = starting()
    rows = [
        _compared(f"learn and hunt {count}", whole, "seconds", what),
        _compared("the same, processor time", whole, "busy", what),
        Row(NAME, f"peak memory, {count}", f"{memory:.2f} GiB", asked=f"<= {MEMORY:g} GiB", ok=memory <= MEMORY),
        Row(NAME, "start-up, vizsla --help", f"{start:.2f} s", asked=f"<= {START:g} s", ok=start <= START),
    ]
    if half is not None:
        rows.insert(1, _compared("the same, slope from half of them", whole, "seconds", "", half))
    return rows


def _compared(name: str, whole: Mapping[str, Run], of: str, what: str, less: Mapping[str, Run] | None = None) -> Row:
    """Ours beside the reference's, in seconds (`of`: which); `less`: what is taken off both."""
    spent = {n: getattr(found, of) - (getattr(less[n], of) if less else 0.0) for n, found in whole.items()}
    ours, theirs = spent["learn"] + spent["hunt"], spent["group by"]
    ratio = ours / theirs
    beside = f"{theirs:.1f} s" + (f", {what}" if what else "")
    return Row(NAME, name, f"{ours:.1f} s", beside, f"{ratio:.2f}", f"<= {TIMES:g}", ratio <= TIMES)


def main(argv: Sequence[str] | None = None) -> int:
    found = run(argv)
    print(table(found))
    return exit_code(found)
