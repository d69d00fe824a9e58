"""How often each step comes in a session, whatever the order: a tree of dependent counts.

What interleaves in many orders still comes in fixed amounts: what is copied three times is confirmed three times. Each
step's amount is judged given the amount of one other, the one that tells most of it (Chow & Liu 1968, 'Approximating
discrete probability distributions with dependence trees'), smoothed towards its own amounts anywhere, and these towards
a prior over all numbers that knows no scale, 1 / ((n + 1)(n + 2)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from vizsla.analytics.rarity.encode import I64, U64, mixed
from vizsla.calibration import Floats
from vizsla.sequence.sessions import Sessions
from vizsla.sequence.smoothing import ALIKE, Counts, Smoothed

MOST = 64  # kinds of steps whose amounts are followed: those that most sessions have; the others count as one kind
NONE = np.uint64(0)  # the kind of all other steps
BAGS = pa.schema([("bag", pa.uint64()), ("weight", pa.int64()), ("symbol", pa.uint64()), ("n", pa.int64())])


@dataclass(frozen=True, slots=True)
class Numbers:
    """A prior over 0, 1, 2 …: 1 / ((n + 1)(n + 2)), which falls slowly and adds up to one."""

    def p(self, symbol: U64) -> Floats:
        """The prior of each number."""
        n = symbol.astype(np.float64)
        return np.asarray(1 / ((n + 1) * (n + 2)))

    def tail(self, p: Floats) -> Floats:
        """The sum over all numbers at most as probable: from m on it is 1 / (m + 1)."""
        root = (np.sqrt(1 + 4 / (p * ALIKE)) - 3) / 2  # where 1 / ((m + 1)(m + 2)) = p
        return np.asarray(1 / (np.maximum(np.ceil(root), 0) + 1))


@dataclass(frozen=True, slots=True)
class Bags:
    """Sessions as amounts of their steps: `n` of `symbol` in bag `bag`, and how many sessions were alike, by bag."""

    keys: U64  # one code per bag, ascending
    weight: I64
    bag: I64  # per row: the place of its bag
    symbol: U64
    n: I64

    @classmethod
    def of(cls, sessions: Sessions) -> Bags:
        """The bags of sessions, equal ones added up."""
        return each_bag(sessions)[0]

    def merged(self, other: Bags) -> Bags:
        """Both added up, the same as counting all at once."""
        keys, place = np.unique(np.concatenate([self.keys, other.keys]), return_inverse=True)
        weight = np.zeros(len(keys), np.int64)
        np.add.at(weight, place, np.concatenate([self.weight, other.weight]))
        bag = np.concatenate([place[: len(self.keys)][self.bag], place[len(self.keys) :][other.bag]])
        rows = np.stack([bag.astype(np.uint64), np.concatenate([self.symbol, other.symbol])], axis=1)
        once, first = np.unique(rows, axis=0, return_index=True)
        n = np.concatenate([self.n, other.n])[first]
        return Bags(keys, weight, once[:, 0].astype(np.int64), once[:, 1], n)

    def table(self) -> pa.Table:
        """As an Arrow table, which `read` makes the same bags of. A bag of nothing is a row of nothing."""
        empty = np.setdiff1d(np.arange(len(self.keys)), self.bag)
        bag = np.concatenate([self.bag, empty])
        symbol, n = (np.concatenate([a, np.zeros(len(empty), a.dtype)]) for a in (self.symbol, self.n))
        return pa.table([self.keys[bag], self.weight[bag], symbol, n], schema=BAGS)

    @classmethod
    def read(cls, table: pa.Table) -> Bags:
        """Bags from such a table."""
        columns = {name: table[name].to_numpy() for name in BAGS.names}
        keys, first, bag = np.unique(columns["bag"], return_index=True, return_inverse=True)
        rows = columns["n"] > 0
        order = np.lexsort((columns["symbol"][rows], bag[rows]))
        symbol, n = columns["symbol"][rows][order], columns["n"][rows][order]
        return cls(keys, columns["weight"][first], bag[rows][order], symbol, n)


def each_bag(sessions: Sessions) -> tuple[Bags, I64]:
    """The distinct bags of sessions, and which of them each session is."""
    rows = np.stack([sessions.session.astype(np.uint64), sessions.steps], axis=1)
    once, n = np.unique(rows, axis=0, return_counts=True) if len(rows) else (rows, np.zeros(0, np.int64))
    owner, symbol = once[:, 0].astype(np.int64), once[:, 1]
    total = np.zeros(len(sessions), np.uint64)
    np.add.at(total, owner, mixed(symbol, n.astype(np.uint64)))
    keys, first, which = np.unique(total, return_index=True, return_inverse=True)
    weight = np.zeros(len(keys), np.int64)
    np.add.at(weight, which, sessions.weight)
    place = np.full(len(sessions), -1, np.int64)
    place[first] = np.arange(len(first))
    kept = place[owner] >= 0
    bag = place[owner[kept]]
    order = np.lexsort((symbol[kept], bag))
    return Bags(keys, weight, bag[order], symbol[kept][order], n[kept][order].astype(np.int64)), which


@dataclass(frozen=True, slots=True)
class Amounts:
    """The tree, ready to be asked. `kinds`: NONE, then the followed steps, ascending; `parent`: each one's place."""

    kinds: U64
    parent: I64  # -1: of the root
    smoothed: Smoothed

    @classmethod
    def learn(cls, bags: Bags) -> Amounts:
        """The tree that tells most of these bags."""
        seen = np.unique(bags.symbol)
        among = np.bincount(np.searchsorted(seen, bags.symbol), weights=bags.weight[bags.bag], minlength=len(seen))
        frequent = np.lexsort((seen, -among))[: MOST - 1]
        kinds = np.unique(np.append(seen[frequent], NONE))
        held = _matrix(bags, kinds)
        parent = _tree(held, bags.weight)
        own, given = _contexts(held, kinds, parent)
        amount, weight = held.T.astype(np.uint64).ravel(), np.tile(bags.weight, len(kinds))
        inner = np.repeat(parent >= 0, len(held))
        counts = (
            Counts.of(own, own, amount, weight),
            Counts.of(given[inner], own[inner], amount[inner], weight[inner]),
        )
        return cls(kinds, parent, Smoothed.of(counts, Numbers()))

    def odd(self, bags: Bags) -> Floats:
        """-log2 of the p-value of each kind's amount: one row per bag, one column per kind."""
        held = _matrix(bags, self.kinds)
        own, given = _contexts(held, self.kinds, self.parent)
        symbol = held.T.astype(np.uint64).ravel()
        _, first, which = np.unique(mixed(given, symbol), return_index=True, return_inverse=True)
        few = [own[first], given[first]]
        tail = self.smoothed.tail(few, self.smoothed.p(few, symbol[first]))
        return np.asarray(-np.log2(tail)[which].reshape(len(self.kinds), len(held)).T)

    def bits(self, bags: Bags) -> Floats:
        """-log2 of each amount's probability: one row per bag, one column per kind."""
        held = _matrix(bags, self.kinds)
        own, given = _contexts(held, self.kinds, self.parent)
        p = self.smoothed.p([own, given], held.T.astype(np.uint64).ravel())
        return np.asarray(-np.log2(p).reshape(len(self.kinds), len(held)).T)


def _matrix(bags: Bags, kinds: U64) -> I64:
    """Amounts, one row per bag and one column per kind; what is not followed adds up in the column of NONE."""
    at = np.minimum(np.searchsorted(kinds, bags.symbol), len(kinds) - 1)
    at = np.where(kinds[at] == bags.symbol, at, 0)
    held = np.zeros((len(bags.keys), len(kinds)), np.int64)
    np.add.at(held, (bags.bag, at), bags.n)
    return held


def _contexts(held: I64, kinds: U64, parent: I64) -> tuple[U64, U64]:
    """The kind, and the kind with its parent's amount; column by column."""
    own = np.repeat(mixed(kinds, np.ones(1, np.uint64)), len(held))
    of = held[:, np.maximum(parent, 0)].T.astype(np.uint64).ravel()
    given = mixed(own, np.repeat(kinds[np.maximum(parent, 0)], len(held)), of)
    return own, np.where(np.repeat(parent >= 0, len(held)), given, own)


def _tree(held: I64, weight: I64) -> I64:
    """Each kind's parent: the tree of the largest mutual information; of ties the lower place wins."""
    kinds = held.shape[1]
    codes = [np.unique(held[:, j], return_inverse=True)[1] for j in range(kinds)]
    own = np.array([_entropy(code, weight) for code in codes])
    shared = np.full((kinds, kinds), -1.0)
    for i in range(kinds):
        for j in range(i):
            both = codes[i].astype(np.int64) * (int(codes[j].max(initial=0)) + 1) + codes[j]
            shared[i, j] = shared[j, i] = own[i] + own[j] - _entropy(both, weight)
    parent = np.full(kinds, -1, np.int64)
    best, by = shared[0].copy(), np.zeros(kinds, np.int64)
    best[0] = -np.inf
    for _ in range(kinds - 1):
        new = int(np.argmax(np.round(best, 9)))
        parent[new] = by[new]
        best[new] = -np.inf
        nearer = (np.round(shared[new], 9) > np.round(best, 9)) & (best > -np.inf)
        best, by = np.where(nearer, shared[new], best), np.where(nearer, new, by)
    return parent


def _entropy(code: I64, weight: I64) -> float:
    counts = np.bincount(np.unique(code, return_inverse=True)[1], weights=weight)
    share = counts[counts > 0] / max(1, counts.sum())
    return float(-(share * np.log2(share)).sum())
