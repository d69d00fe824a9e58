"""Tables in files, read in batches as often as asked: CSV, Parquet, NumPy's npy and npz.

What a file is is told from its first bytes. Nothing in it is ever run: arrays of Python objects are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from vizsla.errors import UsageError

BATCH = 65_536  # rows at once
CELLS = 4_000_000  # numbers at once: fewer rows where there are many columns
HEAD = 65_536  # bytes looked at to tell what a file is


class Table(Protocol):
    """A table that can be read again and again."""

    @property
    def said(self) -> str:
        """What a reader should know of how it was taken, such as an array left aside; '' where nothing."""
        ...

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows in their order, in batches of one schema. Raises UsageError where it is damaged."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """A table in memory."""

    table: pa.Table
    said: str = ""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows."""
        yield from self.table.to_batches(max_chunksize=at_once(self.table.num_columns))


def at_once(columns: int) -> int:
    """Rows of so many columns that are read at once."""
    return max(256, min(BATCH, CELLS // max(1, columns)))


def open_table(path: str | Path, array: str | None = None) -> Table:
    """The table in a file. `array`: which of a npz. Raises UsageError where there is none that can be read."""
    place = Path(path)
    if not place.exists():
        raise UsageError("there is no such file", where=str(place))
    if not place.is_file():
        raise UsageError("this is no file", where=str(place), fix="name a CSV, Parquet, npy or npz file")
    try:
        with place.open("rb") as stream:
            head = stream.read(HEAD)
    except OSError as error:
        raise UsageError(f"the file cannot be read: {error.strerror}", where=str(place)) from error
    if not head:
        raise UsageError("the file is empty", where=str(place))
    if head.startswith(b"PAR1"):
        from vizsla.outlier.tables.parquet import Parquet

        return Parquet.opened(place)
    if head.startswith((b"\x93NUMPY", b"PK\x03\x04", b"PK\x05\x06")):
        from vizsla.outlier.tables.numpy import opened

        return opened(place, array, archive=head.startswith(b"PK"))
    if place.suffix.lower() in (".npy", ".npz", ".parquet", ".pq"):
        raise UsageError(
            f"the file's name ends in {place.suffix}, but its content is nothing of the kind", where=str(place),
            fix="check how it was written; a CSV file's name ends in .csv",
        )  # fmt: skip
    from vizsla.outlier.tables.csv import Csv

    return Csv.opened(place, head)
