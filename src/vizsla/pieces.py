"""A large log cut into pieces that can be read side by side: whole records each, and all that rules them.

A piece gives events whose `_id` is still without an ordinal; `Numbering` puts ordinals in, the pieces in order. So the
pieces of a log together give what the log gives when it is read from its start to its end.
"""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol, cast, runtime_checkable

import numpy as np
import pyarrow as pa

from vizsla.containers import head_of, open_logs
from vizsla.errors import SourceError
from vizsla.growing import HEADS, Extent, Mark, head_digests, whole_records
from vizsla.nouns.event import ID
from vizsla.ordinals import Ordinals, pack_ordinals, with_ordinal
from vizsla.parts import BLOCK, TAIL, Marked, Part
from vizsla.reading import Item, LogReader, Refused
from vizsla.source import Growth, LogFile, Rejected, Resumable, Source
from vizsla.sources import find, recognise

PIECE = 16 << 20  # bytes
# Bytes of a log that is worth cutting. On two idle processors 156 MB of an access log took 6.3 s with two workers and
# 5.3 s with one, 313 MB 8.9 s and 9.2 s: the second worker's start must be earned, and it costs more processor time.
WORTH = 1 << 29


@runtime_checkable
class Sliced(Protocol):
    """A source whose logs are made of blocks of their own right, not of lines."""

    def slices(self, path: str, size: int) -> Iterator[tuple[int, int]] | None:
        """Where slices of about `size` bytes begin and end, all of the log together; None: read it in one go."""
        ...

    def slice(self, file: LogFile, start: int, stop: int) -> LogFile:
        """A slice as a log of its own, whose events have the places that they have in the whole."""
        ...


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes `start` to `stop` of a plain log, and the lines before it that rule its own; see `Growth`."""

    source: str
    number: int
    start: int
    stop: int
    marked: tuple[bytes, ...] = ()

    @property
    def key(self) -> str:
        """What tells it from the log's other pieces."""
        return f"{self.start}-{self.stop}"


class Plan:
    """How a log is cut. `pieces` may be asked for once; `end` is then where the last one ends."""

    def __init__(self, path: str, source: str, growth: Growth | None, slices: Iterator[tuple[int, int]], *, rest: bool,
                 ) -> None:  # fmt: skip
        self.path, self.source, self.end = path, source, 0
        self._growth, self._slices, self._rest = growth, slices, rest
        self._marked: tuple[bytes, ...] = ()
        self._written = 0

    def pieces(self) -> Iterator[Piece]:
        """The pieces in order, found as they are asked for."""
        if self._growth is None:
            for number, (start, stop) in enumerate(self._slices):
                self.end = stop
                yield Piece(self.source, number, start, stop)
            return
        with open(self.path, "rb") as stream:  # noqa: PTH123  names may hold bytes that are no text
            extent = Extent.of(stream)
            self._written = extent.written
            watch, number = Marked(self._growth.marked), 0
            while extent.size - self.end > PIECE:
                start, marked = self.end, watch.lines
                cut = whole_records(stream, start, start + PIECE, self._growth)
                if cut is None or cut == start:
                    break
                if self._growth.marked:
                    _fed(watch, stream, start, cut)
                    if watch.too_many:
                        break
                self.end, self._marked = cut, watch.lines
                yield Piece(self.source, number, start, cut, marked)
                number += 1
            if self._rest and self.end < extent.size:
                start, self.end = self.end, extent.size
                yield Piece(self.source, number, start, extent.size, self._marked)

    def mark(self, ordinals: bytes) -> Mark | None:
        """How far the pieces go, to read on from there; None where they are all of the log."""
        if self._growth is None or self._rest or not self.end:
            return None
        with open(self.path, "rb") as stream:  # noqa: PTH123  as above
            (length, digest), *_ = head_digests(stream.read(HEADS[0])[: self.end])
            stream.seek(max(0, self.end - TAIL))
            tail = hashlib.sha256(stream.read(min(TAIL, self.end))).hexdigest()
        return Mark(self.source, digest, length, self.end, tail, self.end, self._written, self._marked, ordinals)


def plan(path: str, source: str | None, *, grows: bool) -> Plan | None:
    """How to cut a log; None where it must be read from its start to its end.

    `grows`: its last lines are left out, for a reading that leaves what is not yet whole.
    """
    log = next(iter(open_logs(path)), None)
    if log is None or isinstance(log, Rejected) or log.path != path:
        return None
    reader = find(source) if source is not None else recognise(log)
    if reader is None:
        return None
    name = source or reader.name
    if isinstance(reader, Sliced):
        slices = reader.slices(path, PIECE)
        return None if slices is None else Plan(path, name, None, slices, rest=True)
    growth = reader.growth(head_of(log)) if isinstance(reader, Resumable) else None
    return None if growth is None else Plan(path, name, growth, iter(()), rest=not grows)


def read_piece(path: str, piece: Piece, now: datetime) -> Iterator[Item]:
    """A piece's events and what could not be read, as `read_file` tells them, but for ordinals.

    Raises SourceError where the file is not what it was, or the piece cannot be read apart from the others.
    """
    source, log = find(piece.source), next(iter(open_logs(path)))
    if isinstance(log, Rejected):
        raise _changed(path)
    told = LogReader(log, source, now, ordinals=False)
    if isinstance(source, Sliced):
        for item in told.items(source.slice(log, piece.start, piece.stop)):
            if isinstance(item, Refused):
                raise SourceError("a damaged log must be read in one go", where=path)
            yield item
    else:
        part = _part(log, source, piece)
        yield from told.items(part)
        if part.watched.at != piece.stop:
            raise _changed(path)
    yield told.done()


def _part(log: LogFile, source: Source, piece: Piece) -> Part:
    growth = source.growth(head_of(log)) if isinstance(source, Resumable) else None
    if growth is None:
        raise _changed(log.name)

    def opened() -> BinaryIO:
        stream = log.open()
        stream.seek(piece.start)
        return stream

    return Part(log.name, growth, piece.marked, piece.start, piece.stop, opened)


def _changed(path: str) -> SourceError:
    return SourceError("the file was changed while it was read", where=path, fix="read it again")


def _fed(watch: Marked, stream: BinaryIO, start: int, stop: int) -> None:
    stream.seek(start)
    while start < stop and (data := stream.read(min(BLOCK, stop - start))):
        watch.feed(data)
        start += len(data)


class Numbering:
    """Puts ordinals into the ids of a log's events, which come in their order."""

    def __init__(self) -> None:
        self._tables: dict[str, Ordinals] = {}

    def numbered(self, table: str, events: pa.RecordBatch) -> pa.RecordBatch:
        """The events with their final `_id`."""
        rows = events.num_rows
        if not rows:
            return events
        column = cast(pa.StringArray, events.column(ID))
        first, last = np.frombuffer(column.buffers()[1], np.int32)[[column.offset, column.offset + rows]].tolist()
        raw = binascii.unhexlify(memoryview(column.buffers()[2])[first:last])
        digests = [raw[at : at + 16] for at in range(0, len(raw), 16)]
        later = self._tables.setdefault(table, Ordinals()).of(digests)
        if not later:
            return events
        for at, ordinal in later.items():
            digests[at] = with_ordinal(digests[at], ordinal)
        ids = pa.StringArray.from_buffers(
            rows,
            pa.py_buffer(np.arange(0, 32 * rows + 1, 32, dtype=np.int32)),
            pa.py_buffer(b"".join(digests).hex().encode()),
        )
        return events.set_column(events.schema.get_field_index(ID), events.schema.field(ID), ids)

    def packed(self) -> bytes:
        """The ordinals so far."""
        return pack_ordinals(self._tables)


def worth_cutting(size: int, total: int, workers: int) -> bool:
    """Whether a file of `size` bytes among `total` would keep one worker busy while the others have nothing to do."""
    return workers > 1 and size >= WORTH and size * workers * 2 > total


__all__ = ["Numbering", "Piece", "Plan", "Sliced", "plan", "read_piece", "worth_cutting"]
