"""Which files are in the lake in whole: by digest, so that reading a folder again need not parse it again.

A convenience, never the truth: without it, or with a torn line, files are read again and their ids add nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vizsla import __version__
from vizsla.lake.folder import LEDGER_FILE


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A log of such a file. `suffix`: its name less the file's path, as '!member' of an archive."""

    suffix: str
    source: str
    records: int
    rejected: int
    reasons: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file that was read to its end, and all of whose events the lake holds."""

    digest: str
    size: int
    source: str  # the source that was asked for; '' for whichever fitted
    logs: tuple[LogRecord, ...]
    tables: tuple[str, ...]
    unknown: tuple[tuple[str, str], ...] = ()  # (suffix, why)
    reader: str = field(default=__version__)  # another version may read more out of it


class Ledger:
    """The records below a lake's room. A record counts for this version and while its tables are there."""

    def __init__(self, folder: Path, tables: Iterable[str], source: str | None) -> None:
        self._path = folder / LEDGER_FILE
        self._source = source or ""
        self._records: dict[tuple[int, str], FileRecord] = {}
        there = set(tables)
        for record in self._read():
            if record.source == self._source and record.reader == __version__ and there.issuperset(record.tables):
                self._records[record.size, record.digest] = record
        self._sizes: dict[int, list[str]] = {}
        for size, digest in self._records:
            self._sizes.setdefault(size, []).append(digest)

    def candidates(self, size: int) -> tuple[str, ...]:
        """The digests of known files of this size."""
        return tuple(self._sizes.get(size, ()))

    def find(self, size: int, digest: str) -> FileRecord:
        """The record of one of the candidates."""
        return self._records[size, digest]

    def add(self, records: Iterable[FileRecord]) -> None:
        """Keep records, after their events were stored. Call with the lake's writer lock held."""
        lines = [json.dumps(_plain(record)) for record in records if (record.size, record.digest) not in self._records]
        if lines:
            with self._path.open("a", encoding="ascii") as file:
                file.write("\n" + "\n".join(lines) + "\n")  # begins a line, should a killed run have left half of one
                file.flush()
                os.fsync(file.fileno())

    def _read(self) -> Iterable[FileRecord]:
        if not self._path.exists():
            return
        with self._path.open(encoding="ascii", errors="replace") as file:
            for line in file:
                try:
                    said = json.loads(line)
                    yield _record(said)
                except (ValueError, TypeError, KeyError):
                    continue  # an empty or torn line: that file is read again


def _plain(record: FileRecord) -> dict[str, Any]:
    return {
        "digest": record.digest,
        "size": record.size,
        "source": record.source,
        "reader": record.reader,
        "tables": record.tables,
        "unknown": record.unknown,
        "logs": [[log.suffix, log.source, log.records, log.rejected, log.reasons] for log in record.logs],
    }


def _record(said: dict[str, Any]) -> FileRecord:
    return FileRecord(
        digest=str(said["digest"]),
        size=int(said["size"]),
        source=str(said["source"]),
        reader=str(said["reader"]),
        tables=tuple(said["tables"]),
        unknown=tuple((suffix, why) for suffix, why in said["unknown"]),
        logs=tuple(
            LogRecord(suffix, source, int(records), int(rejected), tuple((why, int(n)) for why, n in reasons))
            for suffix, source, records, rejected, reasons in said["logs"]
        ),
    )
