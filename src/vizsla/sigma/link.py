"""What stands between rules: filters that narrow others, correlations that speak of them, and names that mean one."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from vizsla.errors import RuleError
from vizsla.nouns.indicator import Refused
from vizsla.sigma.plain import version
from vizsla.sigma.rule import And, Condition, Filter, Not, Rule, Test

DEEP = 12  # correlations over correlations, at most: each is looked at by the way of all above it
WAYS = 200  # ways down through the correlations below one, at most: where they share what is below, ways multiply


def narrowed(rules: Sequence[Rule], filters: Sequence[Filter]) -> tuple[list[Rule], list[Refused]]:
    """The rules, each narrowed by the filters that fit it; and the filters that fit none."""
    made: list[Rule] = []
    used: set[int] = set()
    for rule in rules:
        fit = [f for f in filters if f.fits(rule)] if filters else []
        used.update(map(id, fit))
        made.append(_narrowed(rule, fit) if fit else rule)
    idle = [Refused(f.place, "a filter that fits none of these rules") for f in filters if id(f) not in used]
    return made, idle


def _narrowed(rule: Rule, filters: Sequence[Filter]) -> Rule:
    parts = [part for part in (rule.condition, *(f.condition for f in filters)) if part is not None]
    condition = And(tuple(parts))
    return dataclasses.replace(rule, condition=condition, version=version(condition, rule.logsource, None))


def linked(rules: Sequence[Rule], speaking: Collection[str]) -> tuple[list[Rule], list[Refused]]:
    """The rules, with every correlation's references made ids; and the correlations whose references lead nowhere.

    A rule falls silent where a correlation speaks of it, and none of those that let their rules speak on (`speaking`,
    by id) does. Those spoken of come before those that speak of them.
    """
    ids = {rule.id: rule for rule in rules}
    names = {rule.name: rule.id for rule in rules if rule.name}
    kept: dict[str, Rule] = {rule.id: rule for rule in rules if rule.correlation is None}
    waiting = {rule.id: rule for rule in rules if rule.correlation is not None}
    refused: list[Refused] = []
    resolved: dict[str, Rule] = {}
    below: dict[str, tuple[int, int]] = {}
    for rule in list(waiting.values()):
        try:
            resolved[rule.id] = _resolved(rule, ids, names)
        except RuleError as error:
            refused.append(Refused(rule.file, error.what))
    while ready := [r for r in resolved.values() if r.correlation and all(of in kept for of in r.correlation.rules)]:
        for rule in ready:
            own = resolved.pop(rule.id)
            below[own.id] = _below(own, below)
            deep, ways = below[own.id]
            if deep > DEEP or ways > WAYS:
                why = f"correlations over correlations: {DEEP} deep and {WAYS} ways down are the most"
                refused.append(Refused(own.file, why))
            else:
                kept[own.id] = own
    refused += [Refused(r.file, "a correlation that speaks of itself, or of one refused") for r in resolved.values()]
    return _quieted(kept.values(), speaking), refused


def _below(rule: Rule, below: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """How many correlations stand below one another here, this one too, and how many ways lead down through them."""
    assert rule.correlation is not None
    under = [below[of] for of in rule.correlation.rules if of in below]
    return 1 + max((deep for deep, _ in under), default=0), 1 + sum(ways for _, ways in under)


def _resolved(rule: Rule, ids: Mapping[str, Rule], names: Mapping[str, str]) -> Rule:
    found = rule.correlation
    assert found is not None

    def meant(reference: str) -> str:
        own = spelt(reference)
        own = own if own in ids else names.get(reference, "")
        if not own:
            raise RuleError(f"the correlation speaks of a rule that is not here: {reference[:80]}")
        return own

    def renamed(node: Condition) -> Condition:
        if isinstance(node, Test):
            return dataclasses.replace(node, value=meant(node.value))
        if isinstance(node, Not):
            return Not(renamed(node.of))
        return type(node)(tuple(renamed(one) for one in node.of))

    made = dataclasses.replace(
        found,
        rules=tuple(dict.fromkeys(map(meant, found.rules))),
        aliases={alias: {meant(r): name for r, name in of.items()} for alias, of in found.aliases.items()},
        extended=None if found.extended is None else renamed(found.extended),
    )
    return dataclasses.replace(rule, correlation=made, version=version(None, rule.logsource, made))


def _quieted(rules: Iterable[Rule], speaking: Collection[str]) -> list[Rule]:
    all_of = list(rules)
    silent: set[str] = set()
    loud: set[str] = set()
    for rule in all_of:
        if rule.correlation is not None:
            (loud if rule.id in speaking else silent).update(rule.correlation.rules)
    hushed = silent - loud
    return [dataclasses.replace(rule, silent=True) if rule.id in hushed else rule for rule in all_of]


def spelt(reference: str) -> str:
    """Ids are told in lower case; names stay as they are."""
    text = str(reference)
    lowered = text.lower()
    return lowered if len(lowered) == 36 and lowered.count("-") == 4 else text
