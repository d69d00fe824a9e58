"""Partial pooling, level by level: what a node of few observations knows is drawn towards the level above it.

Empirical Bayes by moments. A node's estimate R has the precision W; nodes differ by a variance that is estimated from
all of them (DerSimonian & Laird 1986, 'Meta-analysis in clinical trials', with the mean known to be 0), together with
a prior that a handful of nodes outweigh. What a node keeps is R tau^2 / (tau^2 + 1/W), and so much remains unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizsla.calibration import Floats

I64 = npt.NDArray[np.int64]
PRIOR_NODES = 4.0  # typical nodes at which what they say of their variance weighs as much as the prior
WIDEST = 4.0  # variance between nodes, at most


@dataclass(frozen=True, slots=True)
class Level:
    """The nodes of a level: by ascending `key` their effect and the variance left to it; `between`: that of others."""

    key: I64
    effect: Floats
    left: Floats
    between: float

    def of(self, key: I64) -> tuple[Floats, Floats]:
        """Each key's effect and remaining variance: 0 and the variance between nodes where it was never seen."""
        if not len(self.key):
            return np.zeros(len(key)), np.full(len(key), self.between)
        place = np.minimum(np.searchsorted(self.key, key), len(self.key) - 1)
        known = self.key[place] == key
        return np.where(known, self.effect[place], 0.0), np.where(known, self.left[place], self.between)


def level(key: I64, estimate: Floats, precision: Floats, prior: float) -> Level:
    """A level from its nodes (`key` ascending), each with an estimate and its precision (1 / variance)."""
    total = float(precision.sum())
    if not len(key) or total <= 0:
        return Level(key[:0], estimate[:0], estimate[:0], prior)
    excess = max(0.0, float((precision * estimate**2).sum()) - len(key))
    weight = PRIOR_NODES * total / len(key)
    between = min(WIDEST, (excess + prior * weight) / (total + weight))
    left = between / (1.0 + between * precision)
    return Level(key, estimate * left * precision, left, between)


def totals(codes: I64, values: Floats | None, size: int) -> Floats:
    """Of each code below `size` the sum of its values, or how often it is there."""
    return np.bincount(codes, values, size).astype(np.float64, copy=False)


@dataclass(frozen=True, slots=True)
class Nodes:
    """Observations by node: `key` of each node, ascending, and which node each observation belongs to."""

    key: I64
    node: I64

    @classmethod
    def of(cls, keys: I64) -> Nodes:
        """The nodes of observations' keys."""
        key, node = np.unique(keys, return_inverse=True)
        return cls(key, node.astype(np.int64))

    def sum(self, values: Floats) -> Floats:
        """By node, the sum of what its observations have."""
        return totals(self.node, values, len(self.key))

    def count(self) -> Floats:
        """By node, its observations."""
        return totals(self.node, None, len(self.key))

    def mean(self, values: Floats) -> Floats:
        """By node, the mean of what its observations have."""
        return self.sum(values) / self.count()

    def first(self) -> I64:
        """By node, its first observation."""
        found = np.full(len(self.key), len(self.node), dtype=np.int64)
        np.minimum.at(found, self.node, np.arange(len(self.node)))
        return found

    def median(self, values: Floats) -> Floats:
        """By node, the lower median: of two values the smaller, so that one burst of two hours is not the usual."""
        order = np.lexsort((values, self.node))
        count = np.bincount(self.node, minlength=len(self.key))
        begin = np.cumsum(count) - count
        found: Floats = values[order][begin + (count - 1) // 2]
        return found
