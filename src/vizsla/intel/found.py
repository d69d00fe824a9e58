"""The sightings that are kept: a Delta table, one row for each event and indicator that it met."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.errors import LakeError
from vizsla.hit import HITS, NAMED
from vizsla.intel.runs import U64, codes_of

SIGHTINGS = pa.schema([
    pa.field("indicator", pa.string()),  # its id
    pa.field("_id", pa.string()),
    pa.field("table", pa.string()),
    pa.field("_host", pa.string()),
    pa.field("_time", pa.timestamp("us", tz="UTC")),
    pa.field("kind", pa.string()),
    pa.field("field", pa.string()),
    pa.field("value", pa.string()),
    pa.field("within", pa.string()),  # what stood there, where it is but a part of the value
    pa.field("feeds", pa.list_(pa.string())),  # that named it when it was met
    pa.field("matched", pa.timestamp("us", tz="UTC")),  # when it was met first
    *(HITS.field(name) for name in ("guid", "pid", "logon", "pair")),
    pa.field("events", pa.list_(pa.string())),  # of a pattern: all events that it took; the row is of the last
])  # fmt: skip
_SIGNED = {"guid": pa.int64(), "logon": pa.int64(), "pair": pa.int64()}  # Delta has no unsigned numbers
_KEPT = pa.schema([pa.field(f.name, _SIGNED.get(f.name, f.type)) for f in SIGHTINGS])


class Found:
    """The table of sightings at a place. `feeds`: which feeds name indicators."""

    def __init__(
        self, root: Path, feeds: Callable[[Sequence[str]], Mapping[str, Sequence[str]]] | None, now: datetime
    ) -> None:
        self.root, self._feeds, self._now = root, feeds, now

    @property
    def version(self) -> int:
        """Of the table; -1 where there is none."""
        table = self._table()
        return -1 if table is None else int(table.version())

    def add(self, hits: Sequence[pa.RecordBatch], *, doubtful: bool) -> int:
        """Keep hits (HITS), and say how many are new. `doubtful`: some may be there already, which are left out."""
        from deltalake import write_deltalake
        from deltalake.exceptions import DeltaError

        if not sum(batch.num_rows for batch in hits):
            return 0
        table = _told(pa.Table.from_batches(hits))
        key = keys(table)
        _, first = np.unique(key, return_index=True)
        if len(first) < len(key):
            table, key = table.take(pa.array(np.sort(first))), key[np.sort(first)]
        known = np.sort(keys(self.read(["indicator", "_id"]))) if doubtful else np.zeros(0, np.uint64)
        if len(known):
            fresh = known[np.minimum(np.searchsorted(known, key), len(known) - 1)] != key
            table = table.filter(pa.array(fresh))
        if not table.num_rows:
            return 0
        try:
            write_deltalake(str(self.root), self._complete(table), mode="append", schema_mode="merge")
        except (DeltaError, OSError) as error:
            raise LakeError(
                f"sightings cannot be written: {error}", where=str(self.root), fix="check free space; run again"
            ) from error
        return int(table.num_rows)

    def _complete(self, table: pa.Table) -> pa.Table:
        ids = pc.unique(table.column("indicator")).to_pylist()
        named = self._feeds(ids) if self._feeds is not None else {}
        places = pc.index_in(table.column("indicator"), pa.array(ids, pa.string()))
        feeds = pa.array([sorted(named.get(one, ())) for one in ids], pa.list_(pa.string())).take(
            places.combine_chunks()
        )
        table = table.append_column("feeds", feeds)
        table = table.append_column(
            "matched", pa.repeat(pa.scalar(self._now, pa.timestamp("us", tz="UTC")), len(table))
        )
        return pa.table([_signed(table.column(f.name)).cast(f.type) for f in _KEPT], schema=_KEPT)

    def read(self, columns: Sequence[str] | None = None, filters: Any = None) -> pa.Table:
        """Sightings, in some or all columns of SIGHTINGS."""
        table = self._table()
        names = list(columns or SIGHTINGS.names)
        wanted = pa.schema([SIGHTINGS.field(name) for name in names])
        if table is None:
            return wanted.empty_table()
        there = {field.name for field in table.schema().fields}
        held = table.to_pyarrow_table(columns=[name for name in names if name in there], filters=filters)
        columns = [
            _unsigned(held.column(f.name), f.type) if f.name in there else pa.nulls(len(held), f.type) for f in wanted
        ]
        return pa.table(columns, schema=wanted)

    def _table(self) -> Any:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            return DeltaTable(str(self.root)) if DeltaTable.is_deltatable(str(self.root)) else None
        except (DeltaError, OSError) as error:
            raise LakeError(
                f"the sightings kept here cannot be read: {error}",
                where=str(self.root),
                fix="move the folder away: all is matched again",
            ) from error


def keys(table: pa.Table) -> U64:
    """A number for each sighting's indicator and event."""
    joined = pc.binary_join_element_wise(table.column("indicator"), table.column("_id"), "\n")
    return codes_of(pa.concat_arrays(joined.chunks) if joined.num_chunks else pa.array([], pa.string()))


def _told(hits: pa.Table) -> pa.Table:
    within = pc.map_lookup(hits.column("keys"), "within", "first")
    table = hits.drop_columns(["keys"]).rename_columns({"by": "indicator"})
    if NAMED.name not in table.column_names:
        table = table.append_column(NAMED, pa.nulls(len(table), NAMED.type))
    return table.append_column("within", within)


def _signed(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.type != pa.uint64():
        return column
    return pa.chunked_array([chunk.view(pa.int64()) for chunk in column.chunks], pa.int64())


def _unsigned(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    if kind != pa.uint64():
        return column.cast(kind)
    return pa.chunked_array([chunk.view(kind) for chunk in column.chunks], kind)
