"""Look-ups in the lake for the context of findings: plain comparisons, each one pass over one table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from vizsla.nouns import HOST, TIME

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Lake, Scan

MAX_ROWS = 20_000  # of one look-up
MAX_VALUES = 2_000  # values of one comparison

Row = dict[str, object]


class Look:
    """Rows of the lake, as it stood when first looked at. `passes` counts the queries."""

    def __init__(self, engine: Engine, lake: Lake, tables: frozenset[str]) -> None:
        self.engine, self.lake = engine, lake
        self.tables = tables & frozenset(lake.tables())
        self.passes = 0
        self._scans: dict[tuple[str, datetime | None, datetime | None], Scan] = {}

    def scan(self, table: str, since: datetime | None = None, until: datetime | None = None) -> Scan | None:
        """The table's snapshot; None where there is no such table here."""
        if table not in self.tables:
            return None
        key = (table, since, until)
        if key not in self._scans:
            self._scans[key] = self.lake.scan(table, since, until)
        return self._scans[key]

    def table(self, scan: Scan, names: Collection[str]) -> ir.Table:
        """The scan with `_host`, `_time` and those of the named columns that it has; queries stay narrow and quick."""
        wanted = {HOST, TIME, *names}
        narrow = pa.schema([column for column in scan.schema if column.name in wanted])
        return self.engine.table(replace(scan, schema=narrow))

    def rows(
        self, table: str, columns: Sequence[str], equal: Mapping[str, Collection[str]], hosts: Collection[str] = (),
        since: datetime | None = None, until: datetime | None = None,
    ) -> list[Row]:  # fmt: skip
        """`columns`, `_host` and `_time` of the rows where each field of `equal` is one of its values, by time."""
        scan = self.scan(table, since, until)
        if scan is None or any(name not in scan.schema.names for name in equal) or not all(equal.values()):
            return []
        events = self.table(scan, {*columns, *equal})
        conditions = [events[name].isin(capped(values)) for name, values in equal.items()]
        if hosts:
            conditions.append(events[HOST].isin(capped(hosts)))
        known = [name for name in columns if name in scan.schema.names]
        kept = events.filter(*conditions).select(HOST, TIME, *known)
        return self.collect(kept.order_by([TIME, HOST, *known]).limit(MAX_ROWS))

    def collect(self, expression: ir.Table) -> list[Row]:
        """All rows of an expression that is known to be small."""
        self.passes += 1
        return list(self.engine.collect(expression).to_pylist())


def capped(values: Collection[str]) -> list[str]:
    """The values of a comparison, in order, no more than an engine takes well."""
    return sorted(values)[:MAX_VALUES]


def first_of(table: ir.Table, names: Sequence[str]) -> ir.Value:
    """The first of the columns that is neither null nor '-', Windows' word for nothing; '' where none is named."""
    import ibis

    return ibis.coalesce(*(table[name].nullif("-") for name in names)) if names else nothing()


def nothing() -> ir.Value:
    """An empty text."""
    import ibis

    return ibis.literal("")


def any_of(conditions: Sequence[ir.BooleanValue]) -> ir.BooleanValue:
    """Whether one of the conditions holds."""
    joined = conditions[0]
    for condition in conditions[1:]:
        joined = joined | condition
    return joined
