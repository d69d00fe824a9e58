"""The buffer before the lake: many small batches in, few large appends out, memory bounded."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pyarrow as pa

from vizsla.errors import LakeError
from vizsla.ingest.accounts import FileAccount, LogAccount
from vizsla.ingest.task import Stamped
from vizsla.lake import Lake
from vizsla.lake.folder import table_name

BYTES = 384 << 20  # of all buffered batches
TABLE_BYTES = 192 << 20  # of one table's
MAX_TABLES = 2000  # of a lake: channels are text from the log, and could be a new one in every record


Share = tuple[FileAccount, LogAccount, int]  # whose the next so many rows are


class _Buffer:
    """One table's batches, and whose they are."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []
        self.owners: list[tuple[Share, ...]] = []  # of each batch's rows, in order
        self.bytes = 0


class Store:
    """Takes stamped batches, appends them to the lake, and writes into accounts what came of them."""

    def __init__(self, lake: Lake, *, bytes_: int = BYTES, table_bytes: int = TABLE_BYTES) -> None:
        self._lake = lake
        self._limit, self._table_limit = bytes_, table_bytes
        self._buffers: defaultdict[str, _Buffer] = defaultdict(_Buffer)
        self._bytes = 0
        self._tables = set(lake.tables())

    def add(self, told: Stamped, shares: tuple[Share, ...]) -> bool:
        """Take a batch, whose rows are those of `shares` in order; say whether some were appended."""
        if not told.events.num_rows:
            return False
        if (why := self._refusal(told.table)) is not None:
            for _, log, rows in shares:
                log.refuse(why, log.name, rows)
            return False
        buffer = self._buffers[told.table]
        size = told.events.get_total_buffer_size()
        buffer.batches.append(told.events)
        buffer.owners.append(shares)
        buffer.bytes += size
        self._bytes += size
        for file, log, rows in shares:
            log.events += rows
            log.tables.add(told.table)
            file.open += 1
        if buffer.bytes >= self._table_limit:
            self._append(told.table)
            return True
        if self._bytes >= self._limit:
            self._append(max(self._buffers, key=lambda name: self._buffers[name].bytes))
            return True
        return False

    def withdraw(self, file: FileAccount) -> None:
        """Take a file's batches back out of the buffer; what is appended stays."""
        for buffer in self._buffers.values():
            if not any(share[0] is file for shares in buffer.owners for share in shares):
                continue
            batches, owners = buffer.batches, buffer.owners
            buffer.batches, buffer.owners = [], []
            for batch, shares in zip(batches, owners, strict=True):
                kept = tuple(share for share in shares if share[0] is not file)
                if len(kept) < len(shares):
                    mine = np.repeat([share[0] is file for share in shares], [share[2] for share in shares])
                    batch = batch.filter(pa.array(~mine))
                if kept:
                    buffer.batches.append(batch)
                    buffer.owners.append(kept)
            size = sum(batch.get_total_buffer_size() for batch in buffer.batches)
            self._bytes += size - buffer.bytes
            buffer.bytes = size

    def flush(self) -> None:
        """Append all that is buffered."""
        for table in sorted(self._buffers):
            self._append(table)

    def _refusal(self, table: str) -> str | None:
        if table in self._tables:
            return None
        try:
            table_name(table)
        except LakeError as error:
            return error.what
        if len(self._tables) >= MAX_TABLES:
            return f"a lake has {MAX_TABLES} tables at most, and this event would need one more"
        self._tables.add(table)
        return None

    def _append(self, table: str) -> None:
        buffer = self._buffers.pop(table)
        self._bytes -= buffer.bytes
        if not buffer.batches:
            return
        done = self._lake.append({table: buffer.batches})[table]
        for shares, fresh in zip(buffer.owners, done.fresh, strict=True):
            start = 0
            for file, log, rows in shares:
                log.stored += int(np.count_nonzero(fresh[start : start + rows]))
                file.open -= 1
                start += rows
