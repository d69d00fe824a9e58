"""New indicators against all events, and new events against all indicators: each pair once.

Events that were looked at leave behind what runs there were, column by column and day by day (`seen`). A new indicator
is looked up there; only the days and columns in which it may stand are read again. New events are asked for all
indicators. What is found is kept: `sightings` reads it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.hit import Hitting
from vizsla.intel.candidates import Candidates, candidates
from vizsla.intel.columns import every_type, looked, texts
from vizsla.intel.found import Found
from vizsla.intel.match import IndicatorMatcher
from vizsla.intel.runs import codes_of
from vizsla.intel.seeking import Seeking, parted
from vizsla.intel.state import Done, Room, State
from vizsla.intel.wanted import INDICATORS, build, load
from vizsla.nouns.event import DAY

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Lake, Scan

SETS = 6  # of indicators, beyond which small ones are put together
AT_ONCE = 500_000  # sightings that are held before they are written
Feeds = Callable[[Sequence[str]], Mapping[str, Sequence[str]]]
"""For indicators' ids, which feeds name them."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search did."""

    fresh: int = 0  # indicators that were new
    events: int = 0  # events that were looked at for the first time
    again: int = 0  # events that were read again for new indicators
    sightings: int = 0  # that are new


def search(
    engine: Engine,
    lake: Lake,
    indicators: pa.Table,
    *,
    retired: Sequence[str] = (),
    feeds: Feeds | None = None,
    now: datetime | None = None,
    store: int = 0,
) -> Searched:
    """Look for indicators (id, type, value; known ones among them cost nothing) in what they were not looked for in.

    `retired`: ids that are to be looked for no more. `store`: the version of the indicator store that is kept as the
    one asked for. Safe to run again after a crash: nothing is found twice. Raises FeedError, LakeError, EngineError.
    """
    room = Room(lake)
    with room.lock:
        state = room.load()
        found = Found(room.root / "found", feeds, now or datetime.now(UTC))
        new = _new(state, room, indicators)
        back = set(new.column("id").to_pylist()) & set(state.retired) if state.retired else set()
        doubtful = bool(back) or found.version != state.found
        state.retired = sorted((set(state.retired) | set(retired)) - back)
        if new.num_rows:
            state.sets.append(build(new, room.wanted).name)
        done = Searched(fresh=new.num_rows)
        for table in lake.tables():
            done = _searched(engine, lake, room, state, found, table, done, doubtful=doubtful)
        state.store = store or state.store
        _merge(state, room)
        room.save(state)
        return done


def last_store(lake: Lake) -> int:
    """The version of the indicator store up to which all events were asked; 0 where none was, or not in full."""
    return Room(lake).load().store


def _new(state: State, room: Room, indicators: pa.Table) -> pa.Table:
    """The indicators of which no set has any, or that come back; each once."""
    table = indicators.select(INDICATORS.names).cast(INDICATORS)
    ids = codes_of(table.column("id").combine_chunks())
    fresh = np.ones(len(ids), dtype=bool)
    for name in state.sets:
        known = load(str(room.wanted / name)).ids
        if len(known):
            fresh &= known[np.minimum(np.searchsorted(known, ids), len(known) - 1)] != ids
    if state.retired:
        fresh |= np.asarray(pc.is_in(table.column("id"), pa.array(state.retired, pa.string())))
    _, first = np.unique(ids, return_index=True)
    once = np.zeros(len(ids), dtype=bool)
    once[first] = True
    return table.filter(pa.array(fresh & once))


def _searched(
    engine: Engine, lake: Lake, room: Room, state: State, found: Found, table: str, so_far: Searched, *, doubtful: bool
) -> Searched:
    """One table: what is new of it, and what is new for it. The state is saved after what was found."""
    scan = lake.scan(table)
    done = state.tables.get(table)
    later = lake.later(scan, done.version) if done is not None else None
    if done is None or later is None:
        done, later, doubtful = Done(version=-1), scan, doubtful or done is not None
        old = None
    else:
        old = scan
    missing = [name for name in state.sets if name not in done.sets]
    count = 0
    again = 0
    if old is not None and missing and done.seen:
        for part, matcher, folder in _again(old, room, done, missing):
            again += part.rows
            with folder:
                mapper = Hitting(matcher)
                stream = engine.map(part, mapper.columns, mapper)
                count += _kept(found, (hits for hits in stream), state, doubtful=True)
    if later.rows:
        columns = looked(table, texts(later.schema), every_type())
        seeking = Seeking(IndicatorMatcher(table, columns, tuple(str(room.wanted / name) for name in state.sets)))
        seen: list[pa.RecordBatch] = []
        stream = engine.map(later, seeking.columns, seeking)
        count += _kept(found, _hits(stream, seen), state, doubtful=doubtful or again > 0)
        name = uuid4().hex
        room.keep_seen(table, name, seen)
        done.seen.append(name)
    done.version, done.sets = scan.version, list(state.sets)
    state.tables[table], state.found = done, found.version
    room.save(state)
    return Searched(so_far.fresh, so_far.events + later.rows, so_far.again + again, so_far.sightings + count)


def _hits(stream: Iterator[pa.RecordBatch], seen: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The hits of a pass; what was seen goes into `seen`."""
    for hits, told in parted(stream):
        if hits is not None:
            yield hits
        elif told is not None:
            seen.append(told)


def _kept(found: Found, stream: Iterator[pa.RecordBatch], state: State, *, doubtful: bool) -> int:
    """Write the hits, but those of retired indicators; say how many are new."""
    retired = pa.array(state.retired, pa.string())
    held: list[pa.RecordBatch] = []
    size = count = 0
    for hits in stream:
        batch = hits.filter(pc.invert(pc.is_in(hits.column("by"), retired))) if len(retired) else hits
        held.append(batch)
        size += batch.num_rows
        if size >= AT_ONCE:
            count += found.add(held, doubtful=doubtful)
            held, size = [], 0
            doubtful = True  # the same event may come again with the next share
    return count + found.add(held, doubtful=doubtful)


def _again(
    scan: Scan, room: Room, done: Done, missing: Sequence[str]
) -> Iterator[tuple[Scan, IndicatorMatcher, TemporaryDirectory[str]]]:
    """Of a table the days and columns in which new indicators may stand, and what looks for them there."""
    columns = looked(scan.table, texts(scan.schema), every_type())
    for name in missing:
        wanted = load(str(room.wanted / name))
        near = candidates(wanted, scan.table, columns, partial(room.told, scan.table, done.seen))
        if not near:
            continue
        part = _of_days(scan, near)
        scratch = TemporaryDirectory(prefix="vizsla-again-")
        asked = build(wanted.of(np.array(sorted(near.numbers), dtype=np.int64)), Path(scratch.name))
        held = tuple(column for column in columns if near.columns is None or column.name in near.columns)
        yield part, IndicatorMatcher(scan.table, held, (str(asked),)), scratch


def _of_days(scan: Scan, near: Candidates) -> Scan:
    if near.days is None:
        return scan
    from vizsla.engines._parquet import partition_of

    files = tuple(file for file in scan.files if (partition_of(file, DAY) or "") in near.days)
    days = tuple(sorted(near.days)) if scan.days is None else tuple(day for day in scan.days if day in near.days)
    return replace(scan, files=files, days=days, rows=_rows(files))


def _rows(files: Sequence[str]) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(file).num_rows for file in files)


def _merge(state: State, room: Room) -> None:
    """Small sets as one, so that an event is asked for a few, however often indicators come."""
    if len(state.sets) <= SETS:
        return
    by_size = sorted(state.sets, key=lambda name: load(str(room.wanted / name)).size)
    small = by_size[:-1]
    tables = [load(str(room.wanted / name)).indicators for name in small]
    every = pa.concat_tables(tables)
    _, first = np.unique(codes_of(every.column("id").combine_chunks()), return_index=True)
    merged = build(every.take(pa.array(np.sort(first))), room.wanted).name
    state.sets = [by_size[-1], merged]
    for done in state.tables.values():
        if set(small) <= set(done.sets):
            done.sets = [name for name in done.sets if name not in small] + [merged]
