"""Episodes: what one lineage, session or pair did within ten minutes, and how unusual that is, family by family.

Within an episode and a family of evidence (see rarity's fields.yaml) only the most surprising unit speaks, and it is
held against the most surprising units of the same family in episodes of quiet host-days: so an episode that does many
things pays for them, and harmless events beside an attack change nothing. Families have disjoint inputs: they add.
Everything here is arrays: the same code replays the baseline and ranks a hunt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.encode import I64, U64, mixed
from vizsla.analytics.rarity.model import ScoredUnits, hour_of_slice, unit_key
from vizsla.analytics.rarity.pick import tie_key, where_key
from vizsla.analytics.rarity.tally import DAY, SLICE, groups, located
from vizsla.calibration import Floats, Tail, bits, e_value, pooled_e
from vizsla.triage.meeting import Anchors
from vizsla.triage.observed import BITS, SPLIT, family_of, tail_of

AT_ONCE = 1_000_000  # ties looked at together
GAP = 6  # slices (an hour) without evidence after which an anchor's episode ends
UNTOLD = -1e6  # the relevance of what names no event: it tells what is usual, and is evidence of nothing
HALF = 50.0  # episodes of a family at which its own tail weighs as much as the pool


@dataclass(frozen=True, slots=True)
class FamilyTails:
    """The greatest surprisal per episode and family on quiet host-days, by family, and of all families together."""

    own: Mapping[str, Tail]
    pool: Tail  # of rarity's families: other analytics have scales of their own

    def bits(self, family: str, surprisal: Floats) -> Floats:
        """What a surprisal is worth as the greatest of its family in an episode."""
        if family == BITS:
            return surprisal
        tail = self.own.get(family, Tail.of(np.zeros(0)))
        if family.endswith(SPLIT):
            return bits(e_value(tail.p(surprisal)))
        count = np.full(len(surprisal), float(tail.n))
        return bits(pooled_e(tail.p(surprisal), count, self.pool.p(surprisal), HALF))


@dataclass(frozen=True, slots=True)
class Ties:
    """Ties joined with their units: one entry per unit and episode key."""

    anchor: U64
    slice: I64
    family: npt.NDArray[np.int16]  # place in `families`
    unit: I64  # place among the scored units
    surprisal: Floats
    host: U64
    time: I64
    n: I64
    process: U64
    anchor_kind: npt.NDArray[np.int8]
    key: U64  # by which the events behind a tie are found again, and what others observed or met
    where: U64  # the part of it that needs no event's shape
    families: tuple[str, ...]
    tail: npt.NDArray[np.int16]  # place in `tails`: what the surprisal is held against
    tails: tuple[str, ...]


def joined(ties: Mapping[str, np.ndarray], anchored: Anchors, units: ScoredUnits) -> Ties:
    """Every tie with the surprisal of its unit. Ties of units that were not scored are left out."""
    unit = unit_of(ties, units)
    there = np.flatnonzero(unit >= 0)
    families, number = _numbered([family_of(kind) for kind in units.kinds])
    tail, tails = tail_of_units(units)
    found = unit[there]
    return Ties(
        anchor=anchored.code[there],
        slice=anchored.slice[there],
        family=number[units.kind[found]] if len(found) else np.zeros(0, np.int16),
        unit=found,
        surprisal=units.surprisal[found],
        host=anchored.host[there],
        time=anchored.time[there],
        n=ties["n"][there],
        process=anchored.process[there],
        anchor_kind=anchored.kind[there],
        key=tie_key(ties)[there],
        where=where_key(ties)[there],
        families=families,
        tail=tail[found],
        tails=tails,
    )


def tail_of_units(units: ScoredUnits) -> tuple[npt.NDArray[np.int16], tuple[str, ...]]:
    """The tail that each unit's surprisal is held against, as its place among the names that come second."""
    names, number = _numbered([tail_of(kind) for kind in units.kinds])
    return number[units.kind] if len(names) else np.zeros(len(units.kind), np.int16), names


def unit_of(ties: Mapping[str, np.ndarray], units: ScoredUnits) -> I64:
    """The place of each tie's unit among the scored ones, -1 where it was not scored."""
    found = np.empty(len(ties["host"]), dtype=np.int64)
    for first in range(0, len(found), AT_ONCE):
        kind, pattern, host, slices = (ties[c][first : first + AT_ONCE] for c in ("kind", "pattern", "host", "slice"))
        found[first : first + AT_ONCE] = units.find(unit_key(kind, pattern, host, hour_of_slice(slices)))
    return found


def _numbered(names: Sequence[str]) -> tuple[tuple[str, ...], npt.NDArray[np.int16]]:
    """The distinct names in order, and each one's place among them."""
    distinct = tuple(sorted(set(names)))
    return distinct, np.array([distinct.index(name) for name in names], dtype=np.int16)


def family_tails(ties: Mapping[str, np.ndarray], anchored: Anchors, units: ScoredUnits) -> FamilyTails:
    """The tails of a replay: per episode and family, the greatest surprisal."""
    unit = unit_of(ties, units)
    there = np.flatnonzero(unit >= 0)
    tail_of, tails = tail_of_units(units)
    tail, surprisal = tail_of[unit[there]], units.surprisal[unit[there]]
    slices = anchored.slice[there].astype(np.uint64)
    order, begins = groups(mixed(anchored.code[there], slices, tail.astype(np.uint64)))
    greatest = np.maximum.reduceat(surprisal[order], begins) if len(order) else np.zeros(0)
    tail = tail[order[begins]]
    own = {name: Tail.of(greatest[tail == i]) for i, name in enumerate(tails)}
    shared = np.array([not name.endswith(SPLIT) for name in tails], dtype=bool)
    return FamilyTails(own, Tail.of(greatest[shared[tail]] if len(order) else greatest))


@dataclass(frozen=True, slots=True)
class Trace:
    """When anything at all happened in episodes, surprising or not: so an episode keeps its beginning whatever the
    baseline. One row per anchor and ten minutes, ascending."""

    anchor: U64
    slice: I64
    time: I64  # of the first event then
    window: I64  # the episode: one anchor's activity without an hour's pause, and within one day; numbered from 0

    @classmethod
    def of(cls, anchor: U64, slices: I64, time: I64) -> Trace:
        """From any number of rows for one anchor and slice."""
        order = np.lexsort((slices, anchor))
        anchor, slices, time = anchor[order], slices[order], time[order]
        begins = np.flatnonzero(np.r_[True, (anchor[1:] != anchor[:-1]) | (slices[1:] != slices[:-1])][: len(order)])
        first = np.minimum.reduceat(time, begins) if len(order) else time
        anchor, slices = anchor[begins], slices[begins]
        day = slices // (DAY // SLICE)
        new = (anchor[1:] != anchor[:-1]) | (slices[1:] - slices[:-1] > GAP) | (day[1:] != day[:-1])
        return cls(anchor, slices, first, np.cumsum(np.r_[False, new][: len(begins)]))

    def window_of(self, anchor: U64, slices: I64) -> I64:
        """The episode of each of these anchors in each of these slices, all of which are known."""
        codes = mixed(self.anchor, self.slice.astype(np.uint64))
        order = np.argsort(codes)
        found: I64 = self.window[order[located(codes[order], mixed(anchor, slices.astype(np.uint64)))]]
        return found

    def began(self) -> I64:
        """When each episode began, by its number."""
        first = np.full(int(self.window[-1]) + 1 if len(self.window) else 0, np.iinfo(np.int64).max)
        np.minimum.at(first, self.window, self.time)
        return first


@dataclass(frozen=True, slots=True)
class Lit:
    """Ties that speak (`value` above zero before weighing), with their weights and the episode each belongs to."""

    ties: Ties
    at: I64  # places in `ties`
    base: Floats  # bits of the surprisal within its family
    weight: Floats  # bits of relevance, as far as they count
    window: I64  # the episode's number

    @property
    def value(self) -> Floats:
        return self.base + self.weight


@dataclass(frozen=True, slots=True)
class Episodes:
    """Per episode with evidence: bits and surprisal of its strongest slice, and which slice that is."""

    window: I64
    bits: Floats
    surprisal: Floats
    slice: I64
    anchor: U64
    host: U64


def bits_of(tail: npt.NDArray[np.int16], names: Sequence[str], surprisal: Floats, tails: FamilyTails) -> Floats:
    """What surprisals are worth, each as the greatest of its family in an episode."""
    base = np.full(len(surprisal), -1.0)
    for i, name in enumerate(names):
        own = tail == i
        base[own] = tails.bits(name, surprisal[own])
    return base


def lit(ties: Ties, trace: Trace, tails: FamilyTails, weigh: Callable[[I64], Floats]) -> Lit:
    """The ties that speak. `weigh(units)` gives the relevance of units by their place among the scored ones, and UNTOLD
    for those that may not."""
    base = bits_of(ties.tail, ties.tails, ties.surprisal, tails)
    at = np.flatnonzero(base > 0)
    at = at[np.lexsort((ties.slice[at], ties.anchor[at]))]
    distinct, inverse = np.unique(ties.unit[at], return_inverse=True)
    relevance = weigh(distinct)[inverse] if len(at) else np.zeros(0)
    told = relevance > UNTOLD
    at, relevance = at[told], relevance[told]
    weight = relevance * np.minimum(1.0, base[at])
    return Lit(ties, at, base[at], weight, trace.window_of(ties.anchor[at], ties.slice[at]))


def episodes(found: Lit) -> Episodes:
    """Combine: per window, slice and family the strongest; families add; of a window's slices the strongest counts."""
    ties, at = found.ties, found.at
    if not len(at):
        empty, nothing = np.zeros(0, dtype=np.int64), np.zeros(0)
        code = empty.astype(np.uint64)
        return Episodes(empty, nothing, nothing, empty, code, code)
    order = np.lexsort((-found.value, ties.family[at], ties.slice[at], found.window))
    window, slices, family = found.window[order], ties.slice[at][order], ties.family[at][order]
    same_slice = np.r_[False, (window[1:] == window[:-1]) & (slices[1:] == slices[:-1])]
    best = ~(same_slice & np.r_[False, family[1:] == family[:-1]])
    slice_begins = np.flatnonzero(~same_slice)
    strongest = np.where(best, np.maximum(found.value[order], 0.0), 0.0)
    slice_bits = np.add.reduceat(strongest, slice_begins)
    slice_surprisal = np.add.reduceat(np.where(best, ties.surprisal[at][order], 0.0), slice_begins)
    slice_window = window[slice_begins]
    # The strongest slice of each window: by bits, then surprisal, then the earlier.
    ranked = np.lexsort((slices[slice_begins], -slice_surprisal, -slice_bits, slice_window))
    top = ranked[np.flatnonzero(np.r_[True, slice_window[ranked][1:] != slice_window[ranked][:-1]])]
    place = at[order][slice_begins[top]]
    return Episodes(
        slice_window[top],
        slice_bits[top],
        slice_surprisal[top],
        slices[slice_begins[top]],
        ties.anchor[place],
        ties.host[place],
    )
