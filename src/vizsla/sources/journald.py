"""The systemd journal as `journalctl -o json` exports it, dealt into the same tables as syslog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources._json import Bad, Portion, head_records, records
from vizsla.sources._linux import SPECS, LinuxTables
from vizsla.sources._rows import Rows, as_text, printable
from vizsla.sources._syslog import FACILITIES, SEVERITIES
from vizsla.sources._times import NONE, Micros

_HINT = re.compile(rb'"__REALTIME_TIMESTAMP"\s*:')
_SEVERITY = {str(n): name for n, name in enumerate(SEVERITIES)}
_FACILITY = {str(n): name for n, name in enumerate(FACILITIES)}


class Journald:
    """Journal entries, one JSON object each."""

    name = "journald"
    doc = "The systemd journal as journalctl -o json exports it: a table for each kind of program"
    tables = SPECS

    def sniff(self, head: bytes, name: str) -> float:
        text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if text[:1] not in (b"{", b"[") or not _HINT.search(text):
            return 0.0
        found = head_records(text)
        return 0.95 * sum("__REALTIME_TIMESTAMP" in record for record in found) / len(found) if found else 0.3

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
                yield from _add(rows, portion, file.name)
                size += portion.size
                if rows.full() or size > 4 << 20:
                    yield from _deal(tables, rows)
                    size = 0
        yield from _deal(tables, rows)
        yield from tables.rest()


def _add(rows: Rows, portion: Portion, file: str) -> Iterator[Rejected]:
    for place, record in zip(portion.places, portion.records, strict=True):
        if "__REALTIME_TIMESTAMP" in record:
            entry = canonical(record)
            rows.add(tuple(entry), list(entry.values()), place)
        else:
            yield Rejected(f"{file}#{place}", "JSON, but no journal entry: no __REALTIME_TIMESTAMP")


def canonical(record: dict[str, Any]) -> dict[str, Any]:
    """A journal entry under the names that syslog lines have; what has none there keeps its own."""
    entry = {name: plain(value) for name, value in record.items()}
    found: dict[str, Any] = {
        "timestamp": entry.pop("__REALTIME_TIMESTAMP"),
        "hostname": entry.pop("_HOSTNAME", None),
        "program": entry.pop("SYSLOG_IDENTIFIER", None) or entry.get("_COMM"),
        "pid": entry.pop("_PID", None) or entry.pop("SYSLOG_PID", None),
        "severity": _SEVERITY.get(str(entry.get("PRIORITY"))),
        "facility": _FACILITY.get(str(entry.get("SYSLOG_FACILITY"))),
        "message": entry.pop("MESSAGE", None),
    }
    return {**{name: value for name, value in found.items() if value is not None}, **entry}


def plain(value: Any) -> str | None:
    """A field's value: the journal writes what is no text as a list of bytes, and several values as a list."""
    if isinstance(value, list) and value and all(type(v) is int and 0 <= v < 256 for v in value):
        return printable(bytes(value).decode("utf-8", "surrogateescape"))
    return as_text(value)


def _deal(tables: LinuxTables, rows: Rows) -> Iterator[Batch | Rejected]:
    count = len(rows.places)
    if not count:
        return
    columns = rows.columns()
    columns.setdefault("program", pa.nulls(count, pa.string()))
    messages = columns.get("message", pa.nulls(count, pa.string()))
    columns["message"] = messages.fill_null("")
    places = np.array(rows.places, dtype=np.int64)
    times = _micros(columns["timestamp"])
    rows.clear()
    yield from tables.deal(columns, times, places)


def _micros(texts: pa.Array) -> Micros:
    """Microseconds since 1970 as text."""
    return np.array([int(t) if t and t.isdigit() and len(t) < 18 else NONE for t in texts.to_pylist()], dtype=np.int64)


SOURCE = Journald()
