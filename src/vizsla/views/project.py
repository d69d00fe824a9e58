"""A view over one native table: one projection, whatever the number of mappings, so that the table is read once."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from vizsla.nouns.event import HOST, ID, TIME
from vizsla.view import TABLE, TYPES, TableMapping, View, lookups
from vizsla.views.compile import Compiler
from vizsla.views.grammar import Column, Expression


def project(native: ir.Table, view: View, table: str, fields: Collection[str] | None = None) -> ir.Table:
    """`_id, _time, _host, _table` and the view's fields, of those of the table's events that the view takes.

    `fields`: no others than these; the expression is the shorter for it.
    """
    compiler = Compiler(native, lookups())
    mappings = view.of(table)
    conditions = [_condition(compiler, mapping) for mapping in mappings]
    taken = [c for c in conditions if c is not None]
    if len(taken) == len(conditions):
        rows = native.filter(ibis.or_(*taken))
        compiler = Compiler(rows, lookups())
        conditions = [_condition(compiler, mapping) for mapping in mappings]
    else:
        rows = native
    columns: dict[str, ir.Value] = {ID: rows[ID], TIME: rows[TIME], HOST: rows[HOST], TABLE: ibis.literal(table)}
    for field in view.fields:
        if fields is not None and field.name not in fields:
            continue
        kind = TYPES[field.type]
        value = _field(compiler, field.name, mappings, conditions)
        columns[field.name] = ibis.null(kind) if value is None else value.cast(kind)
    return rows.select(**columns)


def empty(view: View, fields: Collection[str] | None = None) -> ir.Table:
    """The view without events."""
    schema = empty_schema(view)
    kept = [field for field in schema if fields is None or field.name in fields or field.name.startswith("_")]
    return ibis.memtable(pa.schema(kept).empty_table())


def empty_schema(view: View) -> pa.Schema:
    """The view's columns, in Arrow."""
    ours = [(ID, pa.string()), (TIME, pa.timestamp("us", tz="UTC")), (HOST, pa.string()), (TABLE, pa.string())]
    kinds = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64(), "boolean": pa.bool_()}
    return pa.schema([*ours, *((field.name, kinds[TYPES[field.type]]) for field in view.fields)])


def _condition(compiler: Compiler, mapping: TableMapping) -> ir.BooleanValue | None:
    """What a mapping's `where` says; None where it takes every event."""
    if not mapping.where:
        return None
    return ibis.and_(*(_holds(compiler, column, values) for column, values in mapping.where.items()))


def _holds(compiler: Compiler, column: str, values: Sequence[str]) -> ir.BooleanValue:
    """Whether a column has one of the values; `*`: whether it has any."""
    return compiler(Column(column)).notnull() if "*" in values else compiler.raw(column).isin(list(values))


def _field(
    compiler: Compiler, field: str, mappings: Sequence[TableMapping], conditions: Sequence[ir.BooleanValue | None]
) -> ir.Value | None:
    """A field's value: by the first mapping that takes the event; None where no mapping fills it."""
    trees = [mapping.fields.get(field) for mapping in mappings]
    if all(tree == trees[0] for tree in trees) or conditions[0] is None:
        return None if trees[0] is None else compiler(trees[0])
    if all(tree is None for tree in trees):
        return None
    by_tree: dict[Expression, list[ir.BooleanValue]] = {}
    values: dict[Expression, ir.Value] = {}
    branches: list[tuple[ir.BooleanValue, ir.Value]] = []
    for tree, condition in zip(trees, conditions, strict=True):
        if tree is None:
            continue
        values.setdefault(tree, compiler(tree))
        by_tree.setdefault(tree, []).append(ibis.literal(True) if condition is None else condition)
    exclusive = _exclusive(mappings)
    if exclusive:
        branches = [(ibis.or_(*tests), values[tree]) for tree, tests in by_tree.items()]
    else:
        kind = next(iter(values.values())).type()
        for tree, condition in zip(trees, conditions, strict=True):
            test = ibis.literal(True) if condition is None else condition
            branches.append((test, ibis.null(kind) if tree is None else values[tree]))
    return ibis.cases(*branches, else_=ibis.null(branches[0][1].type()))


def _exclusive(mappings: Sequence[TableMapping]) -> bool:
    """Whether no event can be taken by two mappings: they ask one column for values that differ."""
    asked = [value for mapping in mappings for value in mapping.where.get("EventID", ("", ""))]
    return len(asked) == len(set(asked))
