"""What the lake remembers of ids while it appends: per table and day, loaded when first asked for."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from vizsla.lake import delta
from vizsla.lake.known import KnownIds, Mask, Words, words

LIMIT = 32_000_000  # ids kept in memory, 16 bytes each; days of the append at hand are kept whatever their number


class _Day:
    """The ids of one table's day, and the files that they were read from."""

    __slots__ = ("files", "ids")

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.ids = KnownIds()


class IdMemory:
    """Known ids by table and day, the least recently used forgotten beyond `limit`; the lake's files are the truth."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._days: OrderedDict[tuple[str, str], _Day] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(day.ids) for day in self._days.values())

    def holds(self, table: str, day: str, files: Sequence[str], high: Words, low: Words) -> Mask:
        """For each id of shape (n,), whether one of the day's files has it."""
        return self._recall(table, day, files).ids.holds(high, low)

    def learn(self, table: str, day: str, files: Iterable[str], high: Words, low: Words) -> None:
        """These ids were stored, and `files` now hold them and all that this day held before."""
        known = self._days.setdefault((table, day), _Day())
        known.files = set(files)
        known.ids.add(high, low)

    def moved(self, table: str, before: dict[str, list[str]], after: dict[str, list[str]]) -> None:
        """A table's rows were merged, day by day, out of the files of `before` into those of `after`."""
        for key in [key for key in self._days if key[0] == table]:
            known, day = self._days[key], key[1]
            if known.files == set(before.get(day, ())):
                known.files = set(after.get(day, ()))
            else:  # some of the merged rows were another process's, and never read here
                del self._days[key]

    def forget(self, table: str | None = None) -> None:
        """Forget a table's ids, or all."""
        for key in [key for key in self._days if table is None or key[0] == table]:
            del self._days[key]

    def trim(self) -> None:
        """Forget the days not used for longest, until the rest is within the limit."""
        held = len(self)
        while held > self._limit and len(self._days) > 1:
            _, day = self._days.popitem(last=False)
            held -= len(day.ids)

    def _recall(self, table: str, day: str, files: Sequence[str]) -> _Day:
        known = self._days.get((table, day))
        if known is None or not known.files.issubset(files):  # rewritten by another process: read it again
            known = self._days[table, day] = _Day()
        self._days.move_to_end((table, day))
        for path in files:
            if path not in known.files:
                for piece in delta.ids([path]):
                    known.ids.add(*words(piece))
                known.files.add(path)
        return known
