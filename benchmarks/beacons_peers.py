"""Two other ways to rank beacons, over the same sketches: RITA's published score, and the coefficient of variation.

RITA (version 5) averages four scores between 0 and 1: of intervals and of bytes (each the mean of one less the size of
Bowley's skew and of one less the median absolute deviation over the median), of duration (the share of the whole
time, or the longest run of hours over twelve, whichever is more) and of its histogram over the hours (one less the
coefficient of variation). Its list then weighs prevalence: 0.15 more where at most 2 % of hosts reach a destination,
0.15 less where at least half do. Written from that description; it scores pairs with 4 connections or more. The
histogram is taken from a sample of 256 times a pair.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.beacon.bins import Floats, Ints, middle
from vizsla.beacon.contacts import TENTHS
from vizsla.beacon.regular import quantile, weighted_median
from vizsla.beacon.sketch import lists, unpacked

LEAST = 4
IDEAL_HOURS = 12
LITTLE, MUCH, MODIFIER = 0.02, 0.5, 0.15


def rita(pairs: pa.Table, hosts: Ints, of_hosts: int) -> tuple[Floats, Floats]:
    """RITA's beacon score of each pair, without and with prevalence; -1 where there are too few connections."""
    rows = len(pairs)
    intervals, data = _robust(pairs["gaps"]), _robust(pairs["sizes"])
    first, last = pairs["first"].to_numpy(), pairs["last"].to_numpy()
    whole = max(1, int(last.max(initial=1) - first.min(initial=0)))
    offsets, times = lists(pairs["times"])
    row = np.repeat(np.arange(rows), np.diff(offsets))
    hour = times // (3600 * TENTHS)
    run = _longest_run(rows, row, hour)
    duration = np.clip(np.maximum((last - first) / whole, run / IDEAL_HOURS), 0, 1)
    day = np.zeros((rows, 24))
    np.add.at(day, (row, hour % 24), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        histogram = np.clip(1 - np.nan_to_num(day.std(axis=1) / day.mean(axis=1)), 0, 1)
    score = (intervals + data + duration + histogram) / 4
    enough = pairs["visits"].to_numpy() >= LEAST
    share = hosts / of_hosts
    more = np.where(share <= LITTLE, MODIFIER, np.where(share >= MUCH, -MODIFIER, 0.0))
    return np.where(enough, score, -1.0), np.where(enough, score + more, -1.0)


def variation(pairs: pa.Table) -> Floats:
    """Minus the coefficient of variation of the intervals: the steadiest are highest; -inf with too few."""
    rows = len(pairs)
    row, bins, counts = unpacked(pairs["gaps"])
    value = middle(bins)
    total = np.maximum(np.bincount(row, counts, minlength=rows), 1)
    mean = np.bincount(row, counts * value, minlength=rows) / total
    square = np.bincount(row, counts * value**2, minlength=rows) / total
    with np.errstate(divide="ignore", invalid="ignore"):
        found = -np.sqrt(np.maximum(square - mean**2, 0)) / mean
    return np.where(pairs["visits"].to_numpy() >= LEAST, np.nan_to_num(found, nan=-np.inf), -np.inf)


def _robust(column: pa.ChunkedArray) -> Floats:
    """The mean of the scores of skew and of deviation, of each row's histogram."""
    rows = len(column)
    row, bins, counts = unpacked(column)
    low, half, high = (quantile(rows, row, bins, counts, q) for q in (0.25, 0.5, 0.75))
    with np.errstate(divide="ignore", invalid="ignore"):
        skew = np.where((high > low) & (half > low) & (half < high), (low + high - 2 * half) / (high - low), 0.0)
        deviation = weighted_median(rows, row, np.abs(middle(bins) - half[row]), counts)
        steady = np.where(half >= 1, np.maximum(half - deviation, 0) / half, 0.0)
    return (1 - np.abs(skew) + steady) / 2


def _longest_run(rows: int, row: Ints, hour: Ints) -> Ints:
    """Of each row the longest run of hours in sequence."""
    key = np.unique(row * (1 << 32) + hour)
    begin = np.flatnonzero(np.r_[True, np.diff(key) != 1]) if len(key) else np.zeros(0, np.int64)
    lengths = np.diff(np.r_[begin, len(key)])
    longest: npt.NDArray[np.int64] = np.zeros(rows, np.int64)
    np.maximum.at(longest, key[begin] >> 32, lengths)
    return longest
