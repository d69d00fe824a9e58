"""The files of a scan as streams of Arrow batches, straight from Parquet: dictionary-encoded, filtered, bounded."""

from __future__ import annotations

import heapq
import queue
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import PurePosixPath
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vizsla.lake import Scan, Slot, Taken
from vizsla.nouns.event import DAY, HOST, TIME

ENCODED = pa.dictionary(pa.int32(), pa.string())
CELLS = 4_000_000  # values of a batch at most: 4 bytes each while they are dictionary-encoded
ROWS = 131_072  # rows of a batch at most
NO_TIME = -(1 << 62)  # before all times
REPEATED = 8  # bytes of a value, on average, up to which a column's values come again and again


@dataclass(frozen=True, slots=True)
class Piece:
    """A row group of a file, or every `of`-th of its batches from `part` on: what is dealt to a reader."""

    file: str
    group: int
    rows: int
    part: int = 0
    of: int = 1


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is text in any of Arrow's encodings."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def partition_of(file: str, name: str = DAY) -> str | None:
    """The value of a partition column, from a path such as `…/_day=2026-01-31/part-0.parquet`."""
    for part in reversed(PurePosixPath(file).parts[:-1]):
        key, sign, value = part.partition("=")
        if sign and key == name:
            return unquote(value)
    return None


def pieces(scan: Scan) -> list[Piece]:
    """The row groups that may hold rows of the scan, judged by the statistics of `_time`."""
    found = []
    for file in scan.files:
        metadata = pq.read_metadata(file)
        column = _index(metadata.schema, TIME) if scan.since or scan.until else None
        for group in range(metadata.num_row_groups):
            if column is None or _may_hold(metadata.row_group(group).column(column).statistics, scan):
                found.append(Piece(file, group, metadata.row_group(group).num_rows))
    return found


def deal(scan: Scan, shares: int, least: int) -> list[list[Piece]]:
    """The scan's pieces in at most `shares` lots of much the same size, of `least` rows or more where there are."""
    whole = pieces(scan)
    total = sum(p.rows for p in whole)
    target = max(least, -(-total // shares))
    split = [
        replace(piece, part=part, of=of) for piece in whole for of in [-(-piece.rows // target)] for part in range(of)
    ]
    lots: list[tuple[int, int, list[Piece]]] = [(0, n, []) for n in range(max(1, min(shares, -(-total // target))))]
    for piece in sorted(split, key=lambda p: -p.rows // p.of):  # the largest first, each to the smallest lot
        size, number, lot = heapq.heappop(lots)
        lot.append(piece)
        heapq.heappush(lots, (size + piece.rows // piece.of, number, lot))
    return [lot for _, _, lot in lots if lot]


def _index(schema: pq.ParquetSchema, name: str) -> int | None:
    return next((i for i in range(len(schema)) if schema.column(i).path == name), None)


def _may_hold(statistics: pq.Statistics | None, scan: Scan) -> bool:
    if statistics is None or not statistics.has_min_max:
        return True
    low, high = statistics.min, statistics.max
    if not isinstance(low, datetime) or not isinstance(high, datetime):
        return True
    return (scan.since is None or high >= scan.since) and (scan.until is None or low < scan.until)


def read(scan: Scan, columns: Sequence[str], work: queue.SimpleQueue[Piece]) -> Iterator[pa.RecordBatch]:
    """The pieces that `work` still holds, as batches of exactly `columns`, in their order.

    Text comes as `dictionary<int32, string>`, or plain where hardly a value comes twice; columns that a file
    lacks come as nulls; rows outside of the scan's since, until, hosts and slots, and those not taken, are left out.
    Several readers may share one queue.
    """
    slots = scan.only is not None or bool(scan.without)
    filtered = [TIME] if scan.since or scan.until or slots else []
    filtered += [HOST] if scan.hosts is not None or slots else []
    filtered += [name for wanted in scan.taken or () for name, _ in wanted]
    wanted = list(dict.fromkeys((*columns, *filtered)))
    schema = pa.schema([(name, _kind(scan, name)) for name in wanted])
    rows = max(4096, min(ROWS, CELLS // max(1, len(wanted))))
    name, opened = None, None
    while True:
        try:
            piece = work.get_nowait()
        except queue.Empty:
            return
        if opened is None or name != piece.file:
            name, opened = piece.file, _open(piece.file, wanted)
        size = min(rows, -(-piece.rows // piece.of)) if piece.of > 1 else rows
        yield from _batches(opened, piece, schema, max(1, size), scan, columns)


def _open(file: str, wanted: Sequence[str]) -> pq.ParquetFile:
    metadata = pq.read_metadata(file)
    held = metadata.schema.to_arrow_schema()
    text = [name for name in wanted if name in held.names and is_text(held.field(name).type)]
    text = [name for name in text if _repeated(metadata, name)]
    return pq.ParquetFile(file, metadata=metadata, read_dictionary=text, memory_map=True)


def _repeated(metadata: pq.FileMetaData, name: str) -> bool:
    """Whether a column's values come again and again, by its size before compression.

    Where they do not, its writer gave up its dictionary, and making one of all values costs more than reading them.
    """
    place = _index(metadata.schema, name)
    if place is None:
        return True
    columns = [metadata.row_group(group).column(place) for group in range(metadata.num_row_groups)]
    return bool(sum(c.total_uncompressed_size for c in columns) <= REPEATED * sum(c.num_values for c in columns))


def _kind(scan: Scan, name: str) -> pa.DataType:
    index = scan.schema.get_field_index(name)
    kind = pa.string() if index < 0 else scan.schema.field(index).type
    return ENCODED if is_text(kind) else kind


def _batches(
    opened: pq.ParquetFile, piece: Piece, schema: pa.Schema, rows: int, scan: Scan, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    held = set(opened.schema_arrow.names)
    present = [name for name in schema.names if name in held]
    day = partition_of(piece.file) if DAY not in held else None
    if not present:  # nothing to read but the number of rows
        total = opened.metadata.row_group(piece.group).num_rows
        for start in range(piece.part * rows, total, piece.of * rows):
            yield _complete(None, min(rows, total - start), schema, day).select(list(columns))
        return
    stream = opened.iter_batches(batch_size=rows, row_groups=[piece.group], columns=present, use_threads=False)
    for batch in islice(stream, piece.part, None, piece.of):
        kept = keep(_complete(batch, batch.num_rows, schema, day), scan)
        if kept.num_rows:
            yield kept.select(list(columns))


def _complete(batch: pa.RecordBatch | None, rows: int, schema: pa.Schema, day: str | None) -> pa.RecordBatch:
    """The batch with every column of the schema, in the schema's types."""
    arrays = []
    for field in schema:
        if batch is not None and field.name in batch.schema.names:
            column = batch.column(field.name)
            fits = column.type == field.type or (field.type == ENCODED and pa.types.is_string(column.type))
            arrays.append(column if fits else column.cast(field.type))
        elif field.name == DAY and day is not None:
            arrays.append(pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array([day])))
        elif field.type == ENCODED:
            empty = pa.array([], pa.string())
            arrays.append(pa.DictionaryArray.from_arrays(pa.nulls(rows, pa.int32()), empty))
        else:
            arrays.append(pa.nulls(rows, field.type))
    return pa.RecordBatch.from_arrays(arrays, names=schema.names)


def keep(batch: pa.RecordBatch, scan: Scan) -> pa.RecordBatch:
    """The rows of a batch within the scan's since, until, hosts and slots that are taken."""
    mask = None
    if scan.since is not None:
        mask = pc.greater_equal(batch.column(TIME), _moment(scan.since))
    if scan.until is not None:
        before = pc.less(batch.column(TIME), _moment(scan.until))
        mask = before if mask is None else pc.and_(mask, before)
    if scan.hosts is not None:
        host = batch.column(HOST)
        among = pc.is_in(host.dictionary_decode() if host.type == ENCODED else host, pa.array(scan.hosts, pa.string()))
        mask = among if mask is None else pc.and_(mask, among)
    if scan.only is not None:
        inside = _among(batch, scan.only)
        mask = inside if mask is None else pc.and_(mask, inside)
    if scan.without:
        outside = pc.invert(_among(batch, scan.without))
        mask = outside if mask is None else pc.and_(mask, outside)
    if scan.taken is not None:
        takes = _takes(batch, scan.taken)
        mask = takes if mask is None else pc.and_(mask, takes)
    return batch if mask is None else batch.filter(mask, null_selection_behavior="drop")


def _takes(batch: pa.RecordBatch, taken: Sequence[Taken]) -> pa.Array:
    found = np.zeros(batch.num_rows, dtype=bool)
    for wanted in taken:
        held = np.ones(batch.num_rows, dtype=bool)
        for name, values in wanted:
            held &= _holds(batch.column(name), values)
        found |= held
    return pa.array(found)


def _holds(column: pa.Array, values: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which rows hold one of these values, looked for among the distinct ones; '*': any but '' and '-'."""
    codes = column if column.type == ENCODED else column.dictionary_encode()
    distinct = codes.dictionary.to_pylist()
    holding = [text not in ("", "-", None) if "*" in values else text in values for text in distinct]
    places = pc.fill_null(codes.indices, len(distinct)).to_numpy(zero_copy_only=False)
    held: npt.NDArray[np.bool_] = np.array([*holding, False], dtype=bool)[places]
    return held


def _among(batch: pa.RecordBatch, slots: Sequence[Slot]) -> pa.Array:
    """Which rows are of one of these hosts at its times; a row without host or time is of none."""
    found = np.zeros(batch.num_rows, dtype=bool)
    times = pc.fill_null(batch.column(TIME).cast(pa.int64()), NO_TIME).to_numpy(zero_copy_only=False)
    if not len(times):
        return pa.array(found)
    host = batch.column(HOST)
    codes = host if host.type == ENCODED else host.dictionary_encode()
    places = {name: place for place, name in enumerate(codes.dictionary.to_pylist())}
    indices = pc.fill_null(codes.indices, -1).to_numpy(zero_copy_only=False)
    for name, since, until in slots:
        if name in places:
            found |= (indices == places[name]) & (times >= _micros(since)) & (times < _micros(until))
    return pa.array(found)


def _micros(moment: datetime) -> int:
    return int(_moment(moment).cast(pa.int64()).as_py())


def _moment(moment: datetime) -> pa.Scalar:
    return pa.scalar(moment, pa.timestamp("us", tz="UTC"))
