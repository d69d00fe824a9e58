"""What was usual: counts of values, and of values given the acting entity, per type of event.

Counts are kept in two units. `units` (a distinct pattern on a host in an hour counts once) feed the probabilities,
so that a chatty process does not drown the others; `events`, hosts, first and last time are what explanations cite.
All of it merges by addition, so that a baseline can grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.analytics.rarity.encode import I64, NOTHING, U64, mixed
from vizsla.analytics.rarity.tally import FIELD, merge_rows

Floats = npt.NDArray[np.float64]
Columns = Mapping[str, np.ndarray]
ACTOR = ""  # the field that stands for the acting entity itself


@dataclass(frozen=True, slots=True)
class Index:
    """Counts by code: `codes` ascending; `units` and `distinct` (values seen with it) beside them."""

    codes: U64
    units: I64
    distinct: I64

    def find(self, codes: U64) -> tuple[I64, npt.NDArray[np.bool_]]:
        """Each code's place, and whether it is there at all."""
        places = np.searchsorted(self.codes, codes)
        places = np.minimum(places, max(len(self.codes) - 1, 0))
        there = self.codes[places] == codes if len(self.codes) else np.zeros(len(codes), dtype=bool)
        return places, there

    def of(self, codes: U64) -> tuple[I64, I64]:
        """Units and distinct values of each code; zero where it was never seen."""
        if not len(self.codes):
            return np.zeros(len(codes), np.int64), np.zeros(len(codes), np.int64)
        places, there = self.find(codes)
        return np.where(there, self.units[places], 0), np.where(there, self.distinct[places], 0)


@dataclass(frozen=True, slots=True)
class FieldCounts:
    """One field of one type of event: rows of (actor, value) by ascending `pair` code, and what derives from them."""

    pair: U64
    actor: U64
    value: U64
    units: I64
    events: I64
    first: I64
    last: I64
    hosts: pa.ListArray  # of host codes, distinct
    by_actor: Index
    by_value: Index

    @property
    def total(self) -> int:
        """Units in which the field is present."""
        return int(self.units.sum())

    @classmethod
    def of(cls, actor: U64, value: U64, units: I64, host: U64, n: I64, first: I64, last: I64) -> FieldCounts:
        """Counts from unit rows (`value` never NOTHING); `units` is 1 per row unless rows were merged before."""
        pair = mixed(actor, value)
        rows = {"pair": pair, "host": host, "actor": actor, "value": value, "units": units, "events": n,
                "first": first, "last": last}  # fmt: skip
        summed = {"units": "sum", "events": "sum", "first": "min", "last": "max"}
        per_host = merge_rows(rows, ("pair", "host"), summed)
        order = np.argsort(per_host["pair"], kind="stable")
        per_host = {name: values[order] for name, values in per_host.items()}
        begins = np.flatnonzero(np.r_[[True] * bool(len(order)), per_host["pair"][1:] != per_host["pair"][:-1]])
        ends = np.r_[begins[1:], len(order)]
        hosts = pa.ListArray.from_arrays(
            pa.array(np.r_[begins, ends[-1:]].astype(np.int32)), pa.array(per_host["host"])
        )
        how = {"units": np.add, "events": np.add, "first": np.minimum, "last": np.maximum}
        merged = {k: how[k].reduceat(v, begins) if k in how and len(begins) else v[begins] for k, v in per_host.items()}
        return cls._derived(merged, hosts)

    @classmethod
    def _derived(cls, rows: Mapping[str, np.ndarray], hosts: pa.ListArray) -> FieldCounts:
        return cls(
            rows["pair"], rows["actor"], rows["value"], rows["units"], rows["events"], rows["first"], rows["last"],
            hosts, index(rows["actor"], rows["units"]), index(rows["value"], rows["units"]),
        )  # fmt: skip

    def merged(self, other: FieldCounts) -> FieldCounts:
        """The counts of both: of units that none of them shares."""
        return FieldCounts.of(*map(np.concatenate, zip(self._rows(), other._rows(), strict=True)))

    def _rows(self) -> tuple[np.ndarray, ...]:
        """What `of` makes the same counts of: a row for each host of a pair, the first with what all have."""
        sizes = np.asarray(self.hosts.value_lengths())
        at = np.repeat(np.arange(len(sizes)), sizes)
        lead = np.r_[True, at[1:] != at[:-1]][: len(at)]
        units, events = (np.where(lead, counts[at], 0) for counts in (self.units, self.events))
        hosts = self.hosts.flatten().to_numpy()
        return self.actor[at], self.value[at], units, hosts, events, self.first[at], self.last[at]

    def table(self) -> pa.Table:
        """For saving: actor, value, units, events, first, last, hosts."""
        return pa.table({
            "actor": self.actor, "value": self.value, "units": self.units, "events": self.events,
            "first": self.first, "last": self.last, "hosts": self.hosts,
        })  # fmt: skip

    @classmethod
    def load(cls, table: pa.Table) -> FieldCounts:
        """The counts of a saved table."""
        table = table.combine_chunks()
        rows = {n: table[n].to_numpy() for n in ("actor", "value", "units", "events", "first", "last")}
        rows["pair"] = mixed(rows["actor"], rows["value"])
        order = np.argsort(rows["pair"], kind="stable")
        hosts = table["hosts"].combine_chunks().take(pa.array(order))
        return cls._derived({n: v[order] for n, v in rows.items()}, hosts)


def index(codes: U64, units: I64) -> Index:
    """Units and number of distinct partners per code."""
    unique, inverse = np.unique(codes, return_inverse=True)
    return Index(
        unique, np.bincount(inverse, units, len(unique)).astype(np.int64), np.bincount(inverse, minlength=len(unique))
    )


@dataclass(frozen=True, slots=True)
class KindCounts:
    """One type of event: its fields (ACTOR among them), units and events in all, and the hosts that showed it."""

    kind: str
    units: int
    events: int
    hosts: U64
    fields: Mapping[str, FieldCounts]

    def merged(self, other: KindCounts) -> KindCounts:
        """The counts of both: of units that none of them shares."""
        fields = dict(self.fields)
        for name, counts in other.fields.items():
            fields[name] = fields[name].merged(counts) if name in fields else counts
        hosts = np.union1d(self.hosts, other.hosts)
        ordered = dict(sorted(fields.items()))
        return KindCounts(self.kind, self.units + other.units, self.events + other.events, hosts, ordered)


def count(kind: str, units: Columns) -> KindCounts:
    """The counts of a merged unit table (see `tally`)."""
    host, n, first, last, actor = (units[c] for c in ("host", "n", "first", "last", "actor"))
    ones = np.ones(len(host), dtype=np.int64)
    nobody = np.zeros(len(host), dtype=np.uint64)
    fields = {ACTOR: FieldCounts.of(nobody, actor, ones, host, n, first, last)}
    for name, codes in units.items():
        if name.startswith(FIELD):
            some = codes != NOTHING
            if some.any():
                fields[name[len(FIELD) :]] = FieldCounts.of(
                    actor[some], codes[some], ones[some], host[some], n[some], first[some], last[some]
                )
    return KindCounts(kind, len(host), int(n.sum()), np.unique(host), fields)
