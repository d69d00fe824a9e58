"""Tunnels through DNS: how much the names that a host asked for below one registered domain could have carried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import Need, State, observed
from vizsla.beacon.listed import stamps
from vizsla.beacon.tunnel import batches, units

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

LITTLE = 256.0  # bytes: what a page's worth of ordinary names carry
ODD = 2.0  # bits where all queries are for records that hold what one likes
RARE = 3.0  # bits at most for a domain that few hosts ask for
MOST = 1_000_000  # domains kept of a baseline: those that carried most
SAID = 1.0  # of a score, from which on a unit is told of in words


class DnsTunnel:
    """What names below a registered domain could have carried on a day. It holds nothing between calls."""

    name = "dns_tunnel"
    family = "dns_tunnel"
    unit = "a host's look-ups below one registered domain on a day"
    doc = "Names that carry data: distinct, long and random ones below one registered domain, and odd record types"
    needs = (Need(("dns",), ("dns.question.name",)),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """The most that names below each domain carried on a host's day, and how many hosts ask for it."""
        table = units(engine, scans)
        most = table.group_by("domain").aggregate([("carried", "max"), ("host", "count_distinct")])
        most = most.rename_columns(["domain", "carried", "hosts"])
        most = most.sort_by([("carried", "descending"), ("domain", "ascending")])[:MOST]
        return {"domains": most.combine_chunks(), "hosts": len(pc.unique(table["host"]))}

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every host, domain and day with its score, in bits above what is usual for the domain."""
        table = units(engine, scans)
        usual, hosts, of_hosts = _learnt(table, state or {})
        held = table["carried"].to_numpy() / 8.0
        more = np.log2((LITTLE + held) / (LITTLE + usual))
        rare = np.clip(np.log2(np.maximum(of_hosts, 1) / np.maximum(hosts, 1)) / 2, 0, RARE)
        odd = ODD * table["odd"].to_numpy() / np.maximum(table["queries"].to_numpy(), 1)
        score = np.maximum(more, 0.0) + np.clip(rare + odd, 0.0, np.maximum(more, 0.0)) + 1e-3 * np.log2(1.0 + held)
        score = np.round(score, 6)
        for begin, part in batches(table):
            own = slice(begin, begin + len(part))
            firsts = zip(part["id"].to_pylist(), part["id_last"].to_pylist(), score[own].tolist(), strict=True)
            yield observed({
                "_host": part["host"],
                "_time": stamps(part["first"]),
                "kind": part["kind"],
                "pattern": pc.binary_join_element_wise("names below ", part["domain"], ""),
                "source": part["source"],
                "destination": part["domain"],
                "score": score[own],
                "n": part["queries"],
                "why": _why(part, score[own], usual[own], hosts[own], of_hosts),
                # What is said to be usual is no evidence: it names no event.
                "event_ids": [[] if bits < SAID else [a] if a == b else [a, b] for a, b, bits in firsts],
            })  # fmt: skip


def _learnt(table: pa.Table, state: State) -> tuple[Any, Any, int]:
    """Per unit: bytes that its domain carried at most on a host's day, the hosts that asked for it; and all hosts."""
    known = state.get("domains")
    if known is None:
        return np.zeros(len(table)), np.zeros(len(table), np.int64), 1
    place = pc.index_in(table["domain"], value_set=known["domain"].combine_chunks())
    usual, hosts = (pc.fill_null(known[name].take(place), 0).to_numpy() for name in ("carried", "hosts"))
    return usual / 8.0, hosts, int(state.get("hosts") or 1)


def _why(part: pa.Table, score: Any, usual: Any, hosts: Any, of_hosts: int) -> list[str]:
    said = ["names that carry little, or what is usual for their domain"] * len(part)
    for place in np.flatnonzero(score >= SAID):
        one = {name: part[name][int(place)].as_py() for name in part.column_names}
        odd = f", {one['odd']:,} for TXT, NULL, CNAME or MX" if one["odd"] else ""
        said[place] = (
            f"{one['source']} asked for {one['names']:,} distinct names below {one['domain']} on a day "
            f"({one['queries']:,} queries{odd}), of {one['letters'] / one['names']:.0f} letters on average: they could "
            f"carry {one['carried'] / 8:,.0f} bytes, usual there at most {usual[place]:,.0f}; "
            f"{hosts[place]:,} of {of_hosts:,} hosts asked for it before"
        )
    return said


ANALYTIC = DnsTunnel()
