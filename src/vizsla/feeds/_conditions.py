"""Conditions of the formats that were there before STIX 2, as parts of its patterns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from vizsla.feeds._said import all_told
from vizsla.intel.pattern import (
    Constant,
    Joined,
    Observation,
    Operator,
    Path,
    Pattern,
    Seen,
    Term,
    Terms,
    parse,
    split,
)
from vizsla.nouns.indicator import Claim, Refused

_RANGE = re.compile(r"\s*(\d{1,18})\s+TO\s+(\d{1,18})\s*")
_NUMBERS = frozenset(("file:size", "network-traffic:dst_port", "network-traffic:src_port"))
# OpenIOC's words and CybOX's for one thing: the operator, and what stands before and after the value.
_WORDS: dict[str, tuple[Operator, str, str]] = {
    "is": ("=", "", ""),
    "equals": ("=", "", ""),
    "contains": ("LIKE", "%", "%"),
    "startswith": ("LIKE", "", "%"),
    "endswith": ("LIKE", "%", ""),
    "matches": ("MATCHES", "", ""),
    "fitspattern": ("MATCHES", "", ""),
    "greaterthan": (">", "", ""),
    "greaterthanorequal": (">=", "", ""),
    "lessthan": ("<", "", ""),
    "lessthanorequal": ("<=", "", ""),
}


def path(text: str) -> Path:
    """An object path from its text."""
    return next(parse(f"[{text} = '']").terms()).path


def observed(where: Path, word: str, text: str, *, negated: bool = False) -> Seen:
    """One condition. Raises ValueError where it is of a kind that patterns have not."""
    word = word.lower().replace("-", "").replace("_", "")
    if word.endswith("not") or word.startswith(("doesnot", "isnot")):
        word, negated = word.removesuffix("not").removeprefix("doesnot").removeprefix("isnot"), not negated
        word = {"": "is", "equal": "equals", "contain": "contains"}.get(word, word)
    if word not in _WORDS:
        raise ValueError(f"a condition {word[:40]!r} is not known")
    if not text:
        raise ValueError("the value is empty")
    operator, before, after = _WORDS[word]
    span = _RANGE.fullmatch(text)
    if span and operator == "=" and not negated:
        return Seen(Terms("AND", (Term(where, ">=", (int(span[1]),)), Term(where, "<=", (int(span[2]),)))))
    value: Constant = text
    if str(where) in _NUMBERS:
        value = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else text
    elif operator == "LIKE" and set("%_") & set(text):
        # LIKE has no way to mean these two signs themselves.
        operator = "MATCHES"
        value = ("" if before else "^") + re.escape(text) + ("" if after else "$")
    elif operator == "LIKE":
        value = before + text + after
    return Seen(Term(where, operator, (value,), negated))


def joined(operator: Literal["AND", "OR"], parts: Sequence[Observation]) -> Observation:
    """Several observations as one: what must hold of one thing (a file, a key) is one observation."""
    if operator == "AND":
        parts = _of_one_thing(parts)
    return parts[0] if len(parts) == 1 else Joined(operator, tuple(parts))


def _of_one_thing(parts: Sequence[Observation]) -> list[Observation]:
    groups: dict[str, list[Term]] = {}
    others: list[Observation] = []
    for part in parts:
        if isinstance(part, Seen) and isinstance(part.term, Term):
            groups.setdefault(part.term.path.type, []).append(part.term)
        else:
            others.append(part)
    seen = [Seen(terms[0] if len(terms) == 1 else Terms("AND", tuple(terms))) for terms in groups.values()]
    return [*seen, *others]


def claims(base: Claim, root: Observation, place: str) -> Iterator[Claim | Refused]:
    """A condition as claims: each alternative one."""
    pattern = Pattern(root)
    try:
        parse(str(pattern))  # no larger and no deeper than what is evaluated
    except ValueError as error:
        yield Refused(place, f"its conditions are too many: {error}")
        return
    for found in all_told(base, split(pattern), place):
        yield replace(found, raw=str(pattern)) if isinstance(found, Claim) and found.type == "pattern" else found
