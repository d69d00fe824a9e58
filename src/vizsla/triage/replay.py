"""The whole way, triage included, replayed on quiet host-days that were kept out of learning.

From it come the tails that episodes are held against, and what a finding's strength means: how many findings at
least as strong quiet days like these bring.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, fields
from operator import neg

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import code_of
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.model import Learnt, ScoredUnits, Tallied
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.tally import TIE_KEY, TIE_SUM, chosen_of, merge_rows
from vizsla.calibration import Floats
from vizsla.triage.anchor import anchors, processes
from vizsla.triage.episode import (
    Episodes,
    FamilyTails,
    Lit,
    Ties,
    bits_of,
    episodes,
    family_tails,
    joined,
    lit,
    tail_of_units,
    unit_of,
)
from vizsla.triage.meeting import Anchors
from vizsla.triage.observed import native
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
        # By halves, not by numpy: this is asked of every finding, and would copy the whole array each time.
        stronger = bisect_left(self.bits, -bits, key=neg)
        level = bisect_right(self.bits, -bits, lo=stronger, key=neg)
        tied = bisect_right(self.surprisal, -surprisal, lo=stronger, hi=level, key=neg) - stronger
        return (1.0 + stronger + tied) / (1.0 + self.host_days) * hosts


@dataclass(frozen=True, slots=True)
class Ranked:
    """A tally brought all the way: ties, those that speak, and their episodes."""

    ties: Ties
    lit: Lit
    episodes: Episodes
    weigher: Weigher


def anchored_of(tallied: Tallied) -> Anchors:
    """The episodes of a tally's ties."""
    kinds = {native(kind) for kind in tallied.units}
    listing = [code_of(kind) for kind in sorted(kinds) if profile(kind.partition(":")[0]).state]
    return anchors(tallied.ties, processes(tallied.starts), np.array(listing, dtype=np.uint64))


def ties_of(tallied: Tallied, units: ScoredUnits) -> Ties:
    """A tally's ties with their episodes' anchors and their units' surprisal."""
    if not tallied.ties:
        nothing = np.zeros(0, dtype=np.int64)
        code = nothing.astype(np.uint64)
        return Ties(code, nothing, nothing.astype(np.int16), nothing, np.zeros(0), code, nothing, nothing, code,
                    nothing.astype(np.int8), nothing, (), nothing.astype(np.int16), ())  # fmt: skip
    return joined(tallied.ties, anchored_of(tallied), units)


def speaking(tallied: Tallied, anchored: Anchors, units: ScoredUnits, tails: FamilyTails) -> Ties:
    """The ties of episodes that have something to say: of most, nobody ever asks."""
    worth = np.append(bits_of(*tail_of_units(units), units.surprisal, tails) > 0, False)  # place -1: not scored
    speaks = worth[unit_of(tallied.ties, units)]
    kept = np.flatnonzero(pc.is_in(pa.array(anchored.code), pa.array(np.unique(anchored.code[speaks]))))
    ties = chosen_of(tallied.ties, kept)
    ties |= {"tie": kept} | {f"in_{one.name}": getattr(anchored, one.name)[kept] for one in fields(Anchors)}
    ties = merge_rows(ties, TIE_KEY, {**TIE_SUM, "tie": "min", "in_time": "min"})
    return joined(ties, Anchors(**{one.name: ties[f"in_{one.name}"] for one in fields(Anchors)}), units)


def rank(ties: Ties, tails: FamilyTails, weigher: Weigher) -> Ranked:
    """Episodes of ties, held against the tails of a replay."""
    found = lit(ties, tails, weigher)
    return Ranked(ties, found, episodes(found), weigher)


def ranked_by(tallied: Tallied, units: ScoredUnits, columns: Mapping[str, Columns], tails: FamilyTails) -> Ranked:
    """A tally, its units scored (`columns`: what they are, by kind), ranked by the tails of a replay."""
    weigher = Weigher(units, columns, tallied.words)
    if not tallied.ties:
        return rank(ties_of(tallied, units), tails, weigher)
    anchored = anchored_of(tallied)
    return rank(speaking(tallied, anchored, units, tails), tails, weigher)


def replay(tallied: Tallied, learnt: Learnt) -> tuple[Replay, Ranked]:
    """The replay of what was learnt from a tally, and the same events ranked by it (which is a hunt without a
    baseline)."""
    units = learnt.scored
    weigher = Weigher(units, learnt.sample, tallied.words)
    if tallied.ties:
        anchored = anchored_of(tallied)
        tails = family_tails(joined(tallied.ties, anchored, units))
        ranked = rank(speaking(tallied, anchored, units, tails), tails, weigher)
    else:
        ties = ties_of(tallied, units)
        tails = family_tails(ties)
        ranked = rank(ties, tails, weigher)
    order = np.lexsort((-ranked.episodes.surprisal, -ranked.episodes.bits))
    return Replay(tails, ranked.episodes.bits[order], ranked.episodes.surprisal[order], learnt.host_days), ranked
