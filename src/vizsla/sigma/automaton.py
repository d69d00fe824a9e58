"""Many texts sought at once in many values: Aho-Corasick over the values' own bytes, put one after another.

A byte that no UTF-8 holds stands before, between and behind the values. So a text that is to begin a value, to end it
or to be it is a text like any other, and nothing that is found has to be looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import ahocorasick_rs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

I64 = npt.NDArray[np.int64]
EDGE = b"\xff"
CHUNK = 1 << 18  # bytes looked at in one go: what is found in them is held as Python objects for a moment
_NOTHING, _EDGE = pa.scalar(b"", pa.large_binary()), pa.scalar(EDGE, pa.large_binary())
_DENSE = 20_000  # bytes of texts up to which each state holds all its transitions (64 MB at most)


def pattern(how: str, literal: str) -> bytes:
    """The bytes that stand where a value is, begins with, ends with or contains a text."""
    text = literal.encode("utf-8", "surrogatepass")
    before = EDGE if how in ("equals", "startswith") else b""
    after = EDGE if how in ("equals", "endswith") else b""
    return before + text + after


@dataclass(frozen=True, slots=True)
class Laid:
    """Values laid one after another. `begins`: where each begins, and where the last one ends, edges counted in."""

    data: npt.NDArray[np.uint8]
    begins: I64
    edges: bool


def lay(values: pa.Array, edges: bool = True) -> Laid:
    """Lay out a string array without nulls; with an edge before, between and behind the values, or with none."""
    if not len(values):
        return Laid(np.frombuffer(EDGE, np.uint8)[: int(edges)], np.full(1, int(edges)), edges)
    if not edges:  # as they lie
        offsets = np.frombuffer(values.buffers()[1], np.int32, len(values) + 1, values.offset * 4).astype(np.int64)
        if offsets[-1] == offsets[0]:
            return Laid(np.zeros(0, np.uint8), offsets - offsets[0], edges)
        data = np.frombuffer(values.buffers()[2], np.uint8, int(offsets[-1] - offsets[0]), int(offsets[0]))
        return Laid(data, offsets - offsets[0], edges)
    whole = pc.binary_join_element_wise(values.cast(pa.large_binary()), _NOTHING, _EDGE)
    offsets = np.frombuffer(whole.buffers()[1], np.int64, len(whole) + 1, whole.offset * 8)
    data = np.frombuffer(whole.buffers()[2], np.uint8, int(offsets[-1] - offsets[0]), int(offsets[0]))
    return Laid(np.concatenate((np.frombuffer(EDGE, np.uint8), data)), offsets - offsets[0] + 1, edges)


class Automaton:
    """Which of many patterns stand in which of many values."""

    def __init__(self, patterns: Sequence[bytes]) -> None:
        """`patterns` distinct, none empty."""
        self.size = len(patterns)
        self.edges = any(EDGE in one for one in patterns)
        self._longest = max(map(len, patterns), default=1)
        kind = ahocorasick_rs.Implementation
        dense = sum(map(len, patterns)) <= _DENSE
        self._search = ahocorasick_rs.BytesAhoCorasick(
            patterns, implementation=kind.DFA if dense else kind.ContiguousNFA
        )
        self._chunk = max(4096, CHUNK // self._nested(patterns))

    def _nested(self, patterns: Sequence[bytes]) -> int:
        """How many patterns end at one place at most, as far as the patterns themselves show."""
        most = 1
        for one in sorted(patterns, key=len)[-256:]:
            ends = [end for _, _, end in self._search.find_matches_as_indexes(one[:CHUNK], overlapping=True)]
            if ends:
                most = max(most, int(np.bincount(ends).max()))
        return most

    def find(self, laid: Laid) -> tuple[I64, I64]:
        """(patterns, values): each pair of a pattern and a value that it stands in, once, by pattern.

        `laid` must have edges where `self.edges`.
        """
        count = len(laid.begins)
        found: list[I64] = []
        for start in range(0, len(laid.data), self._chunk):
            part = laid.data[start : start + self._chunk + self._longest - 1].data
            hits = self._search.find_matches_as_indexes(part, overlapping=True)
            if hits:
                flat = np.fromiter(chain.from_iterable(hits), np.int64, 3 * len(hits)).reshape(-1, 3)
                value = np.searchsorted(laid.begins, flat[:, 2] + (start - 1), side="right") - 1
                if not laid.edges:  # what began in a value before is of none
                    whole = flat[:, 1] + start >= laid.begins[value]
                    flat, value = flat[whole], value[whole]
                found.append(np.unique(flat[:, 0] * count + value))
        if not found:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        pairs = found[0] if len(found) == 1 else np.unique(np.concatenate(found))
        return pairs // count, pairs % count
