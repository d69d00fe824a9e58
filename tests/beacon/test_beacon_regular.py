"""Regularity against theory and simulation: chance is rarely called regular, beacons always are."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.beacon.bins import bin_of, counted, lower, middle
from vizsla.beacon.contacts import TENTHS
from vizsla.beacon.regular import MOST, Regularity, chance, intervals, phase, quantile, sizes, tail_bits
from vizsla.beacon.sketch import PACK
from vizsla.beacon.weigh import scheduled


def column(rows: list[np.ndarray]) -> pa.Array:
    """Histograms of intervals (seconds) as sketches hold them."""
    lists = []
    for gaps in rows:
        _, bins, counts = counted(
            np.zeros(len(gaps), np.int64),
            bin_of((np.asarray(gaps) * TENTHS).astype(np.int64)),
            np.ones(len(gaps), np.int64),
        )
        lists.append((bins << PACK | counts).tolist())
    return pa.array(lists, pa.list_(pa.int64()))


def regular(rows: list[np.ndarray]) -> Regularity:
    return intervals(column(rows))


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=50))
def test_bins_hold_their_values_and_are_narrow(values: list[int]) -> None:
    numbers = np.array(values)
    bins = bin_of(numbers)
    assert (lower(bins) <= numbers).all()
    assert (numbers < lower(bins + 1)).all()
    assert ((lower(bins + 1) - lower(bins)) <= np.maximum(1, numbers / 64)).all()
    assert (np.diff(bins[np.argsort(numbers)]) >= 0).all()
    assert (np.abs(middle(bins) - numbers) <= np.maximum(0.5, numbers / 64)).all()


@settings(deadline=None)
@given(st.floats(1, 1e6), st.floats(1.01, 4))
def test_no_exponential_and_no_wide_lognormal_puts_more_into_a_window(low: float, ratio: float) -> None:
    most = float(chance(np.array([low]), np.array([low * ratio]))[0])
    for rate in np.exp(np.linspace(-8, 3, 200)) / low:
        assert math.exp(-rate * low) - math.exp(-rate * low * ratio) <= most + 1e-9
    assert 0 < most < 1


@settings(deadline=None)
@given(st.integers(3, MOST), st.floats(0.01, 0.9))
def test_the_bound_is_above_the_binomial_tail(of: int, p0: float) -> None:
    from scipy.stats import binom

    inside = np.arange(of + 1)
    bound = tail_bits(inside.astype(float), np.full(of + 1, float(of)), np.full(of + 1, p0))
    exact = -binom.logsf(inside - 1, of, p0) / math.log(2)
    assert (bound <= exact + 1e-6).all()


@pytest.mark.parametrize("count", [5, 12, 40, 300, 3000])
@pytest.mark.parametrize("kind", ["poisson", "lognormal", "bursts"])
def test_chance_is_not_called_regular(kind: str, count: int) -> None:
    """Of 400 pairs that keep to no period, p is at most 2**-k no more often than 2**-k of them, for k of 4, 6, 8."""
    rng = np.random.default_rng((count, len(kind)))
    draw = {
        "poisson": lambda: rng.exponential(300, count),
        "lognormal": lambda: np.exp(rng.normal(5, 1.2, count)),
        "bursts": lambda: np.where(
            rng.random(count) < 0.7, np.exp(rng.normal(2.5, 1.1, count)), rng.exponential(3600, count)
        ),
    }[kind]
    bits = regular([draw() for _ in range(400)]).bits
    for level in (4, 6, 8):
        assert (bits >= level).mean() <= 2.0**-level + 2 * math.sqrt(2.0**-level / 400), (kind, count, level)


@pytest.mark.parametrize("jitter", [0.0, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("period", [30.0, 300.0, 14_400.0])
def test_a_beacon_is_regular_whatever_is_lost(period: float, jitter: float) -> None:
    """A week at most, a tenth lost, a jitter of up to a half."""
    rng = np.random.default_rng(int(period + 100 * jitter))
    count = min(2000, int(7 * 86_400 / period))
    rows = []
    for _ in range(30):
        at = np.cumsum(period * (1 + rng.uniform(-jitter, jitter, count)))
        rows.append(np.diff(at[rng.random(count) >= 0.1]))
    found = regular(rows)
    assert np.quantile(found.bits, 0.1) > 5  # a jitter of a half at four hours leaves 38 intervals
    assert np.median(found.bits) > 14
    assert np.abs(np.median(found.period) / period - 1) < 0.06
    assert abs(float(np.median(found.jitter)) - 0.8 * jitter) < 0.08


def test_breaks_and_retries_cost_their_share_alone() -> None:
    whole = np.full(100, 600.0)
    broken = np.concatenate([whole[:80], [50_000.0] * 5, [2.0] * 15])
    found = regular([whole, broken])
    assert found.bits[0] > found.bits[1] > 100
    assert found.period == pytest.approx([600, 600], rel=0.02)
    assert found.share == pytest.approx([1.0, 0.8])


def test_a_clock_does_not_win_by_being_faster() -> None:
    few, many = regular([np.full(MOST, 60.0), np.full(20 * MOST, 60.0)]).bits
    assert many == pytest.approx(few)


def test_streams_have_no_period() -> None:
    """Intervals of one slot after the other say nothing, and neither do fewer than three."""
    found = regular([np.full(500, 8.0), np.full(2, 600.0), np.zeros(0)])
    assert (found.bits == 0).all()


def test_robust_statistics() -> None:
    found = regular([np.exp(np.random.default_rng(3).normal(6, 0.5, 20_000))])
    assert found.spread[0] == pytest.approx(0.6745 * 0.5, rel=0.05)  # the median absolute deviation of a normal
    assert found.skew[0] == pytest.approx(0, abs=0.03)
    long_tail = regular([np.exp(np.random.default_rng(3).exponential(1, 20_000) + 4)])
    assert long_tail.skew[0] == pytest.approx((math.log(4) + math.log(4 / 3) - 2 * math.log(2)) / math.log(3), abs=0.05)


def test_quantiles_of_histograms() -> None:
    values = np.random.default_rng(1).integers(100, 100_000, 5000)
    _, bins, counts = counted(np.zeros(5000, np.int64), bin_of(values), np.ones(5000, np.int64))
    for share in (0.1, 0.5, 0.9):
        found = quantile(1, np.zeros(len(bins), np.int64), bins, counts, share)[0]
        assert found == pytest.approx(np.quantile(values, share), rel=0.02)


def test_like_sizes() -> None:
    same, mixed = np.full(50, 412.0), np.exp(np.random.default_rng(2).normal(7, 2, 50))
    share, bits = sizes(column([same / TENTHS, mixed / TENTHS]))
    assert share[0] == 1.0
    assert bits[0] > 50
    assert share[1] < 0.7
    assert bits[1] < 8


def test_a_clock_is_found_among_others_traffic() -> None:
    """Rayleigh: a phase that is kept shows where intervals do not."""
    rng = np.random.default_rng(5)
    clock = 600.0 * np.arange(100) + rng.normal(0, 5, 100)
    both = np.sort(np.concatenate([clock, rng.uniform(0, 60_000, 60)]))
    bits, period = phase(both, 570.0)
    assert bits > 20
    assert period == pytest.approx(600, rel=0.01)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000))
def test_chance_has_no_phase(seed: int) -> None:
    at = np.sort(np.random.default_rng(seed).uniform(0, 86_400, 80))
    bits, _ = phase(at, 1000.0)
    assert bits < 10


def test_a_burst_does_not_vouch_for_itself() -> None:
    at = np.sort(np.random.default_rng(1).uniform(0, 60, 200))
    assert phase(np.concatenate([at, [90_000.0]]), 3000.0)[0] < 4


def test_periods_that_people_write() -> None:
    assert scheduled(np.array([60.0, 3590.0, 900.0])).all()
    assert not scheduled(np.array([71.0, 3400.0, 1000.0])).any()
