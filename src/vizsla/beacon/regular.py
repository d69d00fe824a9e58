"""How regular a pair is, against what bursts and people give: pure functions over histograms and times.

Intervals. The best case for chance: intervals that spread by a factor of e to both sides (log-normal, one sigma), or
as those of a Poisson process, whichever puts more of them into one narrow window of ratios. Of all windows (six
widths, each place), the one is taken in which there are most more than that. The p-value is the binomial tail's
Chernoff bound, exp(-n KL(k/n || p0)), times the number of windows looked at. No more than MOST intervals count, since
intervals of one pair vouch for each other and no null is exact: what deviates a little stays little, however long it
goes on. The window needs no mean, so that lost beacons (an interval twice as long), breaks and retries cost their
share of the intervals and no more.

Phases. A clock that keeps its phase is found by the Rayleigh test on a sample of times, even where others' traffic
lies between: p = exp(-z) times the number of periods tried, where z counts each cycle once, lest a burst vouch for
itself (epoch folding).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from vizsla.beacon.bins import Floats, Ints, lower, middle
from vizsla.beacon.contacts import TENTHS
from vizsla.beacon.sketch import lists, unpacked

WIDTHS = (3, 6, 12, 28, 60, 104)  # bins: windows from 2 to 5 % up to a ratio of about three
SHORTEST = 12 * TENTHS  # shorter intervals are of one visit that lies in two slots, or of a stream: see long_connection
MOST = 128  # intervals that vouch for regularity, however many there are
LEAST = 3  # intervals; fewer can be no pattern
SPREAD = 1.0  # sigma of the logarithm of intervals that chance is granted
CYCLES = 8  # that times must span for a phase to be looked for
FINE = 4  # periods tried per independent one
TRIED = 1024  # periods at most
LN2 = float(np.log(2.0))


@dataclass(frozen=True, slots=True)
class Regularity:
    """Per pair. `bits`: -log2 p; `period` in seconds, 0 where there is none to guess; `jitter`: half the range of four
    fifths of the window's intervals, as a share of the period; `share`: of intervals within the window;
    `skew`: Bowley's, of the logarithms; `spread`: their median absolute deviation."""

    bits: Floats
    period: Floats
    jitter: Floats
    share: Floats
    skew: Floats
    spread: Floats

    def __len__(self) -> int:
        return len(self.bits)


def chance(low: Floats, high: Floats) -> Floats:
    """The most that a window of values from `low` to `high` can hold of intervals that keep to no period."""
    from scipy.special import ndtr

    ratio = np.maximum(np.asarray(high, np.float64) / np.maximum(low, 1e-9), 1.0 + 1e-9)
    log = np.log(ratio)
    normal = 2.0 * ndtr(log / (2.0 * SPREAD)) - 1.0
    poisson = np.exp(-log / (ratio - 1.0)) * (1.0 - 1.0 / ratio)
    found: Floats = np.maximum(normal, poisson)
    return found


def tail_bits(inside: Floats, of: Floats, p0: Floats) -> Floats:
    """-log2 of Chernoff's bound of P(at least `inside` of `of`), for a chance of `p0` each; 0 where it is usual."""
    of = np.maximum(of, 1.0)
    share = np.clip(inside / of, 0.0, 1.0)
    p0 = np.clip(p0, 1e-12, 1 - 1e-12)
    with np.errstate(divide="ignore", invalid="ignore"):
        hit = np.where(share > 0, share * np.log(share / p0), 0.0)
        miss = np.where(share < 1, (1 - share) * np.log((1 - share) / (1 - p0)), 0.0)
    divergence = np.where(share > p0, hit + miss, 0.0)
    return np.minimum(of, MOST) * divergence / LN2


def windows(rows: int, row: Ints, bins: Ints, counts: Ints, shortest: int) -> tuple[Floats, Ints, Ints, Floats]:
    """The best window of each row: (bits after the windows looked at, its first bin, the bin after it, its share)."""
    total = np.bincount(row, counts, minlength=rows).astype(np.float64)
    key = row * (1 << 20) + bins
    below = np.r_[0, np.cumsum(counts)]
    start = np.flatnonzero(lower(bins) >= shortest)
    tried = np.bincount(row[start], minlength=rows) * float(len(WIDTHS))
    best = np.zeros(rows)
    first, end, share = np.zeros(rows, np.int64), np.zeros(rows, np.int64), np.zeros(rows)
    for width in WIDTHS:
        stop = np.searchsorted(key, key[start] + width)
        inside = (below[stop] - below[start]).astype(np.float64)
        own = row[start]
        p0 = chance(lower(bins[start]).astype(np.float64), lower(bins[start] + width).astype(np.float64))
        bits = tail_bits(inside, total[own], p0)
        order = np.lexsort((-bins[start], bits, own))  # of equal ones the shortest interval
        last = order[np.r_[own[order][1:] != own[order][:-1], True]] if len(order) else order
        better = last[bits[last] > best[own[last]]]
        rows_of = own[better]
        best[rows_of], first[rows_of] = bits[better], bins[start][better]
        end[rows_of], share[rows_of] = first[rows_of] + width, inside[better] / total[rows_of]
    found = np.maximum(best - np.log2(np.maximum(tried, 1.0)), 0.0)
    return np.where(total >= LEAST, found, 0.0), first, end, share


def intervals(column: pa.Array | pa.ChunkedArray) -> Regularity:
    """The regularity of each row's packed histogram of intervals."""
    rows = len(column)
    row, bins, counts = unpacked(column)
    bits, first, end, share = windows(rows, row, bins, counts, SHORTEST)
    inside = (bins >= first[row]) & (bins < end[row])
    weights = np.where(inside, counts, 0)
    low, period, high = (quantile(rows, row, bins, weights, q) for q in (0.1, 0.5, 0.9))
    quarter, half, three = (np.log(np.maximum(quantile(rows, row, bins, counts, q), 0.5)) for q in (0.25, 0.5, 0.75))
    with np.errstate(divide="ignore", invalid="ignore"):
        jitter = np.where(period > 0, (high - low) / (2 * period), 0.0)
        skew = np.where(three > quarter, (quarter + three - 2 * half) / (three - quarter), 0.0)
    deviation = np.abs(np.log(np.maximum(middle(bins), 0.5)) - half[row])
    return Regularity(bits, period / TENTHS, jitter, share, skew,
                      weighted_median(rows, row, deviation, counts))  # fmt: skip


def quantile(rows: int, row: Ints, bins: Ints, counts: Ints, share: float) -> Floats:
    """The quantile of each row's histogram, evenly within a bin; 0 where it holds nothing."""
    below = np.cumsum(counts)
    before = np.r_[0, below][np.searchsorted(row, np.arange(rows))] if len(row) else np.zeros(rows)
    total = np.bincount(row, counts, minlength=rows)
    goal = before + share * total
    place = np.minimum(np.searchsorted(below, goal, side="left"), max(len(bins) - 1, 0))
    if not len(bins):
        return np.zeros(rows)
    within = np.clip(1.0 - (below[place] - goal) / np.maximum(counts[place], 1), 0.0, 1.0)
    low, high = lower(bins[place]), lower(bins[place] + 1) - 1
    return np.where(total > 0, low + within * (high - low), 0.0)


def sizes(column: pa.Array | pa.ChunkedArray) -> tuple[Floats, Floats]:
    """Per row how regular the bytes sent are: (share of visits within the best window, bits); 0 where unknown."""
    rows = len(column)
    row, bins, counts = unpacked(column)
    bits, _, _, share = windows(rows, row, bins, counts, 1)
    return share, bits


def phases(times: pa.Array | pa.ChunkedArray, about: Floats) -> tuple[Floats, Floats]:
    """Rayleigh's test of each row's times for a period near `about` (seconds; 0: not tried): (bits, period)."""
    offsets, values = lists(times)
    bits, period = np.zeros(len(about)), np.zeros(len(about))
    for row in np.flatnonzero(about > 0):
        bits[row], period[row] = phase(values[offsets[row] : offsets[row + 1]] / TENTHS, float(about[row]))
    return bits, period


def phase(at: Floats, about: float) -> tuple[float, float]:
    """Rayleigh's test of times (seconds, ascending) for a period near `about`: (-log2 p after trials, period).

    As near as TRIED periods reach, a third of `about` at most to either side.
    """
    span = float(at[-1] - at[0]) if len(at) else 0.0
    if len(at) < CYCLES or about <= 0 or span < CYCLES * about:
        return 0.0, 0.0
    cycles = span / about
    wide = min(1 / 3, TRIED / (2 * FINE * cycles))
    tried = np.linspace((1 - wide) / about, (1 + wide) / about, max(8, int(2 * wide * cycles * FINE)))
    since = at - at[0]
    length = np.abs(np.exp(2j * np.pi * np.outer(tried, since)).sum(axis=1)) / len(at)
    best = int(np.argmax(length))
    alone = len(np.unique(np.floor(since * tried[best] + 0.5)))  # a cycle's times vouch for each other
    found = alone * length[best] ** 2 / LN2 - np.log2(len(tried))
    return max(0.0, float(found)), float(1.0 / tried[best])


def weighted_median(rows: int, row: Ints, values: Floats, counts: Ints) -> Floats:
    """The weighted median of each row's values."""
    order = np.lexsort((values, row))
    below = np.cumsum(counts[order])
    total = np.bincount(row, counts, minlength=rows)
    before = np.r_[0, below][np.searchsorted(row, np.arange(rows))] if len(row) else np.zeros(rows)
    if not len(row):
        return np.zeros(rows)
    place = np.minimum(np.searchsorted(below, before + total / 2), len(row) - 1)
    return np.where(total > 0, values[order][place], 0.0)
