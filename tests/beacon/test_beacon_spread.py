"""Few intervals against theory and simulation, and the silence of hosts."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest

from vizsla.beacon import spread as module
from vizsla.beacon.contacts import TENTHS
from vizsla.beacon.regular import LEAST, SHORTEST, Regularity
from vizsla.beacon.spread import FEW, FINE, Spread, few_visits, hours_on, spread, waking

HOUR = 3_600.0


def times(rows: list[np.ndarray]) -> pa.ChunkedArray:
    """Times (seconds) as sketches hold them."""
    return pa.chunked_array([pa.array([(np.sort(at) * TENTHS).astype(np.int64).tolist() for at in rows],
                                      pa.list_(pa.int64()))])  # fmt: skip


def alike(rows: list[np.ndarray]) -> Spread:
    """The test of rows of intervals, in seconds."""
    row = np.repeat(np.arange(len(rows)), [len(gaps) for gaps in rows])
    gaps = np.concatenate([np.asarray(gaps, np.float64) for gaps in rows])
    return spread(len(rows), row, (gaps * TENTHS).astype(np.int64))


def nothing(rows: int) -> Regularity:
    return Regularity(*(np.zeros(rows) for _ in range(6)))


def by_hand(gaps: np.ndarray) -> float:
    """The same bits from every choice of intervals, with scipy's distribution."""
    from scipy.stats import chi2

    best = 0.0
    for left_out in range(len(gaps) // 3 + 1):
        for kept in combinations(gaps, len(gaps) - left_out):
            if len(kept) >= LEAST and min(kept) * TENTHS >= SHORTEST:
                logs = np.log(kept)
                squares = max(float(((logs - logs.mean()) ** 2).sum()), (len(kept) - 1) * FINE**2)
                p = chi2.cdf(squares, len(kept) - 1) * math.comb(len(gaps), left_out) * 2 ** (left_out + 1)
                best = max(best, -math.log2(p))
    return best


def test_the_tightest_are_found_as_by_trying_all() -> None:
    rng = np.random.default_rng(5)
    rows = [np.round(np.exp(rng.normal(8, rng.uniform(0, 1), n)) + 9, 1) for n in (2, 3, 4, 5, 7, 9, 10) * 6]
    found = alike(rows)
    assert found.bits == pytest.approx([by_hand(gaps) for gaps in rows], abs=1e-6)
    assert (found.bits > 3).sum() > 10


@pytest.mark.parametrize("visits", [2, 3, 5, 12])
@pytest.mark.parametrize("kind", ["at random", "poisson", "lognormal", "bursts"])
def test_chance_is_not_called_regular(kind: str, visits: int) -> None:
    """Of 2,000 pairs on computers that run nine hours on four days, p is at most 2**-k of no more than 2**-k."""
    rng = np.random.default_rng((visits, len(kind)))

    def day() -> np.ndarray:
        if kind == "at random":
            return rng.uniform(0, 9 * HOUR, visits)
        if kind == "poisson":
            return rng.uniform(0, 9 * HOUR, rng.poisson(visits))
        if kind == "lognormal":
            return np.cumsum(np.exp(rng.normal(7, 1.2, visits)))
        return np.concatenate([rng.uniform(0, 9 * HOUR) + np.cumsum(np.exp(rng.normal(3, 1.4, 4)))
                               for _ in range(visits // 2)])  # fmt: skip

    rows = [np.concatenate([day() + 24 * HOUR * d for d in range(4)]) for _ in range(2000)]
    busy = [np.arange(0, 9 * HOUR, 600) + 24 * HOUR * d for d in range(4)]  # the computer's other traffic
    source = np.zeros(len(rows), np.int64)
    hours = hours_on(np.zeros(4, np.int64), times(busy))
    counts = np.array([len(at) for at in rows])
    bits = few_visits(nothing(len(rows)), counts, times(rows), source, hours).bits
    for level in (4, 6, 8):
        assert (bits >= level).mean() <= 2.0**-level + 2 * math.sqrt(2.0**-level / len(rows)), (kind, visits, level)


@pytest.mark.parametrize("period", [1.6 * HOUR, 3 * HOUR])
def test_a_beacon_of_a_computer_that_is_off_at_night_is_regular(period: float) -> None:
    """Give or take a third, a tenth lost: of a working week eight to twenty-five visits are left."""
    rng = np.random.default_rng(int(period))
    rows = []
    for _ in range(60):
        at = np.cumsum(period * (1 + rng.uniform(-0.33, 0.33, 200)))
        on = (at % (24 * HOUR) < 9 * HOUR) & (at < 5 * 24 * HOUR) & (rng.random(200) >= 0.1)
        rows.append(at[on])
    busy = [np.arange(0, 9 * HOUR, 600) + 24 * HOUR * d for d in range(5)]
    counts, source = np.array([len(at) for at in rows]), np.zeros(len(rows), np.int64)
    found = few_visits(nothing(60), counts, times(rows), source, hours_on(np.zeros(5, np.int64), times(busy)))
    assert np.median(found.bits) > 8
    assert abs(np.median(found.period) / period - 1) < 0.1
    assert abs(np.median(found.jitter) - 0.8 * 0.33) < 0.08
    always = hours_on(np.zeros(1, np.int64), times([np.arange(0, 120 * HOUR, 600)]))  # nights count where it was on
    assert np.median(few_visits(nothing(60), counts, times(rows), source, always).bits) < np.median(found.bits) - 4


def test_silence_is_the_hosts_not_the_pairs() -> None:
    """An interval counts by what its own source did meanwhile: all of its pairs, and nobody else's."""
    pair = np.array([0.5, 1.5, 7.5, 8.5]) * HOUR
    others = [np.array([3.2, 9.0]) * HOUR, np.array([3.2, 4.1, 5.9]) * HOUR]
    source = np.array([0, 0, 1], np.int64)
    hours = hours_on(source, times([pair, *others]))
    _, gaps = waking(source[:1], times([pair]), hours)
    assert gaps.tolist() == [3600 * TENTHS, 3600 * TENTHS]  # between them heard in one of five hours
    row, gaps = waking(np.array([1]), times([pair]), hours)
    assert gaps.tolist() == [3600 * TENTHS, 6 * 3600 * TENTHS, 3600 * TENTHS]  # in three of five
    assert row.tolist() == [0, 0, 0]


def test_rows_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    rows = [np.cumsum(rng.uniform(500, 900, n)) for n in range(4, 24)]
    source = rng.integers(0, 3, len(rows))
    counts = np.array([len(at) for at in rows])

    def told() -> list[np.ndarray]:
        hours = hours_on(source, times(rows))
        found = few_visits(nothing(len(rows)), counts, times(rows), source, hours)
        return [hours, found.bits, found.period, found.jitter, found.share]

    whole = told()
    monkeypatch.setattr(module, "AT_ONCE", 3)
    assert all((a == b).all() for a, b in zip(whole, told(), strict=True))
    assert (whole[1] > 3).sum() > 10


def test_streams_and_many_visits_are_not_told() -> None:
    assert alike([np.full(9, 8.0), np.full(2, 600.0)]).bits.tolist() == [0.0, 0.0]
    many = np.arange(FEW + 1) * 600.0
    hours = hours_on(np.zeros(1, np.int64), times([many]))
    assert few_visits(nothing(1), np.array([FEW + 1]), times([many]), np.zeros(1, np.int64), hours).bits[0] == 0
    few = few_visits(nothing(1), np.array([FEW]), times([many[:-1]]), np.zeros(1, np.int64), hours)
    assert few.bits[0] > 100
    assert few.bits[0] == pytest.approx(alike([np.full(FEW - 1, 600.0)]).bits[0] - 1)
    assert (few.period[0], few.jitter[0], few.share[0]) == (600, 0, 1)
