"""Where a rule looks: the tables that its log source is about, and where its fields stand in them.

`logsources.yaml` says it; `places_of` answers it for a rule and the tables that a lake has. A rule that speaks the
names of the Elastic Common Schema finds them by the views' mappings.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

from vizsla.sigma.rule import And, Condition, LogSource, Not, Rule, Test

_PARTS = ("product", "category", "service")
_NOT_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A table, or all whose names begin as one that ends in `*`.

    where: only events whose native columns hold one of these values ('*': any). columns: a rule's field -> the native
    column, or an expression of the views' grammar (see `views.grammar`), by the field's name in lower case. A field
    that is not there is the native column of that name, whatever its case: `column` says it all.
    """

    table: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str) -> str:
        """The native column or the expression that a rule's field stands for here."""
        return self.columns.get(name.lower(), name)

    def holds(self, table: str) -> bool:
        """Whether a table of this name is meant."""
        return table == self.table or (self.table.endswith("*") and table.startswith(self.table[:-1]))


def places(logsource: LogSource, tables: Collection[str] | None = None) -> tuple[Place, ...]:
    """The places that a log source is about; of these `tables` alone where they are given. () where none is known."""
    known = _places(logsource)
    if tables is None:
        return known
    return tuple(replace(place, table=table) for place in known for table in sorted(tables) if place.holds(table))


def places_of(rule: Rule, tables: Collection[str] | None = None) -> tuple[Place, ...]:
    """The places of a rule, its fields that bear ECS names mapped as the views map them; () of a correlation."""
    if rule.condition is None:
        return ()
    found = places(rule.logsource, tables)
    dotted = tuple(sorted({name for name in asked(rule.condition) if "." in name}))
    return tuple(_with_ecs(place, dotted) for place in found) if dotted else found


def asked(condition: Condition) -> Iterator[str]:
    """The names of the fields that a condition asks for, those beside others too; '' for keywords."""
    if isinstance(condition, Test):
        yield condition.field
        if condition.how.startswith("field"):
            yield condition.value
    elif isinstance(condition, Not):
        yield from asked(condition.of)
    else:
        for inner in condition.of:
            yield from asked(inner)


def unanswerable(rule: Rule, tables: Mapping[str, Collection[str]]) -> str:
    """Why a lake with these tables and their columns cannot answer a rule; '' where it can.

    It cannot where no table is about the rule's log source, or where each such table lacks columns without which the
    rule's condition cannot hold.
    """
    if rule.condition is None:
        return ""
    known = _places(rule.logsource)
    said = _said(rule.logsource)
    if not known:
        return f"no table is known to hold {said}"
    there = places_of(rule, tables)
    if not there:
        return f"no data here: {said} lies in {_listed(place.table for place in known)}"
    reasons = []
    for place in there:
        lacking = _lacking(rule.condition, place, tables[place.table])
        if not lacking:
            return ""
        reasons.append(f"{place.table} has no {_listed(lacking)}")
    return "; ".join(dict.fromkeys(reasons))


def _lacking(condition: Condition, place: Place, columns: Collection[str]) -> tuple[str, ...]:
    """The columns whose absence keeps a condition from ever holding in a table; () where it may hold."""
    have = {column.lower() for column in columns}
    selecting = tuple(column for column in place.where if column.lower() not in have)
    if selecting:
        return selecting
    known: dict[str, bool] = {}

    def there(name: str) -> bool:
        if name not in known:
            known[name] = not name or any(one.lower() in have for one in _read(place.column(name)))
        return known[name]

    if _possible(condition, there)[0]:
        return ()
    missing = (name for name in asked(condition) if not there(name))
    return tuple(dict.fromkeys("/".join(_read(place.column(name))) for name in missing))


def _possible(condition: Condition, there: Any) -> tuple[bool, bool]:
    """Whether a condition may hold, and whether it may fail, where some fields are in no event."""
    if isinstance(condition, Test):
        if not there(condition.field):
            holds = condition.how == "null" or (condition.how == "exists" and condition.value == "false")
            return holds, not holds
        return True, True
    if isinstance(condition, Not):
        may, may_not = _possible(condition.of, there)
        return may_not, may
    each = [_possible(inner, there) for inner in condition.of]
    if isinstance(condition, And):
        return all(may for may, _ in each), any(may_not for _, may_not in each)
    return any(may for may, _ in each), all(may_not for _, may_not in each)


@cache
def _read(column: str) -> tuple[str, ...]:
    """The native columns that a name or an expression reads."""
    tree = expression(column)
    from vizsla.views.grammar import columns

    return columns(tree) if tree is not None else (column,)


def expression(column: str) -> Any:
    """The tree of an expression, or None where it is the plain name of a column."""
    if "(" not in column and "`" not in column:
        return None
    from vizsla.errors import ViewError
    from vizsla.views.grammar import Column, parse

    try:
        tree = parse(column, "sigma/logsources.yaml")
    except ViewError:
        return None  # a column whose own name holds brackets
    return tree if not isinstance(tree, Column) or tree.name != column else None


@cache
def _places(logsource: LogSource) -> tuple[Place, ...]:
    own = {part: getattr(logsource, part) for part in _PARTS}
    entries = [entry for entry in _entries() if entry.fits(own)]
    by_category = _best([e for e in entries if "category" in e.when and own["category"]], own)
    by_service = _best([e for e in entries if "service" in e.when and own["service"]], own)
    if by_category and by_service:
        tables = {place.table for place in by_service}
        return tuple(place for place in by_category if place.table in tables) or by_service
    found = by_category or by_service
    if found:
        return found
    if own["category"] or own["service"]:
        return _best([e for e in entries if set(e.when) == {"product"}], own) or _by_name(own)
    patterns = _declared()["products"].get(own["product"], ())
    return tuple(Place(pattern) for pattern in patterns) or _by_name(own)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of logsources.yaml."""

    when: Mapping[str, str]
    places: tuple[Place, ...]

    def fits(self, own: Mapping[str, str]) -> bool:
        """What it names, the rule names too or leaves open; of what the rule names it names at least one."""
        return all(not own[part] or own[part] == said for part, said in self.when.items()) and any(
            own[part] for part in self.when
        )

    def score(self, own: Mapping[str, str]) -> int:
        return sum(own[part] == said for part, said in self.when.items())


def _best(entries: list[_Entry], own: Mapping[str, str]) -> tuple[Place, ...]:
    """The places of the entries that name most of what the rule names, each once."""
    most = max((entry.score(own) for entry in entries), default=0)
    slugs = {part: _slug(value) for part, value in own.items()}
    found: dict[tuple[str, str], Place] = {}
    for entry in entries:
        if entry.score(own) < most:
            continue
        for place in entry.places:
            if "{" in place.table:
                needed = [part for part in _PARTS if f"{{{part}}}" in place.table]
                if not all(slugs[part] for part in needed):
                    continue
                place = replace(place, table=place.table.format(**slugs))
            found.setdefault((place.table, repr(place.where)), place)
    return tuple(found.values())


def _by_name(own: Mapping[str, str]) -> tuple[Place, ...]:
    """Of a log source that nobody described: tables that bear its names, as a mapping of one's own may make them."""
    product, category, service = (_slug(own[part]) for part in _PARTS)
    names = (f"{product}_{service}", f"{product}_{category}", product or service or category)
    good = (name for name in names if name and not name.startswith("_") and not name.endswith("_"))
    return tuple(Place(name) for name in dict.fromkeys(good) if not _common(name))


def _common(name: str) -> bool:
    """Whether a name alone would be too wide: a product that has tables of many kinds."""
    return name in _declared()["products"]


def _with_ecs(place: Place, names: tuple[str, ...]) -> Place:
    mapped = dict(_ecs(place.table))
    added = {name.lower(): mapped[name.lower()] for name in names if name.lower() in mapped}
    return replace(place, columns={**added, **place.columns}) if added else place


@cache
def _ecs(table: str) -> Mapping[str, str]:
    """The ECS fields that the views' mappings of a table fill, and the native column or expression of each."""
    from vizsla.view import views
    from vizsla.views.grammar import Constant

    found: dict[str, str] = {}
    for view in views().values():
        for mapping in view.of(table):
            for name, tree in mapping.fields.items():
                if not isinstance(tree, Constant):
                    found.setdefault(name.lower(), _written(tree))
    return found


def _written(tree: Any) -> str:
    """An expression as text again."""
    from vizsla.views.grammar import TOKEN, Column

    if isinstance(tree, Column):
        return tree.name if TOKEN.fullmatch(tree.name) else f"`{tree.name}`"
    return f"{tree.function}({', '.join([*map(_written, tree.arguments), *tree.words])})"


@cache
def _entries() -> tuple[_Entry, ...]:
    return tuple(
        _Entry(
            {part: str(value).lower() for part, value in entry["when"].items()},
            tuple(place for table, spec in entry["tables"].items() for place in _of_spec(table, spec or {})),
        )
        for entry in _declared()["sources"]
    )


def _of_spec(table: str, spec: Mapping[str, Any]) -> Iterator[Place]:
    """A table's place; and another where `where` asks for a list's first ('event.type.0'), which may be no list."""
    where = {column: tuple(map(str, values)) for column, values in spec.get("where", {}).items()}
    columns = {name.lower(): column for name, column in spec.get("fields", {}).items()}
    yield Place(table, where, columns)
    if any(column.endswith(".0") for column in where):
        yield Place(table, {column.removesuffix(".0"): values for column, values in where.items()}, columns)


@cache
def _declared() -> Any:
    from vizsla.declared import from_yaml

    return from_yaml((files("vizsla.sigma") / "logsources.yaml").read_text("utf-8"))


def _slug(text: str) -> str:
    return _NOT_NAME.sub("_", text.lower()).strip("_")


def _said(logsource: LogSource) -> str:
    named = ((part, getattr(logsource, part)) for part in _PARTS)
    return ", ".join(f"{part} {value}" for part, value in named if value)


def _listed(names: Iterable[str]) -> str:
    kept = list(dict.fromkeys(names))
    return ", ".join(kept[:4]) + (f" and {len(kept) - 4} more" if len(kept) > 4 else "")
