"""All event tables below one folder, and what Vizsla keeps beside them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from vizsla.errors import LakeError
from vizsla.lake import delta
from vizsla.lake.folder import EVENTS, LEDGER, LEDGER_FILE, READINGS_FILE, open_folder, room_name, table_name
from vizsla.lake.known import Mask, first_seen, words
from vizsla.lake.lock import WriterLock
from vizsla.lake.memory import IdMemory
from vizsla.lake.shape import alike, day_of, days_of, fold, gather
from vizsla.nouns import DAY, ID, UNKNOWN_DAY

DAYS_AT_ONCE = 250  # partitions written by one commit: each open one costs memory, and logs may hold any times
CROWDED = 16  # small files of one day that an append leaves before they are merged
SCATTERED = 64  # files beyond one a day, in a table, that `tidy` merges
RETENTION = timedelta(days=7)  # how long a reader may hold a scan
Rows = dict[str, np.ndarray[tuple[int], np.dtype[np.intp]]]  # by day, row numbers
_STAT_STEP = timedelta(milliseconds=1)  # Delta's statistics are cut to milliseconds


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: rows stored, and rows that the lake knew already.

    `fresh`: for each batch, which of its rows were stored.
    """

    stored: int
    known: int
    fresh: tuple[Mask, ...] = field(default=(), compare=False, repr=False)


Slot = tuple[str, datetime, datetime]  # a host, from a time on, until another
Taken = tuple[tuple[str, tuple[str, ...]], ...]  # columns that all hold one of these values; '*': any but '' and '-'


@dataclass(frozen=True, slots=True)
class Scan:
    """A snapshot of a table, pruned: what an engine reads. Rows outside [since, until) must be filtered by the engine.

    `days` is the partition predicate (None: all days); `schema` holds every column of the table, `_day` included.
    `rows` counts those of `files`: with since, until, hosts, only, without or taken, an upper bound.
    """

    table: str
    files: tuple[str, ...]
    schema: pa.Schema
    version: int
    rows: int
    days: tuple[str, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    hosts: tuple[str, ...] | None = None
    only: tuple[Slot, ...] | None = None  # rows of these hosts at these times alone
    without: tuple[Slot, ...] = ()  # all rows but these
    taken: tuple[Taken, ...] | None = None  # rows that any of these takes alone


class Lake:
    """One folder of tables. Open with `Lake.open`; any number may read while one writes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._events = root / EVENTS
        self._lock = WriterLock(root / "writer.lock")
        self._memory = IdMemory(folder=root)

    @classmethod
    def open(cls, root: str | Path, *, create: bool = False) -> Lake:
        """The lake at `root`; with `create`, a new one where the folder is missing or empty.

        Raises LakeError where it is no lake, or one written by a newer Vizsla.
        """
        path = Path(root).expanduser().absolute()
        open_folder(path, create=create)
        if (path / "mappings").is_dir():
            from vizsla import mappings  # which knows of views, as most who open a lake do not

            mappings.adopt(path)
        if (path / "intel" / "attack.json").is_file():
            from vizsla.intel import attack

            attack.adopt(path)
        return cls(path)

    def tables(self) -> tuple[str, ...]:
        """The names of all tables, sorted."""
        if not self._events.is_dir():
            return ()
        return tuple(sorted(path.name for path in self._events.iterdir() if delta.exists(path)))

    def count(self, table: str) -> int:
        """How many events a table holds."""
        return self.scan(table).rows

    def writing(self) -> WriterLock:
        """`with lake.writing():` keeps other writers out over several appends."""
        return self._lock

    def append(self, batches: Mapping[str, Sequence[pa.RecordBatch]]) -> dict[str, Appended]:
        """Store the events whose `_id` the lake does not hold yet, and say for each table how many those were.

        Batches have the columns of `nouns.EVENT_FIELDS` and native ones as strings. Each table is written in
        commits of `DAYS_AT_ONCE` days; after a failure, appending the same again stores just what is missing.
        """
        done = {}
        with self._lock:
            for name, parts in batches.items():
                path = self._events / table_name(name)
                merged, order = alike(parts)
                fresh = self._append(name, path, gather(merged)) if merged else np.zeros(0, np.bool_)
                ends = np.cumsum([parts[number].num_rows for number in order], dtype=np.int64)
                masks = dict(zip(order, np.split(fresh, ends[:-1]), strict=True)) if merged else {}
                nothing = np.zeros(0, np.bool_)
                done[name] = Appended(
                    int(fresh.sum()),
                    int((~fresh).sum()),
                    tuple(masks.get(number, nothing) for number in range(len(parts))),
                )
        return done

    def _append(self, name: str, path: Path, events: pa.Table) -> Mask:
        """Store the events that are new, and say which those are."""
        days = days_of(events)
        before = delta.snapshot(path) if delta.exists(path) else None
        fresh = self._fresh(name, before, events)
        rows = int(fresh.sum())
        if not rows:
            return fresh
        if rows < len(events):
            events = events.filter(pa.array(fresh))
            days = days_of(events)
        events = fold(events, () if before is None else before.schema.names)
        held = _by_day(before.files if before else ())
        for part in _in_commits(events, days):
            rows_of = _rows_of_days(part)
            delta.write(path, part, rows_of)
            self._learn(name, path, part, rows_of, held)
        after = delta.snapshot(path)
        crowded = _crowded(after.files)
        if crowded:
            self._merge(name, path, crowded)
        return fresh

    def _fresh(self, name: str, before: delta.Snapshot | None, events: pa.Table) -> Mask:
        """Which rows are the first of their id, here and in the lake."""
        high, low = words(_ids(events))
        fresh = first_seen(high, low)
        files = _by_day(before.files if before else ())
        if not files:
            return fresh
        for day, rows in _rows_of_days(events).items():
            # An event that was still in the future, or too far from it, lay under the unknown day.
            for place in {day, UNKNOWN_DAY}:
                if place in files:
                    fresh[rows] &= ~self._memory.holds(name, place, files[place], high[rows], low[rows])
        return fresh

    def _learn(self, name: str, path: Path, part: pa.Table, rows_of: Rows, before: Mapping[str, list[str]]) -> None:
        """Remember what was just stored, in the files that now hold it and those that held the day's events before."""
        files = _by_day(delta.snapshot(path).files)
        high, low = words(_ids(part))
        for day, rows in rows_of.items():
            self._memory.learn(name, day, before.get(day, ()), files[day], high[rows], low[rows])

    def scan(
        self,
        table: str,
        since: datetime | None = None,
        until: datetime | None = None,
        hosts: Sequence[str] | None = None,
    ) -> Scan:
        """The newest snapshot of a table: its files that may hold events of [since, until). Times are UTC.

        Events without a believable time are in a scan without since and until only. Raises LakeError where
        there is no such table.
        """
        path = self._events / table_name(table)
        if not delta.exists(path):
            there = ", ".join(self.tables()) or "none"
            raise LakeError(f"the lake has no table {table}", where=str(self.root), fix=f"its tables are: {there}")
        since, until = _utc(since), _utc(until)
        found = delta.snapshot(path)
        files = sorted((file for file in found.files if _within(file, since, until)), key=lambda f: (f.day, f.path))
        return Scan(
            table=table,
            files=tuple(file.path for file in files),
            schema=found.schema,
            version=found.version,
            rows=sum(file.rows for file in files),
            days=None if since is None and until is None else tuple(dict.fromkeys(file.day for file in files)),
            since=since,
            until=until,
            hosts=None if hosts is None else tuple(sorted({host.lower() for host in hosts})),
        )

    def later(self, scan: Scan, version: int) -> Scan | None:
        """Of a scan just the rows that were appended after `version` of its table, however they were merged since.

        None where that cannot be told any more: then the whole scan must be read.
        """
        if version > scan.version:
            return None  # not the table that it was
        found = delta.appended(self._events / scan.table, version, scan.version)
        if found is None:
            return None
        files, rows = found
        days = None if scan.days is None else tuple(dict.fromkeys(map(day_of, files)))
        return replace(scan, files=tuple(files), rows=rows, days=days)

    def compact(self, table: str | None = None) -> int:
        """Merge small files, of one table or all; say how many files were merged away. Running scans stay good."""
        with self._lock:
            return sum(self._merge(name, self._events / name, None) for name in self._named(table))

    def tidy(self) -> int:
        """Merge small files of the tables that have many, as after an ingest; say how many were merged away."""
        with self._lock:
            merged = 0
            for name in self.tables():
                files = [file for file in delta.snapshot(self._events / name).files if file.size < delta.SMALL]
                if len(files) - len({file.day for file in files}) >= SCATTERED:
                    merged += self._merge(name, self._events / name, None)
            return merged

    def _merge(self, name: str, path: Path, days: Sequence[str] | None) -> int:
        before = _by_day(delta.snapshot(path).files)
        merged = delta.merge_small(path, days)
        if merged:
            self._memory.moved(name, before, _by_day(delta.snapshot(path).files))
        return merged

    def expire(self, *, before: datetime | None = None, keep: timedelta = RETENTION) -> int:
        """Drop the days that end before `before` (None: drop nothing); say how many events went.

        Then delete files that no scan of the last `keep` can hold, among them those of writers that were killed.
        """
        gone = 0
        with self._lock:
            if before is not None:  # first of all: what says that a file need not be read again is true no longer
                for file in (LEDGER_FILE, READINGS_FILE):
                    (self.room(LEDGER) / file).unlink(missing_ok=True)
            for name in self.tables():
                path = self._events / name
                if before is not None:
                    gone += delta.drop_days(path, _utc_day(before))
                    self._memory.forget(name)
                delta.clean(path, keep)
        return gone

    def room(self, name: str) -> Path:
        """A folder for what is kept beside the tables: baselines, findings, assets. Made where it is missing."""
        path = self.root / room_name(name)
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise LakeError(
                f"the lake cannot be written: {error.strerror}", where=str(path), fix="check its permissions"
            ) from error
        return path

    def _named(self, table: str | None) -> tuple[str, ...]:
        if table is None:
            return self.tables()
        return (self.scan(table).table,)


def _ids(events: pa.Table) -> pa.StringArray:
    column = events.column(ID)
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _rows_of_days(events: pa.Table) -> Rows:
    """The row numbers of each day, ascending."""
    days = events.column(DAY).combine_chunks().dictionary_encode()
    days = days.combine_chunks() if isinstance(days, pa.ChunkedArray) else days
    codes = days.indices.to_numpy(zero_copy_only=False)
    names = days.dictionary.to_pylist()
    if len(names) == 1:
        return {names[0]: np.arange(len(codes))}
    by = np.argsort(codes, kind="stable")
    return dict(zip(names, np.split(by, np.cumsum(np.bincount(codes))[:-1]), strict=True))


def _in_commits(events: pa.Table, days: Mapping[str, int]) -> Iterator[pa.Table]:
    """The events in shares of at most `DAYS_AT_ONCE` days, in the order of days where there are several shares."""
    if len(days) <= DAYS_AT_ONCE:
        yield events
        return
    rows = _rows_of_days(events)
    names = sorted(rows)
    for first in range(0, len(names), DAYS_AT_ONCE):
        share = names[first : first + DAYS_AT_ONCE]
        yield events.take(pa.array(np.concatenate([rows[day] for day in share])))


def _by_day(files: Sequence[delta.DataFile]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for file in files:
        found[file.day].append(file.path)
    return found


def _crowded(files: Sequence[delta.DataFile]) -> list[str]:
    """The days with so many small files that they had better be merged now."""
    small = Counter(file.day for file in files if file.size < delta.SMALL)
    return [day for day, count in small.items() if count >= CROWDED]


def _within(file: delta.DataFile, since: datetime | None, until: datetime | None) -> bool:
    """Whether a file may hold an event of [since, until)."""
    if since is None and until is None:
        return True
    if file.timeless:
        return False
    if file.first is not None and file.last is not None:
        return (since is None or file.last + _STAT_STEP >= since) and (until is None or file.first < until)
    if file.day == UNKNOWN_DAY:
        return True
    return (since is None or file.day >= _utc_day(since)) and (until is None or file.day <= _utc_day(until))


def _utc(time: datetime | None) -> datetime | None:
    """The time in UTC; one without a zone is UTC already."""
    if time is None:
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _utc_day(time: datetime) -> str:
    return time.strftime("%Y-%m-%d") if time.tzinfo is None else time.astimezone(UTC).strftime("%Y-%m-%d")
