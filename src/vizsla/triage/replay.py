"""The whole way, triage included, replayed on quiet host-days that were kept out of learning.

From it come the tails that episodes are held against, and what a finding's strength means: how many findings at
least as strong quiet days like these bring.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from operator import neg

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import code_of
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.model import Learnt, ScoredUnits, Tallied, scored
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.share import Share
from vizsla.analytics.rarity.tally import NO_TIES, TIE_KEY, TIE_SUM, chosen_of, merge_rows, stacked
from vizsla.calibration import Floats
from vizsla.triage.anchor import Processes, anchors, processes
from vizsla.triage.episode import (
    Episodes,
    FamilyTails,
    Lit,
    Ties,
    Trace,
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

ANCHORED = "in_"  # prefix of columns that say where a tie belongs


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
    """A tally brought all the way: the ties that may speak, when anything happened beside them, and their episodes."""

    ties: Ties
    trace: Trace
    lit: Lit
    episodes: Episodes
    weigher: Weigher


@dataclass(frozen=True, slots=True)
class Speaking:
    """What of a tally has something to say, worth more than nothing by itself: of most events, nobody ever asks.

    `ties`, with where each belongs (`in_…`, see Anchors), merge by their keys. `units` are those behind them, by kind,
    with their `surprisal`. `trace` tells of all that happened in these episodes.
    """

    ties: Columns
    units: Mapping[str, Columns]
    surprisal: Mapping[str, Floats]
    trace: Trace


def anchored_of(tallied: Tallied, table: Processes | None = None) -> Anchors:
    """The episodes of a tally's ties. `table`: the processes known, where they are more than the tally's own."""
    kinds = {native(kind) for kind in tallied.units}
    listing = [code_of(kind) for kind in sorted(kinds) if profile(kind.partition(":")[0]).state]
    known = processes(tallied.starts) if table is None else table
    return anchors(tallied.ties or NO_TIES, known, np.array(listing, dtype=np.uint64))


def speaking(share: Share, anchored: Anchors, units: ScoredUnits, tails: FamilyTails) -> Speaking:
    """What of some days has something to say. Its ties are anchored, its units scored; what others beside it tell of
    their episodes counts, too."""
    ties, columns = share.tallied.ties or NO_TIES, share.tallied.units
    own = (ties["time"] >= share.begin) & (ties["time"] < share.end)
    worth = np.append(bits_of(*tail_of_units(units), units.surprisal, tails) > 0, False)  # place -1: not scored
    unit = unit_of(ties, units)
    speaks = worth[unit]
    heard = np.flatnonzero(
        np.asarray(pc.is_in(pa.array(anchored.code), pa.array(np.unique(anchored.code[speaks])))) & own
    )
    at = np.flatnonzero(speaks & own)
    behind = np.unique(unit[at])
    numbers = units.kind[behind]
    by_kind = {units.kinds[number]: behind[numbers == number] for number in np.unique(numbers).tolist()}
    where = {ANCHORED + one.name: getattr(anchored, one.name)[at] for one in fields(Anchors)}
    return Speaking(
        chosen_of(ties, at) | where,
        {kind: chosen_of(columns[kind], units.row[places]) for kind, places in by_kind.items()},
        {kind: units.surprisal[places] for kind, places in by_kind.items()},
        Trace.of(anchored.code[heard], anchored.slice[heard], anchored.time[heard]),
    )


def together(parts: Sequence[Speaking]) -> Speaking:
    """Shares of a tally as one."""
    ties = merge_rows(stacked(part.ties for part in parts), TIE_KEY, {**TIE_SUM, ANCHORED + "time": "min"})
    kinds = sorted({kind for part in parts for kind in part.units})  # it must not depend on what is in which share
    traces = [part.trace for part in parts]
    return Speaking(
        ties,
        {kind: stacked(part.units[kind] for part in parts if kind in part.units) for kind in kinds},
        {kind: np.concatenate([p.surprisal[kind] for p in parts if kind in p.units]) for kind in kinds},
        Trace.of(*(np.concatenate([getattr(one, name) for one in traces]) for name in ("anchor", "slice", "time"))),
    )


def rank(ties: Ties, trace: Trace, tails: FamilyTails, weigher: Weigher) -> Ranked:
    """Episodes of ties, held against the tails of a replay."""
    found = lit(ties, trace, tails, weigher)
    return Ranked(ties, trace, found, episodes(found), weigher)


def ranked(parts: Sequence[Speaking], words: Mapping[int, str], tails: FamilyTails) -> Ranked:
    """What has something to say in the shares of a tally (one at least), ranked by the tails of a replay."""
    spoken = together(parts)
    units = scored(spoken.units, lambda kind, _: spoken.surprisal[kind])
    anchored = Anchors(**{one.name: spoken.ties[ANCHORED + one.name] for one in fields(Anchors)})
    return rank(joined(spoken.ties, anchored, units), spoken.trace, tails, Weigher(units, spoken.units, words))


def replay(tallied: Tallied, learnt: Learnt) -> tuple[Replay, Ranked]:
    """The replay of what was learnt from a tally, and the same events ranked by it (which is a hunt without a
    baseline)."""
    ties, anchored, units = tallied.ties or NO_TIES, anchored_of(tallied), learnt.scored
    tails = family_tails(ties, anchored, units)
    sample = Share(replace(tallied, units=dict(learnt.sample)))
    found = ranked([speaking(sample, anchored, units, tails)], tallied.words, tails)
    order = np.lexsort((-found.episodes.surprisal, -found.episodes.bits))
    return Replay(tails, found.episodes.bits[order], found.episodes.surprisal[order], learnt.host_days), found
