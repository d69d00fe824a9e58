"""Mappers that tests ship to engines."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

COUNTED = pa.schema([("key", pa.string()), ("n", pa.int64())])
ROW = pa.schema([("row", pa.string())])
SEEN = pa.schema([("item", pa.string()), ("pid", pa.int64()), ("host", pa.string())])


def plain(array: pa.Array) -> pa.Array:
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


@dataclass(frozen=True)
class Count:
    """How often each value of a column came."""

    column: str
    schema: pa.Schema = COUNTED

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counts: dict[str | None, int] = {}
        for batch in batches:
            for entry in plain(batch.column(self.column)).value_counts().to_pylist():
                counts[entry["values"]] = counts.get(entry["values"], 0) + entry["counts"]
        yield pa.RecordBatch.from_arrays(
            [pa.array(list(counts), pa.string()), pa.array(list(counts.values()), pa.int64())], schema=self.schema
        )


@dataclass(frozen=True)
class Rows:
    """Every row, as text of its values."""

    schema: pa.Schema = ROW

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = ["|".join(f"{k}={v}" for k, v in row.items()) for row in batch.to_pylist()]
            yield pa.RecordBatch.from_arrays([pa.array(rows, pa.string())], schema=self.schema)


@dataclass(frozen=True)
class Where:
    """Which process took an item; 'boom' fails, 'die' ends the process, 'print' prints."""

    schema: pa.Schema = SEEN
    extra: tuple[str, ...] = field(default=())

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for item in batch.column("item").to_pylist():
                if item == "boom":
                    raise ValueError("boom it is")
                if item == "die":
                    os._exit(7)
                if item == "print":
                    print("said on standard output")
                    sys.stdout.flush()
                yield pa.RecordBatch.from_arrays(
                    [pa.array([item]), pa.array([os.getpid()]), pa.array([socket.gethostname()])], schema=self.schema
                )
