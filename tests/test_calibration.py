"""Calibration, against numerical integration and against counting."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.calibration import EXACT, GRID, Tail, bits, e_value, pooled_e

P_VALUES = [1e-12, 1e-6, 1e-3, 0.01, 0.1, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1 - 1e-6, 1 - 1e-9, 1.0]


def integral(p: float) -> float:
    """Of kappa * p^(kappa - 1) over kappa in (0, 1): the calibrator's definition, by Gauss-Legendre on small steps."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    edges = np.linspace(0, 1, 401)
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    kappa = middle[:, None] + half[:, None] * nodes
    return float((kappa * np.exp((kappa - 1) * math.log(p)) * weights * half[:, None]).sum())


@pytest.mark.parametrize("p", P_VALUES)
def test_e_is_the_integral_over_all_bets(p: float) -> None:
    assert float(e_value(np.array([p]))[0]) == pytest.approx(integral(p), rel=1e-10)


def test_e_at_one_is_a_half() -> None:
    assert e_value(np.array([1.0]))[0] == 0.5


def test_e_falls_as_p_rises_everywhere() -> None:
    p = np.unique(np.r_[np.geomspace(1e-15, 1, 4000), 1 - np.geomspace(1e-12, 0.5, 4000)])
    assert (np.diff(e_value(p)) <= 0).all()


def test_the_mean_of_e_over_uniform_p_is_one() -> None:
    # With p = e^-t the mean is the integral of e(p) e^-t over t, whose tail beyond T is 1/T - 1/T e^-T ...: add it.
    t = np.linspace(1e-9, 600, 2_000_001)
    inner = np.trapezoid(e_value(np.exp(-t)) * np.exp(-t), t)
    # beyond T: e(p) p = (1 - p + p ln p) / (ln p)^2 -> 1/t^2, of integral 1/T
    assert inner + 1 / 600 == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("p", [0.0, -0.1, 1.0001])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="p-values"):
        e_value(np.array([0.5, p]))


def test_an_empty_array_of_p_is_fine() -> None:
    assert len(e_value(np.zeros(0))) == 0


def test_a_bit_doubles() -> None:
    assert bits(np.array([0.5, 1.0, 8.0])).tolist() == [-1.0, 0.0, 3.0]


SCORES = st.lists(
    st.one_of(st.integers(-3, 6).map(float), st.floats(-50, 50, allow_nan=False)), min_size=0, max_size=60
)


def naive(reference: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.array([sum(1 for r in reference.tolist() if r >= v) for v in values.tolist()], dtype=float)


@given(SCORES, SCORES)
@settings(max_examples=300, deadline=None)
def test_counts_of_few_scores_are_exact(reference: list[float], asked: list[float]) -> None:
    scores = np.array(reference)
    values = np.array([*reference, *asked, -1e9, 1e9])
    tail = Tail.of(scores)
    assert tail.exceedances(values).tolist() == naive(scores, values).tolist()
    p = tail.p(values)
    assert np.allclose(p, (1 + naive(scores, values)) / (1 + len(scores)))
    assert (p >= 1 / (len(scores) + 1)).all()
    assert (p <= 1).all()


def many(seed: int, n: int, how: str) -> np.ndarray:
    rng = np.random.default_rng(seed)
    made = {
        "spread": rng.normal(size=n),
        "tied": rng.integers(0, 40, n).astype(float),
        "lumps": np.round(rng.exponential(2, n) * 20) / 20,
        "constant": np.full(n, 3.0),
        "top heavy": np.r_[np.zeros(n // 5), np.full(n - n // 5, 7.0)],
        "one above": np.r_[np.full(n - 1, 1.0), 2.0],
    }
    return rng.permutation(made[how])


def counted(reference: np.ndarray, values: np.ndarray) -> np.ndarray:
    ordered = np.sort(reference)
    return len(ordered) - np.searchsorted(ordered, values, side="left").astype(float)


KINDS = ["spread", "tied", "lumps", "constant", "top heavy", "one above"]


@pytest.mark.parametrize("how", KINDS)
@pytest.mark.parametrize("n", [EXACT + GRID, EXACT + GRID + 1, 9_000, 60_000])
def test_beyond_the_exact_region_counts_are_never_too_small(how: str, n: int) -> None:
    reference = many(n, n, how)
    tail = Tail.of(reference)
    between = np.random.default_rng(1).uniform(reference.min() - 1, reference.max() + 1, 3000)
    values = np.r_[reference[:3000], between, reference.min(), reference.max(), -1e9, 1e9]
    true, said = counted(reference, values), tail.exceedances(values)
    assert (said >= true).all()
    step = (n - EXACT) / (GRID - 1) + 1
    highest = np.sort(reference)[-EXACT:]
    runs = int(np.unique(reference, return_counts=True)[1].max())  # between two kept scores lies one run of equals
    assert (said <= true + step + runs).all()
    exact = values > highest[0]
    assert (said[exact] == true[exact]).all()
    assert (tail.p(values) >= 1 / (n + 1)).all()
    assert (tail.p(values) <= 1).all()


def test_the_table_stays_small() -> None:
    assert len(Tail.of(many(3, 200_000, "spread")).scores) <= EXACT + GRID


def test_order_does_not_matter() -> None:
    reference = many(5, 9_000, "lumps")
    one, other = Tail.of(reference), Tail.of(np.sort(reference)[::-1])
    assert (one.scores == other.scores).all()
    assert (one.at_least == other.at_least).all()


def test_nothing_learnt_says_nothing() -> None:
    assert Tail.of(np.zeros(0)).p(np.array([0.0, 99.0])).tolist() == [1.0, 1.0]


@given(SCORES, SCORES)
@settings(max_examples=200, deadline=None)
def test_two_small_tables_merge_to_the_table_of_both(one: list[float], other: list[float]) -> None:
    merged = Tail.of(np.array(one)).merged(Tail.of(np.array(other)))
    both = Tail.of(np.array(one + other))
    assert merged.n == both.n
    assert merged.scores.tolist() == both.scores.tolist()
    assert merged.at_least.tolist() == both.at_least.tolist()


@pytest.mark.parametrize("how", KINDS)
def test_large_tables_merge_to_one_that_is_never_too_small_and_exact_at_the_top(how: str) -> None:
    one, other = many(1, 20_000, how), many(2, 7_000, "spread") * 3
    merged = Tail.of(one).merged(Tail.of(other))
    both = np.concatenate([one, other])
    values = np.r_[both[::5], np.random.default_rng(3).uniform(-12, 12, 2000), -1e9, 1e9]
    true, said = counted(both, values), merged.exceedances(values)
    assert merged.n == len(both)
    assert (said >= true).all()
    top = values > np.sort(both)[-EXACT]
    assert (said[top] == true[top]).all()


PROBABILITY = st.floats(1e-9, 1.0)


@given(st.lists(st.tuples(PROBABILITY, st.integers(0, 10_000), PROBABILITY), min_size=1, max_size=20))
@settings(max_examples=200, deadline=None)
def test_pooling_averages_e_values(rows: list[tuple[float, int, float]]) -> None:
    own, n, pool = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = pooled_e(own, n, pool)
    low, high = np.minimum(e_value(own), e_value(pool)), np.maximum(e_value(own), e_value(pool))
    assert (found >= low * (1 - 1e-12)).all()
    assert (found <= high * (1 + 1e-12)).all()
    for i, (a, count, b) in enumerate(rows):
        weight = count / (count + 200.0)
        expected = weight * integral(a) + (1 - weight) * integral(b)
        assert found[i] == pytest.approx(expected, rel=1e-6)


def test_pooling_goes_from_the_pool_to_its_own_as_its_own_grows() -> None:
    p, pool = np.full(3, 0.001), np.full(3, 0.5)
    none, some, much = pooled_e(p, np.array([0.0, 200.0, 1e9]), pool)
    assert none == pytest.approx(integral(0.5))
    assert some == pytest.approx((integral(0.5) + integral(0.001)) / 2)
    assert much == pytest.approx(integral(0.001), rel=1e-5)


def test_bits_of_exchangeable_scores_do_not_gain_on_average() -> None:
    """The mean e-value of scores drawn like the reference is at most one, ties or none."""
    rng = np.random.default_rng(11)
    for draw in (lambda k: rng.normal(size=k), lambda k: rng.integers(0, 5, k).astype(float)):
        means = [e_value(Tail.of(draw(300)).p(draw(50))).mean() for _ in range(300)]
        assert np.mean(means) < 1.0 + 4 * np.std(means) / math.sqrt(len(means))
