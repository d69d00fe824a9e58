"""The same Windows event in every shape, and helpers that read what a test writes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from vizsla.reading import Done, Item, Refused, Stamped, Unknown, read_file

NOW = datetime(2026, 1, 15, tzinfo=UTC)
SYSMON = "Microsoft-Windows-Sysmon/Operational"
SYSMON_GUID = "{5770385F-C22A-43E0-BF4C-06F5698FFBD9}"
DATA = {
    "RuleName": "-",
    "UtcTime": "2025-03-04 10:11:12.130",
    "ProcessGuid": "{0aa00000-0000-0000-0000-000000000001}",
    "ProcessId": "4321",
    "Image": "C:\\Windows\\System32\\whoami.exe",
    "CommandLine": "whoami /all",
    "User": "CORP\\ada",
}
CANONICAL = {
    "EventID": "1", "Channel": SYSMON, "Provider_Name": "Microsoft-Windows-Sysmon", "ProviderGuid": SYSMON_GUID,
    "Computer": "WS1.corp.example", "EventRecordID": "77", "ExecutionProcessID": "2000", "ExecutionThreadID": "3000",
    "UserID": "S-1-5-18", "Version": "5", **DATA,
}  # fmt: skip


def flat(**more: Any) -> dict[str, Any]:
    return {
        "EventTime": "2025-03-04 05:11:12", "EventReceivedTime": "2025-03-04 05:11:20",
        "@timestamp": "2025-03-04T10:11:21.004Z", "Hostname": "WS1.corp.example", "EventID": 1, "Channel": SYSMON,
        "SourceName": "Microsoft-Windows-Sysmon", "ProviderGuid": SYSMON_GUID, "RecordNumber": 77,
        "ExecutionProcessID": 2000, "ThreadID": 3000, "UserID": "S-1-5-18", "Version": 5, "EventType": "INFO",
        "OpcodeValue": 0, "Opcode": "Info", "tags": ["a", "b"], **DATA, **more,
    }  # fmt: skip


def beat6() -> dict[str, Any]:
    return {
        "@timestamp": "2025-03-04T10:11:12.131Z", "event_id": 1, "log_name": SYSMON, "version": 5,
        "computer_name": "WS1.corp.example", "record_number": "77", "source_name": "Microsoft-Windows-Sysmon",
        "provider_guid": SYSMON_GUID, "process_id": 2000, "thread_id": 3000, "level": "Information",
        "user": {"identifier": "S-1-5-18", "name": "SYSTEM"}, "event_data": DATA, "beat": {"name": "wec"},
        "message": "Process Create",
    }  # fmt: skip


def ecs() -> dict[str, Any]:
    return {
        "@timestamp": "2025-03-04T10:11:12.131Z", "message": "Process Create", "event": {"code": "1"},
        "process": {"pid": 4321},
        "winlog": {
            "channel": SYSMON, "computer_name": "WS1.corp.example", "record_id": 77, "event_id": 1, "version": 5,
            "provider_name": "Microsoft-Windows-Sysmon", "provider_guid": SYSMON_GUID,
            "process": {"pid": 2000, "thread": {"id": 3000}}, "user": {"identifier": "S-1-5-18"}, "event_data": DATA,
        },
    }  # fmt: skip


def dotted(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found.update(dotted(inner, f"{prefix}{key}.") if isinstance(inner, dict) else {prefix + key: inner})
    return found


def dump(*, separate: bool) -> dict[str, Any]:
    attributes = {
        "Provider": {"Name": "Microsoft-Windows-Sysmon", "Guid": SYSMON_GUID},
        "TimeCreated": {"SystemTime": "2025-03-04T10:11:12.131000Z"},
        "Execution": {"ProcessID": 2000, "ThreadID": 3000},
        "Security": {"UserID": "S-1-5-18"},
    }
    system: dict[str, Any] = {"EventID": 1, "Version": 5, "EventRecordID": 77, "Channel": SYSMON, "Correlation": None}
    system["Computer"] = "WS1.corp.example"
    for name, values in attributes.items():
        system.update({f"{name}_attributes": values} if separate else {name: {"#attributes": values}})
    return {"Event": {"#attributes": {"xmlns": "x"}, "System": system, "EventData": dict(DATA)}}


SHAPES = {
    "flat": flat(),
    "beat6": beat6(),
    "ecs": ecs(),
    "ecs_dotted": dotted(ecs()),
    "evtx_dump": dump(separate=False),
    "evtx_dump_separate": dump(separate=True),
}


def lines(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def written(folder: Path, content: bytes, name: str = "log.json") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def items(path: Path, source: str | None = None) -> list[Item]:
    return list(read_file(path, NOW, source))


def stamped(found: list[Item]) -> dict[str, list[dict[str, Any]]]:
    """Events by table, each without its null columns."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for item in found:
        if isinstance(item, Stamped):
            rows = [{k: v for k, v in row.items() if v is not None} for row in item.events.to_pylist()]
            tables.setdefault(item.table, []).extend(rows)
    return tables


def events(path: Path, source: str | None = None) -> list[dict[str, Any]]:
    return [row for rows in stamped(items(path, source)).values() for row in rows]


def refusals(found: list[Item]) -> list[str]:
    return [item.rejected.reason for item in found if isinstance(item, Refused)]


def unknown(found: list[Item]) -> list[str]:
    return [item.log for item in found if isinstance(item, Unknown)]


def totals(found: list[Item]) -> tuple[int, int]:
    """Events and refusals; also checks that each log's account agrees with what it gave out."""
    rows: dict[str, int] = {}
    for item in found:
        if isinstance(item, Stamped):
            rows[item.log] = rows.get(item.log, 0) + item.events.num_rows
            assert item.events.schema.names[:5] == ["_id", "_time", "_host", "_day", "_origin"]
            assert all(f.type == pa.string() for f in list(item.events.schema)[5:] if f.name != "_extra")
    done = {item.log: item.events for item in found if isinstance(item, Done)}
    assert {log: count for log, count in done.items() if count} == rows
    return sum(rows.values()), len(refusals(found))
