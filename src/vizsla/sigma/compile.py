"""Rules as pySigma parses them, compiled to what is matched: plain conditions over plain tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyparsing import ParseException
from sigma.conditions import (
    ConditionAND,
    ConditionIdentifier,
    ConditionNOT,
    ConditionOR,
    ConditionSelector,
)
from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import RegexEngine
from sigma.rule import SigmaDetection, SigmaDetectionItem, SigmaDetections
from sigma.types import (
    CompareOperators,
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from vizsla.errors import RuleError
from vizsla.sigma import regex, wildcards
from vizsla.sigma.literals import of_regex
from vizsla.sigma.rule import And, Condition, Not, Or, Test
from vizsla.sigma.wildcards import Piece, Wildcard

Placeholders = Mapping[str, Sequence[str]]

MOST_TESTS = 100_000  # of one rule, those that a name brings in again counted again
MOST_VALUES = 20_000  # written in one rule
MOST_NAMED = 2_000_000  # values times words of the condition
LONGEST_CONDITION = 8_192  # characters
DEEPEST = 24  # brackets in a condition, and `not`s in a row
_WILDCARDS = {SpecialChars.WILDCARD_MULTI: Wildcard.ANY, SpecialChars.WILDCARD_SINGLE: Wildcard.ONE}
_OPERATORS = {
    CompareOperators.LT: "lt",
    CompareOperators.LTE: "lte",
    CompareOperators.GT: "gt",
    CompareOperators.GTE: "gte",
}
_FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: "i",
    SigmaRegularExpressionFlag.MULTILINE: "m",
    SigmaRegularExpressionFlag.DOTALL: "s",
}
_REFERENCES = {
    (False, False): "field",
    (True, False): "field_startswith",
    (False, True): "field_endswith",
    (True, True): "field_contains",
}


class _Engine(RegexEngine):
    """Checks expressions as they will be matched, silently: what has an equal in RE2 passes."""

    def compile(self, pattern: str, flags: int = 0) -> Any:
        letters = "".join(k for k, flag in (("i", re.I), ("m", re.M), ("s", re.S)) if flags & flag)
        return regex.compiled(regex.parts(pattern, letters)[-1].pattern)

    @property
    def error(self) -> type[Exception]:
        return RuleError


POLICY = SigmaPolicy(regex_engine=_Engine())


def detection(written: Mapping[str, Any], placeholders: Placeholders | None = None) -> Condition:
    """What a rule's `detection` asks for, as one condition; it holds if any of those that it lists does.

    Raises RuleError, or pySigma's own errors (ValueErrors all), with the reason why it cannot be used.
    """
    _bounded(written)
    plain = {str(name): _spelt(value) for name, value in written.items() if name != "timeframe"}
    return parsed(SigmaDetections.from_dict(plain, policy=POLICY), placeholders)


def parsed(detections: SigmaDetections, placeholders: Placeholders | None = None) -> Condition:
    """The same, of what pySigma parsed already."""
    compiler = _Compiler(detections, placeholders or {})
    return _any([compiler.condition(text) for text in detections.condition])


def _bounded(written: Mapping[str, Any]) -> None:
    """Refuse what would take long to parse, before it is parsed."""
    conditions = written.get("condition", ())
    words = 0
    for condition in conditions if isinstance(conditions, list) else [conditions]:
        text = str(condition)
        words += len(re.findall(r"\w+", text))
        if len(text) > LONGEST_CONDITION:
            raise RuleError(f"a condition of {len(text)} characters: {LONGEST_CONDITION} are the most")
        if _depth(text) > DEEPEST or re.search(rf"(?:\bnot\b\W*){{{DEEPEST}}}", text, re.I):
            raise RuleError(f"a condition nested deeper than {DEEPEST}")
    values = sum(_weight(value) for name, value in written.items() if name != "condition")
    if values > MOST_VALUES:
        raise RuleError(
            f"more than {MOST_VALUES} values in one rule", fix="split the rule, or use indicators for lists"
        )
    if values * words > MOST_NAMED:
        raise RuleError("a condition that names too many values too often", fix="split the rule")


def _depth(text: str) -> int:
    depth = deepest = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        deepest = max(deepest, depth)
    return deepest


def _weight(value: Any, dashes: bool = False) -> int:
    """How many values will come of what is written: a dash that may be another makes five of one."""
    if isinstance(value, Mapping):
        return sum(_weight(inner, "windash" in str(key)) for key, inner in value.items())
    if isinstance(value, list):
        return sum(_weight(inner, dashes) for inner in value)
    return int(5 ** min(len(re.findall(r"\B[-/]\b", value)), 3)) if dashes and isinstance(value, str) else 1


def _spelt(value: Any) -> Any:
    """The modifier `utf16le` is `wide` by its other name."""
    if isinstance(value, Mapping):
        return {_key(key): _spelt(inner) for key, inner in value.items()}
    return [_spelt(inner) for inner in value] if isinstance(value, list) else value


def _key(key: Any) -> str:
    name, *modifiers = str(key).split("|")
    return "|".join([name, *("wide" if modifier == "utf16le" else modifier for modifier in modifiers)])


@dataclass
class _Compiler:
    """The conditions of one rule. What a name stands for is compiled once."""

    detections: SigmaDetections
    placeholders: Placeholders
    made: dict[str, Condition] = field(default_factory=dict)

    def condition(self, text: str) -> Condition:
        """One line of `condition`."""
        if not isinstance(text, str):
            raise RuleError("a condition must be a text")
        try:
            tree = next(p for p in self.detections.parsed_condition if p.condition == text).parse(postprocess=False)
        except ParseException as error:  # pragma: no cover - pySigma wraps it
            raise RuleError(f"the condition cannot be read: {error}") from error
        made = self._tree(tree)
        if size(made) > MOST_TESTS:
            raise RuleError(f"the rule comes to more than {MOST_TESTS} tests", fix="split it")
        return made

    def _tree(self, node: Any) -> Condition:
        if isinstance(node, ConditionSelector):
            named = [self._named(found.identifier) for found in node.resolve_referenced_detections(self.detections)]
            if not named:
                raise RuleError(f"'{node.args[0]} of {node.pattern}' names no part of the rule")
            return _any(named) if node.cond_class is ConditionOR else _all(named)
        if isinstance(node, ConditionIdentifier):
            return self._named(node.identifier)
        if isinstance(node, ConditionNOT):
            return Not(self._tree(node.args[0]))
        if isinstance(node, ConditionAND):
            return _all([self._tree(inner) for inner in node.args])
        if isinstance(node, ConditionOR):
            return _any([self._tree(inner) for inner in node.args])
        raise RuleError(f"a condition holds what is not known: {type(node).__name__}")

    def _named(self, name: str) -> Condition:
        if name not in self.made:
            if name not in self.detections.detections:
                raise RuleError(f"the condition names {name!r}, which the rule does not define")
            self.made[name] = self._detection(self.detections.detections[name])
        return self.made[name]

    def _detection(self, found: SigmaDetection | SigmaDetectionItem) -> Condition:
        if isinstance(found, SigmaDetectionItem):
            return self._item(found)
        inner = [self._detection(item) for item in found.detection_items]
        return _all(inner) if found.item_linking is ConditionAND else _any(inner)

    def _item(self, item: SigmaDetectionItem) -> Condition:
        name = item.field or ""
        values: list[SigmaType] = list(item.value)
        if not values:
            if not name:
                raise RuleError("'null' must stand beside a field")
            values = [SigmaNull()]
        made = [self._value(name, value) for value in values]
        condition = _all(made) if item.value_linking is ConditionAND else _any(made)
        return Not(condition) if item.negated else condition

    def _value(self, name: str, value: SigmaType) -> Condition:
        if isinstance(value, SigmaExpansion):
            return _any([self._value(name, inner) for inner in value.values])
        if isinstance(value, SigmaString | SigmaRegularExpression) and value.contains_placeholder():
            return _any([_test(name, filled) for filled in value.replace_placeholders(self._filled)])
        return _test(name, value)

    def _filled(self, placeholder: Placeholder) -> Iterator[SigmaString]:
        values = self.placeholders.get(placeholder.name)
        if not values:
            raise RuleError(
                f"no values are known for the placeholder %{placeholder.name}%",
                fix="name a file of placeholders (YAML: name: [value, …])",
            )
        return (SigmaString(value) for value in values)


def _test(name: str, value: SigmaType) -> Condition:
    """The test that a field has a value."""
    for kind, make in _TESTS:
        if isinstance(value, kind):
            return make(name, value)
    raise RuleError(f"a value of a kind that is not known: {type(value).__name__}")


def _text(name: str, value: SigmaString) -> Condition:
    pieces: list[Piece] = [_WILDCARDS[p] if isinstance(p, SpecialChars) else str(p) for p in value.s]
    cased = isinstance(value, SigmaCasedString)
    return wildcards.test(name, pieces, cased=cased) if name else wildcards.keyword(pieces, cased=cased)


def _regex(name: str, value: SigmaRegularExpression) -> Condition:
    made: list[Condition] = []
    for part in regex.parts(str(value.regexp), "".join(sorted(_FLAGS[flag] for flag in value.flags))):
        found = Test(name, "re", part.pattern, True, of_regex(part.pattern))
        made.append(found if part.wanted else Not(found))
    return _all(made)


def _compared(name: str, value: SigmaCompareExpression) -> Condition:
    number = value.number
    if value.op is CompareOperators.NEQ:
        return Not(_test(name, number))
    how = _OPERATORS[value.op]
    if isinstance(number, SigmaTimestampPart):
        return Test(name, number.timestamp_part.name.lower(), str(number.number), than=how)
    return Test(name, how, str(number.number))


def _number(name: str, value: SigmaNumber) -> Condition:
    if isinstance(value, SigmaTimestampPart):
        return Test(name, value.timestamp_part.name.lower(), str(value.number))
    return Test(name, "number", str(value.number)) if name else wildcards.keyword([str(value.number)])


def _boolean(name: str, value: SigmaBool) -> Condition:
    said = "true" if value.boolean else "false"
    return Test(name, "equals", said) if name else wildcards.keyword([said])


def _reference(name: str, value: SigmaFieldReference) -> Condition:
    if not name:
        raise RuleError("'fieldref' must stand beside a field")
    return Test(name, _REFERENCES[value.starts_with, value.ends_with], value.field)


def _null(name: str, _: SigmaNull) -> Condition:
    if not name:
        raise RuleError("'null' must stand beside a field")
    return Test(name, "null", "")


_TESTS: tuple[tuple[type[SigmaType], Callable[[str, Any], Condition]], ...] = (
    (SigmaString, _text),
    (SigmaNumber, _number),
    (SigmaRegularExpression, _regex),
    (SigmaNull, _null),
    (SigmaBool, _boolean),
    (SigmaCompareExpression, _compared),
    (SigmaCIDRExpression, lambda name, value: Test(name, "cidr", str(value.network))),
    (SigmaExists, lambda name, value: Test(name, "exists", "true" if value.exists else "false")),
    (SigmaFieldReference, _reference),
)


def listed(condition: Condition, name: str, among: str) -> Condition:
    """The condition, where a field's text may also be one of those that another one lists with commas between.

    An event of auditd is several records, of which `type` names the first and `types` all.
    """
    if isinstance(condition, Test):
        if condition.field != name or condition.how != "equals":
            return condition
        pattern = f"(?i)(?:^|,){re.escape(condition.value)}(?:,|$)"
        return Or((condition, Test(among, "re", pattern, True, of_regex(pattern))))
    if isinstance(condition, Not):
        return Not(listed(condition.of, name, among))
    return type(condition)(tuple(listed(inner, name, among) for inner in condition.of))


def _all(of: list[Condition]) -> Condition:
    """All of these: one alone stands for itself, and those of one kind are not nested."""
    flat = [inner for one in of for inner in (one.of if isinstance(one, And) else (one,))]
    kept = tuple(dict.fromkeys(flat))
    return kept[0] if len(kept) == 1 else And(kept)


def _any(of: list[Condition]) -> Condition:
    flat = [inner for one in of for inner in (one.of if isinstance(one, Or) else (one,))]
    kept = tuple(dict.fromkeys(flat))
    return kept[0] if len(kept) == 1 else Or(kept)


def size(condition: Condition) -> int:
    """How many tests a condition comes to; a part that stands in it twice counts twice."""
    known: dict[int, int] = {}

    def count(node: Condition) -> int:
        if isinstance(node, Test):
            return 1
        if id(node) not in known:
            known[id(node)] = count(node.of) if isinstance(node, Not) else sum(map(count, node.of))
        return known[id(node)]

    return count(condition)
