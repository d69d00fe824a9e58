"""A variable-order Markov model: each step given those before it, as many as were seen together before.

The beginning of a session is a context and its end a symbol, so that one cut short is as unusual as one that goes
astray. Counts are mergeable and kept as Arrow tables; the smoothing is `smoothing.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from vizsla.analytics.rarity.encode import U64, mixed
from vizsla.calibration import Floats
from vizsla.sequence.sessions import BEGIN, Sessions
from vizsla.sequence.smoothing import ALIKE, Counts, Smoothed

ORDER = 2  # steps before that a step is given
GRAMS = pa.schema([("order", pa.int64()), ("context", pa.uint64()), ("shorter", pa.uint64()),
                   ("symbol", pa.uint64()), ("n", pa.int64())])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Steps:
    """Of every step of closed sessions: `bits`, -log2 of its probability; `odd`, -log2 of its p-value.

    The p-value of a step is the probability of all steps that would have been at most as likely there, so that one of
    many that are equally likely is not odd.
    """

    sessions: Sessions
    bits: Floats
    odd: Floats


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every known symbol alike, and all unknown ones together as one more."""

    known: int

    def p(self, symbol: U64) -> Floats:
        """One share each."""
        return np.full(len(symbol), 1 / (self.known + 1))

    def tail(self, p: Floats) -> Floats:
        """All or nothing."""
        return np.where(p * ALIKE >= 1 / (self.known + 1), 1.0, 0.0)


def contexts(closed: Sessions, order: int) -> list[U64]:
    """What stands before every step, by length from 0 on. No context reaches beyond the beginning of its session."""
    place = np.arange(len(closed.steps)) - np.repeat(closed.starts[:-1], closed.lengths)
    found = [np.full(len(closed.steps), BEGIN)]
    for k in range(1, order + 1):
        before = np.where(place >= k, np.roll(closed.steps, k), BEGIN)
        longer = mixed(found[-1], before)
        found.append(np.where(place >= k - 1, longer, found[-1]))
    return found


@dataclass(frozen=True, slots=True)
class Grams:
    """How often each step followed each context, by the context's length from 0 on."""

    counts: tuple[Counts, ...]

    @classmethod
    def of(cls, sessions: Sessions, order: int = ORDER) -> Grams:
        """Counted over closed sessions, each as often as its weight says."""
        closed = sessions.closed()
        weight = np.repeat(closed.weight, closed.lengths)
        found = contexts(closed, order)
        made = [Counts.of(found[0], found[0], closed.steps, weight)]
        for k in range(1, order + 1):
            whole = found[k] != found[k - 1]  # nearer to the beginning the shorter context says the same
            rows = (found[k], found[k - 1], closed.steps, weight)
            made.append(Counts.of(*(column[whole] for column in rows)))
        return cls(tuple(made))

    def merged(self, other: Grams) -> Grams:
        """Both added up, the same as counting all at once. Raises ValueError where their orders differ."""
        if len(self.counts) != len(other.counts):
            raise ValueError(f"counts of order {len(self.counts) - 1} and {len(other.counts) - 1}")
        return Grams(tuple(one.merged(two) for one, two in zip(self.counts, other.counts, strict=True)))

    def table(self) -> pa.Table:
        """As one Arrow table, which `read` makes the same counts of."""
        tables = [
            pa.table([np.full(len(c.n), k), c.context, c.shorter, c.symbol, c.n], schema=GRAMS)
            for k, c in enumerate(self.counts)
        ]
        return pa.concat_tables(tables)

    @classmethod
    def read(cls, table: pa.Table, order: int = ORDER) -> Grams:
        """Counts from such a table."""
        columns = {name: table[name].to_numpy() for name in GRAMS.names}
        made = []
        for k in range(order + 1):
            rows = columns["order"] == k
            made.append(Counts.of(*(columns[name][rows] for name in ("context", "shorter", "symbol", "n"))))
        return cls(tuple(made))


@dataclass(frozen=True, slots=True)
class Markov:
    """Counts, ready to be asked how likely steps are."""

    grams: Grams
    smoothed: Smoothed

    @classmethod
    def of(cls, grams: Grams) -> Markov:
        """The model of these counts."""
        known = len(np.unique(grams.counts[0].symbol))
        return cls(grams, Smoothed.of(grams.counts, Uniform(known)))

    @classmethod
    def learn(cls, sessions: Sessions, order: int = ORDER) -> Markov:
        """The model of these sessions."""
        return cls.of(Grams.of(sessions, order))

    @property
    def order(self) -> int:
        """How many steps before a step are looked at."""
        return len(self.grams.counts) - 1

    def steps(self, sessions: Sessions) -> Steps:
        """How unusual each step is, the end of each session among them."""
        closed = sessions.closed()
        asked = contexts(closed, self.order)
        # The longest context tells the others: each distinct one is asked once per step that followed.
        _, first, which = np.unique(mixed(asked[-1], closed.steps), return_index=True, return_inverse=True)
        few, symbol = [context[first] for context in asked], closed.steps[first]
        p = self.smoothed.p(few, symbol)
        odd = self.smoothed.tail(few, p)
        return Steps(closed, -np.log2(p)[which], -np.log2(odd)[which])

    def usual(self, before: Sequence[int], most: int = 3) -> list[tuple[int, int, int]]:
        """What followed these steps (the first begins the session), in the longest context that was ever seen.

        Up to `most` of (code of the step, how often it followed, how often the context came), the most frequent first.
        """
        asked = contexts(Sessions.flat(np.array([*before, 0], np.uint64), np.array([len(before) + 1])), self.order)
        for level, context in zip(reversed(self.smoothed.levels), reversed(asked), strict=True):
            at = int(level.find(context[-1:])[0])
            if at >= 0:
                rows = slice(int(level.begins[at]), int(level.begins[at + 1]))
                order = np.lexsort((level.symbol[rows], -level.n[rows]))[:most]
                total = int(level.total[at])
                return [(int(level.symbol[rows][i]), int(level.n[rows][i]), total) for i in order]
        return []
