from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vizsla import scratch
from vizsla.scratch import LOCK, Scratch, sweep

HOLDS = """
import sys, time
from vizsla.scratch import Scratch
held = Scratch("duckdb")
(held.path / "spilled").write_bytes(b"x" * 1000)
print(held.path, flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sweep.cache_clear()
    yield tmp_path
    sweep.cache_clear()


def holder(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLDS], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "TMPDIR": str(folder)})  # fmt: skip
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_has_is_not(folder: Path) -> None:
    process, held = holder(folder)
    try:
        assert (held / "spilled").exists()
        assert sweep() == 0
        assert held.is_dir()
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    sweep.cache_clear()
    assert sweep() == 1
    assert not held.exists()


def test_one_that_only_seems_dead_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process, held = holder(folder)
    monkeypatch.setattr(scratch, "_alive", lambda number: False)  # as of a process in another container
    try:
        assert sweep() == 0
        assert held.is_dir()
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "name", ["vizsla-duckdb-abcdefgh", "vizsla-duckdb-999999999-x", "other-1-abcdefgh", "vizsla-1"]
)
def test_other_names_are_left_alone(folder: Path, name: str) -> None:
    (folder / name).mkdir()
    (folder / name / LOCK).touch()
    assert sweep() == 0
    assert (folder / name).is_dir()


def test_links_and_folders_without_a_lock_are_left_alone(folder: Path) -> None:
    kept = folder / "kept"
    kept.mkdir()
    (kept / LOCK).touch()
    (folder / "vizsla-duckdb-999999999-abcdefgh").symlink_to(kept)
    (folder / "vizsla-duckdb-999999998-abcdefgh").mkdir()
    linked = folder / "vizsla-duckdb-999999997-abcdefgh"
    linked.mkdir()
    (linked / LOCK).symlink_to(kept / LOCK)
    assert sweep() == 0
    assert kept.is_dir()
    assert linked.is_dir()


def test_a_folder_goes_when_it_is_closed(folder: Path) -> None:
    held = Scratch("duckdb")
    assert f"-{os.getpid()}-" in held.path.name
    held.close()
    held.close()
    assert not held.path.exists()


def test_the_engine_spills_into_one(folder: Path) -> None:
    from vizsla.engines import connect

    with connect():
        (spill,) = folder.iterdir()
        assert spill.name.startswith(f"vizsla-duckdb-{os.getpid()}-")
    assert list(folder.iterdir()) == []
