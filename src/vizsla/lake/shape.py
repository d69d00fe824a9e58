"""The shape of what is appended: strings, one spelling per column, a thousand columns, the rest in `_extra`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.errors import LakeError
from vizsla.nouns import DAY, EVENT_FIELDS, EXTRA, MAX_COLUMNS, UNKNOWN_DAY

EXTRA_TYPE = pa.map_(pa.string(), pa.string())
LARGE = 4096  # rows
_TEXT = pa.string()
_TYPES = {**{field.name: field.type for field in EVENT_FIELDS}, EXTRA: EXTRA_TYPE}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def alike(batches: Sequence[pa.RecordBatch]) -> tuple[list[pa.RecordBatch], list[int]]:
    """Batches of one schema as one batch, and the numbers of the batches in the order in which their rows now stand.

    Small logs bring thousands of batches with few different schemas, and work on a column is paid per batch. Large
    batches stay as they are: putting them together would copy all of their text.
    """
    groups: dict[bytes, list[int]] = {}
    for number, batch in enumerate(batches):
        if batch.num_rows:
            groups.setdefault(batch.schema.serialize().to_pybytes(), []).append(number)
    merged: list[pa.RecordBatch] = []
    for numbers in groups.values():
        if sum(batches[number].num_rows for number in numbers) >= LARGE * len(numbers):
            merged += [batches[number] for number in numbers]
        else:
            merged += pa.Table.from_batches([batches[number] for number in numbers]).combine_chunks().to_batches()
    return merged, [number for numbers in groups.values() for number in numbers]


def gather(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """The batches as one table: our own columns first and of their declared types, native ones as strings.

    Raises LakeError where one of our columns is missing or a native column cannot be text.
    """
    starts = np.cumsum([0] + [batch.num_rows for batch in batches]).tolist()
    parts: dict[str, list[tuple[int, pa.Array]]] = {}
    for number, batch in enumerate(batches):
        names = batch.schema.names
        if len(set(names)) < len(names):
            raise LakeError("events with two columns of one name", fix="sources name every column once")
        for name, column in zip(names, batch.columns, strict=True):
            parts.setdefault(name, []).append((number, column))
    columns: dict[str, pa.ChunkedArray] = {}
    for field in EVENT_FIELDS:
        if field.name not in parts and not field.nullable:
            raise LakeError(f"events without a column {field.name}", fix="stamp events before they are appended")
        columns[field.name] = _joined(field.name, parts.pop(field.name, []), starts)
    for name, pieces in parts.items():
        column = _joined(name, pieces, starts)
        if column.null_count < len(column):  # what has no value needs no column
            columns[name] = column
    return pa.table(columns)


def _joined(name: str, pieces: Sequence[tuple[int, pa.Array]], starts: Sequence[int]) -> pa.ChunkedArray:
    """A column of all batches from the pieces of those that have it, by their numbers; null for the others."""
    wanted = _TYPES.get(name, _TEXT)
    blank = pa.nulls(0, wanted)
    found, at = [blank], 0
    for number, piece in pieces:
        if (gap := starts[number] - at) > 0:
            if len(blank) < gap:
                blank = pa.nulls(2 * gap, wanted)
            found.append(blank.slice(0, gap))
        found.append(piece if piece.type == wanted else _cast(name, piece, wanted))
        at = starts[number + 1]
    if at < starts[-1]:
        found.append(pa.nulls(starts[-1] - at, wanted))
    found = [piece for piece in found if len(piece)] or [blank]
    if starts[-1] >= LARGE * len(found):
        return pa.chunked_array(found, wanted)
    try:
        return pa.chunked_array([pa.concat_arrays(found)])
    except pa.ArrowInvalid:  # more than 2 GiB of text: it stays in pieces
        return pa.chunked_array(found, wanted)


def _cast(name: str, column: pa.Array, wanted: pa.DataType) -> pa.Array:
    try:
        return pc.cast(column, wanted)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise LakeError(
            f"column {name[:80]!r} is {column.type}, and cannot be stored as {wanted}",
            fix="sources give native columns as strings, nested values as JSON text",
        ) from error


def day_of(file: str) -> str:
    """The day of a file's events, YYYY-MM-DD, by the folder that it lies in; UNKNOWN_DAY where they have none."""
    return Path(file).parent.name.removeprefix(f"{DAY}=")


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
