"""Beacons: pairs that keep to a period on a day, against what the baseline knows of the destination.

The unit is a host's pair (with an address, or with a name that was asked for) on a day. Its score is in bits: how
regular its intervals are, and as far as that vouches for it, how few hosts reach the destination, and what else
`vizsla.beacon.weigh` weighs. A pair that was regular in the baseline is usual.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import Need, State, observed
from vizsla.beacon.bins import Ints
from vizsla.beacon.contacts import TENTHS
from vizsla.beacon.folded import behind_names, servers, strongest, told_by_names
from vizsla.beacon.listed import gathered, lasting, stamps
from vizsla.beacon.places import HOUSEKEEPING, places
from vizsla.beacon.regular import intervals, sizes
from vizsla.beacon.sketch import DAY, sketches
from vizsla.beacon.weigh import REGULAR, Known, strength, traits
from vizsla.beacon.words import every

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

LEAST = 4  # visits on a day; fewer are no unit
LEARNT = 8.0  # bits of regularity in the baseline from which on a pair is known for it
MOST_PAIRS, MOST_DESTINATIONS = 200_000, 1_000_000  # kept of a baseline: the most regular, the most reached
USUAL = 0.25  # of a known pair's regularity that still counts
SAID = 6.0  # of a score, from which on a unit is told of in words
TOLD = 10.0  # bits of regularity from which on arrivals are kept for a picture
TOLD_MORE = 18.0  # of a score, from which on it is drawn
SHOWN = 200  # arrivals in a picture
DAY_SECONDS = 86_400.0
LIGHT = ("host", "source", "destination", "port", "via", "visits", "events", "first", "hours", "id", "id_last", "guid",
         "process", "kind")  # fmt: skip


class Beacon:
    """Pairs that keep to a period. It holds nothing between calls."""

    name = "beacon"
    family = "beacon"
    unit = "a host's pair with an address or a name on a day, of four visits or more"
    doc = "Connections at regular intervals, by name where one was asked for, and how many hosts know the destination"
    needs = (Need(("network", "tls", "http"), ("source.ip",)),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """Which pairs kept to a period, and how many hosts reach each destination."""
        return learnt(gathered(engine, scans))

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every pair and day with its score; in words what is regular."""
        behind = behind_names(engine, scans, of_days=True, least=LEAST)
        parts = [light(part) for part in sketches(engine, scans, LEAST)]
        if not parts:
            return
        pairs = pa.concat_tables(parts).combine_chunks()
        pairs = pairs.filter(pa.array(~told_by_names(pairs, behind, of_days=True)))
        scored = Scored(pairs, state or {})
        pairs = scored.pairs
        alone = np.flatnonzero(strongest(pairs, scored.score))
        yield from scored.batches(alone, servers(pairs, behind))


def learnt(pairs: pa.Table) -> dict[str, Any]:
    """What merged sketches tell of what is usual."""
    regular = intervals(pairs["gaps"])
    known = np.flatnonzero((regular.bits >= LEARNT) & (pairs["visits"].to_numpy() >= LEAST))
    known = np.sort(known[np.lexsort((known, -regular.bits[known]))[:MOST_PAIRS]])
    table = pairs.select(["host", "destination", "port"]).take(pa.array(known))
    table = table.append_column("period", pa.array(np.round(regular.period[known], 1)))
    stranger = places(pairs["source"].to_pylist()) == "outside"
    ours = pairs if stranger.all() else pairs.filter(pa.array(~stranger))
    hosts = ours.select(["host", "destination"]).group_by(["destination", "host"]).aggregate([])
    reached = hosts.group_by("destination").aggregate([("host", "count")])
    reached = reached.rename_columns(["destination", "hosts"])
    reached = reached.sort_by([("hosts", "descending"), ("destination", "ascending")])[:MOST_DESTINATIONS]
    return {
        "pairs": table.sort_by([(name, "ascending") for name in table.column_names]).combine_chunks(),
        "destinations": reached.combine_chunks(),
        "hosts": len(pc.unique(ours["host"])),
    }


def light(part: pa.Table) -> pa.Table:
    """What is needed of a day's sketches, with their regularity in place of histograms."""
    regular = intervals(part["gaps"])
    alike, _ = sizes(part["sizes"])
    table = part.select(LIGHT)
    columns: dict[str, Any] = {
        "day": part["first"].to_numpy() // DAY, "bits": regular.bits, "period": regular.period,
        "jitter": regular.jitter, "alike": alike,
        "times": pc.if_else(pa.array(regular.bits >= TOLD), part["times"], pa.scalar(None, pa.list_(pa.int64()))),
    }  # fmt: skip
    for name, values in columns.items():
        table = table.append_column(name, values if isinstance(values, pa.ChunkedArray) else pa.array(values))
    return table


class Scored:
    """Pairs of days (of `light`), but those of everybody, scored by what was learnt."""

    def __init__(self, pairs: pa.Table, state: State) -> None:
        kinds = places(pairs["destination"].to_pylist())
        self.pairs = pairs = pairs.filter(pa.array(kinds != "everybody"))
        kinds = kinds[kinds != "everybody"]
        self.bits, self.period, self.jitter = (pairs[n].to_numpy() for n in ("bits", "period", "jitter"))
        self.hosts, self.usual = self._learnt(state)
        self.of_hosts = int(state.get("hosts") or 1)
        hours = pairs["hours"].to_numpy().astype(np.float64)
        day = _codes(pa.table({"host": pairs["host"], "day": pairs["day"].cast(pa.string())}))
        busiest = np.zeros(int(day.max(initial=0)) + 1)
        np.maximum.at(busiest, day, hours)
        possible = busiest[day] * np.minimum(1.0, 3600.0 / np.maximum(self.period, 1.0))
        known = Known(
            hosts=np.maximum(self.hosts, 1),
            of_hosts=np.full(len(pairs), max(self.of_hosts, 1)),
            late=np.where(self.hosts == 0, np.maximum(DAY_SECONDS, 3 * self.period), 0.0),  # nobody reached it before
            lasting=lasting(hours, possible),
            alike=pairs["alike"].to_numpy(),
            inside=kinds == "inside",
            common=np.isin(pairs["port"].to_numpy(), list(HOUSEKEEPING)),
            stranger=(places(pairs["source"].to_pylist()) == "outside") & (kinds == "inside"),
        )
        told = traits(self.period, self.jitter, known)
        usual = USUAL * np.minimum(self.bits, REGULAR)
        # What is not regular at all is told apart by how little it is so, for ties say nothing.
        found = np.where(self.usual, usual, strength(self.bits, told)) + 1e-3 * np.log2(1.0 + self.bits)
        self.score = np.round(found, 6)  # logarithms differ in their last digit by where a value stands in an array

    def _learnt(self, state: State) -> tuple[Ints, Any]:
        """Per pair on how many hosts its destination was reached in the baseline, and whether it was regular there."""
        table, pairs = state.get("destinations"), state.get("pairs")
        if table is None or pairs is None:
            return np.zeros(len(self.pairs), np.int64), np.zeros(len(self.pairs), dtype=bool)
        place = pc.index_in(self.pairs["destination"], value_set=table["destination"].combine_chunks())
        hosts = pc.fill_null(table["hosts"].take(place), 0).to_numpy().astype(np.int64)
        keys = [_pair_key(t) for t in (self.pairs, pairs)]
        return hosts, pc.is_in(keys[0], value_set=keys[1].combine_chunks()).to_numpy()

    def batches(self, rows: Ints, addresses: pa.ChunkedArray, at_once: int = 50_000) -> Iterator[pa.RecordBatch]:
        """OBSERVED of these rows."""
        table = self.pairs.append_column("address", addresses)
        for begin in range(0, len(rows), at_once):
            own = rows[begin : begin + at_once]
            part = table.take(pa.array(own))
            ids = zip(part["id"].to_pylist(), part["id_last"].to_pylist(), strict=True)
            yield observed({
                "_host": part["host"],
                "_time": stamps(part["first"]),
                "kind": part["kind"],
                "pattern": pc.binary_join_element_wise("beacon to ", part["destination"], ""),
                "process_guid": part["guid"],
                "source": part["source"],
                "destination": pc.coalesce(part["address"], part["destination"]),
                "score": self.score[own],
                "n": part["events"],
                "why": self._why(own, part),
                "event_ids": [[a] if a == b else [a, b] for a, b in ids],
                "picture": self._pictures(own, part),
            })  # fmt: skip

    def _why(self, rows: Ints, part: pa.Table) -> list[str]:
        said = ["connections without a period"] * len(rows)
        for place in np.flatnonzero(self.score[rows] >= SAID):
            row = rows[place]
            one = part.slice(place, 1)
            who = f"{one['process'][0].as_py()} on " if one["process"][0].as_py() else ""
            knows = f"{self.hosts[row]:,} of {self.of_hosts:,} hosts reached it before"
            known = "this pair was regular before" if self.usual[row] else knows
            said[place] = (
                f"{who}{one['source'][0]} reached {one['destination'][0]} {one['visits'][0].as_py():,} times, "
                f"{every(float(self.period[row]))} give or take {self.jitter[row]:.0%}; {known}"
            )
        return said

    def _pictures(self, rows: Ints, part: pa.Table) -> list[str | None]:
        drawn: list[str | None] = [None] * len(rows)
        for place in np.flatnonzero(self.score[rows] >= TOLD_MORE):
            times = part["times"][int(place)].as_py()
            if times:
                drawn[place] = picture(np.array(times), float(self.period[rows[place]]))
        return drawn


def picture(times: Ints, period: float) -> str:
    """The chart of arrivals (tenths of a second since 1970, ascending)."""
    shown = [int(t) * (1000 // TENTHS) for t in times[:: max(1, -(-len(times) // SHOWN))]]
    return json.dumps({"chart": "intervals", "period": round(period, 1), "at": [[t] for t in shown]})


def _pair_key(table: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(table["host"], table["destination"], table["port"].cast(pa.string()), "\x1f")


def _codes(table: pa.Table) -> Ints:
    joined = pc.binary_join_element_wise(*table.columns, "\x1f").combine_chunks()
    joined = joined.chunk(0) if isinstance(joined, pa.ChunkedArray) else joined
    return np.asarray(joined.dictionary_encode().indices.to_numpy(zero_copy_only=False), dtype=np.int64)


ANALYTIC = Beacon()
