"""Hypotheses written down: what would be true if a report's actors had been here, and how that can be told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from vizsla.intel.reported import Gathered, Spoken
from vizsla.nouns.coverage import ComponentSeen, TechniqueSeen
from vizsla.nouns.finding import Finding
from vizsla.nouns.hunt import Hit, HuntResult
from vizsla.nouns.hypothesis import Able, Hypothesis, Outcome, Sought

NAMED = 4  # rules, rows and components named in a sentence
TRACES = 2


@dataclass(frozen=True, slots=True)
class Extent:
    """What a lake holds of a table, or of all: events, hosts, first and last time."""

    events: int = 0
    hosts: frozenset[str] = frozenset()
    first: datetime | None = None
    last: datetime | None = None

    def __add__(self, other: Extent) -> Extent:
        firsts = [time for time in (self.first, other.first) if time]
        lasts = [time for time in (self.last, other.last) if time]
        return Extent(
            self.events + other.events,
            self.hosts | other.hosts,
            min(firsts, default=None),
            max(lasts, default=None),
        )

    def __str__(self) -> str:
        hosts = _counted(len(self.hosts), "host")
        if self.first is None or self.last is None:
            return hosts
        first, last = f"{self.first:%Y-%m-%d}", f"{self.last:%Y-%m-%d}"
        return f"{hosts}, {first} to {last}" if first != last else f"{hosts}, {first}"


def whose(gathered: Gathered) -> str:
    """'the actors of x/README.adoc (Agrius)'."""
    readable = [report.name for report in gathered.reports if report.format]
    named = [subject.name for subject in gathered.subjects.values() if subject.kind == "actor"]
    reports = _listed(readable, 2) or "these reports"
    return f"the actors of {reports}" + (f" ({_listed(named, 3)})" if named else "")


def of_indicators(who: str, sought: Sequence[Sought], extents: Mapping[str, Extent]) -> Hypothesis:
    """The hypothesis of all indicators together."""
    kinds = _listed([f"{one.count:,} {one.type}" for one in sought], 6)
    seen = [one for one in sought if one.tables]
    blind = [one for one in sought if not one.tables]
    tables = sorted({table for one in seen for table in one.tables})
    extent = _extent(tables, extents)
    able: Able = "no" if not seen else "in part" if blind else "yes"
    refute = (
        f"none of them in the {_counted(extent.events, 'event')} of {_listed(tables, NAMED)} (logs of {extent})"
        if seen
        else ""
    )
    return Hypothesis(
        technique="",
        sentence=f"If {who} were here, then events would hold one of their indicators: {kinds}.",
        said="named",
        able=able,
        outcome="cannot be told",
        name="Indicators",
        confirm=("a sighting of an indicator, which its event and its host bear out",),
        refute=(refute,) if refute else (),
        missing=tuple(f"{one.type} ({one.count:,}): no table here has a column that holds them" for one in blind),
    )


def of_technique(who: str, spoken: Spoken, seen: TechniqueSeen, extents: Mapping[str, Extent]) -> Hypothesis:
    """The hypothesis of one technique."""
    here = [one for one in seen.components if one.events]
    rules = [rule for rule in seen.rules if not rule.lacks]
    rows = [row for row in seen.implied if row.events]
    able: Able = "no"
    if here or rules or rows:
        able = "yes" if here and (rules or rows) else "in part"
    traces = [one.name for one in here or seen.components][:TRACES]
    where = f"{' or '.join(traces)} would show" if traces else "something would show"
    confirm = []
    if rules:
        titles = _listed([f"'{rule.title}' ({rule.level})" for rule in rules], NAMED)
        confirm.append(f"a hit of {'the rule' if len(rules) == 1 else 'a rule such as'} {titles}")
    if rows:
        confirm.append(f"unusual events that imply it: {_listed([row.name for row in rows], NAMED)}")
    if here and not confirm:
        confirm.append(f"events of it, looked for by hand in {_listed([one.name for one in here], NAMED)}")
    return Hypothesis(
        technique=seen.id,
        sentence=f"If {who} were here, then {where} {seen.name} ({seen.id}).",
        said=spoken.said,
        able=able,
        outcome="cannot be told",
        name=seen.name,
        tactics=seen.tactics,
        context=spoken.context,
        source=spoken.source,
        confirm=tuple(confirm),
        refute=tuple(_refuting(one, extents) for one in here),
        rules=tuple(rule.title for rule in rules),
        waiting=tuple(f"{rule.title}: {rule.lacks}" for rule in seen.rules if rule.lacks),
        analytics=tuple(row.name for row in rows),
        views=tuple(dict.fromkeys(one.view for one in here)),
        missing=(
            *(("it happens where no log of yours is (platform PRE)",) if seen.outside else ()),
            *(_lacking(one) for one in seen.components if not one.events),
        ),
        seen=seen,
    )


def _refuting(one: ComponentSeen, extents: Mapping[str, Extent]) -> str:
    told = f"{_counted(one.events, 'event')} in {_listed(one.tables, NAMED)} (logs of {_extent(one.tables, extents)})"
    return f"no trace of it in {one.name}: {told}"


def _lacking(one: ComponentSeen) -> str:
    if one.brings:
        return f"{one.name}: {' or '.join(one.brings)} would bring it"
    return f"{one.name}: {'no log of these platforms that is read' if one.view else 'no view'} shows it"


def _counted(value: int, what: str) -> str:
    return f"{value:,} {what}{'s' if value != 1 else ''}"


def _extent(tables: Collection[str], extents: Mapping[str, Extent]) -> Extent:
    return sum((extents[table] for table in tables if table in extents), Extent())


def _listed(names: Sequence[str], most: int) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def touching(result: HuntResult, ids: Collection[str], techniques: Collection[str]) -> dict[str, tuple[str, ...]]:
    """By finding's id, in the order of findings, what of the reports it touches."""
    found = {}
    for finding in result.findings:
        told = dict.fromkeys(f"indicator {value}" for value in _indicators(finding, ids))
        told |= dict.fromkeys(one.technique for one in finding.attack if met_by(one.technique, techniques))
        if told:
            found[finding.id] = tuple(told)
    return found


def _indicators(finding: Finding, ids: Collection[str]) -> list[str]:
    known = (evidence.indicator for evidence in finding.evidence)
    return [str(one.get("value")) for one in known if one and str(one.get("id")) in ids]


def met_by(technique: str, wanted: Collection[str]) -> bool:
    """Whether a technique is one of these, or a sub-technique of one."""
    return technique in wanted or technique.partition(".")[0] in wanted


def judged(
    one: Hypothesis, met: Sequence[Hit], hits: Sequence[Hit], touches: Mapping[str, tuple[str, ...]]
) -> Hypothesis:
    """The hypothesis with what was found. met: hits of the reports' indicators; hits: those of rules."""
    if not one.technique:
        findings = tuple(id for id, told in touches.items() if any(text.startswith("indicator ") for text in told))
        outcome: Outcome = "traces found" if met else "cannot be told" if one.able == "no" else "not found"
        return replace(one, outcome=outcome, hits=tuple(hit.id for hit in met), findings=findings)
    wanted = {one.technique}
    by_rules = tuple(hit.id for hit in hits if any(met_by(technique, wanted) for technique in hit.techniques))
    findings = tuple(id for id, told in touches.items() if any(met_by(text, wanted) for text in told))
    return replace(one, outcome=_outcome(one, bool(by_rules or findings)), hits=by_rules, findings=findings)


def _outcome(one: Hypothesis, found: bool) -> Outcome:
    if found:
        return "traces found"
    if one.able == "no":
        return "cannot be told"
    return "not found" if one.rules or one.analytics else "nothing looks for it"
