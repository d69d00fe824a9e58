"""Long texts as their distinct words: command lines differ in a few words, and no run goes beyond a blank."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.intel.runs import I64

SAMPLE = 1_024  # values that tell whether words come again
WORDS = 4  # in a value, on average, from which it may be worth it to tell words apart
AGAIN = 2  # times that a word comes on average


@dataclass(frozen=True, slots=True)
class Words:
    """The words of some values. `texts`: each once, none null."""

    texts: pa.Array
    places: I64  # of each word of each value, one after another, its place in `texts`
    begins: I64  # of each value its first among `places`; their number at last

    @classmethod
    def of(cls, values: pa.Array) -> Words | None:
        """The words of strings without nulls; None where too few come again."""
        sample = cls._split(values.slice(0, SAMPLE))
        count = len(sample.places)
        if count < WORDS * min(SAMPLE, len(values)) or count < AGAIN * len(sample.texts):
            return None
        return cls._split(values)

    @classmethod
    def _split(cls, values: pa.Array) -> Words:
        lists = pc.split_pattern(values, " ")
        encoded = pc.dictionary_encode(lists.flatten())
        begins = np.concatenate(
            [np.zeros(1, np.int64), np.cumsum(np.asarray(pc.list_value_length(lists)), dtype=np.int64)]
        )
        return cls(encoded.dictionary, encoded.indices.to_numpy().astype(np.int64), begins)

    def values(self, asked: I64) -> tuple[I64, I64]:
        """The values in which words stand: (values, which of `asked`), a value once for each time it stands there."""
        rows, which = rows_of(self.places, len(self.texts), asked)
        return np.searchsorted(self.begins, rows, side="right") - 1, which


def rows_of(places: I64, size: int, asked: I64) -> tuple[I64, I64]:
    """The rows in which values stand: (rows, which of `asked`). `places`: of each row its value, -1 for none; `size`:
    how many values there are."""
    wanted = np.zeros(size + 1, bool)  # place -1 is the last one
    wanted[asked] = True
    at = np.flatnonzero(wanted[places])
    at = at[np.argsort(places[at], kind="stable")]
    ranked = places[at]
    low, high = np.searchsorted(ranked, asked), np.searchsorted(ranked, asked, side="right")
    count = high - low
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    return at[np.repeat(low, count) + within], np.repeat(np.arange(len(asked)), count)
