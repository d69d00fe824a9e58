"""One-class support vector machine (Schölkopf et al. 2001), with a Nyström approximation where there are many rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vizsla.outlier.detector import Floats, distances, drawn

NYSTROEM = 2_000  # rows from which on kernels are approximated
MOST = 20_000


@dataclass(frozen=True, slots=True)
class Ocsvm:
    """A boundary around the rows by a Gaussian kernel, whose width is the rows' own median distance.

    `nu` bounds the share of training rows outside the boundary; the ranking hardly depends on it, and it is no guess
    of how many are outliers. From 2,000 rows on the kernel is approximated by `landmarks` rows (Nyström), and the
    boundary is found by stochastic gradient descent.
    """

    name: ClassVar[str] = "ocsvm"
    doc: ClassVar[str] = "One-class support vector machine, with Nyström from 2,000 rows on"
    nu: float = 0.5
    landmarks: int = 300

    def fit(self, rows: Floats, seed: int) -> _Fitted:
        """The boundary."""
        from sklearn.kernel_approximation import Nystroem
        from sklearn.linear_model import SGDOneClassSVM
        from sklearn.svm import OneClassSVM

        few = rows[drawn(len(rows), 1_000, seed)]
        width = float(np.median(distances(few, few)[np.triu_indices(len(few), 1)])) or 1.0
        gamma = 1.0 / (2.0 * width * width)
        if len(rows) < NYSTROEM:
            return _Fitted(None, OneClassSVM(gamma=gamma, nu=self.nu).fit(rows))
        known = rows[drawn(len(rows), MOST, seed)]
        kernel = Nystroem(gamma=gamma, n_components=self.landmarks, random_state=seed).fit(known)
        boundary = SGDOneClassSVM(nu=self.nu, random_state=seed, tol=1e-6).fit(kernel.transform(known))
        return _Fitted(kernel, boundary)


@dataclass(frozen=True, slots=True)
class _Fitted:
    kernel: Any
    boundary: Any

    def score(self, rows: Floats) -> Floats:
        """How far outside the boundary."""
        given = rows if self.kernel is None else self.kernel.transform(rows)
        scores: Floats = -self.boundary.decision_function(given)
        return scores


DETECTOR = Ocsvm
