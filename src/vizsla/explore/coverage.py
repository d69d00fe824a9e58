"""What a lake covers: which tables fill which views, over which days and hosts, with what gaps, and what is lacking."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa

from vizsla.analytic import Need
from vizsla.analytics import registry
from vizsla.explore.relation import engine_or
from vizsla.nouns.event import DAY, HOST, TIME, UNKNOWN_DAY
from vizsla.view import TABLE, view_table, views

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Lake

FILLED = pa.schema(
    [("view", pa.string()), ("table", pa.string()), ("events", pa.int64()), ("fields", pa.list_(pa.string()))]
)
COVERAGE = pa.schema(
    [
        ("kind", pa.string()),  # table, view, analytic
        ("name", pa.string()),
        ("events", pa.int64()),
        ("hosts", pa.int64()),
        ("first", pa.timestamp("us", tz="UTC")),
        ("last", pa.timestamp("us", tz="UTC")),
        ("days", pa.int64()),  # on which there are events
        ("host_days", pa.int64()),  # hosts' days on which there are events, of hosts x days
        ("gaps", pa.list_(pa.string())),  # days without any event, as 'from..to', between the first and the last
        ("filled", pa.list_(pa.string())),  # fields of a view that events fill
        ("lacks", pa.list_(pa.string())),  # fields that none fill; tables for an empty view; what an analytic needs
    ]
)


def views_filled(lake: Lake, *, engine: Engine | None = None) -> pa.Table:
    """Which tables fill which views: `view, table, events, fields` (the filled ones); an empty view without a table."""
    rows: list[dict[str, object]] = []
    with engine_or(engine) as used:
        for name in views():
            counted = _by_table(used, lake, name)
            rows += counted or [{"view": name, "table": None, "events": 0, "fields": []}]
    return pa.Table.from_pylist(rows, FILLED)


def _by_table(engine: Engine, lake: Lake, name: str) -> list[dict[str, object]]:
    view = views()[name]
    if not set(lake.tables()) & set(view.tables):
        return []
    table = view_table(engine, lake, name)
    names = [field.name for field in view.fields]
    counts = {f"n{i}": table[field].count() for i, field in enumerate(names)}
    counted = engine.collect(table.group_by(TABLE).agg(events=table.count(), **counts).order_by(TABLE))
    return [
        {
            "view": name,
            "table": row[TABLE],
            "events": row["events"],
            "fields": [field for i, field in enumerate(names) if row[f"n{i}"]],
        }
        for row in counted.to_pylist()
    ]


def coverage(lake: Lake, *, engine: Engine | None = None) -> pa.Table:
    """Per table and view: events, hosts, span, days and their gaps, fields filled and lacking. See COVERAGE.

    And per analytic what it lacks to run: nothing, or tables, views and fields.
    """
    rows: list[dict[str, object]] = []
    held: dict[str, set[str] | None] = {}
    with engine_or(engine) as used:
        for name in lake.tables():
            scan = lake.scan(name)
            table = used.table(scan)
            held[name] = set(scan.schema.names)
            rows.append({"kind": "table", "name": name, **_span(used, table), "filled": [], "lacks": []})
        for name, view in views().items():
            parts = _by_table(used, lake, name)
            filled = {str(field) for part in parts for field in _list(part["fields"])}
            lacks = [f.name for f in view.fields if f.name not in filled] if parts else list(view.tables)
            span = (
                _span(used, view_table(used, lake, name, fields=())) if parts else {"events": 0, "hosts": 0, "gaps": []}
            )
            order = [f.name for f in view.fields if f.name in filled]
            rows.append({"kind": "view", "name": name, **span, "filled": order, "lacks": lacks})
            held[name] = set(order) if parts else None
    for name, analytic in registry().items():
        lacks = [text for need in analytic.needs if (text := lacking(need, held))]
        rows.append({"kind": "analytic", "name": name, "filled": [], "lacks": lacks})
    return pa.Table.from_pylist(rows, COVERAGE)


def lacking(need: Need, held: Mapping[str, set[str] | None]) -> str:
    """What a need misses, in words; '' where a table or view of it is held (not None) with all its fields."""
    missing = []
    for name in need.any_of:
        fields = held.get(name)
        if fields is None:
            missing.append(name)
        elif absent := [field for field in need.fields if field not in fields]:
            missing.append(f"{name} with {', '.join(absent)}")
        else:
            return ""
    return " or ".join(missing)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _span(engine: Engine, table: ir.Table) -> dict[str, object]:
    day = table[DAY] if DAY in table.columns else table[TIME].date().cast("string")
    daily = table.select(host=table[HOST], time=table[TIME], day=day)
    counted = daily.group_by("day", "host").agg(
        events=daily.count(), first=daily["time"].min(), last=daily["time"].max()
    )
    rows = engine.collect(counted).to_pylist()
    times = [row[edge] for row in rows for edge in ("first", "last") if row[edge] is not None]
    days = {row["day"] for row in rows if row["day"] is not None and row["day"] != UNKNOWN_DAY}
    return {
        "events": sum(row["events"] for row in rows),
        "hosts": len({row["host"] for row in rows if row["host"] is not None}),
        "first": min(times, default=None),
        "last": max(times, default=None),
        "days": len(days),
        "host_days": sum(row["day"] in days for row in rows),
        "gaps": gaps(days),
    }


def gaps(days: set[str]) -> list[str]:
    """The days that are missing between the first and the last, as 'from..to', or one day alone."""
    known = sorted(date.fromisoformat(day) for day in days)
    missing = []
    for before, after in pairwise(known):
        if after - before > timedelta(days=1):
            start, end = before + timedelta(days=1), after - timedelta(days=1)
            missing.append(str(start) if start == end else f"{start}..{end}")
    return missing
