"""EvtxECmd's CSV and JSON lines: Windows events as they were, from its Payload, beside what its maps made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vizsla.source import Batch, LogFile, Rejected
from vizsla.sources import _read_csv
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._heads import csv_heads, json_head
from vizsla.sources._json import Bad, loads, records
from vizsla.sources._placing import Placing
from vizsla.sources._times import _ZONED
from vizsla.sources._windows import MAX_DEPTH, SPECS, WindowsTables, data_name, put, table_of, text_of

SIGNS = frozenset({"RecordNumber", "EventRecordId", "TimeCreated", "EventId", "Provider", "Channel", "MapDescription"})
SYSTEM = {"EventRecordId": "EventRecordID", "TimeCreated": "SystemTime", "EventId": "EventID", "Level": "LevelName",
          "Provider": "Provider_Name", "Channel": "Channel", "ProcessId": "ExecutionProcessID",
          "ThreadId": "ExecutionThreadID", "Computer": "Computer", "UserId": "UserID",
          "Keywords": "KeywordNames"}  # fmt: skip
PLACING = Placing.of({"table": "evtxecmd"}, "evtxecmd")


class EvtxECmd:
    """What EvtxECmd makes of event logs, back in the tables of the channels."""

    name = "evtxecmd"
    doc = "EvtxECmd's CSV and JSON lines: Windows events, one table per channel"
    tables = SPECS

    def sniff(self, head: bytes, name: str) -> float:
        for header in csv_heads(head):
            if set(header.columns) >= SIGNS:
                return 0.97
        found = json_head(head)
        return 0.97 if found and all(set(record) >= SIGNS - {"MapDescription"} for record in found) else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        tables = WindowsTables(file.name)
        with file.open() as stream:
            begin = utf8_stream(stream).read(64).lstrip()[:1]
        for item in _json(file) if begin in (b"{", b"[") else _csv(file):
            if isinstance(item, Rejected):
                yield item
                continue
            row, place = item
            flat = flatten(row)
            rows = tables.rows(table_of(text_of(flat.get("Channel")), text_of(flat.get("Provider_Name"))))
            rows.add(tuple(flat), list(flat.values()), place)
            rows.bytes += 1500  # about what a record takes
            if rows.full():
                yield from tables.full()
        yield from tables.rest()


def _csv(file: LogFile) -> Iterator[tuple[dict[str, Any], int] | Rejected]:
    for item in _read_csv.read(file, PLACING, {}, ()):
        if isinstance(item, Rejected):
            yield item
            continue
        names = [name for name in item.events.schema.names if not name.startswith("_")]
        places = [int(origin.rpartition("#")[2]) for origin in item.events.column("_origin").to_pylist()]
        yield from zip(item.events.select(names).to_pylist(), places, strict=True)


def _json(file: LogFile) -> Iterator[tuple[dict[str, Any], int] | Rejected]:
    with file.open() as stream:
        for portion in records(utf8_stream(stream)):
            if isinstance(portion, Bad):
                yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                continue
            for record, place in zip(portion.records, portion.places, strict=True):
                if "EventId" in record:
                    yield record, place
                else:
                    yield Rejected(f"{file.name}#{place}", "JSON, but no Windows event: no EventId")


def flatten(row: Mapping[str, Any]) -> dict[str, Any]:
    """System by its own names, EventData's fields from the Payload, then the tool's columns that are left.

    Times are UTC, as the tool writes them unless it is told otherwise, and say so.
    """
    flat = {new: row[name] for name, new in SYSTEM.items() if row.get(name) not in (None, "")}
    time = flat.get("SystemTime")
    if isinstance(time, str) and not _ZONED.search(time):
        flat["SystemTime"] = time.strip() + "Z"
    payload = row.get("Payload")
    held = _payload(payload)
    for name, value in (held or {}).items():
        _part(name, value, flat)
    for name, value in row.items():
        if name not in SYSTEM and value not in (None, "") and not (name == "Payload" and held):
            put(flat, name, value)
    return flat


def _payload(text: Any) -> dict[str, Any] | None:
    if not isinstance(text, str) or text[:1] != "{":
        return None
    try:
        found = loads(text.encode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _part(within: str, value: Any, flat: dict[str, Any]) -> None:
    """EventData or UserData as its XML becomes JSON: attributes as @Name, text as #text."""
    if isinstance(value, dict):
        _leaves(value, within, flat, 0)
    elif value not in (None, ""):
        put(flat, data_name(within), value)


def _leaves(value: Mapping[str, Any], within: str, flat: dict[str, Any], depth: int) -> None:
    for name, inner in value.items():
        if name.startswith("@xmlns"):
            continue
        if name == "Data":
            _data(inner, within, flat)
        elif isinstance(inner, dict) and depth < MAX_DEPTH:
            _leaves(inner, within, flat, depth + 1)
        elif inner is not None:
            put(flat, data_name(name.lstrip("@#"), within), inner)


def _data(value: Any, within: str, flat: dict[str, Any]) -> None:
    number = 0
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict) and "@Name" in item:
            put(flat, data_name(str(item["@Name"]), within), item.get("#text", ""))
        elif item is not None:
            number += 1
            put(flat, f"param{number}", item.get("#text", "") if isinstance(item, dict) else item)


SOURCE = EvtxECmd()
