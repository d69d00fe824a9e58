"""Sysmon for Linux: events as XML within syslog lines, under the names that Windows events have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape

import pyarrow as pa

from vizsla.sources._rows import Rows
from vizsla.sources._windows import SPECS, SYSTEM

SYSMON_SPEC = next(spec for spec in SPECS if spec.name == "linux_sysmon")
_ELEMENT = re.compile(r"<(\w+)((?:\s+\w+=(?:\"[^\"]*\"|'[^']*'))*)\s*(?:/>|>([^<]*)</\1>)")
_ATTRIBUTE = re.compile(r"(\w+)=(?:\"([^\"]*)\"|'([^']*)')")
_DATA = re.compile(r"<Data Name=\"([^\"]*)\"\s*(?:/>|>([^<]*)</Data>)")
_ATTRIBUTES = {"ProviderName": "Provider_Name", "ProviderGuid": "ProviderGuid", "TimeCreatedSystemTime": "SystemTime",
               "CorrelationActivityID": "ActivityID", "CorrelationRelatedActivityID": "RelatedActivityID",
               "SecurityUserId": "UserID", "SecurityUserID": "UserID"}  # fmt: skip
_TAKEN = frozenset(SYSTEM)


def event(xml: str) -> dict[str, str]:
    """One event's fields: System's under their canonical names, EventData's as they are. Empty: it is none."""
    system, mark, data = xml.partition("</System>")
    if not mark or "<Event" not in system:
        return {}
    found: dict[str, str] = {}
    for name, attributes, text in _ELEMENT.findall(system[system.find("<System>") + 8 :]):
        for attribute, double, single in _ATTRIBUTE.findall(attributes):
            found[_ATTRIBUTES.get(name + attribute, name + attribute)] = _text(double or single)
        if text:
            found[name] = _text(text)
    for name, text in _DATA.findall(data):
        name = _text(name)
        found[f"EventData_{name}" if name in _TAKEN else name] = _text(text)
    return found


def _text(xml: str) -> str:
    return unescape(xml) if "&" in xml else xml


def sysmon_columns(messages: Sequence[str]) -> dict[str, pa.Array]:
    """Columns of many messages. `message` keeps the text of those that are no whole event."""
    rows = Rows(SYSMON_SPEC.columns)
    for place, message in enumerate(messages):
        found = event(message)
        if not found or not message.rstrip().endswith("</Event>"):
            found["message"] = message
        rows.add(tuple(found), list(found.values()), place)
    columns = rows.columns()
    columns.setdefault("message", pa.nulls(len(messages), pa.string()))
    return columns
