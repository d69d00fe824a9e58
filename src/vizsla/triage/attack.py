"""Which ATT&CK techniques a piece of evidence implies. The techniques and the rules stand in attack.yaml.

The vocabulary of rules is small on purpose: plain string tests without regular expressions, so that judging an
event takes time linear in its length however hostile it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from vizsla.declared import from_yaml
from vizsla.intel import attack as framework
from vizsla.nouns import Attack, Evidence
from vizsla.triage.native import WORD, Fields, base, fields_of, kind_of, number

LONGEST = 65_536  # characters of a value that are looked at
EVENTS = 5  # events of one piece of evidence that are looked at

Test = Callable[[str, str], bool]


def _prefix(value: str, wanted: str) -> bool:
    """A word of `value` is '-' or '/' and an abbreviation of the option, of at least the length named before '|'."""
    least, _, option = wanted.partition("|")
    shortest = int(least)
    return any(
        word[:1] in "-/" and len(word) > shortest and option.startswith(word[1:].partition(":")[0])
        for word in WORD.split(value)
        if len(word) > 1
    )


TESTS: Mapping[str, Test] = {
    "equals": lambda value, wanted: value == wanted,
    "contains": lambda value, wanted: wanted in value,
    "startswith": lambda value, wanted: value.startswith(wanted),
    "endswith": lambda value, wanted: value.endswith(wanted),
    "base": lambda value, wanted: base(value) == wanted,
    "word": lambda value, wanted: wanted in WORD.split(value),
    "prefix": _prefix,
    "mask": lambda value, wanted: (have := number(value)) is not None and have & int(wanted) == int(wanted),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One test of one field; `fields`: the first of them that the event has. `wanted` lower case, any one will do."""

    fields: tuple[str, ...]
    test: str
    wanted: tuple[str, ...]

    def holds(self, event: Fields) -> bool:
        value = event.first(self.fields)[:LONGEST].lower()
        if self.test == "present":
            return bool(value) == (self.wanted == ("true",))
        test = TESTS[self.test]
        return bool(value) and any(test(value, wanted) for wanted in self.wanted)


@dataclass(frozen=True, slots=True)
class Rule:
    """A row of attack.yaml."""

    id: str
    techniques: tuple[str, ...]
    tactic: str = ""
    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    none: tuple[Condition, ...] = ()

    def holds(self, event: Fields) -> bool:
        return (
            all(c.holds(event) for c in self.all)
            and (not self.any or any(c.holds(event) for c in self.any))
            and not any(c.holds(event) for c in self.none)
        )


@dataclass(frozen=True, slots=True)
class AttackTable:
    """attack.yaml, checked. tactics: those that a technique serves, the most telling first; rules: by kind of event."""

    tactics: Mapping[str, tuple[str, ...]]
    rules: Mapping[str, tuple[Rule, ...]]
    source: str = field(default="attack.yaml")

    def of(self, evidence: Evidence) -> tuple[Attack, ...]:
        """What the evidence implies, by its kind and the native fields of its first events; each technique once."""
        table, event_id = kind_of(evidence.kind)
        rules = (*self.rules.get(f"{table}:{event_id}", ()), *self.rules.get(table, ()))
        found: dict[str, Attack] = {}
        for event in evidence.events[:EVENTS] if rules else ():
            known = fields_of(event)
            for rule in rules:
                if all(t in found for t in rule.techniques) or not rule.holds(known):
                    continue
                for technique in rule.techniques:
                    tactic = rule.tactic or self.tactics[technique][0]
                    found.setdefault(technique, Attack(technique, tactic, f"{self.source}: {rule.id}"))
        return tuple(found.values())


def load(text: str, source: str = "attack.yaml") -> AttackTable:
    """A table from YAML text. Raises ValueError with the rule's id and what is wrong with it."""
    content = from_yaml(text)
    tactics = {technique: tuple(row) for technique, row in content["techniques"].items()}
    kinds, names = content.get("kinds", {}), content.get("fields", {})
    rules: dict[str, list[Rule]] = {}
    seen: set[str] = set()
    for row in content["rules"]:
        rule = _rule(row, names)
        if rule.id in seen:
            raise ValueError(f"{source}: two rules are called {rule.id!r}")
        seen.add(rule.id)
        for technique in rule.techniques:
            if technique not in tactics:
                raise ValueError(f"{source}, {rule.id}: {technique} is not among the techniques")
        if rule.tactic and any(rule.tactic not in tactics[t] for t in rule.techniques):
            raise ValueError(f"{source}, {rule.id}: {rule.tactic} is no tactic of its techniques")
        for kind in dict.fromkeys(k for named in row["kind"] for k in kinds.get(named, [named])):
            rules.setdefault(kind, []).append(rule)
    return AttackTable(tactics, {kind: tuple(found) for kind, found in rules.items()}, source)


def _rule(row: Mapping[str, Any], names: Mapping[str, list[str]]) -> Rule:
    unknown = set(row) - {"id", "kind", "all", "any", "none", "techniques", "tactic"}
    if unknown or not {"id", "kind", "techniques"} <= set(row):
        raise ValueError(f"rule {row.get('id', '?')}: needs id, kind and techniques; unknown: {sorted(unknown)}")
    parts = {
        part: tuple(_condition(row["id"], given, names) for given in row.get(part, ()))
        for part in ("all", "any", "none")
    }
    return Rule(row["id"], tuple(row["techniques"]), row.get("tactic", ""), parts["all"], parts["any"], parts["none"])


def _condition(rule: str, given: Mapping[str, Any], names: Mapping[str, list[str]]) -> Condition:
    tests = set(given) - {"field"}
    if "field" not in given or len(tests) != 1 or not tests <= {*TESTS, "present"}:
        raise ValueError(f"rule {rule}: {given} is not a field and one of {', '.join(sorted(TESTS))}, present")
    test = tests.pop()
    values = given[test] if isinstance(given[test], list) else [given[test]]
    return Condition(
        tuple(names.get(given["field"], [given["field"]])), test, tuple(str(value).lower() for value in values)
    )


@cache
def table() -> AttackTable:
    """The shipped table, read once."""
    return load(resources.files("vizsla.triage").joinpath("attack.yaml").read_text(encoding="utf-8"))


def attack_of(evidence: Evidence) -> tuple[Attack, ...]:
    """The techniques that a piece of evidence implies, each with the row, rule or source that says so."""
    return (*_said(evidence), *table().of(evidence))


def _said(evidence: Evidence) -> Iterator[Attack]:
    """The techniques that the rules or the indicators behind the evidence name."""
    what = "rule" if evidence.rule else "indicator"
    for told in (evidence.rule or evidence.indicator or {}, *evidence.also):
        named, tags = told.get("techniques"), told.get("tags")
        own = {str(tag).lower().removeprefix("attack.").replace("_", "-") for tag in tags or ()}  # type: ignore[attr-defined]
        for technique in named if isinstance(named, list | tuple) else ():
            yield Attack(str(technique), _tactic(str(technique), own), f"{what} {told.get('id', '')}")


def _tactic(technique: str, tags: Collection[str]) -> str:
    """What the technique serves here: the first of its tactics that the tags name, else the most telling one.

    '' where neither attack.yaml nor ATT&CK at hand knows the technique.
    """
    known = table().tactics.get(technique)
    if known is None:
        found = framework.current().technique(technique)
        known = found.tactics if found else ()
    return next((tactic for tactic in known if tactic in tags), known[0] if known else "")


def attacks_of(evidence: Iterable[Evidence]) -> tuple[Attack, ...]:
    """The techniques of a finding: those of all its evidence, each once, in the evidence's order."""
    found: dict[str, Attack] = {}
    for one in evidence:
        for attack in attack_of(one):
            found.setdefault(attack.technique, attack)
    return tuple(found.values())
