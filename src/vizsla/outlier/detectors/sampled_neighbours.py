"""Distance to the nearest row of many small samples (LeSiNN: Pang, Ting and Albrecht 2015)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vizsla.outlier.detector import Floats, chunks, distances


@dataclass(frozen=True, slots=True)
class SampledNeighbours:
    """The mean, over many small samples of the rows, of the distance to a sample's nearest row.

    Outliers that lie close together do not hide one another, since few of them come into one sample; and scoring
    costs the same however many rows there were.
    """

    name: ClassVar[str] = "sampled_neighbours"
    doc: ClassVar[str] = "Mean distance to the nearest row of many small samples"
    samples: int = 100
    size: int = 32

    def fit(self, rows: Floats, seed: int) -> _Fitted:
        """Draws the samples."""
        chance = np.random.default_rng(seed)
        size = min(self.size, max(2, len(rows) // 2), len(rows))
        return _Fitted(rows[np.array([chance.choice(len(rows), size, replace=False) for _ in range(self.samples)])])


@dataclass(frozen=True, slots=True)
class _Fitted:
    known: Floats  # (samples, size, d)

    def score(self, rows: Floats) -> Floats:
        """The mean of the distances; in a sample that holds the row itself, the next nearest."""
        samples, size, d = self.known.shape
        flat = self.known.reshape(-1, d)
        scores = np.empty(len(rows))
        for part in chunks(len(rows), 2 * len(flat)):
            far = distances(rows[part], flat).reshape(-1, samples, size)
            nearest = far.min(axis=2)
            row, sample = np.nonzero(nearest == 0)
            if len(row):
                nearest[row, sample] = np.partition(far[row, sample], 1, axis=1)[:, 1]
            scores[part] = nearest.mean(axis=1)
        return scores


DETECTOR = SampledNeighbours
