"""Records of one table, gathered row by row and given out column by column, in bounded memory.

Rows with the same field names are kept together, so that names are handled once a group and not once a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.nouns.event import EVENT_FIELDS, EXTRA, MAX_COLUMNS, ORIGIN

MAX_ROWS = 25_000
MAX_CELLS = 6_000_000  # rows times columns
MAX_BYTES = 48 << 20
OWN = frozenset(EVENT_FIELDS.names) | {EXTRA}
EXTRA_TYPE = pa.map_(pa.string(), pa.string())


def native(name: str) -> str:
    """A native field's column name: its own, unless that is one of ours or empty."""
    if name in OWN:
        return "native" + name
    return name if name else "unnamed"


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Column names of one record, made distinct: a second `X` is `X_2`. Nothing is lost when names collide."""
    seen: set[str] = set()
    distinct = []
    for name in map(native, map(printable, names)):
        candidate, n = name, 1
        while candidate in seen:
            n += 1
            candidate = f"{name}_{n}"
        seen.add(candidate)
        distinct.append(candidate)
    return tuple(distinct)


def printable(text: str) -> str:
    """Text that any engine can hold: NUL and lone surrogates as backslash escapes."""
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def as_text(value: Any) -> str | None:
    """A JSON value as text: strings as they are, nested values as JSON."""
    if value is None or isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (list, dict)):
        try:
            return orjson.dumps(value).decode()
        except (TypeError, ValueError):  # integers beyond 64 bits
            import json

            return json.dumps(value, ensure_ascii=False)
    return str(value)


def text_column(values: Sequence[Any]) -> pa.Array:
    """A column of strings from values of any JSON types."""
    types = set(map(type, values))
    types.discard(type(None))
    if types == {int}:
        try:
            return pc.cast(pa.array(values, pa.int64()), pa.string())
        except (pa.ArrowInvalid, OverflowError):
            pass  # beyond 64 bits: as text below
    if not types <= {str}:
        values = [as_text(v) for v in values]
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if v is None else printable(v) for v in values], pa.string())


class Group:
    """Rows with the same names, and which rows of the table they are."""

    __slots__ = ("index", "names", "rows")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.index: list[int] = []
        self.rows: list[Sequence[Any]] = []


class Rows:
    """Gathers records of one table; `batch` gives them out in the order they came."""

    def __init__(self, declared: Sequence[str] = (), max_columns: int = MAX_COLUMNS - len(EVENT_FIELDS) - 1) -> None:
        self.declared = declared
        self.max_columns = max_columns
        self.clear()

    def clear(self) -> None:
        self.groups: dict[tuple[str, ...], Group] = {}
        self.places: list[int] = []
        self.names: set[str] = set()
        self.bytes = 0

    def add(self, names: tuple[str, ...], values: Sequence[Any], place: int) -> None:
        """One record: its fields' names, as many values (JSON types), and its place in the file."""
        group = self.groups.get(names)
        if group is None:
            group = self.groups[names] = Group(unique(names))
            self.names.update(group.names)
        group.index.append(len(self.places))
        group.rows.append(values)
        self.places.append(place)

    def full(self) -> bool:
        rows = len(self.places)
        return rows >= MAX_ROWS or rows * min(len(self.names), self.max_columns) > MAX_CELLS or self.bytes > MAX_BYTES

    def _kept(self) -> set[str]:
        """The columns that get a column: declared and most frequent ones where there are too many."""
        if len(self.names) <= self.max_columns:
            return self.names
        counts: Counter[str] = Counter()
        for group in self.groups.values():
            for name in group.names:
                counts[name] += len(group.index)
        first = {name: rank for rank, name in enumerate(self.declared)}
        order = sorted(counts, key=lambda n: (first.get(n, len(first)), -counts[n], n))
        return set(order[: self.max_columns])

    def columns(self) -> dict[str, pa.Array]:
        """Native columns as strings, sorted by name, and `_extra` where there were too many."""
        rows, kept = len(self.places), self._kept()
        cells: dict[str, list[Any]] = {}
        extra: list[list[tuple[str, str]] | None] = [None] * rows
        for group in self.groups.values():
            for name, values in zip(group.names, zip(*group.rows, strict=True), strict=True):
                if name not in kept:
                    _set_aside(extra, group.index, name, values)
                elif len(group.index) == rows:
                    cells[name] = list(values)
                else:
                    column = cells.get(name)
                    if column is None:
                        column = cells[name] = [None] * rows
                    for i, value in zip(group.index, values, strict=True):
                        column[i] = value
        found = {}
        for name in sorted(cells):
            column = text_column(cells.pop(name))
            if column.null_count < rows:
                found[name] = column
        if any(extra):
            found[EXTRA] = pa.array(extra, EXTRA_TYPE)
        return found

    def origins(self, file: str) -> pa.Array:
        """`_origin` of every row: the file and the place in it."""
        return pc.binary_join_element_wise(file, pc.cast(pa.array(self.places, pa.int64()), pa.string()), "#")


def _set_aside(extra: list[list[tuple[str, str]] | None], index: list[int], name: str, values: Sequence[Any]) -> None:
    """Puts a field that gets no column into `_extra`."""
    for i, value in zip(index, values, strict=True):
        if (text := as_text(value)) is not None:
            if (place := extra[i]) is None:
                place = extra[i] = []
            place.append((name, printable(text)))


def batch_of(columns: dict[str, pa.Array], times: pa.Array, hosts: pa.Array, origins: pa.Array) -> pa.RecordBatch:
    """Native columns and ours as one batch, ours first."""
    arrays = {"_time": times, "_host": hosts, ORIGIN: origins, **columns}
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
