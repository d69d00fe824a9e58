"""What a command does with its streams: a reader that goes away, a terminal for progress; and what help says."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from hunt_samples import company, lake_of
from vizsla import analytics
from vizsla.findings import save
from vizsla.hunt import hunt
from vizsla.lake import Lake
from vizsla.nouns import HuntRequest

COMMAND = [sys.executable, "-m", "vizsla"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("streams") / "lake"
    lake_of(place, company(2, range(2)))
    save(Lake.open(place), hunt(HuntRequest(lake=str(place))))
    return place


@pytest.mark.parametrize(
    "command",
    [["show", "1"], ["show"], ["hunt"], ["hunt", "--format", "jsonl"], ["events", "process"], ["views"], ["doctor"],
     ["query", "select * from windows_sysmon"], ["hunt", "--help"], ["--help"], ["--version"]],
    ids=" ".join,
)  # fmt: skip
def test_a_reader_that_went_away_is_no_error(home: Path, command: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ran = subprocess.run(
            [*COMMAND, *command],
            stdout=writer,
            stderr=subprocess.PIPE,
            env={**os.environ, "VIZSLA_LAKE": str(home)},
            timeout=120,
            check=False,
        )
    finally:
        os.close(writer)
    assert ran.returncode == 141, ran.stderr
    for word in (b"Traceback", b"Error", b"defect"):
        assert word not in ran.stderr


def test_progress_shows_on_a_terminal_and_is_gone_at_the_end(home: Path, tmp_path: Path) -> None:
    """On a terminal of its own for standard error; what is piped stays clean."""
    leader, follower = pty.openpty()
    out = tmp_path / "out"  # not a pipe: it would fill while the terminal is read
    ran = subprocess.Popen(
        [*COMMAND, "hunt", "--lake", str(home), "--format", "jsonl"],
        stdout=out.open("wb"),
        stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the terminal's other end was closed
            break
        if not piece:
            break
        shown += piece
    assert ran.wait(60) == 0
    written = out.read_bytes()
    os.close(leader)
    assert b"hunting in windows_sysmon" in shown
    assert shown.count(b"\x1b[2K") >= 1  # the line is wiped
    assert shown.rstrip().rpartition(b"\x1b[2K")[2].count(b"hunting in") == 0
    assert b"\x1b" not in written
    assert all(line.startswith(b"{") for line in written.splitlines())


def test_help_says_which_analytics_there_are() -> None:
    from vizsla.cli.options import analytics_known

    own = analytics_known().removeprefix("Shipped: ").partition(";")[0].split(", ")
    assert set(own) <= set(analytics.registry())
    assert "rarity" in own
