"""What stands between rules: filters that narrow others, correlations that speak of them, and names that mean one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sigma.correlations import (
    CorrelationConditionAND,
    CorrelationConditionItem,
    CorrelationConditionNOT,
    CorrelationConditionOR,
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)
from sigma.filters import SigmaGlobalFilter

from vizsla.errors import RuleError
from vizsla.nouns.indicator import Refused
from vizsla.sigma.compile import POLICY, Placeholders, detection
from vizsla.sigma.plain import version
from vizsla.sigma.rule import And, Condition, Correlation, LogSource, Not, Or, Rule, Test

MOST_RULES = 1_000  # that one correlation speaks of
LONGEST = 366 * 86_400  # seconds of a correlation
_OPERATORS = {operator.name.lower() for operator in SigmaCorrelationConditionOperator}
_SAME = {"value_median": ("value_percentile", 50.0)}


@dataclass(frozen=True, slots=True)
class Filter:
    """What narrows the rules that it names: they hold only where this holds too."""

    place: str
    title: str
    logsource: LogSource
    rules: tuple[str, ...] | None  # ids or names; None: every rule of the log source
    condition: Condition

    def fits(self, rule: Rule) -> bool:
        """Whether it narrows this rule."""
        own, other = self.logsource, rule.logsource
        pairs = ((own.category, other.category), (own.product, other.product), (own.service, other.service))
        if rule.condition is None or any(asked and asked != has for asked, has in pairs):
            return False
        return self.rules is None or rule.id in self.rules or (bool(rule.name) and rule.name in self.rules)


def filter_of(
    document: Mapping[str, Any], place: str, logsource: LogSource, placeholders: Placeholders | None
) -> Filter:
    """A filter, out of its document. Raises RuleError or pySigma's errors (ValueErrors)."""
    written = document["filter"]
    if not isinstance(written, dict):
        raise RuleError("'filter' must be a map")
    named = SigmaGlobalFilter.from_dict(written, policy=POLICY).rules
    condition = detection({key: value for key, value in written.items() if key != "rules"}, placeholders)
    rules = None if isinstance(named, str) else tuple(_id(reference.reference) for reference in named)
    return Filter(place, str(document.get("title", "")), logsource, rules, condition)


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


def correlation_of(document: Mapping[str, Any]) -> tuple[Correlation, bool]:
    """A correlation, its rules as they are written, and whether those still speak. Raises RuleError or ValueErrors."""
    written = document["correlation"]
    if not isinstance(written, dict):
        raise RuleError("'correlation' must be a map")
    first, others = _conditions(written)
    found = SigmaCorrelationRule.from_dict({"title": "correlation", "correlation": first}, policy=POLICY)
    if found.timespan.seconds > LONGEST:
        raise RuleError("a correlation over more than a year")
    extended: Condition | None = None
    tests, fields, percentile = others, tuple[str, ...](), None
    if isinstance(found.condition, SigmaExtendedCorrelationCondition):
        extended = _extended(found.condition.parsed)
        named = found.condition.get_referenced_rules()
    elif isinstance(found.condition, SigmaCorrelationCondition):
        named = [reference.reference for reference in found.rules or ()]
        tests = ((found.condition.op.name.lower(), float(found.condition.count)), *others)
        fields = _texts(found.condition.fieldref)
        percentile = found.condition.percentile
    kind, middle = _SAME.get(found.type.name.lower(), (found.type.name.lower(), None))
    if kind == "value_percentile" and middle is None and not (percentile is not None and 0 <= percentile <= 100):
        raise RuleError("a correlation of percentiles must say which ('percentile', 0 to 100)")
    if not named or len(named) > MOST_RULES:
        raise RuleError(f"a correlation must speak of at least one rule, and of {MOST_RULES} at most")
    aliases = {alias.alias: {r.reference: str(f) for r, f in alias.mapping.items()} for alias in found.aliases}
    made = Correlation(
        kind=kind, rules=tuple(dict.fromkeys(map(_id, named))), seconds=found.timespan.seconds,
        group_by=tuple(found.group_by or ()), aliases=aliases, tests=tests, fields=fields,
        percentile=middle if middle is not None else None if percentile is None else float(percentile),
        extended=extended,
    )  # fmt: skip
    return made, found.generate


def _conditions(written: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[tuple[str, float], ...]]:
    """A range is written as two operators, of which pySigma takes one: the first goes to it, the others come back."""
    condition = written.get("condition")
    if not isinstance(condition, dict):
        return dict(written), ()
    operators = [key for key in condition if key in _OPERATORS]
    others = operators[1:]
    parsed = [SigmaCorrelationCondition.from_dict({name: condition[name]}) for name in others]
    first = {key: value for key, value in condition.items() if key not in others}
    tests = tuple((one.op.name.lower(), float(one.count)) for one in parsed)
    return {**written, "condition": first}, tests


def _extended(node: CorrelationConditionItem | SigmaRuleReference) -> Condition:
    if isinstance(node, SigmaRuleReference):
        return Test("rule", "equals", _id(node.reference), True)
    inner = tuple(_extended(one) for one in node.args)
    if isinstance(node, CorrelationConditionNOT):
        return Not(inner[0])
    if isinstance(node, CorrelationConditionAND):
        return And(inner)
    if isinstance(node, CorrelationConditionOR):
        return Or(inner)
    raise RuleError("a condition of a correlation holds what is not known")


def linked(rules: Sequence[Rule], generate: Mapping[str, bool]) -> tuple[list[Rule], list[Refused]]:
    """The rules, with every correlation's references made ids; and the correlations whose references lead nowhere.

    A rule falls silent where a correlation speaks of it and none says that it should speak on (`generate`, by the
    correlation's id). Those spoken of come before those that speak of them.
    """
    ids = {rule.id: rule for rule in rules}
    names = {rule.name: rule.id for rule in rules if rule.name}
    kept: dict[str, Rule] = {rule.id: rule for rule in rules if rule.correlation is None}
    waiting = {rule.id: rule for rule in rules if rule.correlation is not None}
    refused: list[Refused] = []
    resolved: dict[str, Rule] = {}
    for rule in list(waiting.values()):
        try:
            resolved[rule.id] = _resolved(rule, ids, names)
        except RuleError as error:
            refused.append(Refused(rule.file, error.what))
    while ready := [r for r in resolved.values() if r.correlation and all(of in kept for of in r.correlation.rules)]:
        for rule in ready:
            kept[rule.id] = resolved.pop(rule.id)
    refused += [Refused(r.file, "a correlation that speaks of itself, or of one refused") for r in resolved.values()]
    return _quieted(kept.values(), generate), refused


def _resolved(rule: Rule, ids: Mapping[str, Rule], names: Mapping[str, str]) -> Rule:
    found = rule.correlation
    assert found is not None

    def meant(reference: str) -> str:
        own = _id(reference)
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


def _quieted(rules: Iterable[Rule], generate: Mapping[str, bool]) -> list[Rule]:
    all_of = list(rules)
    silent: set[str] = set()
    loud: set[str] = set()
    for rule in all_of:
        if rule.correlation is not None:
            (loud if generate.get(rule.id, False) else silent).update(rule.correlation.rules)
    hushed = silent - loud
    return [dataclasses.replace(rule, silent=True) if rule.id in hushed else rule for rule in all_of]


def _id(reference: str) -> str:
    """Ids are told in lower case; names stay as they are."""
    text = str(reference)
    lowered = text.lower()
    return lowered if len(lowered) == 36 and lowered.count("-") == 4 else text


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)
