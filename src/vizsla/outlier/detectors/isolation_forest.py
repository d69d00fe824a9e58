"""Isolation forest: outliers are parted from the rest by few random cuts (Liu, Ting and Zhou 2008)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vizsla.outlier.detector import Floats
from vizsla.outlier.detectors import _forest


@dataclass(frozen=True, slots=True)
class IsolationForest:
    """Cuts along single columns, in trees grown on small samples. Scale of the columns does not matter to it."""

    name: ClassVar[str] = "isolation_forest"
    doc: ClassVar[str] = "Rows that few random cuts along single columns part from the rest"
    trees: int = 300
    sample: int = 256

    def fit(self, rows: Floats, seed: int) -> _forest.Forest:
        """The trees, grown on samples of the rows."""
        return _forest.fit(rows, self.trees, self.sample, across=False, seed=seed)


DETECTOR = IsolationForest
