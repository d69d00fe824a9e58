"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from vizsla.errors import UsageError
from vizsla.outlier.tables import at_once


@dataclass(frozen=True, slots=True)
class Parquet:
    """A Parquet file."""

    path: Path
    columns: int
    said: str = ""

    @classmethod
    def opened(cls, path: Path) -> Parquet:
        """The file. Raises UsageError where it is damaged."""
        import pyarrow.parquet as pq

        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error
        doubled = sorted({name for name in schema.names if schema.names.count(name) > 1})
        if doubled:
            raise UsageError(f"two columns are named {doubled[0]!r}", where=str(path), fix="rename one of them")
        return cls(path, len(schema.names))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its rows, a few row groups' pages at a time."""
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(self.path) as file:
                yield from file.iter_batches(batch_size=at_once(self.columns))
        except (pa.ArrowException, OSError) as error:
            raise _damaged(self.path, error) from error


def _damaged(path: Path, error: Exception) -> UsageError:
    return UsageError(f"the Parquet file is damaged: {str(error)[:200]}", where=str(path), fix="write it again")
