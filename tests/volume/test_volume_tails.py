"""Tails in bits against sums of probabilities, scipy, and their own promises."""

from __future__ import annotations

from math import lgamma, log, log1p

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t

from vizsla.volume.tails import SHARE, negative_binomial, student, temper


def naive(x: int, mean: float, spread: float, terms: int = 60_000) -> float:
    """-log2 of the sum of so many probabilities from x on, by logarithms."""
    r = 1 / spread
    q = mean / (mean + r)
    logs = np.array([
        lgamma(k + r) - lgamma(k + 1) - lgamma(r) + r * log1p(-q) + k * log(q) for k in range(x, x + terms)
    ])  # fmt: skip
    top = logs.max()
    return float(-(top + np.log(np.exp(logs - top).sum())) / np.log(2))


@pytest.mark.parametrize(
    ("x", "mean", "spread"),
    [(1, 0.01, 0.5), (1, 3.0, 1.0), (7, 3.0, 0.02), (40, 3.0, 0.5), (900, 3.0, 0.5), (4_000, 3.0, 0.02), (50, 1e-3, 2)],
)
def test_counts_against_their_probabilities(x: int, mean: float, spread: float) -> None:
    bits = float(negative_binomial(np.array([x]), np.array([mean]), np.array([spread]))[0])
    assert bits == pytest.approx(naive(x, mean, spread), rel=1e-6, abs=1e-9)


def test_far_out_it_is_finite_and_goes_on_growing() -> None:
    bits = negative_binomial(10.0 ** np.arange(0, 13), np.full(13, 2.0), np.full(13, 0.3))
    assert np.isfinite(bits).all()
    assert (np.diff(bits) > 0).all()
    assert bits[-1] > 1e9


def test_no_count_beyond_the_first_says_nothing() -> None:
    assert negative_binomial(np.array([0.0, -1.0]), np.array([1e-3, 5.0]), np.array([1.0, 1.0])).tolist() == [0.0, 0.0]


@given(st.floats(-50, 50), st.floats(-10, 10), st.floats(0.01, 100))
def test_amounts_against_scipy(x: float, location: float, scale: float) -> None:
    ours = float(student(np.array([x]), np.array([location]), np.array([scale]), 5.0)[0])
    assert ours == pytest.approx(-t.logsf((x - location) / scale, 5) / np.log(2), rel=1e-7, abs=1e-9)


def test_an_honest_model_is_left_as_it_is() -> None:
    quiet = -np.log2(np.random.default_rng(1).random(20_000))
    bits = np.array([0.5, 3.0, 6.0, 20.0])
    assert temper(bits, quiet) == pytest.approx(bits, rel=0.06)


def test_a_tail_twice_as_long_is_halved_and_bits_are_never_added() -> None:
    quiet = -2 * np.log2(np.random.default_rng(2).random(20_000))
    bits = np.linspace(0, 80, 200)
    tempered = temper(bits, quiet)
    assert (tempered <= bits + 1e-9).all()
    assert (np.diff(tempered) >= 0).all()
    assert tempered == pytest.approx(bits / 2, rel=0.1, abs=0.05)
    assert float((temper(quiet, quiet) >= -np.log2(SHARE)).mean()) == pytest.approx(SHARE, rel=0.05)


def test_an_attack_among_the_quiet_hours_tempers_little() -> None:
    quiet = -np.log2(np.random.default_rng(3).random(2_000))
    attacked = np.concatenate([quiet, np.full(20, 500.0)])
    assert float(temper(np.array([100.0]), attacked)[0]) > 0.6 * float(temper(np.array([100.0]), quiet)[0])


def test_few_quiet_hours_temper_nothing() -> None:
    assert temper(np.array([9.0]), np.array([50.0] * 19)).tolist() == [9.0]
