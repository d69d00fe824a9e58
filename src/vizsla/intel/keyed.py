"""A table of rows that are known by a key: what is said again changes nothing, what is said anew replaces.

On disk a Delta table to which rows are only ever added, with the `version` (1, 2, …) of the commit that brought them;
of a key the row with the highest version holds. So what is new since a version is read from the files that came since,
and readers keep their snapshot. A commit is in whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vizsla import arrow
from vizsla.errors import LakeError
from vizsla.intel.index import ENTRY, Index, Rows, lasts

OWN = pa.schema([
    pa.field("key", pa.binary()),  # 16 bytes
    pa.field("digest", pa.int64()),  # of the content; negative: revoked
    pa.field("order", pa.int64()),  # microseconds
    pa.field("added", pa.timestamp("us", tz="UTC")),
    pa.field("version", pa.int64()),
])  # fmt: skip
"""What every keyed table has beside its own columns."""

SMALL = 32  # files: with as many small ones a table is merged
_SMALL_BYTES = 16 << 20
RETENTION = timedelta(days=7)  # how long a reader may hold what it opened
Codes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Change:
    """What a commit did: rows of new keys, of keys that it changed, that were known, and older than what is held."""

    new: int = 0
    changed: int = 0
    known: int = 0
    older: int = 0

    def __add__(self, other: Change) -> Change:
        return Change(
            self.new + other.new, self.changed + other.changed, self.known + other.known, self.older + other.older
        )


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size: int
    rows: int
    last: int  # the highest version in it


class Keyed:
    """One keyed table. Whoever changes it holds the lake's writer lock."""

    def __init__(self, root: Path, schema: pa.Schema) -> None:
        self.root = root
        self.schema = pa.schema([*OWN, *schema])
        self._floor = root.with_name(f"{root.name}.version")  # below which no commit's number falls
        self._index = Index(root.with_name(f"{root.name}.index"))

    @property
    def exists(self) -> bool:
        """Whether anything was ever stored."""
        return any((self.root / "_delta_log").glob("*.json"))

    @property
    def version(self) -> int:
        """The number of the newest change; 0 where there is none. It only ever grows."""
        return self._upto(self._files())

    @property
    def size(self) -> int:
        """How many rows hold."""
        files = self._files()
        self._prepared(files)
        return sum(file.rows for file in files) - self._index.superseded

    def commit(self, drafts: Iterable[pa.RecordBatch], entries: Rows) -> Change:
        """Store of these rows what is new, as one version.

        `entries` names the drafts' rows in their order. Of rows that share a key the latest by (order, added, digest)
        is meant. Rows as the table has them are left out; so are those older than what it has.
        """
        if not len(entries):
            return Change()
        version = self._prepared(self._files(), save=True) + 1
        numbered = _sorted(entries)
        final = lasts(entries[numbered])
        chosen = entries[numbered][final]
        known, held = self._index.find(chosen)
        same = known & (chosen["digest"] == held["digest"])
        older = known & ~same & ~_later(chosen, held)
        fresh = ~same & ~older
        change = Change(
            new=int((fresh & ~known).sum()),
            changed=int((fresh & known).sum()),
            known=int(same.sum()) + int((~final).sum()),
            older=int(older.sum()),
        )
        if not fresh.any():
            return change
        keep = np.zeros(len(entries), np.bool_)
        keep[numbered[final][fresh]] = True
        self._write(self._kept(drafts, entries, keep, version), overwrite=False)
        stored = chosen[fresh]
        stored["version"] = version
        self._index.add(stored, version, version, change.changed)
        self._tidy()
        return change

    def read(
        self, columns: Sequence[str] | None = None, *, since: int = 0, where: pc.Expression | None = None
    ) -> pa.Table:
        """The rows that hold now, of versions after `since`, those with `where`."""
        asked = list(self.schema.names if columns is None else columns)
        files = self._files()
        self._prepared(files)
        names = list(dict.fromkeys([*asked, "key", "version"])) if since or self._index.superseded else asked
        parts = [self._part(file, names, where) for file in files if file.last > since]
        table = pa.concat_tables(parts) if parts else self._empty(names)
        if since and table.num_rows:
            table = table.filter(pc.greater(table.column("version"), since))
        if self._index.superseded and table.num_rows:
            table = table.filter(pa.array(self._holding(table)))
        return table.select(asked)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows that hold now, in pieces of 65,536 at most."""
        files = self._files()
        self._prepared(files)
        return self._batches(files)

    def _batches(self, files: Sequence[_File]) -> Iterator[pa.RecordBatch]:
        for file in files:
            with pq.ParquetFile(file.path) as parquet:
                for batch in parquet.iter_batches(batch_size=1 << 16):
                    table = self._shaped(pa.Table.from_batches([batch]), self.schema.names)
                    if self._index.superseded:
                        table = table.filter(pa.array(self._holding(table)))
                    yield from table.combine_chunks().to_batches()

    def rewrite(self, keep: Callable[[pa.RecordBatch], pa.Array] | None = None, clean: timedelta = RETENTION) -> int:
        """Write the table anew with the rows that hold (and that `keep` keeps); how many of these it dropped."""
        if not self.exists:
            return 0
        gone = 0

        def kept() -> Iterator[pa.RecordBatch]:
            nonlocal gone
            for batch in self._batches(files):
                left = batch if keep is None else batch.filter(keep(batch))
                gone += batch.num_rows - left.num_rows
                yield left

        files = self._files()
        upto = self._prepared(files)
        doomed = keep is not None and any(pc.any(pc.invert(keep(batch))).as_py() for batch in self.batches())
        if doomed or self._index.superseded:
            self._floor.write_text(str(upto + doomed), encoding="ascii")
            self._index.clear()  # first: it must never know keys that the table has not
            self._prepared(files)  # in memory, for what `kept` asks: the writer cannot wait for another reader
            self._write(pa.RecordBatchReader.from_batches(self.schema, kept()), overwrite=True)
            self._prepared(self._files(), save=True)
        hours = int(clean.total_seconds() // 3600)
        self._open().vacuum(retention_hours=hours, enforce_retention_duration=False, dry_run=False, full=True)
        return gone

    def _kept(
        self, drafts: Iterable[pa.RecordBatch], entries: Rows, keep: npt.NDArray[np.bool_], version: int
    ) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            at = 0
            for draft in drafts:
                span = slice(at, at + draft.num_rows)
                at = span.stop
                mask = keep[span]
                if mask.any():
                    own = {
                        "key": _keys(entries[span]),
                        "version": pa.array(np.full(draft.num_rows, version, np.int64)),
                    }
                    whole = [own.get(name, draft.column(name)) for name in self.schema.names]
                    yield pa.RecordBatch.from_arrays(whole, schema=self.schema).filter(pa.array(mask))

        return pa.RecordBatchReader.from_batches(self.schema, batches())

    def _write(self, reader: pa.RecordBatchReader, *, overwrite: bool) -> None:
        from deltalake import WriterProperties, write_deltalake
        from deltalake.exceptions import DeltaError

        mode: Any = "overwrite" if overwrite else "append"
        try:
            write_deltalake(
                str(self.root),
                reader,
                mode=mode,
                configuration={"delta.dataSkippingStatsColumns": "version"},
                writer_properties=WriterProperties(compression="ZSTD", compression_level=1, max_row_group_size=1 << 17),
            )
        except (DeltaError, OSError) as error:
            raise LakeError(
                f"the intelligence store cannot be written: {error}",
                where=str(self.root),
                fix="check free space and permissions; run again",
            ) from error

    def _open(self) -> Any:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        try:
            return DeltaTable(str(self.root))
        except (DeltaError, OSError) as error:
            raise LakeError(
                f"the intelligence store cannot be read: {error}",
                where=str(self.root),
                fix="if its files were changed by hand, restore them; otherwise delete this folder and add feeds again",
            ) from error

    def _files(self) -> list[_File]:
        if not self.exists:
            return []
        actions = pa.table(self._open().get_add_actions(flatten=True))
        columns = [actions.column(name).to_pylist() for name in ("path", "size_bytes", "num_records", "max.version")]
        found = [
            _File(str(self.root / unquote(path)), size, rows, last)
            for path, size, rows, last in zip(*columns, strict=True)
        ]
        return sorted(found, key=lambda file: (file.last, file.path))

    def _upto(self, files: Sequence[_File]) -> int:
        return (
            max((file.last for file in files), default=0)
            if not self._floor.exists()
            else max(int(self._floor.read_text(encoding="ascii") or 0), *(file.last for file in files), 0)
        )

    def _part(self, file: _File, names: Sequence[str], where: pc.Expression | None) -> pa.Table:
        try:
            if where is None:
                with pq.ParquetFile(file.path) as parquet:
                    there = set(parquet.schema_arrow.names)
                    table = parquet.read(columns=[name for name in names if name in there])
            else:
                import pyarrow.dataset as ds

                part = ds.dataset(file.path, format="parquet")
                table = part.to_table(columns=[name for name in names if name in part.schema.names], filter=where)
        except (OSError, pa.ArrowInvalid) as error:
            raise LakeError(
                f"the intelligence store cannot be read: {error}", where=file.path, fix="run the command again"
            ) from error
        return self._shaped(table, names)

    def _shaped(self, table: pa.Table, names: Sequence[str]) -> pa.Table:
        for name in names:
            if name not in table.column_names:  # from before this column was kept
                table = table.append_column(name, pa.nulls(len(table), self.schema.field(name).type))
        return table.select(list(names)).cast(pa.schema([self.schema.field(name) for name in names]))

    def _empty(self, names: Sequence[str]) -> pa.Table:
        return pa.schema([self.schema.field(name) for name in names]).empty_table()

    def _prepared(self, files: Sequence[_File], *, save: bool = False) -> int:
        """Bring the index up to the table, on disk where `save` (the caller holds the lock); the table's version."""
        upto = self._upto(files)
        reached = self._index.load(upto)
        if reached < upto:
            parts = [self._part(file, OWN.names, None) for file in files if file.last > reached]
            table = pa.concat_tables([self._empty(OWN.names), *parts])
            rows = entries_of(table.filter(pc.greater(table.column("version"), reached)))
            rows = rows[np.lexsort((rows["version"], rows["low"], rows["high"]))]
            newest = rows[lasts(rows)]
            known, _ = self._index.find(newest)
            superseded = len(rows) - len(newest) + int(known.sum())
            (self._index.add if save else self._index.hold)(newest, reached + 1, upto, superseded)
        return upto

    def _holding(self, table: pa.Table) -> npt.NDArray[np.bool_]:
        """Which rows are their key's newest."""
        wanted = np.zeros(len(table), ENTRY)
        wanted["high"], wanted["low"] = words(table.column("key"))
        _, held = self._index.find(wanted)
        return np.asarray(held["version"] == table.column("version").to_numpy(), np.bool_)

    def _tidy(self) -> None:
        """Merge small files where there are many. Readers of an older snapshot keep theirs for a week."""
        small = [file for file in self._files() if file.size < _SMALL_BYTES]
        if len(small) >= SMALL:
            self._open().optimize.compact(target_size=4 * _SMALL_BYTES)


def _sorted(entries: Rows) -> npt.NDArray[np.intp]:
    """The order that sorts entries by key, and those of one key by how late they are."""
    by_high = np.argsort(entries["high"], kind="stable")
    ranked = entries["high"][by_high]
    if bool((ranked[1:] == ranked[:-1]).any()):
        return np.lexsort((entries["digest"], entries["added"], entries["order"], entries["low"], entries["high"]))
    return by_high


def _later(rows: Rows, held: Rows) -> npt.NDArray[np.bool_]:
    """Which rows come after those held: by (order, added, digest), where revoked is the highest digest."""
    later = rows["digest"] > held["digest"]
    for name in ("added", "order"):
        later = (rows[name] > held[name]) | ((rows[name] == held[name]) & later)
    return np.asarray(later, np.bool_)


def _keys(entries: Rows) -> pa.BinaryArray:
    raw = np.stack([entries["high"], entries["low"]], axis=1).astype(">u8").tobytes()
    offsets = np.arange(0, len(raw) + 1, 16, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(entries), [None, pa.py_buffer(offsets), pa.py_buffer(raw)])


def words(keys: pa.ChunkedArray | pa.BinaryArray) -> tuple[Codes, Codes]:
    """The high and low halves of keys of 16 bytes."""
    plain = arrow.whole(keys)
    if not len(plain):
        return np.empty(0, np.uint64), np.empty(0, np.uint64)
    start = int(np.frombuffer(plain.buffers()[1], np.int32, 1, plain.offset * 4)[0])
    pairs = np.frombuffer(plain.buffers()[2], ">u8", 2 * len(plain), start).reshape(-1, 2)
    return pairs[:, 0].astype(np.uint64), pairs[:, 1].astype(np.uint64)


def entries_of(table: pa.Table | pa.RecordBatch) -> Rows:
    """The index's entries of a table's rows, in their order."""
    rows = np.zeros(table.num_rows, ENTRY)
    rows["high"], rows["low"] = words(table.column("key"))
    for name in ("order", "version"):
        rows[name] = np.asarray(table.column(name))
    rows["added"] = np.asarray(table.column("added").cast(pa.int64()))
    rows["digest"] = np.asarray(table.column("digest")).view(np.uint64)
    return rows
