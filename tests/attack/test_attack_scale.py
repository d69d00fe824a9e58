"""What an intruder writes to cost memory, time and files: very many days, very many names. Nothing of it is lost."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from attack.attack_tools import event, rows
from attack.test_attack_files import MEASURED
from vizsla.lake import Lake

DAYS = 20_000
KEYS = 200_000
SECONDS = 120  # of processor time; some ten are needed
MEMORY = 900  # MiB at the peak, of the command and what it starts


def ingested(log: Path, lake: Path) -> tuple[str, int]:
    """What `vizsla ingest` said in a process of its own, and its peak of memory in MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [sys.executable, "-c", MEASURED, "ingest", str(log), "--lake", str(lake)]
    ran = subprocess.run(command, capture_output=True, timeout=550, check=True)
    assert b"Traceback" not in ran.stderr
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < SECONDS
    said, _, end = ran.stdout.decode().rpartition("peak ")
    peak, code = end.split()
    assert code == "0", said
    return said, int(peak)


@pytest.mark.slow
def test_times_in_very_many_different_days(tmp_path: Path) -> None:
    first = datetime(1000, 1, 1, tzinfo=UTC)  # most of them so long ago that no partition is theirs
    log = tmp_path / "a.json"
    with log.open("w") as file:
        for n in range(DAYS):
            moment = first + timedelta(days=19 * n)
            file.write(json.dumps(event(n, TimeCreated=f"{moment.year:04d}{moment:-%m-%dT%H:%M:%SZ}")) + "\n")
    said, peak = ingested(log, tmp_path / "lake")
    assert "20,000 stored" in said
    assert peak < MEMORY
    scan = Lake.open(tmp_path / "lake").scan("windows_sysmon")
    days = {Path(file).parent.name for file in scan.files}
    believable = sum(1990 <= (first + timedelta(days=19 * n)).year < 2026 for n in range(DAYS))
    assert scan.rows == DAYS
    assert "_day=unknown" in days
    assert believable <= len(days) - 1 <= believable + 50  # and those of this year until today
    assert len(scan.files) == len(days)


@pytest.mark.slow
def test_every_day_that_can_be_believed(tmp_path: Path) -> None:
    """Six thousand days in one file, in no order: one small file each is the most that it may cost."""
    first = datetime(1990, 1, 1, tzinfo=UTC)
    days = 6_000
    log = tmp_path / "a.json"
    with log.open("w") as file:
        for n in range(days):
            at = first + timedelta(days=2 * (n * 2_357 % days))  # in no order
            file.write(json.dumps(event(n, TimeCreated=f"{at:%Y-%m-%dT%H:%M:%SZ}")) + "\n")
    said, peak = ingested(log, tmp_path / "lake")
    assert "6,000 stored" in said
    assert peak < MEMORY
    scan = Lake.open(tmp_path / "lake").scan("windows_sysmon")
    assert (scan.rows, len(scan.files)) == (days, days)


@pytest.mark.slow
def test_very_many_distinct_names(tmp_path: Path) -> None:
    log, each = tmp_path / "a.json", 50
    with log.open("w") as file:
        for n in range(KEYS // each):
            file.write(json.dumps(event(n, **{f"key{n * each + k}": "v" for k in range(each)})) + "\n")
    said, peak = ingested(log, tmp_path / "lake")
    assert f"{KEYS // each:,} stored" in said
    assert peak < MEMORY
    held = rows(tmp_path / "lake", "windows_sysmon")
    assert len(held[0]) <= 1000
    kept = {n for row in held for n, v in row.items() if n.startswith("key") and v is not None}
    kept |= {name for row in held for name, _ in row["_extra"] or ()}
    assert len({name for name in kept if name.startswith("key")}) == KEYS
