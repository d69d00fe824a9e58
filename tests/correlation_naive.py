"""Correlations said as plainly as can be, event by event: what the fast way must agree with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from vizsla.hit import HITS
from vizsla.sigma.rule import And, Condition, Correlation, LogSource, Not, Or, Rule, Test

EPOCH = datetime(2024, 5, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Met:
    """A hit: an event, the rule that it met, its second, its values."""

    event: str
    by: str
    second: int
    values: tuple[tuple[str, str], ...] = ()

    def value(self, name: str) -> str | None:
        found = dict(self.values).get(name)
        return None if found is None else found.lower()


@dataclass(frozen=True)
class Item:
    """What a correlation looks at: a hit, or a window that fired below."""

    second: int
    slot: int
    event: object
    values: tuple[tuple[str, str | None], ...]
    hits: frozenset[Met]

    def value(self, name: str) -> str | None:
        return dict(self.values)[name]


@dataclass(frozen=True)
class Window:
    """A window that fired."""

    group: tuple[str | None, ...]
    items: frozenset[Item]
    made: frozenset[Item]
    end: int

    @property
    def hits(self) -> frozenset[Met]:
        return frozenset(hit for item in self.made for hit in item.hits)


def table(hits: Iterable[Met]) -> pa.Table:
    """HITS of these."""
    rows = [
        {
            "_id": hit.event, "_host": "h", "_time": EPOCH + timedelta(seconds=hit.second), "table": "t", "kind": "t:1",
            "by": hit.by, "field": "f", "value": "v", "keys": list(hit.values) or None, "guid": 7, "pid": 8, "logon": 0,
            "pair": 0,
        }
        for hit in hits
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=HITS)


def rule(by: str, correlation: Correlation | None = None, silent: bool = False) -> Rule:
    """A rule of which only the correlation matters."""
    return Rule(by, "1", by, "high", "test", LogSource(), None, correlation=correlation, silent=silent)


def windows(
    by: str, rules: dict[str, Rule], hits: Sequence[Met], horizon: int, more: set[str] = frozenset()
) -> set[Window]:
    """Every window in which a correlation fires; `more`: fields that correlations above ask for."""
    asked = rules[by].correlation
    assert asked is not None
    items = _items(asked, rules, hits, horizon, {*asked.group_by, *asked.fields, *more})
    groups: dict[tuple[str | None, ...], set[Item]] = {}
    for item in items:
        group = tuple(item.value(name) for name in asked.group_by)
        if None not in group:
            groups.setdefault(group, set()).add(item)
    found = set()
    for group, members in groups.items():
        for second in {item.second for item in members}:
            found |= _at(asked, group, members, second, horizon)
    merged: dict[tuple[object, ...], Window] = {}
    for one in found:
        key = (one.group, one.items, one.end)
        before = merged.get(key)
        merged[key] = one if before is None else Window(one.group, one.items, one.made | before.made, one.end)
    return set(merged.values())


def _items(asked: Correlation, rules: dict[str, Rule], hits: Sequence[Met], horizon: int, names: set[str]) -> set[Item]:
    found = set()
    for slot, one in enumerate(asked.rules):
        called = {name: asked.aliases.get(name, {}).get(one, name) for name in sorted(names)}
        below = rules[one].correlation
        if below is None:
            for hit in hits:
                if hit.by == one:
                    values = tuple((name, hit.value(own)) for name, own in called.items())
                    found.add(Item(hit.second, slot, hit.event, values, frozenset((hit,))))
            continue
        inner = {own for own in called.values() if own not in below.group_by}
        for window in windows(one, rules, hits, horizon, inner):
            for item in window.made:
                known = dict(item.values) | dict(zip(below.group_by, window.group, strict=True))
                values = tuple((name, known[own]) for name, own in called.items())
                found.add(Item(window.end, slot, (one, window), values, window.hits))
    return found


def _at(
    asked: Correlation, group: tuple[str | None, ...], members: set[Item], second: int, horizon: int
) -> set[Window]:
    before = frozenset(item for item in members if second - asked.seconds <= item.second <= second)
    after = frozenset(item for item in members if second <= item.second <= second + asked.seconds)
    if asked.extended is None:
        return {Window(group, before, before, second)} if _holds(asked, before) else set()
    found = set()
    for there, absent in _alternatives(asked, asked.extended):
        slots = {asked.rules.index(name) for name in there}
        shown = after if absent else before
        end = second + asked.seconds if absent else second
        met = {asked.rules[item.slot] for item in shown}
        if not there or not there <= met or absent & met or (absent and end > horizon):
            continue
        if not any(item.slot in slots and item.second == second for item in members):
            continue
        if asked.kind.startswith("temporal_ordered") and not _chain(shown, sorted(slots)):
            continue
        found.add(Window(group, shown, frozenset(item for item in shown if item.slot in slots), end))
    return found


def _alternatives(asked: Correlation, condition: Condition) -> list[tuple[frozenset[str], frozenset[str]]]:
    """All ways in which the rules that a condition names can be there or not that make it true, at their simplest."""

    def positive(one: Condition) -> list[tuple[frozenset[str], frozenset[str]]]:
        if isinstance(one, Test):
            return [(frozenset((one.value,)), frozenset())]
        if isinstance(one, Or):
            return [terms for part in one.of for terms in positive(part)]
        if isinstance(one, Not):
            return negative(one.of)
        return both([positive(part) for part in one.of])

    def negative(one: Condition) -> list[tuple[frozenset[str], frozenset[str]]]:
        if isinstance(one, Test):
            return [(frozenset(), frozenset((one.value,)))]
        if isinstance(one, And):
            return [terms for part in one.of for terms in negative(part)]
        if isinstance(one, Not):
            return positive(one.of)
        return both([negative(part) for part in one.of])

    def both(parts: list[list[tuple[frozenset[str], frozenset[str]]]]) -> list[tuple[frozenset[str], frozenset[str]]]:
        found = [(frozenset[str](), frozenset[str]())]
        for part in parts:
            found = [(a | c, b | d) for a, b in found for c, d in part]
        return [(a, b) for a, b in found if not a & b]

    return positive(condition)


def _holds(asked: Correlation, shown: frozenset[Item]) -> bool:
    tests = asked.tests
    if asked.kind.startswith("temporal") and not tests:
        tests = (("gte", len(asked.rules)),)
    measured = _measured(asked, shown)
    if measured is None or not all(_compare(measured, *test) for test in tests):
        return False
    if not asked.kind.startswith("temporal_ordered"):
        return True
    least = [math.floor(n) + 1 if op == "gt" else math.ceil(n) for op, n in tests if op in ("gt", "gte")]
    if not least:
        return _in_order(shown, len(asked.rules))
    slots = range(len(asked.rules))
    return any(
        _chain(shown, [slot for slot in slots if bits >> slot & 1])
        for bits in range(1 << len(asked.rules))
        if bin(bits).count("1") == max(0, *least)
    )


def _measured(asked: Correlation, shown: frozenset[Item]) -> float | None:
    if asked.kind.startswith("temporal"):
        return len({item.slot for item in shown})
    if asked.kind == "event_count":
        return len({item.event for item in shown})
    if asked.kind == "value_count":
        rows = {tuple(item.value(name) for name in asked.fields) for item in shown}
        return len([row for row in rows if None not in row])
    told = {(item.event, float(item.value(asked.fields[0]) or "nan")) for item in shown if _number(item, asked)}
    values = sorted(value for _, value in told)
    if not values:
        return None
    if asked.kind == "value_sum":
        return sum(values)
    if asked.kind == "value_avg":
        return sum(values) / len(values)
    position = (len(values) - 1) * (50.0 if asked.percentile is None else asked.percentile) / 100
    low = math.floor(position)
    return values[low] * (1 - position + low) + values[min(low + 1, len(values) - 1)] * (position - low)


def _number(item: Item, asked: Correlation) -> bool:
    try:
        float(item.value(asked.fields[0]) or "")
    except ValueError:
        return False
    return True


def _compare(measured: float, operator: str, number: float) -> bool:
    return {
        "gt": measured > number, "gte": measured >= number, "lt": measured < number, "lte": measured <= number,
        "eq": measured == number, "neq": measured != number,
    }[operator]  # fmt: skip


def _chain(shown: frozenset[Item], slots: list[int]) -> bool:
    last = -math.inf
    for slot in slots:
        later = [item.second for item in shown if item.slot == slot and item.second > last]
        if not later:
            return False
        last = min(later)
    return True


def _in_order(shown: frozenset[Item], slots: int) -> bool:
    last = -math.inf
    for slot in range(slots):
        there = [item.second for item in shown if item.slot == slot]
        later = [second for second in there if second > last]
        if there and not later:
            return False
        last = min(later, default=last)
    return True


def occurrences(by: str, rules: dict[str, Rule], hits: Sequence[Met], horizon: int) -> set[frozenset[str]]:
    """The events of each occurrence: windows that share items, joined."""
    joined: list[tuple[set[Item], set[Met]]] = []
    for window in windows(by, rules, hits, horizon):
        items, made = set(window.items), set(window.hits)
        for other in [one for one in joined if one[0] & items]:
            joined.remove(other)
            items |= other[0]
            made |= other[1]
        joined.append((items, made))
    return {frozenset(hit.event for hit in made) for _, made in joined}
