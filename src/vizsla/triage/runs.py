"""Times in runs: what stands before and after a moment among events of one process id, or about one thing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.encode import I64, U64


def not_after(times: I64, begins: I64, ends: I64, limit: I64) -> I64:
    """Per run [begin, end) of ascending `times`, the place behind the last that is at most `limit`."""
    low, high = begins.copy(), ends.copy()  # binary search in all runs at once
    while (low < high).any():
        middle = (low + high) // 2
        below = times[np.minimum(middle, len(times) - 1)] <= limit
        active = low < high
        low = np.where(active & below, middle + 1, low)
        high = np.where(active & ~below, middle, high)
    return low


def last_not_after(times: I64, begins: I64, ends: I64, limit: I64) -> I64:
    """Per run [begin, end) of ascending `times`, the place of the last at most `limit`; the first where none is."""
    return np.maximum(not_after(times, begins, ends, limit) - 1, begins)


@dataclass(frozen=True, slots=True)
class Runs:
    """Events that name things, in the order of thing and time, and the episode of each."""

    thing: U64
    time: I64
    changes: I64  # how often the episode changed from the first to each

    @classmethod
    def of(cls, thing: U64, time: I64, code: U64) -> Runs:
        """Arrays in order; `code` the episodes."""
        return cls(thing, time, np.cumsum(np.r_[False, code[1:] != code[:-1]]))

    def ends(self, thing: U64) -> tuple[I64, I64]:
        """Per thing its places [begin, end)."""
        return np.searchsorted(self.thing, thing, side="left"), np.searchsorted(self.thing, thing, side="right")

    def episodes(self, thing: U64, since: I64, until: I64) -> I64:
        """How many episodes name the thing from `since` to `until`: 0, 1, or 2 for more than one."""
        begin, end = self.ends(thing)
        first = not_after(self.time, begin, end, since - 1)
        last = not_after(self.time, begin, end, until) - 1
        place = np.minimum(first, len(self.time) - 1)
        several = self.changes[np.maximum(last, place)] != self.changes[place]
        return np.where(first > last, 0, 1 + several)

    def nearest(self, thing: U64, time: I64) -> I64:
        """The place of what names the thing at the nearest time, the earlier of two; each thing is named."""
        begin, end = self.ends(thing)
        before: I64 = last_not_after(self.time, begin, end, time)
        after = np.minimum(before + 1, end - 1)
        later: npt.NDArray[np.bool_] = np.abs(self.time[after] - time) < np.abs(self.time[before] - time)
        return np.where(later, after, before)
