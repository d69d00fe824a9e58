"""How suspicious a surprising event is by its kind, its technique and its place: relevance.yaml, read once.

Patterns are judged by the shapes that were compared, so that baseline and hunt are weighed alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from vizsla.declared import from_yaml
from vizsla.shape import shape
from vizsla.triage import attack
from vizsla.triage.native import Fields


@dataclass(frozen=True, slots=True)
class Line:
    """A weight that counted: the row's name and its bits."""

    name: str
    bits: float


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
    """What a rule looks for, with digits generalised as shapes have them.

    Shapes keep values that are as a whole a code or an address: only `equals` compares whole values.
    """
    if test in ("mask", "prefix"):
        return wanted
    return shape(wanted) if test == "equals" else re.sub("[0-9]+", "#", wanted)


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


def _technique(kind: str, event: Fields) -> Line | None:
    weights, techniques = _table()["tactics"], attack.table().techniques
    best: Line | None = None
    for name in (kind, kind.partition(":")[0]):
        for rule in _rules().get(name, ()):
            tactics = [rule.tactic] if rule.tactic else [techniques[t].tactics[0] for t in rule.techniques]
            weight = max(float(weights.get(t, 0)) for t in tactics)
            if (best is None or weight > best.bits) and rule.holds(event):
                best = Line(f"technique {', '.join(rule.techniques)} ({rule.id})", weight)
    return best


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
    technique = _technique(kind, Fields(shapes))
    lines = [_kind(kind), _place(actor), technique]
    if technique is not None:
        lines = [line for line in lines if line is None or line.bits > 0]
    kept = tuple(line for line in lines if line is not None and line.bits)
    limits = _table()["limits"]
    total = min(max(sum(line.bits for line in kept), limits["least"]), limits["most"])
    return Relevance(total, kept)
