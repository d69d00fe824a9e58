"""Models of hours: calibrated on what they were made for, pooled where little is known, and hard to poison."""

from __future__ import annotations

import numpy as np
import pytest

from vizsla.volume.hours import habits
from vizsla.volume.models import Cells, Model, fitted, zeros
from vizsla.volume.pooling import Nodes, level
from vizsla.volume.silence import at_risk, quiet

ENTITIES = 40
MONDAY = 20_003  # a Monday, in days since 1970


def drawn(days: int, seed: int, first: int = MONDAY) -> Cells:
    """Counts of entities with rates of their own, more by day than by night, overdispersed."""
    chance = np.random.default_rng(seed)
    rate = np.random.default_rng(7).lognormal(1.5, 1.2, ENTITIES)
    entity, day, hour = (a.ravel() for a in np.meshgrid(np.arange(ENTITIES), np.arange(days), np.arange(24)))
    mean = rate[entity] * (1 + 0.8 * np.sin((hour - 6) / 24 * 2 * np.pi)) * chance.gamma(2, 0.5, len(entity))
    value = chance.poisson(mean).astype(np.float64)
    at = (first + day) * 24 + hour
    return Cells(entity, np.zeros(len(entity), np.int64), at, value).at(value > 0)


def learnt_from(cells: Cells, days: int, daily: bool = False) -> Model:
    """What is learnt of so many days before MONDAY, those hours known at which nothing was."""
    week = np.bincount((np.arange(MONDAY - days, MONDAY) + 3) % 7, minlength=7)[None].repeat(ENTITIES, axis=0) * 1.0
    none = zeros(cells, np.zeros(ENTITIES, np.int64), week, daily=daily)
    return fitted(cells, ENTITIES, daily=daily, without=none)


def test_hours_without_any_are_those_that_are_not_there() -> None:
    cells = Cells(np.array([0, 0, 1]), np.zeros(3, np.int64), MONDAY * 24 + np.array([3, 27, 3]), np.ones(3))
    week = np.array([[2, 1, 0, 0, 0, 0, 0], [2, 1, 0, 0, 0, 0, 0]]) * 1.0
    none = zeros(cells, np.zeros(2, np.int64), week)
    times = {(int(e), int(h)): float(n) for e, h, n in zip(none.entity, none.of_week(), none.times, strict=True)}
    assert times[0, 3] == times[1, 3] == 1.0
    assert times[0, 4] == 2.0
    assert (0, 27) not in times
    assert times[1, 27] == 1.0
    assert sum(times.values()) == 2 * 3 * 24 - 3


@pytest.mark.parametrize("days", [3, 14, 90])
def test_what_is_claimed_holds_with_short_and_long_histories(days: int) -> None:
    bits = learnt_from(drawn(days, 1, MONDAY - days), days).bits(drawn(14, 2))
    for claimed in (0.1, 0.01, 0.001):
        assert (bits >= -np.log2(claimed)).mean() <= claimed * 2
    assert (bits >= -np.log2(0.1)).mean() >= 0.05


def test_a_day_without_its_highest_hour_is_modelled_as_well() -> None:
    model = learnt_from(drawn(28, 1, MONDAY - 28).by_day(), 28, daily=True)
    bits = model.bits(drawn(28, 2).by_day())
    assert 0.03 <= (bits >= -np.log2(0.1)).mean() <= 0.2
    assert (bits >= -np.log2(0.001)).mean() <= 0.006


def test_days_leave_out_their_highest_hour() -> None:
    cells = Cells(np.zeros(4, np.int64), np.zeros(4, np.int64), np.array([48, 50, 51, 72]), np.array([2.0, 9, 3, 7]))
    days = cells.by_day()
    assert (days.hour.tolist(), days.value.tolist()) == ([48], [5.0])  # the second day has but one hour


def test_an_entity_never_seen_is_held_against_all() -> None:
    model = learnt_from(drawn(14, 1, MONDAY - 14), 14)
    same = np.array([MONDAY * 24 + 12] * 2)
    busiest = int(np.argmax(np.bincount(drawn(14, 1).entity, drawn(14, 1).value)))
    new, known = model.bits(Cells(np.array([-1, busiest]), np.zeros(2, np.int64), same, np.array([2_000.0] * 2)))
    assert 3 < new < known


def test_a_burst_left_in_the_baseline_hides_the_next_one_little() -> None:
    clean = drawn(14, 1, MONDAY - 14)
    burst = Cells(*(np.append(getattr(clean, n), v) for n, v in
                    (("entity", [3] * 6), ("peers", [0] * 6), ("hour", (MONDAY - 5) * 24 + np.arange(6)),
                     ("value", [5_000.0] * 6))))  # fmt: skip
    again = Cells(np.array([3]), np.array([0]), np.array([(MONDAY + 1) * 24 + 2]), np.array([5_000.0]))
    without, within = (float(learnt_from(cells, 14).bits(again)[0]) for cells in (clean, burst))
    assert within > 40
    assert within > 0.2 * without


def test_amounts_hold_what_they_claim() -> None:
    def amounts(cells: Cells, seed: int) -> Cells:
        noise = np.random.default_rng(seed).normal(0, 1, len(cells.value))
        return Cells(cells.entity, cells.peers, cells.hour, np.log1p(1_000 * (cells.entity + 1) * np.exp(noise)))

    model = fitted(amounts(drawn(14, 1, MONDAY - 14), 5), ENTITIES, amount=True)
    bits = model.bits(amounts(drawn(14, 2), 6))
    assert 0.05 <= (bits >= -np.log2(0.1)).mean() <= 0.15
    assert (bits >= -np.log2(0.01)).mean() <= 0.015


def test_nothing_to_learn_from_is_still_a_model() -> None:
    none = drawn(1, 1).at(np.zeros(0, np.int64))
    for amount in (False, True):
        bits = fitted(none, 0, amount=amount).bits(
            Cells(np.array([-1]), np.array([-1]), np.array([5]), np.array([9.0]))
        )
        assert np.isfinite(bits).all()


def test_pooling_draws_in_those_of_whom_little_is_known() -> None:
    learnt = level(np.arange(4), np.array([1.0, 1.0, -1.0, 0.0]), np.array([100.0, 0.5, 100.0, 100.0]), 1.0)
    assert learnt.effect[0] > 0.9 > learnt.effect[1] > 0
    assert learnt.left[1] > learnt.left[0]
    effect, left = learnt.of(np.array([2, 77]))
    assert effect.tolist() == [learnt.effect[2], 0.0]
    assert left.tolist() == [learnt.left[2], learnt.between]


def test_the_lower_of_two_is_the_median() -> None:
    nodes = Nodes.of(np.array([5, 5, 2, 2, 2]))
    assert nodes.key.tolist() == [2, 5]
    assert nodes.median(np.array([9.0, 400.0, 3.0, 1.0, 2.0])).tolist() == [2.0, 9.0]
    assert nodes.first().tolist() == [2, 0]


def at_work(who: int, days: range, hours: range) -> list[tuple[int, int]]:
    return [(who, day * 24 + hour) for day in days for hour in hours]


def test_night_is_unusual_for_who_works_by_day_and_not_for_who_works_at_night() -> None:
    days = range(MONDAY, MONDAY + 5)
    seen = at_work(0, days, range(8, 17)) + at_work(1, days, range(9, 18)) + at_work(2, days, range(6))
    entity, hour = (np.array(values) for values in zip(*seen, strict=True))
    learnt = habits(Cells(entity, entity * 0, hour, np.ones(len(hour))), 3)
    night = (MONDAY + 7) * 24 + 3
    asked = np.array([0, 1, 2, -1])
    day, nurse, new = (learnt.bits(Cells(asked, asked * 0, np.full(4, night), np.ones(4)))[i] for i in (0, 2, 3))
    assert day > 4 > new > 0
    assert nurse < 2
    noon = learnt.bits(Cells(asked, asked * 0, np.full(4, night + 9), np.ones(4)))
    assert noon[0] < 1
    # No weekend was seen: Saturdays are days like others.
    saturday = learnt.bits(Cells(asked, asked * 0, np.full(4, (MONDAY + 5) * 24 + 12), np.ones(4)))
    assert saturday.tolist() == noon.tolist()


def test_silence_is_unlikely_of_what_never_was_silent_and_likely_of_what_often_is() -> None:
    hosts = np.zeros(3, np.int64)
    rows = [(0, h) for h in range(24 * 10)] + [(1, h) for h in range(0, 240, 5)] + [(2, h) for h in range(24 * 10)]
    entity, hour = (np.array(v) for v in zip(*rows, strict=True))
    cells = Cells(entity, entity, hour, np.full(len(hour), 4.0))
    learnt = quiet(cells, hosts[entity], hosts, np.arange(3))
    today = Cells(np.array([2] * 24), np.array([2] * 24), 240 + np.arange(24), np.full(24, 7.0))
    silent, _ = at_risk(today, np.zeros(24, np.int64), hosts, learnt.begun)
    bits = learnt.bits(silent.entity, silent.hour)
    assert set(silent.entity.tolist()) == {0, 1}
    assert silent.hour.min() == 241  # the day's first and last hours are not complete
    assert silent.hour.max() == 262
    assert silent.beside.tolist() == [7.0] * len(silent.hour)
    assert bits[silent.entity == 0].min() > 6
    assert bits[silent.entity == 1].max() < 2.5
