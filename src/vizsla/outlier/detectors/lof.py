"""Local outlier factor: how much thinner it is around a row than around its neighbours (Breunig et al. 2000)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vizsla.outlier.detector import Floats, Ints, chunks, distances, drawn

LEAST = 1e-10  # added to reach distances, so that many equal rows do not divide by zero; as scikit-learn does


@dataclass(frozen=True, slots=True)
class Lof:
    """The neighbours' local density over the row's own; of a larger matrix a sample is searched."""

    name: ClassVar[str] = "lof"
    doc: ClassVar[str] = "Local outlier factor: how much thinner it is here than around the nearest rows"
    k: int = 20
    most: int = 10_000

    def fit(self, rows: Floats, seed: int) -> _Fitted:
        """The known rows' distances to their k-th neighbour, and densities."""
        known = rows[drawn(len(rows), self.most, seed)]
        k = max(1, min(self.k, len(known) - 1))
        far, near = neighbours(known, known, k)
        reach = np.maximum(far, far[near, -1])
        return _Fitted(known, far[:, -1], 1.0 / (reach.mean(axis=1) + LEAST), k)


@dataclass(frozen=True, slots=True)
class _Fitted:
    known: Floats
    kth: Floats  # distance of each known row to its k-th neighbour
    density: Floats
    k: int

    def score(self, rows: Floats) -> Floats:
        """1 where it is as dense as around the neighbours, more where it is thinner."""
        far, near = neighbours(rows, self.known, self.k)
        density = 1.0 / (np.maximum(far, self.kth[near]).mean(axis=1) + LEAST)
        scores: Floats = self.density[near].mean(axis=1) / density
        return scores


def neighbours(rows: Floats, known: Floats, k: int) -> tuple[Floats, Ints]:
    """Distances to the k nearest known rows and which they are, ascending; one row at distance 0 is left out."""
    far, near = np.empty((len(rows), k)), np.empty((len(rows), k), np.int64)
    for part in chunks(len(rows), len(known)):
        all_far = distances(rows[part], known)
        some = min(k + 1, all_far.shape[1])
        which = np.argpartition(all_far, some - 1, axis=1)[:, :some]
        which = np.take_along_axis(which, np.argsort(np.take_along_axis(all_far, which, 1), axis=1, kind="stable"), 1)
        ordered = np.take_along_axis(all_far, which, 1)
        itself = ((ordered[:, 0] == 0) & (some > k))[:, None]
        far[part] = np.where(itself, ordered[:, -k:], ordered[:, :k])
        near[part] = np.where(itself, which[:, -k:], which[:, :k])
    return far, near


DETECTOR = Lof
