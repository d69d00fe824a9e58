"""A small lake table, written by hand: three days, two hosts, a column that only later files hold."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

from vizsla.lake import Scan

STAMP = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        ("_id", pa.string()),
        ("_time", STAMP),
        ("_host", pa.string()),
        ("_day", pa.string()),
        ("_origin", pa.string()),
        ("EventID", pa.string()),
        ("Image", pa.string()),
        ("_extra", pa.map_(pa.string(), pa.string())),
        ("Late", pa.string()),
    ]
)


def moment(day: int, hour: int) -> datetime:
    return datetime(2026, 1, day, hour, 30, tzinfo=UTC)


def rows() -> list[dict[str, object]]:
    out: list[dict[str, object]] = []
    for day in (1, 2, 3):
        for hour in range(24):
            out.append(
                {
                    "_id": f"{day}-{hour}",
                    "_time": moment(day, hour),
                    "_host": "alpha" if hour % 2 else "beta",
                    "_day": f"2026-01-0{day}",
                    "_origin": f"f#{hour}",
                    "EventID": str(hour % 3),
                    "Image": None if hour == 5 else f"C:\\x\\{hour % 4}.exe",
                    "_extra": [("k", str(hour))] if hour == 7 else None,
                    "Late": "there" if day == 3 else None,
                }
            )
    out.append({"_id": "lost", "_host": "alpha", "_day": "unknown", "EventID": "1", "Image": "naïve\u202e.exe"})
    return out


def write(root: Path, events: list[dict[str, object]], schema: pa.Schema) -> None:
    early = pa.schema([f for f in schema if f.name != "Late"])
    for event in sorted({str(e["_day"]) for e in events}):
        part = [e for e in events if e["_day"] == event]
        chosen = schema if any(e.get("Late") for e in part) else early
        write_deltalake(
            str(root),
            pa.Table.from_pylist([{n: e.get(n) for n in chosen.names} for e in part], chosen),
            mode="append",
            schema_mode="merge",
            partition_by=["_day"],
        )


def scan_of(root: Path, schema: pa.Schema = SCHEMA, **limits: object) -> Scan:
    files = tuple(sorted(str(f) for f in root.glob("_day=*/*.parquet")))
    return Scan("t", files, schema, 0, 0, **limits)  # type: ignore[arg-type]
