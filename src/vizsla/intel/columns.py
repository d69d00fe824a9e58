"""Which columns of a table can hold which indicators: by the views that read them, and by their names."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import pyarrow as pa

from vizsla.declared import from_yaml
from vizsla.nouns.event import EXTRA

NEVER = "never"


@dataclass(frozen=True, slots=True)
class Looked:
    """A column that is looked at: the types of indicators that it can hold as a whole, and those within its text."""

    name: str
    whole: frozenset[str]
    within: frozenset[str]
    home: str = ""  # the column that it lies in, where that is not its own

    @property
    def column(self) -> str:
        """The column of the table."""
        return self.home or self.name

    def holds(self, type: str) -> bool:
        """Whether an indicator of this type may stand in it."""
        return type in self.whole or type in self.within


@cache
def _declared() -> dict[str, Any]:
    loaded: dict[str, Any] = from_yaml(resources.files(__package__).joinpath("columns.yaml").read_text("utf-8"))
    return loaded


@cache
def group(name: str) -> frozenset[str]:
    """The types of indicators that a group of columns.yaml holds."""
    return frozenset(_declared()["groups"][name])


@cache
def every_type() -> frozenset[str]:
    """All types of indicators that a column may hold."""
    return frozenset(type for types in _declared()["groups"].values() for type in types)


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in _declared()["columns"])


@cache
def _by_views(table: str) -> dict[str, frozenset[str]]:
    """The groups of the native columns that views read of a table."""
    from vizsla.view import fields, views
    from vizsla.views.grammar import columns

    told = _declared()["fields"]
    found: dict[str, set[str]] = {}
    for view in views().values():
        for mapping in view.of(table):
            for field, tree in mapping.fields.items():
                groups = told.get(field) or (["address"] if fields()[field].type == "ip" else [])
                for column in columns(tree):
                    found.setdefault(column, set()).update([groups] if isinstance(groups, str) else groups)
    return {column: frozenset(groups) for column, groups in found.items()}


@cache
def groups_of(table: str, column: str) -> frozenset[str]:
    """The groups that a column belongs to; {'never'} where no indicator can stand in it."""
    viewed = _by_views(table).get(column, frozenset())
    for name, pattern in _patterns():
        if pattern.search(column):
            if name == NEVER:
                return viewed or frozenset((NEVER,))
            return viewed | {name}
    return viewed


def looked(table: str, columns: Iterable[str], types: Collection[str]) -> tuple[Looked, ...]:
    """The columns of a table that can hold indicators of these types, in order of name."""
    wanted = frozenset(types)
    hashes = group("hash") & wanted
    apart = parted(table) if "url" in wanted else None
    found = []
    for column in sorted(set(columns)):
        if column == EXTRA and wanted:
            found.append(Looked(EXTRA, wanted, frozenset()))
        if column.startswith("_"):
            continue
        groups = groups_of(table, column)
        if NEVER in groups:
            continue
        within = (group("text") & wanted) if "text" in groups else frozenset()
        whole = frozenset(t for name in groups - {"text"} for t in group(name)) & wanted
        if whole or within or hashes or (apart and column in apart):
            found.append(Looked(column, whole | hashes, within))
    return tuple(found)


def texts(schema: pa.Schema) -> list[str]:
    """The columns of a table that hold text; among them that of rare fields."""
    return [
        field.name
        for field in schema
        if pa.types.is_string(field.type)
        or pa.types.is_large_string(field.type)
        or (field.name == EXTRA and pa.types.is_map(field.type))
    ]


def rare(table: str, field: str, types: Collection[str]) -> Looked | None:
    """A field of those that share one column: what it can hold; None where it can hold none of these types."""
    for found in looked(table, (field,), types) if field != EXTRA else ():
        return Looked(found.name, found.whole, found.within, EXTRA)
    return None


@cache
def parted(table: str) -> tuple[str, str] | None:
    """The columns that hold a request's host and its target apart, where a table has them so: of HTTP logs."""
    from vizsla.view import views
    from vizsla.views.grammar import columns

    for view in views().values():
        for mapping in view.of(table):
            host, target = mapping.fields.get("url.domain"), mapping.fields.get("url.original")
            if host is not None and target is not None:
                hosts, targets = columns(host), columns(target)
                if hosts and targets and hosts[0] != targets[0]:
                    return hosts[0], targets[0]
    return None


@cache
def digest() -> str:
    """Of all that says which columns hold what, mappings of views included."""
    import xxhash

    text = resources.files(__package__).joinpath("columns.yaml").read_text("utf-8")
    from vizsla.view import views

    mapped = {name: sorted((t, str(m)) for t, m in view.mappings.items()) for name, view in views().items()}
    return xxhash.xxh3_128_hexdigest((text + repr(sorted(mapped.items()))).encode())
