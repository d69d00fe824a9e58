"""HDBSCAN: distance to the clusters that density finds (Campello, Moulavi and Sander 2013)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vizsla.outlier.detector import Floats, drawn
from vizsla.outlier.detectors.lof import neighbours


@dataclass(frozen=True, slots=True)
class Hdbscan:
    """Distance to the nearest row of a cluster, over how far apart that cluster's rows are (their core distances).

    Clusters are found among at most `most` rows, since the search grows with the square of their number. Where
    density finds no cluster, all rows count as one.
    """

    name: ClassVar[str] = "hdbscan"
    doc: ClassVar[str] = "Distance to the clusters that density finds (HDBSCAN)"
    k: int = 10
    least: int = 0  # rows of a cluster; 0: a fiftieth of them, at least 5
    most: int = 5_000

    def fit(self, rows: Floats, seed: int) -> _Fitted:
        """The rows that belong to clusters, with their core distances and their cluster's typical one."""
        from sklearn.cluster import HDBSCAN

        known = rows[drawn(len(rows), self.most, seed)]
        least = self.least or max(5, len(known) // 50)
        label = np.full(len(known), 0)
        if len(known) > least:
            found = HDBSCAN(min_cluster_size=least, min_samples=min(self.k, len(known) - 1), copy=True).fit(known)
            label = found.labels_ if (found.labels_ >= 0).any() else label
        within, label = known[label >= 0], label[label >= 0]
        k = max(1, min(self.k, len(within) - 1))
        core = neighbours(within, within, k)[0][:, -1]
        typical = np.array([np.median(core[label == c]) for c in range(label.max() + 1)])
        floor = max(float(np.median(core)), 1e-9)
        return _Fitted(within, np.maximum(core, 0.0), np.maximum(typical, 0.1 * floor)[label], k)


@dataclass(frozen=True, slots=True)
class _Fitted:
    within: Floats
    core: Floats
    typical: Floats
    k: int

    def score(self, rows: Floats) -> Floats:
        """The least mutual reachability to the k nearest rows in clusters, over their clusters' typical distance."""
        far, near = neighbours(rows, self.within, self.k)
        reach = np.maximum(np.maximum(far, far[:, -1:]), self.core[near])
        scores: Floats = (reach / self.typical[near]).min(axis=1)
        return scores


DETECTOR = Hdbscan
