"""Tables: CSV and the like, whatever their columns are called."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from vizsla.errors import FeedError
from vizsla.feed import Claims, Read
from vizsla.feeds._claimed import told
from vizsla.feeds._documents import binary, decoded, encoding_of
from vizsla.feeds._opened import opened
from vizsla.feeds._rows import SAMPLE, Columns, columns_of, delimiter_of, role_of, type_of, value_of
from vizsla.intel._units import lines_of
from vizsla.nouns.indicator import Mention, Refused

HEAD_LINES = 400  # lines by which the table is understood
_COMMENT = ("#", ";", "//")


class _Table:
    """The format."""

    name = "table"
    doc = (
        "Tables (CSV, TSV, with ; or |), MISP's CSV exports and abuse.ch's: columns are guessed from names and content."
    )

    def sniff(self, head: bytes, name: str) -> float:
        """0 to 1: rows of one width with a column of indicators in them."""
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
        if start.startswith((b"{", b"<")) or binary(head[:4096]):
            return 0.0
        lines = head.decode(encoding_of(head), "replace").replace("\r\n", "\n").split("\n")
        if len(head) >= 4096:
            lines = lines[:-1]  # it may be cut
        comments, body = _split(iter(lines[:HEAD_LINES]))
        rows = list(body)
        if start.startswith(b"|") or not rows:
            return 0.0  # a table in a report
        understood = _understood(comments, rows)
        if understood is None:
            return 0.0
        columns = understood[1]
        low = name.lower()
        if low.endswith((".md", ".adoc", ".rst", ".html", ".py")):
            return 0.0
        if columns.sure < 0.3 or (len(rows) < 3 and not columns.headed):
            return 0.0
        return 0.6 + 0.1 * columns.headed + 0.1 * low.endswith((".csv", ".tsv"))

    def read(self, path: Path, feed: str) -> Iterator[Read]:
        """A claim for each indicator in each row; cells of a value's column that are none come as Refused."""
        for said in self.in_bulk(path, feed):
            if isinstance(said, Claims):
                yield from said
            else:
                yield said

    def in_bulk(self, path: Path, feed: str) -> Iterator[Claims | Mention | Refused]:
        """As `read`, some thousand claims at a time."""
        with opened(path) as stream:
            lines = lines_of(decoded(stream))
            first = list(islice(lines, HEAD_LINES))
            comments, body = _split(iter(first))
            understood = _understood(comments, list(body))
            if understood is None:
                raise FeedError(
                    "no column of it holds indicators",
                    where=str(path),
                    fix="name its columns: type, value, comment, date",
                )
            delimiter, columns, skip = understood
            rows = _rows(chain(first, lines), delimiter, skip, path.name)
            yield from told(rows, columns, path.name, feed)


def _split(lines: Iterable[str]) -> tuple[list[str], Iterator[str]]:
    """Comment lines at the head, and the other lines."""
    held = [line for line in lines if line.strip()]
    comments = [line for line in held if line.lstrip().startswith(_COMMENT)]
    return comments, (line for line in held if not line.lstrip().startswith(_COMMENT))


def _understood(comments: list[str], body: list[str]) -> tuple[str, Columns, bool] | None:
    """Delimiter, columns, and whether the first row is their names; None where it is no table of indicators."""
    delimiter = delimiter_of(body[: SAMPLE + 1])
    if not delimiter:
        return None
    try:
        rows = list(csv.reader(body[: SAMPLE + 1], delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return None
    if not rows:
        return None
    header, skip = _header(comments, rows, delimiter)
    columns = columns_of(header, rows[1:] if skip else rows)
    if columns is None and header is not None:
        columns = columns_of(None, rows[1:] if skip else rows)
    return None if columns is None else (delimiter, columns, skip)


def _header(comments: list[str], rows: list[list[str]], delimiter: str) -> tuple[list[str] | None, bool]:
    """The columns' names: the first row where it names some and holds no indicator, or a comment that does."""
    first = rows[0]
    if _named(first) and not any(value_of(cell, "") for cell in first):
        return first, True
    width = len(first)
    for line in reversed(comments):
        found = next(csv.reader([line.strip().lstrip("#;/ ")], delimiter=delimiter, skipinitialspace=True), [])
        if len(found) == width and _named(found):
            return found, False
    if len(rows) > 2 and not any(value_of(cell, "") for cell in first) and all(len(cell) < 60 for cell in first):
        return first, True
    return None, False


def _named(cells: list[str]) -> bool:
    return any(role_of(cell) or type_of(cell) for cell in cells)


def _rows(lines: Iterable[str], delimiter: str, skip: bool, document: str) -> Iterator[tuple[int, list[str]] | Refused]:
    """Rows with the numbers of their lines."""
    numbers = _Numbered(lines)
    reader = csv.reader(numbers, delimiter=delimiter, skipinitialspace=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Refused(f"{document}, line {numbers.number}", f"not a row: {error}")
            continue
        if skip:
            skip = False
            continue
        yield numbers.number, row


class _Numbered:
    """Lines that are no comments, and the number of the last one given."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.number = 0

    def __iter__(self) -> _Numbered:
        return self

    def __next__(self) -> str:
        while True:
            line = next(self._lines)
            self.number += 1
            text = line.lstrip()
            if text and not text.startswith(_COMMENT):
                return line + "\n"


FORMAT = _Table()
