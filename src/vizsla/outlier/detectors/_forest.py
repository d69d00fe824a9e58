"""Isolation trees, all grown at once, level by level, and descended at once.

A forest of 300 trees is grown in a tenth of the time that one tree after the other takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vizsla.outlier.detector import Floats, Ints, chunks

EULER = 0.5772156649015329
TRIES = 4  # columns drawn for a cut, of which the first that varies there is taken


def expected_depth(n: Ints) -> Floats:
    """The mean depth of an unsuccessful search in binary trees of n rows each."""
    many = np.maximum(n, 3).astype(np.float64)
    found = 2.0 * (np.log(many - 1) + EULER) - 2.0 * (many - 1) / many
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, found))


def fit(rows: Floats, trees: int, sample: int, across: bool, seed: int) -> Forest:
    """Trees grown on samples of the rows (n, d); `across`: cuts go across two columns, else along one."""
    chance = np.random.default_rng(seed)
    sample = min(sample, len(rows))
    drawn = [chance.choice(len(rows), sample, replace=False) for _ in range(trees)]
    depth = int(np.ceil(np.log2(max(2, sample))))
    usual = max(float(expected_depth(np.array([sample]))[0]), 1e-9)
    return _grown(rows[np.concatenate(drawn)], trees, depth, usual, across, chance)


def _grown(rows: Floats, trees: int, depth: int, usual: float, across: bool, chance: np.random.Generator) -> Forest:
    """All trees at once, level by level: `rows` holds each tree's sample after the other's."""
    nodes: list[_Level] = []
    place = np.repeat(np.arange(trees), len(rows) // trees)  # the node that each row is in
    first, count = 0, trees  # of this level
    for level in range(depth + 1):
        made = _level(rows, place - first, count, first, level == depth, across, chance)
        nodes.append(made)
        goes = made.splits[place - first]
        rows, place = rows[goes], place[goes]
        along = rows[np.arange(len(rows)), made.one[place - first]] * made.weight_one[place - first]
        along += rows[np.arange(len(rows)), made.other[place - first]] * made.weight_other[place - first]
        lower = along <= made.cut[place - first]
        place = np.where(lower, made.below[place - first], made.above[place - first])
        first, count = first + count, 2 * int(made.splits.sum())
        if not count:
            break

    def all_of(name: str) -> Any:
        return np.concatenate([getattr(made, name) for made in nodes])

    depths = np.repeat(np.arange(len(nodes)), [len(made.one) for made in nodes])
    return Forest(
        np.arange(trees), all_of("one"), all_of("other"), all_of("weight_one"), all_of("weight_other"), all_of("cut"),
        all_of("below"), all_of("above"), all_of("length") + depths, depth, usual,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Level:
    """The nodes of one level of all trees; the children of a leaf are itself."""

    one: Ints
    other: Ints
    weight_one: Floats
    weight_other: Floats
    cut: Floats
    below: Ints
    above: Ints
    length: Floats  # what a leaf's rows would still need
    splits: np.ndarray[tuple[int], np.dtype[np.bool_]]


def _level(
    rows: Floats, node: Ints, count: int, first: int, last: bool, across: bool, chance: np.random.Generator
) -> _Level:
    """Cuts for `count` nodes, numbered from `first` on; `node`: the place among them that each row is in."""
    d = rows.shape[1]
    order = np.argsort(node, kind="stable")
    sizes = np.bincount(node, minlength=count)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    drawn = chance.integers(d, size=(count, TRIES))
    other = chance.integers(d, size=count)
    slope = chance.standard_normal((count, 2)) if across else np.tile([1.0, 0.0], (count, 1))
    share = chance.random(count)
    sorted_rows, sorted_node = rows[order], node[order]
    within = np.arange(len(rows))

    def spans(values: Floats) -> tuple[Floats, Floats]:
        return np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)

    one = drawn[:, 0]
    for column in drawn.T[::-1]:
        low, high = spans(sorted_rows[within, column[sorted_node]])
        one = np.where(high > low, column, one)
    weight_other = np.where(one == other, 0.0, slope[:, 1])
    along = sorted_rows[within, one[sorted_node]] * slope[sorted_node, 0]
    along += sorted_rows[within, other[sorted_node]] * weight_other[sorted_node]
    low, high = spans(along)
    cut = low + share * (high - low)
    splits = (sizes > 1) & (high > low) & (cut < high) & (not last)
    itself = first + np.arange(count)
    child = first + count + 2 * (np.cumsum(splits) - 1)
    return _Level(
        one, other, slope[:, 0], weight_other, cut, np.where(splits, child, itself),
        np.where(splits, child + 1, itself), expected_depth(sizes), splits,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Forest:
    """All trees' nodes in one array each, the roots first."""

    roots: Ints
    one: Ints
    other: Ints
    weight_one: Floats
    weight_other: Floats
    cut: Floats
    below: Ints
    above: Ints
    length: Floats
    depth: int
    usual: float

    def score(self, rows: Floats) -> Floats:
        """2 to the power of minus the mean depth, over that of an unsuccessful search."""
        scores = np.empty(len(rows))
        for part in chunks(len(rows), 4 * len(self.roots)):
            some = rows[part]
            which = np.arange(len(some))[:, None]
            place = np.repeat(self.roots[None, :], len(some), axis=0)
            for _ in range(self.depth):
                along = some[which, self.one[place]] * self.weight_one[place]
                along += some[which, self.other[place]] * self.weight_other[place]
                place = np.where(along <= self.cut[place], self.below[place], self.above[place])
            scores[part] = np.exp2(-self.length[place].mean(axis=1) / self.usual)
        return scores
