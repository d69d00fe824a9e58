"""The shape of what is appended: strings, one spelling per column, a thousand columns, the rest in `_extra`."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.errors import LakeError
from vizsla.nouns import DAY, EVENT_FIELDS, EXTRA, MAX_COLUMNS, UNKNOWN_DAY

EXTRA_TYPE = pa.map_(pa.string(), pa.string())
_TEXT = pa.string()
_TYPES = {**{field.name: field.type for field in EVENT_FIELDS}, EXTRA: EXTRA_TYPE}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def gather(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """The batches as one table: our own columns first and of their declared types, native ones as strings.

    Raises LakeError where one of our columns is missing or a native column cannot be text.
    """
    table = pa.concat_tables([_plain(batch) for batch in batches], promote_options="default").combine_chunks()
    columns, fields = [], []
    for field in EVENT_FIELDS:
        if field.name not in table.column_names:
            if not field.nullable:
                raise LakeError(f"events without a column {field.name}", fix="stamp events before they are appended")
            columns.append(pa.chunked_array([pa.nulls(len(table), field.type)]))
        else:
            columns.append(table.column(field.name))
        fields.append(pa.field(field.name, field.type))
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name not in EVENT_FIELDS.names and column.null_count < len(table):  # what has no value needs no column
            columns.append(column)
            fields.append(pa.field(name, column.type))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _plain(batch: pa.RecordBatch) -> pa.Table:
    """A batch whose columns have the lake's types."""
    if not all(kind == _wanted(name) for name, kind in zip(batch.schema.names, batch.schema.types, strict=True)):
        columns = [_cast(field, column) for field, column in zip(batch.schema, batch.columns, strict=True)]
        batch = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    return pa.Table.from_batches([batch])


def _cast(field: pa.Field, column: pa.Array) -> pa.Array:
    wanted = _wanted(field.name)
    try:
        return column if field.type == wanted else pc.cast(column, wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise LakeError(
            f"column {field.name[:80]!r} is {field.type}, and cannot be stored as {wanted}",
            fix="sources give native columns as strings, nested values as JSON text",
        ) from error


def _wanted(name: str) -> pa.DataType:
    return _TYPES.get(name, _TEXT)


def days_of(events: pa.Table) -> dict[str, int]:
    """How many rows each day has. Raises LakeError where a `_day` is neither a day nor 'unknown'."""
    found: dict[str, int] = {}
    for entry in pc.value_counts(events.column(DAY)).to_pylist():
        day = entry["values"]
        if day != UNKNOWN_DAY and not (isinstance(day, str) and _DAY.fullmatch(day)):
            raise LakeError(f"events of day {day!r}", fix=f"{DAY} is 'YYYY-MM-DD' or '{UNKNOWN_DAY}'")
        found[day] = entry["counts"]
    return found


def fold(events: pa.Table, known: Sequence[str]) -> pa.Table:
    """The events under the table's `known` spellings, with at most `MAX_COLUMNS` columns in all.

    A column that differs only in case from another is merged into it. What cannot be merged (both have a
    value, or the other is one of ours), and what comes after the thousandth column, goes into `_extra`
    under its own spelling. Of new columns, those with the most values stay.
    """
    spelling = {name.lower(): name for name in known}
    spelling.update({name.lower(): name for name in (*EVENT_FIELDS.names, EXTRA)})
    kept: dict[str, pa.ChunkedArray] = {}
    spilled: list[tuple[str, pa.ChunkedArray]] = []
    for name in sorted(events.column_names, key=lambda n: spelling.get(n.lower(), n) != n):  # the exact ones first
        column = events.column(name)
        own = spelling.setdefault(name.lower(), name)
        if own == name and name not in kept:
            kept[name] = column
        elif own in EVENT_FIELDS.names or own == EXTRA:
            spilled.append((name, column))
        elif own not in kept:
            kept[own] = column
        else:
            clash = pc.and_(pc.is_valid(kept[own]), pc.is_valid(column))
            if pc.any(clash).as_py():
                spilled.append((name, pc.if_else(clash, column, pa.scalar(None, pa.string()))))
            kept[own] = pc.coalesce(kept[own], column)
    spilled += _beyond(kept, known)
    if spilled:
        kept[EXTRA] = _extra(kept.get(EXTRA), spilled, len(events))
    return pa.table(kept)


def _beyond(kept: dict[str, pa.ChunkedArray], known: Sequence[str]) -> list[tuple[str, pa.ChunkedArray]]:
    """Take the rarest new columns out of `kept` until the table has room for the rest."""
    reserved = {*known, *EVENT_FIELDS.names, EXTRA}
    new = [name for name in kept if name not in reserved]
    room = max(0, MAX_COLUMNS - len(reserved))
    if len(new) <= room:
        return []
    new.sort(key=lambda name: (kept[name].null_count, name))
    return [(name, kept.pop(name)) for name in new[room:]]


def _extra(extra: pa.ChunkedArray | None, spilled: list[tuple[str, pa.ChunkedArray]], rows: int) -> pa.Array:
    """A map per row: what it had before, and the spilled columns' values."""
    place, keys, values = [], [], []
    if extra is not None:
        before = extra.combine_chunks() if isinstance(extra, pa.ChunkedArray) else extra
        entries = before.cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.string())])))
        lengths = pc.list_value_length(entries).fill_null(0).to_numpy(zero_copy_only=False)
        place.append(np.repeat(np.arange(rows), lengths))
        flat = pc.list_flatten(entries)
        keys.append(flat.field(0))
        values.append(flat.field(1))
    for name, column in spilled:
        at = np.flatnonzero(column.is_valid().to_numpy())
        place.append(at)
        keys.append(pa.array([name], pa.string()).take(pa.array(np.zeros(len(at), np.int64))))
        values.append(column.drop_null().combine_chunks())
    where = np.concatenate(place)
    by = np.argsort(where, kind="stable")
    offsets = np.zeros(rows + 1, np.int32)
    np.cumsum(np.bincount(where, minlength=rows), out=offsets[1:])
    taken = pa.array(by)
    return pa.MapArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.concat_arrays(keys).take(taken), pa.concat_arrays(values).take(taken)
    )
