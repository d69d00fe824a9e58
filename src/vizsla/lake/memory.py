"""What the lake remembers of ids while it appends: per table and day, loaded when first asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

from vizsla.lake import delta
from vizsla.lake.known import SPILL, KnownIds, Mask, Words, words

LIMIT = 16_000_000  # ids kept in memory, 16 bytes each; a day with more than `known.SPILL` keeps most of them on disk
FILES = 200  # open files of such days


class _Day:
    """The ids of one table's day, and the files that they were read from."""

    __slots__ = ("files", "ids")

    def __init__(self, folder: Path | None, spill: int) -> None:
        self.files: set[str] = set()
        self.ids = KnownIds(folder, spill)


class IdMemory:
    """Known ids by table and day, the least recently used forgotten beyond `limit`; the lake's files are the truth.

    `folder`: where days with more than `spill` ids keep most of them, in files that go with this process.
    """

    def __init__(self, limit: int = LIMIT, folder: Path | None = None, spill: int = SPILL) -> None:
        self._limit, self._folder, self._spill = limit, folder, spill
        self._held = self._files = 0
        self._days: OrderedDict[tuple[str, str], _Day] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(day.ids) for day in self._days.values())

    @property
    def held(self) -> int:
        """How many ids are in memory."""
        return self._held

    def holds(self, table: str, day: str, files: Sequence[str], high: Words, low: Words) -> Mask:
        """For each id of shape (n,), whether one of the day's files has it."""
        return self._recall(table, day, files).ids.holds(high, low)

    def learn(self, table: str, day: str, before: Sequence[str], files: Iterable[str], high: Words, low: Words) -> None:
        """These ids were stored, and `files` now hold them and all that this day held in the files `before`."""
        key = (table, day)
        if not before:
            if key in self._days:
                self._drop(key)  # another process emptied it
            self._days[key] = _Day(self._folder, self._spill)
        elif key not in self._days:
            return  # forgotten meanwhile: what is known must be all
        known = self._days[key]
        known.files = set(files)
        self._add(known, high, low)
        self._days.move_to_end(key)
        self._trim()

    def moved(self, table: str, before: dict[str, list[str]], after: dict[str, list[str]]) -> None:
        """A table's rows were merged, day by day, out of the files of `before` into those of `after`."""
        for key in [key for key in self._days if key[0] == table]:
            known, day = self._days[key], key[1]
            if known.files == set(before.get(day, ())):
                known.files = set(after.get(day, ()))
            else:  # some of the merged rows were another process's, and never read here
                self._drop(key)

    def forget(self, table: str | None = None) -> None:
        """Forget a table's ids, or all."""
        for key in [key for key in self._days if table is None or key[0] == table]:
            self._drop(key)

    def _trim(self) -> None:
        """Forget the days not used for longest, until the rest is within the limit; the last one used stays."""
        while (self._held > self._limit or self._files > FILES) and len(self._days) > 1:
            self._drop(next(iter(self._days)))

    def _drop(self, key: tuple[str, str]) -> None:
        day = self._days.pop(key)
        self._held -= day.ids.held
        self._files -= day.ids.files

    def _add(self, day: _Day, high: Words, low: Words) -> None:
        held, files = day.ids.held, day.ids.files
        day.ids.add(high, low)
        self._held += day.ids.held - held
        self._files += day.ids.files - files

    def _recall(self, table: str, day: str, files: Sequence[str]) -> _Day:
        key = (table, day)
        known = self._days.get(key)
        if known is not None and not known.files.issubset(files):  # rewritten by another process: read it again
            self._drop(key)
            known = None
        if known is None:
            known = self._days[key] = _Day(self._folder, self._spill)
        self._days.move_to_end(key)
        for path in files:
            if path not in known.files:
                for piece in delta.ids([path]):
                    self._add(known, *words(piece))
                known.files.add(path)
        self._trim()
        return known
