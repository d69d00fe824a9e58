"""Sorted runs of 128-bit ids: in memory, or in a file without a name that is looked at piece by piece."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vizsla.errors import LakeError

Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
PIECE = 1 << 18  # ids of a file that are in memory at a time, 4 MiB
_WORD = 8  # bytes


def order(high: Words, low: Words) -> npt.NDArray[np.intp]:
    """The stable order that sorts ids by (high, low)."""
    by_high = np.argsort(high)  # where none are equal, it is stable all the same, and three times as fast
    ranked = high[by_high]
    if bool((ranked[1:] == ranked[:-1]).any()):  # equal high words are copies of one id, or the rarest of chances
        return np.lexsort((low, high))
    return by_high


class MemoryRun:
    """Ids in memory, sorted by (high, low)."""

    __slots__ = ("high", "low")

    def __init__(self, high: Words, low: Words) -> None:
        self.high, self.low = high, low

    @classmethod
    def sorted(cls, high: Words, low: Words) -> MemoryRun:
        by = order(high, low)
        return cls(high[by], low[by])

    def __len__(self) -> int:
        return len(self.high)

    def pieces(self) -> Iterator[tuple[Words, Words]]:
        """The ids in order, as high and low words."""
        for at in range(0, len(self.high), PIECE):
            yield self.high[at : at + PIECE], self.low[at : at + PIECE]

    def mark(self, high: Words, low: Words, found: Mask, by: npt.NDArray[np.intp]) -> None:
        """Say in `found` which of the ids, each of shape (n,), this run has; what is found is not looked for again.

        `by` sorts the ids that are looked for by (high, low), so that each part of the run is looked at once.
        """
        last = len(self.high) - 1
        rows = by[~found[by]]
        place = np.searchsorted(self.high, high[rows])
        while len(rows):  # one round, but for ids that share their high word
            alike = (place <= last) & (self.high[np.minimum(place, last)] == high[rows])
            rows, place = rows[alike], place[alike]
            hit = self.low[place] == low[rows]
            found[rows[hit]] = True
            rows, place = rows[~hit], place[~hit] + 1


class FileRun:
    """Ids in a file that nothing else can open: all high words, then all low words, sorted by (high, low).

    Memory: 8 bytes for each `PIECE` ids.
    """

    def __init__(self, folder: Path, size: int) -> None:
        try:
            self._file = tempfile.TemporaryFile(dir=folder, prefix=".ids-", buffering=0)  # noqa: SIM115  goes with the run
        except OSError as error:
            raise _unwritable(error, folder) from error
        weakref.finalize(self, self._file.close)
        self._size, self._done, self._folder = size, 0, folder
        self._firsts: list[int] = []  # the first high word of each piece

    def __len__(self) -> int:
        return self._size

    @classmethod
    def merged(cls, one: Run, other: Run, folder: Path) -> FileRun:
        """Two runs as one, in a few pieces' memory. Raises LakeError where the disk is full."""
        run = cls(folder, len(one) + len(other))
        for high, low in _in_order(one, other):
            run._add(high, low)
        return run

    def _add(self, high: Words, low: Words) -> None:
        start = -self._done % PIECE
        self._firsts += high[start::PIECE].tolist()
        try:
            for words, at in ((high, self._done), (low, self._size + self._done)):
                data = np.ascontiguousarray(words).data.cast("B")
                while data:
                    written = os.pwrite(self._file.fileno(), data, at * _WORD + len(words) * _WORD - len(data))
                    data = data[written:]
        except OSError as error:
            raise _unwritable(error, self._folder) from error
        self._done += len(high)

    def pieces(self) -> Iterator[tuple[Words, Words]]:
        """The ids in order, as high and low words."""
        for at in range(0, self._size, PIECE):
            count = min(PIECE, self._size - at)
            yield self._words(at, count), self._words(self._size + at, count)

    def mark(self, high: Words, low: Words, found: Mask, by: npt.NDArray[np.intp]) -> None:
        """As a run in memory does it."""
        rows = by[~found[by]]
        if not len(rows):
            return
        wanted = high[rows]
        firsts = np.array(self._firsts, np.uint64)
        # Ids with the high word that a piece begins with may stand at the end of the piece before, too.
        begins = np.searchsorted(wanted, firsts, side="left")
        ends = np.append(np.searchsorted(wanted, firsts[1:], side="right"), len(rows))
        for number in np.flatnonzero(ends > begins).tolist():
            asked = rows[begins[number] : ends[number]]
            at = number * PIECE
            count = min(PIECE, self._size - at)
            held = self._words(at, count)
            place = np.minimum(np.searchsorted(held, high[asked]), count - 1)
            maybe = held[place] == high[asked]
            if maybe.any():
                asked = asked[maybe]
                here = found[asked]
                MemoryRun(held, self._words(self._size + at, count)).mark(
                    high[asked], low[asked], here, np.arange(len(asked))
                )
                found[asked] = here

    def _words(self, start: int, count: int) -> Words:
        data = bytearray(count * _WORD)
        view, at = memoryview(data), start * _WORD
        while view:
            read = os.preadv(self._file.fileno(), [view], at)
            if not read:
                raise LakeError("a file of event ids ended too soon", where=str(self._folder), fix="run again")
            view, at = view[read:], at + read
        return np.frombuffer(data, np.uint64)


Run = MemoryRun | FileRun


def merged(one: MemoryRun, other: MemoryRun) -> MemoryRun:
    """Two runs as one in memory."""
    return MemoryRun.sorted(np.concatenate([other.high, one.high]), np.concatenate([other.low, one.low]))


def _in_order(one: Run, other: Run) -> Iterator[tuple[Words, Words]]:
    """All ids of two runs, sorted by (high, low), in pieces."""
    ahead = [_Ahead(one), _Ahead(other)]
    while ahead[0].left and ahead[1].left:
        # Up to the high word that both have been read to: what comes later in either is greater.
        upto = min(run.last for run in ahead)
        parts = [run.taken(upto) for run in ahead]
        high = np.concatenate([part[0] for part in parts])
        low = np.concatenate([part[1] for part in parts])
        by = order(high, low)
        if len(by):
            yield high[by], low[by]
    for run in ahead:
        yield from run.rest()


class _Ahead:
    """A run while it is merged: what was read of it and is not taken yet."""

    def __init__(self, run: Run) -> None:
        self._pieces = run.pieces()
        self._high, self._low = next(self._pieces)

    @property
    def left(self) -> bool:
        """Whether there is more."""
        return bool(len(self._high))

    @property
    def last(self) -> int:
        """The greatest high word that was read."""
        return int(self._high[-1])

    def taken(self, upto: int) -> tuple[Words, Words]:
        """All ids with a high word of at most `upto`, those of pieces not yet read, too."""
        while (cut := int(np.searchsorted(self._high, np.uint64(upto), side="right"))) == len(self._high):
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._high, self._low = np.concatenate([self._high, piece[0]]), np.concatenate([self._low, piece[1]])
        high, low = self._high[:cut], self._low[:cut]
        self._high, self._low = self._high[cut:], self._low[cut:]
        return high, low

    def rest(self) -> Iterator[tuple[Words, Words]]:
        """All that was not taken."""
        if len(self._high):
            yield self._high, self._low
        yield from self._pieces


def _unwritable(error: OSError, folder: Path) -> LakeError:
    return LakeError(
        f"ids of events cannot be kept beside the lake: {error.strerror}",
        where=str(folder),
        fix="check free space and permissions; run again",
    )
