"""What runs stood in which column on which day: so that new indicators are looked up in what was matched before.

A file for each pass over a table: numbers, sorted, each once. It says where nothing can be, and leaves hardly anything
to be read again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from vizsla.intel.runs import I64, U64, codes_of

SEEN = pa.schema([("day", pa.string()), ("column", pa.string()), ("what", pa.string()), ("codes", pa.binary())])
RUNS, FOURS = "run", "ipv4"
_REMEMBERED = 1 << 16  # the runs of a column that came last, which mostly come again
_SPREAD, _TOP, _MARK = np.uint64(0x9E3779B97F4A7C15), np.uint64(48), np.uint64(1 << 63)
_MERGED_AT = 4_000_000  # numbers of a column that are kept before equal ones are dropped
_TOLD_AT = 32_000_000  # numbers that a worker holds


@dataclass(slots=True)
class Seen:
    """What a worker has seen so far."""

    day: str = ""
    _codes: dict[tuple[str, str, str], list[U64]] = field(default_factory=lambda: defaultdict(list))
    _sizes: dict[tuple[str, str, str], int] = field(default_factory=lambda: defaultdict(int))
    _last: dict[str, U64] = field(default_factory=dict)
    _last_day: str = ""

    @property
    def full(self) -> bool:
        """Whether so much is held that it had better be told."""
        return sum(map(abs, self._sizes.values())) > _TOLD_AT

    def add(self, column: str, codes: U64, addresses: I64) -> None:
        """Runs of a column, and the IPv4 addresses among them."""
        if self.day != self._last_day:
            self._last.clear()
            self._last_day = self.day
        last = self._last.get(column)
        if last is None:
            last = self._last[column] = np.zeros(_REMEMBERED, np.uint64)
        slot = codes & np.uint64(_REMEMBERED - 1)
        fresh = codes[last[slot] != codes]
        last[fresh & np.uint64(_REMEMBERED - 1)] = fresh
        self._more((self.day, column, RUNS), fresh)
        if len(addresses):
            numbers = addresses.astype(np.uint64)
            slot = (numbers * _SPREAD) >> _TOP
            marked = numbers | _MARK  # so that none is taken for a run
            new = numbers[last[slot] != marked]
            last[(new * _SPREAD) >> _TOP] = new | _MARK
            self._more((self.day, column, FOURS), new)

    def addresses(self, column: str, found: Mapping[str, str]) -> None:
        """IPv6 addresses, by their normal forms."""
        if found:
            self._more((self.day, column, RUNS), codes_of(pa.array(list(found), pa.string())))

    def _more(self, key: tuple[str, str, str], codes: U64) -> None:
        if not len(codes):
            return
        held = self._codes[key]
        held.append(codes)
        self._sizes[key] += len(codes)
        if self._sizes[key] > _MERGED_AT:
            merged = np.unique(np.concatenate(held))
            self._codes[key] = [merged]
            # Counted from here on: what is told apart once is not sorted again and again.
            self._sizes[key] = -len(merged)

    def told(self) -> Iterator[pa.RecordBatch]:
        """All of it as rows of SEEN; it is empty thereafter."""
        for day, column, kind in sorted(self._codes):
            codes = np.unique(np.concatenate(self._codes[day, column, kind]))
            arrays = [pa.array([day]), pa.array([column]), pa.array([kind]), pa.array([codes.tobytes()], pa.binary())]
            yield pa.RecordBatch.from_arrays(arrays, schema=SEEN)
        self._codes.clear()
        self._sizes.clear()
        self._last.clear()
