"""Extended isolation forest: cuts across two columns at a time (Hariri, Kind and Brunner 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vizsla.outlier.detector import Floats
from vizsla.outlier.detectors import _forest


@dataclass(frozen=True, slots=True)
class ExtendedForest:
    """As isolation forest, but a cut goes across two columns at a random slope, so that corners between two heaps
    of rows are not taken for usual. Scale matters to it: it wants columns of like spread."""

    name: ClassVar[str] = "extended_forest"
    doc: ClassVar[str] = "Isolation forest whose cuts go across two columns at once"
    trees: int = 200
    sample: int = 256

    def fit(self, rows: Floats, seed: int) -> _forest.Forest:
        """The trees, grown on samples of the rows."""
        return _forest.fit(rows, self.trees, self.sample, across=True, seed=seed)


DETECTOR = ExtendedForest
