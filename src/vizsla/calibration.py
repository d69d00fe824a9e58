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


def e_value(p: Floats) -> Floats:
    """e = (1 - p + p ln p) / (p (ln p)^2), for p in (0, 1]; its limit at p = 1 is 1/2.

    Near 1 the quotient is 0/0: there its series in (1 - p), 1/2 - (1 - p)/... , is within 1e-6 of 1/2.
    """
    p = np.asarray(p, dtype=np.float64)
    if p.size and (np.nanmin(p) <= 0 or np.nanmax(p) > 1):
        raise ValueError("p-values lie in (0, 1]")
    safe = np.minimum(p, 1 - 1e-6)
    log = np.log(safe)
    e = (1 - safe + safe * log) / (safe * log * log)
    return np.where(p > 1 - 1e-6, 0.5, e)


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
        at_least = n - np.arange(n, dtype=np.float64)
        if n > EXACT + GRID:
            low = np.unique(np.linspace(0, n - EXACT - 1, GRID).astype(np.int64))
            kept = np.concatenate([low, np.arange(n - EXACT, n)])
            ordered, at_least = ordered[kept], at_least[kept]
        first = np.r_[True, ordered[1:] > ordered[:-1]] if len(ordered) else np.zeros(0, dtype=bool)
        return cls(ordered[first], at_least[first], n)

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
        return float(self.scores[np.searchsorted(-self.at_least, -EXACT)])

    def p(self, values: Floats) -> Floats:
        """(1 + exceedances) / (1 + n): in (0, 1], never below its floor 1 / (n + 1)."""
        return (1.0 + self.exceedances(values)) / (1.0 + self.n)

    def merged(self, other: Tail) -> Tail:
        """Both tables as one; exact where both are, never too small elsewhere."""
        scores = np.union1d(self.scores, other.scores)
        at_least = self.exceedances(scores) + other.exceedances(scores)
        return Tail(scores, at_least, self.n + other.n)


def pooled_e(own_p: Floats, own_n: Floats, pool_p: Floats, half: float = 200.0) -> Floats:
    """A rare type borrows from the pool by averaging e-values, weighted n : half. An average of e-values is one."""
    weight = own_n / (own_n + half)
    return weight * e_value(own_p) + (1 - weight) * e_value(pool_p)
