"""ArcSight's Common Event Format: seven fields between bars, then key=value pairs; alone or within syslog."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._marked import read_marked, sniffed
from vizsla.sources._placing import slug

HEADER = ("cef_version", "device_vendor", "device_product", "device_version", "signature_id", "name", "severity")
COMMON = ("src", "dst", "spt", "dpt", "act", "suser", "duser", "msg", "rt", "request", "fname", "cat", "outcome")
TIMES = ("start", "end", "rt", "deviceReceiptTime")
HOSTS = ("dvchost", "deviceHostName", "dvc", "deviceAddress")
_FIRST = re.compile(rb"CEF:\s?\d+(\.\d+)?\|[^|]*\|[^|]*\|")
_BAR = re.compile(r"(?<!\\)(?:\\\\)*\|")
_KEY = re.compile(r"(?:^|\s)([A-Za-z0-9_.\[\]:-]+)=")
_ESCAPE = re.compile(r"\\([\\=|nr])")
_MEANT = {"n": "\n", "r": "\r"}


def _plain(text: str) -> str:
    """A value without its escapes."""
    return _ESCAPE.sub(lambda found: _MEANT.get(found[1], found[1]), text) if "\\" in text else text


def pairs(text: str) -> tuple[list[str], list[str]]:
    """The extension's keys and values. A value goes on to the next blank, key and unescaped equals sign."""
    names: list[str] = []
    values: list[str] = []
    begin = 0
    for found in _KEY.finditer(text):
        if names:
            values.append(_plain(text[begin : found.start()].rstrip()))
        elif text[: found.start()].strip():
            names.append("extension")  # what stands before the first key
            values.append(_plain(text[: found.start()].strip()))
        names.append(found[1])
        begin = found.end()
    if names:
        values.append(_plain(text[begin:].rstrip()))
    elif text.strip():
        return ["extension"], [_plain(text.strip())]
    return names, values


def parse(text: str) -> tuple[str, list[str], list[str]] | str:
    """A record from its mark on: its table, names and values; a reason where it is none."""
    fields: list[str] = []
    at = 4
    for _ in range(7):
        bar = _BAR.search(text, at)
        if bar is None:
            break
        fields.append(_plain(text[at : bar.end() - 1]).strip())
        at = bar.end()
    if len(fields) == 6 and "=" not in text[at:]:  # a severity without an extension
        fields.append(text[at:].strip())
        at = len(text)
    if len(fields) < 7:
        return f"a header of {len(fields)} fields between bars; the format has 7"
    names, values = pairs(text[at:])
    return f"cef_{slug(fields[2] or fields[1])}", [*HEADER, *names], [*fields, *values]


class Cef:
    """Common Event Format."""

    name = "cef"
    doc = "ArcSight Common Event Format (CEF), alone or within syslog"
    tables = (TableSpec("cef_*", "Events of one product", (*HEADER, *COMMON)),)

    def sniff(self, head: bytes, name: str) -> float:
        return sniffed(head, b"CEF:", _FIRST)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        yield from read_marked(file, "CEF:", parse, self.tables[0].columns, TIMES, HOSTS)


SOURCE = Cef()
