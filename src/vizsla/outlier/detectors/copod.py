"""COPOD: tails of the empirical copula (Li, Zhao, Botta, Ionescu and Hu 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vizsla.outlier.detector import Floats, Summed
from vizsla.outlier.detectors._tails import Tails


@dataclass(frozen=True, slots=True)
class Copod:
    """By column, the larger of -ln of the skewed side's tail share and of the mean of both sides'; summed."""

    name: ClassVar[str] = "copod"
    doc: ClassVar[str] = "Tails of the empirical copula, corrected for skewness"

    def fit(self, rows: Floats, seed: int) -> _Fitted:
        """Sorts every column."""
        return _Fitted(Tails.of(rows))


@dataclass(frozen=True, slots=True)
class _Fitted(Summed):
    tails: Tails

    def parts(self, rows: Floats) -> Floats:
        """What each column adds."""
        left, right = self.tails.left(rows), self.tails.right(rows)
        sign = np.sign(self.tails.skewness)
        skewed = np.where(sign < 0, left, np.where(sign > 0, right, left + right))
        chosen: Floats = np.maximum(skewed, (left + right) / 2)
        return chosen


DETECTOR = Copod
