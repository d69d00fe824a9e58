"""How unlikely a value is given another, beyond how unlikely it is anyway: pairs counted, smoothed, merged.

The measure is pointwise mutual information turned round: log2 P(value) - log2 P(value | given), never below 0. A value
that nobody has seen is not unlikely here for being new, only for being where another always stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import log2

import numpy as np
import pyarrow as pa

Pair = tuple[str, str]
PAIRS = pa.schema([("given", pa.string()), ("value", pa.string()), ("n", pa.int64())])


@dataclass(frozen=True, slots=True)
class Pairs:
    """How often each value came with what was given: by what was given, then by value."""

    counts: Mapping[str, Mapping[str, int]]
    values: Mapping[str, int]

    @classmethod
    def of(cls, *parts: Iterable[tuple[str, str, int]]) -> Pairs:
        """Rows of (given, value, how often), added up."""
        counts: dict[str, dict[str, int]] = {}
        values: dict[str, int] = {}
        for part in parts:
            for given, value, n in part:
                own = counts.setdefault(given, {})
                own[value] = own.get(value, 0) + n
                values[value] = values.get(value, 0) + n
        return cls(counts, values)

    def rows(self) -> list[tuple[str, str, int]]:
        """In a total order, as `of` takes them; merging two is `of` of both."""
        return sorted((given, value, n) for given, own in self.counts.items() for value, n in own.items())

    def table(self) -> pa.Table:
        """As an Arrow table."""
        given, value, n = zip(*self.rows(), strict=True) if self.counts else ((), (), ())
        return pa.table([given, value, np.array(n, np.int64)], schema=PAIRS)

    def p(self, value: str) -> float:
        """The probability of a value, whatever is given; unknown ones share that of one seen once."""
        total, kinds = sum(self.values.values()), len(self.values)
        return (self.values.get(value, 0) + 1 / (kinds + 1) * kinds) / (total + kinds) if total else 1.0

    def surprise(self, given: str, value: str) -> float:
        """Bits by which the value is less likely given this than anyway; 0 where nothing is known of what is given."""
        own = self.counts.get(given)
        if not own:
            return 0.0
        anyway, kinds = self.p(value), len(own)
        placed = (own.get(value, 0) + kinds * anyway) / (sum(own.values()) + kinds)
        return max(0.0, log2(anyway / placed))

    def seen(self, given: str, value: str) -> tuple[int, int]:
        """How often the value came with what is given, and how often anything did."""
        own = self.counts.get(given, {})
        return own.get(value, 0), sum(own.values())

    def usual(self, given: str, most: int = 2) -> list[tuple[str, int]]:
        """What comes most often with it."""
        own = self.counts.get(given, {})
        return sorted(own.items(), key=lambda item: (-item[1], item[0]))[:most]


def read(table: pa.Table) -> list[tuple[str, str, int]]:
    """The rows of such a table."""
    return list(zip(*(table[name].to_pylist() for name in PAIRS.names), strict=True))
