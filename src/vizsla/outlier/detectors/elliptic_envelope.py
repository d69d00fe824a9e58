"""Robust Mahalanobis distance: from the centre of the densest half (minimum covariance determinant, Rousseeuw 1999)."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vizsla.outlier.detector import Floats, drawn

RIDGE = 1e-6  # of the largest eigenvalue: directions in which the half does not vary stay finite
LEAST_ROWS = 3  # rows a column, below which the determinant of a half is none: then all rows, shrunk


@dataclass(frozen=True, slots=True)
class EllipticEnvelope:
    """Squared distance from the centre of the densest half of the rows, in units of that half's covariance."""

    name: ClassVar[str] = "elliptic_envelope"
    doc: ClassVar[str] = "Robust Mahalanobis distance from the densest half of the rows"
    most: int = 5_000

    def fit(self, rows: Floats, seed: int) -> Ellipse:
        """Centre and covariance of the densest half; of all rows, shrunk, where there are few rows a column."""
        from sklearn.covariance import LedoitWolf, MinCovDet

        known = rows[drawn(len(rows), self.most, seed)]
        found = LedoitWolf().fit(known)
        if len(known) >= LEAST_ROWS * known.shape[1]:
            with warnings.catch_warnings():
                # It warns where the half lies in a plane, which RIDGE answers, and fails where it is one point: then
                # the ellipse of all rows is the best there is.
                warnings.simplefilter("ignore")
                with contextlib.suppress(ValueError):
                    found = MinCovDet(random_state=seed).fit(known)
        return Ellipse.of(found.location_, found.covariance_)


@dataclass(frozen=True, slots=True)
class Ellipse:
    """A centre, and the matrix that makes the covariance round."""

    centre: Floats
    whitened: Floats  # (d, d)

    @classmethod
    def of(cls, centre: Floats, covariance: Floats) -> Ellipse:
        """The ellipse of a covariance matrix, which may be singular."""
        values, vectors = np.linalg.eigh(covariance)
        least = max(float(values[-1]) * RIDGE, 1e-12)
        return cls(centre, vectors / np.sqrt(np.maximum(values, least)))

    def score(self, rows: Floats) -> Floats:
        """Squared Mahalanobis distances."""
        away = (rows - self.centre) @ self.whitened
        scores: Floats = (away * away).sum(axis=1)
        return scores


DETECTOR = EllipticEnvelope
