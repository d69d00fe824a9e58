"""Which event ids are known: exact, 16 bytes an id, sorted runs that merge as they grow."""

from __future__ import annotations

import binascii

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.errors import LakeError

Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


def words(ids: pa.StringArray) -> tuple[Words, Words]:
    """The ids' high and low 64 bits, each of shape (n,). Raises LakeError where an id is not 32 hex digits."""
    n = len(ids)
    if n == 0:
        return np.empty(0, np.uint64), np.empty(0, np.uint64)
    offsets = np.frombuffer(ids.buffers()[1], np.int32, n + 1, ids.offset * 4)
    if ids.null_count or not bool((np.diff(offsets) == 32).all()):
        raise LakeError("an event id is not 32 hex digits", fix="report this source: it stamps its events wrongly")
    digits = memoryview(ids.buffers()[2])[int(offsets[0]) : int(offsets[-1])]
    try:
        raw = binascii.unhexlify(digits)
    except binascii.Error as error:
        raise LakeError("an event id is not 32 hex digits", fix="report this source: it stamps wrongly") from error
    pairs = np.frombuffer(raw, ">u8").reshape(n, 2)
    return pairs[:, 0].astype(np.uint64), pairs[:, 1].astype(np.uint64)


def order(high: Words, low: Words) -> npt.NDArray[np.intp]:
    """The stable order that sorts ids by (high, low)."""
    by_high = np.argsort(high, kind="stable")
    ranked = high[by_high]
    if bool((ranked[1:] == ranked[:-1]).any()):  # equal high words are copies of one id, or the rarest of chances
        return np.lexsort((low, high))
    return by_high


class KnownIds:
    """A growing set of 128-bit ids. Memory: 16 bytes an id, and as much again while two runs merge."""

    def __init__(self) -> None:
        self._runs: list[tuple[Words, Words]] = []  # each sorted by (high, low), each longer than the next

    def __len__(self) -> int:
        return sum(len(high) for high, _ in self._runs)

    def holds(self, high: Words, low: Words) -> Mask:
        """For each id of shape (n,), whether it is in the set."""
        found = np.zeros(len(high), np.bool_)
        for run_high, run_low in self._runs:
            last = len(run_high) - 1
            place = np.searchsorted(run_high, high)
            rows = np.flatnonzero(~found)
            while len(rows):  # one round, but for ids that share their high word
                at = place[rows]
                rows = rows[(at <= last) & (run_high[np.minimum(at, last)] == high[rows])]
                hit = run_low[place[rows]] == low[rows]
                found[rows[hit]] = True
                rows = rows[~hit]
                place[rows] += 1
        return found

    def add(self, high: Words, low: Words) -> None:
        """Put ids into the set; ids that it holds already cost memory and change no answer."""
        if not len(high):
            return
        by = order(high, low)
        self._runs.append((high[by], low[by]))
        while len(self._runs) > 1 and len(self._runs[-1][0]) * 2 > len(self._runs[-2][0]):
            (a_high, a_low), (b_high, b_low) = self._runs.pop(), self._runs.pop()
            both_high, both_low = np.concatenate([b_high, a_high]), np.concatenate([b_low, a_low])
            by = order(both_high, both_low)
            self._runs.append((both_high[by], both_low[by]))


def first_seen(high: Words, low: Words) -> Mask:
    """For each id of shape (n,), whether no id before it in the arrays is the same."""
    by = order(high, low)
    first = np.ones(len(high), np.bool_)
    first[by[1:]] = (high[by[1:]] != high[by[:-1]]) | (low[by[1:]] != low[by[:-1]])
    return first
