"""Sigma said as plainly as can be: a rule's parsed condition, asked of one event at a time. It decides in doubt."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.rule import SigmaRule
from sigma.types import (
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
    SpecialChars,
)

Event = Mapping[str, str]  # native fields, their names in lower case; those that it lacks are not there
FLAGS = {
    SigmaRegularExpressionFlag.IGNORECASE: re.IGNORECASE,
    SigmaRegularExpressionFlag.MULTILINE: re.MULTILINE,
    SigmaRegularExpressionFlag.DOTALL: re.DOTALL,
}
COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    "LT": lambda a, b: a < b, "LTE": lambda a, b: a <= b, "GT": lambda a, b: a > b, "GTE": lambda a, b: a >= b,
    "NEQ": lambda a, b: a != b,
}  # fmt: skip


def holds(rule: SigmaRule, event: Event) -> bool:
    """Whether an event meets a rule: one of its conditions holds."""
    return any(_holds(condition.parsed, event) for condition in rule.detection.parsed_condition)


def _holds(node: Any, event: Event) -> bool:
    if isinstance(node, ConditionAND):
        return all(_holds(one, event) for one in node.args)
    if isinstance(node, ConditionOR):
        return any(_holds(one, event) for one in node.args)
    if isinstance(node, ConditionNOT):
        return not _holds(node.args[0], event)
    if isinstance(node, ConditionFieldEqualsValueExpression):
        return _test(event.get(node.field.lower()), node.value, event)
    assert isinstance(node, ConditionValueExpression)
    return any(_keyword(text, node.value) for text in event.values())


def _keyword(text: str, value: Any) -> bool:
    if isinstance(value, SigmaExpansion):
        return any(_keyword(text, one) for one in value.values)
    if isinstance(value, SigmaString):
        return _text(text, value, anywhere=True)
    if isinstance(value, SigmaRegularExpression):
        return _test(text, value, {})
    return str(value) in text


def _test(text: str | None, value: Any, event: Event) -> bool:
    if isinstance(value, SigmaExpansion):
        return any(_test(text, one, event) for one in value.values)
    if isinstance(value, SigmaNull):
        return not text
    if isinstance(value, SigmaExists):
        return (text is not None) == value.exists
    if text is None:
        return False
    if isinstance(value, SigmaString):
        return _text(text, value)
    if isinstance(value, SigmaTimestampPart):
        return _part(text, value) == value.number
    if isinstance(value, SigmaNumber):
        return text == str(value.number) or _number(text) == value.number
    if isinstance(value, SigmaBool):
        return text.lower() == str(value.boolean).lower()
    if isinstance(value, SigmaRegularExpression):
        flags = re.RegexFlag(0)
        for flag in value.flags:
            flags |= FLAGS[flag]
        return re.search(str(value.regexp), text, flags) is not None
    if isinstance(value, SigmaCIDRExpression):
        return _address(text, value)
    if isinstance(value, SigmaCompareExpression):
        return _compared(text, value)
    assert isinstance(value, SigmaFieldReference), type(value)
    return _reference(text, event.get(value.field.lower()), value)


def _text(text: str, value: SigmaString, anywhere: bool = False) -> bool:
    parts = []
    for piece in value.s:
        if piece == SpecialChars.WILDCARD_MULTI:
            parts.append(".*")
        elif piece == SpecialChars.WILDCARD_SINGLE:
            parts.append(".")
        else:
            parts.append(re.escape(str(piece)))
    pattern = "".join(parts)
    flags = re.DOTALL if isinstance(value, SigmaCasedString) else re.DOTALL | re.IGNORECASE
    return bool((re.search if anywhere else re.fullmatch)(pattern, text, flags))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _part(text: str, value: SigmaTimestampPart) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    name = value.timestamp_part.name.lower()
    return moment.isocalendar().week if name == "week" else int(getattr(moment, name))


def _address(text: str, value: SigmaCIDRExpression) -> bool:
    try:
        return ipaddress.ip_address(text) in value.network
    except ValueError:
        return False


def _compared(text: str, value: SigmaCompareExpression) -> bool:
    if isinstance(value.number, SigmaTimestampPart):
        found: float | None = _part(text, value.number)
    else:
        found = _number(text)
    return found is not None and COMPARED[value.op.name](found, float(value.number.number))


def _reference(text: str, other: str | None, value: SigmaFieldReference) -> bool:
    if other is None:
        return False
    own, theirs = text.lower(), other.lower()
    if value.starts_with and value.ends_with:
        return theirs in own
    if value.starts_with:
        return own.startswith(theirs)
    return own.endswith(theirs) if value.ends_with else own == theirs
