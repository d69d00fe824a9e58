"""What sources of JSON records that are dealt into the tables of syslog have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources._json import Bad, head_records, records
from vizsla.sources._linux import LinuxTables
from vizsla.sources._rows import Rows
from vizsla.sources._times import Micros

BYTES = 4 << 20  # of records that are dealt together
Columns = dict[str, pa.Array]


def share(head: bytes, hint: re.Pattern[bytes], key: str) -> float:
    """How sure a head is of records that have a key: by the share of them; 0.3 where not one is whole."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] not in (b"{", b"[") or not hint.search(text):
        return 0.0
    found = head_records(text)
    return 0.95 * sum(key in record for record in found) / len(found) if found else 0.3


def growth(head: bytes) -> Growth | None:
    """See `source.Resumable`."""
    return Growth(delimited=True) if head.lstrip()[:1] == b"{" else None


def read(
    file: LogFile, key: str, why: str, canonical: Callable[[dict[str, Any]], dict[str, Any]],
    finished: Callable[[Columns, int], Micros],
) -> Iterator[Batch | Rejected]:  # fmt: skip
    """All records that have a key, dealt into their tables; others are rejected for a reason.

    `canonical`: a record under the names that syslog lines have. `finished`: puts right the columns of so many rows,
    and gives their times.
    """
    tables = LinuxTables(file.name)
    rows, size = Rows(), 0
    with file.open() as stream:
        for portion in records(stream):
            if isinstance(portion, Bad):
                yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                continue
            for place, record in zip(portion.places, portion.records, strict=True):
                if key not in record:
                    yield Rejected(f"{file.name}#{place}", why)
                    continue
                entry = canonical(record)
                rows.add(tuple(entry), list(entry.values()), place)
            size += portion.size
            if rows.full() or size > BYTES:
                yield from _deal(tables, rows, finished)
                size = 0
    yield from _deal(tables, rows, finished)
    yield from tables.rest()


def _deal(tables: LinuxTables, rows: Rows, finished: Callable[[Columns, int], Micros]) -> Iterator[Batch | Rejected]:
    count = len(rows.places)
    if not count:
        return
    columns = rows.columns()
    blank = pa.nulls(count, pa.string())
    columns.setdefault("program", blank)
    columns["message"] = columns.get("message", blank).fill_null("")
    times = finished(columns, count)
    places = np.array(rows.places, dtype=np.int64)
    rows.clear()
    yield from tables.deal(columns, times, places)
