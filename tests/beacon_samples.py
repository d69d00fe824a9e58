"""Connections made by hand: events of Zeek's logs, and of pairs with given arrivals."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vizsla.lake import Lake

MONDAY = datetime(2025, 3, 3, tzinfo=UTC)
Row = Mapping[str, Any]


def zeek(rows: Sequence[Row]) -> pa.RecordBatch:
    """Zeek events; `at`: seconds after MONDAY; the host is the originator."""
    when = [MONDAY + timedelta(seconds=float(row["at"])) for row in rows]
    names = sorted({name for row in rows for name in row} - {"at"})
    said = [
        f"{moment.isoformat()} {sorted(row.items())} {n}"
        for n, (moment, row) in enumerate(zip(when, rows, strict=True))
    ]
    columns: dict[str, Any] = {
        "_id": [hashlib.md5(text.encode()).hexdigest() for text in said],
        "_time": pa.array(when, pa.timestamp("us", tz="UTC")),
        "_host": [row["id.orig_h"] for row in rows],
        "_day": [moment.strftime("%Y-%m-%d") for moment in when],
        "_origin": [f"zeek.log#{number}" for number in range(len(rows))],
    }
    columns |= {name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}
    return pa.RecordBatch.from_pydict(columns)


def conn(at: float, source: str, target: str, port: int = 443, **more: str) -> Row:
    return {"at": at, "id.orig_h": source, "id.resp_h": target, "id.resp_p": str(port), "proto": "tcp"} | more


def lake_of(root: Path, **tables: Sequence[Row]) -> Lake:
    """A new lake of Zeek tables by name: conn=[…] makes zeek_conn."""
    lake = Lake.open(root, create=True)
    lake.append({f"zeek_{name}": [zeek(rows)] for name, rows in tables.items() if rows})
    return lake


def every(period: float, count: int, jitter: float, seed: int, lost: float = 0.0, start: float = 60.0) -> list[float]:
    """Arrivals of a program that sleeps `period` give or take `jitter`, some of them lost."""
    rng = np.random.default_rng(seed)
    at = start + np.cumsum(period * (1 + rng.uniform(-jitter, jitter, count)))
    return [float(time) for time in at[rng.random(count) >= lost]]


def bursts(count: int, seed: int, days: int = 3) -> list[float]:
    """Arrivals of a person: bursts within working hours."""
    rng = np.random.default_rng(seed)
    at = []
    for day in range(days):
        for begin in rng.uniform(8, 17, count) * 3600 + day * 86_400:
            at += list(begin + np.cumsum(np.exp(rng.normal(3, 1.4, rng.integers(2, 12)))))
    return sorted(float(time) for time in at)
