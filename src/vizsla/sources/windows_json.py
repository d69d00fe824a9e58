"""Windows events as JSON, in the four shapes found in the wild; each record says by its own fields which it is.

- flat, as nxlog and PowerShell exporters write them: `EventID`, `Hostname`, EventData beside System
- winlogbeat up to 6: `event_data`, `log_name`, `computer_name`
- winlogbeat 7 and later (ECS), nested or with dotted names: `winlog.event_data`, `winlog.channel`
- evtx_dump and its kin: `Event.System`, `Event.EventData`
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources._json import Bad, Portion, head_records, json_growth, records
from vizsla.sources._times import ZONED
from vizsla.sources._windows import MAX_DEPTH, SPECS, WindowsTables, data_name, flatten_event, put, table_of, text_of

LEVELS = frozenset({"INFO", "WARNING", "ERROR", "CRITICAL", "DEBUG", "VERBOSE", "AUDIT_SUCCESS", "AUDIT_FAILURE"})
FLAT = {
    "Hostname": "Computer",
    "RecordNumber": "EventRecordID",
    "SourceName": "Provider_Name",
    "ThreadID": "ExecutionThreadID",
    "TimeCreated": "SystemTime",
    "OpcodeValue": "Opcode",
}
BEAT = {
    "@timestamp": "SystemTime",
    "message": "Message",
    "channel": "Channel",
    "log_name": "Channel",
    "computer_name": "Computer",
    "record_number": "EventRecordID",
    "record_id": "EventRecordID",
    "source_name": "Provider_Name",
    "provider_name": "Provider_Name",
    "provider_guid": "ProviderGuid",
    "event_id": "EventID",
    "process_id": "ExecutionProcessID",
    "process.pid": "ExecutionProcessID",
    "thread_id": "ExecutionThreadID",
    "process.thread.id": "ExecutionThreadID",
    "activity_id": "ActivityID",
    "related_activity_id": "RelatedActivityID",
    "user.identifier": "UserID",
    "version": "Version",
    "level": "LevelName",
    "task": "Category",
    "opcode": "OpcodeName",
    "keywords": "KeywordNames",
}
ONLY_OLD = {"log_name", "source_name", "record_number", "process_id", "thread_id", "level", "user.identifier"}
HINT = re.compile(rb'"(?:EventID|event_id|winlog|winlog\.event_id|event_data|Event)"\s*:')
BEGUN = re.compile(rb'"EventID"\s*:|"event_id"\s*:.*"(?:computer_name|log_name|provider_name|channel)"\s*:', re.DOTALL)


class WindowsJson:
    """Windows events as JSON: nxlog, winlogbeat, evtx_dump."""

    name = "windows_json"
    doc = "Windows events as JSON lines or arrays: flat (nxlog), winlogbeat 6 and 7+, evtx_dump"
    tables = SPECS

    def sniff(self, head: bytes, name: str) -> float:
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if text[:1] not in (b"{", b"[") or not HINT.search(text):
            return 0.0
        found = head_records(text)
        if found:
            return 0.95 * sum(1 for r in found if shape_of(unwrapped(r)) is not None) / len(found)
        # The first record is longer than the head: a name alone is what others use too, as MISP's `event_id`.
        return 0.3 if BEGUN.search(text[:4096]) else 0.0

    def growth(self, head: bytes) -> Growth | None:
        found = head_records(head.removeprefix(b"\xef\xbb\xbf").lstrip())
        return None if any(map(_by_clock, found)) else json_growth(head)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        tables = WindowsTables(file.name)
        with file.open() as stream:
            for portion in records(stream):
                if isinstance(portion, Bad):
                    yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                    continue
                for place in _add(tables, portion):
                    yield Rejected(f"{file.name}#{place}", "JSON, but no Windows event: neither EventID nor event_id")
                yield from tables.full()
        yield from tables.rest()


def unwrapped(record: dict[str, Any]) -> dict[str, Any]:
    """The event of a record that a search engine exported in an envelope."""
    inner = record.get("_source")
    return inner if isinstance(inner, dict) else record


def _by_clock(record: dict[str, Any]) -> bool:
    """Whether its time may need the clock that other records of its host tell: see `WindowsTables.learn_clock`."""
    if shape_of(unwrapped(record)) != "flat" or "@timestamp" in record or "UtcTime" in record:
        return False
    told = [record.get("SystemTime"), record.get("TimeCreated")]
    return not any(isinstance(time, str) and re.search(ZONED, time) for time in told)


def shape_of(record: dict[str, Any]) -> str | None:
    """'flat', 'beat' or 'event'; None where the record is no Windows event."""
    if "EventID" in record:
        return "flat"
    if isinstance(event := record.get("Event"), dict):
        return "event" if isinstance(event.get("System"), dict) else None
    if "winlog" in record or "event_data" in record or "winlog.event_id" in record or "winlog.channel" in record:
        return "beat"
    return "beat" if "event_id" in record and ("log_name" in record or "computer_name" in record) else None


def flat_names(names: tuple[str, ...], level: bool) -> tuple[str, ...]:
    """Column names of a flat record. `level`: its EventType is the collector's, not the event's own."""
    held, found = set(names), {}
    for name in names:
        new = FLAT.get(name, name)
        if name == "Opcode" and "OpcodeValue" in held:
            new = "OpcodeName"
        elif name == "EventType" and level:
            new = "EventTypeLevel"
        elif name == "ProcessID" and "ThreadID" in held and "ExecutionProcessID" not in held:
            new = "ExecutionProcessID"
        elif new != name and new in held and name != "OpcodeValue":
            new = name
        found[name] = new
    return tuple(found.values())


def plain_names(names: tuple[str, ...], level: bool) -> tuple[str, ...]:
    """Column names of a record that was flattened here: its own."""
    return names


@lru_cache(maxsize=65536)
def beat_name(name: str) -> str:
    """The column of a winlogbeat field, by its dotted name."""
    bare = name.removeprefix("winlog.")
    for within, start in (("EventData", "event_data."), ("UserData", "user_data.")):
        if bare.startswith(start):
            return data_name(bare.removeprefix(start), within)
    if bare == name and bare not in ("@timestamp", "message") and bare not in BEAT:
        return name
    if bare == name and "." in bare and bare not in ONLY_OLD:
        return name  # ECS's own process.pid is another process than winlog.process.pid
    return BEAT.get(bare, name)


def flatten_beat(record: dict[str, Any]) -> dict[str, Any]:
    """A winlogbeat record of any version, flat, with canonical names."""
    flat: dict[str, Any] = {}

    def walk(value: dict[str, Any], prefix: str, depth: int = 0) -> None:
        for key, inner in value.items():
            name = prefix + key
            if isinstance(inner, dict) and depth < MAX_DEPTH:
                walk(inner, name + ".", depth + 1)
            elif inner is not None:
                put(flat, beat_name(name), inner)

    walk(record, "")
    if "EventID" not in flat and "event.code" in flat:
        flat["EventID"] = flat["event.code"]
    return flat


def _add(tables: WindowsTables, portion: Portion) -> Iterator[int]:
    """Puts the records into their tables; yields the places of those that are no Windows events."""
    each = portion.size // len(portion.records)
    for place, record in zip(portion.places, portion.records, strict=True):
        if "EventID" in record:
            kind, channel = record.get("EventType"), record.get("Channel")
            level = isinstance(kind, str) and kind in LEVELS
            if not isinstance(channel, str) or not channel:
                channel, provider = text_of(channel), text_of(record.get("SourceName"))
                rows, group = tables.plan(table_of(channel, provider), tuple(record), flat_names, level)
            else:
                rows, group = tables.plan(table_of(channel, ""), tuple(record), flat_names, level)
            if "UtcTime" in record and "@timestamp" not in record:
                host, local, utc = record.get("Hostname"), record.get("TimeCreated"), record["UtcTime"]
                if isinstance(host, str) and isinstance(local, str) and isinstance(utc, str):
                    tables.learn_clock(host, local, utc)
            values: Sequence[Any] = tuple(record.values())
        else:
            event = unwrapped(record)
            shape = shape_of(event)
            if shape is None:
                yield place
                continue
            flat = event
            if shape == "event":
                flat = flatten_event(event["Event"])
            elif shape == "beat":
                flat = flatten_beat(event)
            table = table_of(text_of(flat.get("Channel")), text_of(flat.get("Provider_Name") or flat.get("SourceName")))
            names = flat_names if shape == "flat" else plain_names
            kind = flat.get("EventType")
            rows, group = tables.plan(table, tuple(flat), names, isinstance(kind, str) and kind in LEVELS)
            values = tuple(flat.values())
        group.index.append(len(rows.places))
        group.rows.append(values)
        rows.places.append(place)
        rows.bytes += each


SOURCE = WindowsJson()
