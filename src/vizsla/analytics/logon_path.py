"""Lateral movement: logons that follow one another from host to host within hours, each of them new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import Need, State, observed

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan
    from vizsla.ueba.paths import Step

MICRO = pa.timestamp("us", tz="UTC")


class LogonPath:
    """Where an intruder went: chains of logons of which each is new, as one episode."""

    name = "logon_path"
    family = "access"
    unit = "a logon from one host onto another in an hour"
    doc = "Chains of logons from host to host within hours, each of them new to the access graph"
    needs = (Need(("authentication",), ("user.name", "event.action")),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """As `access_edge` does."""
        from vizsla.ueba.gathered import learnt

        return learnt(engine, scans)

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every logon from another host. One without a new one before it scores nothing: `access_edge` has it."""
        from vizsla.ueba.gathered import within
        from vizsla.ueba.paths import before, path

        rows, steps = _steps(engine, [earlier(scan) for scan in scans], state)
        if not len(rows):
            return
        bits, came_from = before(steps)
        ids, times, sessions, kinds = (rows[name].to_pylist() for name in ("id", "time", "session", "kind"))
        chosen = [i for i in within(rows, scans) if steps[i].source]
        if not chosen:
            return
        paths = [path(i, came_from) for i in chosen]
        tellers, counts = rows["host"].to_pylist(), rows["n"].to_pylist()
        yield observed({
            "_host": [tellers[i] for i in chosen],
            "_time": pa.array([times[i] for i in chosen], pa.int64()).cast(MICRO),
            "kind": [kinds[i] for i in chosen],
            "pattern": [f"path of {steps[i].user}" for i in chosen],
            "logon_id": pa.array([sessions[i] or None for i in chosen], pa.string()),
            "score": [round(float(bits[i]), 9) if len(way) > 1 else 0.0 for i, way in zip(chosen, paths, strict=True)],
            "n": [counts[i] for i in chosen],
            "why": [_said([steps[j] for j in way]) for way in paths],
            "event_ids": [[ids[j] for j in reversed(way)] for way in paths],
            "picture": pa.array([_drawn([steps[j] for j in way]) for way in paths], pa.string()),
        })  # fmt: skip


def earlier(scan: Scan) -> Scan:
    """A scan that begins as much earlier as a path's steps may lie apart, as far as the lake's files were asked for."""
    from vizsla.ueba.paths import LONGEST, WITHIN

    back = timedelta(microseconds=WITHIN * LONGEST)
    return scan if scan.since is None else replace(scan, since=scan.since - back)


def _steps(engine: Engine, scans: Sequence[Scan], state: State | None) -> tuple[pa.Table, list[Step]]:
    """The logons of all hosts, and each as a step."""
    from vizsla.ueba.addresses import ends
    from vizsla.ueba.edges import EDGES, access
    from vizsla.ueba.gathered import KINDS, edges_of, everywhere
    from vizsla.ueba.paths import Step, newest

    found, names = everywhere(engine, scans, state)
    known = (state or {}).get("edges", EDGES.empty_table())
    bits: dict[tuple[str, str, str], float] = {}
    for kind, (actors, hosts, _, _) in edges_of(found, names).items():
        pairs = sorted({(actor, host) for actor, host in zip(actors, hosts, strict=True) if actor})
        graph = access(known.filter(pc.equal(known["of"], kind)))
        scored = graph.bits([actor for actor, _ in pairs], [host for _, host in pairs])
        bits |= {(kind, *pair): float(value) for pair, value in zip(pairs, scored, strict=True)}
    assert set(KINDS) >= {kind for kind, _, _ in bits}
    sources, targets = ends(found, names)
    users, times = found["user"].to_pylist(), found["first"].to_pylist()
    steps = [
        Step(a, b, user, time, newest((a, b, user), bits) if not user.endswith("$") else 0.0)
        for a, b, user, time in zip(sources, targets, users, times, strict=True)
    ]
    return found, steps


def _at(time: int) -> str:
    return f"{datetime.fromtimestamp(time / 1e6, UTC):%H:%M}"


def _said(steps: Sequence[Step]) -> str:
    last = steps[-1]
    if len(steps) == 1:
        return f"{last.user} logged on to {last.target} from {last.source}; no new logon led there"
    hops = ", ".join(f"{s.target} at {_at(s.time)} by {s.user} ({s.bits:.1f} bits new)" for s in steps)
    begin = f"from {steps[0].source} " if steps[0].source else ""
    return f"{len(steps)} new logons in a row, {begin}to {hops}"


def _drawn(steps: Sequence[Step]) -> str | None:
    if len(steps) == 1:
        return None
    edges: list[list[Any]] = [[s.source or s.user, s.target, round(s.bits, 1), True] for s in steps]
    return json.dumps({"chart": "graph", "edges": edges, "about": "bits"})


ANALYTIC = LogonPath()
