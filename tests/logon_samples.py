"""Logons made by hand: people who come in the morning, and what a hunter would look at twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from vizsla.lake import Lake

MONDAY = datetime(2025, 3, 3, tzinfo=UTC)
PEOPLE = ("ada", "ben", "cleo", "dana", "eli", "fay")
Logon = tuple[datetime, str, str]  # when, on which host, who


def working_days(first: datetime, days: int) -> list[Logon]:
    """Everybody logs on at their own computer between 7 and 10, and again between 12 and 14."""
    logons = []
    for day in range(days):
        for number, who in enumerate(PEOPLE):
            for hour in (7 + (number + day) % 3, 12 + (number * day) % 2):
                when = first + timedelta(days=day, hours=hour, minutes=7 * number + day % 5)
                logons.append((when, f"ws{number}", who))
    return logons


def batch(logons: Iterable[Logon], **others: object) -> pa.RecordBatch:
    """Logons as events of the Security log; those at night come from afar."""
    rows = sorted(logons)
    said = [f"{when.isoformat()} {host} {who}" for when, host, who in rows]
    columns: dict[str, object] = {
        "_id": [hashlib.md5(text.encode()).hexdigest() for text in said],
        "_time": pa.array([when for when, _, _ in rows], pa.timestamp("us", tz="UTC")),
        "_host": [host for _, host, _ in rows],
        "_day": [when.strftime("%Y-%m-%d") for when, _, _ in rows],
        "_origin": [f"security.evtx#{number}" for number in range(len(rows))],
        "EventID": ["4624"] * len(rows),
        "Channel": ["Security"] * len(rows),
        "Computer": [host for _, host, _ in rows],
        "LogonType": ["2" if when.hour >= 6 else "10" for when, _, _ in rows],
        "TargetUserName": [who for _, _, who in rows],
        "TargetLogonId": [f"0x{int(hashlib.md5(text.encode()).hexdigest()[:8], 16):x}" for text in said],
    }
    return pa.RecordBatch.from_pydict(columns | others)


def lake_of(root: Path, logons: Iterable[Logon]) -> Lake:
    """A new lake that holds these logons."""
    lake = Lake.open(root, create=True)
    lake.append({"windows_security": [batch(logons)]})
    return lake
