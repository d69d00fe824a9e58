"""Atoms: what a rule asks of one column, and how it is asked of texts. Tests that stand side by side in an `or` and ask
the same column in the same way are one atom with several values."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import ahocorasick_rs
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.sigma.column import lower
from vizsla.sigma.regex import compiled

Bools = npt.NDArray[np.bool_]
Predicate = Callable[[pa.Array], Bools]
LITERAL = frozenset(("equals", "startswith", "endswith", "contains"))
PATTERNS = frozenset(("like", "re"))
JOINED = LITERAL | PATTERNS | {"number", "cidr"}  # several values of these are one atom
ORDER = frozenset(("lt", "lte", "gt", "gte"))
PAIRS = frozenset(("field", "field_startswith", "field_endswith", "field_contains"))
TIMES = frozenset(("minute", "hour", "day", "week", "month", "year"))
_LONGEST = 96  # characters of a number, an address or a time
_FEW = 16  # texts up to which a pattern is asked of each by itself
_MANY = 12  # literals from which on an automaton seeks them
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}")
_FLOAT = re.compile(r"[+-]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class Atom:
    """One question about one column: holds if it does for any of `values`.

    `column`: an expression over native columns, '' for any column; of PAIRS, the one value is an expression too.
    """

    column: str
    how: str
    values: tuple[str, ...]
    cased: bool = False
    literals: tuple[str, ...] = ()
    than: str = ""

    @property
    def of_absent(self) -> bool:
        """Whether it holds where there is no value."""
        return self.how == "null" or (self.how == "exists" and self.values == ("false",))

    @property
    def raw(self) -> bool:
        """Whether it asks texts as they are, not in lower case."""
        return self.cased or self.how == "re" or self.how in TIMES

    @property
    def seeks(self) -> tuple[str, tuple[str, ...]]:
        """(how, texts in any case) of which one stands in whatever it holds for; no texts where none is sure."""
        if self.how in LITERAL:
            return self.how, () if self.how != "equals" and "" in self.values else self.values
        return "contains", self.literals if self.how in PATTERNS and "" not in self.literals else ()

    @property
    def settled(self) -> bool:
        """Whether it holds wherever what it seeks was found."""
        return self.how in LITERAL and not self.cased


def predicate(atom: Atom) -> Predicate:
    """The atom as a function of a string array without nulls (in lower case unless `atom.raw`)."""
    if atom.how in LITERAL:
        return _literal(atom.how, atom.values if atom.cased else tuple(lower(list(atom.values))))
    if atom.how in PATTERNS:
        return _patterns(atom)
    if atom.how == "exists":
        return _constant(atom.values == ("true",))
    if atom.how == "null":
        return lambda texts: _each(texts, lambda text: text == "")
    return lambda texts: _each(texts, _one(atom))


def _one(atom: Atom) -> Callable[[str], bool]:
    """Questions that are asked of one text after another."""
    if atom.how == "number":
        return _numbers(atom.values)
    if atom.how in ORDER:
        return _order(atom.how, atom.values[0])
    if atom.how == "cidr":
        return _cidr(atom.values)
    if atom.how in TIMES:
        return _time(atom.how, atom.values[0], atom.than)
    raise ValueError(f"no test is called {atom.how!r}")


def pair(how: str) -> Callable[[str, str], bool]:
    """How two fields' texts must stand to each other."""
    found: dict[str, Callable[[str, str], bool]] = {
        "field": lambda one, other: one == other,
        "field_startswith": lambda one, other: one.startswith(other),
        "field_endswith": lambda one, other: one.endswith(other),
        "field_contains": lambda one, other: other in one,
    }
    return found[how]


def _each(texts: pa.Array, test: Callable[[str], bool]) -> Bools:
    return np.fromiter((test(text) for text in texts.to_pylist()), bool, len(texts))


def _constant(holds: bool) -> Predicate:
    return lambda texts: np.full(len(texts), holds)


def _literal(how: str, values: tuple[str, ...]) -> Predicate:
    if how == "equals":
        among = frozenset(values)
        wanted = pa.array(values, pa.string())
        return lambda texts: (
            _each(texts, among.__contains__)
            if len(texts) <= _FEW
            else pc.is_in(texts, value_set=wanted).to_numpy(zero_copy_only=False)
        )
    if "" in values:
        return _constant(True)
    if how == "startswith":
        return lambda texts: _each(texts, lambda text: text.startswith(values))
    if how == "endswith":
        return lambda texts: _each(texts, lambda text: text.endswith(values))
    if len(values) == 1:
        only = values[0]
        return lambda texts: _each(texts, lambda text: only in text)
    if len(values) < _MANY:
        return lambda texts: _each(texts, lambda text: any(value in text for value in values))
    search = ahocorasick_rs.AhoCorasick(values)
    return lambda texts: _each(texts, lambda text: bool(search.find_matches_as_indexes(text)))


def _patterns(atom: Atom) -> Predicate:
    patterns = [rf"\A(?:{p})\z" for p in atom.values] if atom.how == "like" else list(atom.values)

    def test(texts: pa.Array) -> Bools:
        held = np.zeros(len(texts), bool)
        for pattern in patterns:
            held |= _matching(pattern, texts)
        return held

    return test


def _matching(pattern: str, texts: pa.Array) -> Bools:
    """Where a pattern is found. Arrow's RE2 takes many texts at once, and takes long to begin."""
    if len(texts) > _FEW:
        found: Bools = pc.match_substring_regex(texts, pattern).to_numpy(zero_copy_only=False)
        return found
    search = _searching(pattern).search
    return _each(texts, lambda text: search(text) is not None)


@lru_cache(maxsize=4096)
def _searching(pattern: str) -> Any:
    return compiled(pattern)


def number(text: str) -> int | float | None:
    """The number that a text is, in decimal notation; None where it is none."""
    return _number(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=65_536)
def _number(text: str) -> int | float | None:
    if _NUMBER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        value = float(text)
        return value if abs(value) != float("inf") else None
    return None


def _numbers(values: tuple[str, ...]) -> Callable[[str], bool]:
    wanted = {found for found in map(number, values) if found is not None}
    texts = frozenset(lower(list(values)))
    return lambda text: text in texts or ((found := number(text)) is not None and found in wanted)


def _order(how: str, value: str) -> Callable[[str], bool]:
    bound = number(value)
    if bound is None:
        return lambda _: False
    compare = _COMPARE[how]
    return lambda text: (found := number(text)) is not None and compare(found, bound)


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "lt": lambda one, other: one < other,
    "lte": lambda one, other: one <= other,
    "gt": lambda one, other: one > other,
    "gte": lambda one, other: one >= other,
    "": lambda one, other: one == other,
}


def address(text: str) -> tuple[int, int] | None:
    """(version, number) of an address; IPv4 within IPv6 is IPv4. None for anything else."""
    return _address(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=65_536)
def _address(text: str) -> tuple[int, int] | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return found.version, int(found)


def _cidr(values: tuple[str, ...]) -> Callable[[str], bool]:
    networks = [ipaddress.ip_network(value, strict=False) for value in values]
    bounds = [(n.version, int(n.network_address), int(n.broadcast_address)) for n in networks]

    def test(text: str) -> bool:
        found = address(text)
        return found is not None and any(found[0] == v and low <= found[1] <= high for v, low, high in bounds)

    return test


def moment(text: str) -> datetime | None:
    """The time that a text says, in UTC where it says a zone; seconds since 1970 are times, too."""
    return _moment(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=65_536)
def _moment(text: str) -> datetime | None:
    seconds = number(text)
    try:
        if seconds is not None:
            return datetime.fromtimestamp(seconds, UTC) if 1e8 <= seconds < 1e11 else None
        found = datetime.fromisoformat(text.upper().strip())
    except (ValueError, OverflowError):
        return None
    return found.astimezone(UTC) if found.tzinfo is not None else found


def _time(part: str, value: str, than: str) -> Callable[[str], bool]:
    wanted = number(value)
    compare = _COMPARE[than]

    def test(text: str) -> bool:
        found = moment(text)
        if found is None or wanted is None:
            return False
        said = found.isocalendar().week if part == "week" else int(getattr(found, part))
        return compare(said, wanted)

    return test
