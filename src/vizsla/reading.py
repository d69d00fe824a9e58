"""One file from its bytes to stamped events: containers, recognition, reading, stamping, in one generator.

Everything it yields can be pickled, so that files can be read in other processes or on other machines.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from io import BytesIO
from typing import BinaryIO

import pyarrow as pa

from vizsla.containers import head_of, open_logs
from vizsla.growing import HEADS, Extent, Follow, Mark, entered, mark_at, whole_records
from vizsla.parts import Part, in_log
from vizsla.source import Batch, Growth, LogFile, ManySource, Rejected, Resumable, Source
from vizsla.sources import find, recognise
from vizsla.stamp import Stamper


@dataclass(frozen=True, slots=True)
class Stamped:
    """Events ready for the lake: of one table, one log, read by one source."""

    log: str  # the log's name: 'path' or 'archive.zip!member'; '' where they are several logs'
    source: str
    table: str
    events: pa.RecordBatch
    logs: tuple[tuple[str, int], ...] = ()  # of several logs: (name, rows), in the order of rows


@dataclass(frozen=True, slots=True)
class Refused:
    """A record or a stretch of a log that could not be read."""

    log: str
    source: str  # '' where the log could not even be opened
    rejected: Rejected


@dataclass(frozen=True, slots=True)
class Unknown:
    """A log that no source recognises."""

    log: str
    why: str


@dataclass(frozen=True, slots=True)
class Done:
    """A log's end: how many records were given out and refused, and what else is worth telling."""

    log: str
    source: str
    events: int
    rejected: int
    notes: tuple[tuple[str, int], ...] = ()  # ('cut values', 3), ('unknown days', 12)


@dataclass(frozen=True, slots=True)
class Resumed:
    """A log is read on from the mark of that key: all before it was read earlier. `unchanged`: there is no more."""

    log: str
    source: str
    key: str
    unchanged: bool = False


@dataclass(frozen=True, slots=True)
class Reached:
    """A log was read as far as this mark; what comes of the log after this item lies behind the mark."""

    log: str
    mark: Mark


Item = Stamped | Refused | Unknown | Done | Resumed | Reached
WAITING = "last lines not yet whole, left for the next reading"


def read_file(
    path: str | os.PathLike[str], now: datetime, source: str | None = None, follow: Follow | None = None
) -> Iterator[Item]:
    """All logs in a file, read and stamped.

    Args:
        path: a log, compressed or not, or an archive of logs.
        now: the present, to tell times that cannot be; a time zone is required.
        source: the source to read with, by name; found by each log's content where None.
        follow: reads on where earlier readings of a growing log ended, and says where this one did; None: reads all
            that is there.

    Raises SourceError where there is no such file or source.
    """
    chosen = find(source) if source is not None else None
    for log in open_logs(path):
        if isinstance(log, Rejected):
            yield Refused(log.place.rpartition("#")[0], "", log)
            continue
        reader = chosen or recognise(log)
        if reader is None:
            yield Unknown(log.name, "no source recognises its content")
            continue
        yield from _read(log, reader, now, follow)


@dataclass(frozen=True, slots=True)
class Alone:
    """A file that must be read by itself, with `read_file`."""

    path: str


def read_files(paths: Sequence[str], now: datetime, source: str | None = None) -> Iterator[Item | Alone]:
    """Several small files as one, read and stamped as `read_file` does it, and faster.

    Only plain logs of sources that can read many: their events come in batches of several logs, and `Done` for each
    after the last of them. Others are only named, as `Alone`. Raises SourceError where there is no such file or source.
    """
    chosen = find(source) if source is not None else None
    together: dict[str, tuple[Source, list[LogFile]]] = {}
    for path in paths:
        first = next(iter(open_logs(path)), None)
        if first is None or isinstance(first, Rejected) or first.path is None:
            yield Alone(path)
        elif (reader := chosen or recognise(first)) is None:
            yield Unknown(first.name, "no source recognises its content")
        elif isinstance(reader, ManySource):
            together.setdefault(reader.name, (reader, []))[1].append(first)
        else:
            yield Alone(path)
    for reader, logs in together.values():
        yield from _read_many(logs, reader, now)


def _read_many(logs: Sequence[LogFile], source: Source, now: datetime) -> Iterator[Item]:
    assert isinstance(source, ManySource)
    stamper = Stamper(now, {spec.name: spec.columns for spec in source.tables})
    events = dict.fromkeys((log.name for log in logs), 0)
    rejected = dict.fromkeys(events, 0)
    for item in source.read_many(logs):
        if isinstance(item, Batch):
            for name, rows in item.logs:
                events[name] += rows
            yield Stamped("", source.name, item.table, stamper.stamp(item), item.logs)
        else:
            name = item.place.rpartition("#")[0]
            rejected[name] += 1
            yield Refused(name, source.name, item)
    notes = tuple(sorted(stamper.counts.items()))
    for name, count in events.items():
        yield Done(name, source.name, count, rejected[name], notes)
        notes = ()  # counted for all of them, and told with the first


def _read(log: LogFile, source: Source, now: datetime, follow: Follow | None) -> Iterator[Item]:
    reading = LogReader(log, source, now)
    growth = source.growth(head_of(log)) if follow is not None and isinstance(source, Resumable) else None
    if follow is None or growth is None:
        yield from reading.items(log)
    elif log.path is None:
        yield from reading.streamed(growth, follow)
    else:
        with log.open() as stream:
            yield from reading.grown(stream, growth, follow)
    yield reading.done()


class LogReader:
    """One log while it is read: its stamper, and what was given out.

    `ordinals`: False where they are put into ids later; see `Stamper`.
    """

    def __init__(self, log: LogFile, source: Source, now: datetime, *, ordinals: bool = True) -> None:
        self._log, self._source = log, source
        self._now, self._numbers = now, ordinals
        self._fresh()

    def _fresh(self) -> None:
        columns = {spec.name: spec.columns for spec in self._source.tables}
        self._stamper = Stamper(self._now, columns, ordinals=self._numbers)
        self._events = self._rejected = 0
        self._notes: Counter[str] = Counter()

    def done(self) -> Done:
        """The log's end."""
        notes = self._notes + self._stamper.counts
        return Done(self._log.name, self._source.name, self._events, self._rejected, tuple(sorted(notes.items())))

    def items(self, file: LogFile) -> Iterator[Item]:
        """The events of a log, or of a part of it, and what could not be read."""
        for read in self._source.read(file):
            item = in_log(read, file) if isinstance(file, Part) else read
            if isinstance(item, Batch):
                self._events += item.events.num_rows
                yield Stamped(self._log.name, self._source.name, item.table, self._stamper.stamp(item))
            elif item is not None:
                self._rejected += 1
                yield Refused(self._log.name, self._source.name, item)

    def grown(self, stream: BinaryIO, growth: Growth, follow: Follow) -> Iterator[Item]:
        """A plain log from where its reading ended to its last whole record, and what to do with the rest."""
        extent = Extent.of(stream)
        head = stream.read(HEADS[0])
        mark, before = self._entered(stream, growth, follow, extent)
        if mark is not None and extent.read_by(mark):
            yield Resumed(self._log.name, self._source.name, mark.key, unchanged=True)
            return
        start = mark.offset if mark is not None else 0
        cut = whole_records(stream, start, extent.size, growth)
        if cut is None:  # nothing can be said of its end: it is read as it stands
            self._fresh()
            yield from self.items(self._log)
            return
        stream.seek(cut)
        rest = stream.read(extent.size - cut)
        if mark is not None:
            yield Resumed(self._log.name, self._source.name, mark.key)
        marked = mark.marked if mark is not None else ()
        if cut > start:
            part = Part(self._log.name, growth, marked, start, cut, lambda: _again(stream, start), before)
            yield from self.items(part)
            before, marked = part.watched.last, part.watched.marked.lines
            mark = mark_at(part.watched, head, growth, self._source.name, extent, self._stamper.ordinals())
            if part.watched.at != cut:  # cut off while it was read
                return
        last = Part(self._log.name, growth, marked, cut, extent.size, lambda: BytesIO(rest), before)
        read, waits = self._rest(last, rest, growth, quiet=extent.quiet())
        if mark is not None:
            length = cut if waits else extent.size
            yield Reached(self._log.name, replace(mark, length=length, written=extent.written))
        self._notes[WAITING] += waits
        yield from read

    def streamed(self, growth: Growth, follow: Follow) -> Iterator[Item]:
        """A log in a container: read on from where a reading of the plain log ended, else in whole."""
        for mark in follow.marks:
            stream = self._log.open()
            before = entered(stream, mark) if self._suits(mark, growth) else None
            if before is None:
                stream.close()
                continue
            yield Resumed(self._log.name, self._source.name, mark.key)
            part = Part(self._log.name, growth, mark.marked, mark.offset, None, lambda opened=stream: opened, before)  # type: ignore[misc]
            yield from self.items(part)
            return
        yield from self.items(self._log)

    def _entered(self, stream: BinaryIO, growth: Growth, follow: Follow, extent: Extent) -> tuple[Mark | None, bytes]:
        """The mark from which the log goes on, and the bytes before it."""
        for mark in follow.marks:
            if extent.may_follow(mark):
                stream.seek(0)
                before = entered(stream, mark)
                if before is not None and self._suits(mark, growth):
                    return mark, before
        return None, b""

    def _suits(self, mark: Mark, growth: Growth) -> bool:
        """Whether this reading can go on from the mark; then its ordinals do."""
        if mark.source != self._source.name or mark.offset < len(growth.prefix):
            return False
        try:
            self._stamper.go_on(mark.state())
        except (OSError, ValueError):
            return False  # forgotten meanwhile
        return True

    def _rest(self, part: Part, rest: bytes, growth: Growth, *, quiet: bool) -> tuple[list[Item], bool]:
        """What is read of the last line, and whether that waits until it is whole. A blank one is neither."""
        if not rest:
            return [], False
        if not quiet and not growth.delimited:
            return [], True
        before = self._rejected
        read = list(self.items(part))
        if quiet or not any(isinstance(item, Refused) for item in read):
            return read, False
        self._rejected = before
        return [item for item in read if not isinstance(item, Refused)], True


def _again(stream: BinaryIO, start: int) -> BinaryIO:
    """The file that is open already, whatever bears its name by now, from `start` on."""
    again = os.fdopen(os.dup(stream.fileno()), "rb")
    again.seek(start)
    return again
