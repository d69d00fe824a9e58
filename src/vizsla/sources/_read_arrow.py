"""Reader of mapped columnar files: Parquet, and Arrow as a file (Feather) or a stream. Values become text.

Options:
  rename: {Old Name: new}   columns of other names
"""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.errors import SourceError
from vizsla.source import Batch, LogFile, Rejected
from vizsla.sources._placing import Placing
from vizsla.sources._read_csv import placed_in
from vizsla.sources._rows import text_column, unique

if TYPE_CHECKING:
    from vizsla.sources._mapped import Signs

OPTIONS = frozenset(("rename",))
PARQUET, FEATHER = b"PAR1", b"ARROW1"
STREAM = b"\xff\xff\xff\xff"
ROWS = 25_000
SPOOL = 64 << 20  # bytes kept in memory of a compressed file, which cannot be read from its end


def check(options: Mapping[str, Any], where: str) -> None:
    """Raises SourceError for options that this reader does not have."""
    if unknown := set(options) - OPTIONS:
        raise SourceError(f"the columnar reader has no option {', '.join(sorted(unknown))}", where=where,
                          fix=f"its options are {', '.join(sorted(OPTIONS))}")  # fmt: skip


def is_columnar(head: bytes) -> bool:
    """Whether a file's head is Parquet's or Arrow's."""
    return head.startswith((PARQUET, FEATHER)) or (head.startswith(STREAM) and len(head) > 8)


def sniff(head: bytes, signs: Signs, options: Mapping[str, Any]) -> float:
    """0: the names of columns stand at the end of such a file, so a mapping is taken only where it is given."""
    return 0.0


@contextmanager
def _batches(file: LogFile) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """The schema and the rows. Raises pa.ArrowInvalid or OSError for a file that is damaged."""
    with file.open() as stream, tempfile.SpooledTemporaryFile(SPOOL) as held:
        source: BinaryIO = stream
        if file.path is None:
            shutil.copyfileobj(stream, held)
            held.seek(0)
            source = held  # type: ignore[assignment]
        head = source.read(8)
        source.seek(0)
        if head.startswith(PARQUET):
            from pyarrow import parquet

            parts = parquet.ParquetFile(pa.PythonFile(source, "r"))
            yield parts.schema_arrow, parts.iter_batches(ROWS)
        elif head.startswith(FEATHER):
            whole = pa.ipc.open_file(pa.PythonFile(source, "r"))
            yield whole.schema, (whole.get_batch(i) for i in range(whole.num_record_batches))
        else:
            reader = pa.ipc.open_stream(pa.PythonFile(source, "r"))
            yield reader.schema, iter(reader)


def as_strings(column: pa.Array) -> pa.Array:
    """A column as text: times in ISO 8601 with UTC's zone, bytes and nested values as JSON shows them."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_string(kind):
        return column
    if pa.types.is_timestamp(kind):
        utc = column if kind.tz is None else column.cast(pa.timestamp(kind.unit, tz="UTC"))
        return pc.strftime(utc, format="%Y-%m-%dT%H:%M:%SZ")
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return text_column([v.hex() if isinstance(v, bytes) else v for v in column.to_pylist()])
    return column.cast(pa.string())


def first_values(file: LogFile, rows: int = 200) -> dict[str, list[str]]:
    """The first values of every column, as text. Raises SourceError for a damaged file."""
    try:
        with _batches(file) as (schema, parts):
            batch = next(iter(parts), pa.RecordBatch.from_pylist([], schema))
            batch.validate(full=True)  # Arrow takes lengths and text in a file at its word
            batch = batch.slice(0, rows)
            columns = zip(schema.names, map(as_strings, batch.columns), strict=True)
            return {name: [v for v in column.to_pylist() if v] for name, column in columns}
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last: names that are no text
        raise SourceError(f"a damaged columnar file: {error}", where=file.name) from None


def read(file: LogFile, placing: Placing, options: Mapping[str, Any], declared: tuple[str, ...],
         ) -> Iterator[Batch | Rejected]:  # fmt: skip
    """All rows; of a damaged file those before the damage."""
    rename = options.get("rename") or {}
    row = 0
    try:
        with _batches(file) as (schema, parts):
            names = [str(name) for name in unique(rename.get(name, name) for name in schema.names)]
            for whole in parts:
                whole.validate(full=True)  # Arrow takes lengths and text in a file at its word
                for begin in range(0, whole.num_rows, ROWS):
                    batch = whole.slice(begin, ROWS)
                    columns = dict(zip(names, map(as_strings, batch.columns), strict=True))
                    held = {name: column for name, column in columns.items() if column.null_count < len(column)}
                    places = np.arange(row, row + batch.num_rows)
                    yield from placed_in(held, places, placing, file.name)
                    row += batch.num_rows
    except (pa.ArrowException, OSError, io.UnsupportedOperation) as error:
        yield Rejected(f"{file.name}#{row}", f"a damaged columnar file: {error}")
