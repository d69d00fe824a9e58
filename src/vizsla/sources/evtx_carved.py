"""Windows event records without their file: chunks alone, pieces of a disk, and what a log has deleted.

It recognises what has lost its header. For a whole log it must be asked for by name: then the records that the log
has deleted, but not yet overwritten, are read too.
"""

from __future__ import annotations

from collections.abc import Iterator

from vizsla.containers import head_of, seekable
from vizsla.source import Batch, LogFile, Rejected
from vizsla.sources._evtx_carve import CHUNK_MAGIC, marks
from vizsla.sources._windows import SPECS, WindowsTables
from vizsla.sources.evtx import MAGIC, read_log


class EvtxCarved:
    """Event records wherever they lie in a file; each one found by searching says so in `Recovered`."""

    name = "evtx_carved"
    doc = "Windows event records without a file's header, and (asked for by name) a log's deleted ones"
    tables = SPECS

    def sniff(self, head: bytes, name: str) -> float:
        if head.startswith(MAGIC):
            return 0.0
        if CHUNK_MAGIC in head:
            return 0.95
        return 0.8 if next(marks(head, 0, len(head)), None) is not None else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        tables = WindowsTables(file.name)
        with seekable(file) as content:
            headed = head_of(file).startswith(MAGIC)
            yield from read_log(content, file.name, tables, deleted=True, headed=headed)
        yield from tables.rest()


SOURCE = EvtxCarved()
