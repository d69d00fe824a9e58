"""Killed (SIGKILL) at random moments and started again: the lake must hold the same rows as an undisturbed run's.

    python benchmarks/kill.py LOGS [--moments 50] [--seed 1] [--growing]

Each moment is one round: an ingest of LOGS with forced compactions is killed, with its workers, after a random
share of the time that it needs, several times over, then run to its end. Rows are compared by table and `_id`.

With --growing the logs grow between kills by pieces that end anywhere, within lines too; what has come to its end is
renamed, and then compressed. What is compared with is one reading of the whole logs.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.nursery import Nursery

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
NURSERY = """
import deltalake, evtx, pyarrow.parquet
from vizsla.ingest import ingest, run
from vizsla.ingest.store import Store
from vizsla.lake import Lake
from vizsla.sources import registry
registry()
def work(lake, logs, workers):
    run.Store = lambda lake: Store(lake, table_bytes=1 << 16)
    opened = Lake.open(lake, create=True)
    ingest([logs], opened, workers=int(workers))
    opened.compact()
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


class Growing:
    """A folder that grows step by step until it holds the logs of another, rotated and compressed."""

    def __init__(self, logs: Path, folder: Path, steps: int, chance: random.Random) -> None:
        self._folder, self._chance = folder, chance
        self._ends: dict[str, list[int]] = {}
        self._content = {path.name: path.read_bytes() for path in sorted(logs.iterdir())}
        for name, content in self._content.items():
            done = chance.randint(max(1, steps - 3), steps)  # the step at which it is whole
            if b"\0" in content[:4096]:  # no log of lines: it is there at once
                self._ends[name] = [0] * (done - 1) + [len(content)]
            else:
                self._ends[name] = [*sorted(chance.choices(range(len(content)), k=done - 1)), len(content)]
        folder.mkdir()

    def grow(self, step: int) -> None:
        """The next piece of each log; of those that are whole, some are rotated."""
        for name, ends in self._ends.items():
            path, rotated = self._folder / name, self._folder / f"{name}.1"
            if step < len(ends):
                with path.open("ab") as file:
                    file.write(self._content[name][ends[step - 1] if step else 0 : ends[step]])
            elif rotated.exists():
                (self._folder / f"{name}.2.gz").write_bytes(gzip.compress(rotated.read_bytes()))
                rotated.unlink()
            elif path.exists() and self._chance.random() < 0.7:
                path.rename(rotated)


def hush(folder: Path) -> None:
    """Nobody has written to these logs for an hour: their last lines are whole."""
    for path in folder.iterdir():
        os.utime(path, (time.time() - 3600, time.time() - 3600))


def growing(logs: Path, scratch: Path, moments: int, each: int, chance: random.Random) -> int:
    """Kill ingests of growing logs, and say how many lakes differ from that of one reading."""
    shutil.copytree(logs, scratch / "whole", copy_function=shutil.copyfile)
    hush(scratch / "whole")
    nursery = Nursery(NURSERY)
    _, needed = nursery.run(scratch / "undisturbed", scratch / "whole", 0)
    expected = state(scratch / "undisturbed")
    print(f"undisturbed: {sum(n for n, _ in expected.values()):,} rows in {len(expected)} tables, {needed:.1f} s")
    kills = ended = wrong = 0
    for number in range(moments * 10):
        if kills >= moments:
            break
        lake, folder = scratch / f"lake{number}", scratch / f"logs{number}"
        logs_now = Growing(logs, folder, each, chance)
        for step in range(each):
            logs_now.grow(step)
            workers, moment = chance.choice((0, 0, 0, 2)), chance.uniform(0.0, 0.8) * needed
            killed, _ = nursery.run(lake, folder, workers, moment=moment)
            kills += killed
            ended += not killed
        for step in range(each, each + 2):  # what follows is not killed
            logs_now.grow(step)
            hush(folder)
            nursery.run(lake, folder, 0)
        same = state(lake) == expected
        wrong += not same
        print(f"{kills} kills, {ended} ended before: {'same rows' if same else 'ROWS DIFFER'}", flush=True)
        if same:
            shutil.rmtree(lake)
            shutil.rmtree(folder)
    nursery.close()
    print(f"{kills} kills, {wrong} lakes differ")
    return wrong


def main(argv: Sequence[str] | None = None) -> int:
    """Print what every moment gave; 1 where rows differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path)
    parser.add_argument("--moments", type=int, default=50)
    parser.add_argument("--each", type=int, default=2, help="kills of one lake before it is finished and compared")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--growing", action="store_true", help="let the logs grow between kills")
    chosen = parser.parse_args(argv)
    chance = random.Random(chosen.seed)
    if chosen.growing:
        with tempfile.TemporaryDirectory(prefix="vizsla-kill-") as name:
            return 1 if growing(chosen.logs, Path(name), chosen.moments, max(chosen.each, 5), chance) else 0
    wrong = kills = 0
    with tempfile.TemporaryDirectory(prefix="vizsla-kill-") as name:
        scratch = Path(name)
        needed = finish(scratch / "undisturbed", chosen.logs)
        expected = state(scratch / "undisturbed")
        print(f"undisturbed: {sum(n for n, _ in expected.values()):,} rows in {len(expected)} tables, {needed:.1f} s")
        while kills < chosen.moments:
            lake = scratch / f"lake{kills}"
            killed: list[float] = []
            ended = 0
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
