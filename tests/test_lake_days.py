"""Scans cut by days: every file once, and no more in a share than was asked for, or one day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from vizsla.lake import Lake, Scan
from vizsla.lake.days import by_days, of_days
from vizsla.lake.shape import day_of

DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "unknown")


def events(table: int, day: str, rows: int = 50) -> pa.RecordBatch:
    time = None if day == "unknown" else datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(hours=table)
    return pa.record_batch({
        "_id": pa.array([f"{table}{DAYS.index(day)}{n:030x}" for n in range(rows)]),
        "_time": pa.array([time] * rows, pa.timestamp("us", tz="UTC")), "_host": pa.array(["h"] * rows),
        "_origin": pa.array(["o"] * rows), "_day": pa.array([day] * rows), "Text": pa.array(["x"] * rows),
    })  # fmt: skip


@pytest.fixture
def scans(tmp_path: Path) -> list[Scan]:
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.append({f"t{table}": [events(table, day) for day in DAYS] for table in range(2)})
    return [lake.scan(name) for name in lake.tables()]


def files(scans: list[Scan]) -> list[str]:
    return [file for scan in scans for file in scan.files]


def test_few_events_are_one_share(scans: list[Scan]) -> None:
    assert list(by_days(scans, 400)) == [scans]


@pytest.mark.parametrize("rows", [1, 99, 150, 220, 330])
def test_every_file_is_in_one_share_with_all_of_its_day(scans: list[Scan], rows: int) -> None:
    shares = list(by_days(scans, rows))
    assert sorted(file for share in shares for file in files(share)) == sorted(files(scans))
    days = [{day_of(file) for file in files(share)} for share in shares]
    assert sorted(day for share in days for day in share) == list(DAYS)
    assert "unknown" in days[-1]
    assert len(shares) >= 2
    assert all(scan.days == tuple(dict.fromkeys(map(day_of, scan.files))) for share in shares for scan in share)
    if rows < 100:
        assert [len(day) for day in days] == [1] * 4


def test_a_scan_of_some_days_keeps_what_may_be_of_any(scans: list[Scan]) -> None:
    found = of_days(scans, ["2026-01-02"])
    assert {day_of(file) for file in files(found)} == {"2026-01-02", "unknown"}
    assert sum(scan.rows for scan in found) == 200
    assert of_days(scans, DAYS) == scans
