"""How far out in its column's empirical distribution each value lies: the ground of ECOD and COPOD."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vizsla.outlier.detector import Floats


@dataclass(frozen=True, slots=True)
class Tails:
    """Every column's training values, sorted, and its skewness."""

    ordered: Floats  # (n, d)
    skewness: Floats  # (d,)

    @classmethod
    def of(cls, rows: Floats) -> Tails:
        """The training rows by column."""
        away = rows - rows.mean(axis=0)
        spread = np.sqrt((away**2).mean(axis=0))
        skewness = (away**3).mean(axis=0) / np.maximum(spread, 1e-300) ** 3
        return cls(np.sort(rows, axis=0), np.where(spread > 0, skewness, 0.0))

    def left(self, rows: Floats) -> Floats:
        """-ln of the share of training values at most as high, by column: (n, d)."""
        return self._share("right", rows)

    def right(self, rows: Floats) -> Floats:
        """-ln of the share of training values at least as high."""
        return self._share("left", rows)

    def _share(self, side: str, rows: Floats) -> Floats:
        n, found = len(self.ordered), np.empty(rows.shape)
        for j in range(rows.shape[1]):
            place = np.searchsorted(self.ordered[:, j], rows[:, j], side=side)  # type: ignore[call-overload]
            count = place if side == "right" else n - place
            # A value beyond all others is one of n + 1, as its own copy among the training rows would be one of n.
            found[:, j] = -np.log(np.where(count > 0, count / n, 1 / (n + 1)))
        return found
