"""Killed (SIGKILL) at random moments and started again: the lake must hold the same rows as an undisturbed run's.

    python benchmarks/kill.py LOGS [--moments 50] [--seed 1]

Each moment is one round: an ingest of LOGS with forced compactions is killed, with its workers, after a random
share of the time that it needs, several times over, then run to its end. Rows are compared by table and `_id`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

RUN = """
import sys
from vizsla.ingest import ingest, run
from vizsla.ingest.store import Store
from vizsla.lake import Lake
run.Store = lambda lake: Store(lake, table_bytes=1 << 20)  # many appends, so that many a kill falls into one
lake = Lake.open(sys.argv[1], create=True)
ingest([sys.argv[2]], lake)
lake.compact()
"""


def start(lake: Path, logs: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUN, str(lake), str(logs)], start_new_session=True)


def finish(lake: Path, logs: Path) -> float:
    """Run to the end; the seconds it took."""
    begun = time.monotonic()
    if start(lake, logs).wait() != 0:
        raise SystemExit("a run that was not killed failed")
    return time.monotonic() - begun


def state(lake: Path) -> dict[str, tuple[int, str]]:
    """Per table, how many rows it has and a digest of their sorted ids: a doubled row shows."""
    import pyarrow.parquet as pq

    from vizsla.lake import Lake

    found = {}
    opened = Lake.open(lake)
    for table in opened.tables():
        ids: list[str] = []
        for file in opened.scan(table).files:
            ids += pq.ParquetFile(file).read(["_id"]).column(0).to_pylist()
        ids.sort()
        found[table] = (len(ids), hashlib.sha256("".join(ids).encode()).hexdigest())
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print what every moment gave; 1 where rows differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--each", type=int, default=2, help="kills of one lake before it is finished and compared")
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(argv)
    chance = random.Random(chosen.seed)
    wrong = kills = 0
    with tempfile.TemporaryDirectory(prefix="vizsla-kill-") as name:
        scratch = Path(name)
        needed = finish(scratch / "undisturbed", chosen.logs)
        expected = state(scratch / "undisturbed")
        print(f"undisturbed: {sum(n for n, _ in expected.values()):,} rows in {len(expected)} tables, {needed:.1f} s")
        while kills < chosen.moments:
            lake = scratch / f"lake{kills}"
            killed, ended = [], 0
            while len(killed) < min(chosen.each, chosen.moments - kills) and ended < 5:
                process = start(lake, chosen.logs)
                moment = chance.uniform(0.0, needed)  # a second run of one lake needs less, and may end before
                try:
                    process.wait(moment)
                    ended += 1
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    killed.append(moment)
            kills += len(killed)
            finish(lake, chosen.logs)
            same = state(lake) == expected
            wrong += not same
            moments = ", ".join(f"{moment:.2f}" for moment in killed)
            print(f"killed at {moments} s ({ended} ended before): {'same rows' if same else 'ROWS DIFFER'}", flush=True)
    print(f"{kills} kills, {wrong} lakes differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
