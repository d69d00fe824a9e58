"""Small lakes made by hand: quiet computers, and an intruder among them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rarity_samples import DAY, HOUR, MINUTE, SECOND, batch
from vizsla.lake import Lake
from vizsla.source import Batch
from vizsla.stamp import Stamper

START = 1_735_689_600_000_000  # 2025-01-01 00:00 UTC
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SYSTEM32 = "C:\\Windows\\System32\\"
PROGRAMS = ["chrome.exe", "outlook.exe", "teams.exe", "notepad.exe", "winword.exe", "excel.exe"]
Event = dict[str, Any]  # 'table', '_time' in microseconds, '_host', native columns


def guid(*parts: object) -> str:
    """A GUID of one's own for these parts."""
    h = hashlib.md5(repr(parts).encode()).hexdigest()
    return f"{{{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}}}"


def sysmon(number: int, at: int | None, host: str | None, **native: Any) -> Event:
    return {"table": "windows_sysmon", "_time": at, "_host": host, "EventID": str(number), "Computer": host,
            "Channel": "Microsoft-Windows-Sysmon/Operational", **native}  # fmt: skip


def process(
    at: int, host: str, image: str, parent: str = "C:\\Windows\\explorer.exe", key: object = None, **more: Any
) -> Event:
    own = guid((host, image, at) if key is None else key)
    fields = {
        "Image": image, "ParentImage": parent, "ProcessGuid": own, "ProcessId": str(1000 + int(own[1:5], 16) // 4 * 4),
        "ParentProcessGuid": guid(host, parent), "CommandLine": image, "User": "CORP\\user",
    }  # fmt: skip
    return sysmon(1, at, host, **{**fields, **more})


def quiet_day(host: str, day: int, seed: int = 0, hours: Iterable[int] = range(8, 17)) -> list[Event]:
    """What a computer does on a day at work: programs started, connections, files."""
    rng = np.random.default_rng([seed, day, sum(map(ord, host))])
    events = []
    for hour in hours:
        for n in range(int(rng.integers(2, 5))):
            at = START + day * DAY + hour * HOUR + int(rng.integers(0, 3_500)) * SECOND
            program = PROGRAMS[min(int(rng.geometric(0.4)) - 1, len(PROGRAMS) - 1)]
            image = f"C:\\Program Files\\{program}"
            key = (host, day, hour, n)
            events.append(process(at, host, image, key=key))
            peer = f"10.0.0.{min(int(rng.geometric(0.3)), 30)}"
            events.append(sysmon(3, at + SECOND, host, Image=image, ProcessGuid=guid(key), DestinationIp=peer,
                                 DestinationPort=str(rng.choice(["443", "80"])), User="CORP\\user"))  # fmt: skip
            if rng.random() < 0.5:
                name = f"C:\\Users\\user\\Documents\\note{rng.integers(100)}.txt"
                own = {"Image": image, "ProcessGuid": guid(key)}
                events.append(sysmon(11, at + 2 * SECOND, host, TargetFilename=name, **own))
    return events


def attack(host: str, at: int) -> list[Event]:
    """An encoded PowerShell below Word, that reads LSASS and calls home."""
    shell, key = f"{SYSTEM32}WindowsPowerShell\\v1.0\\powershell.exe", (host, at, "evil")
    own = {"ProcessGuid": guid(key), "User": "CORP\\user"}
    return [
        process(at, host, shell, "C:\\Program Files\\winword.exe", key=key,
                CommandLine="powershell.exe -nop -w hidden -enc " + "SQBFAFgA" * 9),
        sysmon(3, at + 5 * SECOND, host, Image=shell, DestinationIp="203.0.113.66", DestinationPort="4444", **own),
        sysmon(10, at + 9 * SECOND, host, SourceImage=shell, SourceProcessGUID=guid(key),
               TargetImage=f"{SYSTEM32}lsass.exe", GrantedAccess="0x1010"),
    ]  # fmt: skip


def company(hosts: int, days: Iterable[int], seed: int = 0) -> list[Event]:
    return [e for h in range(hosts) for d in days for e in quiet_day(f"ws{h}", d, seed)]


def stamped(events: Sequence[Mapping[str, Any]]) -> dict[str, list[pa.RecordBatch]]:
    stamper = Stamper(NOW)
    made = {}
    for table in sorted({e["table"] for e in events}):
        rows = [{k: v for k, v in e.items() if k != "table"} for e in events if e["table"] == table]
        rows = [{**row, "_origin": f"log#{i}"} for i, row in enumerate(rows)]
        made[table] = [stamper.stamp(Batch(table, batch(rows)))]
    return made


def lake_of(folder: Path, events: Sequence[Mapping[str, Any]]) -> Lake:
    """A lake at `folder` (made where it is missing) to which these events were added."""
    lake = Lake.open(folder, create=True)
    if events:
        lake.append(stamped(events))
    return lake


__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "SECOND",
    "START",
    "attack",
    "company",
    "guid",
    "lake_of",
    "process",
    "quiet_day",
    "sysmon",
]
