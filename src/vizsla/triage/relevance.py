"""How suspicious a surprising event is by its kind, its technique and its place: relevance.yaml, read once.

Patterns are judged by the shapes that were compared, so that baseline and hunt are weighed alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import I64, NOTHING, U64
from vizsla.declared import from_yaml
from vizsla.shape import name_constants, shape
from vizsla.triage import attack
from vizsla.triage import native as fields_of_events
from vizsla.triage.native import TEXTS, WORD, Fields

# Tests that only values which hold what is wanted can pass.
LITERAL = frozenset(("equals", "contains", "startswith", "endswith", "base", "word"))
FEW = 64  # patterns of the same programs up to which each is judged by itself

# The first of the fields that name a program, in attack.yaml's lists of fields.
PROGRAMS = frozenset(("Image", "ParentImage", "TargetImage", "SourceImage"))


@dataclass(frozen=True, slots=True)
class Line:
    """A weight that counted: the row's name, its bits, and the techniques that it is about."""

    name: str
    bits: float
    techniques: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relevance:
    """The weight of a pattern in bits, within the table's limits, and the rows that made it."""

    bits: float
    lines: tuple[Line, ...]


@cache
def _table() -> dict[str, Any]:
    text = resources.files("vizsla.triage").joinpath("relevance.yaml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = from_yaml(text)
    return loaded


def _shaped(test: str, wanted: str) -> str:
    """What a rule looks for, with digits generalised and constant GUIDs named as shapes have them.

    Shapes keep values that are as a whole a code or an address: only `equals` compares whole values.
    """
    if test in ("mask", "prefix"):
        return wanted
    return shape(wanted) if test == "equals" else re.sub("[0-9]+", "#", name_constants(wanted.lower()))


@cache
def _rules() -> Mapping[str, tuple[attack.Rule, ...]]:
    def shaped(condition: attack.Condition) -> attack.Condition:
        return replace(condition, wanted=tuple(_shaped(condition.test, w) for w in condition.wanted))

    def rule(old: attack.Rule) -> attack.Rule:
        return replace(
            old,
            all=tuple(map(shaped, old.all)),
            any=tuple(map(shaped, old.any)),
            none=tuple(map(shaped, old.none)),
        )

    return {kind: tuple(map(rule, rules)) for kind, rules in attack.table().rules.items()}


def _kind(kind: str) -> Line:
    weights = _table()["kinds"]
    table = kind.partition(":")[0]
    for name in (kind, table, table.partition("_")[0]):
        if name in weights:
            return Line(f"kind {name}", float(weights[name]))
    return Line(f"kind {kind}", 0.0)


@dataclass(frozen=True, slots=True)
class _Row:
    """A rule with the weight of its technique."""

    weight: float
    rule: attack.Rule

    def left(self, programs: Mapping[tuple[str, ...], str], names: frozenset[str]) -> _Row | None:
        """What is left to be asked of events with these programs and these filled fields; None: it cannot hold."""
        known = _Programs(programs)

        def verdict(condition: attack.Condition) -> bool | None:
            if condition.fields in programs:
                return condition.holds(known)
            filled = any(name.lower() in names for name in condition.fields)
            return None if filled or condition.test == "present" else False

        asked = {part: [(c, verdict(c)) for c in getattr(self.rule, part)] for part in ("all", "any", "none")}
        if any(v is False for _, v in asked["all"]) or any(v is True for _, v in asked["none"]):
            return None
        if asked["any"] and all(v is False for _, v in asked["any"]):
            return None
        if any(v is True for _, v in asked["any"]):
            asked["any"] = []
        parts = {part: tuple(c for c, v in conditions if v is None) for part, conditions in asked.items()}
        return _Row(self.weight, replace(self.rule, all=parts["all"], any=parts["any"], none=parts["none"]))


class _Programs(Fields):
    """The programs of an event alone, by the list of fields that a condition asks for."""

    def __init__(self, programs: Mapping[tuple[str, ...], str]) -> None:
        self._programs = programs

    def first(self, names: Iterable[str]) -> str:
        return self._programs[tuple(names)]


@cache
def _rows(kind: str) -> tuple[_Row, ...]:
    """The rules of a kind of event, the heaviest first."""
    weights, served = _table()["tactics"], attack.table().tactics
    rows = []
    for name in (kind, kind.partition(":")[0]):
        for rule in _rules().get(name, ()):
            tactics = [rule.tactic] if rule.tactic else [served[t][0] for t in rule.techniques]
            rows.append(_Row(max(float(weights.get(t, 0)) for t in tactics), rule))
    return tuple(sorted(rows, key=lambda row: -row.weight))


@cache
def _program_fields(kind: str) -> tuple[tuple[str, ...], ...]:
    """The lists of fields, among those that a kind's rules ask for, that name programs."""
    rules = [row.rule for row in _rows(kind)]
    asked = {c.fields for rule in rules for c in (*rule.all, *rule.any, *rule.none)}
    return tuple(sorted(fields for fields in asked if fields[0] in PROGRAMS))


@lru_cache(maxsize=100_000)
def _possible(kind: str, programs: tuple[str, ...], names: frozenset[str]) -> tuple[_Row, ...]:
    """The rules that may hold, and what is left to ask of them.

    Programs are few and come again, command lines are many: what programs decide is decided once.
    """
    held = dict(zip(_program_fields(kind), programs, strict=True))
    rows = (row.left(held, names) for row in _rows(kind))
    return tuple(row for row in rows if row is not None)


class _Texts(dict[tuple[str, ...], str]):
    """An event's values by the list of fields that a condition asks for, made ready once; words of each likewise."""

    def __init__(self, event: Fields) -> None:
        self.event = event
        self._words: dict[str, frozenset[str]] = {}

    def __missing__(self, fields: tuple[str, ...]) -> str:
        self[fields] = text = self.event.first(fields)[: attack.LONGEST].lower()
        return text

    def words(self, text: str) -> frozenset[str]:
        if text not in self._words:
            self._words[text] = frozenset(WORD.split(text))
        return self._words[text]


def _met(condition: attack.Condition, texts: _Texts) -> bool:
    """`condition.holds`, for many conditions of one event: those that are asked most go without Python's own loops."""
    text = texts[condition.fields]
    if condition.test == "contains":
        return bool(text) and any(map(text.__contains__, condition.wanted))
    if condition.test == "word":
        return bool(text) and not texts.words(text).isdisjoint(condition.wanted)
    return condition.holds(texts.event)


def _holds(rule: attack.Rule, texts: _Texts) -> bool:
    """`rule.holds`."""
    for condition in rule.all:
        if not _met(condition, texts):
            return False
    if rule.any and not any(_met(c, texts) for c in rule.any):
        return False
    return not rule.none or not any(_met(c, texts) for c in rule.none)


def _technique(kind: str, event: Fields) -> Line | None:
    """The heaviest technique that the event implies; of equally heavy ones the first in attack.yaml."""
    programs = tuple(event.first(fields) for fields in _program_fields(kind))
    texts = _Texts(event)
    for row in _possible(kind, programs, frozenset(event)):
        if _holds(row.rule, texts):
            return Line(f"technique {', '.join(row.rule.techniques)} ({row.rule.id})", row.weight, row.rule.techniques)
    return None


def _place(actor: str) -> Line | None:
    for row in _table()["places"]:
        contains, ends = row.get("contains", ()), row.get("ends", ())
        if any(part in actor for part in contains) or actor.endswith(tuple(ends)):
            return Line(f"place {row['name']}", float(row["bits"]))
    return None


def relevance(kind: str, actor: str, shapes: Mapping[str, str]) -> Relevance:
    """The weight of a pattern: of its kind, of the technique it implies, of the place its actor lies in.

    A technique implied takes a negative kind or place to zero: an encoded command is no less telling for
    lying in a servicing folder.
    """
    return _weighed(kind, actor, _technique(kind, Fields(shapes)))


def _weighed(kind: str, actor: str, technique: Line | None) -> Relevance:
    lines = [_kind(kind), _place(actor), technique]
    if technique is not None:
        lines = [line for line in lines if line is None or line.bits > 0]
    kept = tuple(line for line in lines if line is not None and line.bits)
    limits = _table()["limits"]
    total = min(max(sum(line.bits for line in kept), limits["least"]), limits["most"])
    return Relevance(total, kept)


@dataclass(frozen=True, slots=True)
class Patterns:
    """Patterns of one kind: `columns` are the codes of their shapes by field (NOTHING: absent), the actor's too."""

    kind: str
    actor: U64
    columns: Mapping[str, U64]
    words: Mapping[int, str]

    def shapes(self, row: int) -> dict[str, str]:
        """One pattern's shapes by field."""
        return {name: self.words.get(int(c[row]), "") for name, c in self.columns.items() if c[row] != NOTHING}

    def first(self, fields: Iterable[str]) -> U64:
        """The codes of the first of these fields that each pattern has, as `Fields.first` reads them."""
        wanted = {name.lower(): codes for name, codes in self.columns.items()}
        found = np.zeros(len(self.actor), dtype=np.uint64)
        for name in fields:
            if name.lower() in wanted:
                found = np.where(found == NOTHING, self._filled(wanted[name.lower()]), found)
        return found

    def _filled(self, codes: U64) -> U64:
        distinct, inverse = np.unique(codes, return_inverse=True)
        texts = (self.words.get(code, "").strip().lower() for code in distinct.tolist())
        empty = np.fromiter((text in fields_of_events.NOTHING for text in texts), dtype=bool, count=len(distinct))
        return np.where(empty, NOTHING, distinct)[inverse]


def relevances(patterns: Patterns) -> list[Relevance]:
    """`relevance` of each pattern; that most of them imply no technique is found out for all of them at once."""
    kind, words = patterns.kind, patterns.words
    plain = {code: _weighed(kind, words.get(code, ""), None) for code in np.unique(patterns.actor).tolist()}
    found = [plain[code] for code in patterns.actor.tolist()]
    for row in np.flatnonzero(_telling(patterns)).tolist():
        found[row] = relevance(kind, words.get(int(patterns.actor[row]), ""), patterns.shapes(row))
    return found


def _telling(patterns: Patterns) -> npt.NDArray[np.bool_]:
    """Which patterns may imply a technique; of the others it is certain that they imply none."""
    rules = [row.rule for row in _rows(patterns.kind)]
    size = len(patterns.actor)
    if not rules:
        return np.zeros(size, dtype=bool)
    if size <= FEW or any(name.lower() in TEXTS for name in patterns.columns):  # messages hold fields of their own
        return np.ones(size, dtype=bool)
    asked = sorted({c.fields for rule in rules for c in (*rule.all, *rule.any, *rule.none)})
    if not asked:  # the kind alone implies it
        return np.ones(size, dtype=bool)
    columns = {fields: _Column.of(patterns.first(fields), patterns.words) for fields in asked}
    programs = _program_fields(patterns.kind)
    alike = [column.place if fields in programs else column.filled for fields, column in columns.items()]
    _, inverse = np.unique(np.stack(alike), axis=1, return_inverse=True)
    order = np.argsort(inverse.ravel(), kind="stable")
    telling = np.zeros(size, dtype=bool)
    for rows in np.split(order, np.flatnonzero(np.diff(inverse.ravel()[order])) + 1):
        lead = Fields(patterns.shapes(int(rows[0])))
        held = tuple(lead.first(fields) for fields in programs)
        left = _possible(patterns.kind, held, frozenset(lead))
        telling[rows] = _any_trigger(left, columns, rows)
    return telling


@dataclass(frozen=True, slots=True)
class _Column:
    """What patterns have for a list of fields: distinct texts, as rules compare them, and each pattern's place."""

    texts: pa.StringArray
    place: I64
    filled: I64  # whether it has any, as a number

    @classmethod
    def of(cls, codes: U64, words: Mapping[int, str]) -> _Column:
        distinct, place = np.unique(codes, return_inverse=True)
        texts = [words.get(c, "").strip()[: attack.LONGEST].lower() if c else "" for c in distinct.tolist()]
        return cls(pa.array(texts, pa.string()), place.ravel(), (codes != NOTHING).astype(np.int64))

    def holding(self, pattern: str, rows: I64) -> npt.NDArray[np.bool_]:
        """Which of these patterns' texts match."""
        asked, inverse = np.unique(self.place[rows], return_inverse=True)
        matched = pc.match_substring_regex(self.texts.take(pa.array(asked)), pattern)
        return np.asarray(matched)[inverse.ravel()]


def _any_trigger(left: Iterable[_Row], columns: Mapping[tuple[str, ...], _Column], rows: I64) -> npt.NDArray[np.bool_]:
    """Which of these patterns, of the same programs, hold what one of the rules left cannot do without."""
    wanted: dict[tuple[str, ...], set[str]] = {}
    for row in left:
        trigger = _trigger(row.rule)
        if trigger is None or len(rows) <= FEW:
            return np.ones(len(rows), dtype=bool)
        for fields, texts in trigger:
            wanted.setdefault(fields, set()).update(texts)
    found = np.zeros(len(rows), dtype=bool)
    for fields, any_of in wanted.items():
        found |= columns[fields].holding("|".join(map(re.escape, sorted(any_of))), rows)
    return found


def _trigger(rule: attack.Rule) -> list[tuple[tuple[str, ...], tuple[str, ...]]] | None:
    """Fields and texts such that where none of the fields holds one of its texts, the rule does not hold."""
    for condition in rule.all:
        if condition.test in LITERAL:
            return [(condition.fields, condition.wanted)]
    if rule.any and all(condition.test in LITERAL for condition in rule.any):
        return [(condition.fields, condition.wanted) for condition in rule.any]
    return None
