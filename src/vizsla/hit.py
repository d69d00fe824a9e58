"""Hits: events that a rule or an indicator met. The contract of what looks for them, and the pass that finds them.

A `Matcher` is rules or indicators prepared for one table. It looks at distinct values (a batch's text columns come
dictionary-encoded wherever values repeat) and names the rows that were met. `Hitting` runs it wherever the engine puts
it, and adds what triage needs: who, when, and the process, session or connection that an event belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from vizsla import arrow
from vizsla.analytics.rarity.encode import I64, dictionary
from vizsla.analytics.rarity.fields import Profile, profile
from vizsla.analytics.rarity.keys import keys
from vizsla.nouns.event import HOST, ID, TIME

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

TEXTS = pa.map_(pa.string(), pa.string())
FEW = 8_192  # rows of a batch from which it is looked at by itself
MANY = 32_768  # rows that small batches are put together to
CELLS = 4_000_000  # values of a batch at most
_ENCODED = pa.dictionary(pa.int32(), pa.string())

HITS = pa.schema([
    pa.field("_id", pa.string()),
    pa.field("_host", pa.string()),
    pa.field("_time", pa.timestamp("us", tz="UTC")),
    pa.field("table", pa.string()),
    pa.field("kind", pa.string()),  # of event: 'windows_sysmon:1'
    pa.field("by", pa.string()),  # the id of the rule or indicator
    pa.field("field", pa.string()),  # the native column that it met, the first where several
    pa.field("value", pa.string()),  # and what stood there
    pa.field("keys", TEXTS),  # values of the event that a correlation groups by; null for most
    # Codes of what the event belongs to, as `rarity.keys` makes them: 0 none (pid: -1).
    pa.field("guid", pa.uint64()),
    pa.field("pid", pa.int64()),
    pa.field("logon", pa.uint64()),
    pa.field("pair", pa.uint64()),
])  # fmt: skip
"""One row per event and rule (or indicator) that met it."""

NAMED = pa.field("events", pa.list_(pa.string()))
"""Beside HITS, of what several events make (a correlation, a STIX pattern): all of them; the row is of the last."""


@dataclass(frozen=True, slots=True)
class Met:
    """What a matcher found in a batch: arrays of one length. A row that two rules meet stands here twice."""

    row: I64  # places in the batch
    by: pa.Array  # string, or dictionary of strings
    field: pa.Array  # string
    value: pa.Array  # string
    keys: pa.Array | None = None  # TEXTS; None: null for all


Look = Callable[[pa.RecordBatch], Met]


class Matcher(Protocol):
    """Rules or indicators for one table: a frozen dataclass of plain data, so that it can be shipped to a worker."""

    @property
    def table(self) -> str:
        """The table that it is for."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at; those that a batch lacks come as nulls."""
        ...

    def start(self) -> Look:
        """Made once per worker (automata are built here): the function that looks at its batches, one after another.

        What it finds in a row depends on that row alone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Hitting:
    """The mapper: what a matcher meets in a table, as HITS."""

    matcher: Matcher
    schema: pa.Schema = field(default=HITS, compare=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that its batches must have."""
        own = profile(self.matcher.table)
        asked = (ID, HOST, TIME, *self.matcher.columns, *own.anchoring)
        return tuple(dict.fromkeys(asked))

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        own = profile(self.matcher.table)
        look = self.matcher.start()
        for batch in gathered(batches):
            met = look(batch)
            if len(met.row):
                yield told(batch, met, own)


def passes(
    engine: Engine,
    scans: Sequence[Scan],
    matchers: Sequence[Matcher],
    what: str,
    progress: Callable[[int, int, str], None] | None = None,
) -> Iterator[pa.RecordBatch]:
    """What matchers meet in their tables, one table after another, as HITS. `what` is told to `progress`.

    A table may stand in several scans, which share no event.
    """
    pairs = [(matcher, scan) for matcher in matchers for scan in scans if scan.table == matcher.table]
    done, total = 0, sum(scan.rows for _, scan in pairs)
    for matcher, scan in pairs:
        if progress:
            progress(done, total, f"{what} in {matcher.table}")
        mapper = Hitting(matcher)
        yield from engine.map(scan, mapper.columns, mapper)
        done += scan.rows


def told(batch: pa.RecordBatch, met: Met, own: Profile) -> pa.RecordBatch:
    """What was met, with its event's place in time and in its episode."""
    rows, back = np.unique(met.row, return_inverse=True)
    held = batch.select([n for n in dict.fromkeys((ID, HOST, TIME, *own.anchoring)) if n in batch.schema.names])
    part = held.take(pa.array(rows))
    tied = keys(part, own)
    again = pa.array(back)
    columns = {
        **{name: arrow.plain(part.column(name)).take(again) for name in (ID, HOST, TIME)},
        "table": pa.repeat(own.table, len(met.row)),
        "kind": _kinds(part, own).take(again),
        "by": arrow.plain(met.by),
        "field": arrow.plain(met.field),
        "value": arrow.plain(met.value),
        "keys": pa.nulls(len(met.row), TEXTS) if met.keys is None else met.keys,
        "guid": pa.array(tied.guid[back]),
        "pid": pa.array(tied.pid[back]),
        "logon": pa.array(tied.logon[back]),
        "pair": pa.array(tied.pair[back]),
    }
    return pa.RecordBatch.from_arrays([columns[f.name].cast(f.type) for f in HITS], schema=HITS)


def _kinds(part: pa.RecordBatch, own: Profile) -> pa.Array:
    if not own.kind or own.kind not in part.schema.names:
        return pa.repeat(own.kind_of(""), part.num_rows)
    distinct, places = dictionary(part.column(own.kind))
    names = [own.kind_of("" if name is None else name) for name in distinct.to_pylist()]
    return pa.array([*names, own.kind_of("")]).take(pa.array(np.where(places < 0, len(names), places)))


def gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Small batches put together: a table of many small files brings few rows in each, and each batch has its price."""
    held: list[pa.RecordBatch] = []
    rows = cells = 0
    for batch in batches:
        size = batch.num_rows
        if not size:
            continue
        small = size < FEW
        batch = _encoded(batch) if small else batch
        full = rows >= MANY or cells + size * batch.num_columns > CELLS
        if held and (full or not small or not batch.schema.equals(held[0].schema)):
            yield _together(held)
            held, rows, cells = [], 0, 0
        if not small:
            yield batch
            continue
        held.append(batch)
        rows, cells = rows + size, cells + size * batch.num_columns
    if held:
        yield _together(held)


def _encoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """All texts dictionary-encoded: files differ in which columns they bring so."""
    columns = [column.cast(_ENCODED) if _is_text(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _together(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Several batches of one schema as one; what is dictionary-encoded has one dictionary."""
    if len(batches) == 1:
        return batches[0]
    whole = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
    return pa.RecordBatch.from_arrays([column.chunk(0) for column in whole.columns], schema=whole.schema)
