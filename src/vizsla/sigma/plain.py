"""Compiled rules as plain values for JSON, and back: lists and texts alone, nothing that could run.

A test is `[how, field, value]`, and `[how, field, value, cased, literals, than]` where one of those is not empty. `And`
and `Or` are `["and", [...]]` and `["or", [...]]`, `Not` is `["not", ...]`. Reading raises RuleError for what is no
rule, however it is made.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson

from vizsla.errors import RuleError
from vizsla.sigma.rule import And, Condition, Correlation, Filter, LogSource, Not, Or, Rule, Test

HOWS = frozenset((
    "equals", "startswith", "endswith", "contains", "like", "re", "cidr", "number", "lt", "lte", "gt", "gte",
    "exists", "null", "field", "field_startswith", "field_endswith", "field_contains",
    "minute", "hour", "day", "week", "month", "year",
))  # fmt: skip
_DEEPEST = 64
_TEXTS = ("id", "version", "title", "level", "status", "description", "name", "author", "date", "file")
_LISTS = ("tags", "falsepositives", "references", "fields")


def digest(value: object) -> str:
    """32 hexadecimal digits that tell this plain value from others."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def version(condition: Condition | None, logsource: LogSource, correlation: Correlation | None) -> str:
    """A hash of all that decides what a rule matches."""
    return digest([
        None if condition is None else to_condition(condition),
        [logsource.category, logsource.product, logsource.service],
        None if correlation is None else to_correlation(correlation),
    ])[:16]  # fmt: skip


def to_condition(condition: Condition) -> list[Any]:
    """A condition as lists."""
    if isinstance(condition, Test):
        short: list[Any] = [condition.how, condition.field, condition.value]
        if condition.cased or condition.literals or condition.than:
            short += [condition.cased, condition.literals, condition.than]
        return short
    if isinstance(condition, Not):
        return ["not", to_condition(condition.of)]
    return ["and" if isinstance(condition, And) else "or", [to_condition(inner) for inner in condition.of]]


def from_condition(value: Any, depth: int = 0) -> Condition:
    """What `to_condition` made. Raises RuleError for anything else."""
    try:
        word = value[0]
        if word in HOWS:
            return _test(value)
        if depth > _DEEPEST:
            raise RuleError("a condition nested too deep")
        if word == "not":
            return Not(from_condition(value[1], depth + 1))
        inner = tuple([from_condition(one, depth + 1) for one in value[1]])
        if word not in ("and", "or"):
            raise RuleError("a condition of a kind that is not known")
        return And(inner) if word == "and" else Or(inner)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise RuleError("a condition that cannot be read") from error


def _test(value: list[Any]) -> Test:
    if len(value) == 3:
        how, name, text = value
        cased, literals, than = False, (), ""
    else:
        how, name, text, cased, literals, than = value
    if not (type(name) is str and type(text) is str and type(cased) is bool and type(than) is str):
        raise TypeError(value)
    return Test(name, how, text, cased, tuple([_str(one) for one in literals]) if literals else (), than)


def to_correlation(correlation: Correlation) -> dict[str, Any]:
    """A correlation as a mapping."""
    made = {f.name: getattr(correlation, f.name) for f in fields(correlation)}
    if correlation.extended is not None:
        made["extended"] = to_condition(correlation.extended)
    return made


def from_correlation(value: Mapping[str, Any]) -> Correlation:
    """What `to_correlation` made. Raises RuleError for anything else."""
    try:
        return Correlation(
            kind=_str(value["kind"]),
            rules=_strs(value["rules"]),
            seconds=int(value["seconds"]),
            group_by=_strs(value["group_by"]),
            aliases={
                _str(alias): {_str(rule): _str(name) for rule, name in of.items()}
                for alias, of in value["aliases"].items()
            },
            tests=tuple((_str(operator), float(number)) for operator, number in value["tests"]),
            fields=_strs(value["fields"]),
            percentile=None if value["percentile"] is None else float(value["percentile"]),
            extended=None if value["extended"] is None else from_condition(value["extended"]),
        )
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise RuleError("a correlation that cannot be read") from error


def to_rule(rule: Rule) -> dict[str, Any]:
    """A rule as a mapping; what is empty is left out."""
    made: dict[str, Any] = {name: getattr(rule, name) for name in (*_TEXTS, *_LISTS) if getattr(rule, name)}
    made["logsource"] = [rule.logsource.category, rule.logsource.product, rule.logsource.service]
    if rule.condition is not None:
        made["condition"] = to_condition(rule.condition)
    if rule.correlation is not None:
        made["correlation"] = to_correlation(rule.correlation)
    if rule.silent:
        made["silent"] = True
    return made


def from_rule(value: Mapping[str, Any]) -> Rule:
    """What `to_rule` made. Raises RuleError for anything else."""
    try:
        texts: dict[str, Any] = {name: _str(value.get(name, "")) for name in _TEXTS}
        texts |= {name: _strs(value.get(name, ())) for name in _LISTS}
        category, product, service = value["logsource"]
        condition, correlation = value.get("condition"), value.get("correlation")
        if not texts["id"] or (condition is None) == (correlation is None):
            raise RuleError("a rule without an id, or without anything to match")
        return Rule(
            **texts,
            logsource=LogSource(_str(category), _str(product), _str(service)),
            condition=None if condition is None else from_condition(condition),
            correlation=None if correlation is None else from_correlation(correlation),
            silent=value.get("silent") is True,
        )
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise RuleError("a rule that cannot be read") from error


def to_filter(one: Filter) -> list[Any]:
    """A filter as a list."""
    source = [one.logsource.category, one.logsource.product, one.logsource.service]
    return [one.place, one.title, source, one.rules, to_condition(one.condition)]


def from_filter(value: Any) -> Filter:
    """What `to_filter` made. Raises RuleError for anything else."""
    try:
        place, title, (category, product, service), rules, condition = value
        source = LogSource(_str(category), _str(product), _str(service))
        named = None if rules is None else _strs(rules)
        return Filter(_str(place), _str(title), source, named, from_condition(condition))
    except (TypeError, ValueError) as error:
        raise RuleError("a filter that cannot be read") from error


def _str(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(value)
    return value


def _strs(value: Any) -> tuple[str, ...]:
    return tuple([_str(one) for one in value])
