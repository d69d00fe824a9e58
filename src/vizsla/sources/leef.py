"""IBM's Log Event Extended Format: a header between bars, then key=value pairs between tabs or a sign that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._marked import read_marked, sniffed
from vizsla.sources._placing import slug

HEADER = ("leef_version", "device_vendor", "device_product", "device_version", "signature_id")
COMMON = ("src", "dst", "srcPort", "dstPort", "usrName", "sev", "cat", "devTime", "proto")
TIMES = ("devTime",)
HOSTS = ("identHostName", "dvchost", "devHostName")
_FIRST = re.compile(rb"LEEF:\s?[12](\.\d)?\|[^|]*\|[^|]*\|")
_HEX = re.compile(r"(?:0x|x)([0-9A-Fa-f]{1,4})")


def delimiter(text: str) -> str | None:
    """The sign between attributes as version 2 names it: itself, or its code as 0x09 or x09; None: it names none."""
    if len(text) == 1:
        return text
    found = _HEX.fullmatch(text)
    return chr(int(found[1], 16)) if found else ("\t" if text in ("", "\\t") else None)


def parse(text: str) -> tuple[str, list[str], list[str]] | str:
    """A record from its mark on: its table, names and values; a reason where it is none."""
    parts = text[5:].split("|", 5)
    if len(parts) < 6:
        return f"a header of {len(parts) - 1} fields between bars; the format has 5"
    fields, rest = [part.strip() for part in parts[:5]], parts[5]
    sign: str | None = "\t"
    if fields[0].startswith("2"):
        told, bar, after = rest.partition("|")
        if bar and (named := delimiter(told)) is not None:
            sign, rest = named, after
    names, values = list(HEADER), fields
    for number, pair in enumerate(rest.split(sign)):
        key, equals, value = pair.partition("=")
        if equals and key.strip():
            names.append(key.strip())
            values.append(value.rstrip() if number else value)
        elif pair.strip():  # goes on with the value before it
            if len(values) > len(HEADER):
                values[-1] += f"{sign}{pair}"
            else:
                names.append("attributes")
                values.append(pair.strip())
    return f"leef_{slug(fields[2] or fields[1])}", names, values


class Leef:
    """Log Event Extended Format."""

    name = "leef"
    doc = "IBM QRadar's Log Event Extended Format (LEEF) 1.0 and 2.0, alone or within syslog"
    tables = (TableSpec("leef_*", "Events of one product", (*HEADER, *COMMON)),)

    def sniff(self, head: bytes, name: str) -> float:
        return sniffed(head, b"LEEF:", _FIRST)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        yield from read_marked(file, "LEEF:", parse, self.tables[0].columns, TIMES, HOSTS)


SOURCE = Leef()
