"""From raw scores to p-values, e-values and bits: pure functions over numpy arrays.

A p-value is the share of reference scores at least as high, stated with its floor: (1 + exceedances) / (1 + n).
An e-value is what that p-value is worth as a bet against 'this is usual' (Vovk & Wang 2021, 'E-values: calibration,
combination and applications', the calibrator that averages over all betting exponents); bits are its logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
EXACT = 4096  # the highest reference scores kept one by one
GRID = 1024  # quantiles kept of the scores below
NEAR_ONE = 1e-3  # -ln p below which e is summed as a series: what is left out is below 1e-14


def e_value(p: Floats) -> Floats:
    """e = (1 - p + p ln p) / (p (ln p)^2), for p in (0, 1]; its limit at p = 1 is 1/2.

    With L = -ln p that is (e^L - 1 - L) / L^2: near p = 1 a quotient of 0/0, there summed as its series.
    """
    p = np.asarray(p, dtype=np.float64)
    if p.size and (np.nanmin(p) <= 0 or np.nanmax(p) > 1):
        raise ValueError("p-values lie in (0, 1]")
    log = -np.log(p)
    near = log < NEAR_ONE
    away = np.where(near, 1.0, log)
    e = (np.expm1(away) - away) / (away * away)
    return np.where(near, 0.5 + log / 6 + log**2 / 24 + log**3 / 120, e)


def bits(e: Floats) -> Floats:
    """log2 of an e-value: one bit doubles the odds against 'this is usual'."""
    return np.log2(np.asarray(e, dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Tail:
    """Reference scores as a step table: `at_least[i]` of `n` scores were at least `scores[i]` (ascending).

    The highest EXACT scores are kept one by one, GRID quantiles of the rest: what is lost is precision where
    nothing is surprising. Between grid points the larger count holds, so a p-value is never too small.
    """

    scores: Floats
    at_least: Floats
    n: int

    @classmethod
    def of(cls, values: Floats) -> Tail:
        """The table of `values` (any order; may be empty)."""
        ordered = np.sort(np.asarray(values, dtype=np.float64))
        n = len(ordered)
        kept = np.arange(n)
        if n > EXACT + GRID:
            low = np.unique(np.linspace(0, n - EXACT - 1, GRID).astype(np.int64))
            kept = np.concatenate([low, np.arange(n - EXACT, n)])
        scores = np.unique(ordered[kept])
        # Counted among all: of equal scores the lowest may not have been kept.
        return cls(scores, (n - np.searchsorted(ordered, scores, side="left")).astype(np.float64), n)

    def exceedances(self, values: Floats) -> Floats:
        """How many reference scores are at least each value, rounded up to the grid."""
        values = np.asarray(values, dtype=np.float64)
        if not len(self.scores):
            return np.zeros(len(values))
        # A value between two entries is exceeded by no more than those at least the entry below it.
        exact = np.searchsorted(self.scores, values, side="left")
        hit = (exact < len(self.scores)) & (self.scores[np.minimum(exact, len(self.scores) - 1)] == values)
        below = np.maximum(exact - 1, 0)
        counts = np.where(hit, self.at_least[np.minimum(exact, len(self.scores) - 1)], self.at_least[below])
        counts = np.where(~hit & (exact == 0), float(self.n), counts)
        dense = self._dense()
        above = np.where(exact < len(self.scores), self.at_least[np.minimum(exact, len(self.scores) - 1)], 0.0)
        return np.where(~hit & (values > dense), above, counts)

    def _dense(self) -> float:
        """Above this score every reference score is in the table."""
        if self.n <= EXACT + GRID or not len(self.scores):
            return -np.inf
        return float(self.scores[np.searchsorted(-self.at_least, -EXACT, side="right") - 1])

    def p(self, values: Floats) -> Floats:
        """(1 + exceedances) / (1 + n): in (0, 1], never below its floor 1 / (n + 1)."""
        return (1.0 + self.exceedances(values)) / (1.0 + self.n)

    def merged(self, other: Tail) -> Tail:
        """Both tables as one; exact for the EXACT highest scores of both together, never too small elsewhere."""
        scores = np.union1d(self.scores, other.scores)
        at_least = self.exceedances(scores) + other.exceedances(scores)
        return Tail(scores, at_least, self.n + other.n)


def pooled_e(own_p: Floats, own_n: Floats, pool_p: Floats, half: float = 200.0) -> Floats:
    """A rare type borrows from the pool by averaging e-values, weighted n : half. An average of e-values is one."""
    weight = own_n / (own_n + half)
    return weight * e_value(own_p) + (1 - weight) * e_value(pool_p)
