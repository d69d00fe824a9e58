"""Views: one kind of activity across tables, named and typed as in the Elastic Common Schema.

A view is a projection that is made when it is read: mending a mapping mends all history. The mappings stand in
`views/*.yaml`, one file per view; `views()` gives them, `view_table` makes one Ibis expression of a view.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from vizsla.declared import from_yaml
from vizsla.errors import ViewError
from vizsla.nouns.event import HOST, ID, TIME
from vizsla.sources._declared import view_tables
from vizsla.views.grammar import Constant, Expression, kind, parse

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Lake, Scan

TABLE = "_table"  # the native table that an event of a view comes from
OURS = (ID, TIME, HOST, TABLE)  # what every view begins with
TYPES = {"keyword": "string", "ip": "string", "long": "int64", "double": "float64", "boolean": "boolean"}  # in Ibis


@dataclass(frozen=True, slots=True)
class Field:
    """A field of views: its name, its type (keyword, ip, long, double, boolean) and what it means."""

    name: str
    type: str
    doc: str


@dataclass(frozen=True, slots=True)
class TableMapping:
    """Events of a table that a view takes: `where` native columns hold one of the values; each field's expression.

    The value `*` stands for whatever value there is.
    """

    where: Mapping[str, tuple[str, ...]]
    fields: Mapping[str, Expression]


@dataclass(frozen=True, slots=True)
class View:
    """One kind of activity. `fields`: in their order, what any mapping fills; `mappings`: by table, the first wins."""

    name: str
    doc: str
    fields: tuple[Field, ...]
    mappings: Mapping[str, tuple[TableMapping, ...]]

    @property
    def tables(self) -> tuple[str, ...]:
        """The native tables that can fill it; `ecs_*` stands for all whose names begin so."""
        return tuple(self.mappings)

    def of(self, table: str) -> tuple[TableMapping, ...]:
        """The mappings of a table: its own, else those of the first pattern that it meets; none: it fills nothing."""
        if table in self.mappings:
            return self.mappings[table]
        patterns = (name for name in self.mappings if name.endswith("*") and table.startswith(name[:-1]))
        return self.mappings.get(next(patterns, ""), ())

    def among(self, tables: Iterable[str]) -> tuple[str, ...]:
        """Those of the tables that can fill it, in the mappings' order; those of a pattern by name."""
        order = {name: place for place, name in enumerate(self.mappings)}
        return tuple(sorted(filter(self.of, tables), key=lambda table: (order.get(table, len(order)), table)))


@cache
def fields() -> dict[str, Field]:
    """All fields of all views, by name."""
    return {name: Field(name, *spec) for name, spec in _load("_fields.yaml").items()}


@cache
def lookups() -> dict[str, dict[str, str]]:
    """The tables that mappings look values up in."""
    tables: dict[str, dict[str, str]] = _load("_lookups.yaml")
    return tables


@cache
def views() -> dict[str, View]:
    """All views, by name. Raises ViewError where a mapping does not say what it must."""
    names = sorted(f.name for f in files("vizsla.views").iterdir() if f.name.endswith(".yaml") and f.name[0] != "_")
    return {name.removesuffix(".yaml"): read(name.removesuffix(".yaml"), _load(name)) for name in names}


def named(name: str) -> View:
    """A view by its name. Raises ViewError where there is none."""
    known = views()
    if name not in known:
        raise ViewError(f"there is no view {name!r}", fix=f"choose one of: {', '.join(known)}")
    return known[name]


def read(name: str, content: Mapping[str, Any]) -> View:
    """A view from what its YAML file holds: `doc`, and `tables` with `fields` for all and `events`.

    The tables that sources say fill it come below its own.
    """
    mappings: dict[str, tuple[TableMapping, ...]] = {}
    for table, spec in {**(content.get("tables") or {}), **view_tables(name)}.items():
        events = spec.get("events") or [{"fields": {}}]
        mappings[table] = tuple(_mapping(f"{name}.yaml, {table}", spec, event) for event in events)
    filled = {f for of_table in mappings.values() for mapping in of_table for f in mapping.fields}
    return View(name, content["doc"], tuple(f for f in fields().values() if f.name in filled), mappings)


def _mapping(where: str, spec: Mapping[str, Any], event: Mapping[str, Any]) -> TableMapping:
    set_ = {field: Constant(value) for field, value in event.get("set", {}).items()}
    texts = {**spec.get("fields", {}), **event.get("fields", {})}
    mapped: dict[str, Expression] = {**{f: parse(text, f"{where}, {f}") for f, text in texts.items()}, **set_}
    for field, tree in mapped.items():
        if field not in fields():
            raise ViewError(f"{field} is no field of views", where=where, fix="describe it in views/_fields.yaml")
        if kind(tree) != fields()[field].type:
            raise ViewError(f"{field} is {fields()[field].type}, its mapping gives {kind(tree)}", where=where)
    return TableMapping({c: tuple(values) for c, values in event.get("where", {}).items()}, mapped)


def _load(name: str) -> Any:
    return from_yaml((files("vizsla.views") / name).read_text("utf-8"))


def view_table(
    engine: Engine,
    lake: Lake,
    name: str,
    since: datetime | None = None,
    until: datetime | None = None,
    hosts: tuple[str, ...] | None = None,
    fields: Collection[str] | None = None,
) -> ir.Table:
    """A view over a lake as one Ibis expression: `_id, _time, _host, _table` and all fields of the view.

    Events of every table that the lake holds, each table read once; what a table lacks is null, typed.
    `fields`: no others than these (for one question about a few fields, the shorter expression).
    """
    view = named(name)
    scans = [lake.scan(table, since, until, hosts) for table in view.among(lake.tables())]
    return view_of(engine, scans, name, fields)


def view_of(engine: Engine, scans: Sequence[Scan], name: str, fields: Collection[str] | None = None) -> ir.Table:
    """A view over the tables among these scans that fill it, as `view_table` makes it."""
    import ibis

    from vizsla.views.project import empty, project

    view = named(name)
    by_table = {scan.table: scan if fields is None else _narrowed(scan, view, fields) for scan in scans}
    parts = [project(engine.table(by_table[t]), view, t, fields) for t in view.among(by_table)]
    if not parts:
        return empty(view, fields)
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def epoch(time: ir.TimestampValue) -> ir.IntegerValue:
    """Whole seconds since 1970 that have passed; bare, DuckDB would round to the next where Spark cuts."""
    return time.truncate("s").epoch_seconds().cast("int64")


def _narrowed(scan: Scan, view: View, fields: Collection[str]) -> Scan:
    """A scan of those columns alone that these fields are made of: a wide table takes long to put into words."""
    from dataclasses import replace

    import pyarrow as pa

    from vizsla.nouns.event import EVENT_FIELDS
    from vizsla.views.grammar import columns

    mappings = view.of(scan.table)
    read = {column for mapping in mappings for column in mapping.where}
    read |= {
        c for mapping in mappings for field, tree in mapping.fields.items() if field in fields for c in columns(tree)
    }
    wanted = {name.lower() for name in (*read, *EVENT_FIELDS.names)}
    return replace(scan, schema=pa.schema([field for field in scan.schema if field.name.lower() in wanted]))
