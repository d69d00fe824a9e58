"""How a lake covers ATT&CK's techniques: by the rules that it keeps, by what analytics can imply, by data at hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from vizsla.analytics.rarity.fields import profile
from vizsla.explore.coverage import fill
from vizsla.explore.coverage.dettect import components, evidence_in
from vizsla.nouns.coverage import ComponentSeen, ImpliedSeen, RuleSeen, TechniqueSeen, ViewSeen
from vizsla.nouns.level import GRAVEST_FIRST
from vizsla.triage.attack import table as implications
from vizsla.view import View, views
from vizsla.views.grammar import Constant

if TYPE_CHECKING:
    from collections.abc import Callable

    from vizsla.engine import Engine
    from vizsla.intel.attack import Attack, Technique
    from vizsla.lake import Lake, Scan
    from vizsla.sigma.rule import Rule

PRE = frozenset(("PRE",))
# Whose events a table holds, by how its name begins; other tables (sensors, firewalls, proxies) see every platform.
PLATFORMS = (
    (("windows_", "defender_device"), {"Windows"}),
    (("linux_", "sysstat"), {"Linux", "Containers"}),
    (("macos_",), {"macOS"}),
    (("kubernetes_",), {"Containers"}),
    (("azure_", "entra_"), {"IaaS", "Identity Provider"}),
    (("aws_", "gcp_"), {"IaaS"}),
    (("m365_",), {"Office Suite", "SaaS"}),
    (("okta_",), {"Identity Provider", "SaaS"}),
    (("github_",), {"SaaS"}),
)
_Seen = TypeVar("_Seen", RuleSeen, ImpliedSeen)
BRINGS = 6  # tables that would show a component, named at most


@dataclass(frozen=True, slots=True)
class Held:
    """What a lake holds: events by kind ('windows_sysmon:1', 'zeek_conn'), and what tables give views."""

    kinds: Mapping[str, int]
    parts: tuple[ViewSeen, ...]


def held(lake: Lake, engine: Engine, progress: Callable[[int, int, str], None] | None = None) -> Held:
    """Counts a lake's events by kind and by view: two queries a table."""
    names = lake.tables()
    asked = {kind.partition(":")[0] for kind in implications().rules}
    kinds: dict[str, int] = {}
    parts: list[ViewSeen] = []
    for done, name in enumerate(names):
        if progress:
            progress(done, len(names), name)
        scan = lake.scan(name)
        parts += fill.parts_of(engine, scan)
        if name in asked and scan.files:
            kinds |= _kinds(engine, scan)
    return Held(kinds, tuple(parts))


def _kinds(engine: Engine, scan: Scan) -> dict[str, int]:
    """Events of a table by the kinds that rarity's evidence bears."""
    own = profile(scan.table)
    if own.kind is None or own.kind not in scan.schema.names:
        return {scan.table: scan.rows}
    events = engine.table(scan)
    counted = engine.collect(events.group_by(kind=events[own.kind]).aggregate(n=events.count())).to_pylist()
    told = {own.kind_of(str(row["kind"])): row["n"] for row in counted if row["kind"] is not None}
    return {**told, scan.table: scan.rows}


def techniques(
    lake: Lake,
    *,
    engine: Engine,
    attack: Attack | None = None,
    rules: Sequence[Rule] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[TechniqueSeen, ...]:
    """Every technique of ATT&CK, in order of id, and how this lake covers it.

    attack: default the one that the lake keeps, or that ships. rules: default those that the lake keeps.
    """
    framework = attack or attack_of(lake)
    here = held(lake, engine, progress)
    by_rule = _by_technique(rules_seen(lake, rules), framework)
    by_row = _by_technique(implied_seen(here), framework)
    return tuple(
        TechniqueSeen(
            id=one.id,
            name=framework.full_name(one.id),
            tactics=tuple(sorted(one.tactics)),
            rules=tuple(sorted(by_rule.get(one.id, {}).values(), key=_graver)),
            implied=tuple(sorted(by_row.get(one.id, {}).values(), key=lambda row: row.name)),
            components=components_of(one, framework, here),
            outside=frozenset(one.platforms) == PRE,
        )
        for _, one in sorted(framework.techniques.items())
    )


def attack_of(lake: Lake) -> Attack:
    """ATT&CK as the lake keeps it, where it was updated there; else as it ships."""
    from vizsla.intel.attack import FILE, load

    own = lake.root / FILE
    return load(own if own.is_file() else None)


def rules_seen(lake: Lake, rules: Sequence[Rule] | None = None) -> tuple[RuleSeen, ...]:
    """The rules that speak (by default those that the lake keeps), and why those that cannot answer here cannot."""
    from vizsla.sigma.choose import answerable, columns_of

    if rules is None:
        if not (lake.root / "rules").is_dir():
            return ()
        from vizsla.sigma.book import RuleBook

        rules = RuleBook(lake).load().rules
    lacks = answerable(rules, columns_of(lake))
    return tuple(
        RuleSeen(rule.id, rule.title, rule.level, rule.techniques, lacks[rule.id])
        for rule in rules
        if rule.techniques and not rule.silent
    )


def implied_seen(here: Held) -> tuple[ImpliedSeen, ...]:
    """The rows of attack.yaml, and how many events of the kinds that they look at are here."""
    kinds: dict[str, list[str]] = {}
    named: dict[str, tuple[str, ...]] = {}
    for kind, rows in implications().rules.items():
        for row in rows:
            kinds.setdefault(row.id, []).append(kind)
            named[row.id] = row.techniques
    return tuple(
        ImpliedSeen(name, named[name], tuple(sorted(own)), sum(here.kinds.get(kind, 0) for kind in own))
        for name, own in kinds.items()
    )


def _graver(rule: RuleSeen) -> tuple[bool, int, str, str]:
    """Order of rules: those with data first, then by level and title."""
    return bool(rule.lacks), GRAVEST_FIRST.index(rule.level), rule.title.lower(), rule.id


def _by_technique(seen: Iterable[_Seen], attack: Attack) -> dict[str, dict[str, _Seen]]:
    """By technique, and by the parent of a sub-technique, what names it, by name. Retired ids lead to today's."""
    found: dict[str, dict[str, _Seen]] = {}
    for one in seen:
        name = one.id if isinstance(one, RuleSeen) else one.name
        for id in one.techniques:
            technique = attack.technique(id)
            for own in (technique.id, technique.parent) if technique else ():
                if own:
                    found.setdefault(own, {})[name] = one
    return found


def components_of(technique: Technique, attack: Attack, here: Held) -> tuple[ComponentSeen, ...]:
    """What a technique is seen in: with events here first, then what a view of ours could show, then the rest."""
    platforms = frozenset(technique.platforms)
    names = (attack.data_components.get(id, id) for id in technique.data_components)
    seen = [_component(name, platforms, here) for name in names]
    return tuple(sorted(seen, key=lambda one: (not one.events, not one.view, one.name)))


def _component(name: str, platforms: frozenset[str], here: Held) -> ComponentSeen:
    spec = components().get(name)
    if spec is None:
        return ComponentSeen(name)
    wanted = set(spec.get("actions", ()))
    counted = {
        part.table: n
        for part in here.parts
        if part.name == spec["view"] and fits(part.table, platforms) and (n := evidence_in(part, wanted))
    }
    brings = () if counted else tuple(t for t in _showing(views()[spec["view"]], wanted) if fits(t, platforms))
    return ComponentSeen(name, spec["view"], sum(counted.values()), tuple(sorted(counted)), brings[:BRINGS])


def fits(table: str, platforms: frozenset[str]) -> bool:
    """Whether a table can hold events of one of these platforms."""
    own = next((of for starts, of in PLATFORMS if table.startswith(starts)), None)
    return own is None or not own.isdisjoint(platforms)


def _showing(view: View, wanted: set[str]) -> list[str]:
    """The tables from which a view gets one of these actions (none named: anything)."""
    return [
        table
        for table, mappings in view.mappings.items()
        if not table.endswith("*") and any(_says(m.fields.get(fill.ACTION), wanted) for m in mappings)
    ]


def _says(action: object, wanted: set[str]) -> bool:
    """Whether events of a mapping may be such an action: where it computes the action, any may."""
    return not wanted or (action.value in wanted if isinstance(action, Constant) else action is not None)
