"""The measures that `measures.yaml` declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from vizsla.declared import from_yaml
from vizsla.errors import AnalyticError

TABLES = "tables"  # in place of a view: every table
HOWS = ("count", "distinct", "sum", "peak", "trough")
AMOUNTS = ("sum", "peak", "trough")  # real values; the others are counts
KEYS = frozenset(("name", "view", "of", "where", "value", "peers", "people", "hours", "silence", "why"))
Wanted = tuple[str | None, ...] | tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is counted, per entity on a host and hour.

    `of`: the fields that name the entity (none: the host); `where`: by field its values, a range [from, below), or
    None for any value; `how` with `field`: what is computed; `key` names it among all.
    """

    name: str
    view: str
    why: str
    of: tuple[str, ...] = ()
    where: Mapping[str, Any] = ()  # type: ignore[assignment]
    how: str = "count"
    field: str = ""
    same: bool = False
    people: bool = False
    hours: bool = False
    silence: bool = False

    @property
    def key(self) -> str:
        """Its name in states: what is counted, where, of what."""
        return f"{self.view}/{self.name}/{' '.join(self.of)}"

    @property
    def amount(self) -> bool:
        """Whether it is a real value (bytes, a level) and not a count."""
        return self.how in AMOUNTS

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of its view that it reads."""
        return tuple(dict.fromkeys((*self.of, *self.where, *((self.field,) if self.field else ()))))


@cache
def measures() -> tuple[Measure, ...]:
    """All measures, in the file's order. Raises AnalyticError where an entry does not say what it must."""
    return read(from_yaml((files("vizsla.volume") / "measures.yaml").read_text("utf-8"))["measures"])


def read(entries: list[dict[str, Any]]) -> tuple[Measure, ...]:
    """Measures from what a file holds, checked against the views."""
    found = tuple(_measure(entry) for entry in entries)
    keys = [measure.key for measure in found]
    doubled = sorted({key for key in keys if keys.count(key) > 1})
    if doubled:
        raise AnalyticError(f"two measures are {doubled[0]!r}", where="measures.yaml", fix="name one of them otherwise")
    return found


def _measure(entry: dict[str, Any]) -> Measure:
    where = f"measures.yaml, {entry.get('name')!r}"
    unknown = sorted(set(entry) - KEYS)
    if unknown or not all(entry.get(key) for key in ("name", "view", "why")):
        raise AnalyticError(f"{unknown[0]!r} is no key" if unknown else "it needs name, view and why", where=where)
    how, _, field = str(entry.get("value", "count")).partition(" ")
    if how not in HOWS or (how == "count") != (not field):
        raise AnalyticError(
            f"its value is {entry['value']!r}", where=where, fix=f"one of {', '.join(HOWS)}, and a field"
        )
    of = entry.get("of") or ()
    measure = Measure(
        str(entry["name"]), str(entry["view"]), str(entry["why"]), (of,) if isinstance(of, str) else tuple(of),
        {name: _wanted(value) for name, value in (entry.get("where") or {}).items()}, how, field,
        entry.get("peers") == "same", bool(entry.get("people")), bool(entry.get("hours")), bool(entry.get("silence")),
    )  # fmt: skip
    if measure.view != TABLES:
        from vizsla.view import named

        missing = set(measure.fields) - {known.name for known in named(measure.view).fields}
        if missing:
            raise AnalyticError(f"view {measure.view} has no field {', '.join(sorted(missing))}", where=where)
    return measure


def _wanted(value: Any) -> Any:
    """Values, a range as a dict, or None for any value."""
    if value == "known":
        return None
    if isinstance(value, dict):
        return {"from": float(value["from"]), "below": float(value["below"])}
    return tuple(None if one is None else str(one) for one in value)
