"""A batch's columns as rules look at them: each row's place among distinct values, and those values prepared once.

Where batches bring the same dictionary again, as those of one row group do, what was learnt of its values stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

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


@dataclass(slots=True)
class Texts:
    """Distinct values. `raw` has no nulls; `more` are the elements of those that are JSON arrays of plain values.

    `owner`: the value that each of `raw` and `more`, put together, belongs to.
    """

    raw: pa.Array
    more: pa.Array
    owner: I64
    verdicts: dict[int, U8] = field(default_factory=dict)  # atom -> by place + 1 (0: null)
    _lower: pa.Array | None = None
    _every: pa.Array | None = None
    _among: dict[frozenset[str], npt.NDArray[np.bool_]] = field(default_factory=dict)
    _kept: int = 0

    @classmethod
    def of(cls, raw: pa.Array) -> Texts:
        """Prepare a string array without nulls."""
        elements, owners = _elements(raw)
        owner = np.concatenate((np.arange(len(raw)), np.array(owners, np.int64)))
        return cls(raw, pa.array(elements, pa.string()), owner)

    @property
    def every(self) -> pa.Array:
        """Values, then elements, as they are."""
        if self._every is None:
            self._every = pa.concat_arrays([self.raw, self.more]) if len(self.more) else self.raw
        return self._every

    @property
    def lower(self) -> pa.Array:
        """The same in lower case."""
        if self._lower is None:
            self._lower = lowered(self.every)
        return self._lower

    def laid(self) -> automaton.Laid:
        """The values in lower case, laid out to be searched."""
        return automaton.lay(self.lower)

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
        if len(self.more):
            wanted = np.zeros(len(self.raw), bool)
            wanted[places] = True
            count = len(self.raw)
            inner = np.flatnonzero(wanted[self.owner[count:]])
            if len(inner):
                owners = self.owner[count:][inner][test(texts.take(pa.array(inner + count)))]
                met = np.zeros(count, bool)
                met[owners] = True
                held = held | met[places]
        return held


@dataclass(slots=True)
class Column:
    """A column of a batch: `codes` by row, 0 for null, else a value's place + 1.

    `rows`: for values of a map, the row of each code; `held` and what else asks for rows then hold for entries.
    """

    name: str
    codes: I32
    texts: Texts
    rows: I64 | None = None

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
    return pc.utf8_lower(texts)


def lower(texts: list[str]) -> list[str]:
    """The same of texts in Python."""
    found: list[str] = lowered(pa.array(texts, pa.string())).to_pylist()
    return found


class Reader:
    """Reads one column, batch after batch, and keeps what is known of its values while they stay the same."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._dictionary: pa.Array | None = None
        self._moved: I32 | None = None
        self._texts = Texts.of(pa.array([], pa.string()))

    def read(self, values: pa.Array) -> Column:
        """The column as it stands in a batch: text, dictionary-encoded or plain (anything else is taken as text)."""
        if not pa.types.is_dictionary(values.type):
            values = pc.dictionary_encode(values if is_text(values.type) else values.cast(pa.string()))
        indices = pc.fill_null(values.indices, -1) if values.indices.null_count else values.indices
        codes = indices.to_numpy(zero_copy_only=False).astype(np.int32) + np.int32(1)
        if self._dictionary is None or not _same(values.dictionary, self._dictionary):
            self._take(values.dictionary)
        if self._moved is not None:
            codes = self._moved[codes]
        return Column(self.name, codes, self._texts)

    def _take(self, dictionary: pa.Array) -> None:
        self._dictionary = dictionary
        raw = dictionary if dictionary.type == pa.string() else dictionary.cast(pa.string())
        self._moved = None
        if raw.null_count:
            there = raw.is_valid().to_numpy(zero_copy_only=False)
            places = np.where(there, np.cumsum(there), 0)
            self._moved = np.concatenate(([0], places)).astype(np.int32)
            raw = raw.drop_null()
        self._texts = Texts.of(raw)


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
    return len(one) == len(other) and bool(one.equals(other))


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
