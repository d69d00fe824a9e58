"""The lake: every event table as a Delta Lake table on disk. `scan` is the only reader, `append` the only writer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: rows stored, and rows that the lake knew already."""

    stored: int
    known: int


@dataclass(frozen=True, slots=True)
class Scan:
    """A snapshot of a table, pruned: what an engine reads. Rows outside [since, until) must be filtered by the engine.

    `days` is the partition predicate (None: all days); `schema` holds every column of the table, `_day` included.
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


class Lake:
    """All event tables below one folder, and what Vizsla keeps beside them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def open(cls, root: str | Path, *, create: bool = False) -> Lake:
        raise NotImplementedError

    def tables(self) -> tuple[str, ...]:
        raise NotImplementedError

    def append(self, batches: Mapping[str, Sequence[pa.RecordBatch]]) -> dict[str, Appended]:
        raise NotImplementedError

    def scan(self, table: str, since: datetime | None = None, until: datetime | None = None,
             hosts: Sequence[str] | None = None) -> Scan:  # fmt: skip
        raise NotImplementedError

    def compact(self, table: str | None = None) -> int:
        raise NotImplementedError

    def expire(self, *, before: datetime | None = None) -> int:
        raise NotImplementedError

    def room(self, name: str) -> Path:
        """A folder for what is kept beside the tables: baselines, findings, assets."""
        raise NotImplementedError
