"""What tests of mapped sources share: text read by a source, and views over what came of it."""

from __future__ import annotations

import io
from typing import Any

import ibis
import pyarrow as pa

from vizsla.source import Batch, Rejected
from vizsla.sources import find
from vizsla.view import named
from vizsla.views.project import project

NULLS = {"_id": pa.string(), "_day": pa.string()}


class Held:
    """A log in memory, last written in the middle of 2024."""

    path = None
    modified = 1_720_000_000.0

    def __init__(self, content: str | bytes, name: str = "log") -> None:
        self.content = content.encode() if isinstance(content, str) else content
        self.name = name

    def open(self) -> io.BytesIO:
        return io.BytesIO(self.content)


def tables_of(source: str, content: str | bytes) -> tuple[dict[str, pa.Table], list[Rejected]]:
    """By table, what a source reads; and what it refuses. It must be the surest of its own text."""
    found: dict[str, list[pa.Table]] = {}
    refused = []
    for item in find(source).read(Held(content)):
        if isinstance(item, Batch):
            found.setdefault(item.table, []).append(pa.Table.from_batches([item.events]))
        else:
            refused.append(item)
    return {name: pa.concat_tables(parts, promote_options="default") for name, parts in found.items()}, refused


def viewed(view: str, table: str, native: pa.Table) -> list[dict[str, Any]]:
    """The rows of a view over a native table, without what is null and without our own columns."""
    missing = {name: pa.nulls(native.num_rows, kind) for name, kind in NULLS.items() if name not in native.column_names}
    for name, column in missing.items():
        native = native.append_column(name, column)
    connection = ibis.duckdb.connect()
    rows = connection.to_pyarrow(project(ibis.memtable(native), named(view), table)).to_pylist()
    return [{k: v for k, v in row.items() if v is not None and not k.startswith("_")} for row in rows]
