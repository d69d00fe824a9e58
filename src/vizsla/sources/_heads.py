"""What the head of a file looks like, found once however many sources ask: JSON records, or a header and its rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from vizsla.sources._encoding import as_utf8
from vizsla.sources._json import head_records

RECORDS = 50  # records or rows looked at
DELIMITERS = (",", "\t", ";", "|")
DEEP = 6  # levels of nesting whose names are told


@dataclass(frozen=True, slots=True)
class Header:
    """The first line as a delimited header, and the rows below it that are as wide."""

    delimiter: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@lru_cache(maxsize=4)
def json_head(head: bytes) -> tuple[dict[str, Any], ...]:
    """The first records of a file of JSON; none where it is none."""
    text = as_utf8(head).removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] not in (b"{", b"["):
        return ()
    return tuple(head_records(text)[:RECORDS])


@lru_cache(maxsize=16)
def csv_heads(head: bytes, delimiters: tuple[str, ...] = DELIMITERS) -> tuple[Header, ...]:
    """The header under each delimiter that makes at least two columns of it, the one with most columns first."""
    text = as_utf8(head).removeprefix(b"\xef\xbb\xbf")
    if b"\0" in text[:4096] or not text or text[:1] in (b"{", b"["):
        return ()
    lines = text.decode("utf-8", "replace").splitlines()[: RECORDS + 1]
    found = []
    for delimiter in delimiters:
        if delimiter not in lines[0]:
            continue
        try:
            rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
        except csv.Error:
            continue
        columns = tuple(name.strip() for name in rows[0])
        alike = tuple(tuple(row) for row in rows[1:] if len(row) == len(columns))
        found.append(Header(delimiter, columns, alike))
    return tuple(sorted(found, key=lambda header: -len(header.columns)))


def names(record: Mapping[str, Any], prefix: str = "", depth: int = 0) -> set[str]:
    """All dotted names in a record, of objects too."""
    found = set()
    for key, value in record.items():
        found.add(prefix + key)
        if isinstance(value, dict) and depth < DEEP:
            found |= names(value, f"{prefix}{key}.", depth + 1)
    return found


def at(record: Mapping[str, Any], name: str) -> Any:
    """The value under a dotted name, however the record nests it; None where there is none."""
    if name in record:
        return record[name]
    begin, dot, rest = name.partition(".")
    while dot:
        inner = record.get(begin)
        if isinstance(inner, dict) and (found := at(inner, rest)) is not None:
            return found
        more, dot, rest = rest.partition(".")
        begin = f"{begin}.{more}"
    return None
