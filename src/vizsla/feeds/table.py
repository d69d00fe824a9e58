"""Tables: CSV and the like, whatever their columns are called."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.feeds._documents import decoded, encoding_of, opened
from vizsla.feeds._rows import (
    NOTHING,
    SAMPLE,
    Columns,
    columns_of,
    confidence_of,
    delimiter_of,
    role_of,
    said_type,
    time_of,
    type_of,
    value_of,
)  # fmt: skip
from vizsla.feeds._said import CONTEXT, names, techniques, tlp
from vizsla.intel._units import lines_of
from vizsla.nouns.indicator import Claim, Refused

HEAD_LINES = 400  # lines by which the table is understood
REFUSALS = 1_000  # that are told one by one; the others are counted
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
        if start.startswith((b"{", b"<")) or b"\x00" in head[:4096]:
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
            yield from _rows(chain(first, lines), delimiter, columns, skip, path.name, feed)


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


def _rows(
    lines: Iterable[str], delimiter: str, columns: Columns, skip: bool, document: str, feed: str
) -> Iterator[Read]:
    refused = 0
    numbers = _Numbered(lines)
    reader = csv.reader(numbers, delimiter=delimiter, skipinitialspace=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield Refused(f"{document}, line {numbers.number}", f"not a row: {error}")
            continue
        if skip:
            skip = False
            continue
        for one in _row(row, columns, f"{document}, line {numbers.number}", feed):
            if isinstance(one, Refused):
                refused += 1
                if refused > REFUSALS:
                    continue
            yield one
    if refused > REFUSALS:
        yield Refused(document, f"{refused - REFUSALS} more cells are no indicators")


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
            if line.strip() and not line.lstrip().startswith(_COMMENT):
                return line + "\n"


def _row(row: list[str], columns: Columns, place: str, feed: str) -> Iterator[Read]:
    base: Claim | None = None
    for at, named in columns.values:
        cell = row[at].strip() if at < len(row) else ""
        if cell.lower() in NOTHING:
            continue
        for type_, text in _typed(row, columns, named, cell):
            if type_ == "skip":
                continue
            found = value_of(text, type_) if type_ != "!" else None
            if found is None:
                shown = cell if len(cell) < 120 else cell[:120] + "…"
                reason = (
                    f"{shown!r} is no indicator" if type_ != "!" else f"{shown!r} is of no type that can be matched"
                )
                yield Refused(place, reason + (f" ({type_.replace('_', ' ')})" if type_ not in ("", "!") else ""))
                continue
            base = base or _said(row, columns, place, feed)
            yield Claim(
                found[0], found[1], feed, raw=text, source=place, context=base.context, confidence=base.confidence,
                tlp=base.tlp, valid_from=base.valid_from, valid_until=base.valid_until, first_seen=base.first_seen,
                last_seen=base.last_seen, created=base.created, to_ids=base.to_ids, kill_chain=base.kill_chain,
                techniques=base.techniques, malware=base.malware, actors=base.actors, tags=base.tags,
            )  # fmt: skip


def _typed(row: list[str], columns: Columns, named: str, cell: str) -> Iterator[tuple[str, str]]:
    """A cell's values with their types: two where the type is of two ('domain|ip'). '!': a type that is none."""
    if columns.type_column is None:
        yield named, cell
        return
    said = row[columns.type_column].strip().lower() if columns.type_column < len(row) else ""
    if "|" in said:
        for kind, text in zip(said.split("|"), cell.split("|"), strict=False):
            if kind not in ("port", "value", "size-in-bytes"):
                yield said_type(kind) or "!", text
        return
    known = said_type(said)
    if "|" in known:
        yield from zip(known.split("|"), cell.split("|"), strict=False)
    elif known == "?":
        yield "", cell
    else:
        yield (known, cell) if known or not said else ("!", cell)


def _said(row: list[str], columns: Columns, place: str, feed: str) -> Claim:
    """What a row says of all its indicators."""
    texts: dict[str, list[str]] = {}
    for at, role in columns.roles.items():
        cell = row[at].strip() if at < len(row) else ""
        if cell and cell.lower() not in NOTHING:
            texts.setdefault(role, []).append(cell)
    values = {at for at, _ in columns.values}
    context = "; ".join(texts.get("context", ()))
    if not context:
        pairs = ((columns.names[i] if i < len(columns.names) else "", c.strip()) for i, c in enumerate(row))
        rest = [
            f"{name}: {cell}" if name else cell
            for i, (name, cell) in enumerate(pairs)
            if cell and cell.lower() not in NOTHING and (i not in values or len(values) > 1) and i not in columns.roles
        ]
        context = "; ".join(rest)

    def first(role: str) -> str:
        return next(iter(texts.get(role, ())), "")

    date = time_of(first("date"))
    return Claim(
        "domain", "", feed, source=place, context=context[:CONTEXT], confidence=confidence_of(first("confidence")),
        tlp=tlp(first("tlp")), valid_from=time_of(first("valid_from")) or date or time_of(first("first_seen")),
        valid_until=time_of(first("valid_until")), first_seen=time_of(first("first_seen")),
        last_seen=time_of(first("last_seen")), created=date, to_ids=first("to_ids").lower() not in ("0", "false", "no"),
        kill_chain=names(texts.get("kill_chain", ())),
        techniques=names(techniques(" ".join(texts.get("technique", ())))),
        malware=names(texts.get("malware", ())), actors=names(texts.get("actor", ())),
        tags=names(tag.strip() for text in texts.get("tags", ()) for tag in text.replace(";", ",").split(",")),
    )  # fmt: skip


FORMAT = _Table()
