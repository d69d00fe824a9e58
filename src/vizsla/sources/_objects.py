"""Where JSON objects of a stream begin and end, wherever they stand: in an array, one after the other, over lines.

A block at a time, by counting brackets outside strings in arrays: as fast on hostile input as on any other, and in
the memory of a block and the one object that is open.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]
_STEP = np.zeros(256, np.int8)  # by byte: what it adds to the depth
_STEP[list(b"{[")] = 1
_STEP[list(b"}]")] = -1
_QUOTE, _BACKSLASH = b'"\\'
_BETWEEN = b" \t\r\n,[]\xef\xbb\xbf"  # what may stand between objects


class Found(NamedTuple):
    """An object's text and where it begins; or, without a text, why it is not read."""

    start: int
    text: bytes
    why: str = ""


class Objects:
    """Give it the blocks of a stream in order; it yields the objects that end in each."""

    def __init__(self, deepest: int, longest: int) -> None:
        """Objects of more than `deepest` levels or `longest` bytes are not read."""
        self.deepest, self.longest = deepest, longest
        self._at = 0  # of the block that comes next
        self._start = -1  # of the object that is open; -1: none is
        self._parts: list[bytes] = []  # of the open object, unless it is too deep
        self._depth = 0
        self._deep = self._quoted = False
        self._slashes = 0  # backslashes at the end of the last block
        self._stray = -1  # where something that is no object stands, after all objects

    def feed(self, data: bytes) -> Iterator[Found]:
        """The objects that end in this block, in order."""
        signs = _Signs(data, self._slashes)
        place = 0
        while place < len(data):
            if self._start < 0:
                begin = data.find(b"{", place)
                if begin < 0:
                    break
                self._open(self._at + begin)
                place = begin
            end, deepest = signs.end(place, quoted=self._quoted, depth=self._depth)
            self._deep = self._deep or deepest > self.deepest
            if end < 0:
                self._quoted, self._depth = signs.state(place, quoted=self._quoted, depth=self._depth)
                if not self._deep:
                    self._parts.append(data[place:])
                place = len(data)
                if self._at + place - self._start > self.longest:
                    yield self._given_up()
                break
            if self._deep:
                yield Found(self._start, b"", self._why())
            else:
                yield Found(self._start, b"".join((*self._parts, data[place:end])) if self._parts else data[place:end])
            self._close()
            place = end
        if self._start < 0 and self._stray < 0 and data[place:].strip(_BETWEEN):
            self._stray = self._at + place
        self._at += len(data)
        self._slashes = signs.slashes

    def rest(self) -> Found | None:
        """What is left when the stream has ended: an object cut off, or what is none."""
        if self._start >= 0:
            return Found(self._start, b"", self._why() if self._deep else "the last object is cut off")
        return Found(self._stray, b"", "what stands here is no JSON object") if self._stray >= 0 else None

    def _open(self, start: int) -> None:
        self._start, self._stray = start, -1
        self._depth, self._quoted, self._deep = 0, False, False

    def _close(self) -> None:
        self._start, self._parts = -1, []

    def _given_up(self) -> Found:
        """The open object is too long: the next one begins with the next brace, inside it or behind."""
        why = self._why() if self._deep else f"an object of more than {self.longest} bytes is not read"
        found = Found(self._start, b"", why)
        self._close()
        return found

    def _why(self) -> str:
        return f"an object nested deeper than {self.deepest} levels is not read"


class _Signs:
    """A block's quotes and brackets. What is inside a string depends on where one begins to read: both are kept."""

    def __init__(self, data: bytes, slashes: int) -> None:
        """`slashes`: how many backslashes stand just before the block."""
        codes = np.frombuffer(data, np.uint8)
        quotes = _unescaped(codes, slashes) if slashes or b"\\" in data else np.flatnonzero(codes == _QUOTE)
        self.slashes = _trailing(data, slashes)
        steps = _STEP[codes]
        brackets = np.flatnonzero(steps)
        odd = (np.searchsorted(quotes, brackets) & 1).astype(bool)
        self._quotes, self._at = quotes, [brackets[side] for side in (~odd, odd)]
        self._depth = [np.cumsum(steps[at], dtype=np.int64) for at in self._at]
        # An array takes a microsecond to answer anything: where many objects end, lists of the same are asked.
        self._lists: tuple[list[int], list[list[int]], list[list[int]]] | None = None

    def end(self, place: int, *, quoted: bool, depth: int) -> tuple[int, int]:
        """Where an object ends that is `depth` deep at `place`, or -1; and how deep it gets on the way."""
        if self._lists is None:
            depths, first, before = self._from(place, quoted)
            goal = before - depth
            rest = depths[first:]
            if not len(rest) or rest.min() > goal:
                return -1, int(rest.max() if len(rest) else goal) - goal
            self._lists = self._quotes.tolist(), [a.tolist() for a in self._at], [d.tolist() for d in self._depth]
        quotes, places, levels = self._lists
        side = (bisect_left(quotes, place) + quoted) & 1
        at, level = places[side], levels[side]
        begin = bisect_left(at, place)
        goal = (level[begin - 1] if begin else 0) - depth
        try:
            last = level.index(goal, begin)
        except ValueError:
            return -1, max(level[begin:], default=goal) - goal
        return at[last] + 1, max(level[begin : last + 1]) - goal

    def state(self, place: int, *, quoted: bool, depth: int) -> tuple[bool, int]:
        """Whether the block ends within a string, and how deep, for an object that goes on from `place`."""
        depths, _, before = self._from(place, quoted)
        inside = (len(self._quotes) - int(np.searchsorted(self._quotes, place)) + quoted) & 1
        return bool(inside), depth + (int(depths[-1]) if len(depths) else 0) - before

    def _from(self, place: int, quoted: bool) -> tuple[I64, int, int]:
        """The depth after each bracket outside strings, which of them comes first, and the depth before it."""
        side = (int(np.searchsorted(self._quotes, place)) + quoted) & 1
        depth = self._depth[side]
        first = int(np.searchsorted(self._at[side], place))
        return depth, first, int(depth[first - 1]) if first else 0


def _unescaped(codes: npt.NDArray[np.uint8], slashes: int) -> I64:
    """The places of the quotes that no backslash takes away."""
    quotes = np.flatnonzero(codes == _QUOTE)
    others = np.flatnonzero(codes != _BACKSLASH)
    before = np.searchsorted(others, quotes) - 1  # the last byte that is no backslash, before each quote
    run = np.where(before >= 0, quotes - 1 - others[before], quotes + slashes)
    kept: I64 = quotes[run % 2 == 0]
    return kept


def _trailing(data: bytes, slashes: int) -> int:
    """How many backslashes the stream ends in after this block."""
    run = len(data) - len(data.rstrip(b"\\"))
    return run + slashes if run == len(data) else run
