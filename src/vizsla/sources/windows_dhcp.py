"""The Windows DHCP server's audit log, `DhcpSrvLog-*.log`: a legend, then comma-separated lines in local time."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._lines import TooLong, line_blocks
from vizsla.sources._rows import Rows, batch_of, printable
from vizsla.sources._times import NONE, micros, timestamps

TABLE = "dhcp_windows"
_NAMES = re.compile(rb"(?:\xef\xbb\xbf)?ID,Date,Time,Description,IP ?Address", re.IGNORECASE)
_LEGEND = re.compile(rb"\s*(?:\xef\xbb\xbf)?(?:Microsoft DHCP|Event ID|QResult:|\d\d\+?\s|\d:)", re.IGNORECASE)
_DATE = re.compile(r"(\d\d)/(\d\d)/(\d\d|\d{4}) (\d\d:\d\d:\d\d)")
OPERATIONS = {"10": "ACK", "11": "RENEW", "12": "RELEASE", "13": "CONFLICT", "14": "EXHAUSTED", "15": "NAK",
              "16": "DELETE", "17": "EXPIRE", "18": "EXPIRE", "20": "BOOTP", "21": "BOOTP"}  # fmt: skip


class WindowsDhcp:
    """Leases of a Windows DHCP server."""

    name = "windows_dhcp"
    doc = "The Windows DHCP server's audit log; its times are the server's local ones and are taken as UTC"
    tables = (
        TableSpec(
            TABLE,
            "Leases of a Windows DHCP server",
            ("ID", "Date", "Time", "Description", "IP Address", "Host Name", "MAC Address", "operation"),
        ),
    )

    def sniff(self, head: bytes, name: str) -> float:
        if b"id,date,time,description" not in head.lower():  # far faster than the expression
            return 0.0
        found = _NAMES.search(head)
        if found is None:
            return 0.0
        before = [line for line in head[: found.start()].split(b"\n") if line.strip()]
        return 0.95 if not before or b"DHCP" in head[: found.start()] else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        rows = Rows(self.tables[0].columns)
        names: tuple[str, ...] = ()
        with file.open() as stream:
            for block in line_blocks(stream):
                if isinstance(block, TooLong):
                    yield block.rejected(file.name)
                    continue
                for place, line in zip(block.offsets(), block.lines, strict=True):
                    try:
                        if _NAMES.match(line):
                            names = tuple(name.strip() or "unnamed" for name in _values(line))
                            continue
                        why = _add(rows, names, line, place) if line.strip() else ""
                    except csv.Error as error:
                        why = f"no comma-separated line: {error}"
                    if why:
                        yield Rejected(f"{file.name}#{place}", why)
                if rows.full():
                    yield _batch(rows, file.name)
        if rows.places:
            yield _batch(rows, file.name)


def _values(line: bytes) -> list[str]:
    text = printable(line.rstrip(b"\r").removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape"))
    return next(csv.reader([text]), [])


def _add(rows: Rows, names: tuple[str, ...], line: bytes, place: int) -> str:
    """Adds a record; says why it is none. Lines of the legend above the names are passed over. Raises csv.Error."""
    if not names:
        return "" if _LEGEND.match(line) else "a line before the names of the columns"
    values = _values(line)
    if len(values) < 4 or not values[0].strip().isdigit():
        return "no event: its number is missing"
    held = (*names, *(f"field{n}" for n in range(len(names) + 1, len(values) + 1)))[: len(values)]
    rows.add((*held, "operation"), [*(value.strip() for value in values), OPERATIONS.get(values[0].strip())], place)
    return ""


def _batch(rows: Rows, file: str) -> Batch:
    columns, count = rows.columns(), len(rows.places)
    blank = pa.nulls(count, pa.string())
    days, clocks = columns.get("Date", blank).to_pylist(), columns.get("Time", blank).to_pylist()
    times = np.array([local_micros(f"{d} {c}") for d, c in zip(days, clocks, strict=True)], dtype=np.int64)
    batch = batch_of(columns, timestamps(times), blank, rows.origins(file))
    rows.clear()
    return Batch(TABLE, batch)


@lru_cache(maxsize=65536)
def local_micros(text: str) -> int:
    """A date and a time as the server writes them, month first."""
    found = _DATE.fullmatch(text)
    if found is None:
        return NONE
    year = found[3] if len(found[3]) == 4 else f"20{found[3]}"
    return micros(f"{year}-{found[1]}-{found[2]}T{found[4]}")


SOURCE = WindowsDhcp()
