"""The default: six detectors of different families, each calibrated to bits against the training rows, combined.

Chosen by principle, not by labels: cuts along columns and across them, distance to the nearest rows and to small
samples of all, distance from the densest half, and every column by itself. Each errs where another does not.

Raw scores of different detectors have nothing in common, so each is first held against its own scores of the
training rows: bits = -log2 of the share at least as high. A row's score is then the mean, over all pairs of detectors,
of the higher one's bits ('average of maximum', Aggarwal and Sathe 2015): what two see counts nearly in full, what one
alone sees counts, and what one alone is blind to costs little. With six detectors the highest weighs 5/15, the next
4/15, and so on; the lowest weighs nothing. Nothing here needs to know how many outliers there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vizsla.outlier.detector import Detector, Fitted, Floats
from vizsla.outlier.detectors.elliptic_envelope import EllipticEnvelope
from vizsla.outlier.detectors.extended_forest import ExtendedForest
from vizsla.outlier.detectors.histogram import Histogram
from vizsla.outlier.detectors.isolation_forest import IsolationForest
from vizsla.outlier.detectors.knn import Knn
from vizsla.outlier.detectors.sampled_neighbours import SampledNeighbours

MEMBERS: tuple[tuple[Detector, bool], ...] = (
    (IsolationForest(), False),
    (ExtendedForest(), True),  # cuts across columns want heavy tails drawn in
    (Knn(), False),
    (SampledNeighbours(), False),
    (EllipticEnvelope(), False),
    (Histogram(), False),
)

SAME = 1e-9  # of a score: what rounding may differ by


@dataclass(frozen=True, slots=True)
class Auto:
    """Isolation forest, extended forest, nearest neighbours, sampled neighbours, robust ellipse and histograms."""

    name: ClassVar[str] = "auto"
    doc: ClassVar[str] = "Six detectors of different families, each calibrated to bits, combined"

    def fit(self, rows: Floats, seed: int) -> Combined:
        """All members, and how they score the training rows."""
        tails = DrawnIn.of(rows)
        drawn_in = tails(rows)
        members = []
        for member, bent in MEMBERS:
            given = drawn_in if bent else rows
            fitted = member.fit(given, seed)
            members.append((fitted, bent, Calibration.of(fitted.score(given))))
        return Combined(tails, tuple(members))


@dataclass(frozen=True, slots=True)
class DrawnIn:
    """asinh of what is centred by the median and scaled by the middle half: heavy tails become short ones."""

    middle: Floats
    scale: Floats

    @classmethod
    def of(cls, rows: Floats) -> DrawnIn:
        """By the training rows; by the middle nine tenths, or all, where the middle half is all alike."""
        low, first, middle, third, high = np.quantile(rows, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
        scale = np.where(third > first, (third - first) / 1.349, (high - low) / 3.29)
        scale = np.where(scale > 0, scale, rows.std(axis=0))
        return cls(middle, np.where(scale > 0, scale, 1.0))

    def __call__(self, rows: Floats) -> Floats:
        drawn: Floats = np.arcsinh((rows - self.middle) / self.scale)
        return drawn


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a detector's scores are worth, by its scores of the training rows: knots, between which it is interpolated.

    Scores that differ by rounding alone are one knot, so that no last digit decides a rank.
    """

    scores: Floats  # ascending, all different
    worth: Floats  # bits
    reach: float  # how far the highest is from the median

    @classmethod
    def of(cls, scores: Floats) -> Calibration:
        """Of the training rows' scores, in any order."""
        ordered = np.sort(scores)
        n, most, middle = len(ordered), float(ordered[-1]), float(ordered[len(ordered) // 2])
        reach = max(most - middle, 1e-12 * max(1.0, abs(most)))
        near = SAME * np.maximum(np.abs(ordered[1:]), reach)
        first = np.concatenate([[True], np.diff(ordered) > near])
        starts = np.flatnonzero(first)
        ends = np.concatenate([starts[1:], [n]])
        share = 1.0 - (starts + ends + 1) / (2.0 * (n + 1))  # at least as high, ties by half
        return cls(ordered[starts], -np.log2(share), reach)

    def bits(self, scores: Floats) -> Floats:
        """-log2 of the share of training rows that score at least as high, ties by half.

        Above all of them the order is kept: by how far above, in units of how far the highest is from the median.
        """
        above = np.maximum(scores - self.scores[-1], 0.0) / self.reach
        found: Floats = np.interp(scores, self.scores, self.worth) + np.log1p(above)
        return found


@dataclass(frozen=True, slots=True)
class Combined:
    """The members with their calibrations; `bent`: which are given the drawn-in columns."""

    tails: DrawnIn
    members: tuple[tuple[Fitted, bool, Calibration], ...]

    def each(self, rows: Floats) -> Floats:
        """Every member's bits: (members, n)."""
        drawn_in = self.tails(rows)
        return np.array([c.bits(fitted.score(drawn_in if bent else rows)) for fitted, bent, c in self.members])

    def score(self, rows: Floats) -> Floats:
        """The mean over all pairs of members of the higher one's bits."""
        bits = np.sort(self.each(rows), axis=0)
        weights = np.arange(len(bits), dtype=np.float64)
        scores: Floats = weights @ bits / weights.sum()
        return scores


DETECTOR = Auto
