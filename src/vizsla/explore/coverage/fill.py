"""Which fields of views the events of a table fill, and how often: for all views together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from vizsla.explore.coverage import plain
from vizsla.explore.coverage.plain import ANY
from vizsla.nouns.coverage import ViewSeen
from vizsla.view import TableMapping, View, lookups, views
from vizsla.views.grammar import Constant, Expression, columns

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

ACTION = "event.action"
_Group = tuple[dict[str, str | None], int, dict[Expression, int]]  # native values asked for, events, fills of each tree


def parts_of(engine: Engine, scan: Scan) -> list[ViewSeen]:
    """What the table gives each view that it can fill: events and fields. One pass, one query."""
    filling = {name: view for name, view in views().items() if view.of(scan.table)}
    if not filling or not scan.files:
        return []
    groups = _groups(engine, scan, [mapping for view in filling.values() for mapping in view.of(scan.table)])
    told = (_part(view, scan.table, groups) for view in filling.values())
    return [part for part in told if part.events]


def _groups(engine: Engine, scan: Scan, mappings: Sequence[TableMapping]) -> list[_Group]:
    """Events by the values that mappings ask for; other values count as none, so that groups are few."""
    from vizsla.views.filled import filling

    held = {name.lower() for name in scan.schema.names}
    asked: dict[str, set[str]] = {}
    for mapping in mappings:
        for column, values in mapping.where.items():
            asked.setdefault(column, set()).update(values)
    trees = list(dict.fromkeys(t for m in mappings for t in m.fields.values() if _reads(t, held)))
    looked = {tree: names for tree in trees if (names := filling(tree)) is not None}
    counted = plain.counts(engine, scan, [(name, sorted(of)) for name, of in asked.items()], list(looked.values()))
    worked = _worked_out(engine, scan, asked, [tree for tree in trees if tree not in looked])
    return [
        (dict(zip(asked, key, strict=True)), events, dict(zip(looked, fills, strict=True)) | worked.get(key, {}))
        for key, (events, fills) in counted.items()
    ]


def _worked_out(engine: Engine, scan: Scan, asked: Mapping[str, set[str]], trees: Sequence[Expression],
                ) -> dict[plain.Keys, dict[Expression, int]]:  # fmt: skip
    """By the values asked for, how many events fill each tree whose value must be looked into."""
    from vizsla.views.compile import Compiler
    from vizsla.views.filled import filled

    if not trees:
        return {}
    table = engine.table(scan)
    needed = {name.lower() for tree in trees for name in columns(tree)} | {name.lower() for name in asked}
    table = table.select(*(name for name in table.columns if name.lower() in needed or name == "_id"))
    compiler = Compiler(table, lookups())
    keys = {f"k{i}": _among(compiler, name, sorted(values)) for i, (name, values) in enumerate(asked.items())}
    counts = {f"n{i}": table.count(where=filled(compiler, tree)) for i, tree in enumerate(trees)}
    grouped = table.group_by(**keys) if keys else table
    rows = engine.collect(grouped.aggregate(**counts)).to_pylist()
    return {
        tuple(row[f"k{i}"] for i in range(len(asked))): {
            tree: row[f"n{i}"] or 0
            for i, tree in enumerate(trees)  # Spark: null for none
        }
        for row in rows
    }


def _reads(tree: Expression, held: set[str]) -> bool:
    """Whether a table has any of the columns that a tree reads: else nothing need be asked."""
    return not isinstance(tree, Constant) and any(name.lower() in held for name in columns(tree))


def _among(compiler: object, name: str, values: list[str]) -> object:
    import ibis

    from vizsla.views.grammar import Column

    raw = compiler.raw(name)  # type: ignore[attr-defined]
    known = ibis.cases((raw.isin(values), raw), else_=ibis.null("string"))
    if ANY not in values:
        return known
    return ibis.cases((raw.isin(values), raw), (compiler(Column(name)).notnull(), ANY), else_=ibis.null("string"))  # type: ignore[operator]


def _part(view: View, table: str, groups: Sequence[_Group]) -> ViewSeen:
    events, fills, actions = 0, Counter[str](), Counter[str]()
    mappings = view.of(table)
    for values, count, filled in groups:
        mapping = next((m for m in mappings if _takes(m, values)), None)
        if mapping is None:
            continue
        events += count
        for field, tree in mapping.fields.items():
            fills[field] += count if isinstance(tree, Constant) else filled.get(tree, 0)
            if field == ACTION and isinstance(tree, Constant):
                actions[tree.value] += count
    order = [field.name for field in view.fields]
    return ViewSeen(
        name=view.name,
        events=events,
        table=table,
        filled=tuple((name, fills[name]) for name in order if fills[name]),
        lacks=tuple(name for name in order if not fills[name]),
        actions=tuple(sorted((+actions).items())),
        tables=(table,),
    )


def _takes(mapping: TableMapping, values: Mapping[str, str | None]) -> bool:
    return all(
        values[column] in wanted or (ANY in wanted and values[column] is not None)
        for column, wanted in mapping.where.items()
    )


def whole(view: View, parts: Sequence[ViewSeen], known: Sequence[str]) -> ViewSeen:
    """A view from what its tables give it; `known`: the tables that can fill it, for one without events."""
    fills = Counter[str]()
    actions = Counter[str]()
    for part in parts:
        fills.update(dict(part.filled))
        actions.update(dict(part.actions))
    order = [field.name for field in view.fields]
    return ViewSeen(
        name=view.name,
        events=sum(part.events for part in parts),
        filled=tuple((name, fills[name]) for name in order if fills[name]),
        lacks=tuple(name for name in order if not fills[name]) if parts else tuple(known),
        actions=tuple(sorted(actions.items())),
        tables=tuple(part.table for part in parts),
    )
