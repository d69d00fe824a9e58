"""Syslog as JSON records, as Azure's Log Analytics exports its table `Syslog`: dealt into the same tables as syslog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources import _linux_json
from vizsla.sources._linux import SPECS
from vizsla.sources._rows import as_text
from vizsla.sources._times import Micros, parse_iso

_NAMES = {"SyslogMessage": "message", "ProcessName": "program", "ProcessID": "pid", "ProcessId": "pid",
          "HostName": "hostname", "Facility": "facility", "SeverityLevel": "severity"}  # fmt: skip
KEY = "SyslogMessage"
_HINT = re.compile(rb'"SyslogMessage"\s*:')


class SyslogJson:
    """One JSON object a syslog record."""

    name = "syslog_json"
    doc = "Syslog records as JSON, as Azure Log Analytics exports them: a table for each kind of program"
    tables = SPECS

    def sniff(self, head: bytes, name: str) -> float:
        return _linux_json.share(head, _HINT, KEY)

    def growth(self, head: bytes) -> Growth | None:
        return _linux_json.growth(head)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        yield from _linux_json.read(file, KEY, f"JSON, but no syslog record: no {KEY}", canonical, _finished)


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


def _finished(columns: dict[str, pa.Array], count: int) -> Micros:
    if "hostname" not in columns and "Computer" in columns:
        columns["hostname"] = columns["Computer"]
    return parse_iso(columns.get("timestamp", pa.nulls(count, pa.string())))


SOURCE = SyslogJson()
