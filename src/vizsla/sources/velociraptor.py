"""Velociraptor's results as JSON lines: rows of artifacts, one table each; Windows events go to their channels' tables.

An artifact is named by `_Source`, or by the file as collections lay it out (`results/Windows.System.Pslist.json`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._heads import json_head
from vizsla.sources._json import Bad, records
from vizsla.sources._placing import Placing
from vizsla.sources._read_json import Flattener
from vizsla.sources._rows import Rows
from vizsla.sources._windows import (
    MAX_DEPTH,
    SPECS,
    WindowsTables,
    attribute,
    data_name,
    put,
    slug,
    table_of,
    text_of,
)

ARTIFACT = re.compile(r"[A-Z][A-Za-z0-9]+(?:\.[A-Za-z0-9_]+)+(?:/[A-Za-z0-9_. -]+)?$")
NAMED = re.compile(
    r"(?:^|[\\/!])((?:Windows|Linux|MacOS|Generic|Custom|Exchange|DetectRaptor|Admin|Server|Elastic)"
    r"(?:\.[A-Za-z0-9_]+)+?)(?:(?:%2F|[\\/])([A-Za-z0-9_ -]+))?\.jsonl?(?:\.[a-z0-9]{2,4})?$"
)
SYSTEM = {"EventTime": "SystemTime", "Provider": "Provider_Name", "UserSID": "UserID"}
PLACING = {
    "table": "velociraptor",
    "time": ["EventTime", "_ts", "Timestamp", "CreateTime", "CreationTime", "Created", "StartTime", "Mtime", "ModTime",
             "LastModified", "KeyMTime"],
    "host": ["Fqdn", "Hostname", "Computer", "(path)"],
}  # fmt: skip
SURE = 0.97


class Velociraptor:
    """What Velociraptor's artifacts found."""

    name = "velociraptor"
    doc = "Velociraptor's results (JSON lines), one table per artifact; Windows events by channel"
    tables = (
        *SPECS,
        TableSpec("velociraptor_*", "Rows of one Velociraptor artifact", ("Fqdn", "ClientId", "FlowId", "Name")),
    )

    def sniff(self, head: bytes, name: str) -> float:
        found = json_head(head)
        if not found:
            return 0.0
        if all(_sourced(row) or _event(row) for row in found):
            return SURE
        return 0.6 if NAMED.search(name) and not any("Event" in row or "winlog" in row for row in found) else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        windows, flat, named = WindowsTables(file.name), Flattener({}), _named(file.name)
        tables: dict[str, Rows] = {}
        with file.open() as stream:
            for portion in records(utf8_stream(stream)):
                if isinstance(portion, Bad):
                    yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                    continue
                each = portion.size // len(portion.records)
                for place, row in zip(portion.places, portion.records, strict=True):
                    if _event(row):
                        event = flatten(row)
                        rows = windows.rows(
                            table_of(text_of(event.get("Channel")), text_of(event.get("Provider_Name")))
                        )
                        rows.add(tuple(event), list(event.values()), place)
                    else:
                        rows = tables.setdefault(_table(row, named), Rows())
                        names, values = flat(row)
                        rows.add(tuple(names), values, place)
                    rows.bytes += each
                yield from windows.full()
                yield from (_batch(t, rows, file.name) for t, rows in tables.items() if rows.full())
        yield from windows.rest()
        yield from (_batch(table, rows, file.name) for table, rows in tables.items() if rows.places)


def _sourced(row: Mapping[str, Any]) -> bool:
    source = row.get("_Source")
    return isinstance(source, str) and ARTIFACT.match(source) is not None


def _event(row: Mapping[str, Any]) -> bool:
    """Whether a row is a Windows event: as parse_evtx() gives it, or as Windows.EventLogs.* lay it out."""
    system = row.get("System")
    if isinstance(system, dict):
        number = system.get("EventID")
        return isinstance(number, dict) and "Value" in number
    held = row.get("EventData", row.get("UserData"))
    return "EventID" in row and "Channel" in row and "EventTime" in row and isinstance(held, dict)


def flatten(row: Mapping[str, Any]) -> dict[str, Any]:
    """System and EventData as from an EVTX file, then what the artifact added."""
    flat: dict[str, Any] = {}
    system = row.get("System")
    for name, value in (system if isinstance(system, dict) else {}).items():
        if isinstance(value, dict):
            for key, inner in value.items():
                flat[name if key == "Value" else attribute(name, key)] = inner
        elif value is not None:
            flat[name] = value
    for name, new in SYSTEM.items():
        if new not in flat and row.get(name) is not None:
            flat[new] = row[name]
    for name in ("Channel", "Computer", "EventID", "EventRecordID"):
        if name not in flat and row.get(name) is not None:
            flat[name] = row[name]
    if isinstance(time := flat.get("SystemTime"), int | float) and not isinstance(time, bool):
        flat["SystemTime"] = _moment(time)
    for within in ("EventData", "UserData"):
        if isinstance(held := row.get(within), dict):
            _leaves(held, within, flat, 0)
    used = {"System", "EventData", "UserData", *SYSTEM}
    for name, value in row.items():
        if name not in used and value is not None and flat.get(name) != value:
            put(flat, name, value)
    return flat


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, OSError, ValueError):
        return str(seconds)


def _leaves(held: Mapping[str, Any], within: str, flat: dict[str, Any], depth: int) -> None:
    for name, value in held.items():
        if isinstance(value, dict) and depth < MAX_DEPTH:
            _leaves(value, within, flat, depth + 1)
        elif name == "Data" and isinstance(value, list):
            for number, item in enumerate(value, 1):
                put(flat, f"param{number}", item)
        elif value is not None:
            put(flat, data_name(name, within), value)


def _named(name: str) -> str:
    found = NAMED.search(name)
    return "" if found is None else f"{found[1]}_{found[2]}" if found[2] else found[1]


def _table(row: Mapping[str, Any], named: str) -> str:
    source = row.get("_Source")
    return "velociraptor_" + (slug(source if isinstance(source, str) and source else named) or "rows")


def _batch(table: str, rows: Rows, file: str) -> Batch:
    count, columns = len(rows.places), rows.columns()
    placing = Placing.of(PLACING, "velociraptor")
    batch = placing.batch(columns, count, rows.origins(file))
    rows.clear()
    return Batch(table, batch)


SOURCE = Velociraptor()
