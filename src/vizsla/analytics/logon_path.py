"""Lateral movement: logons that follow one another from host to host within hours, each of them new."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import Need, State, observed
from vizsla.arrow import alike
from vizsla.calibration import Floats
from vizsla.ueba.paths import LONGEST, NEW, WITHIN, Step, before, newest, path
from vizsla.ueba.told import behind, or_none, replaced

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

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

        rows, steps = _steps(engine, [earlier(scan) for scan in scans], state)
        if not len(rows):
            return
        places = pa.array(within(rows, scans), pa.int64())
        chosen = rows.append_column("source", steps.source).append_column("reached", steps.target)
        chosen = chosen.take(places).append_column("place", places)
        chosen = chosen.filter(pc.not_equal(chosen["source"], "")).combine_chunks()
        if len(chosen):
            yield _observed(chosen, rows, steps)


@dataclass(frozen=True, slots=True)
class Steps:
    """Logons as steps. `new`: those that are new, by their places among all; all else is one per row."""

    source: pa.Array
    target: pa.Array
    new: dict[int, Step]


def _observed(chosen: pa.Table, rows: pa.Table, steps: Steps) -> pa.RecordBatch:
    """These rows; a path's own words, picture and events where one ends with them."""
    places = list(steps.new)
    bits, came_from = before(list(steps.new.values()))
    own = chosen["place"].to_numpy()
    at = dict(zip(own.tolist(), range(len(own)), strict=True))
    score = np.zeros(len(chosen))
    why = pc.binary_join_element_wise(
        chosen["user"], " logged on to ", chosen["reached"], " from ", chosen["source"], "; no new logon led there", ""
    )
    ways: dict[int, list[int]] = {}
    for number, place in enumerate(places):
        if place in at and came_from[number] >= 0:
            ways[at[place]] = path(number, came_from)
            score[at[place]] = round(float(bits[number]), 9)
    walked = {row: [steps.new[places[i]] for i in way] for row, way in ways.items()}
    told, drawn = ({row: say(way) for row, way in walked.items()} for say in (_said, _drawn))
    back = {row: [places[i] for i in reversed(way)] for row, way in ways.items()}
    return observed({
        "_host": chosen["host"], "_time": chosen["time"].cast(MICRO), "kind": chosen["kind"],
        "pattern": pc.binary_join_element_wise("path of", chosen["user"], " "),
        "logon_id": or_none(chosen["session"]), "score": score,
        "n": chosen["n"], "why": replaced(why, told), "event_ids": behind(rows["id"], own, back),
        "picture": replaced(pa.nulls(len(chosen), pa.string()), drawn),
    })  # fmt: skip


def earlier(scan: Scan) -> Scan:
    """A scan that begins as much earlier as a path's steps may lie apart, as far as the lake's files were asked for."""
    back = timedelta(microseconds=WITHIN * LONGEST)
    return scan if scan.since is None else replace(scan, since=scan.since - back)


def _steps(engine: Engine, scans: Sequence[Scan], state: State | None) -> tuple[pa.Table, Steps]:
    """The logons of all hosts, and each as a step. Computers' own accounts go nowhere by themselves."""
    from vizsla.ueba.edges import EDGES
    from vizsla.ueba.gathered import edges_of, everywhere
    from vizsla.ueba.logons import machines

    found, names = everywhere(engine, scans, state)
    known = (state or {}).get("edges", EDGES.empty_table())
    edges = edges_of(found, names)
    worth = {kind: _bits(kind, actors, hosts, known) for kind, (actors, hosts, _, _) in edges.items()}
    source, target = edges["source"][:2]
    away = pc.not_equal(source, "").to_numpy(zero_copy_only=False)
    bits = newest(worth["user"], worth["source"], worth["from"], away)
    bits[machines(found["user"]).to_numpy()] = 0.0
    new = np.flatnonzero(bits >= NEW)
    columns = (column.take(pa.array(new)).to_pylist() for column in (source, target, found["user"], found["first"]))
    steps = (Step(*row) for row in zip(*columns, bits[new].tolist(), strict=True))
    return found, Steps(source, target, dict(zip(new.tolist(), steps, strict=True)))


def _bits(kind: str, actors: pa.Array, hosts: pa.Array, known: pa.Table) -> Floats:
    """How new each edge is; 0 where there is no actor."""
    from vizsla.ueba.edges import access

    table = pa.table({"actor": actors, "host": hosts})
    first, pair = alike(table, ["actor", "host"])
    pairs = table.take(pa.array(first))
    some = np.flatnonzero(pc.not_equal(pairs["actor"], "").to_numpy())
    pairs = pairs.take(pa.array(some))
    graph = access(known.filter(pc.equal(known["of"], kind)))
    found = np.zeros(len(first))
    found[some] = graph.bits(pairs["actor"].to_pylist(), pairs["host"].to_pylist())
    return np.asarray(found[pair])


def _at(time: int) -> str:
    return f"{datetime.fromtimestamp(time / 1e6, UTC):%H:%M}"


def _said(steps: Sequence[Step]) -> str:
    hops = ", ".join(f"{s.target} at {_at(s.time)} by {s.user} ({s.bits:.1f} bits new)" for s in steps)
    begin = f"from {steps[0].source} " if steps[0].source else ""
    return f"{len(steps)} new logons in a row, {begin}to {hops}"


def _drawn(steps: Sequence[Step]) -> str:
    edges: list[list[Any]] = [[s.source or s.user, s.target, round(s.bits, 1), True] for s in steps]
    return json.dumps({"chart": "graph", "edges": edges, "about": "bits"})


ANALYTIC = LogonPath()
