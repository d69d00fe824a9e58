"""The systemd journal as `journalctl -o json` exports it, dealt into the same tables as syslog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources import _linux_json
from vizsla.sources._linux import SPECS
from vizsla.sources._rows import as_text, printable
from vizsla.sources._syslog import FACILITIES, SEVERITIES
from vizsla.sources._times import NONE, Micros

KEY = "__REALTIME_TIMESTAMP"
_HINT = re.compile(rb'"__REALTIME_TIMESTAMP"\s*:')
_SEVERITY = {str(n): name for n, name in enumerate(SEVERITIES)}
_FACILITY = {str(n): name for n, name in enumerate(FACILITIES)}


class Journald:
    """Journal entries, one JSON object each."""

    name = "journald"
    doc = "The systemd journal as journalctl -o json exports it: a table for each kind of program"
    tables = SPECS

    def sniff(self, head: bytes, name: str) -> float:
        return _linux_json.share(head, _HINT, KEY)

    def growth(self, head: bytes) -> Growth | None:
        return _linux_json.growth(head)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        why = f"JSON, but no journal entry: no {KEY}"
        yield from _linux_json.read(file, KEY, why, canonical, lambda columns, count: _micros(columns["timestamp"]))


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


def _micros(texts: pa.Array) -> Micros:
    """Microseconds since 1970 as text."""
    return np.array([int(t) if t and t.isdigit() and len(t) < 18 else NONE for t in texts.to_pylist()], dtype=np.int64)


SOURCE = Journald()
