"""What each analytic costs: processor time, events a second, memory, and how these grow with the number of events.

    python -m benchmarks cost [--events N,N,…] [--only NAME,NAME] [--work DIR] [--no-models]

For each N a lake of a simulated company of about N events: eight days without weekends, with an intruder, and as many
hosts as it takes, so that what compares hosts with each other grows, too. For each analytic alone, in a process of its
own: it learns on the first four days and finds in the last four. A figure of events a second is the events of all
tables on those days over seconds of processor time, whatever the analytic looks at. What it does on no event at all is
done once before, so that imports do not count. Memory is the kernel's peak of the process (VmHWM). Growth is the
exponent of processor time between two sizes, log(t2 / t1) / log(n2 / n1), 1 where it is linear.

Beside it, in the same process, DuckDB's bare scan of the columns that the analytic had the engine read, on all days.
`cost_models.py` adds the outlier models beside scikit-learn's and PyOD's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from time import perf_counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.common import Row, exit_code, table
from vizsla.analytic import Analytic
from vizsla.analytics import registry
from vizsla.analytics.rarity.encode import mixed
from vizsla.lake import Lake
from vizsla.simulate import Company

NAME = "cost"
EVENTS = (1_000_000, 10_000_000, 50_000_000)
HALF, DAYS = 4, 8
A_HOST_DAY = 6_300  # events of a host's working day, about
GROWTH, MEMORY = 1.2, 4.0  # asked: the exponent at most, GiB at most
AT_ONCE = 500_000


@dataclass(frozen=True, slots=True)
class Cost:
    """One analytic over one lake: events, seconds of processor time, GiB; `scan`: of the bare scan of `columns`."""

    events: int
    learn: float
    find: float
    memory: float
    bare: float  # GiB before the first event
    rows: int
    scan: float
    columns: int

    @property
    def busy(self) -> float:
        return self.learn + self.find


def stamped(company: Company) -> Iterator[dict[str, list[pa.RecordBatch]]]:
    """A company's events by table, as the lake takes them."""
    made, held, rows = 0, dict[str, list[pa.RecordBatch]](), 0
    for name, batch in company.batches():
        numbers = np.arange(made, made + batch.num_rows, dtype=np.uint64)
        pairs = zip(mixed(numbers).tolist(), mixed(numbers, numbers).tolist(), strict=True)
        ids = pa.array([f"{high:016x}{low:016x}" for high, low in pairs])  # as evenly spread as real ones
        made += batch.num_rows
        rows += batch.num_rows
        day = pc.strftime(batch.column("_time"), "%Y-%m-%d")
        held.setdefault(name, []).append(batch.append_column("_id", ids).append_column("_day", day))
        if rows >= AT_ONCE:
            yield held
            held, rows = {}, 0
    if held:
        yield held


def built(home: Path, events: int) -> Path:
    """A lake of about so many events, made where it is missing."""
    if not (home / "whole").exists():
        begun = perf_counter()
        lake = Lake.open(home / "lake", create=True)
        hosts = max(3, round(events / DAYS / A_HOST_DAY))
        for part in stamped(Company(hosts, DAYS, stationary=True)):
            lake.append(part)
        lake.compact()
        placed(home / "places.csv")
        (home / "whole").touch()
        rows = sum(lake.scan(name).rows for name in lake.tables())
        print(f"# {rows:,} events of {hosts} hosts made in {perf_counter() - begun:.0f} s", flush=True)
    return home


def placed(file: Path) -> None:
    """A GeoIP table in which every second network of the company lies far from the others."""
    lines = [f"10.20.{net}.0/24,{net % 160 / 2},{net % 2 * 90}" for net in range(256)]
    file.write_text("\n".join(["network,latitude,longitude", *lines]), "utf-8")


def measured(name: str, home: Path) -> Cost:
    """One analytic over one lake, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.cost_one", name, str(home)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def growth(small: Cost, large: Cost) -> float:
    """The exponent of processor time between two sizes."""
    return log(large.busy / small.busy) / log(large.events / small.events)


def rows_of(name: str, costs: Sequence[Cost]) -> list[Row]:
    """One row for each size; growth against the size before."""
    rows = []
    for place, cost in enumerate(costs):
        rate = [cost.events / 2 / max(seconds, 1e-3) for seconds in (cost.learn, cost.find)]
        ours = (
            f"learn {cost.learn:.1f} s, {rate[0]:,.0f}/s; find {cost.find:.1f} s, {rate[1]:,.0f}/s; "
            f"{cost.memory:.2f} GiB ({cost.bare:.2f} before); {cost.rows:,} units"
        )
        holds, asked = cost.memory <= MEMORY, f"<= {MEMORY:g} GiB"
        if place:
            exponent = growth(costs[place - 1], cost)
            ours += f"; growth {exponent:.2f}"
            holds, asked = holds and exponent <= GROWTH, f"{asked}, growth <= {GROWTH:g}"
        beside = f"{cost.scan:.2f} s, bare scan of {cost.columns} columns"
        ratio = f"{cost.busy / max(cost.scan, 1e-3):.0f}"
        rows.append(Row(NAME, f"{name}, {cost.events:,} events", ours, beside, ratio, asked, holds))
        print(f"{rows[-1].what}: {ours}; {beside}", flush=True)
    return rows


def analytics() -> list[str]:
    """All that look at events by themselves; rules and indicators have benchmarks of their own."""
    return [name for name, one in registry().items() if isinstance(one, Analytic) or not one.hits]


def run(argv: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", default=",".join(map(str, EVENTS)), help="sizes of lakes, by commas")
    parser.add_argument("--only", help="analytics, by commas; without: all, and the models")
    parser.add_argument("--work", type=Path, help="keep the lakes here, and use those that are there")
    parser.add_argument("--no-models", action="store_true", help="without the outlier models beside their peers")
    chosen = parser.parse_args(argv)
    names = chosen.only.split(",") if chosen.only else analytics()
    rows = []
    with tempfile.TemporaryDirectory(prefix="vizsla-cost-") as scratch:
        work = chosen.work or Path(scratch)
        homes = [built(work / str(events), events) for events in sorted(map(int, chosen.events.split(",")))]
        for name in names:
            rows += rows_of(name, [measured(name, home) for home in homes])
    if not (chosen.only or chosen.no_models):
        from benchmarks import cost_models

        rows += cost_models.run([])
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    found = run(argv)
    print(table(found))
    return exit_code(found)
