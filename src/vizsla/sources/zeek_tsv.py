"""Zeek logs as tab-separated values, of any type: the header names the log and its fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources import _zeek
from vizsla.sources._lines import TooLong, chunks
from vizsla.sources._rows import Rows, placed, printable, unique

BLOCK = 2 << 20
MAX_FIELDS = 900  # more are read row by row, so that some can be set aside
_HEADER = re.compile(rb"^(?:#separator |#fields[\t ]|#path[\t ]|#set_separator)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Header:
    """What the header lines above a run of data lines say."""

    separator: str = "\t"
    path: str = ""
    fields: tuple[str, ...] = ()
    empty: str = "(empty)"
    unset: str = "-"

    def told(self, line: str) -> Header:
        """This header after one more header line."""
        if line.startswith("#separator"):
            return replace(self, separator=_unescaped(line[len("#separator") :].strip(" ")) or "\t")
        key, _, rest = line.partition(self.separator)
        if key == "#fields":
            return replace(self, fields=tuple(str(name) for name in unique(rest.split(self.separator))))
        if key == "#path":
            return replace(self, path=rest)
        if key == "#empty_field":
            return replace(self, empty=rest)
        return replace(self, unset=rest) if key == "#unset_field" else self


def _unescaped(text: str) -> str:
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda found: chr(int(found.group(1), 16)), text).replace("\\t", "\t")


class ZeekTsv:
    """Zeek logs as Zeek writes them by default."""

    name = "zeek_tsv"
    doc = "Zeek logs as tab-separated values, every log type by its header"
    tables = _zeek.SPECS

    def sniff(self, head: bytes, name: str) -> float:
        if not head.startswith(b"#"):
            return 0.0
        if head.startswith(b"#separator "):
            return 1.0
        return 0.9 if _HEADER.search(head[:8192]) and b"#fields" in head[:8192] else 0.0

    def growth(self, head: bytes) -> Growth | None:
        return Growth(marked=b"#")

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        header = Header()
        with file.open() as stream:
            for chunk in chunks(stream, BLOCK):
                if isinstance(chunk, TooLong):
                    yield chunk.rejected(file.name)
                    continue
                for start, run in _runs(chunk.data, chunk.start):
                    if run.startswith(b"#"):
                        header = header.told(_text(run.rstrip(b"\r")))
                    else:
                        yield from _read(run, start, header, file.name)


def _runs(data: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """Header lines one by one, and the data lines between them together, with their offsets."""
    at = 0
    while at < len(data):
        if data.startswith(b"#", at):
            end = data.find(b"\n", at)
        else:
            end = data.find(b"\n#", at)
        end = len(data) if end < 0 else end
        if end > at:
            yield start + at, data[at:end]
        at = end + 1


def _read(run: bytes, start: int, header: Header, file: str) -> Iterator[Batch | Rejected]:
    table = _zeek.table_of(header.path, file) if header.path else f"zeek_{_zeek.guessed_path(file, header.fields)}"
    if not header.fields:
        for place, line in _lines(run, start):
            if line.strip():
                yield Rejected(f"{file}#{place}", "a line before any #fields header")
        return
    columns = _fast(run, header) if len(header.fields) <= MAX_FIELDS else None
    if columns is not None:
        places = np.concatenate([[0], np.flatnonzero(np.frombuffer(run, np.uint8) == 10) + 1]) + start
        yield _batch(table, columns, places, file)
        return
    rows = Rows(_zeek.DECLARED.get(table, _zeek.CONNECTION))
    for place, line in _lines(run, start):
        if not line.strip():
            continue
        values = _text(line).split(header.separator)
        if len(values) == len(header.fields) + 1 and not values[-1]:
            values.pop()  # some exporters end every line with a separator
        if len(values) != len(header.fields):
            why = f"{len(values)} fields where the header names {len(header.fields)}"
            yield Rejected(f"{file}#{place}", why)
            continue
        rows.add(header.fields, [None if v == header.unset else "" if v == header.empty else v for v in values], place)
    if rows.places:
        yield _batch(table, rows.columns(), np.array(rows.places, dtype=np.int64), file)


def _fast(run: bytes, header: Header) -> dict[str, pa.Array] | None:
    """The columns by Arrow's reader; None where only reading line by line is exact."""
    if len(header.separator) != 1 or not header.separator.isascii() or b"\r" in run or b"\0" in run:
        return None
    if run.startswith(b"\n") or run.endswith(b"\n") or b"\n\n" in run:
        return None
    try:
        table = csv.read_csv(
            pa.BufferReader(run),
            csv.ReadOptions(column_names=list(header.fields), block_size=len(run) + 16, use_threads=False),
            csv.ParseOptions(delimiter=header.separator, quote_char=False, double_quote=False, escape_char=False),
            csv.ConvertOptions(
                column_types=dict.fromkeys(header.fields, pa.string()),
                null_values=[header.unset],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                check_utf8=not run.isascii(),
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    if table.num_rows != run.count(b"\n") + 1:
        return None
    said = bool(header.empty) and header.empty.encode() in run
    found = {}
    for name, chunked in zip(table.column_names, table.columns, strict=True):
        column = chunked.combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        if column.null_count == len(column):
            continue
        if said:
            empty = pc.equal(column, header.empty)
            if pc.any(empty).as_py():
                column = pc.if_else(empty, "", column)
        found[name] = column
    return found


def _batch(table: str, columns: dict[str, pa.Array], places: npt.NDArray[np.int64], file: str) -> Batch:
    return Batch(table, _zeek.batch(columns, len(places), placed(file, pa.array(places))))


def _lines(run: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    for line in run.split(b"\n"):
        yield start, line.rstrip(b"\r")
        start += len(line) + 1


def _text(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return printable(line.decode("utf-8", "surrogateescape"))


SOURCE = ZeekTsv()
