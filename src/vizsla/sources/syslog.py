"""Syslog of any Unix: files of rsyslog, syslog-ng and their kin, and what `journalctl -o short-iso` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources._linux import SPECS, LinuxTables, structured
from vizsla.sources._syslog import Headers, framed, parse, ranks, read_headers, sniff_header, whole

# Formats of other sources: CEF, LEEF, Cisco, Fortinet, Palo Alto, HAProxy.
_OTHER = re.compile(
    r"CEF: ?\d|LEEF: ?[12]|%(?:ASA|FTD|PIX|FWSM)-|date=\d{4}-\d\d-\d\d time=|\d*,\d{4}/\d\d/\d\d \d\d:\d\d:\d\d,"
)
_OTHER_PROGRAM = re.compile(r"%|CEF|LEEF|haproxy")


class Syslog:
    """Lines with a syslog header, dealt into tables by the program that wrote them."""

    name = "syslog"
    doc = "Syslog of RFC 3164 and 5424 and with ISO times, with or without priority: a table for each kind of program"
    tables = SPECS

    def sniff(self, head: bytes, name: str) -> float:
        share = sniff_header(head)
        if share < 0.5:
            return 0.0
        return 0.25 if _others(head) else 0.6 * share

    def growth(self, head: bytes) -> Growth | None:
        return None if framed(head) else Growth(cut=whole)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        tables = LinuxTables(file.name)
        for block in read_headers(file):
            if isinstance(block, Rejected):
                yield block
            else:
                yield from tables.deal(native(block), block.times, block.places)
        yield from tables.rest()


def _others(head: bytes) -> bool:
    """Whether most records are of a format of their own that only travels by syslog."""
    messages = parse(head[:16384]).columns
    whole = list(zip(messages["program"].to_pylist(), messages["message"].to_pylist(), strict=True)) if messages else []
    return sum(bool(_OTHER.match(text) or _OTHER_PROGRAM.match(program or "")) for program, text in whole) * 2 > len(
        whole
    )


def native(block: Headers) -> dict[str, pa.Array]:
    """A block's columns: the header's, facility and severity by name, structured data taken apart."""
    columns = dict(block.columns)
    priority = columns["priority"]
    if priority.null_count < len(priority):
        columns.update(ranks(priority))
    if columns["structured_data"].null_count < len(block):
        columns.update(structured(columns["structured_data"]))
    if block.lines.max() > 1:
        more = pc.cast(pa.array(block.lines - 1, mask=np.asarray(block.lines == 1)), pa.string())
        columns["continuation_lines"] = more
    return columns


SOURCE = Syslog()
