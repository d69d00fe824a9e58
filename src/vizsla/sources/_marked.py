"""Lines whose record begins at a mark (`CEF:`, `LEEF:`), with or without a syslog header before it.

The header's time and host become the columns `syslog_time` and `syslog_host`; a time without a year gets the newest
year in which it is not later than a day after the file was last written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, LogFile, Rejected
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._lines import TooLong, line_blocks
from vizsla.sources._placing import numbers
from vizsla.sources._rows import Rows, batch_of, printable
from vizsla.sources._syslog import modified
from vizsla.sources._syslog_times import bsd_micros
from vizsla.sources._times import NONE, Micros, micros, timestamps

# a record as its table and its fields' names and values; a reason where it is none
Parse = Callable[[str], "tuple[str, list[str], list[str]] | str"]
_PREFIX = re.compile(
    r"(?:<\d{1,3}>)?(?:1 )?(?P<time>\w{3} [ \d]?\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\d[T ]\S+)?"
    r"(?: (?:UTC|GMT))?\s*(?P<host>[^\s:|\[\]<>]+(?::[0-9A-Fa-f:]+)?)?"
)
_MONTH = re.compile(r"(\w{3}) (\d{1,2}) (\d{4})[ ,](\d\d:\d\d:\d\d(?:\.\d+)?)(?: (UTC|GMT|Z|[+-]\d\d:?\d\d))?")
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES, 1)}


def sniffed(head: bytes, mark: bytes, first: re.Pattern[bytes]) -> float:
    """How sure it is that nearly all lines of a head hold a record of this mark."""
    lines = [line for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:50] if line.strip()]
    if not lines or mark not in lines[0][:512]:
        return 0.0
    held = sum(first.search(line) is not None for line in lines)
    return 0.95 if held >= 0.8 * len(lines) else 0.0


def read_marked(file: LogFile, mark: str, parse: Parse, declared: tuple[str, ...], times: tuple[str, ...],
                hosts: tuple[str, ...]) -> Iterator[Batch | Rejected]:  # fmt: skip
    """All records, each in its table. `times` and `hosts`: the columns of which the first that is filled counts."""
    written = modified(file)
    tables: dict[str, Rows] = {}
    with file.open() as stream:
        for block in line_blocks(utf8_stream(stream)):
            if isinstance(block, TooLong):
                yield block.rejected(file.name)
                continue
            for place, line in zip(block.offsets(), block.lines, strict=True):
                text = printable(line.decode("utf-8", "surrogateescape")).rstrip("\r")
                if not text or text.isspace():
                    continue
                begin = text.find(mark)
                found = parse(text[begin:]) if begin >= 0 else f"no record that begins with {mark}"
                if isinstance(found, str):
                    yield Rejected(f"{file.name}#{place}", found)
                    continue
                table, names, values = found
                if begin > 0:
                    time, host = _prefix(text[:begin])
                    names, values = ["syslog_time", "syslog_host", *names], [time, host, *values]
                rows = tables.setdefault(table, Rows(declared))
                rows.add(tuple(names), values, place)
                rows.bytes += len(line)
            for table, rows in tables.items():
                if rows.full():
                    yield _batch(table, rows, file.name, times, hosts, written)
    for table, rows in tables.items():
        if rows.places:
            yield _batch(table, rows, file.name, times, hosts, written)


@lru_cache(maxsize=4096)
def _prefix(text: str) -> tuple[str, str]:
    """The time and the host of a syslog header; '' where it has none."""
    found = _PREFIX.match(text.lstrip("\ufeff"))
    return (found["time"] or "", found["host"] or "") if found else ("", "")


def moments(texts: pa.Array, written: int) -> Micros:
    """Times as devices write them: numbers since 1970, ISO 8601, `Mmm dd [yyyy] hh:mm:ss[.f] [zone]`; UTC if unsaid."""
    found = numbers(texts, None)
    left = np.flatnonzero(found == NONE)
    if len(left):
        rest = texts.take(pa.array(left)).dictionary_encode()
        distinct = np.array([_moment(text, written) for text in rest.dictionary.to_pylist()] or [NONE], np.int64)
        places = pc.fill_null(rest.indices, 0).to_numpy(zero_copy_only=False)
        found[left] = np.where(rest.is_valid().to_numpy(zero_copy_only=False), distinct[places], NONE)
    return found


def _moment(text: str, written: int) -> int:
    if not text:
        return NONE
    if (told := _MONTH.match(text)) and (month := _MONTHS.get(told[1].lower())):
        return micros(f"{told[3]}-{month:02d}-{int(told[2]):02d}T{told[4]}{told[5] or ''}")
    iso = micros(text)
    return iso if iso != NONE else bsd_micros(text, written)


def _batch(table: str, rows: Rows, file: str, times: tuple[str, ...], hosts: tuple[str, ...], written: int) -> Batch:
    count, columns = len(rows.places), rows.columns()
    found = np.full(count, NONE, dtype=np.int64)
    for name in (*times, "syslog_time"):
        if name in columns and (found == NONE).any():
            found = np.where(found == NONE, moments(columns[name], written), found)
    blank = pa.scalar(None, pa.string())
    named = [pc.if_else(pc.equal(columns[n], ""), blank, columns[n]) for n in (*hosts, "syslog_host") if n in columns]
    told = pc.utf8_lower(pc.coalesce(*named)) if named else pa.nulls(count, pa.string())
    batch = batch_of(columns, timestamps(found), told, rows.origins(file))
    rows.clear()
    return Batch(table, batch)
