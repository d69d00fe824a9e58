"""How surprising a pattern is: the sum over its fields of smoothed conditional surprisals, in bits.

For a field with value v of an event by actor a, with counts c in units of the reference (see `reference`):
  P(v)     = (c(v) + 1/2) / (N + (D + 1) / 2 + 1/2)            Krichevsky-Trofimov, one place kept for the unseen
  P(v | a) = (c(a, v) + D(a) P(v)) / (n(a) + D(a))             Witten & Bell 1991: back-off weighted by how often
                                                              the actor brings something new
where N and n(a) count units in which the field is present, D and D(a) the distinct values. An actor never seen
has nothing to condition on: the marginal stands. Surprisal is -log2 P; the actor itself counts by its marginal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.encode import I64, NOTHING, U64, mixed
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.reference import ACTOR, Columns, FieldCounts, Index, KindCounts
from vizsla.analytics.rarity.tally import FIELD

Floats = npt.NDArray[np.float64]
Groups = I64 | None


@dataclass(frozen=True, slots=True)
class Own:
    """What a unit's own group contributed to the reference, to be left out: counts and distinct values."""

    units: I64
    distinct: I64


def marginal(seen: npt.ArrayLike, total: npt.ArrayLike, distinct: npt.ArrayLike) -> Floats:
    """P(v), for counts as above; 1/2 where nothing at all was seen."""
    seen, total, distinct = (np.asarray(x, dtype=np.float64) for x in (seen, total, distinct))
    return np.where(total > 0, (seen + 0.5) / (total + 0.5 * (distinct + 1) + 0.5), 0.5)


def conditional(seen: npt.ArrayLike, given: npt.ArrayLike, distinct: npt.ArrayLike, backed: Floats) -> Floats:
    """P(v | a) from c(a, v), n(a), D(a) and P(v); P(v) where the actor was never seen."""
    seen, given, distinct = (np.asarray(x, dtype=np.float64) for x in (seen, given, distinct))
    known = given > 0
    return np.where(known, (seen + distinct * backed) / np.where(known, given + distinct, 1.0), backed)


def parts(units: Columns, counts: KindCounts, group: Groups = None) -> Iterator[tuple[str, Floats]]:
    """Surprisal by field, ACTOR first, one number per unit row (0 where the field is absent).

    With `group` (a number per row), the rows are themselves part of the reference, and each is scored as if its
    group had never been seen.
    """
    actor = np.asarray(units["actor"], dtype=np.uint64)
    nobody = np.zeros_like(actor)
    # A new host is new in everything it does; that it is new is said once, not with each of its events.
    acts = not profile(counts.kind.partition(":")[0]).host_acts
    counted = counts.fields.get(ACTOR)
    yield ACTOR, _field(nobody, actor, counted, group, alone=True) if acts else np.zeros(len(actor))
    for name, values in units.items():
        if name.startswith(FIELD):
            codes = np.asarray(values, dtype=np.uint64)
            some = codes != NOTHING
            surprisal = np.zeros(len(codes))
            if some.any():
                own = group[some] if group is not None else None
                surprisal[some] = _field(actor[some], codes[some], counts.fields.get(name[len(FIELD) :]), own)
            yield name[len(FIELD) :], surprisal


def surprisals(units: Columns, counts: KindCounts, group: Groups = None) -> Floats:
    """The sum of `parts`, one number per unit row."""
    total = np.zeros(len(units["actor"]))
    for _, surprisal in parts(units, counts, group):
        total += surprisal
    return total


def _field(actor: U64, value: U64, counts: FieldCounts | None, group: Groups, *, alone: bool = False) -> Floats:
    if counts is None:
        return np.full(len(value), 1.0)  # never filled before: P = 1/2
    pair = mixed(actor, value)
    seen, _ = _pairs(counts).of(pair)
    given, given_distinct = counts.by_actor.of(actor)
    valued, _ = counts.by_value.of(value)
    total, distinct = np.full(len(value), counts.total), np.full(len(value), len(counts.by_value.codes))
    if group is not None:
        own_pair, own_actor, own_value, own_all = _own(actor, value, pair, group, seen, valued)
        seen, given, given_distinct = (
            seen - own_pair.units,
            given - own_actor.units,
            given_distinct - own_actor.distinct,
        )
        valued, total, distinct = valued - own_value.units, total - own_all.units, distinct - own_all.distinct
    backed = marginal(valued, total, distinct)
    return -np.log2(backed if alone else conditional(seen, given, given_distinct, backed))


def _pairs(counts: FieldCounts) -> Index:
    return Index(counts.pair, counts.units, counts.units)


def _own(actor: U64, value: U64, pair: U64, group: I64, seen: I64, valued: I64) -> tuple[Own, Own, Own, Own]:
    """What each row's group contributed: to its pair, its actor (values only it has), its value, and to everything."""
    grouped = group.astype(np.uint64)
    by_pair, pair_rows = _within(pair, grouped)
    by_value, value_rows = _within(value, grouped)
    # A value that an actor has in this group alone is one distinct value less without the group.
    only_pair = (by_pair[pair_rows.inverse] == seen)[pair_rows.first]
    only_value = (by_value[value_rows.inverse] == valued)[value_rows.first]
    actors, actor_rows = _within(actor, grouped)
    lost = np.bincount(actor_rows.inverse[pair_rows.first], only_pair, len(actors)).astype(np.int64)
    everything, all_rows = _within(np.zeros_like(grouped), grouped)
    lost_values = np.bincount(all_rows.inverse[value_rows.first], only_value, len(everything)).astype(np.int64)
    nothing = np.zeros(len(pair), dtype=np.int64)
    return (
        Own(by_pair[pair_rows.inverse], nothing),
        Own(actors[actor_rows.inverse], lost[actor_rows.inverse]),
        Own(by_value[value_rows.inverse], nothing),
        Own(everything[all_rows.inverse], lost_values[all_rows.inverse]),
    )


@dataclass(frozen=True, slots=True)
class _Rows:
    first: I64
    inverse: I64


def _within(codes: U64, group: U64) -> tuple[I64, _Rows]:
    """How many rows share code and group: counts by distinct combination, a first row of each, and each row's one."""
    _, first, inverse, counts = np.unique(
        mixed(codes, group), return_index=True, return_inverse=True, return_counts=True
    )
    return counts.astype(np.int64), _Rows(first.astype(np.int64), inverse.astype(np.int64))
