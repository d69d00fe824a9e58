"""A survey as one flat Arrow table."""

from __future__ import annotations

import pyarrow as pa

from vizsla.explore.coverage import words
from vizsla.nouns.coverage import Coverage

_TEXTS = pa.list_(pa.string())
COVERAGE = pa.schema(
    [
        ("kind", pa.string()),  # table, view, analytic (or what else registers), missing, silent, gap, clock
        ("name", pa.string()),  # of the table, view, analytic, log or field; of the clock's trouble
        ("host", pa.string()),
        ("table", pa.string()),  # in which a host is silent or a clock wrong
        ("events", pa.int64()),
        ("hosts", pa.int64()),
        ("first", pa.timestamp("us", tz="UTC")),
        ("last", pa.timestamp("us", tz="UTC")),
        ("days", pa.int64()),  # on which there are events
        ("host_days", pa.int64()),  # hosts' days on which there are events, of hosts x days
        ("timeless", pa.int64()),  # events without a time that can be believed
        ("gaps", _TEXTS),  # days without any event, as 'from..to', between the first and the last
        ("hour_gaps", _TEXTS),  # the same in hours, of a table that has events in most
        ("filled", _TEXTS),  # fields of a view that events fill
        ("shares", pa.list_(pa.float64())),  # of the view's events that fill each of those, 0 to 1
        ("lacks", _TEXTS),  # fields that none fill; tables for an empty view; what an analytic needs
        ("enables", _TEXTS),  # what a log or field that is missing would let run, fill or add
        ("hours", pa.int64()),  # of a silence or gap
        ("longest_before", pa.int64()),  # the longest other silence, in hours
        ("seconds", pa.int64()),  # that a clock is ahead (above 0) or behind
        ("says", pa.string()),  # the same as a sentence
    ]
)


def table_of(found: Coverage) -> pa.Table:
    """The survey's rows: see COVERAGE."""
    rows: list[dict[str, object]] = [
        {
            "kind": "table",
            "name": seen.name,
            "events": seen.events,
            "hosts": seen.hosts,
            "first": seen.first,
            "last": seen.last,
            "days": seen.days,
            "host_days": seen.host_days,
            "timeless": seen.timeless,
            "gaps": seen.gaps,
            "hour_gaps": seen.hour_gaps,
            "filled": [],
            "lacks": [],
        }
        for seen in found.tables
    ]
    rows += [
        {
            "kind": "view",
            "name": seen.name,
            "events": seen.events,
            "filled": [field for field, _ in seen.filled],
            "shares": [round(n / seen.events, 4) for _, n in seen.filled],
            "lacks": seen.lacks,
        }
        for seen in found.views
    ]
    rows += [{"kind": d.kind, "name": d.name, "filled": [], "lacks": d.lacks} for d in found.demands]
    rows += [
        {
            "kind": "missing",
            "name": lack.name,
            "enables": [*(f"{kind} {name}" for kind, name in lack.demands), *lack.views, *lack.fields],
            "says": words.missing(lack),
        }
        for lack in found.missing
    ]
    return pa.Table.from_pylist(rows + _troubles(found), COVERAGE)


def _troubles(found: Coverage) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {
            "kind": "silent",
            "name": told.host or told.table,
            "host": told.host or None,
            "table": told.table or None,
            "last": told.since,
            "hours": told.hours,
            "longest_before": told.longest_before,
            "says": words.silence(told),
        }
        for told in found.silences
    ]
    rows += [
        {
            "kind": "gap",
            "name": told.host,
            "host": told.host,
            "first": told.first,
            "hours": told.hours,
            "longest_before": told.usual,
            "says": words.gap(told),
        }
        for told in found.host_gaps
    ]
    rows += [
        {
            "kind": "clock",
            "name": told.kind,
            "host": told.host,
            "table": told.table or None,
            "seconds": told.seconds,
            "says": words.clock(told),
        }
        for told in found.clocks
    ]
    return rows
