"""Connections that last, and strobes: many connections to one destination within an hour.

Both are of how long or how often, which rarity does not look at. What is usual is the most that was seen of the
destination, and what is common for the port.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import Need, State, observed
from vizsla.beacon.contacts import NO_PORT, TENTHS, moment
from vizsla.beacon.listed import stamps
from vizsla.beacon.places import places
from vizsla.beacon.tunnel import batches
from vizsla.nouns.event import HOST, ID, TIME
from vizsla.view import TABLE, view_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Scan

HOUR = 3_600 * TENTHS
DAY = 24 * HOUR
LONG, MANY = 600, 120  # seconds, and connections within an hour, that surprise nobody
COMMON = 0.95  # quantile of a port's host-days that is common
HELD, CAME = 60, 12  # seconds, or connections within an hour: shorter and rarer ones are no unit
RARE = 2.0  # bits at most for a destination that few hosts reach
MOST = 1_000_000  # destinations kept of a baseline
SAID = 1.0
DIGITS = "0123456789"


class LongConnection:
    """How long a host held a destination, and how often it came back within an hour. It holds nothing."""

    name = "long_connection"
    family = "long_connection"
    unit = "a host's connections to an address and port on a day, one of a minute or twelve within an hour"
    doc = "Connections that last, and strobes: many to one destination within an hour"
    needs = (Need(("network",), ("destination.ip", "destination.port")),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """The most of each destination and port, what is common for each port, and how many hosts reach what."""
        table = _days(engine, scans)
        most = table.group_by(["destination", "port"]).aggregate(
            [("longest", "max"), ("often", "max"), ("host", "count_distinct")]
        )
        most = most.rename_columns(["destination", "port", "longest", "often", "hosts"])
        most = most.sort_by([("longest", "descending"), ("often", "descending"), ("destination", "ascending"),
                             ("port", "ascending")])[:MOST]  # fmt: skip
        return {"destinations": most.combine_chunks(), "ports": _ports(table), "hosts": len(pc.unique(table["host"]))}

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every host, destination, port and day with its score: doublings above what is usual."""
        table = _days(engine, scans)
        longest, often, hosts, of_hosts = _usual(table, state or {})
        held, came = (table[name].to_numpy().astype(np.float64) for name in ("longest", "often"))
        lasts, strobes = np.log2(1 + held / longest), np.log2(1 + came / often)
        outside = places(table["destination"].to_pylist()) == "outside"
        rare = np.clip(np.log2(np.maximum(of_hosts, 1) / np.maximum(hosts, 1)) / 2, 0, RARE) * outside
        strongest = np.maximum(lasts, strobes)
        score = np.round(strongest + np.minimum(rare, strongest), 6)
        for begin, part in batches(table):
            own = slice(begin, begin + len(part))
            ids = zip(part["id"].to_pylist(), part["id_last"].to_pylist(), strict=True)
            yield observed({
                "_host": part["host"],
                "_time": stamps(part["first"]),
                "kind": pc.coalesce(pc.binary_join_element_wise(part["table"], part["code"], ":"), part["table"]),
                "pattern": pc.binary_join_element_wise("held ", part["destination"], ""),
                "source": part["source"],
                "destination": part["destination"],
                "score": score[own],
                "n": part["events"],
                "why": _why(part, score[own], lasts[own] >= strobes[own], longest[own], often[own]),
                "event_ids": [[a] if a == b else [a, b] for a, b in ids],
            })  # fmt: skip


def _days(engine: Engine, scans: Sequence[Scan]) -> pa.Table:
    """Per host, destination, port and day: events, the longest connection (s), the most within an hour; by key."""
    import ibis

    fields = ("event.code", "event.action", "source.ip", "destination.ip", "destination.port", "network.direction",
              "network.connection.duration")  # fmt: skip
    seen = view_of(engine, scans, "network", fields)
    ours = (seen["event.action"] == "connection") & (seen["network.direction"].fill_null("outbound") != "inbound")
    seen = seen.filter(seen[HOST].notnull() & seen[TIME].notnull() & ours)
    rows = seen.select(
        host=seen[HOST], source=ibis.coalesce(seen["source.ip"], seen[HOST]), destination=seen["destination.ip"],
        port=seen["destination.port"].fill_null(NO_PORT), at=moment(seen[TIME]), id=seen[ID],
        seconds=seconds(seen["network.connection.duration"]), table=seen[TABLE], code=seen["event.code"],
    )  # fmt: skip
    rows = rows.mutate(hour=rows["at"] // HOUR)
    keys = ["host", "source", "destination", "port"]
    hours = rows.group_by([*keys, "hour"]).agg(
        events=rows.count(), longest=rows["seconds"].max(), first=rows["at"].min(), id=rows["id"].min(),
        id_last=rows["id"].max(), table=rows["table"].min(), code=rows["code"].min(), known=rows["destination"].count(),
    )  # fmt: skip
    # Not whether the destination is null: DuckDB would ask that of every row, and work addresses out once more for it.
    hours = hours.filter(hours["known"] > 0).mutate(day=ibis._["hour"] // 24)
    days = hours.group_by([*keys, "day"]).agg(
        events=hours["events"].sum(), often=hours["events"].max(), longest=hours["longest"].max().fill_null(0),
        first=hours["first"].min(), id=hours["id"].min(), id_last=hours["id_last"].max(), table=hours["table"].min(),
        code=hours["code"].min(),
    )  # fmt: skip
    table = engine.collect(days.filter((days["longest"] >= HELD) | (days["often"] >= CAME)))
    everybody = places(table["destination"].to_pylist()) == "everybody"
    table = table.filter(pa.array(~everybody))
    return table.sort_by([(name, "ascending") for name in [*keys, "day"]]).combine_chunks()


def seconds(text: ir.StringValue) -> ir.IntegerValue:
    """Whole seconds of a duration as sensors write it ('12.345', '12'); null of what is none."""
    import ibis

    # Not split: to Spark a point is a regular expression.
    whole = ibis.cases((text.contains("."), text.substr(0, text.find("."))), else_=text)
    sound = (whole.translate(DIGITS, "") == "") & whole.length().between(1, 9)
    return ibis.cases((sound, ibis.cases((sound, whole), else_=ibis.null("string")).cast("int64")),
                      else_=ibis.null("int64"))  # fmt: skip


def _ports(table: pa.Table) -> pa.Table:
    """What is common for each port: the quantile COMMON of its host-days."""
    port = table["port"].to_numpy()
    distinct, place = np.unique(port, return_inverse=True)
    columns: dict[str, Any] = {"port": distinct.astype(np.int64)}
    ends = np.cumsum(np.bincount(place, minlength=len(distinct)))
    begins = np.r_[0, ends[:-1]] if len(ends) else ends
    for name in ("longest", "often"):
        values = table[name].to_numpy()
        ordered = values[np.lexsort((values, place))]
        at = begins + np.floor((ends - begins - 1) * COMMON).astype(np.int64) if len(ends) else ends
        columns[name] = ordered[at] if len(ends) else np.zeros(0, np.int64)
    return pa.table(columns)


def _usual(table: pa.Table, state: State) -> tuple[Any, Any, Any, int]:
    """Per unit what was seen at most of its destination, or is common for its port; the hosts; and all hosts."""
    known, ports = state.get("destinations"), state.get("ports")
    rows = len(table)
    if known is None or ports is None:
        return np.full(rows, float(LONG)), np.full(rows, float(MANY)), np.zeros(rows, np.int64), 1
    by_port = pc.index_in(table["port"], value_set=ports["port"].combine_chunks())
    keys = [pc.binary_join_element_wise(t["destination"], t["port"].cast(pa.string()), " ") for t in (table, known)]
    own = pc.index_in(keys[0], value_set=keys[1].combine_chunks())
    usual = []
    for name, least in (("longest", LONG), ("often", MANY)):
        common = pc.fill_null(ports[name].take(by_port), 0).to_numpy()
        seen = pc.fill_null(known[name].take(own), 0).to_numpy()
        usual.append(np.maximum(np.maximum(common, seen), least).astype(np.float64))
    hosts = pc.fill_null(known["hosts"].take(own), 0).to_numpy()
    return usual[0], usual[1], hosts, int(state.get("hosts") or 1)


def _why(part: pa.Table, score: Any, lasts: Any, longest: Any, often: Any) -> list[str]:
    said = ["connections no longer and no more often than usual"] * len(part)
    for place in np.flatnonzero(score >= SAID):
        one = {name: part[name][int(place)].as_py() for name in ("source", "destination", "port", "longest", "often")}
        where = f"{one['destination']}:{one['port']}"
        if lasts[place]:
            said[place] = (
                f"{one['source']} held a connection to {where} for {one['longest'] / 3600:.1f} hours, "
                f"usual at most {longest[place] / 3600:.1f}"
            )
        else:
            said[place] = (
                f"{one['source']} connected to {where} {one['often']:,} times within an hour, "
                f"usual at most {often[place]:,.0f}"
            )
    return said


ANALYTIC = LongConnection()
