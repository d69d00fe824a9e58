"""What correlations look at, and the windows in which they fired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.encode import I64, U64, mixed
from vizsla.sigma.windows import F64, Flags, Windows, entries

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Items:
    """What a correlation looks at. `origin`: the row of a hit, or the window of a correlation below."""

    time: I64
    event: U64
    slot: I64
    origin: I64
    codes: Mapping[str, U64]
    numbers: Mapping[str, F64]

    def __len__(self) -> int:
        return len(self.time)

    def take(self, at: I64) -> Items:
        """These items, in this order."""
        codes = {name: values[at] for name, values in self.codes.items()}
        numbers = {name: values[at] for name, values in self.numbers.items()}
        return Items(self.time[at], self.event[at], self.slot[at], self.origin[at], codes, numbers)

    @classmethod
    def joined(cls, parts: Sequence[Items], names: Sequence[str]) -> Items:
        """All of these, one after another; each knows the codes of these names, and numbers of some."""
        every = [part for part in parts if len(part)]
        numeric = {name for part in every for name in part.numbers}
        return cls(
            _whole([part.time for part in every], np.int64),
            _whole([part.event for part in every], np.uint64),
            _whole([part.slot for part in every], np.int64),
            _whole([part.origin for part in every], np.int64),
            {name: _whole([part.codes[name] for part in every], np.uint64) for name in names},
            {name: _whole([part.number(name) for part in every], np.float64) for name in numeric},
        )

    def number(self, name: str) -> F64:
        """A field's numbers; NaN where it was not read as one."""
        return self.numbers[name] if name in self.numbers else np.full(len(self), np.nan)


def _whole(parts: list[npt.NDArray[Kind]], kind: type[Kind]) -> npt.NDArray[Kind]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=kind)


@dataclass(frozen=True, slots=True)
class Fired:
    """The windows in which a correlation's condition holds, by their first items."""

    items: Items  # sorted by group and time
    first: I64
    last: I64
    end: I64  # the time at which the window ends
    slots: I64  # bits: the slots whose items count among what made it

    def runs(self) -> Iterator[tuple[int, int]]:
        """Windows that share items, as ranges of windows."""
        if not len(self.first):
            return
        reach = np.maximum.accumulate(self.last)
        begin = np.append(0, np.flatnonzero(self.first[1:] > reach[:-1]) + 1)
        yield from zip(begin.tolist(), [*begin[1:].tolist(), len(self.first)], strict=True)

    def places(self, windows: I64) -> I64:
        """The items that made these windows, none twice."""
        found = [np.empty(0, dtype=np.int64)]
        for mask in np.unique(self.slots[windows]).tolist():
            chosen = windows[self.slots[windows] == mask]
            first, last = self.first[chosen], self.last[chosen]
            order = np.argsort(first, kind="stable")
            first, reach = first[order], np.maximum.accumulate(last[order])
            begin = np.append(0, np.flatnonzero(first[1:] > reach[:-1]) + 1)
            until = reach[np.append(begin[1:], len(first)) - 1]
            place = _ranges(first[begin], until + 1)
            found.append(place[_in(self.items.slot[place], mask)])
        return np.unique(np.concatenate(found))


def _ranges(begin: I64, end: I64) -> I64:
    """All numbers from each begin up to its end, one range after another."""
    size = end - begin
    shift = np.repeat(begin - np.append(0, np.cumsum(size)[:-1]), size)
    found: I64 = np.arange(int(size.sum())) + shift
    return found


def _in(slots: I64, mask: int | I64) -> Flags:
    held: Flags = (mask >> slots) & 1 == 1
    return held


def seen(fired: Fired, names: Sequence[str]) -> tuple[I64, I64]:
    """Windows and an item of each that tells these fields: one for each combination of values that is in a window."""
    size = len(fired.first)
    if not names or not size:
        return np.arange(size), fired.last
    told = mixed(*(fired.items.codes[name] for name in names))
    if len(np.unique(fired.slots)) == 1:
        kept = _in(fired.items.slot, int(fired.slots[0]))
        windows = Windows(fired.first, fired.last, fired.last)
        place, begin, end = entries(windows, np.zeros(len(told), dtype=np.uint64), told, kept)
        return _ranges(begin, end), np.repeat(place, end - begin)
    place = _ranges(fired.first, fired.last + 1)
    window = np.repeat(np.arange(size), fired.last + 1 - fired.first)
    kept = _in(fired.items.slot[place], fired.slots[window])
    place, window = place[kept], window[kept]
    order = np.lexsort((told[place], window))
    place, window = place[order], window[order]
    fresh = np.append(True, (window[1:] != window[:-1]) | (told[place[1:]] != told[place[:-1]]))[: len(place)]
    return window[fresh], place[fresh]
