"""Lakes with known gaps, silences and clocks: some hosts over some days, an event in each hour at work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from explore_samples import make

from vizsla.lake import Lake

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
SYSMON = "windows_sysmon"


def moment(day: int, hour: float) -> datetime:
    return START + timedelta(days=day, hours=hour)


def started(time: datetime, host: str, record: int = 0, **more: object) -> dict[str, object]:
    return {
        "_time": time,
        "_host": host,
        "EventID": "1",
        "Image": "C:\\Windows\\cmd.exe",
        "EventRecordID": str(record),
        "UtcTime": f"{time:%Y-%m-%d %H:%M:%S}.123",
        **more,
    }


def ticks(host: str, hours: list[float], table: str = SYSMON, **more: object) -> list[dict[str, object]]:
    """One event at each of these hours since START, numbered."""
    return [started(START + timedelta(hours=hour), host, record, **more) for record, hour in enumerate(hours)]


def steady(days: int, *, until: float | None = None, without: range | None = None) -> list[float]:
    """Every hour of some days, up to `until` and without a range of hours."""
    last = days * 24 if until is None else until
    return [h + 0.25 for h in range(days * 24) if h < last and not (without and h in without)]


def office(days: int, seed: int, shift: int = 0) -> list[float]:
    """Work from eight to five, lunch at twelve, five days in seven, now and then at night; `shift` hours later."""
    random = np.random.default_rng(seed)
    hours: list[float] = []
    for day in range(days):
        rates = np.full(24, 0.1)
        if day % 7 < 5:
            rates[8:17] = 8
            rates[12] = 2
        for hour, rate in enumerate(rates):
            count = int(random.poisson(rate))
            hours += sorted(day * 24 + hour + shift + random.random(count))
    return hours


def lake_of(root: Path, tables: dict[str, list[dict[str, object]]]) -> Lake:
    return make(root, tables)
