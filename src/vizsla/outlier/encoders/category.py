"""Categories: how rare the value is, and which of the common ones it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
COMMON = 0.02  # of the rows: a value that common has a column of its own
MOST_COLUMNS = 10
MOST_VALUES = 20_000  # remembered one by one, the commonest; others are as rare as those seen once
NONE = "\0missing"  # stands for a missing value


@dataclass(frozen=True, slots=True)
class Category:
    """A column of the value's surprisal in bits, and one for each common value.

    Missing is a value as any other.
    """

    kind: ClassVar[str] = "category"
    counts: Mapping[str, int]
    n: int
    common: list[str]
    mean: float  # of the surprisal
    scale: float  # its standard deviation; 0: all equally rare

    @classmethod
    def learn(cls, values: pa.Array) -> Category:
        """From the training rows' values, of any type that can be written as text."""
        coded, distinct = codes(values)
        counted = np.bincount(coded, minlength=len(distinct))
        order = sorted(np.flatnonzero(counted).tolist(), key=lambda i: (-int(counted[i]), distinct[i]))
        counts = {distinct[i]: int(counted[i]) for i in order[:MOST_VALUES]}
        n = len(coded)
        common = [value for value, count in counts.items() if count >= COMMON * n][:MOST_COLUMNS]
        if len(counts) <= len(common):
            common = common[:-1]  # the last is what none of the others is
        rare = _surprisal(counts, distinct, n)[coded] if n else np.zeros(0)
        spread = float(rare.std()) if n else 0.0
        return cls(counts, n, common, float(rare.mean()) if n else 0.0, spread if spread > 1e-12 else 0.0)

    def columns(self, values: pa.Array) -> tuple[Floats, Flags]:
        """(n, 1 + common values); new: values never seen in training."""
        coded, distinct = codes(values)
        rare = _surprisal(self.counts, distinct, self.n)
        known = np.array([value in self.counts for value in distinct], bool)
        parts = [(rare - self.mean) / self.scale if self.scale else np.zeros(len(distinct))]
        for value in self.common:
            share = self.counts[value] / self.n
            parts.append((np.array([v == value for v in distinct], float) - share) / np.sqrt(share * (1 - share)))
        table = np.column_stack(parts) / np.sqrt(len(parts))
        full = len(self.counts) >= MOST_VALUES  # then not all that were seen are remembered
        return table[coded], np.zeros(len(coded), bool) if full else ~known[coded]


def _surprisal(counts: Mapping[str, int], distinct: list[str], n: int) -> Floats:
    return np.array([-np.log2(max(counts.get(value, 0), 0.5) / max(n, 1)) for value in distinct], np.float64)


def codes(values: pa.Array) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Values as numbers of distinct texts; what is missing is a value, too."""
    if not pa.types.is_dictionary(values.type):
        values = pc.dictionary_encode(values, null_encoding="mask")
    distinct = [NONE if value is None else str(value) for value in values.dictionary.to_pylist()]
    indices = pc.fill_null(values.indices.cast(pa.int64()), len(distinct)).to_numpy(zero_copy_only=False)
    # Two values may read alike: 1 and '1' of a column of mixed types.
    place: dict[str, int] = {}
    among = np.array([place.setdefault(value, len(place)) for value in [*distinct, NONE]], np.int64)
    return among[indices], list(place)
