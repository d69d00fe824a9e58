"""What stands above processes and what comes after what, counted; and how far a place is from the usual one.

Three looks at a start: its grandparent above parent and child, the ancestor above that one, and the step itself after
the one or two before it under the same parent, unless that one starts things for others, in no order. Part of the
surroundings is known without a look: what stands above the process below it, or under which parent a step is; that
such a pair is foreign is told where that process started, by rarity. The surprise is how much less likely it is in its
whole surroundings than in that part.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from vizsla.analytics.rarity.encode import I64, NOTHING, U64, code_of, mixed, take
from vizsla.analytics.rarity.fields import launchers
from vizsla.calibration import Floats
from vizsla.sequence.markov import Grams, Uniform
from vizsla.sequence.smoothing import Counts, Smoothed
from vizsla.sequence.starts import CONSOLE, Starts, called

ORDER = 2
LOOKS = ("grandparent", "ancestor", "next")


@dataclass(frozen=True, slots=True)
class Look:
    """Starts of which something is known: their rows, what is judged, and its surroundings, the shortest first.

    Where the longest surroundings say no more than those before them they are NOTHING. `known`: how many of them are
    known without this look.
    """

    name: str
    rows: I64
    symbol: U64
    contexts: tuple[U64, ...]
    known: int = 1


def looks(starts: Starts) -> tuple[Look, ...]:
    """The three looks at these starts, each at those where it can be taken."""
    further = np.where(starts.up >= 0, starts.up[starts.up], -1) if len(starts) else starts.up
    above, beyond = take(starts.parent, starts.up), take(starts.parent, further)
    before = starts.before
    earlier = np.where(before >= 0, before[before], -1) if len(starts) else before
    known = (starts.parent != NOTHING) & ~np.isin(starts.image, called(starts.names, CONSOLE))
    # What launchers start for others comes in no order that means anything.
    ordered = known & (before >= 0) & ~np.isin(starts.parent, called(starts.names, launchers()))
    first, second = take(starts.image, before), take(starts.image, earlier)
    return (
        replace(_look(0, (above != NOTHING) & known, above, (), starts.parent, starts.image), known=2),
        replace(_look(1, (beyond != NOTHING) & known, beyond, (), above, starts.parent), known=2),
        _look(2, ordered, starts.image, (starts.parent,), first, second, ends=earlier < 0),
    )


def _look(kind: int, where: np.ndarray, symbol: U64, given: tuple[U64, ...], near: U64, far: U64,
          ends: np.ndarray | None = None) -> Look:  # fmt: skip
    rows = np.flatnonzero(where & (symbol != NOTHING))
    root = np.full(len(rows), code_of(LOOKS[kind]), np.uint64)
    shortest = mixed(root, *(column[rows] for column in given)) if len(rows) else root
    longer = mixed(shortest, near[rows])
    longest = mixed(longer, far[rows])
    if ends is not None:
        longest = np.where(ends[rows], NOTHING, longest)
    return Look(LOOKS[kind], rows, symbol[rows], (shortest, longer, longest))


def counted(found: Iterable[Look]) -> Grams:
    """How often each image stood in each surroundings."""
    taken = list(found)
    made = []
    none = np.zeros(0, np.uint64)
    symbol = np.concatenate([none, *(look.symbol for look in taken)])
    contexts = [np.concatenate([none, *(look.contexts[k] for look in taken)]) for k in range(ORDER + 1)]
    for context, shorter in zip(contexts, [contexts[0], *contexts], strict=False):
        whole = context != NOTHING
        made.append(Counts.of(context[whole], shorter[whole], symbol[whole], np.ones(int(whole.sum()), np.int64)))
    return Grams(tuple(made))


@dataclass(frozen=True, slots=True)
class Habits:
    """Counts, ready to be asked, and the names of what was counted."""

    smoothed: Smoothed
    names: dict[int, str]

    @classmethod
    def of(cls, grams: Grams, names: dict[int, str]) -> Habits:
        """The habits of these counts."""
        return cls(Smoothed.of(grams.counts, Uniform(len(names))), names)

    def surprise(self, look: Look) -> Floats:
        """Bits by which each is less likely in its surroundings than by the known part of them; 0 where it is not."""
        known = look.known
        alone = Smoothed(self.smoothed.levels[:known], self.smoothed.base).p(look.contexts[:known], look.symbol)
        placed = self.smoothed.p(look.contexts, look.symbol)
        found = np.maximum(np.log2(alone) - np.log2(placed), 0.0)
        if known > 1 and known <= len(self.smoothed.levels):
            # What is foreign in the known part is told there, and is no more foreign for being looked at closely.
            found = np.where(self.smoothed.levels[known - 1].counted(look.contexts[known - 1], look.symbol), found, 0.0)
        return np.asarray(found)

    def usual(self, contexts: tuple[int, ...], symbol: int, most: int = 2) -> tuple[int, int, list[tuple[str, int]]]:
        """In the longest of these surroundings that was seen: how often, how often with this, and what most often."""
        for level, context in zip(reversed(self.smoothed.levels[1:]), reversed(contexts[1:]), strict=True):
            at = int(level.find(np.array([context], np.uint64))[0])
            if at < 0:
                continue
            rows = slice(int(level.begins[at]), int(level.begins[at + 1]))
            order = np.lexsort((level.symbol[rows], -level.n[rows]))
            own = int(level.n[rows][level.symbol[rows] == np.uint64(symbol)].sum())
            named = [(self.names.get(int(level.symbol[rows][i]), "?"), int(level.n[rows][i])) for i in order[:most]]
            return int(level.total[at]), own, named
        return 0, 0, []


def words(names: dict[int, str]) -> pa.Table:
    """Codes and what they stand for, as a table."""
    codes = sorted(names)
    return pa.table({"code": pa.array(codes, pa.uint64()), "name": pa.array([names[c] for c in codes], pa.string())})
