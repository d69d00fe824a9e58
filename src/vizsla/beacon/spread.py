"""How alike the intervals of a pair with few visits are while its host is on: a test that a dozen of them suffice for.

Silence. A computer that is off calls nobody. An interval over hours in which its host reached nobody else tells of the
host, not of the pair, and is left out; the host's hours are those of all its pairs together.

Spread. Chance is granted intervals that spread by a factor of e (as `regular.chance`): their logarithms' squares about
the mean then sum to a chi-square of m - 1 degrees, sigma one. The p-value is its lower tail for the m of n intervals
that lie closest together, times the number of ways to choose m of n, and times 2 ** (n - m + 1), so that looking at
every n - m up to a third costs no more than one bit. Lost visits and breaks are thus paid for, each by its number of
ways. One sum of squares takes the place of all the windows that `regular.windows` must pay for, which is what few
intervals cannot afford.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from vizsla.beacon.bins import Floats, Ints
from vizsla.beacon.contacts import TENTHS
from vizsla.beacon.regular import LEAST, LN2, SHORTEST, SPREAD, Regularity
from vizsla.beacon.sketch import HOUR, lists
from vizsla.beacon.weigh import REGULAR

FEW = 64  # visits at most: more are told by windows, and their intervals are many to sort
SILENT = 2  # whole hours without a visit of the host's from which on it may have been off
ON = 0.5  # share of those hours in which the host was heard, from which on it was on
FINE = 0.01  # logarithms that differ by less are not told apart
AT_ONCE = 100_000  # rows


@dataclass(frozen=True, slots=True)
class Spread:
    """Per row. `bits`: -log2 p; `period` in tenths of a second, `jitter` and `share` as in `regular.Regularity`."""

    bits: Floats
    period: Floats
    jitter: Floats
    share: Floats


def few_visits(found: Regularity, visits: Ints, times: pa.ChunkedArray, source: Ints, hours: Ints) -> Regularity:
    """Regularity, told by spread where this says more of pairs with FEW visits; `source`, `hours`: of `hours_on`."""
    open_ = np.flatnonzero((found.bits < REGULAR) & (visits <= FEW))  # of these, `times` holds all
    bits, period, jitter, share = (a.copy() for a in (found.bits, found.period, found.jitter, found.share))
    for begin in range(0, len(open_), AT_ONCE):
        rows = open_[begin : begin + AT_ONCE]
        row, gaps = waking(source[rows], times.take(pa.array(rows)), hours)
        told = spread(len(rows), row, gaps)
        better = np.flatnonzero(told.bits - 1.0 > bits[rows])  # one bit for having looked in two ways
        own = rows[better]
        bits[own], period[own] = told.bits[better] - 1.0, told.period[better] / TENTHS
        jitter[own], share[own] = told.jitter[better], told.share[better]
    return replace(found, bits=bits, period=period, jitter=jitter, share=share)


def hours_on(source: Ints, times: pa.ChunkedArray) -> Ints:
    """The hours in which each source (a code per row) was heard, as ascending source << 32 | hour."""
    parts = [np.zeros(0, np.int64)]
    for begin in range(0, len(source), AT_ONCE):
        offsets, at = lists(times[begin : begin + AT_ONCE])
        own = np.repeat(source[begin : begin + AT_ONCE], np.diff(offsets))
        parts.append(np.unique(own << 32 | at // HOUR))
    return np.unique(np.concatenate(parts))


def waking(source: Ints, times: pa.ChunkedArray, hours: Ints) -> tuple[Ints, Ints]:
    """Intervals between the times of each row, but those over their source's silence: (row, tenths of a second)."""
    offsets, at = lists(times)
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    inside = np.flatnonzero(row[1:] == row[:-1])
    row, begin, end = row[inside], at[inside], at[inside + 1]
    own = source[row] << 32
    between = end // HOUR - begin // HOUR - 1
    heard = np.searchsorted(hours, own | end // HOUR) - np.searchsorted(hours, own | begin // HOUR, side="right")
    on = (between < SILENT) | (heard >= ON * between)
    return row[on], (end - begin)[on]


def spread(rows: int, row: Ints, gaps: Ints) -> Spread:
    """The test of each row's intervals (tenths of a second, by row); bits are 0 where they are fewer than LEAST."""
    found = Spread(*(np.zeros(rows) for _ in range(4)))
    order = np.lexsort((gaps, row))
    row, gaps = row[order], gaps[order]
    count = np.bincount(row, minlength=rows)
    begins = np.cumsum(count) - count
    for n in np.unique(count[count >= LEAST]):
        chosen = np.flatnonzero(count == n)
        _alike(found, chosen, gaps[begins[chosen][:, None] + np.arange(n)].astype(np.float64))
    return found


def _alike(found: Spread, rows: Ints, gaps: Floats) -> None:
    """Fills in the rows, of which `gaps` holds as many intervals each, ascending."""
    from scipy.special import gammainc, gammaln

    of = gaps.shape[1]
    logs = np.log(np.maximum(gaps, 1.0))
    logs -= logs[:, of // 2, None]  # about their middle, lest squares of large numbers be subtracted
    one, two = (np.pad(np.cumsum(logs**power, axis=1), ((0, 0), (1, 0))) for power in (1, 2))
    first, kept = np.zeros(len(rows), np.int64), np.full(len(rows), of)
    for m in range(of, max(LEAST, of - of // 3) - 1, -1):
        squares = two[:, m:] - two[:, :-m] - (one[:, m:] - one[:, :-m]) ** 2 / m
        squares = np.where(gaps[:, : of - m + 1] >= SHORTEST, squares, np.inf)  # a stream has no period
        place = squares.argmin(axis=1)
        least = np.maximum(squares[np.arange(len(rows)), place], (m - 1) * FINE**2)
        tail = np.maximum(gammainc((m - 1) / 2, least / (2 * SPREAD**2)), 1e-300)
        ways = (gammaln(of + 1) - gammaln(m + 1) - gammaln(of - m + 1)) / LN2
        bits = -np.log2(tail) - ways - (of - m + 1)
        better = bits > found.bits[rows]
        found.bits[rows[better]], first[better], kept[better] = bits[better], place[better], m
    low, middle, high = (_quantile(gaps, first, kept, share) for share in (0.1, 0.5, 0.9))
    found.period[rows] = middle
    found.jitter[rows] = (high - low) / (2 * np.maximum(middle, 1.0))
    found.share[rows] = kept / of


def _quantile(gaps: Floats, first: Ints, kept: Ints, share: float) -> Floats:
    """The quantile of each row's intervals, `kept` of them from `first` on."""
    place = first + share * (kept - 1)
    low = np.floor(place).astype(np.int64)
    high = np.minimum(low + 1, first + kept - 1)
    row = np.arange(len(gaps))
    found: Floats = gaps[row, low] + (place - low) * (gaps[row, high] - gaps[row, low])
    return found
