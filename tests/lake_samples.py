"""Stamped events made by hand, for the tests of lake and ingest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa

from vizsla.lake import Lake

STEP = 60_000_000  # microseconds between two events
START = 1_600_000_000_000_000  # 2020-09-13T12:26:40Z


def ident(number: int) -> str:
    return hashlib.md5(str(number).encode()).hexdigest()


def events(numbers: Sequence[int], **native: object) -> pa.RecordBatch:
    """Events of these numbers, a minute apart; native columns hold one value each, or a list."""
    micros = [START + number * STEP for number in numbers]
    columns: dict[str, object] = {
        "_id": [ident(number) for number in numbers],
        "_time": pa.array(micros, pa.timestamp("us", tz="UTC")),
        "_host": ["ws1"] * len(numbers),
        "_day": [datetime.fromtimestamp(m / 1e6, UTC).strftime("%Y-%m-%d") for m in micros],
        "_origin": [f"log#{number}" for number in numbers],
    }
    for name, value in native.items():
        columns[name] = value if isinstance(value, list | pa.Array) else [value] * len(numbers)
    return pa.RecordBatch.from_pydict(columns)


def rows(lake: Lake, table: str) -> pa.Table:
    """All rows of a table, as any reader of Parquet with Delta's file list sees them."""
    import duckdb

    with duckdb.connect() as connection:
        found = connection.sql(
            "from read_parquet($files, union_by_name=true, hive_partitioning=true, hive_types={'_day': varchar})",
            params={"files": list(lake.scan(table).files)},
        )
        return found.to_arrow_table()


def ids(lake: Lake) -> dict[str, list[str]]:
    """The sorted ids of every table; a doubled row shows twice."""
    return {table: sorted(rows(lake, table).column("_id").to_pylist()) for table in lake.tables()}
