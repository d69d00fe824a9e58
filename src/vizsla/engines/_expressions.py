"""What every engine does to a table of files to make it the scan's: its columns, in order, and its rows alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from vizsla.lake import Scan, Slot, Taken
from vizsla.nouns.event import HOST, TIME


def finish(table: ir.Table, scan: Scan) -> ir.Table:
    """The columns of the scan's schema, typed nulls for those that no file holds, and the scan's rows alone."""
    exact = set(table.columns)
    folded = {name.lower(): name for name in table.columns}  # engines merge names that differ only in case
    if scan.taken is not None:  # by columns that the scan's schema need not have
        table = table.filter(_takes(table, scan.taken, folded))
    columns = {}
    for field in scan.schema:
        kind = dt.DataType.from_pyarrow(field.type)
        name = field.name if field.name in exact else folded.get(field.name.lower())
        columns[field.name] = ibis.null(kind) if name is None else _typed(table[name], kind)
    return within(table.select(**columns), scan)


def _typed(column: ir.Value, kind: dt.DataType) -> ir.Value:
    """The column as the lake's type: Spark's timestamps are in UTC and do not say so."""
    return column if column.type() == kind else column.cast(kind)


def within(table: ir.Table, scan: Scan) -> ir.Table:
    """The rows within the scan's since, until, hosts and slots."""
    conditions: list[ir.BooleanValue] = []
    if scan.since is not None:
        conditions.append(table[TIME] >= ibis.literal(scan.since))
    if scan.until is not None:
        conditions.append(table[TIME] < ibis.literal(scan.until))
    if scan.hosts is not None:
        conditions.append(table[HOST].isin(list(scan.hosts)) if scan.hosts else ibis.literal(False))
    if scan.only is not None:
        conditions.append(_among(table, scan.only))
    if scan.without:
        conditions.append(~_among(table, scan.without))
    return table.filter(*conditions) if conditions else table


def _takes(table: ir.Table, taken: Sequence[Taken], folded: Mapping[str, str]) -> ir.BooleanValue:
    found: ir.BooleanValue = ibis.literal(False)
    for wanted in taken:
        if all(name.lower() in folded for name, _ in wanted):
            found = found | ibis.and_(*(_holds(table[folded[name.lower()]], values) for name, values in wanted))
    return found.fill_null(False)


def _holds(column: ir.StringValue, values: Sequence[str]) -> ir.BooleanValue:
    return column.notin(["", "-"]) if "*" in values else column.isin(list(values))


def _among(table: ir.Table, slots: Sequence[Slot]) -> ir.BooleanValue:
    """Whether a row is of one of these hosts at its times; a row without host or time is of none."""
    by_host: dict[str, list[ir.BooleanValue]] = {}
    for host, since, until in slots:
        inside = (table[TIME] >= ibis.literal(since)) & (table[TIME] < ibis.literal(until))
        by_host.setdefault(host, []).append(inside)
    found: ir.BooleanValue = ibis.literal(False)
    for host, times in by_host.items():
        found = found | ((table[HOST] == host) & ibis.or_(*times))
    return found.fill_null(False)
