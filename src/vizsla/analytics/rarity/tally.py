"""The first pass over the events: what occurs, how often, where and when, without keeping the events themselves.

A `Tally` runs wherever the engine puts it and yields parts that merge in any order:
  unit   one row per distinct pattern of a type of event, host and hour, with the number of events
  word   what the codes in the units stand for
  tie    for host-days of the sample: patterns by episode key (process, logon session, pair) and ten minutes
  start  process starts on those host-days
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from vizsla.analytics.rarity.encode import HOUR, I64, NO_TIME, NOTHING, U64, Encoder, Rows, code_of, mixed
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.keys import NO_PID, Keys, keys, starts

PART = pa.schema([("part", pa.string()), ("kind", pa.string()), ("data", pa.binary())])
SLICE = 600_000_000  # ten minutes in microseconds
DAY = 86_400_000_000
MERGE_AT = 600_000  # rows kept of a part before they are merged
FIELD = "f:"  # prefix of field columns in unit tables


def packed(part: str, kind: str, table: pa.Table) -> pa.RecordBatch:
    """A part as one row that any engine can carry."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data = pa.array([sink.getvalue().to_pybytes()], pa.binary())
    return pa.RecordBatch.from_arrays([pa.array([part]), pa.array([kind]), data], schema=PART)


def unpacked(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[str, str, pa.Table]]:
    """The parts in a stream: (part, kind, table)."""
    for batch in batches:
        for row in batch.to_pylist():
            yield row["part"], row["kind"], pa.ipc.open_stream(row["data"]).read_all()


def sampled(host: U64, day: I64, share: float) -> np.ndarray:
    """Which rows lie on a host-day of the sample: chosen by hash, so that every worker chooses alike."""
    if share >= 1:
        return np.ones(len(host), dtype=bool)
    return mixed(host, day.astype(np.uint64)) < np.uint64(int(share * 2.0**64))


@dataclass(frozen=True, slots=True)
class Tally:
    """The mapper of the first pass, for one table. `share` of the host-days go into the sample."""

    table: str
    share: float = 1.0
    schema: pa.Schema = field(default=PART, compare=False)

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        encoder = Encoder(profile(self.table))
        units: dict[str, Heap] = {}
        ties, begun = Heap(TIE_KEY, TIE_SUM), Heap(START_KEY, START_SUM)
        for batch in batches:
            if not batch.num_rows:
                continue
            tied = keys(batch, encoder.profile)
            for rows in encoder.rows(batch):
                units.setdefault(rows.kind, Heap(UNIT_KEY, UNIT_SUM)).add(unit_columns(rows))
                chosen = sampled(rows.host, rows.time // DAY, self.share) & (rows.time != NO_TIME)
                if chosen.any():
                    ties.add(tie_columns(rows, tied, chosen))
                    add_starts(begun, batch, rows, tied, chosen)
            if len(encoder.words) > MERGE_AT:
                yield from flushed(units, encoder)
        yield from flushed(units, encoder)
        if ties.chunks:
            yield packed("tie", self.table, ties.table())
        if begun.chunks:
            yield packed("start", self.table, begun.table())


def flushed(units: dict[str, Heap], encoder: Encoder) -> Iterator[pa.RecordBatch]:
    """The units so far and the words they use; both start anew."""
    for kind, heap in units.items():
        yield packed("unit", kind, heap.table())
    if encoder.words:
        yield packed("word", "", pa.table({
            "code": pa.array(np.fromiter(encoder.words.keys(), np.uint64, len(encoder.words))),
            "word": pa.array(list(encoder.words.values()), pa.string()),
        }))  # fmt: skip
    units.clear()
    encoder.forget()


# Columns by which rows of a part are the same row, and how the others merge.
UNIT_KEY = ("host", "hour", "pattern")
UNIT_SUM = {"n": "sum", "first": "min", "last": "max"}
TIE_KEY = ("host", "slice", "guid", "pid", "logon", "pair", "kind", "pattern")
TIE_SUM = {"n": "sum", "time": "min"}
START_KEY = ("host", "guid", "pid", "parent_guid", "parent_pid", "launched", "when", "known")
START_SUM = {"time": "min"}


def unit_columns(rows: Rows) -> dict[str, np.ndarray]:
    """One row per event; merged, one per distinct pattern, host and hour."""
    timeless = rows.time == NO_TIME
    return {
        "host": rows.host,
        "hour": rows.hour,
        "pattern": rows.pattern,
        "actor": rows.actor,
        "n": np.ones(len(rows.at), dtype=np.int64),
        "first": np.where(timeless, np.iinfo(np.int64).max, rows.time),
        "last": rows.time,
        **{FIELD + name: codes for name, codes in rows.fields.items()},
    }


def tie_columns(rows: Rows, tied: Keys, chosen: np.ndarray) -> dict[str, np.ndarray]:
    """One row per event of the sample, with its episode keys."""
    at = rows.at[chosen]
    guid, time = tied.guid[at], rows.time[chosen]
    known = guid != NOTHING
    return {
        "host": rows.host[chosen],
        "slice": time // SLICE,
        "guid": guid,
        "pid": np.where(known, NO_PID, tied.pid[at]),
        "logon": np.where(known, NOTHING, tied.logon[at]),
        "pair": tied.pair[at],
        "kind": np.full(len(at), code_of(rows.kind), dtype=np.uint64),
        "pattern": rows.pattern[chosen],
        "time": time,
        "n": np.ones(len(at), dtype=np.int64),
    }


def add_starts(heap: Heap, batch: pa.RecordBatch, rows: Rows, tied: Keys, chosen: np.ndarray) -> None:
    """Process starts, and the pairings of a GUID with a pid (`known`: not a start), since pids are used again.

    Of a pairing the first in an hour is kept, whichever batches its events came in.
    """
    at = rows.at[chosen]
    begun = starts(batch, at, rows.kind)
    if begun is not None:
        heap.add({
            "host": rows.host[chosen], "guid": tied.guid[at], "pid": begun.pid, "parent_guid": begun.parent_guid,
            "parent_pid": begun.parent_pid, "launched": begun.launched.astype(np.int64), "when": rows.time[chosen],
            "known": np.zeros(len(at), dtype=np.int64), "time": rows.time[chosen],
        })  # fmt: skip
        return
    both = (tied.guid[at] != NOTHING) & (tied.pid[at] != NO_PID)
    if both.any():
        at, time = at[both], rows.time[chosen][both]
        nothing, no_pid = np.zeros(len(at), dtype=np.uint64), np.full(len(at), NO_PID)
        heap.add({
            "host": rows.host[chosen][both], "guid": tied.guid[at], "pid": tied.pid[at],
            "parent_guid": nothing, "parent_pid": no_pid, "launched": np.zeros(len(at), dtype=np.int64),
            "when": time // HOUR, "known": np.ones(len(at), dtype=np.int64), "time": time,
        })  # fmt: skip


class Heap:
    """Rows that merge when their keys are equal; kept small by merging every now and then."""

    def __init__(self, key: tuple[str, ...], merge: dict[str, str]) -> None:
        self.key, self.merge = key, merge
        self.chunks: list[dict[str, np.ndarray]] = []
        self.size = 0  # rows since the last merging of all
        self.whole = 0  # rows that it left

    def add(self, columns: dict[str, np.ndarray]) -> None:
        """More rows; equal ones within them merge at once."""
        merged = merge_rows(columns, self.key, self.merge)
        self.chunks.append(merged)
        self.size += len(merged[self.key[0]])
        # Merging again costs a sort of everything: worth it only once as much has come since.
        if self.size > max(MERGE_AT, self.whole) and len(self.chunks) > 1:
            self.chunks = [merge_rows(joined(self.chunks), self.key, self.merge)]
            self.size, self.whole = 0, len(self.chunks[0][self.key[0]])

    def columns(self) -> dict[str, np.ndarray]:
        """All rows, merged."""
        if len(self.chunks) > 1:
            self.chunks = [merge_rows(joined(self.chunks), self.key, self.merge)]
        return self.chunks[0]

    def table(self) -> pa.Table:
        """All rows, merged, as Arrow."""
        return pa.table(self.columns())


def joined(chunks: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Chunks one below the other; a column that a chunk lacks is filled with zeros."""
    names = dict.fromkeys(name for chunk in chunks for name in chunk)
    sizes = [len(next(iter(chunk.values()))) for chunk in chunks]
    kinds = {name: next(c[name].dtype for c in chunks if name in c) for name in names}
    return {
        name: np.concatenate([c.get(name, np.zeros(s, kinds[name])) for c, s in zip(chunks, sizes, strict=True)])
        for name in names
    }


def merge_rows(columns: dict[str, np.ndarray], key: tuple[str, ...], merge: dict[str, str]) -> dict[str, np.ndarray]:
    """Rows with equal keys as one: columns of `merge` are summed, or their least or greatest kept; others agree."""
    combined = mixed(*(columns[name].astype(np.uint64, copy=False) for name in key))
    order = np.argsort(combined, kind="stable")
    ordered = combined[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(order) else np.zeros(0, np.int64)
    how = {"sum": np.add, "min": np.minimum, "max": np.maximum}
    return {
        name: how[merge[name]].reduceat(values[order], begins)
        if name in merge and len(order)
        else values[order[begins]]
        for name, values in columns.items()
    }
