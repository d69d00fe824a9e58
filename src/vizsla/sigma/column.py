"""A batch's columns as rules look at them: each row's place among distinct values, and those values prepared once.

Where batches bring the same dictionary again, as those of one row group do, what was learnt of its values stays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.sigma import automaton

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
UNKNOWN, NO, YES = np.uint8(0), np.uint8(1), np.uint8(2)
ELEMENTS = 10_000  # of a JSON array that are looked at one by one
LONGEST_LIST = 1 << 20  # bytes of a JSON array that is read as one
MEMORY = 64 << 20  # bytes of verdicts that are kept of one column's values


class Texts:
    """Distinct values: `raw` has no nulls. Of those that are JSON arrays of plain values, elements count as well."""

    __slots__ = ("_among", "_elements", "_every", "_kept", "_lower", "raw", "verdicts")

    def __init__(self, raw: pa.Array) -> None:
        self.raw = raw
        self.verdicts: dict[int, U8] = {}  # atom -> by place + 1 (0: null)
        self._elements: tuple[pa.Array, I64] | None = None
        self._lower: pa.Array | None = None
        self._every: pa.Array | None = None
        self._among: dict[frozenset[str], npt.NDArray[np.bool_]] = {}
        self._kept = 0

    @property
    def elements(self) -> tuple[pa.Array, I64]:
        """The elements of JSON arrays, and the place of the value that each stands in."""
        if self._elements is None:
            found, owners = _elements(self.raw)
            self._elements = pa.array(found, pa.string()), np.array(owners, np.int64)
        return self._elements

    def owners(self, places: I64) -> I64:
        """The values that places of `every` belong to."""
        more, owner = self.elements
        if not len(more):
            return places
        count = len(self.raw)
        return np.where(places < count, places, owner[np.maximum(places - count, 0)])

    @property
    def every(self) -> pa.Array:
        """Values, then elements, as they are."""
        if self._every is None:
            more, _ = self.elements
            self._every = pa.concat_arrays([self.raw, more]) if len(more) else self.raw
        return self._every

    @property
    def lower(self) -> pa.Array:
        """The same in lower case."""
        if self._lower is None:
            self._lower = lowered(self.every)
        return self._lower

    def laid(self, edges: bool) -> automaton.Laid:
        """The values in lower case, laid out to be searched, with edges between them where they are asked for."""
        return automaton.lay(self.lower, edges)

    def verdict(self, atom: int) -> U8:
        """What is known of an atom by place + 1; to be filled in by whoever asks."""
        known = self.verdicts.get(atom)
        if known is None:
            size = len(self.raw) + 1
            self._kept += size
            if self._kept > MEMORY:  # what was learnt can be learnt again
                self.verdicts.clear()
                self._kept = size
            known = self.verdicts[atom] = np.zeros(size, np.uint8)
        return known

    def among(self, values: frozenset[str]) -> npt.NDArray[np.bool_]:
        """Which values, by place + 1, are one of these texts in lower case; '*' is any but the empty text."""
        known = self._among.get(values)
        if known is None and "*" in values:
            known = self._among[values] = np.concatenate(([False], pc.not_equal(self.raw, "").to_numpy(False)))
        if known is None:
            held = pc.is_in(self.lower.slice(0, len(self.raw)), value_set=pa.array(values, pa.string()))
            known = np.concatenate(([False], held.to_numpy(zero_copy_only=False)))
            self._among[values] = known
        return known

    def ask(self, places: I64, test: Callable[[pa.Array], npt.NDArray[np.bool_]], cased: bool) -> npt.NDArray[np.bool_]:
        """Whether each of these values, or an element of it, meets a test of texts."""
        texts = self.every if cased else self.lower
        held = test(texts.take(pa.array(places)))
        more, owner = self.elements
        if len(more):
            count = len(self.raw)
            wanted = np.zeros(count, bool)
            wanted[places] = True
            inner = np.flatnonzero(wanted[owner])
            met = np.zeros(count, bool)
            met[owner[inner[test(texts.take(pa.array(inner + count)))]]] = True
            held = held | met[places]
        return held


class Column:
    """A column of a batch. `codes` by row: 0 for null, else a value's place in `texts` + 1.

    `rows`: for values of a map, the row of each code; None elsewhere.
    """

    __slots__ = ("_codes", "_indices", "_moved", "name", "rows", "texts")

    def __init__(
        self,
        name: str,
        texts: Texts,
        codes: I32 | None = None,
        *,
        indices: pa.Array | None = None,
        moved: I32 | None = None,
        rows: I64 | None = None,
    ) -> None:
        """`codes`, or the `indices` that they are made of when they are first asked for (`moved`: to other codes)."""
        self.name, self.texts, self.rows = name, texts, rows
        self._codes, self._indices, self._moved = codes, indices, moved

    @property
    def codes(self) -> I32:
        """By row (of a map: by entry)."""
        if self._codes is None:
            indices: Any = self._indices
            if indices.null_count:
                indices = pc.fill_null(indices, -1)
            codes = indices.to_numpy(zero_copy_only=False).astype(np.int32) + np.int32(1)
            self._codes = codes if self._moved is None else self._moved[codes]
        return self._codes

    def value(self, at: int) -> str | None:
        """What stands in a row (of a map: in an entry)."""
        code = int(self.codes[at])
        text: str | None = self.texts.raw[code - 1].as_py() if code else None
        return text

    def at(self, rows: I64) -> list[str | None]:
        """What stands in these rows."""
        codes = self.codes[rows]
        found: list[str | None] = self.texts.raw.take(pa.array(codes - np.int32(1), mask=codes == 0)).to_pylist()
        return found


def lowered(texts: pa.Array) -> pa.Array:
    """In lower case, character by character: the one idea of case that all texts of rules are compared by."""
    low = pc.ascii_lower(texts)  # ten times as fast
    plain = pc.string_is_ascii(texts)
    if pc.all(plain, min_count=0).as_py():
        return low
    others = pc.invert(plain)
    return pc.replace_with_mask(low, others, pc.utf8_lower(texts.filter(others)))


def lower(texts: list[str]) -> list[str]:
    """The same of texts in Python."""
    found: list[str] = lowered(pa.array(texts, pa.string())).to_pylist()
    return found


NOTHING = Texts(pa.array([], pa.string()))  # shared by all: nothing is kept of its values, since it has none


class Reader:
    """Reads one column, batch after batch, and keeps what is known of its values while they stay the same."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._dictionary = NOTHING.raw
        self._texts = NOTHING
        self._moved: I32 | None = None

    def read(self, values: pa.Array) -> Column:
        """The column as it stands in a batch: text, dictionary-encoded or plain (anything else is taken as text)."""
        if values.null_count == len(values):
            return Column(self.name, NOTHING, np.zeros(len(values), np.int32))
        if not pa.types.is_dictionary(values.type):
            values = pc.dictionary_encode(values if is_text(values.type) else values.cast(pa.string()))
        dictionary = values.dictionary
        if not _same(dictionary, self._dictionary):
            self._take(dictionary)
        return Column(self.name, self._texts, indices=values.indices, moved=self._moved)

    def _take(self, dictionary: pa.Array) -> None:
        self._dictionary = dictionary
        raw = dictionary if dictionary.type == pa.string() else dictionary.cast(pa.string())
        self._moved = None
        if raw.null_count:
            there = raw.is_valid().to_numpy(zero_copy_only=False)
            places = np.where(there, np.cumsum(there), 0)
            self._moved = np.concatenate(([0], places)).astype(np.int32)
            raw = raw.drop_null()
        self._texts = Texts(raw)


class Derived:
    """Works a function out over another column's values, and keeps it while they stay the same."""

    def __init__(self, name: str, function: Callable[[str], str | None]) -> None:
        self._reader, self._function = Reader(name), function
        self._of: Texts | None = None
        self._values = pa.array([], pa.string())

    def read(self, column: Column) -> Column:
        """The column with the function's values."""
        if self._of is not column.texts:
            self._of = column.texts
            self._values = pa.array([self._function(text) for text in column.texts.raw.to_pylist()], pa.string())
        indices = pa.array(column.codes - np.int32(1), mask=column.codes == 0)
        return self._reader.read(pa.DictionaryArray.from_arrays(indices, self._values))


def _same(one: pa.Array, other: pa.Array) -> bool:
    """Whether two dictionaries are one. The same memory, which `other` keeps alive, needs no look."""
    if len(one) != len(other) or one.offset != other.offset:
        return False
    mine, theirs = one.buffers(), other.buffers()
    if len(mine) == len(theirs) and all(_address(a) == _address(b) for a, b in zip(mine, theirs, strict=True)):
        return bool(one.type == other.type)
    return bool(one.equals(other))


def _address(buffer: pa.Buffer | None) -> int:
    return 0 if buffer is None else buffer.address


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text, plain or dictionary-encoded."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _elements(raw: pa.Array) -> tuple[list[str], list[int]]:
    """The elements of values that are JSON arrays of plain values, and whose they are."""
    elements: list[str] = []
    owners: list[int] = []
    if not len(raw):
        return elements, owners
    likely = pc.and_(pc.starts_with(raw, "["), pc.ends_with(raw, "]"))
    places = np.flatnonzero(likely.to_numpy(zero_copy_only=False))
    for place, text in zip(places.tolist(), raw.take(pa.array(places)).to_pylist(), strict=True):
        found = elements_of(text)
        elements += found
        owners += [place] * len(found)
    return elements, owners


def elements_of(text: str) -> list[str]:
    """The elements of a JSON array of plain values, as texts; [] for anything else."""
    if len(text) > LONGEST_LIST or not text.startswith("["):
        return []
    try:
        values = orjson.loads(text)
    except ValueError:
        return []
    if not isinstance(values, list) or any(isinstance(v, list | dict) for v in values[:ELEMENTS]):
        return []
    return [v if isinstance(v, str) else orjson.dumps(v).decode() for v in values[:ELEMENTS] if v is not None]
