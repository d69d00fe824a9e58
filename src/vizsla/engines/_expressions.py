"""What every engine does to a table of files to make it the scan's: its columns, in order, and its rows alone."""

from __future__ import annotations

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from vizsla.lake import Scan
from vizsla.nouns.event import HOST, TIME


def finish(table: ir.Table, scan: Scan) -> ir.Table:
    """The columns of the scan's schema, typed nulls for those that no file holds, and the scan's rows alone."""
    exact = set(table.columns)
    folded = {name.lower(): name for name in table.columns}  # engines merge names that differ only in case
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
    """The rows within the scan's since, until and hosts."""
    conditions: list[ir.BooleanValue] = []
    if scan.since is not None:
        conditions.append(table[TIME] >= ibis.literal(scan.since))
    if scan.until is not None:
        conditions.append(table[TIME] < ibis.literal(scan.until))
    if scan.hosts is not None:
        conditions.append(table[HOST].isin(list(scan.hosts)) if scan.hosts else ibis.literal(False))
    return table.filter(*conditions) if conditions else table
