"""New edges of the access graph: how probable it is that an account (or a host) comes to a host it never came to.

That it comes to a new one at all is told by how often edges were seen on one day only (Good & Turing). Which one, by a
mixture of what those do who use the same hosts (a factorisation of the matrix of who uses what: truncated SVD), of how
many use the host, and of chance; the weights are those that made the new edges of the baseline's later days likeliest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from vizsla.calibration import Floats

I64 = npt.NDArray[np.int64]
EDGES = pa.schema([("of", pa.string()), ("actor", pa.string()), ("host", pa.string()), ("day", pa.int64()),
                   ("n", pa.int64())])  # fmt: skip
FACTORS = 16  # of the factorisation, at most
DENSE = 400  # actors or hosts up to which it is computed whole
PRIOR = np.array([0.5, 0.35, 0.15])  # weights of neighbours, popularity and chance before the baseline tells
PRIOR_EDGES = 6.0  # new edges that the prior counts as
OWN = 5.0  # days of an actor's edges at which its own habit of new ones weighs as much as everybody's
MOST_NEW = 0.5  # of all edges, that may be new
ROUND = 9  # decimals: the factorisation's last ones depend on the machine
STEPS = 30  # of the weights' estimation


@dataclass(frozen=True, slots=True)
class Access:
    """Who uses which hosts. `days`: by actor and host, on how many days; `active`: by actor, days with any."""

    actors: dict[str, int]
    hosts: dict[str, int]
    days: csr_matrix
    active: Floats
    newness: Floats  # by actor, the probability that an edge of a day is a new one
    new_actor: float
    left: npt.NDArray[np.float64]  # actors x factors
    right: npt.NDArray[np.float64]  # factors x hosts
    weights: Floats

    def bits(self, actor: list[str], host: list[str]) -> Floats:
        """-log2 of the probability of each edge; of one that was seen before, that it is there on a day."""
        found = np.zeros(len(actor))
        by_actor: dict[str, list[int]] = {}
        for place, name in enumerate(actor):
            by_actor.setdefault(name, []).append(place)
        for name, places in by_actor.items():
            code = self.actors.get(name)
            chances, seen = self._chances(code)
            for place in places:
                column = self.hosts.get(host[place], len(self.hosts))
                if column < len(seen) and seen[column] > 0 and code is not None:
                    chance = min(1.0, (seen[column] + 0.5) / (self.active[code] + 1.0))
                else:
                    chance = chances[column] * (self.new_actor if code is None else self.newness[code])
                found[place] = -np.log2(chance)
        return np.asarray(np.round(found, ROUND))

    def _chances(self, code: int | None) -> tuple[Floats, Floats]:
        """Of each host, and of any never seen, the probability that it is an actor's new one; and the days seen."""
        seen = np.zeros(len(self.hosts)) if code is None else self.days[code].toarray().ravel()
        return np.asarray(self.weights @ self._parts(code, seen > 0)), seen

    def _parts(self, code: int | None, known: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """The mixture's three parts, over all hosts and one never seen."""
        size = len(self.hosts)
        near = np.zeros(size) if code is None else np.maximum(self.left[code] @ self.right, 0.0)
        users = np.asarray((self.days > 0).sum(axis=0)).ravel().astype(np.float64)
        parts = np.zeros((3, size + 1))
        parts[0, :size], parts[1, :size], parts[2] = near, users, 1.0
        parts[:, :size][:, known] = 0.0
        total = parts.sum(axis=1, keepdims=True)
        # Where nothing is known of one part, chance takes its place.
        return np.asarray(np.where(total > 1e-12, parts / np.maximum(total, 1e-12), parts[2] / parts[2].sum()))


def access(edges: pa.Table) -> Access:
    """The graph of a table of EDGES of one kind."""
    model, late = _graph(edges), _later(edges)
    if late is None:
        return model
    earlier, new = late
    return _weighted(model, _graph(earlier), new)


def _graph(edges: pa.Table) -> Access:
    actor, host = (edges[name].combine_chunks().dictionary_encode() for name in ("actor", "host"))
    actors, hosts = ({name: i for i, name in enumerate(a.dictionary.to_pylist())} for a in (actor, host))
    shape = (len(actors), len(hosts))
    codes = [a.indices.to_numpy().astype(np.int64) for a in (actor, host)]
    per_day = np.unique(np.stack([*codes, edges["day"].to_numpy().astype(np.int64)]), axis=1)
    days = csr_matrix((np.ones(per_day.shape[1]), (per_day[0], per_day[1])), shape=shape)
    pairs = np.unique(per_day[[0, 2]], axis=1)
    active = np.bincount(pairs[0], minlength=shape[0]).astype(np.float64)
    cells = days.tocoo()
    once = np.bincount(cells.row, cells.data == 1, shape[0])
    total = np.asarray(days.sum(axis=1)).ravel()
    common = min(MOST_NEW, (float(once.sum()) + 1.0) / (float(total.sum()) + 2.0))
    newness = np.minimum(MOST_NEW, (once + OWN * common) / (total + OWN))
    new_actor = min(MOST_NEW, (float((active == 1).sum()) + 1.0) / (float(active.sum()) + 2.0))
    left, right = factors(days)
    return Access(actors, hosts, days, active, newness, new_actor, left, right, PRIOR)


def factors(days: csr_matrix) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Truncated SVD of who uses what, rows of one length: an actor's row is what it and those like it use.

    Singular values are lowered by their median (of a large matrix: by the smallest computed), so that what is one
    actor's alone, such as everybody's own computer, vanishes, and what many share stays.
    """
    used = days.copy()
    used.data = np.log1p(used.data)
    length = np.sqrt(np.asarray(used.multiply(used).sum(axis=1)).ravel())
    rows = csr_matrix(used.multiply(1.0 / np.maximum(length, 1e-12)[:, None]))
    if min(rows.shape) < 2:
        return np.zeros((rows.shape[0], 1)), np.zeros((1, rows.shape[1]))
    if min(rows.shape) <= DENSE:
        u, s, v = np.linalg.svd(rows.toarray(), full_matrices=False)
        low = float(np.median(s))
        u, s, v = u[:, :FACTORS], s[:FACTORS], v[:FACTORS]
    else:
        u, s, v = svds(rows, k=FACTORS, v0=np.ones(min(rows.shape)))
        low = float(s.min())
    return u * np.maximum(s - low, 0.0), v


def _later(edges: pa.Table) -> tuple[pa.Table, list[tuple[str, str]]] | None:
    """The edges of the earlier half of the days, and those new in the later one of actors known by then."""
    day = edges["day"].to_numpy()
    days = np.unique(day)
    if len(days) < 2:
        return None
    edge = days[len(days) // 2]
    earlier, later = (edges.filter(pa.array(mask)) for mask in (day < edge, day >= edge))
    known = {tuple(row.values()) for row in earlier.select(["actor", "host"]).to_pylist()}
    actors = {actor for actor, _ in known}
    seen = (tuple(row.values()) for row in later.select(["actor", "host"]).to_pylist())
    return earlier, sorted({pair for pair in seen if pair not in known and pair[0] in actors})


def _weighted(model: Access, earlier: Access, new: list[tuple[str, str]]) -> Access:
    """The model with the weights that made the later half's new edges likeliest (EM)."""
    parts = []
    for actor, host in new[:2_000]:
        code = earlier.actors[actor]
        seen = earlier.days[code].toarray().ravel() > 0
        parts.append(earlier._parts(code, seen)[:, earlier.hosts.get(host, len(earlier.hosts))])
    weights = PRIOR
    for _ in range(STEPS if parts else 0):
        shares = weights[:, None] * np.array(parts).T
        belongs = (shares / shares.sum(axis=0)).sum(axis=1)
        weights = (belongs + PRIOR_EDGES * PRIOR) / (len(parts) + PRIOR_EDGES)
    return Access(model.actors, model.hosts, model.days, model.active, model.newness, model.new_actor, model.left,
                  model.right, weights)  # fmt: skip


def counted(of: str, actor: pa.Array, host: pa.Array, day: I64, n: I64) -> pa.Table:
    """EDGES of one kind from rows, those without an actor left out; in a total order."""
    table = pa.table({"of": pa.repeat(pa.scalar(of), len(actor)), "actor": actor, "host": host, "day": day, "n": n})
    table = table.filter(pc.not_equal(table["actor"], ""))
    keys = ["of", "actor", "host", "day"]
    summed = table.group_by(keys, use_threads=False).aggregate([("n", "sum")]).rename_columns([*keys, "n"])
    return summed.cast(EDGES).sort_by([(key, "ascending") for key in keys]).combine_chunks()
