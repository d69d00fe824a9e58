"""Counts by the hour: one group-by for all measures of a view and an entity, whichever engine computes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import EARLIEST, LATEST
from vizsla.nouns.event import EVENT_FIELDS, HOST, ID, TIME
from vizsla.view import TABLE, named, view_of
from vizsla.volume.measures import TABLES, Measure

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Scan

HOUR = 3_600_000_000  # microseconds
CELLS = pa.schema([
    ("measure", pa.string()),
    ("host", pa.string()),
    ("entity", pa.string()),  # '' where it is the host itself
    ("hour", pa.int64()),  # since 1970, UTC
    ("value", pa.float64()),  # a trough is kept negative: higher is always more unusual
])  # fmt: skip
SEEN = pa.schema([*CELLS, ("n", pa.int64()), ("first", pa.int64()), ("kind", pa.string())])
"""An hour in which something was counted; `SEEN` tells its events, its first time (microseconds) and their kind."""

CODE = "event.code"
SPLIT = " | "  # between the fields that name an entity
SYSTEM = ("system", "local service", "network service", "anonymous logon", "-", "systemprofile", "iusr")
SYSTEM_LIKE = ("dwm-", "umfd-")  # one a session, by number


def cells(engine: Engine, scans: Sequence[Scan], of: Sequence[Measure], told: bool = False) -> pa.Table:
    """The hours in which each measure counted something, in a total order; `told`: with what SEEN adds."""
    schema = SEEN if told else CELLS
    parts = [part for group in _groups(of) for part in _counted(engine, scans, group, told)]
    whole = pa.concat_tables([schema.empty_table(), *(part.select(schema.names).cast(schema) for part in parts)])
    return whole.sort_by([(name, "ascending") for name in ("measure", "host", "entity", "hour")]).combine_chunks()


def _groups(of: Sequence[Measure]) -> list[list[Measure]]:
    """Measures that one group-by can count: of one view and entity."""
    found: dict[tuple[object, ...], list[Measure]] = {}
    for measure in of:
        found.setdefault((measure.view, measure.of, measure.people), []).append(measure)
    return list(found.values())


def _counted(engine: Engine, scans: Sequence[Scan], group: Sequence[Measure], told: bool) -> Iterator[pa.Table]:
    """Cells of measures of one view and entity."""
    if group[0].view == TABLES:
        for scan in scans:
            yield from _split(engine.collect(_aggregated(relation(engine, scan, group[0]), group, told)), group, told)
        return
    if any(named(group[0].view).of(scan.table) for scan in scans):
        yield from _split(engine.collect(_aggregated(of_view(engine, scans, group), group, told)), group, told)


def relation(engine: Engine, scan: Scan, measure: Measure) -> ir.Table:
    """The events of a table with their host, time, entity and kind, as `of_view` gives a view's."""
    import ibis

    events = engine.table(replace(scan, schema=pa.schema([f for f in scan.schema if f.name in EVENT_FIELDS.names])))
    name = ibis.literal(scan.table)
    return events.filter(_placed(events)).select(ID, HOST, TIME, entity=name, kind=name, holds0=ibis.literal(True))


def of_view(engine: Engine, scans: Sequence[Scan], group: Sequence[Measure], tie: str | None = None) -> ir.Table:
    """The events of a view that any of these measures counts: host, time, entity, kind, and for each measure whether
    it counts them (`holds0`, …) and what of them (`field0`, …). `tie`: another field that is wanted, under this name.
    """
    import ibis

    known = {field.name for field in named(group[0].view).fields}
    more = {CODE} & known
    typed = {"metric.type"} & known
    fields = {name for measure in group for name in measure.fields} | more | typed | ({tie} if tie else set())
    events = view_of(engine, scans, group[0].view, sorted(fields))
    entity: Any = ibis.literal("")
    keep = [_placed(events)]
    for place, name in enumerate(group[0].of):
        entity = events[name] if not place else entity + SPLIT + events[name].fill_null("")
    if group[0].of:
        keep.append(events[group[0].of[0]].notnull())
    kind = (events[TABLE] + ":" + events[CODE]).fill_null(events[TABLE]) if more else events[TABLE]
    holds = {f"holds{i}": _holds(events, measure) for i, measure in enumerate(group)}
    wanted = {f"field{i}": events[measure.field] for i, measure in enumerate(group) if measure.field}
    counter = {"counter": (events["metric.type"] == "counter").fill_null(False)} if typed else {}
    tied = {"tie": events[tie]} if tie else {}
    chosen = events.filter(*keep).select(ID, HOST, TIME, entity=entity, kind=kind, **holds, **wanted, **counter, **tied)
    return chosen.filter(ibis.or_(*(chosen[name] for name in holds)))


def _placed(events: ir.Table) -> Any:
    """Events of a known host at a time that can be believed."""
    import ibis

    early, late = (ibis.timestamp(str(np.datetime64(int(at), "us"))).cast("timestamp('UTC', 6)")
                   for at in (EARLIEST, LATEST))  # fmt: skip
    return events[HOST].notnull() & (events[HOST] != "") & (events[TIME] >= early) & (events[TIME] < late)


def _holds(events: ir.Table, measure: Measure) -> Any:
    """Whether a measure counts an event; never null."""
    import ibis

    holds: Any = ibis.literal(True)
    for name, wanted in measure.where.items():
        if wanted is None:
            one = events[name].notnull()
        elif isinstance(wanted, dict):
            one = ((events[name] >= wanted["from"]) & (events[name] < wanted["below"])).fill_null(False)
        else:
            one = events[name].isin([value for value in wanted if value is not None]).fill_null(None in wanted)
        holds = holds & one
    return holds & events[measure.field].notnull() if measure.field else holds


def _aggregated(events: ir.Table, group: Sequence[Measure], told: bool) -> ir.Table:
    """Per host, entity and hour what each measure counts (null: nothing), and what there is to tell of it."""
    columns: dict[str, Any] = {}
    for i, measure in enumerate(group):
        holds = events[f"holds{i}"]
        columns[f"n{i}"] = events.count(where=holds)
        if measure.field:
            field = events[f"field{i}"]
            if measure.how == "distinct":
                columns[f"value{i}"] = field.nunique(where=holds)
            elif measure.how == "sum":
                # Sums of whole numbers are exact in doubles, whichever order they are taken in, and cannot overflow.
                columns[f"value{i}"] = field.cast("float64").clip(0, None).sum(where=holds)
            else:
                columns |= {f"high{i}": field.max(where=holds), f"low{i}": field.min(where=holds)}
        if told:
            columns |= {f"first{i}": events[TIME].min(where=holds), f"kind{i}": events["kind"].min(where=holds)}
    if "counter" in events.columns:
        columns["counter"] = events["counter"].any()
    return events.group_by([HOST, "entity", events[TIME].truncate("h").name("hour")]).agg(**columns)


def _split(found: pa.Table, group: Sequence[Measure], told: bool) -> Iterator[pa.Table]:
    """The cells of each measure, names in one case."""
    entity = pc.utf8_lower(found["entity"])
    hour = pc.divide(found["hour"].cast(pa.int64()), HOUR)
    for i, measure in enumerate(group):
        counted = pc.cast(found[f"n{i}"], pa.int64())
        value = _value(found, i, measure)
        good = pc.and_(pc.greater(counted, 0), pc.is_finite(value))
        if measure.how not in ("peak", "trough"):
            good = pc.and_(good, pc.greater(value, 0))
        if measure.people:
            good = pc.and_(good, _people(entity))
        columns = {"measure": pa.repeat(pa.scalar(measure.key), len(found)), "host": found[HOST], "entity": entity,
                   "hour": hour, "value": value}  # fmt: skip
        if told:
            first = pc.cast(pc.cast(found[f"first{i}"], pa.timestamp("us", tz="UTC")), pa.int64())
            columns |= {"n": counted, "first": first, "kind": found[f"kind{i}"]}
        yield _merged(pa.table(columns).filter(pc.fill_null(good, False)), measure, told)


def _value(found: pa.Table, i: int, measure: Measure) -> Any:
    """What a measure counted, as doubles. Of a counter, which only grows, it is what the hour added."""
    if not measure.field:
        return pc.cast(found[f"n{i}"], pa.float64())
    if measure.how in ("distinct", "sum"):
        return pc.cast(found[f"value{i}"], pa.float64())
    high, low = (pc.cast(found[f"{name}{i}"], pa.float64()) for name in ("high", "low"))
    if measure.how == "peak":
        return pc.if_else(found["counter"], pc.subtract(high, low), high)
    return pc.if_else(found["counter"], pa.scalar(None, pa.float64()), pc.negate(low))


def _people(entity: Any) -> Any:
    """Accounts that are neither a computer's nor the system's."""
    others = pc.or_(pc.ends_with(entity, "$"), pc.is_in(entity, pa.array(SYSTEM)))
    for begin in SYSTEM_LIKE:
        others = pc.or_(others, pc.starts_with(entity, begin))
    return pc.invert(others)


def _merged(found: pa.Table, measure: Measure, told: bool) -> pa.Table:
    """One row per cell: names that differed in case alone are one entity. Of distinct things the most are kept."""
    keys = ["measure", "host", "entity", "hour"]
    how = "sum" if measure.how in ("count", "sum") else "max"
    wanted = [("value", how)] + ([("n", "sum"), ("first", "min"), ("kind", "min")] if told else [])
    grouped = found.group_by(keys, use_threads=False).aggregate(wanted)
    return grouped.rename_columns([name.removesuffix(f"_{how}") if name == f"value_{how}" else name.rpartition("_")[0]
                                   if name not in keys else name for name in grouped.column_names])  # fmt: skip
