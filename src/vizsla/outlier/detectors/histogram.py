"""Histograms of every column by itself, as HBOS has them (Goldstein and Dengel 2012), as a sum of surprisals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from vizsla.outlier.detector import Floats, Summed

FEWEST, MOST = 5, 50  # bins


@dataclass(frozen=True, slots=True)
class Histogram:
    """-log2 of the share of training rows in the row's bin, summed over columns taken as independent.

    A column of few distinct values has a bin for each, others bins of equal width; half a row is added to each bin.
    """

    name: ClassVar[str] = "histogram"
    doc: ClassVar[str] = "How rare each column's value is by its histogram, summed"
    bins: int = 0  # 0: half the square root of the number of rows, from 5 to 50

    def fit(self, rows: Floats, seed: int) -> _Fitted:
        """The histograms."""
        bins = self.bins or int(np.clip(round(np.sqrt(len(rows)) / 2), FEWEST, MOST))
        return _Fitted(tuple(_column(rows[:, j], bins) for j in range(rows.shape[1])))


@dataclass(frozen=True, slots=True)
class _Column:
    """Bins by their inner edges, and what a value in each is worth; beyond the outer edges: what none is worth."""

    edges: Floats  # ascending, outer ones included
    surprisal: Floats  # one fewer
    never: float

    def of(self, values: Floats) -> Floats:
        place = np.clip(np.searchsorted(self.edges, values, side="right") - 1, 0, len(self.surprisal) - 1)
        outside = (values < self.edges[0]) | (values > self.edges[-1])
        found: Floats = np.where(outside, self.never, self.surprisal[place])
        return found


def _column(values: Floats, bins: int) -> _Column:
    distinct = np.unique(values)
    if len(distinct) <= bins:
        between = (distinct[1:] + distinct[:-1]) / 2
        edges = np.concatenate([[distinct[0]], between, [distinct[-1]]])
    else:
        edges = np.linspace(distinct[0], distinct[-1], bins + 1)
    counted, _ = np.histogram(values, edges) if len(distinct) > 1 else (np.array([len(values)]), None)
    total = len(values) + 0.5 * (len(counted) + 1)
    return _Column(edges, -np.log2((counted + 0.5) / total), float(-np.log2(0.5 / total)))


@dataclass(frozen=True, slots=True)
class _Fitted(Summed):
    columns: tuple[_Column, ...]

    def parts(self, rows: Floats) -> Floats:
        """Surprisals by column, in bits."""
        return np.column_stack([column.of(rows[:, j]) for j, column in enumerate(self.columns)])


DETECTOR = Histogram
