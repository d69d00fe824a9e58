"""Several processes at one lake: writers one after the other, readers never waiting, kills leaving no trace."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lake_samples import events, ident, ids, rows
from vizsla.errors import LakeError
from vizsla.lake import Lake
from vizsla.lake.lock import WriterLock

T = "windows_sysmon"
HERE = Path(__file__).parent

APPENDER = """
import sys
sys.path.insert(0, {here!r})
from lake_samples import events
from vizsla.lake import Lake
lake = Lake.open(sys.argv[1], create=True)
for n in range(int(sys.argv[2]), int(sys.argv[3])):
    lake.append({{"windows_sysmon": [events(range(n * 50, n * 50 + 100), Image="a.exe")]}})
    print(n, flush=True)
    if len(sys.argv) > 4:
        lake.compact()
"""


def appender(root: Path, first: int, last: int, *more: str) -> subprocess.Popen[str]:
    script = APPENDER.format(here=str(HERE))
    command = [sys.executable, "-c", script, str(root), str(first), str(last), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_writers_at_once_store_everything_once(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    writers = [appender(lake.root, 0, 10), appender(lake.root, 5, 15)]  # half of it twice
    for writer in writers:
        _, problems = writer.communicate(timeout=120)
        assert writer.returncode == 0, problems
    assert ids(lake)[T] == sorted(ident(n) for n in range(15 * 50 + 50))


def test_readers_run_while_files_are_merged(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    for n in range(10):
        lake.append({T: [events(range(n * 100, n * 100 + 100))]})
    problems: list[BaseException] = []
    stop = threading.Event()

    def read() -> None:
        reader = Lake.open(lake.root)
        try:
            while not stop.is_set():
                found = rows(reader, T).column("_id").to_pylist()
                assert len(found) == len(set(found)) >= 1000
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    for n in range(10, 25):
        lake.append({T: [events(range(n * 100, n * 100 + 100))]})
        lake.compact()
        lake.expire()
    stop.set()
    thread.join()
    assert not problems
    assert lake.count(T) == 2500


def test_a_second_writer_waits_a_little_and_is_told_who_writes(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from vizsla.lake.lock import WriterLock\n"
            "with WriterLock(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)",
            str(tmp_path / "writer.lock"),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        begun = time.monotonic()
        with (
            pytest.raises(LakeError, match=rf"another process is writing to this lake \(process {holder.pid}\)"),
            WriterLock(tmp_path / "writer.lock", patience=0.3),
        ):
            pass
        assert 0.3 <= time.monotonic() - begun < 10
    finally:
        holder.kill()
        holder.communicate()
    with WriterLock(tmp_path / "writer.lock", patience=5) as lock, lock:  # a killed holder's lock goes with it
        pass


@pytest.mark.parametrize("delay", [0.0, 0.013, 0.031, 0.057, 0.083, 0.12])
def test_killed_at_any_moment_and_run_again_gives_the_same_rows(tmp_path: Path, delay: float) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    writer = appender(lake.root, 0, 12, "compact")
    assert writer.stdout is not None
    for _ in range(3):
        writer.stdout.readline()
    time.sleep(delay)
    writer.kill()
    writer.communicate()
    again = appender(lake.root, 0, 12, "compact")
    _, problems = again.communicate(timeout=120)
    assert again.returncode == 0, problems
    assert ids(lake)[T] == sorted(ident(n) for n in range(12 * 50 + 50))
