"""The first pass over the events: what occurs, how often, where and when, without keeping the events themselves.

A `Tally` runs wherever the engine puts it and yields parts that merge in any order:
  unit   one row per distinct pattern of a type of event, host and hour, with the number of events
  word   what the codes in the units stand for
  tie    for host-days of the sample: patterns by episode key (process, logon session, pair) and ten minutes
  start  process starts on those host-days
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from vizsla.analytics.rarity.encode import HOUR, I64, NO_TIME, NOTHING, U64, Encoder, Rows, code_of, mixed
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.keys import NO_PID, STARTING, Keys, keys, starts

PART = pa.schema([("part", pa.string()), ("kind", pa.string()), ("data", pa.binary())])
SLICE = 600_000_000  # ten minutes in microseconds
DAY = 86_400_000_000
MERGE_AT = 600_000  # rows kept of a part before they are merged
HANDED_AT = 200_000  # rows of a part that hardly merges before it is handed on
UNITS_AT = 400_000  # units, of all kinds, before they are handed on
AT_ONCE = 131_072  # codes looked up at once, so that what is worked on stays near the processor
FIELD = "f:"  # prefix of field columns in unit tables


def packed(part: str, kind: str, table: pa.Table) -> pa.RecordBatch:
    """A part as one row that any engine can carry."""
    room = pa.MockOutputStream()
    for sink in (room, None):
        if sink is None:  # known by now how much is needed: it is written to its place at once
            body = pa.allocate_buffer(room.size())
            sink = pa.FixedSizeBufferWriter(body)
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    ends = pa.py_buffer(np.array([0, body.size], dtype=np.int32))
    data = pa.Array.from_buffers(pa.binary(), 1, [None, ends, body])  # as it is, not copied
    return pa.RecordBatch.from_arrays([pa.array([part]), pa.array([kind]), data], schema=PART)


def unpacked(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[str, str, pa.Table]]:
    """The parts in a stream: (part, kind, table)."""
    for batch in batches:
        for part, kind, data in zip(*(batch.column(name) for name in PART.names), strict=True):
            yield part.as_py(), kind.as_py(), pa.ipc.open_stream(data.as_buffer()).read_all()


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
        ties, begun = Ties(), Starts()
        for batch in batches:
            if not batch.num_rows:
                continue
            tied = keys(batch, encoder.profile)
            for rows in encoder.rows(batch):
                units.setdefault(rows.kind, Heap(UNIT_KEY, UNIT_SUM)).merged(unit_columns(rows))
                chosen = sampled(rows.host, rows.time // DAY, self.share) & (rows.time != NO_TIME)
                if chosen.any():
                    columns = tie_columns(rows, tied, chosen)
                    yield from ties.add(self.table, columns, own_process=rows.kind in STARTING)
                    yield from begun.add(self.table, batch, rows, tied, chosen)
            if sum(heap.size for heap in units.values()) > UNITS_AT:
                yield from flushed(units)
            if len(encoder.words) > MERGE_AT:
                yield told(encoder)
        yield from flushed(units)
        yield told(encoder)
        yield from ties.flushed(self.table)
        yield from begun.flushed(self.table)


def flushed(units: dict[str, Heap]) -> Iterator[pa.RecordBatch]:
    """The units so far; they start anew."""
    for kind in list(units):
        yield packed("unit", kind, units.pop(kind).table())


def told(encoder: Encoder) -> pa.RecordBatch:
    """What the codes so far stand for, which the encoder forgets."""
    codes = pa.array(np.fromiter(encoder.words.keys(), np.uint64, len(encoder.words)))
    words = pa.array(list(encoder.words.values()), pa.string())
    encoder.forget()
    return packed("word", "", pa.table({"code": codes, "word": words}))


# Columns by which rows of a part are the same row, and how the others merge.
UNIT_KEY = ("host", "hour", "pattern")
UNIT_SUM = {"n": "sum", "first": "min", "last": "max"}
TIE_KEY = ("host", "slice", "guid", "pid", "logon", "pair", "kind", "pattern")
TIE_SUM = {"n": "sum", "time": "min"}
TIE_TYPES = {"slice": np.int64, "pid": np.int64, **dict.fromkeys(TIE_SUM, np.int64)}
NO_TIES = {name: np.zeros(0, TIE_TYPES.get(name, np.uint64)) for name in (*TIE_KEY, *TIE_SUM)}
START_KEY = ("host", "guid", "pid", "parent_guid", "parent_pid", "launched", "when", "known")
START_SUM = {"time": "min"}


def unit_columns(rows: Rows) -> dict[str, np.ndarray]:
    """One row per distinct pattern, host and hour."""
    hour = rows.hour
    order, begins = groups(mixed(rows.host, hour.view(np.uint64), rows.pattern))
    lead = order[begins]
    time = rows.time[order]
    return {
        "host": rows.host[lead],
        "hour": hour[lead],
        "pattern": rows.pattern[lead],
        "actor": rows.actor[lead],
        "n": np.diff(np.append(begins, len(order))),
        "first": np.minimum.reduceat(np.where(time == NO_TIME, np.iinfo(np.int64).max, time), begins),
        "last": np.maximum.reduceat(time, begins),
        **{FIELD + name: column.rows(rows.at[lead]) for name, column in rows.coded.items()},
    }


def tie_columns(rows: Rows, tied: Keys, chosen: np.ndarray) -> dict[str, np.ndarray]:
    """One row per event of the sample, with its episode keys."""
    if chosen.all():
        chosen = np.arange(len(chosen))
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


class Ties:
    """Ties on their way: those of a process named by GUID apart, as their episode does not hang on their time.

    Where every tie has a process of its own, as when processes start, nothing merges: then they are handed on as
    they are, and only those that have something to say are merged, by whoever looks at them.
    """

    def __init__(self) -> None:
        self.named, self.others = Heap(TIE_KEY, TIE_SUM), Heap(TIE_KEY, TIE_SUM)

    def add(self, table: str, columns: dict[str, np.ndarray], *, own_process: bool) -> Iterator[pa.RecordBatch]:
        """More ties; those of which there are too many to keep. `own_process`: each is of another process."""
        named = columns["guid"] != NOTHING
        if named.any():
            own = columns if named.all() else chosen_of(columns, named)
            (self.named.merged if own_process else self.named.add)(own)
        if not named.all():
            self.others.add(chosen_of(columns, ~named))
        if self.named.size > HANDED_AT:
            yield packed("tie", table, self.named.handed(unmerged=True))

    def flushed(self, table: str) -> Iterator[pa.RecordBatch]:
        """All that are left."""
        if self.named.chunks:
            yield packed("tie", table, self.named.handed(unmerged=True))
        if self.others.chunks:
            yield packed("tie", table, self.others.handed())


class Starts:
    """Process starts on their way, and the pairings of a GUID with a pid (`known`: not a start), since pids are used
    again. Of a pairing the first in an hour is kept, whichever batches its events came in."""

    def __init__(self) -> None:
        self.starts, self.pairings = Heap(START_KEY, START_SUM), Heap(START_KEY, START_SUM)

    def add(
        self, table: str, batch: pa.RecordBatch, rows: Rows, tied: Keys, chosen: np.ndarray
    ) -> Iterator[pa.RecordBatch]:
        """More of them; those of which there are too many to keep."""
        at, host, time = rows.at[chosen], rows.host[chosen], rows.time[chosen]
        begun = starts(batch, at, rows.kind)
        if begun is not None:
            self.starts.merged({
                "host": host, "guid": tied.guid[at], "pid": begun.pid, "parent_guid": begun.parent_guid,
                "parent_pid": begun.parent_pid, "launched": begun.launched.astype(np.int64), "when": time,
                "known": np.zeros(len(at), dtype=np.int64), "time": time,
            })  # fmt: skip
            if self.starts.size > HANDED_AT:
                yield packed("start", table, self.starts.handed(unmerged=True))
            return
        both = (tied.guid[at] != NOTHING) & (tied.pid[at] != NO_PID)
        if both.any():
            at, host, time = at[both], host[both], time[both]
            nothing, no_pid = np.zeros(len(at), dtype=np.uint64), np.full(len(at), NO_PID)
            self.pairings.add({
                "host": host, "guid": tied.guid[at], "pid": tied.pid[at],
                "parent_guid": nothing, "parent_pid": no_pid, "launched": np.zeros(len(at), dtype=np.int64),
                "when": time // HOUR, "known": np.ones(len(at), dtype=np.int64), "time": time,
            })  # fmt: skip

    def flushed(self, table: str) -> Iterator[pa.RecordBatch]:
        """All that are left."""
        if self.starts.chunks:
            yield packed("start", table, self.starts.handed(unmerged=True))
        if self.pairings.chunks:
            yield packed("start", table, self.pairings.handed())


def chosen_of(columns: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, np.ndarray]:
    """These rows of all columns."""
    return {name: values[rows] for name, values in columns.items()}


class Heap:
    """Rows that merge when their keys are equal; kept small by merging every now and then."""

    def __init__(self, key: tuple[str, ...], merge: dict[str, str]) -> None:
        self.key, self.merge = key, merge
        self.chunks: list[dict[str, np.ndarray]] = []
        self.size = 0  # rows since the last merging of all
        self.whole = 0  # rows that it left

    def add(self, columns: dict[str, np.ndarray]) -> None:
        """More rows; equal ones within them merge at once."""
        self.merged(merge_rows(columns, self.key, self.merge))
        # Merging again costs a sort of everything: worth it only once as much has come since.
        if self.size > max(MERGE_AT, self.whole) and len(self.chunks) > 1:
            self._merge()
            self.size, self.whole = 0, len(self.chunks[0][self.key[0]])

    def merged(self, columns: dict[str, np.ndarray]) -> None:
        """More rows, of which no two are equal."""
        self.chunks.append(dict(columns))
        self.size += len(columns[self.key[0]])

    def columns(self) -> dict[str, np.ndarray]:
        """All rows, merged."""
        if len(self.chunks) > 1:
            self._merge()
        return self.chunks[0]

    def _merge(self) -> None:
        """All chunks as one. Column by column, each let go once it is copied: all of them twice would be much."""
        whole = joined(self.chunks, drain=True)
        self.chunks = [merge_rows(whole, self.key, self.merge, drain=True)]

    def table(self) -> pa.Table:
        """All rows, merged, as Arrow."""
        return pa.table(self.columns())

    def handed(self, *, unmerged: bool = False) -> pa.Table:
        """All rows as Arrow, merged unless told otherwise; the heap is empty thereafter."""
        made = pa.table(joined(self.chunks) if unmerged else self.columns())
        self.chunks, self.size, self.whole = [], 0, 0
        return made


class Gathered:
    """Ties or starts from everywhere. Those of a process named by GUID are not merged (but for its pairings with a
    pid): few of them are ever looked at, and merging them all is a sort of everything. Columns of one value
    throughout take no room."""

    def __init__(self, key: tuple[str, ...], merge: dict[str, str]) -> None:
        self.named: list[dict[str, np.ndarray]] = []
        self.others = Heap(key, merge)

    def add(self, columns: dict[str, np.ndarray]) -> None:
        """More rows."""
        named = columns["guid"] != NOTHING
        if "known" in columns:
            named &= columns["known"] == 0
        if named.all():
            # Copied, so that each column goes by itself: they came as one piece of memory.
            self.named.append({name: _narrow(values) for name, values in columns.items()})
            return
        if named.any():
            self.add(chosen_of(columns, named))
        self.others.add(chosen_of(columns, ~named))

    def columns(self) -> dict[str, np.ndarray]:
        """All rows; {} where there are none. They are held here no longer."""
        chunks = [*self.named, *([self.others.columns()] if self.others.chunks else [])]
        self.named, self.others.chunks = [], []
        made = {}
        for name in list(chunks[0]) if chunks else []:
            parts = [chunk.pop(name) for chunk in chunks]
            same = all(part.strides == (0,) and part[0] == parts[0][0] for part in parts)
            size = sum(len(part) for part in parts)
            made[name] = np.broadcast_to(parts[0][:1], size) if same else np.concatenate(parts)
        return made


def _narrow(values: np.ndarray) -> np.ndarray:
    """A copy of these values; where all are one, without their weight."""
    same = values[0] == values[-1] and bool((values == values[0]).all())
    return np.broadcast_to(values[:1].copy(), len(values)) if same else values.copy()


def located(ordered: U64, codes: U64) -> I64:
    """Where each code stands among ascending, distinct codes that are hashes; -1 where it does not.

    Hashes are spread evenly: their first bits tell where to look, which is many times faster than halving.
    """
    if not len(ordered):
        return np.full(len(codes), -1, dtype=np.int64)
    size = len(ordered)
    fine = min(max(size.bit_length(), 1), 24)
    shift = np.uint64(64 - fine)
    begins = np.searchsorted(ordered, np.arange(1 << fine, dtype=np.uint64) << shift).astype(np.int32)
    found = np.empty(len(codes), dtype=np.int64)
    for first in range(0, len(codes), AT_ONCE):
        wanted = codes[first : first + AT_ONCE]
        place = begins[(wanted >> shift).astype(np.int64)].astype(np.int64)
        at = np.minimum(place, size - 1)
        held = ordered[at]
        left = np.flatnonzero((held < wanted) & (place < size))
        while len(left):
            at[left] += 1
            left = left[at[left] < size]
            held[left] = ordered[at[left]]
            left = left[held[left] < wanted[left]]
        at = np.minimum(at, size - 1)
        found[first : first + AT_ONCE] = np.where(ordered[at] == wanted, at, -1)
    return found


def joined(chunks: list[dict[str, np.ndarray]], *, drain: bool = False) -> dict[str, np.ndarray]:
    """Chunks one below the other; a column that a chunk lacks is filled with zeros. `drain`: the chunks are let go,
    column by column."""
    if len(chunks) == 1:
        return chunks[0]
    names = dict.fromkeys(name for chunk in chunks for name in chunk)
    sizes = [len(next(iter(chunk.values()))) for chunk in chunks]
    kinds = {name: next(c[name].dtype for c in chunks if name in c) for name in names}
    made = {}
    for name in names:
        parts = [c.get(name, np.zeros(s, kinds[name])) for c, s in zip(chunks, sizes, strict=True)]
        made[name] = np.concatenate(parts)
        if drain:
            for chunk in chunks:
                chunk.pop(name, None)
    return made


def stacked(parts: Iterable[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Parts of a tally one below the other, as `joined`; those that are {} are none, and so is what is made of none."""
    some = [dict(part) for part in parts if part]
    return joined(some) if some else {}


def groups(codes: U64) -> tuple[I64, I64]:
    """An order in which equal codes stand together, and where in it each run of them begins."""
    order = np.argsort(codes)
    ordered = codes[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(order) else np.zeros(0, np.int64)
    return order, begins


def merge_rows(
    columns: Mapping[str, np.ndarray], key: tuple[str, ...], merge: Mapping[str, str], *, drain: bool = False
) -> dict[str, np.ndarray]:
    """Rows with equal keys as one, in the order of a hash of these: columns of `merge` are summed, or their least or
    greatest kept; others agree. `drain`: the columns (of a dict) are let go one by one."""
    order, begins = groups(mixed(*(columns[name].astype(np.uint64, copy=False) for name in key)))
    how = {"sum": np.add, "min": np.minimum, "max": np.maximum}
    lead = order if len(begins) == len(order) else order[begins]
    made = {}
    for name in list(columns):
        values = columns.pop(name) if drain and isinstance(columns, dict) else columns[name]
        same = name not in merge or lead is order
        made[name] = values[lead] if same else how[merge[name]].reduceat(values[order], begins)
    return made
