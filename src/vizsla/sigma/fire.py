"""In which windows a correlation fires: its kinds and conditions over items sorted by group and time."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.encode import I64, U64, mixed
from vizsla.errors import RuleError
from vizsla.sigma.items import Fired, Items
from vizsla.sigma.rule import Condition, Correlation, Not, Or, Test
from vizsla.sigma.windows import (
    F64,
    Flags,
    Steps,
    Windows,
    backward,
    chain,
    count,
    distinct,
    ends,
    forward,
    in_order,
    quantile,
    running,
    total,
)

AT_ONCE = 1 << 20  # items that are looked at together; a group is never split
MOST = 256  # alternatives of an extended condition
SECOND = 1_000_000
EVERY = -1  # all slots, however many
OPERATORS: Mapping[str, Callable[[F64, float], Flags]] = {
    "gt": np.greater, "gte": np.greater_equal, "lt": np.less, "lte": np.less_equal, "eq": np.equal,
    "neq": np.not_equal,
}  # fmt: skip


def fire(items: Items, asked: Correlation, horizon: int) -> Fired:
    """Every window in which the condition holds. `horizon`: until when, in microseconds, it is known what happened."""
    items, group = _sorted(items, asked)
    clauses = [Clause.of(asked, *terms) for terms in _terms(asked)] if asked.extended else []
    parts = []
    for start, stop in _chunks(group):
        chunk = Chunk(items.take(np.arange(start, stop)), group[start:stop], asked)
        for windows, until, mask in chunk.extended(clauses, horizon) if asked.extended else chunk.plain():
            full = np.full(len(windows), mask, dtype=np.int64)
            parts.append((windows.first + start, windows.last + start, until, full))
    none = np.empty(0, dtype=np.int64)
    first, last, until, slots = (np.concatenate([none, *(part[i] for part in parts)]) for i in range(4))
    order = np.lexsort((until, last, first))
    first, last, until, slots = first[order], last[order], until[order], slots[order]
    if len(clauses) > 1 and len(first):  # what two alternatives tell of the same window is one thing
        same = (first[1:] == first[:-1]) & (last[1:] == last[:-1]) & (until[1:] == until[:-1])
        begin = np.append(0, np.flatnonzero(~same) + 1)
        first, last, until, slots = first[begin], last[begin], until[begin], np.bitwise_or.reduceat(slots, begin)
    return Fired(items, first, last, until, slots)


def _sorted(items: Items, asked: Correlation) -> tuple[Items, U64]:
    """The items that have all that they are grouped by, sorted by group, time and event, none twice; their groups."""
    if asked.group_by:
        columns = [items.codes[name] for name in asked.group_by]
        whole = np.flatnonzero(np.all([column != 0 for column in columns], axis=0))
        items = items.take(whole)
        group = mixed(*(items.codes[name] for name in asked.group_by))
    else:
        group = np.zeros(len(items), dtype=np.uint64)
    order = np.lexsort((items.slot, items.event, items.time, group))
    items, group = items.take(order), group[order]
    told = [group, items.time, items.event, items.slot, *items.codes.values()]
    fresh = np.any([column[1:] != column[:-1] for column in told], axis=0)
    kept = np.flatnonzero(np.append(True, fresh)[: len(group)])
    return items.take(kept), group[kept]


def _chunks(group: U64) -> Iterator[tuple[int, int]]:
    """Ranges of whole groups, of about AT_ONCE items or one group."""
    last = np.append(np.flatnonzero(group[1:] != group[:-1]) + 1, len(group))
    begin = 0
    while begin < len(group):
        place = max(
            int(np.searchsorted(last, begin + AT_ONCE, "right")) - 1, int(np.searchsorted(last, begin, "right"))
        )
        end = int(last[place])
        yield begin, end
        begin = end


@dataclass(frozen=True, slots=True)
class Clause:
    """One alternative of an extended condition: slots that are there, slots that are not."""

    there: tuple[int, ...]
    absent: tuple[int, ...]

    @classmethod
    def of(cls, asked: Correlation, there: frozenset[str], absent: frozenset[str]) -> Clause:
        """From the ids of rules."""
        unknown = (there | absent) - set(asked.rules)
        if unknown:
            raise RuleError(f"a correlation's condition names {min(unknown)!r}, which is none of its rules")
        slot = {rule: number for number, rule in enumerate(asked.rules)}
        return cls(tuple(sorted(slot[one] for one in there)), tuple(sorted(slot[one] for one in absent)))


Terms = list[tuple[frozenset[str], frozenset[str]]]


def _terms(asked: Correlation) -> Terms:
    """An extended condition as alternatives. One that asks for absence alone has no event to begin with: left out."""
    found = _alternatives(asked.extended, True) if asked.extended else []
    return [(there, absent) for there, absent in found if there]


def _alternatives(condition: Condition, holds: bool) -> Terms:
    if isinstance(condition, Test):
        one, none = frozenset((condition.value,)), frozenset[str]()
        return [(one, none) if holds else (none, one)]
    if isinstance(condition, Not):
        return _alternatives(condition.of, not holds)
    parts = [_alternatives(part, holds) for part in condition.of]
    if isinstance(condition, Or) == holds:
        return list(dict.fromkeys(itertools.chain.from_iterable(parts)))
    found: Terms = [(frozenset(), frozenset())]
    for part in parts:
        both = [(a | c, b | d) for a, b in found for c, d in part if not (a | c) & (b | d)]
        found = list(dict.fromkeys(both))
        if len(found) > MOST:
            raise RuleError(
                f"a correlation's condition has more than {MOST} alternatives", fix="split it into several correlations"
            )
    return found


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole groups of items, and what is asked of their windows."""

    items: Items
    group: U64
    asked: Correlation

    @property
    def span(self) -> int:
        """How long a window is, in microseconds."""
        return self.asked.seconds * SECOND

    @property
    def ordered(self) -> bool:
        """Whether events must come in the order of the rules."""
        return self.asked.kind.startswith("temporal_ordered")

    def plain(self) -> Iterator[tuple[Windows, I64, int]]:
        """The windows that meet the numbers asked for, when they end, and the slots that they are made of."""
        windows = backward(self.group, self.items.time, self.span)
        held = self._held(windows)
        found = Windows(windows.first[held], windows.last[held], windows.at[held])
        yield found, self.items.time[found.at], EVERY

    def _held(self, windows: Windows) -> Flags:
        tests = self.asked.tests
        temporal = self.asked.kind.startswith("temporal")
        if temporal and not tests:
            tests = (("gte", float(len(self.asked.rules))),)
        measured = self._measured(windows).astype(np.float64)
        held = np.isfinite(measured)
        for operator, number in tests:
            held &= OPERATORS[operator](measured, number)
        if self.ordered:
            held &= self._ordered(windows, tests)
        return held

    def _measured(self, windows: Windows) -> npt.NDArray[np.generic]:
        kind, items = self.asked.kind, self.items
        if kind.startswith("temporal"):
            every = np.ones(len(items), dtype=bool)
            return distinct(windows, self.group, items.slot.astype(np.uint64), every)
        if kind == "event_count":
            return count(windows, self._changes(items.event))
        if kind == "value_count":
            columns = [items.codes[name] for name in self.asked.fields]
            whole = np.all([column != 0 for column in columns], axis=0)
            return distinct(windows, self.group, mixed(*columns), whole)
        if len(self.asked.fields) != 1:
            raise RuleError(f"a correlation of the type {kind} asks for one field, not {len(self.asked.fields)}")
        values = items.number(self.asked.fields[0])
        flags = self._first_of_event(values) & np.isfinite(values)
        if kind == "value_sum":
            return total(windows, values, flags)
        if kind == "value_avg":
            return total(windows, values, flags) / np.maximum(count(windows, flags), 1)
        if kind in ("value_percentile", "value_median"):
            given = 50.0 if kind == "value_median" else self.asked.percentile
            if given is None or not 0 <= given <= 100:
                raise RuleError(f"a correlation asks for the percentile {given}", fix="give one from 0 to 100")
            return quantile(windows, values, flags, given)
        raise RuleError(f"there is no correlation of the type {kind!r}")

    def _changes(self, *columns: npt.NDArray[np.generic]) -> Flags:
        """Where a group, a time or one of these columns differs from the item before."""
        every = (self.group, self.items.time, *columns)
        return np.append(True, np.any([c[1:] != c[:-1] for c in every], axis=0))[: len(self.group)]

    def _first_of_event(self, values: F64) -> Flags:
        """An event that two rules met with one value is one value."""
        order = np.lexsort((values, self.items.event, self.items.time, self.group))
        every = (self.group[order], self.items.time[order], self.items.event[order], values[order])
        fresh = np.append(True, np.any([c[1:] != c[:-1] for c in every], axis=0))[: len(order)]
        flags = np.empty(len(order), dtype=bool)
        flags[order] = fresh
        return flags

    def _ordered(self, windows: Windows, tests: Sequence[tuple[str, float]]) -> Flags:
        """Rules in their order: as many as are asked for, or those that are there at all."""
        steps = Steps.of(self.group, self.items.time, self.items.slot)
        slots = list(range(len(self.asked.rules)))
        asked = [_least(operator, number) for operator, number in tests if operator in ("gt", "gte")]
        if not asked:
            return in_order(windows, steps, slots)
        least = max(0, *asked)
        if least > len(slots):
            return np.zeros(len(windows), dtype=bool)
        return chain(windows, steps, slots, least)

    def extended(self, clauses: Sequence[Clause], horizon: int) -> Iterator[tuple[Windows, I64, int]]:
        """The windows in which one of the alternatives holds."""
        steps = Steps.of(self.group, self.items.time, self.items.slot)
        for clause in clauses:
            anchors = np.isin(self.items.slot, clause.there)
            ahead = bool(clause.absent)
            if ahead:
                windows = forward(self.group, self.items.time, self.span, anchors)
            else:
                windows = _ending(backward(self.group, self.items.time, self.span), self, anchors)
            until = self.items.time[windows.at] + (self.span if ahead else 0)
            held = until <= horizon if ahead else np.ones(len(windows), dtype=bool)
            for slot in clause.there:
                held &= count(windows, self.items.slot == slot) > 0
            for slot in clause.absent:
                held &= count(windows, self.items.slot == slot) == 0
            if self.ordered:
                held &= chain(windows, steps, list(clause.there), len(clause.there))
            found = Windows(windows.first[held], windows.last[held], windows.at[held])
            yield found, until[held], sum(1 << slot for slot in clause.there)


def _ending(windows: Windows, chunk: Chunk, anchors: Flags) -> Windows:
    """The windows that end with an anchor."""
    last = ends(chunk.group, chunk.items.time)
    held = running(anchors)
    kept = held[last + 1] > held[np.append(0, last[:-1] + 1)]
    return Windows(windows.first[kept], windows.last[kept], windows.at[kept])


def _least(operator: str, number: float) -> int:
    return int(np.floor(number)) + 1 if operator == "gt" else int(np.ceil(number))
