"""Two days of a small company, and beside them by hand what every analytic should look at twice on the second."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from beacon_samples import MONDAY, conn, every, zeek
from vizsla.ingest import ingest
from vizsla.lake import Lake
from vizsla.simulate import Company, write

TUESDAY = MONDAY + timedelta(days=1)  # what comes before is to be learnt, the rest is to be looked at
DAY = 86_400.0
ODD = "C:\\Users\\Public\\svchost.exe"
Logon = tuple[datetime, str, str, str, str]  # when, on which host, who, type, from where


def logons() -> Iterator[Logon]:
    """A service around the clock, two computers known by their addresses; on Tuesday the service's account is used by
    hand, from one computer to the next."""
    for place in range(2):
        yield MONDAY + timedelta(hours=8, minutes=place), "dc9", f"ws{place}$", "3", f"10.0.0.{place + 1}"
    yield MONDAY + timedelta(hours=8, minutes=9), "dc9", "srv1$", "3", "10.0.1.2"
    for hour in range(24):
        yield MONDAY + timedelta(hours=hour, minutes=30), "srv0", "svc_backup", "3", "10.0.1.2"
    at = TUESDAY + timedelta(hours=14)
    yield at, "ws0", "svc_backup", "10", "10.0.0.2"
    yield at + timedelta(minutes=7), "srv1", "svc_backup", "10", "10.0.0.1"
    yield at + timedelta(minutes=20), "dc9", "svc_backup", "3", "10.0.1.2"


def native(rows: Sequence[Mapping[str, Any]], what: str) -> pa.RecordBatch:
    """Windows events; `at` and `host` are ours, the other columns their own."""
    when = [row["at"] for row in rows]
    said = [f"{what} {sorted(row.items(), key=lambda item: item[0])}" for row in rows]
    ours: dict[str, Any] = {
        "_id": [hashlib.md5(text.encode()).hexdigest() for text in said],
        "_time": pa.array(when, pa.timestamp("us", tz="UTC")),
        "_host": [row["host"] for row in rows],
        "_day": [moment.strftime("%Y-%m-%d") for moment in when],
        "_origin": [f"{what}#{place}" for place in range(len(rows))],
    }
    names = sorted({name for row in rows for name in row} - {"at", "host"})
    return pa.RecordBatch.from_pydict(ours | {n: pa.array([row.get(n) for row in rows], pa.string()) for n in names})


def odd() -> dict[str, list[pa.RecordBatch]]:
    """By table: logons, a program that passes for another, a beacon, a tunnel, a new user agent, a new fingerprint."""
    chance = random.Random(4)
    security = [
        {"at": at, "host": f"{host}.corp", "EventID": "4624", "TargetUserName": who, "LogonType": kind, "IpAddress": ip,
         "TargetLogonId": f"0x{place:x}"} for place, (at, host, who, kind, ip) in enumerate(logons())
    ]  # fmt: skip
    started = [
        {"at": TUESDAY + timedelta(hours=14, minutes=3), "host": "ws0.corp", "EventID": "1", "Image": ODD,
         "CommandLine": f"{ODD} -k {chance.randbytes(300).hex()}", "ParentImage": "C:\\Windows\\explorer.exe",
         "ProcessGuid": "{00000000-0000-0000-0000-000000000001}", "ProcessId": "4711"}
    ]  # fmt: skip
    usual = [conn(60.5 * n, f"10.0.0.{5 + n % 5}", "10.0.0.1", 53, query=f"www{n % 9}.shop{n % 30}.example.com")
             for n in range(2 * 1400)]  # fmt: skip
    tunnel = [conn(DAY + 7.3 * n, "10.0.0.7", "10.0.0.1", 53, query=f"{chance.randbytes(30).hex()}.{n:04x}.example.org",
                   qtype_name="TXT") for n in range(300)]  # fmt: skip
    beacon = [conn(DAY + at, "10.0.0.7", "203.0.113.9") for at in every(600, 120, 0.1, 4)]
    asked = [conn(1800.0 * n, f"10.0.0.{5 + n % 5}", "192.0.2.10", 80, host="a.example", user_agent="Browser/1.0")
             for n in range(96)]  # fmt: skip
    asked.append(conn(DAY + 50_000.7, "10.0.0.7", "203.0.113.9", 80, host="b.example", user_agent="Odd/7.1"))
    shaken = [conn(1800.4 * n, f"10.0.0.{5 + n % 5}", "192.0.2.10", server_name="a.example", ja3="a" * 32)
              for n in range(95)]  # fmt: skip
    shaken.append(conn(DAY + 50_000.9, "10.0.0.7", "203.0.113.9", server_name="b.example", ja3="b" * 32))
    return {
        "windows_security": [native(security, "security")], "windows_sysmon": [native(started, "sysmon")],
        "zeek_dns": [zeek([*usual, *tunnel])], "zeek_conn": [zeek(beacon)], "zeek_http": [zeek(asked)],
        "zeek_ssl": [zeek(shaken)],
    }  # fmt: skip


def lake_of(root: Path) -> Lake:
    """Two days of three hosts with what is odd beside them; `root/places.csv` tells where addresses are."""
    write(Company(3, 2, 1, start=MONDAY), root / "logs")
    lake = Lake.open(root / "lake", create=True)
    ingest([str(root / "logs")], lake)
    lake.append(odd())
    lines = ["network,latitude,longitude", "10.0.0.0/8,52.5,13.4", "10.0.1.0/24,40.7,-74.0", "10.20.1.0/24,1.3,103.8"]
    (root / "places.csv").write_text("\n".join(lines), "utf-8")
    return lake
