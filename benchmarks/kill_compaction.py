"""Compactions killed (SIGKILL) at random moments: the lake must open cleanly and hold the same rows as before.

    python benchmarks/kill_compaction.py [--moments 50] [--days 120] [--files 12] [--seed 1]

A lake of DAYS days with FILES small files each is compacted, and killed after a random share of the time that it
needs, again and again until no small file is left; then the next copy of it. After each kill the rows are compared by
`_id` with what was appended, and now and then all is appended once more, which must store nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.nursery import Nursery

TABLE = "kills"
ROWS = 20  # of one small file


def events(days: int, file: int) -> pa.RecordBatch:
    """One small file's rows in each of many days."""
    from vizsla.nouns.event import EVENT_FIELDS

    places = [(day, row) for day in range(days) for row in range(ROWS)]
    names = [f"{file}-{day}-{row}" for day, row in places]
    times = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=day, seconds=file * ROWS + row) for day, row in places]
    columns = [
        pa.array([hashlib.md5(name.encode()).hexdigest() for name in names]),
        pa.array(times, pa.timestamp("us", tz="UTC")),
        pa.array(["web1"] * len(names)),
        pa.array([f"{time:%Y-%m-%d}" for time in times]),
        pa.array([f"/logs/{name}" for name in names]),
        pa.array([hashlib.sha512(name.encode()).hexdigest() for name in names]),
    ]
    return pa.RecordBatch.from_arrays(columns, names=[*EVENT_FIELDS.names, "CommandLine"])


def ids(root: Path) -> list[str]:
    """All ids of the lake, sorted: a row that is there twice shows."""
    from vizsla.lake import Lake, delta

    scan = Lake.open(root).scan(TABLE)
    return sorted(found for part in delta.ids(scan.files) for found in part.to_pylist())


def files(root: Path) -> int:
    """How many files a scan reads."""
    from vizsla.lake import Lake

    return len(Lake.open(root).scan(TABLE).files)


NURSERY = """
import deltalake, pyarrow.parquet
from vizsla.lake import Lake
def work(lake):
    Lake.open(lake).compact()
"""


def build(root: Path, days: int, count: int) -> None:
    """The lake of small files; of one that is there already, the same events once more."""
    from vizsla.lake import Lake

    lake = Lake.open(root, create=True)
    for file in range(count):
        lake.append({TABLE: [events(days, file)]})


def appended_again(root: Path, days: int, count: int) -> bool:
    """Whether appending all of it once more stores nothing."""
    before = ids(root)
    build(root, days, count)
    return ids(root) == before


def main(argv: Sequence[str] | None = None) -> int:
    """Print what every lake gave; 1 where rows differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--files", type=int, default=12, help="small files of each day; appends merge 16 themselves")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(argv)
    chance = random.Random(chosen.seed)
    kills = wrong = ended = lakes = left = 0
    with tempfile.TemporaryDirectory(prefix="vizsla-kill-") as name:
        first, lake = Path(name) / "first", Path(name) / "lake"
        nursery = Nursery(NURSERY)
        build(first, chosen.days, chosen.files)
        expected, many = sorted(ids(first)), files(first)
        shutil.copytree(first, lake)
        _, needed = nursery.run(lake)
        few = files(lake)
        print(f"{len(expected):,} rows in {many:,} files; compacted to {few} in {needed:.2f} s", flush=True)
        if not few < many or ids(lake) != expected:
            raise SystemExit("an undisturbed compaction did not do what it should")
        while kills < chosen.moments:
            shutil.rmtree(lake)
            shutil.copytree(first, lake)
            lakes += 1
            killed = True
            while killed and kills < chosen.moments:
                killed, _ = nursery.run(lake, moment=chance.uniform(0.0, needed))
                kills += killed
                ended += not killed
                left += killed and files(lake) == few  # killed after its commit, or too late
                if ids(lake) != expected:
                    wrong += 1
                    print(f"kill {kills}: ROWS DIFFER", flush=True)
            nursery.run(lake)
            sound = ids(lake) == expected and files(lake) == few and appended_again(lake, chosen.days, chosen.files)
            wrong += not sound
            print(f"{kills} kills, {ended} ended before: {'same rows' if sound else 'ROWS DIFFER'}", flush=True)
        nursery.close()
    print(f"{kills} kills in {lakes} lakes ({left} after the merge was committed), {wrong} differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
