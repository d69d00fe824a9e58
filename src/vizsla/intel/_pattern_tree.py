"""The tree of a STIX pattern: plain frozen data, and the text that it is written as."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

Constant = str | int | float | bool | bytes | datetime  # bytes: h'…' and b'…'; datetime: t'…', in UTC
Operator = Literal["=", "!=", "<", "<=", ">", ">=", "IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET", "EXISTS"]

ANY = -1  # the index [*]
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_WORDS = frozenset((
    "AND", "OR", "NOT", "FOLLOWEDBY", "IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET", "EXISTS",
    "START", "STOP", "WITHIN", "SECONDS", "REPEATS", "TIMES", "true", "false",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Path:
    """Where a value stands: the object's type, and names and indices ([*] is ANY): network-traffic:dst_ref.value."""

    type: str
    steps: tuple[str | int, ...]

    def __str__(self) -> str:
        parts: list[str] = []
        for place, step in enumerate(self.steps):
            if isinstance(step, int):
                parts.append("[*]" if step == ANY else f"[{step}]")
            else:
                name = step if _NAME.fullmatch(step) and step not in _WORDS else _quoted(step)
                parts.append(f".{name}" if place else name)
        return f"{self.type}:{''.join(parts)}"


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison. `values`: one, the set's for IN, none for EXISTS."""

    path: Path
    operator: Operator
    values: tuple[Constant, ...] = ()
    negated: bool = False

    def __str__(self) -> str:
        no = "NOT " if self.negated else ""
        if self.operator == "EXISTS":
            return f"{no}EXISTS {self.path}"
        told = [_written(value) for value in self.values]
        return f"{self.path} {no}{self.operator} {'(' + ', '.join(told) + ')' if self.operator == 'IN' else told[0]}"


@dataclass(frozen=True, slots=True)
class Terms:
    """Comparisons of one object of one observation, all of them or any of them."""

    operator: Literal["AND", "OR"]
    parts: tuple[Comparison, ...]

    def __str__(self) -> str:
        return f" {self.operator} ".join(f"({part})" if isinstance(part, Terms) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Seen:
    """One observation, as [...] : something was seen for which the comparison holds."""

    term: Comparison

    def __str__(self) -> str:
        return f"[{self.term}]"


@dataclass(frozen=True, slots=True)
class Joined:
    """Several observations: all, any, or one after another."""

    operator: Literal["AND", "OR", "FOLLOWEDBY"]
    parts: tuple[Observation, ...]

    def __str__(self) -> str:
        return f" {self.operator} ".join(f"({part})" if isinstance(part, Joined) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Within:
    """All of it within so many seconds."""

    seconds: float

    def __str__(self) -> str:
        return f"WITHIN {_number(self.seconds)} SECONDS"


@dataclass(frozen=True, slots=True)
class Repeats:
    """Seen so often, each time another observation."""

    times: int

    def __str__(self) -> str:
        return f"REPEATS {self.times} TIMES"


@dataclass(frozen=True, slots=True)
class Between:
    """Seen from `start` on and before `stop`."""

    start: datetime
    stop: datetime

    def __str__(self) -> str:
        return f"START {_written(self.start)} STOP {_written(self.stop)}"


@dataclass(frozen=True, slots=True)
class Qualified:
    """Observations and what must hold of their times or number."""

    observation: Observation
    qualifier: Within | Repeats | Between

    def __str__(self) -> str:
        inner = f"({self.observation})" if isinstance(self.observation, Joined) else str(self.observation)
        return f"{inner} {self.qualifier}"


Comparison = Term | Terms
Observation = Seen | Joined | Qualified


@dataclass(frozen=True, slots=True)
class Pattern:
    """A whole pattern. `str` gives its text in one way of writing; parsing that gives the same tree."""

    root: Observation

    def __str__(self) -> str:
        return str(self.root)

    def terms(self) -> Iterator[Term]:
        """All comparisons, from left to right."""
        todo: list[Observation | Comparison] = [self.root]
        while todo:
            node = todo.pop()
            match node:
                case Term():
                    yield node
                case Seen():
                    todo.append(node.term)
                case Qualified():
                    todo.append(node.observation)
                case Joined() | Terms():
                    todo.extend(reversed(node.parts))


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _number(value: float) -> str:
    text = repr(value)
    if isinstance(value, int) or "e" not in text:
        return text
    text = format(Decimal(text), "f")
    return text if "." in text else text + ".0"


def _written(value: Constant) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
        case bytes():
            return "b'" + base64.b64encode(value).decode("ascii") + "'"
        case datetime():
            told = value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
            return f"t'{told.rstrip('0').rstrip('.')}Z'"
        case _:
            return _number(value)
