"""The first few events of an unusual hour, of its busiest ten minutes: asked for of unusual hours alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.nouns.event import HOST, ID, TIME
from vizsla.view import named
from vizsla.volume.counting import HOUR, of_view, relation
from vizsla.volume.measures import TABLES, Measure

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Scan

FIRST = 5  # events
TENTHS = 600_000_000  # microseconds: ten minutes, the slice in which triage ties what has no process or session
AT_ONCE = 2_000  # hosts, entities or hours within one question
TIES = {"process.name": "process.entity_id", "source.ip": "destination.ip"}  # by entity, what ties its events
Cell = tuple[str, str, int]  # host, entity, hour


@dataclass(frozen=True, slots=True)
class First:
    """Of a cell: the first events of its busiest ten minutes, the time of the first (microseconds), and what ties
    them to an episode: the process of the first, or the one address that all went to."""

    time: int
    ids: tuple[str, ...]
    tie: str | None


def first_events(engine: Engine, scans: Sequence[Scan], measure: Measure, wanted: Sequence[Cell]) -> dict[Cell, First]:
    """The first events of each cell that was asked for."""
    found: dict[Cell, First] = {}
    for begin in range(0, len(wanted), AT_ONCE):
        some = wanted[begin : begin + AT_ONCE]
        for events in _relations(engine, scans, measure, {entity for _, entity, _ in some}):
            rows = engine.collect(_chosen(events, some))
            found |= _of_rows(rows, set(some))
    return found


def tie_of(measure: Measure) -> str | None:
    """The field of a measure's view that ties its events to an episode; None where there is none."""
    wanted = TIES.get(measure.of[0]) if measure.of else None
    return wanted if wanted and wanted in {field.name for field in named(measure.view).fields} else None


def _relations(engine: Engine, scans: Sequence[Scan], measure: Measure, entities: set[str]) -> list[ir.Table]:
    if measure.view == TABLES:
        return [relation(engine, scan, measure) for scan in scans if scan.table in entities]
    return [of_view(engine, scans, [measure], tie_of(measure))]


def _chosen(events: ir.Table, wanted: Sequence[Cell]) -> ir.Table:
    """The first events of every ten minutes of those hosts' hours, and how many there are."""
    import ibis

    hosts = sorted({host for host, _, _ in wanted})
    hours = sorted({hour for _, _, hour in wanted})
    since, until = (ibis.timestamp(_text(at)).cast("timestamp('UTC', 6)") for at in (hours[0], hours[-1] + 1))
    events = events.filter(events[HOST].isin(hosts), events[TIME] >= since, events[TIME] < until, events["holds0"])
    tenth = (events[TIME].minute() / 10).floor().cast("int64")
    cut = events.mutate(entity=events["entity"].lower(), hour=events[TIME].truncate("h"), tenth=tenth)
    cut = cut.filter(cut["entity"].isin(sorted({entity for _, entity, _ in wanted})))
    group = [cut[HOST], cut["entity"], cut["hour"], cut["tenth"]]
    place = ibis.row_number().over(group_by=group, order_by=[cut[TIME], cut[ID]])
    numbered = cut.mutate(place=place, of=cut.count().over(group_by=group))
    return numbered.filter(numbered["place"] < FIRST)


def _text(hour: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _of_rows(rows: pa.Table, wanted: set[Cell]) -> dict[Cell, First]:
    """By cell, the events of the ten minutes that hold the most; of equals the earliest."""
    parts: dict[Cell, dict[tuple[int, int], list[tuple[int, str, str | None]]]] = {}
    hours = pc.divide(rows["hour"].cast(pa.int64()), HOUR).to_pylist()
    times = rows[TIME].cast(pa.int64()).to_pylist()
    ties = rows["tie"].to_pylist() if "tie" in rows.column_names else [None] * len(rows)
    told = (rows[name].to_pylist() for name in (HOST, "entity", "tenth", "of", ID))
    for host, entity, tenth, of, id, hour, time, tie in zip(*told, hours, times, ties, strict=True):
        if (cell := (host, entity, hour)) in wanted:
            parts.setdefault(cell, {}).setdefault((-of, tenth), []).append((time, id, tie))
    found = {}
    for cell, tenths in parts.items():
        own = sorted(tenths[min(tenths)], key=lambda event: event[:2])[:FIRST]
        found[cell] = First(own[0][0], tuple(id for _, id, _ in own), own[0][2])
    return found
