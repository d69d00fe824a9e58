"""What is usual for an entity at an hour of the week: counts by a negative binomial, amounts by Student's t.

Both are sums of effects on a logarithmic scale, each pooled towards the level above (`pooling`): the peers, the entity,
the hour of the day for all, then the entity's own hour of the day, of workdays or weekends, of the week. A short
history knows the first levels, a long one all of them. An hour's value is cut off at a multiple of its entity's usual
one before it is learnt from, so that an attack within the baseline does not become the norm. Hours without any tell of
a low rate and are learnt from, too (`zeros`); what is judged are hours with any, by P(X >= x given X >= 1): that
something happens at all is no burst.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from vizsla.calibration import Floats
from vizsla.volume.pooling import I64, Level, Nodes, level, totals
from vizsla.volume.tails import negative_binomial, student

DAY, WEEK = 24, 168
TIMES_USUAL, AND_MORE = 4.0, 4.0  # a count is learnt from up to so many times the usual one, and so many more
SCALES_AWAY = 4.0  # an amount up to so many scales away
SPREAD, SPREAD_OF = 1.0, 10.0  # a measure's overdispersion where nothing tells; hours at which an entity's own counts
NARROW, WIDE = 0.02, 200.0  # overdispersion at least and at most: what seldom happens comes in bursts
FREEDOM = 5.0  # of Student's t
UNKNOWN = 3.0  # log-variance at most of what is not known of an entity
SMALLEST = 1e-3  # of an expected count
UNSEEN = 0.5  # the count that is assumed of one entity more
MOST_ZEROS = 2_000_000  # hours of entities' weeks that are held one by one
LEAST_SCALE = 0.05  # of amounts, on their scale: twentieths of an e-fold


@dataclass(frozen=True, slots=True)
class Cells:
    """Hours of one measure: which entity (-1: never seen), which peers (-1), the hour since 1970 and the value.

    `times`: how many hours alike each stands for; None: for itself.
    """

    entity: I64
    peers: I64
    hour: I64
    value: Floats
    times: Floats | None = None

    def at(self, chosen: np.ndarray) -> Cells:
        """Some of them."""
        times = None if self.times is None else self.times[chosen]
        return Cells(self.entity[chosen], self.peers[chosen], self.hour[chosen], self.value[chosen], times)

    def and_(self, other: Cells) -> Cells:
        """These and others."""
        return Cells(
            np.concatenate([self.entity, other.entity]),
            np.concatenate([self.peers, other.peers]),
            np.concatenate([self.hour, other.hour]),
            np.concatenate([self.value, other.value]),
            np.concatenate([np.ones(len(c.hour)) if c.times is None else c.times for c in (self, other)]),
        )

    def by_day(self) -> Cells:
        """The sums of days without their highest hour, which is looked at by itself: the hour is midnight. Days with
        one hour alone are left out."""
        nodes = Nodes.of(self.entity * 2**20 + self.hour // DAY)  # a million days from 1970
        first, value = nodes.first(), rest(nodes, self.value)
        days = Cells(self.entity[first], self.peers[first], self.hour[first] // DAY * DAY, value)
        return days.at(value > 0)

    def weekend(self) -> I64:
        """1 on Saturdays and Sundays (UTC); 1970 began with a Thursday."""
        return ((self.hour // DAY + 3) % 7 >= 5).astype(np.int64)

    def of_week(self) -> I64:
        """The hour of the week."""
        return (self.hour + 3 * DAY) % WEEK


def rest(nodes: Nodes, value: Floats) -> Floats:
    """By node, the sum of its values without the highest."""
    highest = np.zeros(len(nodes.key))
    np.maximum.at(highest, nodes.node, value)
    return nodes.sum(value) - highest


Key = Callable[[Cells], I64]
# By level: its nodes, and the log-variance between them that is assumed before they tell.
HOURLY: tuple[tuple[Key, float], ...] = (
    (lambda cells: cells.peers, 1.0),
    (lambda cells: cells.entity, 1.0),
    (lambda cells: cells.hour % DAY + DAY * cells.weekend(), 0.1),
    (lambda cells: cells.entity * DAY + cells.hour % DAY, 0.1),
    (lambda cells: cells.entity * (2 * DAY) + cells.hour % DAY + DAY * cells.weekend(), 0.05),
    (lambda cells: cells.entity * WEEK + cells.of_week(), 0.05),
)
DAILY: tuple[tuple[Key, float], ...] = (
    HOURLY[0],
    HOURLY[1],
    (lambda cells: cells.weekend(), 0.1),
    (lambda cells: cells.entity * 2 + cells.weekend(), 0.1),
    (lambda cells: cells.entity * 7 + cells.of_week() // DAY, 0.05),
)
OWN, REPEATED = 1, 3  # the levels of entities, and of what comes again from day to day: what differs there is chance
REPEATS = 3  # nodes that came again, from which on they tell the overdispersion


@dataclass(frozen=True, slots=True)
class Spread:
    """By entity, the overdispersion of its counts or the variance of its amounts; `whole`: of the measure."""

    own: Floats
    whole: float

    def of(self, entity: I64) -> Floats:
        """Each entity's; the measure's where it was never seen."""
        if not len(self.own):
            return np.full(len(entity), self.whole)
        return np.where(entity < 0, self.whole, self.own[entity])


@dataclass(frozen=True, slots=True)
class Model:
    """What was learnt of one measure: `location` is the log-mean, or the mean, and `levels` add to it."""

    keys: tuple[tuple[Key, float], ...]
    amount: bool
    location: float
    levels: tuple[Level, ...]
    spread: Spread

    def expected(self, cells: Cells) -> tuple[Floats, Floats]:
        """Of each hour the expected logarithm (or amount), and the variance of what is not known of it."""
        centre, unknown = np.full(len(cells.hour), self.location), np.zeros(len(cells.hour))
        for (key, _), learnt in zip(self.keys, self.levels, strict=True):
            effect, left = learnt.of(key(cells))  # entities never seen have keys below 0, which no node has
            centre, unknown = centre + effect, unknown + left
        return centre, np.minimum(unknown, UNKNOWN)

    def shape(self, cells: Cells) -> tuple[Floats, Floats]:
        """Counts: mean and overdispersion. Amounts: location and scale."""
        centre, unknown = self.expected(cells)
        spread = self.spread.of(cells.entity)
        if self.amount:
            return centre, np.sqrt((spread + unknown) * (1.0 - 2.0 / FREEDOM))  # of the variance asked for
        mean = np.maximum(np.exp(np.minimum(centre + unknown / 2, 40.0)), SMALLEST)
        return mean, np.maximum(spread * np.exp(unknown) + np.expm1(unknown), NARROW)

    def bits(self, cells: Cells) -> Floats:
        """How unusually much each hour has, given that it has any: -log2 of the upper tail."""
        one, other = self.shape(cells)
        if self.amount:
            return student(cells.value, one, other, FREEDOM)
        any_ = negative_binomial(np.ones(len(one)), one, other)
        return np.maximum(negative_binomial(cells.value, one, other) - any_, 0.0)


def fitted(
    cells: Cells, entities: int, amount: bool = False, daily: bool = False, without: Cells | None = None
) -> Model:
    """The model of one measure's hours (or days) of so many entities. Amounts: on the scale they are modelled on.

    `without`: hours (or days) without any, as `zeros` makes them.
    """
    keys = DAILY if daily else HOURLY
    if amount:
        return _of_amounts(cells, keys, [Nodes.of(key(cells)) for key, _ in keys], entities)
    most = _most(cells.value, *(Nodes.of(keys[level_][0](cells)) for level_ in (OWN, REPEATED)))
    whole = Cells(cells.entity, cells.peers, cells.hour, np.minimum(cells.value, most))
    return _of_counts(whole if without is None else whole.and_(without), keys, entities)


def zeros(cells: Cells, entities: I64, days: np.ndarray, daily: bool = False) -> Cells:
    """The hours of the week (or its days) at which entities had nothing on days on which their host was seen, each
    standing for all of them.

    `entities`: the peers of each; `days`: of shape (entities, 7), the days of each week day on which its host was seen.
    """
    slots = 7 if daily else WEEK
    few = not daily and len(entities) * WEEK > MOST_ZEROS  # then workdays are one another's, and so are weekends
    of_week = cells.of_week() // (DAY if daily else 1)
    if few:
        of_week = of_week % DAY + 5 * DAY * cells.weekend()
        days = np.stack([days[:, :5].sum(axis=1), *(days[:, 0] * 0 for _ in range(4)), days[:, 5:].sum(axis=1),
                         days[:, 0] * 0], axis=1)  # fmt: skip
    seen = totals(cells.entity * slots + of_week, None, len(entities) * slots).reshape(len(entities), slots)
    missing = np.maximum((days if daily else np.repeat(days, DAY, axis=1)) - seen, 0.0)
    entity, slot = np.nonzero(missing)
    hour = (slot * DAY if daily else slot) + 4 * DAY  # from the first Monday of 1970 on
    return Cells(entity, entities[entity], hour, np.zeros(len(hour)), missing[entity, slot])


def _of_counts(cells: Cells, keys: tuple[tuple[Key, float], ...], entities: int) -> Model:
    """Effects are log-ratios of what was seen to what was foreseen, each hour weighted by what it tells."""
    nodes = [Nodes.of(key(cells)) for key, _ in keys]
    value, times = cells.value, np.ones(len(cells.value)) if cells.times is None else cells.times
    spread = _overdispersion(value, times, nodes[OWN], nodes[REPEATED], entities)
    about = spread.of(cells.entity)
    typical = nodes[OWN].sum(times * value) / nodes[OWN].sum(times)
    location = float(np.log(max(SMALLEST, (typical.sum() + UNSEEN) / (len(typical) + 1.0))))
    centre, levels = np.full(len(value), location), []
    for (_, prior), node in zip(keys, nodes, strict=True):
        mean = np.exp(centre)
        weight = times / (1.0 + about * mean)
        seen, foreseen = node.sum(weight * value) + 0.5, node.sum(weight * mean) + 0.5
        levels.append(level(node.key, np.log(seen / foreseen), foreseen, prior))
        centre = centre + levels[-1].effect[node.node]
    return Model(keys, False, location, tuple(levels), spread)


def _most(value: Floats, own: Nodes, repeated: Nodes) -> Floats:
    """The most that each hour's count is learnt from: a multiple of what is usual for its entity, or at this hour."""
    if not len(value):
        return value
    log = np.log(value)
    typical, count = own.median(log), own.count()
    usual = ((count * typical + 2.0 * np.median(typical)) / (count + 2.0))[own.node]
    again = repeated.count()[repeated.node] >= 2
    usual = np.where(again, np.maximum(usual, repeated.median(log)[repeated.node]), usual)
    return TIMES_USUAL * np.exp(usual) + AND_MORE


def _overdispersion(value: Floats, times: Floats, own: Nodes, repeated: Nodes, entities: int) -> Spread:
    """Overdispersion from what differs between days at the same hour; by entity, drawn to the measure's."""
    nodes = repeated if (repeated.sum(times) >= 2).sum() >= REPEATS else own
    count = nodes.sum(times)
    mean, free = nodes.sum(times * value) / count, count - 1.0
    squares = np.maximum(nodes.sum(times * value**2) - count * mean**2, 0.0)
    whole = SPREAD
    for _ in range(2):  # by weighted least squares of variances beyond Poisson's on squared means
        weight = 1.0 / (1.0 + whole * mean) ** 2
        more = weight * (squares - free * mean)
        base = weight * np.maximum(free * mean**2 - squares / count, 0.0)
        if not base.sum() > 0:
            return Spread(np.full(entities, SPREAD), SPREAD)
        little = SPREAD_OF * base.sum() / free.sum()  # of a short history, what is assumed
        whole = float(np.clip((more.sum() + little * SPREAD) / (base.sum() + little), NARROW, WIDE))
    return _drawn(nodes, own, more, base, free, whole, entities)


def _drawn(nodes: Nodes, own: Nodes, above: Floats, below: Floats, free: Floats, whole: float, entities: int) -> Spread:
    """By entity the quotient of two sums over its nodes, drawn to the whole's by its degrees of freedom."""
    owner = np.zeros(len(nodes.key), dtype=np.int64)
    owner[nodes.node] = own.node
    one, other = (totals(owner, values, len(own.key)) for values in (above, below))
    typical = SPREAD_OF * float(below.sum() / max(1.0, free.sum()))
    drawn = np.full(entities, whole)
    drawn[own.key] = np.clip((one + typical * whole) / (other + typical), NARROW * min(1.0, whole), WIDE)
    return Spread(drawn, whole)


def _of_amounts(cells: Cells, keys: tuple[tuple[Key, float], ...], nodes: Sequence[Nodes], entities: int) -> Model:
    """Effects are means of what is left; an amount far from its entity's median, and from its hour's, is drawn in."""
    own, repeated = nodes[OWN], nodes[REPEATED]
    if not len(cells.value):
        return Model(keys, True, 0.0, tuple(Level(n.key, cells.value, cells.value, 1.0) for n in nodes),
                     Spread(np.full(entities, 1.0), 1.0))  # fmt: skip
    middle = own.median(cells.value)[own.node]
    again = repeated.count()[repeated.node] >= 2
    middle = np.where(again, repeated.median(cells.value)[repeated.node], middle)
    scale = max(LEAST_SCALE, 1.4826 * float(np.median(np.abs(cells.value - middle))))
    value = np.clip(cells.value, middle - SCALES_AWAY * scale, middle + SCALES_AWAY * scale)
    spread = _variance(value, own, repeated, entities)
    about = spread.of(cells.entity)
    location = float(np.median(value))
    centre, levels = np.full(len(value), location), []
    for (_, prior), node in zip(keys, nodes, strict=True):
        precision = node.sum(1.0 / about)
        levels.append(level(node.key, node.sum((value - centre) / about) / precision, precision, prior))
        centre = centre + levels[-1].effect[node.node]
    return Model(keys, True, location, tuple(levels), spread)


def _variance(value: Floats, own: Nodes, repeated: Nodes, entities: int) -> Spread:
    """Variance from what differs between days at the same hour; by entity, drawn to the measure's."""
    nodes = repeated if (repeated.count() >= 2).sum() >= REPEATS else own
    free = nodes.count() - 1.0
    squares = nodes.sum((value - nodes.mean(value)[nodes.node]) ** 2)
    if not free.sum() > 0:
        return Spread(np.full(entities, SPREAD), SPREAD)
    whole = max(LEAST_SCALE**2, float(squares.sum() / free.sum()))
    drawn = _drawn(nodes, own, squares, free, free, whole, entities)
    return Spread(np.maximum(drawn.own, LEAST_SCALE**2), whole)
