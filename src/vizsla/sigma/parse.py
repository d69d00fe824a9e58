"""Filters and correlations, out of their documents by pySigma's parser: plain data, what they name as it is written."""

from __future__ import annotations

from collections.abc import Mapping
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
from vizsla.sigma.compile import POLICY, Placeholders, detection
from vizsla.sigma.link import spelt
from vizsla.sigma.rule import And, Condition, Correlation, Filter, LogSource, Not, Or, Test

MOST_RULES = 1_000  # that one correlation speaks of
LONGEST = 366 * 86_400  # seconds of a correlation
_OPERATORS = {operator.name.lower() for operator in SigmaCorrelationConditionOperator}
_SAME = {"value_median": ("value_percentile", 50.0)}


def filter_of(
    document: Mapping[str, Any], place: str, logsource: LogSource, placeholders: Placeholders | None
) -> Filter:
    """A filter, out of its document. Raises RuleError or pySigma's errors (ValueErrors)."""
    written = document["filter"]
    if not isinstance(written, dict):
        raise RuleError("'filter' must be a map")
    named = SigmaGlobalFilter.from_dict(written, policy=POLICY).rules
    condition = detection({key: value for key, value in written.items() if key != "rules"}, placeholders)
    rules = None if isinstance(named, str) else tuple(spelt(reference.reference) for reference in named)
    return Filter(place, str(document.get("title", "")), logsource, rules, condition)


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
        kind=kind, rules=tuple(dict.fromkeys(map(spelt, named))), seconds=found.timespan.seconds,
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
        return Test("rule", "equals", spelt(node.reference), True)
    inner = tuple(_extended(one) for one in node.args)
    if isinstance(node, CorrelationConditionNOT):
        return Not(inner[0])
    if isinstance(node, CorrelationConditionAND):
        return And(inner)
    if isinstance(node, CorrelationConditionOR):
        return Or(inner)
    raise RuleError("a condition of a correlation holds what is not known")


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(map(str, value)) if isinstance(value, list) else (str(value),)
