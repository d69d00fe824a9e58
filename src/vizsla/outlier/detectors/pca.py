"""Principal components: rows that lie off the directions in which the others vary (Shyu et al. 2003)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vizsla.outlier.detector import Floats

RIDGE = 1e-6  # of the largest variance: below, a direction holds nothing but rounding errors


@dataclass(frozen=True, slots=True)
class Pca:
    """The sum over all components of the squared score over the component's variance, minor components among them."""

    name: ClassVar[str] = "pca"
    doc: ClassVar[str] = "Distance along principal components, each in units of its variance"

    def fit(self, rows: Floats, seed: int) -> _Fitted:
        """Centre, components and their variances; those without variance are left out."""
        centre = rows.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(rows - centre, rowvar=False).reshape(rows.shape[1], rows.shape[1]))
        kept = values > max(float(values[-1]) * RIDGE, 1e-12)
        if not kept.any():
            return _Fitted(centre, np.zeros((rows.shape[1], 1)))
        return _Fitted(centre, vectors[:, kept] / np.sqrt(values[kept]))


@dataclass(frozen=True, slots=True)
class _Fitted:
    centre: Floats
    whitened: Floats

    def score(self, rows: Floats) -> Floats:
        """The sum of squared standardised components."""
        away = (rows - self.centre) @ self.whitened
        scores: Floats = (away * away).sum(axis=1)
        return scores


DETECTOR = Pca
