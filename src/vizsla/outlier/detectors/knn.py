"""Distance to the nearest neighbours (Ramaswamy, Rastogi and Shim 2000; the mean of them as Angiulli and Pizzuti)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vizsla.outlier.detector import Floats, chunks, distances, drawn


@dataclass(frozen=True, slots=True)
class Knn:
    """The mean distance to the k nearest training rows; of a larger matrix a sample is searched."""

    name: ClassVar[str] = "knn"
    doc: ClassVar[str] = "Mean distance to the nearest rows"
    k: int = 10
    most: int = 10_000

    def fit(self, rows: Floats, seed: int) -> Nearest:
        """Remembers the rows."""
        return Nearest(rows[drawn(len(rows), self.most, seed)], self.k)


@dataclass(frozen=True, slots=True)
class Nearest:
    """The rows that are searched."""

    known: Floats
    k: int

    def score(self, rows: Floats) -> Floats:
        """The mean distance to the k nearest, but for one row of equal values, which may be the row itself."""
        scores: Floats = self.near(rows).mean(axis=1)
        return scores

    def near(self, rows: Floats) -> Floats:
        """Distances to the k nearest, ascending, less one that is 0: (n, d) to (n, k)."""
        k = min(self.k, max(1, len(self.known) - 1))
        found = np.empty((len(rows), k))
        for part in chunks(len(rows), len(self.known)):
            far = distances(rows[part], self.known)
            nearest = np.sort(np.partition(far, min(k, far.shape[1] - 1), axis=1)[:, : k + 1], axis=1)
            itself = (nearest[:, 0] == 0) & (nearest.shape[1] > k)
            found[part] = np.where(itself[:, None], nearest[:, -k:], nearest[:, :k])
        return found


DETECTOR = Knn
