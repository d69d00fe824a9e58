"""What access analytics learn and look at: edges of accounts and of hosts, by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.arrow import alike, whole
from vizsla.ueba.addresses import ADDRESSES, Names, addresses, ends, names_of
from vizsla.ueba.edges import EDGES, counted
from vizsla.ueba.logons import logons, machines
from vizsla.ueba.told import or_none

if TYPE_CHECKING:
    from vizsla.analytic import State
    from vizsla.engine import Engine
    from vizsla.lake import Scan

KINDS = ("user", "source", "from")  # an account on a host, a host that reaches one, an account that comes from a host
DAY = 24


def learnt(engine: Engine, scans: Sequence[Scan]) -> dict[str, Any]:
    """A state: `edges` (EDGES, their hosts named by what these logs tell of addresses) and `addresses`."""
    found = logons(engine, scans)
    told = addresses(found)
    parts = [counted(kind, *ofs) for kind, ofs in edges_of(found, names_of(found, told)).items()]
    keys = [(key, "ascending") for key in ("of", "actor", "host", "day")]
    return {"edges": pa.concat_tables(parts).sort_by(keys).combine_chunks(), "addresses": told}


def edges_of(found: pa.Table, names: Names) -> dict[str, tuple[pa.Array, pa.Array, Any, Any]]:
    """By kind: actors ('' for none), hosts, days and logons. Computers' accounts are told by their hosts."""
    sources, targets = ends(found, names)
    people = whole(pc.if_else(machines(found["user"]), "", found["user"]))
    day, n = found["hour"].to_numpy() // DAY, found["n"].to_numpy()
    comers = pc.if_else(pc.equal(sources, ""), "", people)
    return {"user": (people, targets, day, n), "source": (sources, targets, day, n), "from": (comers, sources, day, n)}


def everywhere(engine: Engine, scans: Sequence[Scan], state: State | None) -> tuple[pa.Table, Names]:
    """The logons of these scans' time on all hosts, whichever they are cut to, and what they tell of addresses: who
    came from where is told by other hosts, too."""
    found = logons(engine, [replace(scan, hosts=None) for scan in scans])
    return found, names_of(found, (state or {}).get("addresses", ADDRESSES.empty_table()))


def among(table: pa.Table, column: str, scans: Sequence[Scan]) -> pa.Table:
    """The rows of those hosts that the scans are cut to."""
    hosts = {host for scan in scans if scan.hosts is not None for host in scan.hosts}
    if all(scan.hosts is None for scan in scans):
        return table
    return table.filter(pc.is_in(table[column], pa.array(sorted(hosts), pa.string())))


def within(rows: pa.Table, scans: Sequence[Scan]) -> list[int]:
    """The places of the rows of LOGONS that are of the scans' own hosts and time."""
    places = rows.append_column("place", pa.array(range(len(rows))))
    places = among(places, "host", scans)
    since = min((scan.since for scan in scans if scan.since is not None), default=None)
    if since is not None and all(scan.since is not None for scan in scans):
        places = places.filter(pc.greater_equal(places["first"], int(since.timestamp() * 1e6)))
    found: list[int] = places["place"].to_pylist()
    return found


def reached(engine: Engine, scans: Sequence[Scan], state: State | None) -> tuple[pa.Table, pa.Table]:
    """The state's edges; and the edges of these scans, by the host that tells of them and by day, with the first of
    their logons (`of, actor, host, teller, day, n, time, kind, session, id`)."""
    known = (state or {}).get("edges", EDGES.empty_table())
    found, names = everywhere(engine, scans, state)
    parts = []
    for kind, (actor, host, day, n) in edges_of(found, names).items():
        table = pa.table({
            "of": pa.repeat(pa.scalar(kind), len(actor)), "actor": actor, "host": host, "teller": found["host"],
            "day": day, "n": n, "time": found["time"], "id": found["id"], "kind": found["kind"],
            "session": found["session"],
        })  # fmt: skip
        parts.append(_first(among(table.filter(pc.not_equal(table["actor"], "")), "teller", scans)))
    return known, pa.concat_tables(parts)


def _first(table: pa.Table) -> pa.Table:
    """One row for each edge, teller and day: the first of its logons, and how many there were."""
    keys = ["of", "actor", "host", "teller", "day"]
    if not len(table):
        return table
    _, edge = alike(table, keys)
    total = np.bincount(edge, table["n"].to_numpy()).astype(np.int64)
    order = pa.table({"edge": edge, "time": table["time"], "id": table["id"]})
    order = pc.sort_indices(order, [(name, "ascending") for name in order.column_names]).to_numpy()
    first = order[np.flatnonzero(np.diff(edge[order], prepend=-1))]
    chosen = table.take(pa.array(first))
    chosen = chosen.set_column(chosen.column_names.index("n"), "n", pa.array(total))
    chosen = chosen.sort_by([(name, "ascending") for name in keys]).combine_chunks()
    return chosen.set_column(chosen.column_names.index("session"), "session", or_none(chosen["session"]))
