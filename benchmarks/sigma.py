"""How fast rules are matched: whole processes, the same rules and files, beside SQLite with one query per rule.

    python -m benchmarks sigma [--copies N] [--evtx FOLDER] [--reference-copies N] [--captures LOGS | --lake LAKE]

Rates are slopes between half of the copies and all of them, so that start-up, loading rules among it, does not count.
No result is kept from one to the other. Ours: EVTX into a new lake (read), then every rule over it (match). The
reference is what Zircolite does, kindly measured: the bare parser over the same EVTX (read), the events into SQLite,
one query per rule and table with an index of event ids (match). Over a lake, matching stands beside a bare scan of the
same columns. The pairs of rule and event must be the same.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from benchmarks.common import Row, data, shared

COPIES = 124  # of the public EVTX: a million records
REFERENCE_COPIES = 4
GOAL = 30.0
FOLDERS = ("rules", "rules-emerging-threats", "rules-threat-hunting")
QUIET = 2.0  # load average above which nothing that is measured was measured quietly


class Took(NamedTuple):
    """What a process did: events, seconds of reading and matching, pairs found, its peak in MiB."""

    events: int
    read: float
    match: float
    pairs: int
    peak: float


class Slope(NamedTuple):
    """Events a second, of the whole and of its parts."""

    whole: float
    read: float
    match: float


def windows_rules() -> Any:
    """All of SigmaHQ's rules for Windows that load."""
    from vizsla.sigma.load import load

    rules = load([data("sigma") / folder for folder in FOLDERS]).rules
    return [rule for rule in rules if rule.condition is not None and rule.logsource.product == "windows"]


def ours(folders: Sequence[Path], lake_folder: Path) -> tuple[int, float, float, set[tuple[str, str]]]:
    """EVTX into a new lake, and every rule over it."""
    from benchmarks.sigma_reference import matched
    from vizsla.ingest import ingest
    from vizsla.lake import Lake

    rules = windows_rules()
    begun = time.perf_counter()
    lake = Lake.open(lake_folder, create=True)
    report = ingest(list(folders), lake)
    between = time.perf_counter()
    pairs = matched(lake, rules)
    return sum(log.stored for log in report.readings), between - begun, time.perf_counter() - between, pairs


def theirs(folders: Sequence[Path], lake_folder: Path) -> tuple[int, float, float, set[tuple[str, str]]]:
    """The bare parser over the same EVTX; then the lake's events into SQLite, and one query per rule and table."""
    from evtx import PyEvtxParser

    from benchmarks import sigma_reference
    from vizsla.lake import Lake

    rules = windows_rules()
    documents = sigma_reference.rules_at(data("sigma") / folder for folder in FOLDERS)
    lake = Lake.open(lake_folder)
    looks = sigma_reference.looks(rules, lake)
    asked, failed = sigma_reference.queries(documents, looks)
    begun = time.perf_counter()
    for folder in folders:
        for file in sorted(folder.rglob("*.evtx")):
            sum(1 for _ in PyEvtxParser(str(file)).records_json())
    between = time.perf_counter()
    found = sigma_reference.answered(lake, asked)
    assert not failed
    assert not found.failed
    events = sum(lake.count(table) for table in lake.tables())
    return events, between - begun, time.perf_counter() - between, found.pairs


def worker(arguments: Sequence[str]) -> int:
    """One measurement, as a process of its own: WHO LAKE PAIRS_FILE FOLDER…"""
    who, lake, file, *folders = arguments
    events, read, match, pairs = {"ours": ours, "theirs": theirs}[who]([Path(f) for f in folders], Path(lake))
    Path(file).write_text("\n".join(sorted(f"{rule} {event}" for rule, event in pairs)))
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    below = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps(Took(events, read, match, len(pairs), max(own, below) / 1024)))
    return 0


def process(who: str, lake: Path, pairs: Path, folders: Sequence[Path]) -> Took:
    command = [sys.executable, "-m", "benchmarks.sigma", "--worker", who, str(lake), str(pairs), *map(str, folders)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Took(*json.loads(done.stdout.splitlines()[-1]))


def slope(half: Took, whole: Took) -> Slope:
    events = whole.events - half.events
    read, match = whole.read - half.read, whole.match - half.match
    return Slope(events / (read + match), events / read, events / match)


@dataclass(frozen=True)
class Bare:
    """Touches what a matcher looks at, and finds nothing."""

    schema: pa.Schema = field(default_factory=lambda: pa.schema([("rows", pa.int64())]))

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_pydict({"rows": [batch.num_rows]}, schema=self.schema)


def over_lake(folder: Path, rules: Any) -> list[Row]:
    """Every rule over a lake, beside a bare scan of the same columns; the scan first, so that files lie in memory."""
    from vizsla.engines import connect
    from vizsla.hit import Hitting
    from vizsla.lake import Lake
    from vizsla.sigma.match import matchers

    lake = Lake.open(folder)
    scans = {table: lake.scan(table) for table in lake.tables()}
    begun = time.perf_counter()
    made, _ = matchers(rules, scans.values())
    prepared = time.perf_counter() - begun
    bare = matching = 0.0
    events = hits = 0
    with connect("duckdb") as engine:
        for one in made:
            mapper, scan = Hitting(one), scans[one.table]
            for _ in range(2):  # the first time warms what the operating system keeps of files
                begun = time.perf_counter()
                for _ in engine.map(scan, mapper.columns, Bare()):
                    pass
                last = time.perf_counter() - begun
            bare += last
            begun = time.perf_counter()
            hits += sum(batch.num_rows for batch in engine.map(scan, mapper.columns, mapper))
            matching += time.perf_counter() - begun
            events += scan.rows
    what = f"{events:,} events of a lake, {len(rules):,} rules, {hits:,} hits, prepared in {prepared:.1f} s"
    return [Row("sigma", what, f"{matching:.1f} s, {events / matching:,.0f}/s", f"bare scan: {bare:.1f} s",
                f"{matching / bare:.1f}x the scan")]  # fmt: skip


def parts_of(folder: Path, copies: int) -> list[Path]:
    """The first copies of a folder that multiply_evtx.py made."""
    found = sorted(path for path in folder.iterdir() if path.is_dir())[:copies]
    if len(found) < copies:
        raise SystemExit(f"{folder} holds {len(found)} copies, not {copies}")
    return found


def busy() -> str:
    load = os.getloadavg()[0]
    return f"load average {load:.1f}" + (": NOT QUIET, rates say little" if load > QUIET else "")


def run(arguments: Sequence[str]) -> list[Row]:
    """The rows of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--copies", type=int, default=COPIES, help=f"of the public EVTX ({COPIES})")
    parser.add_argument("--evtx", type=Path, help="a folder of copies that multiply_evtx.py made already")
    parser.add_argument("--reference-copies", type=int, default=REFERENCE_COPIES, help="for the reference")
    parser.add_argument("--captures", type=Path, default=data("mordor"), help="logs for a lake")
    parser.add_argument("--lake", type=Path, help="that lake, where there is one already")
    chosen = parser.parse_args(list(arguments))
    with tempfile.TemporaryDirectory(prefix="vizsla-sigma-") as folder:
        return _rows(chosen, Path(folder))


def _rows(chosen: argparse.Namespace, scratch: Path) -> list[Row]:
    evtx = chosen.evtx or scratch / "evtx"
    if chosen.evtx is None:
        tool = [sys.executable, str(shared("bench", "multiply_evtx.py")), str(data("evtx")), str(evtx)]
        subprocess.run([*tool, str(chosen.copies)], check=True, stdout=subprocess.DEVNULL)
    rules = windows_rules()
    print(f"{len(rules):,} rules for Windows; {busy()}", flush=True)

    def measured(who: str, copies: int, lake: str) -> Took:
        pairs = scratch / f"{who}{copies}"
        took = process(who, scratch / lake, pairs, parts_of(evtx, copies))
        print(f"{who:<7}{took.events:>10,} events: read {took.read:.1f} s, match {took.match:.1f} s, "
              f"{took.pairs:,} pairs, peak {took.peak:,.0f} MiB; {busy()}", flush=True)  # fmt: skip
        return took

    few = chosen.reference_copies
    small = {copies: measured("ours", copies, f"small{copies}") for copies in (few // 2, few)}
    other = {copies: measured("theirs", copies, f"small{copies}") for copies in small}
    reference = slope(other[few // 2], other[few])
    alike = sum(len(set(_lines(scratch / f"ours{n}")) ^ set(_lines(scratch / f"theirs{n}"))) for n in small)
    half, whole = (measured("ours", n, f"large{n}") for n in (chosen.copies // 2, chosen.copies))
    found = slope(half, whole)
    rows = [_row(name, getattr(found, name), getattr(reference, name), whole.events) for name in Slope._fields]
    rows.append(Row("sigma", f"pairs that differ, of {sum(took.pairs for took in small.values()):,}", str(alike),
                    asked="those explained in docs/sigma-differences.md"))  # fmt: skip
    rows.append(Row("sigma", f"peak memory, {whole.events:,} events", f"{whole.peak:,.0f} MiB"))
    lake = chosen.lake
    if lake is None:
        from vizsla.ingest import ingest
        from vizsla.lake import Lake

        lake = scratch / "captures"
        ingest([chosen.captures], Lake.open(lake, create=True))
    rows += over_lake(lake, rules)
    print(busy(), flush=True)
    return rows


def _row(name: str, ours_: float, theirs_: float, events: int) -> Row:
    ratio = ours_ / theirs_
    asked = f"{GOAL:.0f}x" if name != "read" else ""
    what = {
        "whole": f"EVTX, read and matched, up to {events:,} events",
        "read": "reading alone",
        "match": "matching alone",
    }
    return Row("sigma", what[name], f"{ours_:,.0f}/s", f"SQLite: {theirs_:,.0f}/s", f"{ratio:.1f}", asked,
               ratio >= GOAL if asked else None)  # fmt: skip


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        raise SystemExit(worker(sys.argv[2:]))
    from benchmarks.__main__ import main

    raise SystemExit(main(["sigma", *sys.argv[1:]]))
