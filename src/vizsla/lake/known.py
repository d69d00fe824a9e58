"""Which event ids are known: exact, 16 bytes an id, sorted runs that merge as they grow, the long ones on disk."""

from __future__ import annotations

import binascii
from pathlib import Path

import numpy as np
import pyarrow as pa

from vizsla.errors import LakeError
from vizsla.lake.runs import FileRun, Mask, MemoryRun, Run, Words, merged, order

SPILL = 2_000_000  # ids, 16 bytes each


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


class KnownIds:
    """A growing set of 128-bit ids. Memory: 16 bytes an id, and as much again while two runs merge.

    Args:
        folder: where runs of more than `spill` ids are put, in files that have no name and end with this process;
            None: all stays in memory.
        spill: so many ids are kept in memory, at the most.
    """

    def __init__(self, folder: Path | None = None, spill: int = SPILL) -> None:
        self._runs: list[Run] = []  # each sorted by (high, low), each longer than the next
        self._folder, self._spill = folder, spill

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    @property
    def held(self) -> int:
        """How many of the ids are in memory."""
        return sum(len(run) for run in self._runs if isinstance(run, MemoryRun))

    @property
    def files(self) -> int:
        """How many files hold the others."""
        return sum(isinstance(run, FileRun) for run in self._runs)

    def holds(self, high: Words, low: Words) -> Mask:
        """For each id of shape (n,), whether it is in the set."""
        found = np.zeros(len(high), np.bool_)
        if self._runs:
            by = order(high, low)
            for run in self._runs:
                run.mark(high, low, found, by)
        return found

    def add(self, high: Words, low: Words) -> None:
        """Put ids into the set; ids that it holds already cost memory and change no answer."""
        if not len(high):
            return
        self._runs.append(MemoryRun.sorted(high, low))
        while len(self._runs) > 1 and len(self._runs[-1]) * 2 > len(self._runs[-2]):
            one, other = self._runs.pop(), self._runs.pop()
            within = self._folder is None or len(one) + len(other) <= self._spill
            if within and isinstance(one, MemoryRun) and isinstance(other, MemoryRun):
                self._runs.append(merged(one, other))
            elif self._folder is not None:
                self._runs.append(FileRun.merged(one, other, self._folder))


def first_seen(high: Words, low: Words) -> Mask:
    """For each id of shape (n,), whether no id before it in the arrays is the same."""
    by = order(high, low)
    first = np.ones(len(high), np.bool_)
    first[by[1:]] = (high[by[1:]] != high[by[:-1]]) | (low[by[1:]] != low[by[:-1]])
    return first


__all__ = ["KnownIds", "Mask", "Words", "first_seen", "order", "words"]
