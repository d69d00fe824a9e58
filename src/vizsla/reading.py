"""One file from its bytes to stamped events: containers, recognition, reading, stamping, in one generator.

Everything it yields can be pickled, so that files can be read in other processes or on other machines.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from vizsla.containers import open_logs
from vizsla.source import Batch, LogFile, ManySource, Rejected, Source
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


Item = Stamped | Refused | Unknown | Done


def read_file(path: str | os.PathLike[str], now: datetime, source: str | None = None) -> Iterator[Item]:
    """All logs in a file, read and stamped.

    Args:
        path: a log, compressed or not, or an archive of logs.
        now: the present, to tell times that cannot be; a time zone is required.
        source: the source to read with, by name; found by each log's content where None.

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
        yield from _read(log, reader, now)


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


def _read(log: LogFile, source: Source, now: datetime) -> Iterator[Item]:
    stamper = Stamper(now, {spec.name: spec.columns for spec in source.tables})
    events = rejected = 0
    for item in source.read(log):
        if isinstance(item, Batch):
            events += item.events.num_rows
            yield Stamped(log.name, source.name, item.table, stamper.stamp(item))
        else:
            rejected += 1
            yield Refused(log.name, source.name, item)
    yield Done(log.name, source.name, events, rejected, tuple(sorted(stamper.counts.items())))
