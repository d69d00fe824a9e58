"""Who held what, on how many days: what the gold image is inferred from. Plain tables, whose sums merge.

`held`: kind, name, scope, host, days, first and last day (days since 1970). `said`: kind, name, scope, field, value,
host, days. Hosts that hold much the same are one group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import I64, U64, code_of, mixed
from vizsla.gold.units import FIELDS, Units
from vizsla.gold.words import codes

ALIKE = 0.5  # share of all items of two hosts that both hold, from which on they are of one group
COMMON = 0.1  # share of hosts that hold an item, and two at least, from which on it tells groups apart
HELD = ("kind", "name", "scope", "host")
SAID = ("kind", "name", "scope", "field", "value", "host")


def learnt(units: Units) -> dict[str, pa.Table]:
    """`held` and `said` of these units, in a total order."""
    texts = units.facts.texts

    def column(values: U64) -> pa.Array:
        distinct, at = np.unique(values, return_inverse=True)
        return pa.array([texts.get(int(code), "") for code in distinct], pa.string()).take(pa.array(at.reshape(-1)))

    held = pa.table({"kind": column(units.kind), "name": column(units.name), "scope": column(units.scope),
                     "host": column(units.host), "day": pa.array(units.day)})  # fmt: skip
    of = pa.array(units.token_unit)
    fields = pa.array(FIELDS, pa.string()).take(pa.array(units.token_field.astype(np.int64)))
    said = pa.table({**{name: held[name].take(of) for name in HELD}, "field": fields,
                     "value": column(units.token_value)})  # fmt: skip
    held = held.group_by(list(HELD)).aggregate([("day", "count"), ("day", "min"), ("day", "max")])
    held = held.rename_columns([*HELD, "days", "first", "last"]).sort_by([(name, "ascending") for name in HELD])
    said = said.group_by(list(SAID)).aggregate([([], "count_all")]).rename_columns([*SAID, "days"])
    return {"held": held.combine_chunks(), "said": said.sort_by([(n, "ascending") for n in SAID]).combine_chunks()}


def merged(one: Mapping[str, pa.Table], other: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Both together, of days that do not overlap."""
    held = pa.concat_tables([one["held"], other["held"]]).group_by(list(HELD))
    held = held.aggregate([("days", "sum"), ("first", "min"), ("last", "max")])
    said = pa.concat_tables([one["said"], other["said"]]).group_by(list(SAID)).aggregate([("days", "sum")])
    return {
        "held": held.rename_columns([*HELD, "days", "first", "last"])
        .sort_by([(n, "ascending") for n in HELD])
        .combine_chunks(),
        "said": said.rename_columns([*SAID, "days"]).sort_by([(n, "ascending") for n in SAID]).combine_chunks(),
    }


def nothing() -> dict[str, pa.Table]:
    """What was learnt of no event."""
    held = pa.schema([*((name, pa.string()) for name in HELD), *((n, pa.int64()) for n in ("days", "first", "last"))])
    said = pa.schema([*((name, pa.string()) for name in SAID), ("days", pa.int64())])
    return {"held": held.empty_table(), "said": said.empty_table()}


def groups(held: pa.Table) -> dict[str, int]:
    """The group of each host: hosts that hold ALIKE of their common items together, found in one pass.

    The host with the most items leads; each other joins the leader whom it resembles most (Jaccard), or leads itself.
    Programs that ran are left out: they come and go with what people do.
    """
    own = held.filter(pc.invert(pc.is_in(held["kind"], pa.array(["binary", "member"]))))
    hosts, host = codes(own["host"].combine_chunks())
    item = mixed(_coded(own["kind"]), _coded(own["name"]))
    _, at, count = np.unique(item, return_inverse=True, return_counts=True)
    common = count[at.reshape(-1)] >= max(2.0, COMMON * (len(hosts) - 1))
    sets: dict[int, set[int]] = {place: set() for place in range(len(hosts) - 1)}
    for place, thing in zip(host[common].tolist(), at.reshape(-1)[common].tolist(), strict=True):
        sets[place].add(thing)
    leaders: list[tuple[int, set[int]]] = []
    found: dict[str, int] = {}
    for place in sorted(sets, key=lambda p: (-len(sets[p]), hosts[p])):
        mine = sets[place]
        alike = [(len(mine & theirs) / (len(mine | theirs) or 1), -number) for number, theirs in leaders]
        best = max(alike, default=(0.0, 0))
        if best[0] >= ALIKE:
            found[hosts[place]] = -best[1]
        else:
            found[hosts[place]] = len(leaders)
            leaders.append((len(leaders), mine))
    return found


def _coded(column: pa.ChunkedArray) -> U64:
    distinct, at = codes(column.combine_chunks())
    made: U64 = np.array([code_of(text) for text in distinct], np.uint64)[at]
    return made


def coded(table: pa.Table, names: tuple[str, ...]) -> dict[str, Any]:
    """Columns of a learnt table: texts as codes, numbers as they are."""
    made: dict[str, Any] = {name: _coded(table[name]) for name in names}
    for name in table.column_names:
        if name not in names:
            made[name] = np.asarray(table[name].combine_chunks())
    return made


def days_of(values: I64) -> np.ndarray:
    """What days of one host weigh: they vouch for each other, so that a hundred are worth about six."""
    return 1.0 + np.log(np.maximum(values, 1))
