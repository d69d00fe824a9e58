"""One event table on disk: a Delta Lake table through delta-rs. Nothing else in Vizsla speaks Delta."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from vizsla.errors import LakeError
from vizsla.lake.written import write_files
from vizsla.nouns import DAY, HOST, ID, TIME

SMALL = 32 << 20  # bytes: a file below this is worth merging
TARGET = 128 << 20  # bytes of a merged file
_STATS = f"{TIME},{HOST}"  # statistics of a thousand columns would outgrow the data of small files


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file of a snapshot. `first` and `last`: its `_time` range (UTC), None where unknown."""

    path: str  # absolute
    day: str
    size: int
    rows: int
    first: datetime | None
    last: datetime | None
    timeless: bool  # whether it surely has no `_time` at all


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A table as it is at one version."""

    version: int
    schema: pa.Schema
    files: tuple[DataFile, ...]


@lru_cache(1)
def _lasting() -> Any:
    """How files are merged: small, and with statistics of all columns. What comes in is written fast: `written`."""
    from deltalake import ColumnProperties, WriterProperties

    plain = {ID: ColumnProperties(dictionary_enabled=False)}  # no two ids are the same: nothing to look up
    return WriterProperties(compression="ZSTD", compression_level=1, column_properties=plain)


def exists(root: Path) -> bool:
    """Whether a table lies here; a folder left by a killed first write is none."""
    return any((root / "_delta_log").glob("*.json"))


def _open(root: Path) -> Any:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        return DeltaTable(str(root))
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"a table of the lake cannot be read: {error}",
            where=str(root),
            fix="if its files were changed by hand, restore them; otherwise ingest its logs into a new lake",
        ) from error


def snapshot(root: Path) -> Snapshot:
    """The table's newest snapshot. Raises LakeError where it is damaged."""
    table = _open(root)
    schema = pa.schema(table.schema().to_arrow())
    actions = pa.table(table.get_add_actions(flatten=True))
    names = actions.column_names

    def column(name: str) -> list[Any]:
        return list(actions.column(name).to_pylist()) if name in names else [None] * len(actions)

    files = tuple(
        DataFile(str(root / path), day, size, rows, first, last, empty is not None and empty == rows)
        for path, day, size, rows, first, last, empty in zip(
            column("path"),
            column(f"partition.{DAY}"),
            column("size_bytes"),
            column("num_records"),
            column(f"min.{TIME}"),
            column(f"max.{TIME}"),
            column(f"null_count.{TIME}"),
            strict=True,
        )
    )
    return Snapshot(table.version(), schema, files)


def appended(root: Path, after: int, upto: int) -> tuple[list[str], int] | None:
    """The files that the commits after version `after`, up to `upto`, brought with new rows, and how many rows.

    What a later merge took out of the snapshot is among them: its files stay on disk for a while. What was expired
    since is not. None where that cannot be told any more: the table's log or such a file was cleaned away.
    """
    rows: dict[str, int] = {}
    for version in range(after + 1, upto + 1):
        try:
            text = (root / "_delta_log" / f"{version:020d}.json").read_bytes()
            for action in map(orjson.loads, text.splitlines()):
                if (added := action.get("add")) and added["dataChange"]:
                    rows[added["path"]] = orjson.loads(added["stats"])["numRecords"]
                elif (gone := action.get("remove")) and gone["dataChange"]:
                    rows.pop(gone["path"], None)
        except (OSError, ValueError, LookupError, TypeError):
            return None
    paths = {str(root / unquote(path)): count for path, count in rows.items()}
    return (sorted(paths), sum(paths.values())) if all(Path(path).is_file() for path in paths) else None


def write(root: Path, events: pa.Table, rows: Mapping[str, Any]) -> None:
    """Append events as one commit: they are in whole or not at all. Makes the table where there is none.

    `rows`: of each day, the numbers of its rows, ascending. A new column may be there without its events where this
    is killed; files that no commit names are deleted by `clean`.
    """
    from deltalake.exceptions import DeltaError
    from deltalake.schema import Schema
    from deltalake.transaction import AddAction, create_table_with_add_actions

    table = _open(root) if exists(root) else None
    now = int(time.time() * 1000)
    try:
        actions = [
            AddAction(file.path, file.size, {DAY: file.day}, now, data_change=True, stats=file.stats)
            for file in write_files(root, events, rows)
        ]
        schema = Schema.from_arrow(events.schema)
        if table is None:
            create_table_with_add_actions(
                str(root), schema, actions, partition_by=[DAY], configuration={"delta.dataSkippingStatsColumns": _STATS}
            )
            return
        known = {field.name for field in table.schema().fields}
        new = [field for field in schema.fields if field.name not in known]
        if new:
            table.alter.add_columns(new)
        table.create_write_transaction(actions, "append", schema, partition_by=[DAY])
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"the lake cannot be written: {error}", where=str(root), fix="check free space and permissions; run again"
        ) from error


def merge_small(root: Path, days: Sequence[str] | None = None) -> int:
    """Merge the small files of these days (None: all), and say how many files that took out of the snapshot.

    The files stay on disk for whoever still reads an older snapshot, until `clean`.
    """
    from deltalake.exceptions import DeltaError

    table = _open(root)
    partitions = None if days is None else [(DAY, "in", list(days))]
    try:
        done = table.optimize.compact(partition_filters=partitions, target_size=TARGET, writer_properties=_lasting())
    except (DeltaError, OSError) as error:
        raise LakeError(
            f"files of the lake cannot be merged: {error}", where=str(root), fix="check free space; run again"
        ) from error
    return int(done["numFilesRemoved"])


def drop_days(root: Path, before: str) -> int:
    """Take all days before this one out of the table, and say how many rows they had. Unknown days stay."""
    table = _open(root)
    return int(table.delete(f"{DAY} < '{before}'")["num_deleted_rows"])


def clean(root: Path, keep: timedelta) -> int:
    """Delete files that no snapshot of the last `keep` needs, those of killed writers too; say how many."""
    table = _open(root)
    hours = int(keep.total_seconds() // 3600)
    gone = table.vacuum(retention_hours=hours, enforce_retention_duration=False, dry_run=False, full=True)
    return len(gone)


def ids(files: Sequence[str]) -> Iterator[pa.StringArray]:
    """The `_id` column of files, in pieces."""
    for path in files:
        with pq.ParquetFile(path) as parquet:
            for batch in parquet.iter_batches(batch_size=1 << 20, columns=[ID]):
                column = batch.column(0)
                yield column if column.type == pa.string() else column.cast(pa.string())
