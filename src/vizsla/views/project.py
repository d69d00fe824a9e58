"""A view over one native table: one projection, whatever the number of mappings, so that the table is read once."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from vizsla.nouns.event import HOST, ID, TIME
from vizsla.view import TABLE, TYPES, TableMapping, View, lookups
from vizsla.views.compile import Compiler
from vizsla.views.grammar import Expression


def project(native: ir.Table, view: View, table: str) -> ir.Table:
    """`_id, _time, _host, _table` and the view's fields, of those of the table's events that the view takes."""
    compiler = Compiler(native, lookups())
    mappings = view.mappings[table]
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
        value = _field(compiler, field.name, mappings, conditions)
        kind = TYPES[field.type]
        columns[field.name] = ibis.null(kind) if value is None else value.cast(kind)
    return rows.select(**columns)


def empty(view: View) -> ir.Table:
    """The view without events."""
    return ibis.memtable(empty_schema(view).empty_table())


def empty_schema(view: View) -> pa.Schema:
    """The view's columns, in Arrow."""
    ours = [(ID, pa.string()), (TIME, pa.timestamp("us", tz="UTC")), (HOST, pa.string()), (TABLE, pa.string())]
    kinds = {"string": pa.string(), "int64": pa.int64(), "boolean": pa.bool_()}
    return pa.schema([*ours, *((field.name, kinds[TYPES[field.type]]) for field in view.fields)])


def _condition(compiler: Compiler, mapping: TableMapping) -> ir.BooleanValue | None:
    """What a mapping's `where` says; None where it takes every event."""
    if not mapping.where:
        return None
    return ibis.and_(*(compiler.raw(column).isin(list(values)) for column, values in mapping.where.items()))


def _field(
    compiler: Compiler, field: str, mappings: Sequence[TableMapping], conditions: Sequence[ir.BooleanValue | None]
) -> ir.Value | None:
    """A field's value: by the first mapping that takes the event; None where no mapping fills it."""
    trees = [mapping.fields.get(field) for mapping in mappings]
    if all(tree == trees[0] for tree in trees) or conditions[0] is None:
        return None if trees[0] is None else compiler(trees[0])
    if all(tree is None for tree in trees):
        return None
    branches: list[tuple[ir.BooleanValue, ir.Value]] = []
    for tree, condition in zip(trees, conditions, strict=True):
        branches.append((ibis.literal(True) if condition is None else condition, _branch(compiler, tree, trees)))
    return ibis.cases(*branches, else_=_branch(compiler, None, trees))


def _branch(compiler: Compiler, tree: Expression | None, trees: Sequence[Expression | None]) -> ir.Value:
    if tree is not None:
        return compiler(tree)
    like = next(compiler(t) for t in trees if t is not None)
    return ibis.null(like.type())
