"""A small lake by hand: process starts, connections, logons, Zeek connections, over three days with a gap."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from vizsla.lake import Lake

STAMP = pa.timestamp("us", tz="UTC")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def batch(table: str, rows: list[dict[str, object]]) -> pa.RecordBatch:
    """Events of one table, with the columns of ours."""
    names = list(dict.fromkeys(name for row in rows for name in row if not name.startswith("_")))
    ours = ("_id", "_host", "_day", "_origin")
    schema = pa.schema([("_time", STAMP), *((name, pa.string()) for name in (*ours, *names))])
    full = []
    for number, row in enumerate(rows):
        time = row.get("_time")
        day = time.strftime("%Y-%m-%d") if isinstance(time, datetime) else "unknown"
        key = f"{zlib.crc32(table.encode()):08x}{number:024x}"
        full.append({"_id": key, "_day": day, "_origin": f"{table}#{number}", "_host": "ws1.corp", **row})
    return pa.RecordBatch.from_pylist(full, schema)


def make(root: Path, tables: dict[str, list[dict[str, object]]]) -> Lake:
    lake = Lake.open(root, create=True)
    lake.append({table: [batch(table, rows)] for table, rows in tables.items()})
    return lake


def started(
    time: datetime, image: str, host: str = "ws1.corp", user: str = "CORP\\ann", **more: object
) -> dict[str, object]:
    return {"_time": time, "_host": host, "EventID": "1", "Image": image, "User": user, "ProcessId": "4711", **more}


def company() -> dict[str, list[dict[str, object]]]:
    usual = [started(at(1, h), "C:\\Windows\\cmd.exe", host=f"ws{h % 3}.corp") for h in range(9)]
    return {
        "windows_sysmon": [
            *usual,
            started(at(4, 9), "C:\\Temp\\EVIL.exe", CommandLine="evil -x 'y'"),
            started(at(4, 9, 5), "C:\\Windows\\notepad.exe", user="CORP\\Bob"),
            {"_time": None, "EventID": "1", "Image": "C:\\lost.exe", "User": "CORP\\ann"},
            {"_time": at(4, 9, 6), "EventID": "3", "Image": "C:\\Temp\\EVIL.exe", "DestinationIp": "::ffff:9.9.9.9"},
        ],
        "windows_security": [
            {"_time": at(4, 8, 59), "EventID": "4624", "TargetUserName": "Ann", "LogonType": "3", "IpAddress": "-"}
        ],
        "zeek_conn": [
            {
                "_time": at(4, 9, 7),
                "_host": "10.0.0.5",
                "id.orig_h": "10.0.0.5",
                "id.resp_h": "9.9.9.9",
                "id.resp_p": "443",
            }
        ],
    }
