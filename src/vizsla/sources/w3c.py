"""W3C extended logs: IIS, CloudFront, Exchange, Windows Firewall and all that name their columns in `#Fields`."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, Growth, LogFile, Rejected, TableSpec
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._rows import Rows, batch_of, placed, unique
from vizsla.sources._spans import Block, Ints, Layout, Value, blocks, read_block
from vizsla.sources._times import NONE, Micros, parse_iso, timestamps

COLUMNS = ("date", "time", "s-ip", "cs-method", "cs-uri-stem", "cs-uri-query", "s-port", "cs-username", "c-ip",
           "cs(User-Agent)", "cs(Referer)", "sc-status", "sc-substatus", "sc-win32-status", "time-taken")  # fmt: skip
EDGE = ("date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status",
        "cs(Referer)", "cs(User-Agent)", "cs-uri-query", "x-edge-result-type")  # fmt: skip
FIREWALL = ("date", "time", "action", "protocol", "src-ip", "dst-ip", "src-port", "dst-port", "size", "path", "pid")
HOSTS = ("s-computername", "cs-host-computername", "server-hostname", "computer-name")
_FIELDS = re.compile(rb"^#Fields:[ \t]*(\S.*)", re.MULTILINE)
# the table: by a column that only one product writes, else by what `#Software` says
_TELLING = (("x-edge-location", "aws_cloudfront"), ("s-sitename", "w3c_iis"), ("sc-win32-status", "w3c_iis"),
            ("s-queuename", "w3c_httperr"), ("icmpcode", "windows_firewall"))  # fmt: skip
_SOFTWARE = (("internet information services", "w3c_iis"), ("windows firewall", "windows_firewall"),
             ("http api", "w3c_httperr"), ("exchange", "w3c_exchange"), ("sgos", "w3c_bluecoat"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """What the directives above a run of lines say: columns, whether commas stand between them, software and date."""

    names: tuple[str, ...] = ()
    commas: bool = False
    software: str = ""
    date: str = ""

    def told(self, line: str) -> Header:
        """This header after one more directive; what is no directive is a remark."""
        key, _, rest = line.partition(":")
        if key == "#Fields":
            names = rest.strip()
            commas = "," in names and " " not in names.replace(", ", ",")
            parts = re.split(r"\s*,\s*", names) if commas else names.split()
            return replace(self, names=tuple(str(n) for n in unique(parts)), commas=commas)
        if key == "#Software":
            return replace(self, software=rest.strip())
        return replace(self, date=rest.strip()) if key == "#Date" else self

    @property
    def table(self) -> str:
        """The table of the lines below."""
        held = {name.lower() for name in self.names}
        for name, table in _TELLING:
            if name in held:
                return table
        software = self.software.lower()
        for words, table in _SOFTWARE:
            if words in software:
                return table
        slug = re.sub(r"[^a-z0-9]+", "_", software).strip("_")
        return f"w3c_{slug[:40].strip('_')}" if slug else "w3c_other"

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """How the lines below stand: their values with tabs or blanks between them, or with commas."""
        return _layouts(self.names, ("," if self.commas else "\t ")) if self.names else ()


@lru_cache(maxsize=256)
def _layouts(names: tuple[str, ...], separators: str) -> tuple[Layout, ...]:
    found = []
    for separator in separators:
        between = [separator] * (len(names) - 1) + [""]
        values = [Value(n, b, empty=separator != " ", stop=separator) for n, b in zip(names, between, strict=True)]
        found.append(Layout(tuple(values)))
    return tuple(found)


class W3c:
    """Logs in the W3C extended log file format."""

    name = "w3c"
    doc = "W3C extended logs by their #Fields: IIS, CloudFront, HTTP.sys, Windows Firewall and others"
    tables = (
        TableSpec("w3c_iis", "Requests to IIS", COLUMNS),
        TableSpec("w3c_httperr", "Requests that HTTP.sys refused", ("date", "time", "c-ip", "s-reason", "cs-uri")),
        TableSpec("aws_cloudfront", "Requests to CloudFront", EDGE),
        TableSpec("windows_firewall", "Windows Firewall's decisions", FIREWALL),
        TableSpec("w3c_*", "Any other product's log in this format", ("date", "time", "c-ip", "cs-uri-stem")),
    )

    def sniff(self, head: bytes, name: str) -> float:
        head = head.removeprefix(b"\xef\xbb\xbf")
        if not head.startswith(b"#") or head.startswith(b"#separator"):
            return 0.0
        found = _FIELDS.search(head)
        if found is None or len(found[1].split()) < 2:
            return 0.0
        return 0.95 if re.search(rb"^#(?:Version|Software):", head, re.MULTILINE) else 0.7

    def growth(self, head: bytes) -> Growth | None:
        """The directives are all that a line rests on; behind a byte order mark, places are not the file's own."""
        return None if head.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) else Growth(marked=b"#")

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        header = Header()
        with file.open() as stream:
            for block in blocks(utf8_stream(stream), file.name):
                if isinstance(block, Rejected):
                    yield block
                    continue
                for told, rows in _runs(block, header):
                    header = told
                    yield from _read(block, rows, header, file.name)


def _runs(block: Block, header: Header) -> Iterator[tuple[Header, Ints]]:
    """The lines below each group of directives; at the end, none below the last."""
    rows = block.filled()
    marked = np.flatnonzero(block.at(block.starts[rows]) == ord("#"))
    at = 0
    for mark in marked.tolist():
        if mark > at:
            yield header, rows[at:mark]
        header, at = header.told(block.line(int(rows[mark]))), mark + 1
    yield header, rows[at:]


def _read(block: Block, rows: Ints, header: Header, name: str) -> Iterator[Batch | Rejected]:
    if not len(rows):
        return
    if not header.names:
        for row in rows.tolist():
            yield Rejected(f"{name}#{block.places[row]}", "a line before any #Fields directive")
        return
    if header.commas and b'"' in block.data:
        quoted = np.array(['"' in block.line(row) for row in rows.tolist()], dtype=bool)
        yield from _quoted(block, rows[quoted], header, name)
        rows = rows[~quoted]
    columns, held, bad = read_block(block, header.layouts, rows, exact=True)
    for row in bad.tolist():
        yield Rejected(f"{name}#{block.places[row]}", _why(block.line(row), header))
    if len(held):
        yield _batch(columns, placed(name, pa.array(block.places[held])), header)


def _why(line: str, header: Header) -> str:
    count = len(line.split("," if header.commas else "\t" if "\t" in line else " "))
    return f"{count} fields where #Fields names {len(header.names)}"


def _quoted(block: Block, lines: Ints, header: Header, name: str) -> Iterator[Batch | Rejected]:
    """Lines with commas between values of which some stand in quotes."""
    rows = Rows(header.names)
    for row in lines.tolist():
        line = block.line(row)
        try:
            values = next(csv.reader([line]))
        except csv.Error:
            values = []
        if len(values) == len(header.names):
            rows.add(header.names, [v if v not in ("", "-") else None for v in values], int(block.places[row]))
        else:
            yield Rejected(f"{name}#{block.places[row]}", _why(line, header))
    if rows.places:
        yield _batch(rows.columns(), rows.origins(name), header)


def _batch(columns: dict[str, pa.Array], origins: pa.Array, header: Header) -> Batch:
    count = len(origins)
    times = timestamps(_times(columns, count, header))
    return Batch(header.table, batch_of(columns, times, _hosts(columns, count), origins))


def _times(columns: Mapping[str, pa.Array], rows: int, header: Header) -> Micros:
    """`date` and `time`, the date of the `#Date` directive where there is no such column; `date-time` and the like."""
    for name in ("date-time", "x-timestamp", "timestamp"):
        if name in columns:
            return parse_iso(columns[name])
    time = columns.get("time")
    if time is None:
        return np.full(rows, NONE, dtype=np.int64)
    date: pa.Array | pa.Scalar = columns.get("date", pa.scalar(header.date[:10] or None, pa.string()))
    return parse_iso(pc.binary_join_element_wise(date, time, " "))


def _hosts(columns: Mapping[str, pa.Array], rows: int) -> pa.Array:
    """The server's name where the log has it, else its address."""
    found = [columns[name] for name in (*HOSTS, "s-ip") if name in columns]
    return pc.utf8_lower(pc.coalesce(*found)) if found else pa.nulls(rows, pa.string())


SOURCE = W3c()
