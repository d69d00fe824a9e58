"""The contract of a source: a reader of one log format. Implementations stand in `sources/`, one file each.

A source is a pure function of the file: no global state, no network, no clock. So an engine can read
files side by side, in other processes or on other machines, and get the same events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol, runtime_checkable

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table that a source fills: its name (or a pattern such as `zeek_*`), what it holds, its declared columns."""

    name: str
    doc: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that could not be read: where it stood and why. Counted, shown, never lost in silence."""

    place: str  # 'path#place'
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one table: native columns as strings, `_time`, `_host`, `_origin`; not yet `_id` and `_day`.

    `logs`: whose rows they are, where they are several logs': (name, rows), in the order of rows.
    """

    table: str
    events: pa.RecordBatch
    logs: tuple[tuple[str, int], ...] = ()


class LogFile(Protocol):
    """One log, wherever it lies: a plain file, a compressed one, or a member of an archive."""

    name: str  # 'path' or 'archive.zip!member': what `_origin` begins with
    path: str | None  # a local, uncompressed file; None where the content must be streamed

    def open(self) -> BinaryIO:
        """A fresh stream of the uncompressed content, from its start."""
        ...


@runtime_checkable
class ManySource(Protocol):
    """A source whose logs are often small: it can read several as one, so that work on columns is paid once."""

    def read_many(self, files: Sequence[LogFile]) -> Iterator[Batch | Rejected]:
        """The files' events, the files in order; a file's rows are together in each table. Batches name their logs."""
        ...


@runtime_checkable
class Source(Protocol):
    """One log format."""

    name: str  # 'evtx', 'windows_json', 'zeek_tsv'
    doc: str  # one sentence, shown by `vizsla doctor` and in the docs
    tables: tuple[TableSpec, ...]

    def sniff(self, head: bytes, name: str) -> float:
        """How sure this source is that a file beginning with `head` (64 KiB at most) is its own: 0 to 1.

        The content decides; the name only breaks ties.
        """
        ...

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        """The file's events in order, in batches of bounded size, and what could not be read."""
        ...


@runtime_checkable
class Magic(Protocol):
    """A source whose files begin with bytes that no others begin with: no other source is asked about them."""

    magic: bytes


@dataclass(frozen=True, slots=True)
class Growth:
    """How a log goes on, so that what was added to it can be read by itself.

    Lines are records; what was added is read as a log of its own that begins with `prefix` and the `marked` lines so
    far. The events of those repeated lines are left out, and places are counted from the whole log's start.

    prefix: the first bytes of the log, up to and with a line feed, that all later lines are read by (a CSV's names;
        a first line that shows how the others are written).
    marked: what lines begin with that tell how those after them are read, wherever they stand (b'#' in W3C logs).
        Of several that begin with the same word the last counts.
    quoted: line feeds between double quotes end no record.
    delimited: the beginning of a record is never a record itself, as with JSON objects: a last line without a line
        feed that gives a record is whole.
    cut: how many of these last bytes of the log, from a line's start on, are surely whole records, whatever
        follows; None: up to the last line feed. For records of several lines. 0 where it cannot be told.
    """

    prefix: bytes = b""
    marked: bytes = b""
    quoted: bool = False
    delimited: bool = False
    cut: Callable[[bytes], int] | None = None


@runtime_checkable
class Resumable(Protocol):
    """A source that can go on where an earlier reading of a grown log ended.

    Its places are byte offsets ('path#1234'), and what it makes of a line depends on that line and on what `Growth`
    names, on nothing else in the log.
    """

    def growth(self, head: bytes) -> Growth | None:
        """How the log that begins with `head` (64 KiB at most) goes on; None where it must be read from its start."""
        ...
