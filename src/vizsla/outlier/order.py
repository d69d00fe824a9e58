"""A table's rows in the order of a field, in memory that holds a number a row: what is more goes through files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from vizsla.errors import UsageError
from vizsla.outlier.detector import Floats, Ints
from vizsla.outlier.encoders import Number, Time
from vizsla.outlier.encoders.number import floats
from vizsla.outlier.encoders.time import seconds
from vizsla.outlier.features import guessed, plain_values
from vizsla.outlier.tables import Held, Table, at_once
from vizsla.outlier.windows import known
from vizsla.scratch import Scratch

AT_ONCE = 4  # batches' rows that are sorted at once
MOST_FILES = 200


def keys(column: pa.ChunkedArray | pa.Array, name: str) -> Floats:
    """Where each value lies in time, or among numbers; NaN where it is missing. Raises UsageError."""
    values = plain_values(column)
    kind = guessed(values)
    if kind is Time:
        return seconds(values)
    if kind is not Number:
        raise UsageError(f"the field {name!r} holds neither times nor numbers", where="--along",
                         fix="name a field that does; times are best written as 2026-03-01T12:00:00Z")  # fmt: skip
    return floats(values)


def in_order(found: Floats) -> Ints:
    """The rows by these keys; equal ones as they stand, those without one last."""
    return np.argsort(found, kind="stable").astype(np.int64)


@contextmanager
def ordered(table: Table, along: str | None) -> Iterator[tuple[Table, Ints | None]]:
    """The table in the order of a field, and which of its rows each is; None: they stand in this order already."""
    if along is None:
        yield table, None
        return
    parts, columns = [], 0
    for batch in table.batches():
        rows = pa.Table.from_batches([batch])
        known(rows, along, "--along")
        parts.append(keys(rows[along], along))
        columns = rows.num_columns
    found = np.concatenate(parts) if parts else np.zeros(0)
    order = in_order(found)
    missing = int(np.isnan(found).sum())
    said = table.said
    if missing:
        said += ("; " if said else "") + f"{missing:,} rows have no {along} that can be read: they stand last"
    if (np.diff(order) == 1).all():
        yield (Said(table, said), None) if missing else (table, None)
        return
    if isinstance(table, Held):
        yield Held(table.table.take(pa.array(order)), said), order
        return
    scratch = Scratch("order")
    try:
        yield Sorted(table, order, _spilt(table, order, columns, scratch.path), said), order
    finally:
        scratch.close()


@dataclass(frozen=True, slots=True)
class Said:
    """A table of which more is to be said."""

    table: Table
    said: str

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows."""
        return self.table.batches()


@dataclass(frozen=True, slots=True)
class Spilt:
    """Files of rows: each holds `each` rows that follow one another in the order, as they stood."""

    paths: tuple[Path, ...]
    each: int
    columns: int


@dataclass(frozen=True, slots=True)
class Sorted:
    """A table whose rows were dealt to files, which are sorted one at a time."""

    table: Table
    order: Ints
    spilt: Spilt
    said: str

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows, in order."""
        for place, path in enumerate(self.spilt.paths):
            wanted = self.order[place * self.spilt.each : (place + 1) * self.spilt.each]
            with pa.OSFile(str(path)) as file:
                rows = pa.ipc.open_stream(file).read_all()
            # They stand in the file as they stood in the table: by number.
            rows = rows.take(pa.array(np.searchsorted(np.sort(wanted), wanted)))
            yield from rows.combine_chunks().to_batches(max_chunksize=at_once(self.spilt.columns))


def _spilt(table: Table, order: Ints, columns: int, folder: Path) -> Spilt:
    each = max(AT_ONCE * at_once(columns), -(-len(order) // MOST_FILES))
    paths = tuple(folder / f"{place}.arrow" for place in range(-(-len(order) // each)))
    bucket = np.empty(len(order), np.int64)
    bucket[order] = np.arange(len(order)) // each
    writers: list[pa.RecordBatchStreamWriter] = []
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    start = 0
    try:
        try:
            for batch in table.batches():
                if not writers:
                    writers += [pa.ipc.new_stream(str(path), batch.schema, options=options) for path in paths]
                mine = bucket[start : start + len(batch)]
                start += len(batch)
                for place in np.unique(mine):
                    writers[place].write_batch(batch.take(pa.array(np.flatnonzero(mine == place))))
        finally:
            for writer in writers:
                writer.close()
    except OSError as error:
        raise UsageError(
            f"the table cannot be sorted in {folder}: {error}",
            where="--along",
            fix="make room there, set TMPDIR to another folder, or sort the table first",
        ) from error
    return Spilt(paths, each, columns)
