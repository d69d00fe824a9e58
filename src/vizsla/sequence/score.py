"""How unusual a session is: by its most surprising step, and by how often each step comes.

Both parts are in bits. Of the steps only the worst counts, less a price for how many were looked at (Bonferroni): in
any session many steps are mildly odd, and a long session must not be unusual by its length. Amounts are nearly
independent of each other once the tree has taken what one tells of another: their bits add up. The sum is a score, not
yet a probability; `conformal.py` makes it one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from vizsla.analytics.rarity.encode import I64, U64
from vizsla.calibration import Floats
from vizsla.sequence.amounts import Amounts, Bags, each_bag
from vizsla.sequence.markov import ORDER, Grams, Markov, Steps
from vizsla.sequence.sessions import Sessions, largest


class NextStep(Protocol):
    """What tells how likely each next step is: `Markov`, or a network of the extra `deep`."""

    def steps(self, sessions: Sessions) -> Steps:
        """How unusual each step is, the end of each session among them."""
        ...


@dataclass(frozen=True, slots=True)
class Scored:
    """Per session, in bits. `step_bits`: the worst step's, less the price of the session's length.

    `step`: which step that is, from 0; the number of steps where it is the end. `kind` is the code of the step whose
    amount is the most unusual, and `kind_bits` what that alone counts.
    """

    bits: Floats
    step: I64
    step_bits: Floats
    amount_bits: Floats
    kind: U64
    kind_bits: Floats


@dataclass(frozen=True, slots=True)
class SessionModel:
    """What is normal in sessions: which step follows which, and how often each comes."""

    following: NextStep
    amounts: Amounts

    @classmethod
    def learn(cls, sessions: Sessions, order: int = ORDER) -> SessionModel:
        """From normal sessions; a few that are not do little harm."""
        few, _ = sessions.distinct()
        return cls(Markov.of(Grams.of(few, order)), Amounts.learn(Bags.of(few)))

    def score(self, sessions: Sessions) -> Scored:
        """Each session's bits; equal sessions are looked at once."""
        few, which = sessions.distinct()
        steps = self.following.steps(few)
        worst, step = largest(steps.odd, steps.sessions)
        step_bits = np.maximum(worst - np.log2(steps.sessions.lengths), 0.0)
        bags, bag = each_bag(few)
        odd = self.amounts.odd(bags)[bag]
        place = np.argmax(odd, axis=1) if len(odd) else np.zeros(0, np.int64)
        amount_bits, kind_bits = odd.sum(axis=1), odd[np.arange(len(odd)), place]
        bits, kind = step_bits + amount_bits, self.amounts.kinds[place]
        return Scored(bits[which], step[which], step_bits[which], amount_bits[which], kind[which], kind_bits[which])


def learner(order: int = ORDER) -> Callable[[Sessions], SessionModel]:
    """How to learn a model of this order."""
    return lambda sessions: SessionModel.learn(sessions, order)
