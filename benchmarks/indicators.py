"""A million indicators against millions of events: whole processes, beside a bare scan of the same columns.

    python -m benchmarks indicators [--events N] [--indicators M] [--work DIR] [--repeat R]

The lake holds N simulated process creations. M indicators of mixed kinds, of which a few stand in the events: those are
counted by DuckDB too, and the numbers must be equal. Measured, each a process of its own:

    prepare    the indicators into sorted files, once for as long as they stay the same
    match      all events against all indicators, what was seen kept for indicators to come
    add        a thousand more indicators, looked for in all events
    scan       DuckDB reads every value of the columns that are looked at (an exclusive-or of their hashes)
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.common import Row, exit_code, table
from benchmarks.scale import Run, built, process
from vizsla.lake import Lake
from vizsla.nouns.indicator import indicator_id

NAME = "indicators"
EVENTS, INDICATORS, MORE = 10_000_000, 1_000_000, 1_000
TIMES, MEMORY = 3.0, 4.0
TABLE = "windows_sysmon"
PLANTED = 20  # images of which the hash or the name is an indicator

PREPARE = """
import pyarrow.parquet as pq
from pathlib import Path
from vizsla.intel.wanted import build
from vizsla.intel.state import ROOM
print(len(pq.read_table(sys.argv[2])))
build(pq.read_table(sys.argv[2]), Path(sys.argv[1]) / ROOM / "wanted")
print(len(pq.read_table(sys.argv[2])))
"""
SEARCH = """
import pyarrow.parquet as pq
from vizsla.engines import connect
from vizsla.intel.search import search
from vizsla.lake import Lake
with connect() as engine:
    print(search(engine, Lake.open(sys.argv[1]), pq.read_table(sys.argv[2])).sightings)
"""
SCAN = """
import duckdb
from vizsla.intel.columns import every_type, looked, texts
from vizsla.lake import Lake
scan = Lake.open(sys.argv[1]).scan("windows_sysmon")
names = [column.name for column in looked(scan.table, texts(scan.schema), every_type())]
duckdb.sql("SET threads = 2")
duckdb.sql("SET enable_progress_bar = false")
asked = ", ".join(f'bit_xor(hash("{name}"))' for name in names)
duckdb.execute(f"SELECT {asked} FROM read_parquet(?)", [list(scan.files)]).fetchall()
print(len(names))
"""


def made(count: int, seed: int) -> list[tuple[str, str]]:
    """Indicators of mixed kinds in their normal form, none of which stands in simulated events."""
    chance = np.random.default_rng(seed)
    digits = [chance.bytes(32).hex() for _ in range(count)]
    kinds = chance.choice(
        14, count, p=[0.22, 0.2, 0.02, 0.08, 0.06, 0.16, 0.12, 0.05, 0.04, 0.01, 0.01, 0.01, 0.01, 0.01]
    )
    found = []
    for kind, text in zip(kinds.tolist(), digits, strict=True):
        name, number = f"{text[:9]}", int(text[:8], 16)
        four = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
        found.append((
            ("domain", f"{name}.{text[9:13]}.com"), ("ipv4", f"198.{four.partition('.')[2]}"),
            ("cidr", f"203.{four.split('.')[1]}.{four.split('.')[2]}.0/24"), ("md5", text[:32]), ("sha1", text[:40]),
            ("sha256", text), ("url", f"http://{name}.net/{text[9:14]}/gate.php"), ("file_name", f"{name}.exe"),
            ("file_path", f"%userprofile%\\appdata\\local\\temp\\{name}\\{text[9:15]}.dll"),
            ("email", f"{name}@{text[9:15]}.org"), ("registry_key", f"hkcu\\software\\{name}"), ("mutex", name),
            ("user_agent", f"mozilla/5.0 ({name})"), ("ja3", text[32:]),
        )[kind])  # fmt: skip
    return found


def write(indicators: Sequence[tuple[str, str]], path: Path) -> Path:
    pairs = list(dict.fromkeys(indicators))
    pq.write_table(pa.table({
        "id": [indicator_id(t, v) for t, v in pairs], "type": [t for t, _ in pairs], "value": [v for _, v in pairs],
    }), path)  # fmt: skip
    return path


def planted(lake: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]], int, int]:
    """Indicators that stand in the events: for the first matching and to be added; how many events they meet."""
    files = list(Lake.open(lake).scan(TABLE).files)
    rare = duckdb.execute(
        "SELECT lower(regexp_extract(Hashes, 'SHA256=([0-9A-Fa-f]+)', 1)) AS hash, count(*) AS n "
        "FROM read_parquet(?) GROUP BY 1 HAVING hash <> '' ORDER BY n, hash LIMIT ?", [files, 2 * PLANTED]
    ).fetchall()  # fmt: skip
    first, later = rare[::2], rare[1::2]
    return (
        [("sha256", text) for text, _ in first], [("sha256", text) for text, _ in later],
        sum(n for _, n in first), sum(n for _, n in later),
    )  # fmt: skip


def told(name: str, events: int, run: Run) -> None:
    load = ", ".join(f"{n:.1f}" for n in os.getloadavg())
    print(
        f"{events:,}, {name}: {run.seconds:.2f} s, {run.busy:.2f} s of processor, {run.memory:.2f} GiB; "
        f"said {run.said}; load {load}",
        flush=True,
    )


def measured(lake: Path, work: Path, events: int, count: int, repeat: int) -> tuple[dict[str, Run], int, int]:
    """The best of several runs of each."""
    now, later, in_events, in_later = planted(lake)
    base = write([*now, *made(count - len(now), 1)], work / "indicators.parquet")
    more = write([*later, *made(MORE - len(later), 2)], work / "more.parquet")
    best: dict[str, Run] = {}
    for _ in range(repeat):
        shutil.rmtree(lake / "sightings", ignore_errors=True)
        steps = (
            ("scan", SCAN, ()),
            ("prepare", PREPARE, (base,)),
            ("match", SEARCH, (base,)),
            ("add", SEARCH, (more,)),
        )
        for name, script, given in steps:
            run = process(script, lake, *given)
            told(name, events, run)
            if name not in best or run.seconds < best[name].seconds:
                best[name] = run
    return best, in_events, in_later


def run(argv: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--indicators", type=int, default=INDICATORS)
    parser.add_argument("--work", type=Path, help="keep the lake here, and use the one that is there")
    parser.add_argument("--repeat", type=int, default=1, help="take the best of so many runs")
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="vizsla-indicators-") as scratch:
        lake = built((chosen.work or Path(scratch)) / str(chosen.events), chosen.events)
        best, first, later = measured(lake, Path(scratch), chosen.events, chosen.indicators, chosen.repeat)
    scan, match, add = best["scan"], best["match"], best["add"]
    ratio = match.seconds / scan.seconds
    memory = max(match.memory, add.memory)
    what = f"{chosen.events:,} events against {chosen.indicators:,} indicators"
    seconds, before = f"{match.seconds:.1f} s", f"{scan.seconds:.1f} s"
    prepared = f"{best['prepare'].seconds:.1f} s"
    return [
        Row(NAME, what, seconds, before, f"{ratio:.1f}", f"at most {TIMES:.0f} times", ratio <= TIMES),
        Row(NAME, "most memory", f"{memory:.2f} GiB", "", "", f"under {MEMORY:.0f} GiB", memory < MEMORY),
        Row(NAME, "indicators prepared, once", prepared),
        Row(
            NAME,
            f"{MORE:,} indicators more, {later:,} events met",
            f"{add.seconds:.1f} s",
            seconds,
            f"{add.seconds / match.seconds:.2f}",
        ),
        Row(
            NAME, "events met, as DuckDB counts them", f"{match.said:,}", f"{first:,}", "", "equal", match.said == first
        ),
        Row(NAME, "met by those added", f"{add.said:,}", f"{later:,}", "", "equal", add.said == later),
    ]


if __name__ == "__main__":
    rows = run(sys.argv[1:])
    print(table(rows))
    raise SystemExit(exit_code(rows))
