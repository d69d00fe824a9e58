"""ECOD: the tails of every column's empirical distribution (Li, Zhao, Hu, Botta, Ionescu and Chen 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vizsla.outlier.detector import Floats, Summed
from vizsla.outlier.detectors._tails import Tails


@dataclass(frozen=True, slots=True)
class Ecod:
    """-ln of tail shares, summed over columns: the left ones, the right ones, or by each column's skewness.

    The largest of the three sums counts. Scored against the training rows alone, so that a row scores the same by
    itself as among others.
    """

    name: ClassVar[str] = "ecod"
    doc: ClassVar[str] = "How far out in their columns' distributions values lie: left, right or on the skewed side"

    def fit(self, rows: Floats, seed: int) -> _Fitted:
        """Sorts every column."""
        return _Fitted(Tails.of(rows))


@dataclass(frozen=True, slots=True)
class _Fitted(Summed):
    tails: Tails

    def parts(self, rows: Floats) -> Floats:
        """What each column adds to the largest of the three sums."""
        left, right = self.tails.left(rows), self.tails.right(rows)
        skewed = np.where(self.tails.skewness < 0, left, right)
        sides = np.stack([left, right, skewed])
        best = sides.sum(axis=2).argmax(axis=0)
        chosen: Floats = sides[best, np.arange(len(rows))]
        return chosen


DETECTOR = Ecod
