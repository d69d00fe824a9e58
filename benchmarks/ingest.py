"""How fast logs get into the lake: whole processes, each beside its reference in the same run.

    python benchmarks/ingest.py EVTX_FOLDER JSON_LINES [--records N] [--repeat R]

EVTX_FOLDER holds many EVTX, such as copies of a set of samples with other computers' names. Rates are slopes
between half of the input and all of it, so that start-up does not count. References: the bare `evtx` parser over
the same files, and DuckDB's `COPY (FROM read_json(…, sample_size=-1)) TO` Parquet over the same lines.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

GOALS = {"EVTX": 0.25, "JSON lines": 0.5}

INGEST = """
import sys
from vizsla.ingest import ingest
from vizsla.lake import Lake
report = ingest(sys.argv[2:], Lake.open(sys.argv[1], create=True))
assert all(log.records == log.stored + log.known + log.rejected for log in report.readings)
print(sum(log.records for log in report.readings))
"""
BARE = """
import sys
from pathlib import Path
from evtx import PyEvtxParser
count = 0
for folder in sys.argv[2:]:
    for file in Path(folder).rglob("*.evtx"):
        for record in PyEvtxParser(str(file)).records_json():
            count += 1
print(count)
"""
DUCKDB = """
import sys
import duckdb
duckdb.sql("SET enable_progress_bar = false")
source, target = sys.argv[2], sys.argv[1] + ".parquet"
duckdb.sql(f"COPY (FROM read_json('{source}', sample_size=-1)) TO '{target}'")
print(duckdb.sql(f"SELECT count(*) FROM '{target}'").fetchall()[0][0])
"""


class Took(NamedTuple):
    """What a process took: seconds of the clock, seconds of processors (its children's too), for so many records."""

    seconds: float
    cpu: float
    records: int


class Slope(NamedTuple):
    """Records a second, microseconds of processor time a record, and the seconds that no record accounts for."""

    rate: float
    cpu: float
    start: float


def process(script: str, scratch: Path, *paths: Path) -> Took:
    """Run a script as a process of its own; it prints its number of records."""
    target = Path(tempfile.mkdtemp(dir=scratch)) / "out"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", script, str(target), *map(str, paths)], check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - begun
    shutil.rmtree(target.parent)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(seconds, cpu, int(done.stdout.split()[-1]))


def slope(script: str, scratch: Path, half: Sequence[Path], whole: Sequence[Path], repeat: int) -> Slope:
    """What lies between half and whole; of `repeat` runs the least time, and the least processor time."""
    runs = [(process(script, scratch, *half), process(script, scratch, *whole)) for _ in range(repeat)]
    few, many = min(run[0] for run in runs), min(run[1] for run in runs)
    cpu = min(run[1].cpu for run in runs) - min(run[0].cpu for run in runs)
    records = many.records - few.records
    rate = records / (many.seconds - few.seconds)
    return Slope(rate, cpu / records * 1e6, max(0.0, few.seconds - few.records / rate))


def halves_of_folder(folder: Path, scratch: Path, records: int | None) -> tuple[list[Path], list[Path]]:
    """A folder's EVTX as two folders of links, alike in what they hold; of about `records` records together."""
    files = sorted(folder.rglob("*.evtx"), key=lambda path: (path.name, str(path)))
    if records is not None:
        per_file = process(BARE, scratch, folder).records / len(files)
        step = max(1, round(len(files) * per_file / records))
        files = files[::step]
    parts = [scratch / "evtx0", scratch / "evtx1"]
    for number, file in enumerate(files):
        link = parts[number % 2] / f"{number}.evtx"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(file.resolve())
    return parts[:1], parts


def halves_of_lines(file: Path, scratch: Path, records: int | None) -> tuple[list[Path], list[Path]]:
    """The first half of a file's lines as a file, and all of them (the first `records`, where given)."""
    count = 0
    with file.open("rb") as lines:
        count = sum(1 for _ in lines)
    count = min(count, records or count)
    parts = [scratch / "half.jsonl", scratch / "whole.jsonl"]
    with file.open("rb") as lines, parts[0].open("wb") as half, parts[1].open("wb") as whole:
        for number, line in zip(range(count), lines, strict=False):
            whole.write(line)
            if number < count // 2:
                half.write(line)
    return parts[:1], parts[1:]


def main(argv: Sequence[str] | None = None) -> int:
    """Print one table; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evtx", type=Path)
    parser.add_argument("json", type=Path)
    parser.add_argument("--records", type=int, help="use about so many records of each")
    parser.add_argument("--repeat", type=int, default=1, help="take the best of so many runs")
    chosen = parser.parse_args(argv)
    cases: list[tuple[str, Callable[..., tuple[list[Path], list[Path]]], Path, str, str]] = [
        ("EVTX", halves_of_folder, chosen.evtx, BARE, "evtx, bare"),
        ("JSON lines", halves_of_lines, chosen.json, DUCKDB, "DuckDB COPY"),
    ]
    missed = 0
    print(f"{'input':<12}{'':<13}{'records/s':>12}{'CPU µs/record':>15}{'start-up':>10}{'ratio':>8}{'goal':>7}")
    with tempfile.TemporaryDirectory(prefix="vizsla-bench-") as folder:
        scratch = Path(folder)
        for title, halves, path, reference, peer in cases:
            half, whole = halves(path, scratch, chosen.records)
            theirs = slope(reference, scratch, half, whole, chosen.repeat)
            ours = slope(INGEST, scratch, half, whole, chosen.repeat)
            ratio = ours.rate / theirs.rate
            missed += ratio < GOALS[title]
            for name, found, end in (
                (peer, theirs, ""),
                ("Vizsla", ours, f"{ratio:>8.3f}{GOALS[title]:>7.3f}"),
            ):
                print(
                    f"{title:<12}{name:<13}{found.rate:>12,.0f}{found.cpu:>15.1f}{found.start:>9.2f}s{end}", flush=True
                )
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
