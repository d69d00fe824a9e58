"""What clients say of themselves, by on how many hosts it was seen: fingerprints of TLS clients, user agents.

These are values that rarity looks at as well, one host at a time; here it is their prevalence over hosts. An analytic
of them therefore takes rarity's family of the same log, so that one value never counts twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import Need, State, observed
from vizsla.beacon.contacts import TENTHS, moment
from vizsla.beacon.listed import stamps
from vizsla.beacon.tunnel import batches
from vizsla.nouns.event import HOST, ID, TIME
from vizsla.safe import shortened
from vizsla.view import TABLE, view_of

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

DAY = 86_400 * TENTHS
OWN = 4.0  # bits that a signature loses that the host itself has used before
MOST = 500_000  # pairs of host and signature kept of a baseline
SAID = 2.0
LONGEST = 200  # characters of a signature that tell it from others


class Signatures:
    """The prevalence over hosts of one field's values. It holds nothing between calls."""

    def __init__(
        self, name: str, family: str, view: str, field: str, what: str, doc: str, instead: tuple[str, ...] = ()
    ) -> None:
        """`field`: of `view`, and those that are taken where it is empty; `what`: how a sentence calls its values."""
        self.name, self.family, self.view, self.field, self.what, self.doc = name, family, view, field, what, doc
        self.instead = instead
        self.unit = f"a host's use of one {what} on a day"
        self.needs = (Need((view,), (field,)),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """Which hosts used which signatures."""
        table = self._used(engine, scans)
        hosts = table.group_by(["signature", "host"]).aggregate([]).select(["signature", "host"])
        hosts = hosts.sort_by([("signature", "ascending"), ("host", "ascending")])[:MOST]
        return {"used": hosts.combine_chunks(), "hosts": len(pc.unique(table["host"]))}

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every host, signature and day; in bits by how few hosts used it."""
        table = self._used(engine, scans)
        hosts, own, of_hosts = _learnt(table, state or {})
        # Its events tell apart what as many hosts use: a signature that is used all day is less of a surprise.
        score = np.log2((of_hosts + 1.0) / (hosts + 1.0)) - OWN * own + 0.5 / (1.0 + table["events"].to_numpy())
        score = np.round(score, 6)
        for begin, part in batches(table):
            rows = slice(begin, begin + len(part))
            ids = zip(part["id"].to_pylist(), part["id_last"].to_pylist(), strict=True)
            yield observed({
                "_host": part["host"],
                "_time": stamps(part["first"]),
                "kind": part["table"],
                "pattern": pc.binary_join_element_wise(f"{self.what} ", part["signature"], ""),
                "source": part["source"],
                "destination": part["destination"],
                "score": score[rows],
                "n": part["events"],
                "why": self._why(part, score[rows], hosts[rows], of_hosts),
                "event_ids": [[a] if a == b else [a, b] for a, b in ids],
            })  # fmt: skip

    def _used(self, engine: Engine, scans: Sequence[Scan]) -> pa.Table:
        """Per host, signature and day: events, the first, and the address reached where it was one alone; by key."""
        import ibis

        seen = view_of(engine, scans, self.view, (self.field, *self.instead, "source.ip", "destination.ip"))
        fields = [name for name in (self.field, *self.instead) if name in seen.columns]
        value = ibis.coalesce(*(seen[name] for name in fields)).substr(0, LONGEST)
        if self.field == "user_agent.original":  # a version is no difference
            value = value.translate("123456789", "000000000")
        seen = seen.filter(seen[HOST].notnull(), seen[TIME].notnull())
        rows = seen.select(
            host=seen[HOST], signature=value, at=moment(seen[TIME]), id=seen[ID], table=seen[TABLE],
            source=ibis.coalesce(seen["source.ip"], seen[HOST]), destination=seen["destination.ip"],
        )  # fmt: skip
        rows = rows.mutate(day=rows["at"] // DAY).filter(rows["signature"].notnull())
        found = engine.collect(rows.group_by(["host", "signature", "day"]).agg(
            events=rows.count(), first=rows["at"].min(), id=rows["id"].min(), id_last=rows["id"].max(),
            table=rows["table"].min(), source=rows["source"].min(), destination=rows["destination"].min(),
            other=rows["destination"].max(),
        ))  # fmt: skip
        alone = pc.equal(found["destination"], found["other"])
        one = pc.if_else(pc.fill_null(alone, False), found["destination"], pa.scalar(None, pa.string()))
        found = found.set_column(found.schema.get_field_index("destination"), "destination", one).drop_columns("other")
        return found.sort_by([("host", "ascending"), ("signature", "ascending"), ("day", "ascending")]).combine_chunks()

    def _why(self, part: pa.Table, score: Any, hosts: Any, of_hosts: int) -> list[str]:
        said = [f"a {self.what} that other hosts use, or this one did before"] * len(part)
        for place in np.flatnonzero(score >= SAID):
            text = shortened(part["signature"][int(place)].as_py(), 80)
            said[place] = (
                f"{part['host'][int(place)]} used the {self.what} {text} {part['events'][int(place)].as_py():,} times; "
                f"{hosts[place]:,} of {of_hosts:,} hosts used it before"
            )
        return said


def _learnt(table: pa.Table, state: State) -> tuple[Any, Any, int]:
    """Per unit how many hosts used its signature before, whether its own did; and all hosts."""
    used = state.get("used")
    if used is None:
        return np.zeros(len(table), np.int64), np.zeros(len(table)), 1
    counted = used.group_by("signature").aggregate([("host", "count")])
    place = pc.index_in(table["signature"], value_set=counted["signature"].combine_chunks())
    hosts = pc.fill_null(counted["host_count"].take(place), 0).to_numpy()
    keys = [pc.binary_join_element_wise(t["host"], t["signature"], "\x1f") for t in (table, used)]
    own = pc.is_in(keys[0], value_set=keys[1].combine_chunks()).to_numpy().astype(np.float64)
    return hosts, own, int(state.get("hosts") or 1)
