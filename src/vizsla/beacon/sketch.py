"""What is kept of a pair: a bounded state that merges, so that a day can be added to a month.

A visit is all that a source did with a destination within eight seconds (slots on the clock, which midnight cuts
nowhere): a page with twenty connections is one visit. Per pair are kept how many visits there were, the first and
the last, a histogram of the intervals between them and of the bytes sent, and a sample of their times, the same
sample however days were merged. `merged` of days is what they give together, for they are joined in the order of
time, and the interval from one day's last visit to the next day's first is counted then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.beacon.bins import Floats, Ints, bin_of, counted
from vizsla.beacon.contacts import TENTHS, contacts
from vizsla.lake.days import by_days

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Scan

__all__ = ["KEYS", "SKETCH", "Floats", "Ints", "lists", "merged", "sketches", "visits"]

SLOT = 8 * TENTHS
DAY = 86_400 * TENTHS
HOUR = 3_600 * TENTHS
AT_ONCE = 6_000_000  # events of all tables that are grouped at once: the engine holds all their visits
TIMES = 256  # visits whose times are kept of a pair
MOST_SENT = (1 << 40) - 2  # bytes of a visit that are told apart
UNKNOWN = -1  # bytes, where they are not known
PACK = 32  # a bin and its count in one number: bin << PACK | count
KEYS = ("host", "source", "destination", "port", "via")
SKETCH = pa.schema([
    ("host", pa.string()), ("source", pa.string()), ("destination", pa.string()), ("port", pa.int64()),
    ("via", pa.string()),
    ("visits", pa.int64()), ("events", pa.int64()),
    ("first", pa.int64()), ("last", pa.int64()),  # tenths of a second since 1970
    ("days", pa.int64()), ("hours", pa.int64()),  # of the clock, in which there were visits
    ("gaps", pa.list_(pa.int64())), ("sizes", pa.list_(pa.int64())),  # bins, packed; gaps in tenths of a second
    ("times", pa.list_(pa.int64())),  # a sample, ascending
    ("id", pa.string()), ("id_last", pa.string()),  # two events, one of the first part and one of the last
    ("guid", pa.string()),  # of the process, where it was one alone
    ("process", pa.string()), ("kind", pa.string()),
])  # fmt: skip


def visits(engine: Engine, scans: Sequence[Scan], least: int = 1) -> ir.Table:
    """Per pair and day: counts, ends and all visits, packed as tenths since midnight << 40 | bytes + 1 (0: unknown).

    `least`: pairs with fewer visits on the day are left out.
    """
    import ibis

    seen = contacts(engine, scans)
    seen = seen.mutate(slot=seen["at"] // SLOT)
    slots = seen.group_by([*KEYS, "slot"]).agg(
        at=seen["at"].min(), sent=seen["sent"].sum(), events=seen.count(), known=seen["destination"].count(),
        **_ends(seen),
    )  # fmt: skip
    # Not whether the destination is null: DuckDB would ask that of every row, and work addresses out once more for it.
    slots = slots.filter(slots["known"] > 0)
    day = slots["at"] // DAY
    sent = ibis.least(slots["sent"].fill_null(UNKNOWN), ibis.literal(MOST_SENT, "int64")) + 1
    slots = slots.mutate(day=day, packed=(slots["at"] - day * DAY) * (1 << 40) + sent)
    days = slots.group_by([*KEYS, "day"]).agg(
        visits=slots.count(), events=slots["events"].sum(), packed=slots["packed"].collect(), **_ends(slots, "")
    )
    return days.filter(days["visits"] >= least) if least > 1 else days


def _ends(seen: ir.Table, of: str = "from") -> dict[str, ir.Value]:
    """Of a group's values the least and the greatest: equal where there is one alone."""
    low = {name: seen[name].min() for name in ("id", "guid", "process", "table", "code")}
    high = {f"{name}_max": seen[name if of else f"{name}_max"].max() for name in ("id", "guid")}
    return low | high


def sketches(engine: Engine, scans: Sequence[Scan], least: int = 1) -> Iterator[pa.Table]:
    """Sketches of pairs, one row per pair and day, as a stream of tables of SKETCH in no order.

    What was stored without a believable time makes rows of its own.
    """
    for share in by_days(scans, AT_ONCE):
        for batch in engine.batches(visits(engine, share, least)):
            if batch.num_rows:
                yield of_days(batch)


def of_days(batch: pa.RecordBatch) -> pa.Table:
    """A batch of `visits` as sketches."""
    rows = batch.num_rows
    day = batch["day"].to_numpy(zero_copy_only=False)
    offsets, packed = lists(batch["packed"])
    row = np.repeat(np.arange(rows), np.diff(offsets))
    packed = packed[np.lexsort((packed, row))]
    at = (packed >> 40) + day[row] * DAY
    sent = (packed & ((1 << 40) - 1)) - 1
    inside = np.flatnonzero(row[1:] == row[:-1])
    gaps = counted(row[inside], bin_of(at[inside + 1] - at[inside]), np.ones(len(inside), np.int64))
    known = np.flatnonzero(sent >= 0)
    sizes = counted(row[known], bin_of(sent[known]), np.ones(len(known), np.int64))
    hours = np.unique(row * 24 + (packed >> 40) // HOUR) // 24
    one_guid = pc.equal(batch["guid"], batch["guid_max"])
    kind = pc.coalesce(pc.binary_join_element_wise(batch["table"], batch["code"], ":"), batch["table"])
    columns = {
        **{name: batch[name] for name in KEYS},
        "visits": batch["visits"],
        "events": batch["events"],
        "first": at[offsets[:-1]],
        "last": at[offsets[1:] - 1],
        "days": np.ones(rows, np.int64),
        "hours": np.bincount(hours, minlength=rows),
        "gaps": _listed(rows, gaps[0], gaps[1] << PACK | gaps[2]),
        "sizes": _listed(rows, sizes[0], sizes[1] << PACK | sizes[2]),
        "times": _sampled(rows, row, at),
        "id": batch["id"],
        "id_last": batch["id_max"],
        "guid": pc.if_else(one_guid, batch["guid"], pa.scalar(None, pa.string())),
        "process": batch["process"],
        "kind": kind,
    }
    return pa.table({field.name: _column(columns[field.name], field.type) for field in SKETCH}, schema=SKETCH)


def merged(parts: Sequence[pa.Table]) -> pa.Table:
    """Sketches as one row per pair, by key. Parts of a pair are joined in the order of time; the same in any order."""
    table = pa.concat_tables([SKETCH.empty_table(), *parts]).combine_chunks()
    if not len(table):
        return table
    table = table.sort_by([*((name, "ascending") for name in KEYS), ("first", "ascending"), ("last", "ascending")])
    table = table.combine_chunks()
    new = np.zeros(len(table), dtype=bool)
    new[0] = True
    for name in KEYS:
        column = table[name].chunk(0)
        new[1:] |= pc.not_equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    begins = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    ends = np.r_[begins[1:], len(table)] - 1
    number = {name: table[name].to_numpy() for name in ("visits", "events", "first", "last", "days", "hours")}
    follows = np.flatnonzero(~new)
    between = number["first"][follows] - number["last"][follows - 1]
    crossing = group[follows], bin_of(between), np.ones(len(follows), np.int64)
    columns = {name: table[name].take(pa.array(begins)) for name in (*KEYS, "id", "process", "kind")}
    columns |= {name: np.add.reduceat(number[name], begins) for name in ("visits", "events", "days", "hours")}
    columns |= {"first": number["first"][begins], "last": np.maximum.reduceat(number["last"], begins)}
    columns["gaps"] = _summed(table["gaps"], group, len(begins), crossing)
    columns["sizes"] = _summed(table["sizes"], group, len(begins), None)
    offsets, times = lists(table["times"])
    columns["times"] = _sampled(len(begins), np.repeat(group, np.diff(offsets)), times)
    columns["id_last"] = table["id_last"].take(pa.array(ends))
    guids = pc.fill_null(table["guid"], "")
    own = guids.take(pa.array(begins))
    alone = np.logical_and.reduceat(pc.equal(guids, own.take(pa.array(group))).to_numpy(), begins)
    columns["guid"] = pc.if_else(pa.array(alone), table["guid"].take(pa.array(begins)), pa.scalar(None, pa.string()))
    return pa.table({field.name: _column(columns[field.name], field.type) for field in SKETCH}, schema=SKETCH)


def lists(column: pa.Array | pa.ChunkedArray) -> tuple[Ints, Ints]:
    """A column of lists of numbers as (offsets, values): row i's are values[offsets[i]:offsets[i + 1]]."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    whole = pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole
    sizes = pc.fill_null(pc.list_value_length(whole), 0).to_numpy(zero_copy_only=False)
    return np.r_[0, np.cumsum(sizes)].astype(np.int64), whole.flatten().to_numpy(zero_copy_only=False).astype(np.int64)


def unpacked(column: pa.Array | pa.ChunkedArray) -> tuple[Ints, Ints, Ints]:
    """A column of packed bins as (row, bin, count)."""
    offsets, packed = lists(column)
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), packed >> PACK, packed & ((1 << PACK) - 1)


def _summed(column: pa.ChunkedArray, group: Ints, groups: int, more: tuple[Ints, Ints, Ints] | None) -> pa.Array:
    """Bins of rows as bins of groups, with more of them."""
    row, bins, counts = unpacked(column)
    parts = [(group[row], bins, counts)] + ([more] if more else [])
    own, bins, counts = counted(*(np.concatenate(c) for c in zip(*parts, strict=True)))
    return _listed(groups, own, bins << PACK | counts)


def _listed(rows: int, row: Ints, values: Ints) -> pa.Array:
    """Values, ascending by row, as one list per row."""
    offsets = np.r_[0, np.cumsum(np.bincount(row, minlength=rows))].astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, pa.int64()))


def _sampled(rows: int, row: Ints, at: Ints) -> pa.Array:
    """Of each row's times the TIMES with the least hash, ascending: the same whichever way parts were merged."""
    with np.errstate(over="ignore"):
        mixed = at.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
    order = np.lexsort((at, mixed, row))
    own = row[order]
    begins = np.searchsorted(own, np.arange(rows))
    kept = order[np.arange(len(own)) - begins[own] < TIMES]
    kept = kept[np.lexsort((at[kept], row[kept]))]
    return _listed(rows, row[kept], at[kept])


def _column(values: object, kind: pa.DataType) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return pa.concat_arrays(values.chunks).cast(kind) if values.num_chunks else pa.array([], kind)
    return values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)
