"""Distance to the nearest large cluster, as CBLOF has it (He, Xu and Deng 2003), without weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vizsla.outlier.detector import Floats, chunks, distances, drawn


@dataclass(frozen=True, slots=True)
class Clusters:
    """Distance to the centre of the nearest cluster that holds at least a share of the rows (k-means)."""

    name: ClassVar[str] = "clusters"
    doc: ClassVar[str] = "Distance to the nearest large cluster (k-means)"
    k: int = 8
    share: float = 0.02
    most: int = 20_000

    def fit(self, rows: Floats, seed: int) -> _Fitted:
        """Centres of the clusters that are large enough."""
        from sklearn.cluster import KMeans

        known = rows[drawn(len(rows), self.most, seed)]
        k = min(self.k, len(np.unique(known, axis=0)))
        found = KMeans(k, n_init=3, random_state=seed).fit(known)
        sizes = np.bincount(found.labels_, minlength=k)
        large = sizes >= min(self.share * len(known), sizes.max())
        return _Fitted(found.cluster_centers_[large])


@dataclass(frozen=True, slots=True)
class _Fitted:
    centres: Floats

    def score(self, rows: Floats) -> Floats:
        """Distance to the nearest centre."""
        far = np.empty(len(rows))
        for part in chunks(len(rows), len(self.centres)):
            far[part] = distances(rows[part], self.centres).min(axis=1)
        return far


DETECTOR = Clusters
