"""The second implementation: rules asked of one event after another, as plainly as can be written."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from vizsla.sigma.rule import And, Condition, LogSource, Not, Rule, Test

Event = Mapping[str, str | None]


def a_rule(name: str, condition: Condition) -> Rule:
    """A rule of this id that asks this."""
    return Rule(name, "1", name, "high", "test", LogSource(), condition)


def low(text: str) -> str:
    """Lower case, character by character."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def holds(condition: Condition, event: Event) -> bool:
    """Whether an event meets a condition."""
    if isinstance(condition, Test):
        names = [name for name in event if not name.startswith("_")] if not condition.field else [condition.field]
        return any(asked(condition, event, name) for name in names)
    if isinstance(condition, Not):
        return not holds(condition.of, event)
    if isinstance(condition, And):
        return all(holds(inner, event) for inner in condition.of)
    return any(holds(inner, event) for inner in condition.of)


def asked(test: Test, event: Event, name: str) -> bool:
    text = event.get(name)
    if test.how == "exists":
        return (text is not None) is (test.value == "true")
    if test.how == "null":
        return text is None or text == ""
    if text is None:
        return False
    if test.how.startswith("field"):
        other = event.get(test.value)
        if other is None:
            return False
        return literal(test.how.removeprefix("field_").replace("field", "equals"), text, other, test.cased)
    return any(one(test, alternative) for alternative in (text, *elements(text)))


def elements(text: str) -> list[str]:
    try:
        found = json.loads(text)
    except ValueError:
        return []
    if not isinstance(found, list) or any(isinstance(v, (list, dict)) for v in found):
        return []
    return [v if isinstance(v, str) else json.dumps(v) for v in found if v is not None]


def literal(how: str, text: str, value: str, cased: bool) -> bool:
    if not cased:
        text, value = low(text), low(value)
    return {
        "equals": text == value,
        "startswith": text[: len(value)] == value,
        "endswith": value == "" or text[-len(value) :] == value,
        "contains": value in text,
    }[how]


def one(test: Test, text: str) -> bool:
    if test.how in ("equals", "startswith", "endswith", "contains"):
        return literal(test.how, text, test.value, test.cased)
    if test.how == "like":
        return re.fullmatch(test.value, text if test.cased else low(text)) is not None
    if test.how == "re":
        return re.search(test.value, text) is not None
    if test.how == "cidr":
        try:
            found = ipaddress.ip_address(text)
        except ValueError:
            return False
        return found in ipaddress.ip_network(test.value)
    if test.how in ("minute", "hour", "day", "week", "month", "year"):
        return of_time(test, text)
    bound, said = number(test.value), number(text)
    if test.how == "number":
        return low(text) == low(test.value) or (said is not None and said == bound)
    return said is not None and bound is not None and compared(test.how, said, bound)


def number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text, re.I | re.A) else None


def compared(how: str, one: float, other: float) -> bool:
    return {"lt": one < other, "lte": one <= other, "gt": one > other, "gte": one >= other, "": one == other}[how]


def of_time(test: Test, text: str) -> bool:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return False
    found = found if found.tzinfo is None else found.astimezone(UTC)
    part = found.isocalendar()[1] if test.how == "week" else getattr(found, test.how)
    return compared(test.than, part, float(test.value))


def met(rules: Iterable[Rule], events: Sequence[Event]) -> set[tuple[str, int]]:
    """(rule, place of the event) of all that is met."""
    return {
        (rule.id, place)
        for rule in rules
        for place, event in enumerate(events)
        if rule.condition is not None and holds(rule.condition, event)
    }
