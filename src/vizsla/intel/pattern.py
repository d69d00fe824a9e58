"""The pattern language of STIX 2: `parse` gives a tree of plain data, `split` what of it is a plain indicator,
`fields` where our views keep what an object path names.

The parser is our own: it never recurses deeper than DEPTH, and its work is bounded by the length of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import Literal, cast

from vizsla.intel._pattern_lex import Token, moment, tokens
from vizsla.intel._pattern_tree import (
    ANY,
    Between,
    Comparison,
    Constant,
    Joined,
    Observation,
    Operator,
    Path,
    Pattern,
    Qualified,
    Repeats,
    Seen,
    Term,
    Terms,
    Within,
)
from vizsla.intel.normal import normal
from vizsla.nouns.indicator import IndicatorType

__all__ = [
    "ANY", "Between", "Comparison", "Constant", "Joined", "Observation", "Operator", "Path", "Pattern", "Place",
    "Qualified", "Repeats", "Seen", "Term", "Terms", "Within",
    "fields", "indicators", "kind", "known", "parse", "split",
]  # fmt: skip

LONGEST = 131_072  # characters of a pattern
WORDS = 40_000  # words and signs of a pattern
DEPTH = 32  # parentheses in parentheses
REGEX = 2_000  # characters of a regular expression
WILDCARDS = ("file_name", "file_path", "registry_key", "mutex", "pipe", "service", "user_agent", "url")
_SIMPLE = re.compile(r"\[\s*([a-z0-9][a-z0-9-]*):([a-z_]+)\s*=\s*'([^'\\]*)'\s*\]")
_COMPARED = ("=", "!=", "<", "<=", ">", ">=", "IN", "LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET")


def parse(text: str) -> Pattern:
    """The tree of a pattern. Raises ValueError, with the reason and the place, where it is none or too large."""
    if len(text) > LONGEST:
        raise ValueError(f"the pattern is longer than {LONGEST} characters")
    return _Parser(list(tokens(text, WORDS))).pattern()


class _Parser:
    """Recursive descent over the words of one pattern."""

    def __init__(self, words: list[Token]) -> None:
        self.words, self.at, self.depth = words, 0, 0

    def pattern(self) -> Pattern:
        root = self.observations("FOLLOWEDBY")
        if self.next.kind != "end":
            raise self.wrong("the end")
        return Pattern(root)

    @property
    def next(self) -> Token:
        return self.words[self.at]

    def wrong(self, wanted: str) -> ValueError:
        return ValueError(f"at character {self.next.at + 1} there is {self.next.text[:40]!r} instead of {wanted}")

    def take(self, *texts: str) -> str | None:
        """The next word or sign, if it is one of these."""
        if self.next.kind in ("word", "sign") and self.next.text in texts:
            self.at += 1
            return self.words[self.at - 1].text
        return None

    def need(self, *texts: str) -> str:
        found = self.take(*texts)
        if found is None:
            raise self.wrong(" or ".join(texts))
        return found

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > DEPTH:
            raise ValueError(f"more than {DEPTH} parentheses within each other")

    def observations(self, operator: Literal["FOLLOWEDBY", "OR", "AND"]) -> Observation:
        """FOLLOWEDBY binds least, then OR, then AND."""
        parts = [self.tighter(operator)]
        while self.take(operator):
            parts.append(self.tighter(operator))
        return parts[0] if len(parts) == 1 else Joined(operator, tuple(parts))

    def tighter(self, operator: Literal["FOLLOWEDBY", "OR", "AND"]) -> Observation:
        match operator:
            case "FOLLOWEDBY":
                return self.observations("OR")
            case "OR":
                return self.observations("AND")
            case "AND":
                return self.observation()

    def observation(self) -> Observation:
        found: Observation
        if self.need("[", "(") == "[":
            found = Seen(self.comparisons("OR"))
            self.need("]")
        else:
            self.deeper()
            found = self.observations("FOLLOWEDBY")
            self.need(")")
            self.depth -= 1
        qualifiers = 0
        while word := self.take("WITHIN", "REPEATS", "START"):
            qualifiers += 1
            if qualifiers > DEPTH:
                raise ValueError(f"more than {DEPTH} qualifiers of one observation")
            found = Qualified(found, self.qualifier(word))
        return found

    def qualifier(self, word: str) -> Within | Repeats | Between:
        if word == "START":
            start = self.time()
            self.need("STOP")
            stop = self.time()
            if stop <= start:
                raise ValueError("START is not before STOP")
            return Between(start, stop)
        value = self.constant()
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ValueError(f"{word} needs a number above zero")
        if word == "WITHIN":
            self.need("SECONDS")
            return Within(value)
        if not isinstance(value, int):
            raise ValueError("REPEATS needs a whole number")
        self.need("TIMES")
        return Repeats(value)

    def time(self) -> datetime:
        value = self.constant()
        if isinstance(value, str):  # STIX 2.0
            return moment(value)
        if not isinstance(value, datetime):
            raise ValueError("START and STOP need times")
        return value

    def comparisons(self, operator: Literal["OR", "AND"]) -> Comparison:
        """OR binds less than AND."""
        parts = [self.comparisons("AND") if operator == "OR" else self.comparison()]
        while self.take(operator):
            parts.append(self.comparisons("AND") if operator == "OR" else self.comparison())
        return parts[0] if len(parts) == 1 else Terms(operator, tuple(parts))

    def comparison(self) -> Comparison:
        if self.take("("):
            self.deeper()
            found = self.comparisons("OR")
            self.need(")")
            self.depth -= 1
            return found
        negated = self.take("NOT") is not None
        if self.take("EXISTS"):
            return Term(self.path(), "EXISTS", (), negated)
        if negated:
            raise self.wrong("EXISTS")
        path = self.path()
        negated = self.take("NOT") is not None
        operator = cast("Operator", self.need(*_COMPARED))
        values = self.constants() if operator == "IN" else (self.constant(),)
        if operator in ("LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET") and not isinstance(values[0], str):
            raise ValueError(f"{operator} needs text")
        if operator in ("<", "<=", ">", ">=") and isinstance(values[0], bool):
            raise ValueError(f"{operator} cannot compare with true or false")
        if operator == "MATCHES" and len(cast("str", values[0])) > REGEX:
            raise ValueError(f"a regular expression of more than {REGEX} characters")
        return Term(path, operator, values, negated)

    def path(self) -> Path:
        kind = self.word()
        self.need(":")
        steps: list[str | int] = [self.name()]
        while sign := self.take(".", "["):
            if sign == ".":
                steps.append(self.name())
                continue
            if self.take("*"):
                steps.append(ANY)
            else:
                index = self.constant()
                if isinstance(index, bool) or not isinstance(index, int) or index < 0:
                    raise ValueError("an index is a whole number or *")
                steps.append(index)
            self.need("]")
        return Path(kind, tuple(steps))

    def word(self) -> str:
        if self.next.kind != "word":
            raise self.wrong("a name")
        self.at += 1
        return self.words[self.at - 1].text

    def name(self) -> str:
        if self.next.kind == "constant" and isinstance(self.next.value, str):
            self.at += 1
            return cast("str", self.words[self.at - 1].value)
        return self.word()

    def constants(self) -> tuple[Constant, ...]:
        self.need("(")
        if self.take(")"):
            return ()
        values = [self.constant()]
        while self.take(","):
            values.append(self.constant())
        self.need(")")
        return tuple(values)

    def constant(self) -> Constant:
        if self.take("true"):
            return True
        if self.take("false"):
            return False
        if self.next.kind != "constant" or self.next.value is None:
            raise self.wrong("a value")
        self.at += 1
        return cast("Constant", self.words[self.at - 1].value)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a view keeps what an object path names."""

    view: str
    field: str


@dataclass(frozen=True, slots=True)
class _Known:
    type: IndicatorType | None
    places: tuple[Place, ...]


@lru_cache(maxsize=1)
def _paths() -> dict[str, _Known]:
    """`paths.yaml`: what is known of object paths, by their normal text."""
    import yaml

    content = yaml.safe_load((files("vizsla.intel") / "paths.yaml").read_text("utf-8"))
    return {
        path: _Known(
            held.get("type"), tuple(Place(*place.split(" ")) for place in held.get("fields", ()))
        )
        for path, held in content.items()
    }  # fmt: skip


def _key(path: Path) -> str:
    """A path as `paths.yaml` names it: indices are [*], hashes' names in lower case without hyphens."""
    steps = [ANY if isinstance(step, int) else step for step in path.steps]
    for place, step in enumerate(steps):
        if place and steps[place - 1] == "hashes" and isinstance(step, str):
            steps[place] = step.lower().replace("-", "").replace("_", "")
    return str(Path(path.type, tuple(steps)))


def fields(path: Path) -> tuple[Place, ...]:
    """The views and fields that hold what an object path names; none where no view does."""
    held = _paths().get(_key(path))
    return held.places if held else ()


def known() -> Iterator[tuple[str, IndicatorType | None, tuple[Place, ...]]]:
    """All object paths that are understood: text, type of indicator, places in views."""
    for text, held in _paths().items():
        yield text, held.type, held.places


def kind(path: Path) -> IndicatorType | None:
    """The type of indicator that a value at an object path is; None where it is none by itself."""
    held = _paths().get(_key(path))
    return held.type if held else None


def indicators(text: str) -> list[tuple[IndicatorType, str]]:
    """What `split` makes of a pattern's text. Raises ValueError where it is no pattern."""
    found = _SIMPLE.fullmatch(text)  # as most are
    if found is not None:
        type = _simple_kind(found[1], found[2])
        if type is not None:
            return [(type, found[3])]
    return split(parse(text))


@lru_cache(maxsize=1_000)
def _simple_kind(type: str, name: str) -> IndicatorType | None:
    return kind(Path(type, (name,)))


def split(pattern: Pattern) -> list[tuple[IndicatorType, str]]:
    """The pattern as indicators, any of which is enough: (type, value as written).

    Alternatives (OR, IN) come apart. One that is a comparison for equality with a value of a known type is that;
    several hashes of one file joined by AND are each enough; LIKE with % alone is a value with the wildcard *, where
    its type may hold one. All others are of type 'pattern', with their text.
    """
    found: list[tuple[IndicatorType, str]] = []
    for part in _alternatives(pattern.root):
        plain = _plain(part.term) if isinstance(part, Seen) else None
        found.extend(plain if plain is not None else [("pattern", str(part))])
    return list(dict.fromkeys(found))


def _alternatives(node: Observation) -> Iterator[Observation]:
    if isinstance(node, Joined) and node.operator == "OR":
        for part in node.parts:
            yield from _alternatives(part)
    elif isinstance(node, Seen) and isinstance(node.term, Terms) and node.term.operator == "OR":
        for term in node.term.parts:
            yield from _alternatives(Seen(term))
    else:
        yield node


def _plain(term: Comparison) -> list[tuple[IndicatorType, str]] | None:
    """The indicators that a comparison is; None where it is more than equality."""
    if isinstance(term, Terms):
        hashes = [
            (part.path.type, _plain(part))
            for part in term.parts
            if isinstance(part, Term) and "hashes" in part.path.steps
        ]
        parts = [one for _, held in hashes if held for one in held]
        same = len({kind for kind, _ in hashes}) == 1 and len(parts) == len(term.parts)
        return parts if term.operator == "AND" and same else None
    type = kind(term.path)
    if type is None or term.negated or not all(_is_plain(value) for value in term.values):
        return None
    if term.operator == "LIKE":
        return _wild(type, str(term.values[0])) if type in WILDCARDS else None
    if term.operator not in ("=", "IN"):
        return None
    return [(type, str(value)) for value in term.values] or None


def _wild(type: IndicatorType, text: str) -> list[tuple[IndicatorType, str]] | None:
    """A value with the wildcard *, where that says the same as LIKE."""
    if "%" not in text or "_" in text or "*" in text:
        return None
    value = text.replace("%", "*")
    try:
        normal(type, value)
    except ValueError:
        return None
    return [(type, value)]


def _is_plain(value: Constant) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
