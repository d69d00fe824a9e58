"""Where new indicators may stand in events that were looked at before: by the runs that were seen there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from vizsla.intel.columns import Looked, parted
from vizsla.intel.runs import U64
from vizsla.intel.seen import FOURS, RUNS
from vizsla.intel.wanted import Wanted

Told = Callable[[], Iterator[tuple[str, str, str, U64]]]
"""What was seen: day, column, what, sorted numbers."""


@dataclass(slots=True)
class Candidates:
    """Indicators that may stand in old events. `days`, `columns` None: in any."""

    numbers: set[int] = field(default_factory=set)
    days: set[str] | None = field(default_factory=set)
    columns: set[str] | None = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.numbers)

    def add(self, numbers: Sequence[int], day: str, column: str, beside: tuple[str, str] | None) -> None:
        """These may stand in this column on this day."""
        if not len(numbers):
            return
        self.numbers.update(numbers)
        if self.days is not None:
            self.days.add(day)
        if self.columns is not None:
            self.columns.add(column)
            if beside is not None and column == beside[0]:
                self.columns.add(beside[1])


def candidates(wanted: Wanted, table: str, columns: Sequence[Looked], told: Told) -> Candidates:
    """Which of these indicators may stand where in what was seen of a table."""
    found = Candidates()
    beside = parted(table)
    kinds = {column.name: _held(column, wanted, beside) for column in columns}
    for day, name, what, seen in told():
        if name not in kinds:
            continue
        numbers = _among(wanted, seen) if what == RUNS else _nets(wanted, seen) if what == FOURS else []
        held = [number for number in numbers if wanted.kinds[number] in kinds[name]]
        found.add(held, day, name, beside)
    for number in wanted.others.tolist():  # of these nothing is seen: but for IPv6, which is, by its normal form
        own = [name for name, held in kinds.items() if wanted.kinds[number] in held]
        if own and wanted.types[wanted.kinds[number]] != "ipv6":
            found.numbers.add(number)
            found.days = None
            if found.columns is not None:
                found.columns.update(own)
    return found


def _held(column: Looked, wanted: Wanted, beside: tuple[str, str] | None) -> frozenset[int]:
    """The kinds of these indicators that a column can hold."""
    host = beside is not None and column.name == beside[0]
    return frozenset(kind for kind, type in enumerate(wanted.types) if column.holds(type) or (type == "url" and host))


def _among(wanted: Wanted, seen: U64) -> list[int]:
    """The indicators whose runs were seen."""
    if not len(seen):
        return []
    found = [wanted.owners[_in(wanted.codes, seen)]]
    sixes, numbers = wanted.sixes
    found.append(numbers[_in(sixes, seen)])
    return sorted({int(number) for part in found for number in part.tolist()})


def _in(codes: U64, seen: U64) -> np.ndarray:
    """Which codes are among the sorted numbers."""
    place = np.minimum(np.searchsorted(seen, codes), len(seen) - 1)
    return np.flatnonzero(seen[place] == codes)


def _nets(wanted: Wanted, seen: U64) -> list[int]:
    """The networks in which an address was seen."""
    prefix = wanted.nets >> np.uint64(32)
    low = wanted.nets & np.uint64(0xFFFFFFFF)
    high = low + (np.uint64(1) << (np.uint64(32) - prefix))
    inside = np.searchsorted(seen, high) > np.searchsorted(seen, low)
    return sorted(set(wanted.net_owners[inside].astype(int).tolist()))
