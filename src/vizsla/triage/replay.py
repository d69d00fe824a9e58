"""The whole way, triage included, replayed on quiet host-days that were kept out of learning.

From it come the tails that episodes are held against, and what a finding's strength means: how many findings at
least as strong quiet days like these bring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vizsla.analytics.rarity.model import Learnt, ScoredUnits, Tallied
from vizsla.calibration import Floats
from vizsla.triage.anchor import anchors, processes
from vizsla.triage.episode import Episodes, FamilyTails, Lit, Ties, episodes, family_tails, joined, lit
from vizsla.triage.weigh import Weigher


@dataclass(frozen=True, slots=True)
class Replay:
    """Findings of quiet host-days, strongest first: their bits and surprisals, and the host-days they came from."""

    tails: FamilyTails
    bits: Floats
    surprisal: Floats
    host_days: int

    def expected(self, bits: float, surprisal: float, hosts: float) -> float:
        """Findings at least this strong on a quiet day of so many hosts; its floor is hosts / (host_days + 1)."""
        stronger = np.searchsorted(-self.bits, -bits, side="left")
        level = np.searchsorted(-self.bits, -bits, side="right")
        tied = int((self.surprisal[stronger:level] >= surprisal).sum())
        return (1.0 + int(stronger) + tied) / (1.0 + self.host_days) * hosts


@dataclass(frozen=True, slots=True)
class Ranked:
    """A tally brought all the way: ties, those that speak, and their episodes."""

    ties: Ties
    lit: Lit
    episodes: Episodes
    weigher: Weigher


def ties_of(tallied: Tallied, units: ScoredUnits) -> Ties:
    """A tally's ties with their episodes' anchors and their units' surprisal."""
    if not tallied.ties:
        nothing = np.zeros(0, dtype=np.int64)
        code = nothing.astype(np.uint64)
        return Ties(code, nothing, nothing.astype(np.int16), nothing, np.zeros(0), code, nothing, nothing, code,
                    nothing.astype(np.int8), nothing, (), nothing.astype(np.int16), ())  # fmt: skip
    return joined(tallied.ties, anchors(tallied.ties, processes(tallied.starts)), units)


def rank(ties: Ties, tails: FamilyTails, weigher: Weigher) -> Ranked:
    """Episodes of ties, held against the tails of a replay."""
    found = lit(ties, tails, weigher)
    return Ranked(ties, found, episodes(found), weigher)


def replay(tallied: Tallied, learnt: Learnt) -> tuple[Replay, Ranked]:
    """The replay of what was learnt from a tally, and the same events ranked by it (which is a hunt without a
    baseline)."""
    ties = ties_of(tallied, learnt.scored)
    tails = family_tails(ties)
    ranked = rank(ties, tails, Weigher(learnt.scored, learnt.sample, tallied.words))
    order = np.lexsort((-ranked.episodes.surprisal, -ranked.episodes.bits))
    return Replay(tails, ranked.episodes.bits[order], ranked.episodes.surprisal[order], learnt.host_days), ranked
