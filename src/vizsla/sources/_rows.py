"""Records of one table, gathered row by row and given out column by column, in bounded memory.

Rows with the same field names are kept together, so that names are handled once a group and not once a row.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from vizsla.nouns.event import EVENT_FIELDS, EXTRA, MAX_COLUMNS, ORIGIN

MAX_ROWS = 25_000
MAX_NAME = 200  # characters of a column's name: every file of a table and every commit repeats them
MAX_BYTES = 8 << 20  # of raw text; larger batches are slower, since they no longer fit in the processor's caches
OWN = frozenset(EVENT_FIELDS.names) | {EXTRA}
FEW = 256  # rows
EXTRA_TYPE = pa.map_(pa.string(), pa.string())


def native(name: str) -> str:
    """A native field's column name: its own, unless that is one of ours or empty."""
    if name in OWN:
        return "native" + name
    return name if name else "unnamed"


Names = tuple[str | None, ...]  # of the values of a row; None: a value that gets no column


def unique(names: Iterable[str | None]) -> Names:
    """Column names of one record, made distinct: a second `X` is `X_2`. Nothing is lost when names collide."""
    seen: set[str] = set()
    last: dict[str, int] = {}  # by name, the number that it was given last: those below it are taken
    distinct: list[str | None] = []
    for raw in names:
        if raw is None:
            distinct.append(None)
            continue
        name = native(_bounded(printable(raw)))
        candidate, n = name, last.get(name, 1)
        while candidate in seen:
            n += 1
            candidate = f"{name}_{n}"
        last[name] = n
        seen.add(candidate)
        distinct.append(candidate)
    return tuple(distinct)


def _bounded(name: str) -> str:
    """A name that a schema can hold; a hash keeps long names apart."""
    if len(name) <= MAX_NAME:
        return name
    return f"{name[:MAX_NAME]}…{xxhash.xxh3_64_hexdigest(name.encode())}"


def printable(text: str) -> str:
    """Text that any engine can hold: NUL, lone surrogates and bytes that were no UTF-8 as backslash escapes."""
    if text.isascii():
        return text.replace("\0", "\\x00")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _SURROGATE.sub(_escaped, text)
    return text.replace("\0", "\\x00")


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


_SURROGATE = re.compile("[\ud800-\udfff]")


def as_text(value: Any) -> str | None:
    """A JSON value as text: strings as they are, nested values as JSON."""
    if value is None or isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    return _nested(value) if isinstance(value, (list, dict)) else str(value)


def _nested(value: Any) -> str:
    """A list or a dict as JSON text."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # nested too deep for it, integers beyond 64 bits, lone surrogates
        pass
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    except RecursionError:
        return _deeply_nested(value)


class _Raw(str):
    """Text that is JSON already."""


def _deeply_nested(value: Any) -> str:
    """JSON text of values nested to any depth."""
    out: list[str] = []
    stack: list[Any] = [value]
    while stack:
        top = stack.pop()
        if isinstance(top, _Raw):
            out.append(top)
        elif isinstance(top, (list, dict)):
            begin, end = "[]" if isinstance(top, list) else "{}"
            out.append(begin)
            stack.append(_Raw(end))
            items = list(enumerate(top)) if isinstance(top, list) else list(top.items())
            for n in range(len(items) - 1, -1, -1):
                stack.append(items[n][1])
                name = f"{json.dumps(items[n][0], ensure_ascii=False)}:" if isinstance(top, dict) else ""
                stack.append(_Raw("," * (n > 0) + name))
        else:
            out.append(json.dumps(top, ensure_ascii=False))
    return "".join(out)


def text_column(values: Sequence[Any]) -> pa.Array:
    """A column of strings from values of any JSON types."""
    types = set(map(type, values))
    types.discard(type(None))
    if types == {int} and len(values) > FEW:
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


def spread(dense: pa.Array, positions: npt.NDArray[np.int64], rows: int) -> pa.Array:
    """The values of a column of `rows` rows at ascending positions, null elsewhere; the text itself is not copied."""
    if dense.null_count:
        held = dense.is_valid().to_numpy(zero_copy_only=False)
        dense, positions = dense.drop_null(), positions[held]
    if len(positions) == rows:
        return dense
    valid = np.zeros(rows, dtype=bool)
    valid[positions] = True
    rank = np.zeros(rows + 1, dtype=np.int64)
    np.cumsum(valid, out=rank[1:])
    _, offsets, data = dense.buffers()
    begins = np.frombuffer(offsets, np.int32)[dense.offset :][: len(dense) + 1][rank]
    bits = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    nulls = rows - len(positions)
    return pa.StringArray.from_buffers(rows, pa.py_buffer(begins.tobytes()), data, bits, nulls)


class Group:
    """Rows with the same names, and which rows of the table they are."""

    __slots__ = ("index", "names", "rows")

    def __init__(self, names: Names) -> None:
        self.names = names
        self.index: list[int] = []
        self.rows: list[Sequence[Any]] = []


class Rows:
    """Gathers records of one table; `columns` gives them out in the order they came."""

    def __init__(self, declared: Sequence[str] = (), max_columns: int = MAX_COLUMNS - len(EVENT_FIELDS) - 1) -> None:
        self.declared = declared
        self.max_columns = max_columns
        self.groups: dict[Names, Group] = {}
        self.clear()

    def clear(self) -> None:
        """Forgets the rows."""
        self.groups.clear()
        self.places: list[int] = []
        self.bytes = 0

    def group(self, names: Names) -> Group:
        """Where rows of these fields are gathered, until the rows are given out."""
        group = self.groups.get(names)
        if group is None:
            group = self.groups[names] = Group(unique(names))
        return group

    def add(self, names: Names, values: Sequence[Any], place: int) -> None:
        """One record: its fields' names, as many values (JSON types), and its place in the file."""
        group = self.groups.get(names) or self.group(names)
        group.index.append(len(self.places))
        group.rows.append(values)
        self.places.append(place)

    def full(self) -> bool:
        """Whether enough rows are gathered to be given out."""
        return len(self.places) >= MAX_ROWS or self.bytes > MAX_BYTES

    def _kept(self) -> set[str] | None:
        """The columns that get a column where there are too many: declared and most frequent ones. None: all."""
        names = {name for group in self.groups.values() for name in group.names if name is not None}
        if len(names) <= self.max_columns:
            return None
        counts: Counter[str] = Counter()
        for group in self.groups.values():
            for name in group.names:
                if name is not None:
                    counts[name] += len(group.index)
        first = {name: rank for rank, name in enumerate(self.declared)}
        order = sorted(counts, key=lambda n: (first.get(n, len(first)), -counts[n], n))
        return set(order[: self.max_columns])

    def columns(self) -> dict[str, pa.Array]:
        """Native columns as strings, sorted by name, and `_extra` where there were too many."""
        rows, kept = len(self.places), self._kept()
        if rows <= FEW and kept is None:
            return self._few(rows)
        parts: dict[str, list[tuple[int, Sequence[Any]]]] = {}
        extra: list[list[tuple[str, str]] | None] = [None] * rows
        groups = list(self.groups.values())
        for number, group in enumerate(groups):
            for name, values in zip(group.names, zip(*group.rows, strict=True), strict=True):
                if name is None:
                    continue
                if kept is None or name in kept:
                    parts.setdefault(name, []).append((number, values))
                else:
                    _set_aside(extra, group.index, name, values)
        indexes = [np.array(group.index, dtype=np.int64) for group in groups]
        orders: dict[tuple[int, ...], tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]] = {}
        found = {}
        for name in sorted(parts):
            numbers = tuple(number for number, _ in parts[name])
            if len(numbers) == 1:
                column = spread(text_column(parts[name][0][1]), indexes[numbers[0]], rows)
            else:
                if numbers not in orders:
                    positions = np.concatenate([indexes[number] for number in numbers])
                    order = np.argsort(positions, kind="stable")
                    orders[numbers] = (order, positions[order])
                order, positions = orders[numbers]
                dense = text_column(list(chain.from_iterable(values for _, values in parts[name])))
                column = spread(dense.take(pa.array(order)), positions, rows)
            if column.null_count < rows:
                found[name] = column
        if any(extra):
            found[EXTRA] = pa.array(extra, EXTRA_TYPE)
        return found

    def _few(self, rows: int) -> dict[str, pa.Array]:
        """The same for so few rows that what is done once a column counts."""
        cells: dict[str, list[Any]] = {}
        for group in self.groups.values():
            if len(group.index) == rows:
                columns = map(list, zip(*group.rows, strict=True))
                cells.update(
                    (name, values) for name, values in zip(group.names, columns, strict=True) if name is not None
                )
                continue
            for i, row in zip(group.index, group.rows, strict=True):
                for name, value in zip(group.names, row, strict=True):
                    if value is not None and name is not None:
                        column = cells.get(name)
                        if column is None:
                            column = cells[name] = [None] * rows
                        column[i] = value
        found = {name: text_column(cells[name]) for name in sorted(cells)}
        return {name: column for name, column in found.items() if column.null_count < rows}

    def origins(self, file: str) -> pa.Array:
        """`_origin` of every row: the file and the place in it."""
        return placed(file, pa.array(self.places, pa.int64()))


def _set_aside(extra: list[list[tuple[str, str]] | None], index: list[int], name: str, values: Sequence[Any]) -> None:
    """Puts a field that gets no column into `_extra`."""
    for i, value in zip(index, values, strict=True):
        if (text := as_text(value)) is not None:
            if (place := extra[i]) is None:
                place = extra[i] = []
            place.append((name, printable(text)))


def placed(file: str | pa.Array, places: pa.Array) -> pa.Array:
    """`_origin`: 'file#place'. A file's name may hold bytes that are no text."""
    name = printable(file) if isinstance(file, str) else file
    return pc.binary_join_element_wise(name, pc.cast(places, pa.string()), "#")


def batch_of(columns: dict[str, pa.Array], times: pa.Array, hosts: pa.Array, origins: pa.Array) -> pa.RecordBatch:
    """Native columns and ours as one batch, ours first."""
    arrays = {"_time": times, "_host": hosts, ORIGIN: origins, **columns}
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
