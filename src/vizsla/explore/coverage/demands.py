"""What needs which logs: analytics now, whatever registers later; what each lacks, and what lack matters most."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vizsla.analytic import Need
from vizsla.analytics import registry
from vizsla.nouns.coverage import DemandSeen, Missing
from vizsla.view import OURS, views

MOST = 25  # lacks that are told
Held = Mapping[str, Collection[str] | None]  # by table or view its columns or filled fields; None: without events


@dataclass(frozen=True, slots=True)
class Demand:
    """Something that cannot run without logs. kind: 'analytic', and what else registers. needs: all of these."""

    kind: str
    name: str
    needs: tuple[Need, ...]


def _analytics() -> Iterable[Demand]:
    return (Demand("analytic", name, tuple(analytic.needs)) for name, analytic in registry().items())


_PROVIDERS: dict[str, Callable[[], Iterable[Demand]]] = {"analytic": _analytics}


def register(kind: str, provider: Callable[[], Iterable[Demand]]) -> None:
    """From now on coverage counts what `provider` gives, too: rules, hunts. A kind registered again is replaced."""
    _PROVIDERS[kind] = provider


def demands() -> list[Demand]:
    """All that needs logs, by kind in the order of registration."""
    return [demand for provider in _PROVIDERS.values() for demand in provider()]


def lacking(need: Need, held: Held) -> str:
    """What a need misses, in words; '' where a table or view of it is held (not None) with all its fields."""
    missing = []
    for name in need.any_of:
        fields = held.get(name)
        if fields is None:
            missing.append(name)
        elif absent := [field for field in need.fields if field not in fields]:
            missing.append(f"{name} with {', '.join(absent)}")
        else:
            return ""
    return " or ".join(missing)


def seen(demand: Demand, held: Held) -> DemandSeen:
    """What it lacks."""
    return DemandSeen(demand.kind, demand.name, tuple(text for need in demand.needs if (text := lacking(need, held))))


def missing(asked: Sequence[Demand], held: Held, tables: Collection[str]) -> list[Missing]:
    """The logs and fields that are lacking, by what each would enable alone: the most first.

    A log would enable what could run once its table is there with all that it can fill; a field, what could run once
    some event fills it. Views that it would fill count after what could run, and fields after those.
    """
    unable = [demand for demand in asked if seen(demand, held).lacks]
    found = []
    for table in sorted(_known() - set(tables)):
        gained = _gained(table)
        news = {name: fields for name, fields in gained.items() if held.get(name) is None}
        fields = [f"{v}.{f}" for v, fs in gained.items() if (had := held.get(v)) is not None for f in fs - set(had)]
        enabled = _enabled(unable, held, {**gained, table: None})
        found.append(Missing(table, enabled, tuple(news), tuple(sorted(fields))))
    for view, field in sorted({(v, f) for d in unable for n in d.needs for v in n.any_of for f in n.fields}):
        if held.get(view) is not None and field not in (held[view] or ()):
            enabled = _enabled(unable, held, {view: {field}})
            if enabled:
                found.append(Missing(f"{view}.{field}", enabled, (), (f"{view}.{field}",)))
    useful = [m for m in found if m.demands or m.views or m.fields]
    return sorted(useful, key=lambda m: (-len(m.demands), -len(m.views), -len(m.fields), m.name))[:MOST]


def _known() -> set[str]:
    """The tables that a view or a demand names, patterns left out: nobody can turn on `ecs_*`."""
    named = {name for demand in demands() for need in demand.needs for name in need.any_of if name not in views()}
    return {name for view in views().values() for name in view.tables if not name.endswith("*")} | named


def _gained(table: str) -> dict[str, set[str]]:
    """The views that a table can fill, with their fields."""
    return {
        name: {field for mapping in view.of(table) for field in mapping.fields}
        for name, view in views().items()
        if view.of(table)
    }


def _enabled(
    unable: Sequence[Demand], held: Held, gained: Mapping[str, Collection[str] | None]
) -> tuple[tuple[str, str], ...]:
    """Which of those that cannot run could, were this gained; None: a table with whatever columns are asked for."""
    told = []
    for demand in unable:
        able = True
        for need in demand.needs:
            if not lacking(need, held):
                continue
            able = any(_meets(need, name, held, gained) for name in need.any_of)
            if not able:
                break
        if able:
            told.append((demand.kind, demand.name))
    return tuple(told)


def _meets(need: Need, name: str, held: Held, gained: Mapping[str, Collection[str] | None]) -> bool:
    if name not in gained:
        return False
    more = gained[name]
    if more is None:
        return True
    return {*(held.get(name) or ()), *more, *OURS}.issuperset(need.fields)
