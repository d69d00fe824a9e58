"""STIX patterns of the store against the lake, each event and pattern once: new events against all patterns, new
patterns against all events.

What completes a pattern may lie before or after what is new. So of patterns of several observations all events are kept
for which an observation holds, and those of a host are put together again when one is added. What is met is kept as a
sighting of the last of its events, with all that it took.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.fields import profile
from vizsla.errors import LakeError
from vizsla.hit import HITS, NAMED, Met, told
from vizsla.intel.found import Found
from vizsla.intel.moments import Event
from vizsla.intel.pattern import Pattern, Seen
from vizsla.intel.patterns import PatternHit, Ready, look, matched, ready_of
from vizsla.intel.state import Room, Watching
from vizsla.nouns.event import HOST, ID, TIME

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.intel.search import Feeds
    from vizsla.lake import Lake, Scan

FILES = 16  # of kept observations, above which they are merged
MOST = 200_000  # events of a pattern's observations that are kept: beyond, what they would make is not looked for
KEPT = pa.schema([
    pa.field("by", pa.string()),
    pa.field("seen", pa.int32()),  # which of the pattern's observations
    pa.field("host", pa.string()),
    pa.field("time", pa.timestamp("us", tz="UTC")),
    pa.field("table", pa.string()),
    pa.field("id", pa.string()),
])  # fmt: skip
_AT_ONCE = 5_000  # ids looked up by one query


@dataclass(slots=True)
class Watched:
    """What a look did. `unable`: why a pattern could not be evaluated, or not in full."""

    fresh: int = 0  # patterns that were new
    events: int = 0  # events that were looked at for patterns that knew them not
    sightings: int = 0  # that are new
    unable: dict[str, str] = field(default_factory=dict)


def watch(engine: Engine, lake: Lake, patterns: Mapping[str, Pattern], feeds: Feeds | None, now: datetime) -> Watched:
    """Look for patterns (by indicator) in what they were not looked for in; keep what they met. Raises LakeError."""
    room = Room(lake)
    with room.lock:
        state = room.load()
        ready, unable = ready_of(patterns)
        done = Watched(unable=unable)
        held = state.patterns
        fresh = {name: one for name, one in ready.items() if name not in held.known}
        done.fresh = len(fresh)
        held.known = [name for name in held.known if name in ready]  # one that comes back is new
        known = {name: ready[name] for name in held.known}
        for table in lake.tables():
            done.events += _looked(engine, lake, table, held, known, fresh)
        touched = {name for name, one in ready.items() if one.found}
        found = Found(room.root / "found", feeds, now)
        if touched:
            hits = _met(room, held, ready, patterns, touched, done)
            for scan in (lake.scan(table) for table in lake.tables()):
                done.sightings += found.add(list(hits_of(engine, scan, hits)), doubtful=True)
            _keep(room, held, ready, patterns, touched)
        held.known = sorted(ready)
        held.full = sorted({*held.full} & set(ready))
        done.unable.update(dict.fromkeys(held.full, f"more than {MOST:,} events to put together"))
        state.found = found.version if state.found >= 0 or touched else state.found
        room.save(state)
        return done


def _looked(
    engine: Engine, lake: Lake, table: str, held: Watching, known: Mapping[str, Ready], fresh: Mapping[str, Ready]
) -> int:
    """The new patterns in all of a table, those known in what is new of it; how many events were looked at."""
    scan = lake.scan(table)
    before = held.tables.get(table)
    later = lake.later(scan, before) if before is not None else None
    events = 0
    if later is None:
        later = scan
    if known and later.rows:
        look(engine, later, known)
        events += later.rows
    if fresh and scan.rows:
        look(engine, scan, fresh)
        events = scan.rows
    held.tables[table] = scan.version
    return events


def _met(
    room: Room,
    held: Watching,
    ready: Mapping[str, Ready],
    patterns: Mapping[str, Pattern],
    touched: set[str],
    done: Watched,
) -> list[PatternHit]:
    """What the patterns meet for which an observation held somewhere, on the hosts where it did."""
    several = {name for name in touched if not isinstance(patterns[name].root, Seen)}
    for row in _rows(room, held, several - set(held.full)):
        found = ready[row["by"]].found
        if row["host"] in found:
            event = Event(row["time"], row["table"], row["id"])
            found[row["host"]][ready[row["by"]].seen[row["seen"]]].append(event)
    hits = []
    for name in sorted(touched):
        more, stopped = matched(name, ready[name], patterns[name])
        hits += more
        if stopped:
            done.unable[name] = stopped
    return hits


def _rows(room: Room, held: Watching, names: set[str]) -> Iterator[dict[str, Any]]:
    if not names:
        return
    wanted = pa.array(sorted(names), pa.string())
    for file in held.files:
        yield from _read(room, file).filter(pc.field("by").isin(wanted)).to_pylist()


def _read(room: Room, name: str) -> pa.Table:
    path = room.observed(name)
    try:
        with pa.OSFile(str(path)) as source:
            return pa.ipc.open_file(source).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise LakeError(
            f"what patterns observed cannot be read: {error}",
            where=str(path),
            fix=f"remove {room.root / 'state.json'}: all is looked for again",
        ) from error


def _keep(
    room: Room, held: Watching, ready: Mapping[str, Ready], patterns: Mapping[str, Pattern], touched: set[str]
) -> None:
    """Keep the events of observations, those that were kept among them; small files as one."""
    columns: dict[str, list[object]] = defaultdict(list)
    for name in sorted(touched):
        if isinstance(patterns[name].root, Seen) or name in held.full:
            continue
        one = ready[name]
        for host, by_seen in one.found.items():
            for seen, events in by_seen.items():
                for event in dict.fromkeys(events):
                    row = (name, one.seen.index(seen), host, event.time, event.table, event.id)
                    for column, value in zip(KEPT.names, row, strict=True):
                        columns[column].append(value)
    if not columns:
        return
    fresh = pa.table({f.name: pa.array(columns[f.name], f.type) for f in KEPT}, schema=KEPT)
    parts = [fresh]
    if len(held.files) >= FILES:
        parts += [_read(room, name) for name in held.files]
        held.files = []
    whole = pa.concat_tables(parts).group_by(KEPT.names, use_threads=False).aggregate([]).select(KEPT.names)
    sizes = whole.group_by("by").aggregate([([], "count_all")])
    many = [by for by, n in zip(sizes["by"].to_pylist(), sizes["count_all"].to_pylist(), strict=True) if n > MOST]
    if many:
        held.full = sorted({*held.full, *many})
        whole = whole.filter(pc.invert(pc.is_in(whole["by"], pa.array(many, pa.string()))))
    name = uuid4().hex
    path = room.observed(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, KEPT) as writer:
        writer.write_table(whole.cast(KEPT))
    held.files.append(name)


def hits_of(engine: Engine, scan: Scan, hits: Sequence[PatternHit]) -> Iterator[pa.RecordBatch]:
    """Hits of patterns whose last event lies in this scan, as HITS and NAMED: each by its last event."""
    own: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    for hit in hits:
        table, last = hit.events[-1]
        if table == scan.table:
            own[last].append((hit.by, [id for _, id in hit.events]))
    if not own:
        return
    held = [
        name for name in dict.fromkeys((ID, HOST, TIME, *profile(scan.table).anchoring)) if name in scan.schema.names
    ]
    events = engine.table(scan)
    ids = sorted(own)
    for begin in range(0, len(ids), _AT_ONCE):
        wanted = events.filter(events[ID].isin(ids[begin : begin + _AT_ONCE])).select(*held)
        for batch in engine.collect(wanted).combine_chunks().to_batches():
            yield _told(batch, own, scan.table)


def _told(batch: pa.RecordBatch, own: Mapping[str, Sequence[tuple[str, list[str]]]], table: str) -> pa.RecordBatch:
    rows, by, named = [], [], []
    for row, id in enumerate(batch.column(ID).to_pylist()):
        for pattern, ids in own[id]:
            rows.append(row)
            by.append(pattern)
            named.append(ids)
    nothing = pa.array([""] * len(rows), pa.string())
    met = Met(np.array(rows, dtype=np.int64), pa.array(by, pa.string()), nothing, nothing)
    made = told(batch, met, profile(table))
    return pa.RecordBatch.from_arrays([*made.columns, pa.array(named, NAMED.type)], schema=HITS.append(NAMED))
