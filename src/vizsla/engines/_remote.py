"""What runs on a Spark executor once Vizsla is there: a share of the work, answered as rows of bytes."""

from __future__ import annotations

import pickle
import queue
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from vizsla.engine import Mapper
from vizsla.engines import _parquet
from vizsla.engines._workers import one, pack, portable
from vizsla.lake import Scan


@dataclass(frozen=True, slots=True)
class MapJob:
    """A mapper over pieces of a scan, read from Parquet where it runs."""

    scan: Scan
    columns: tuple[str, ...]
    mapper: Mapper

    def __call__(self, pieces: list[_parquet.Piece]) -> Iterator[pa.RecordBatch]:
        work: queue.SimpleQueue[_parquet.Piece] = queue.SimpleQueue()
        for piece in pieces:
            work.put(piece)
        return self.mapper(_parquet.read(self.scan, self.columns, work))


@dataclass(frozen=True, slots=True)
class SpreadJob:
    """A mapper over one item."""

    mapper: Mapper

    def __call__(self, item: str) -> Iterator[pa.RecordBatch]:
        return self.mapper(iter([one(item)]))


def answer(job: bytes, share: bytes) -> Iterator[tuple[str, bytes | pa.Buffer]]:
    """The batches of one share, or its error, which ends it."""
    try:
        call = pickle.loads(job)  # noqa: S301  from our own driver
        for batch in call(pickle.loads(share)):  # noqa: S301
            yield "batch", pack(batch)
    except Exception as error:  # noqa: BLE001  handed to the driver, who raises it
        yield "error", portable(error)
