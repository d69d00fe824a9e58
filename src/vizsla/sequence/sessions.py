"""Sessions: sequences of steps in flat arrays, each step a 64-bit code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from vizsla.analytics.rarity.encode import I64, U64, code_of, mixed
from vizsla.calibration import Floats

BEGIN = np.uint64(0)  # what stands before the first step
END = np.uint64(2**64 - 1)  # what stands after the last one of a session that is over


@dataclass(frozen=True, slots=True)
class Sessions:
    """Sequences of steps. `steps`: all of them, one session after the other; `starts`: where each begins, and the end.

    `weight`: how often each session was seen, one per session.
    """

    steps: U64
    starts: I64
    weight: I64

    def __len__(self) -> int:
        return len(self.starts) - 1

    @classmethod
    def of(cls, sequences: Iterable[Sequence[str | int]]) -> Sessions:
        """Sessions of names or numbers; equal names have equal codes, wherever they are made."""
        listed = [tuple(sequence) for sequence in sequences]
        codes = {step: code_of(str(step)) for step in {step for sequence in listed for step in sequence}}
        flat = np.array([codes[step] for sequence in listed for step in sequence], dtype=np.uint64)
        return cls.flat(flat, np.array([len(sequence) for sequence in listed], dtype=np.int64))

    @classmethod
    def flat(cls, steps: U64, lengths: I64) -> Sessions:
        """Sessions from all their steps, one after the other, and how many steps each has."""
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
        if int(starts[-1]) != len(steps):
            raise ValueError(f"lengths add up to {int(starts[-1])}, there are {len(steps)} steps")
        return cls(np.asarray(steps, np.uint64), starts, np.ones(len(lengths), np.int64))

    @property
    def lengths(self) -> I64:
        """How many steps each session has."""
        return np.diff(self.starts)

    @property
    def session(self) -> I64:
        """The session that each step belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def keys(self) -> U64:
        """One code per session: equal where all its steps are."""
        place = np.arange(len(self.steps), dtype=np.uint64) - np.repeat(self.starts[:-1], self.lengths).astype(
            np.uint64
        )
        total = np.zeros(len(self), np.uint64)
        np.add.at(total, self.session, mixed(self.steps, place))
        return mixed(total, self.lengths.astype(np.uint64))

    def take(self, chosen: I64) -> Sessions:
        """The sessions at these places, in their order."""
        lengths = self.lengths[chosen]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        at = np.arange(int(starts[-1])) + np.repeat(self.starts[:-1][chosen] - starts[:-1], lengths)
        return Sessions(self.steps[at], starts, self.weight[chosen])

    def distinct(self) -> tuple[Sessions, I64]:
        """Each session once, with the sum of its weights; and which of them every session is."""
        _, first, which = np.unique(self.keys(), return_index=True, return_inverse=True)
        once = self.take(first)
        weight = np.zeros(len(first), np.int64)
        np.add.at(weight, which, self.weight)
        return Sessions(once.steps, once.starts, weight), which

    def closed(self) -> Sessions:
        """With END after the last step of each."""
        lengths = self.lengths + 1
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        steps = np.full(int(starts[-1]), END)
        inner = np.ones(len(steps), bool)
        inner[starts[1:] - 1] = False
        steps[inner] = self.steps
        return Sessions(steps, starts, self.weight)


def largest(values: Floats, sessions: Sessions) -> tuple[Floats, I64]:
    """Per session the largest of its steps' values, and the first step that has it; 0 and -1 where it has none."""
    best, place = np.zeros(len(sessions)), np.full(len(sessions), -1, np.int64)
    filled = np.flatnonzero(sessions.lengths > 0)
    if not len(filled):
        return best, place
    best[filled] = np.maximum.reduceat(values, sessions.starts[:-1][filled])
    reached = np.flatnonzero(values == best[sessions.session])
    owner, first = np.unique(sessions.session[reached], return_index=True)
    place[owner] = reached[first] - sessions.starts[owner]
    return best, place


def summed(values: Floats, sessions: Sessions) -> Floats:
    """Per session the sum of its steps' values."""
    return np.bincount(sessions.session, weights=values, minlength=len(sessions)).astype(np.float64)
