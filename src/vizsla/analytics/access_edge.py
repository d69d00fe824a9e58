"""New edges of the access graph: an account on a host that it never came to, a host that reaches one it never did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import Need, State, observed
from vizsla.arrow import alike
from vizsla.ueba.told import behind, replaced

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan
    from vizsla.ueba.edges import Access

VERBS = {
    "user": ("logged on to", "accounts"),
    "source": ("reached", "hosts"),
    "from": ("logged on from", "accounts"),
}
SAID = 6.0  # bits from which on an edge is told of with its neighbours, and drawn
NEIGHBOURS = 8  # others that a picture shows, and hosts of each
MICRO = pa.timestamp("us", tz="UTC")


class AccessEdge:
    """Who comes to which host for the first time, and how far that is from what those do who use the same hosts."""

    name = "access_edge"
    family = "access"
    unit = "an account, or a host, that reaches a host on a day"
    doc = "Accounts and hosts that reach a host for the first time, against what others do who use the same ones"
    needs = (Need(("authentication",), ("user.name", "event.action")),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """Who reached what on which day, and which address is which computer: rows that add up."""
        from vizsla.ueba.gathered import learnt

        return learnt(engine, scans)

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every edge of every day on the host that tells of it."""
        from vizsla.ueba.edges import access
        from vizsla.ueba.gathered import KINDS, reached

        edges, seen = reached(engine, scans, state)
        for kind in KINDS:
            own = seen.filter(pc.equal(seen["of"], kind))
            if len(own):
                yield _observed(kind, own, access(edges.filter(pc.equal(edges["of"], kind))))


def _observed(kind: str, own: pa.Table, graph: Access) -> pa.RecordBatch:
    first, edge = alike(own, ["actor", "host"])
    edges = own.select(["actor", "host"]).take(pa.array(first))
    actors, hosts = (column.to_pylist() for column in edges.columns)
    bits = graph.bits(actors, hosts)
    odd = np.flatnonzero(bits >= SAID).tolist()
    why = pc.binary_join_element_wise(edges["actor"], VERBS[kind][0], edges["host"], " ")
    why = replaced(why, {i: said(kind, actors[i], hosts[i], graph) for i in odd})
    pictures = replaced(pa.nulls(len(edges), pa.string()), {i: drawn(actors[i], hosts[i], graph) for i in odd})
    spread = pa.array(edge)
    return observed({
        "_host": own["teller"], "_time": own["time"].cast(MICRO), "kind": own["kind"],
        "pattern": pc.binary_join_element_wise(pa.scalar(kind), own["actor"], " "),
        "logon_id": own["session"], "score": bits[edge], "n": own["n"], "why": why.take(spread),
        "event_ids": behind(own["id"], np.arange(len(own)), {}), "picture": pictures.take(spread),
    })  # fmt: skip


def similar(actor: str, graph: Access) -> list[int]:
    """Others who share a host with an actor, those first who share most."""
    code = graph.actors.get(actor)
    if code is None:
        return []
    used = (graph.days > 0).astype(np.int64)
    shared = np.asarray((used @ used[code].T).todense()).ravel()
    shared[code] = 0
    return [int(i) for i in np.argsort(-shared, kind="stable")[: int((shared > 0).sum())]]


def said(kind: str, actor: str, host: str, graph: Access) -> str:
    """What is unusual of an edge, with the numbers it rests on."""
    code, column = graph.actors.get(actor), graph.hosts.get(host)
    verb, many = VERBS[kind]
    users = 0 if column is None else int((graph.days[:, column] > 0).sum())
    everybody = f"{users:,} of {len(graph.actors):,} {many} ever did"
    if code is None:
        return f"{actor}, never seen before, {verb} {host}; {everybody}"
    days = graph.days[code].toarray().ravel()
    if column is not None and days[column]:
        return f"{actor} {verb} {host}: on {days[column]:,.0f} of {graph.active[code]:,.0f} days before"
    others = similar(actor, graph)
    near = 0 if column is None else int((graph.days[others, column] > 0).sum())
    usual = sorted(range(len(days)), key=lambda i: -days[i])[:3]
    names = list(graph.hosts)
    return (
        f"{actor} {verb} {host} for the first time in {graph.active[code]:,.0f} days; {everybody}, and of the "
        f"{len(others):,} that use the same hosts as {actor} {near:,}; usual: "
        f"{', '.join(f'{names[i]} ({days[i]:,.0f} days)' for i in usual if days[i])}"
    )


def drawn(actor: str, host: str, graph: Access) -> str:
    """The hosts of an actor and of those most like it, with the new edge."""
    names, actors = list(graph.hosts), list(graph.actors)
    edges: list[list[Any]] = []
    code = graph.actors.get(actor)
    for one in ([] if code is None else [code]) + similar(actor, graph)[:NEIGHBOURS]:
        days = graph.days[one].toarray().ravel()
        most = [int(i) for i in np.argsort(-days, kind="stable")[:NEIGHBOURS] if days[i]]
        edges += [
            [actors[one], names[i], float(days[i]), False] for i in most if (actors[one], names[i]) != (actor, host)
        ]
    edges.append([actor, host, 1.0, True])
    return json.dumps({"chart": "graph", "edges": edges, "about": "days"})


ANALYTIC = AccessEdge()
