"""Syslog as JSON records, as Azure's Log Analytics exports its table `Syslog`: dealt into the same tables as syslog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources._json import Bad, head_records, records
from vizsla.sources._linux import SPECS, LinuxTables
from vizsla.sources._rows import Rows, as_text
from vizsla.sources._times import parse_iso

_NAMES = {"SyslogMessage": "message", "ProcessName": "program", "ProcessID": "pid", "ProcessId": "pid",
          "HostName": "hostname", "Facility": "facility", "SeverityLevel": "severity"}  # fmt: skip
_HINT = re.compile(rb'"SyslogMessage"\s*:')


class SyslogJson:
    """One JSON object a syslog record."""

    name = "syslog_json"
    doc = "Syslog records as JSON, as Azure Log Analytics exports them: a table for each kind of program"
    tables = SPECS

    def sniff(self, head: bytes, name: str) -> float:
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if text[:1] not in (b"{", b"[") or not _HINT.search(text):
            return 0.0
        found = head_records(text)
        return 0.95 * sum("SyslogMessage" in record for record in found) / len(found) if found else 0.3

    def growth(self, head: bytes) -> Growth | None:
        return Growth(delimited=True) if head.lstrip()[:1] == b"{" else None

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        tables = LinuxTables(file.name)
        rows, size = Rows(), 0
        with file.open() as stream:
            for portion in records(stream):
                if isinstance(portion, Bad):
                    yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                    continue
                for place, record in zip(portion.places, portion.records, strict=True):
                    if "SyslogMessage" not in record:
                        yield Rejected(f"{file.name}#{place}", "JSON, but no syslog record: no SyslogMessage")
                        continue
                    entry = canonical(record)
                    rows.add(tuple(entry), list(entry.values()), place)
                size += portion.size
                if rows.full() or size > 4 << 20:
                    yield from _deal(tables, rows)
                    size = 0
        yield from _deal(tables, rows)
        yield from tables.rest()


def canonical(record: dict[str, Any]) -> dict[str, str | None]:
    """A record under the names that syslog lines have.

    `EventData` is left out where it only repeats the message.
    """
    message = as_text(record["SyslogMessage"]) or ""
    found: dict[str, str | None] = {}
    for name, value in record.items():
        text = as_text(value)
        if text is None or (name == "EventData" and text and text in message):
            continue
        found[_NAMES.get(name, name)] = text
    found["timestamp"] = found.get("EventTime") or found.get("TimeGenerated")
    return found


def _deal(tables: LinuxTables, rows: Rows) -> Iterator[Batch | Rejected]:
    count = len(rows.places)
    if not count:
        return
    columns = rows.columns()
    blank = pa.nulls(count, pa.string())
    columns.setdefault("program", blank)
    columns["message"] = columns.get("message", blank).fill_null("")
    if "hostname" not in columns and "Computer" in columns:
        columns["hostname"] = columns["Computer"]
    places = np.array(rows.places, dtype=np.int64)
    times = parse_iso(columns.get("timestamp", blank))
    rows.clear()
    yield from tables.deal(columns, times, places)


SOURCE = SyslogJson()
