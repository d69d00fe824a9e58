"""Sliding windows over what rules met, all at once: bounds, counts, distinct values, sums, quantiles, chains.

Arrays are sorted by group and time. A window is a pair of places, both of them in it, in one group; windows come in an
order in which neither of their ends ever goes back. Nothing here loops over rows: n places cost O(n log n).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.encode import I64, U64

F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
FITS = 2**62  # what a key of group and time may reach


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows by the places of their first and last rows, and the row that each was made for."""

    first: I64
    last: I64
    at: I64

    def __len__(self) -> int:
        return len(self.first)


def backward(group: U64, time: I64, span: int) -> Windows:
    """For each time of each group the window that ends there: all of `span` microseconds before it, both ends too."""
    last = ends(group, time)
    first, _ = bounds(group, time, last, span)
    return Windows(first, last, last)


def forward(group: U64, time: I64, span: int, anchors: Flags) -> Windows:
    """For each time of each group at which an anchor stands, the window that begins there."""
    last = ends(group, time)
    begin = np.append(0, last[:-1] + 1)
    held = running(anchors)
    chosen = np.flatnonzero(held[last + 1] > held[begin])
    _, until = bounds(group, time, last[chosen], span)
    return Windows(begin[chosen], until, begin[chosen])


def ends(group: U64, time: I64) -> I64:
    """The last place of each run of one group and time."""
    change = (group[1:] != group[:-1]) | (time[1:] != time[:-1])
    return np.append(np.flatnonzero(change), len(time) - 1) if len(time) else np.empty(0, np.int64)


def bounds(group: U64, time: I64, at: I64, span: int) -> tuple[I64, I64]:
    """Of each of these places: the first of its group at most `span` before it, the last at most `span` after."""
    if not len(at):
        return at, at
    number = np.append(0, np.cumsum(group[1:] != group[:-1]))
    since = time - time.min()
    width = int(since.max()) + span + 1
    if (int(number[-1]) + 2) * width < FITS:
        key = number * width + since
        return np.searchsorted(key, key[at] - span), np.searchsorted(key, key[at] + span, "right") - 1
    middle = int(np.searchsorted(number, (number[-1] + 1) // 2))  # more groups over a longer time than a number tells
    before = at < middle
    low = bounds(group[:middle], time[:middle], at[before], span)
    high = bounds(group[middle:], time[middle:], at[~before] - middle, span)
    return np.append(low[0], high[0] + middle), np.append(low[1], high[1] + middle)


def running(flags: Flags) -> I64:
    """How many flags stand before each place; one longer than the flags."""
    return np.append(0, np.cumsum(flags))


def count(windows: Windows, flags: Flags) -> I64:
    """How many flags each window holds."""
    total = running(flags)
    return total[windows.last + 1] - total[windows.first]


def entries(windows: Windows, group: U64, codes: U64, flags: Flags) -> tuple[I64, I64, I64]:
    """For each flagged place the windows in which it is the first of its group and code: place, from, up to.

    Those windows stand beside one another, since windows never go back.
    """
    place = np.flatnonzero(flags)
    order = np.lexsort((place, codes[place], group[place]))
    sorted_ = place[order]
    same = (codes[sorted_[1:]] == codes[sorted_[:-1]]) & (group[sorted_[1:]] == group[sorted_[:-1]])
    before = np.full(len(place), -1, dtype=np.int64)
    before[order[1:][same]] = sorted_[:-1][same]
    begin = np.maximum(np.searchsorted(windows.last, place), np.searchsorted(windows.first, before, "right"))
    end = np.searchsorted(windows.first, place, "right")
    held = begin < end
    return place[held], begin[held], end[held]


def distinct(windows: Windows, group: U64, codes: U64, flags: Flags) -> I64:
    """How many codes each window holds among its flagged places."""
    _, begin, end = entries(windows, group, codes, flags)
    size = len(windows) + 1
    change = np.bincount(begin, minlength=size) - np.bincount(end, minlength=size)
    return np.cumsum(change)[:-1]


def total(windows: Windows, values: F64, flags: Flags) -> F64:
    """The sum of each window's flagged values; NaN where it has none."""
    sums = np.append(np.longdouble(0), np.cumsum(np.where(flags, values, 0.0), dtype=np.longdouble))
    found = (sums[windows.last + 1] - sums[windows.first]).astype(np.float64)
    return np.where(count(windows, flags) > 0, found, np.nan)


def quantile(windows: Windows, values: F64, flags: Flags, percent: float) -> F64:
    """A percentile of each window's flagged values, linear between two; NaN where it has none."""
    place = running(flags)
    begin, end = place[windows.first], place[windows.last + 1]
    filled = end > begin
    levels, ranks = np.unique(values[flags], return_inverse=True)
    if not filled.any():
        return np.full(len(windows), np.nan)
    begin, end = begin[filled], end[filled]
    position = (end - begin - 1) * (percent / 100)
    low = np.floor(position).astype(np.int64)
    part = position - low
    matrix = _matrix(ranks, len(levels))
    below = levels[_kth(matrix, begin, end, low)]
    above = levels[_kth(matrix, begin, end, np.minimum(low + 1, end - begin - 1))]
    found = np.full(len(windows), np.nan)
    found[filled] = below * (1 - part) + above * part
    return found


def _matrix(ranks: I64, size: int) -> list[tuple[int, I64]]:
    """A wavelet matrix: bit by bit, the highest first, how many zeros stand before each place, zeros sorted first."""
    built = []
    current = ranks
    for bit in range(max(1, (size - 1).bit_length()) - 1, -1, -1):
        zero = (current >> bit) & 1 == 0
        built.append((bit, running(zero)))
        current = np.concatenate((current[zero], current[~zero]))
    return built


def _kth(matrix: list[tuple[int, I64]], begin: I64, end: I64, k: I64) -> I64:
    """The rank of the k-th smallest (from 0) from `begin` up to `end`, of all windows at once."""
    begin, end, k = begin.copy(), end.copy(), k.copy()
    found = np.zeros(len(k), dtype=np.int64)
    for bit, zeros in matrix:
        low, high = zeros[begin], zeros[end]
        one = k >= high - low
        found |= np.where(one, 1 << bit, 0)
        k -= np.where(one, high - low, 0)
        begin, end = np.where(one, begin - low + zeros[-1], low), np.where(one, end - high + zeros[-1], high)
    return found


@dataclass(frozen=True, slots=True)
class Steps:
    """Where each slot is met next, from any place on, and where the next time begins."""

    slots: I64
    beyond: I64  # one longer than the rows

    @classmethod
    def of(cls, group: U64, time: I64, slots: I64) -> Steps:
        last = ends(group, time)
        lengths = np.diff(np.append(-1, last))
        return cls(slots, np.append(np.repeat(last + 1, lengths), len(time)))

    def next(self, slot: int) -> I64:
        """The first place of a slot at or after each place; past the end where there is none."""
        size = len(self.slots)
        place = np.where(self.slots == slot, np.arange(size), size)
        return np.append(np.minimum.accumulate(place[::-1])[::-1], [size, size])

    def after(self, place: I64) -> I64:
        """The first place of a later time; past the end stays there."""
        return self.beyond[np.minimum(place, len(self.slots))]


def chain(windows: Windows, steps: Steps, slots: list[int], least: int) -> Flags:
    """Whether a window holds `least` of the slots, in their order, each at a later time than the one before it."""
    outside = len(steps.slots) + 1
    reach = [windows.first, *(np.full(len(windows), outside) for _ in range(least))]
    for slot in slots:
        following = steps.next(slot)
        for length in range(least, 0, -1):
            found = following[np.minimum(reach[length - 1], len(steps.slots))]
            found = np.where(found <= windows.last, steps.after(found), outside)
            found = np.where(reach[length - 1] >= outside, outside, found)
            reach[length] = np.minimum(reach[length], found)
    return reach[least] < outside


def in_order(windows: Windows, steps: Steps, slots: list[int]) -> Flags:
    """Whether those of the slots that a window holds can be met in their order, each later than the one before it."""
    current = windows.first
    holds = np.ones(len(windows), dtype=bool)
    for slot in slots:
        there = count(windows, steps.slots == slot) > 0
        found = steps.next(slot)[np.minimum(current, len(steps.slots))]
        inside = found <= windows.last
        holds &= ~there | inside
        current = np.where(inside, steps.after(found), current)
    return holds
