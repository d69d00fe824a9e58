"""Counts of symbols within contexts, smoothed: each context leans on a shorter one as far as it was varied itself.

Interpolated Witten-Bell (Witten & Bell 1991, 'The zero-frequency problem'): in a context seen N times with T different
symbols, P(s) = (n(s) + T * P'(s)) / (N + T), where P' is the next shorter context's; below the shortest stands a
`Base`. A context that was never seen is passed over. Everything here is over all queries at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vizsla.analytics.rarity.encode import I64, U64, mixed
from vizsla.calibration import Floats

ALIKE = 1 + 1e-9  # probabilities nearer than this factor are one: they differ by rounding


class Base(Protocol):
    """What stands below all contexts: a distribution that gives every symbol something."""

    def p(self, symbol: U64) -> Floats:
        """The probability of each symbol."""
        ...

    def tail(self, p: Floats) -> Floats:
        """The probability of all symbols that are at most as probable as each `p`."""
        ...


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each symbol came in each context of one length. `shorter`: the context that this one leans on."""

    context: U64
    shorter: U64
    symbol: U64
    n: I64

    @classmethod
    def of(cls, context: U64, shorter: U64, symbol: U64, n: I64) -> Counts:
        """Counts from rows of any order, added up by context and symbol, and put in a total order."""
        order = np.lexsort((symbol, context))
        context, shorter, symbol, n = context[order], shorter[order], symbol[order], n[order]
        first = np.ones(len(order), bool)
        first[1:] = (context[1:] != context[:-1]) | (symbol[1:] != symbol[:-1])
        begins = np.flatnonzero(first)
        total = np.add.reduceat(n, begins) if len(begins) else n
        return cls(context[begins], shorter[begins], symbol[begins], total.astype(np.int64))

    def merged(self, other: Counts) -> Counts:
        """Both, added up: the same as counting all at once."""
        return Counts.of(
            np.concatenate([self.context, other.context]),
            np.concatenate([self.shorter, other.shorter]),
            np.concatenate([self.symbol, other.symbol]),
            np.concatenate([self.n, other.n]),
        )


@dataclass(frozen=True, slots=True)
class Level:
    """One length of context, ready to be asked: contexts ascending, their symbols between `begins`."""

    context: U64
    begins: I64  # one more than contexts
    total: I64
    pair: U64  # context and symbol as one, ascending
    row: I64  # the row of each pair
    n: I64  # by rows
    symbol: U64
    by_p: Floats  # within each context ascending: probability here …
    sum_p: Floats  # … and its running sum over all rows, from 0
    by_low: Floats  # within each context ascending: the same symbols' probability in the shorter context …
    sum_low: Floats

    def find(self, context: U64) -> I64:
        """The place of each context; -1 where it was never seen."""
        return _places(self.context, context)

    def counted(self, context: U64, symbol: U64) -> I64:
        """How often each symbol came in each context."""
        at = _places(self.pair, mixed(context, symbol))
        return np.where(at >= 0, self.n[self.row[at]] if len(self.row) else 0, 0)


@dataclass(frozen=True, slots=True)
class Smoothed:
    """Contexts of all lengths over a base, the shortest first."""

    levels: tuple[Level, ...]
    base: Base

    @classmethod
    def of(cls, counts: Sequence[Counts], base: Base) -> Smoothed:
        """From counts by length of context, the shortest first. A context's `shorter` is in those before it."""
        made: list[Level] = []
        contexts: list[U64] = []
        for held in counts:
            contexts = _down(held, counts[: len(made)])
            low = Smoothed(tuple(made), base).p(contexts, held.symbol)
            made.append(_level(held, low))
        return cls(tuple(made), base)

    def p(self, contexts: Sequence[U64], symbol: U64) -> Floats:
        """The probability of each symbol in its contexts (one array per length, the shortest first)."""
        p = self.base.p(symbol)
        for level, context in zip(self.levels, contexts, strict=False):
            if not len(level.total):
                continue
            at = level.find(context)
            place = np.maximum(at, 0)
            kinds = (level.begins[place + 1] - level.begins[place]).astype(np.float64)
            own = (level.counted(context, symbol) + kinds * p) / (level.total[place] + kinds)
            p = np.where(at >= 0, own, p)
        return p

    def tail(self, contexts: Sequence[U64], p: Floats) -> Floats:
        """The probability, in these contexts, of all symbols that are at most as probable as `p`: a step's p-value."""
        return np.clip(self._tail(contexts, p, len(self.levels)), p, 1.0)

    def _tail(self, contexts: Sequence[U64], p: Floats, depth: int) -> Floats:
        if depth == 0:
            return self.base.tail(p)
        level = self.levels[depth - 1]
        if not len(level.total):
            return self._tail(contexts, p, depth - 1)
        at = level.find(contexts[depth - 1])
        known, place = at >= 0, np.maximum(at, 0)
        begin, end = level.begins[place], level.begins[place + 1]
        kinds = (end - begin).astype(np.float64)
        # Symbols that were never seen here have their share of the shorter context's probability.
        share = np.where(known, kinds / (level.total[place] + kinds), 1.0)
        below = self._tail(contexts, p / share, depth - 1)
        seen = level.sum_p[_bisected(level.by_p, begin, end, p)] - level.sum_p[begin]
        beneath = level.sum_low[_bisected(level.by_low, begin, end, p / share)] - level.sum_low[begin]
        return np.where(known, seen + share * np.maximum(below - beneath, 0.0), below)


def _level(held: Counts, low: Floats) -> Level:
    first = np.ones(len(held.context), bool)
    first[1:] = held.context[1:] != held.context[:-1]
    starts = np.flatnonzero(first)
    begins = np.append(starts, len(held.context))
    total = np.add.reduceat(held.n, starts) if len(starts) else held.n
    kinds = np.diff(begins)
    which = np.repeat(np.arange(len(starts)), kinds)
    p = (held.n + kinds[which] * low) / (total[which] + kinds[which])
    by_p, by_low = p[np.lexsort((p, which))], low[np.lexsort((low, which))]
    pair = mixed(held.context, held.symbol)
    row = np.argsort(pair)
    sums = (np.concatenate([np.zeros(1), np.cumsum(values)]) for values in (by_p, by_low))
    sum_p, sum_low = sums
    return Level(held.context[starts], begins, total, pair[row], row, held.n, held.symbol, by_p, sum_p, by_low, sum_low)


def _down(held: Counts, shorter: Sequence[Counts]) -> list[U64]:
    """The contexts that each row's context leans on, the shortest first."""
    found: list[U64] = []
    context = held.shorter
    for counts in reversed(shorter):
        found.insert(0, context)
        at = np.searchsorted(counts.context, context)
        context = counts.shorter[np.minimum(at, len(counts.shorter) - 1)] if len(counts.shorter) else context
    return found


def _places(ordered: U64, wanted: U64) -> I64:
    """Where each is in an ascending array without doubles; -1 where it is not."""
    if not len(ordered):
        return np.full(len(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
    return np.where(ordered[at] == wanted, at, -1)


def _bisected(values: Floats, begin: I64, end: I64, limit: Floats) -> I64:
    """Within each part of `values` (ascending from `begin` to `end`), the first place above the limit."""
    low, high, limit = begin.copy(), end.copy(), limit * ALIKE
    while True:
        open_ = low < high
        if not open_.any():
            return low
        middle = (low + high) // 2
        at_most = open_ & (values[np.minimum(middle, len(values) - 1)] <= limit)
        low, high = np.where(at_most, middle + 1, low), np.where(open_ & ~at_most, middle, high)
