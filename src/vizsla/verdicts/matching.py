"""Whether a finding is within the reach of a verdict: by hosts, users and conditions on its events' fields."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

from vizsla.errors import UsageError
from vizsla.nouns import Finding
from vizsla.nouns.verdict import Condition, Verdict
from vizsla.shape import shape
from vizsla.triage.native import fields_of, plain_user, users_of

STRONGER = 3.0  # bits by which what other analytics than rarity measure may exceed what was judged


def conditions(texts: Sequence[str]) -> tuple[Condition, ...]:
    """`FIELD=VALUE` and `FIELD~VALUE` as conditions. Raises UsageError."""
    return tuple(map(_condition, texts))


def _condition(text: str) -> Condition:
    match = re.fullmatch(r"\s*([^=~\s]+)\s*([=~])(.*)", text, re.DOTALL)
    if not match or not match[3].strip():
        raise UsageError(
            f"{text!r} is no condition",
            where="--where",
            fix="write FIELD=VALUE, where * stands for anything, or FIELD~VALUE for values of the same shape",
        )
    return Condition(match[1], "=" if match[2] == "=" else "~", match[3].strip())


def needs_events(verdict: Verdict) -> bool:
    """Whether the events themselves must be looked at to know if a finding is within reach."""
    return bool(verdict.where) or verdict.reach == "pattern+user"


def reaches(verdict: Verdict, finding: Finding) -> bool:
    """Whether users and fields are those that the verdict is about; hosts and patterns are not looked at.

    Users must all be among those named, and every event that has a field must meet the condition: one harmless event
    must not excuse another.
    """
    if verdict.reach == "pattern+user":
        known = {plain_user(user) for user in verdict.users}
        users = {plain_user(user) for user in users_of(finding)}
        if not users or not users <= known:
            return False
    return all(_holds(condition, finding) for condition in verdict.where)


def _holds(condition: Condition, finding: Finding) -> bool:
    events = [fields_of(event) for line in finding.evidence for event in line.events]
    values = [event[condition.field] for event in events if condition.field in event]
    return bool(values) and all(_meets(condition, value) for value in values)


def _meets(condition: Condition, value: str) -> bool:
    if condition.test == "~":
        return shape(value) == shape(condition.value)
    pattern = "*".join(map(_literal, condition.value.lower().split("*")))
    return fnmatch.fnmatchcase(value.lower(), pattern)


def _literal(text: str) -> str:
    """Only * is special: brackets and question marks stand in command lines."""
    return re.sub(r"[\[?]", lambda found: f"[{found[0]}]", text)
