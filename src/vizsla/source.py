"""The contract of a source: a reader of one log format. Implementations stand in `sources/`, one file each.

A source is a pure function of the file: no global state, no network, no clock. So an engine can read
files side by side, in other processes or on other machines, and get the same events.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
