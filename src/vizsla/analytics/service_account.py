"""Service accounts that act like people, and people who act like service accounts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import Need, State, observed
from vizsla.ueba.told import or_none

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan
    from vizsla.ueba.habits import Kinds

KEYS = ("host", "user", "type", "slot", "day")
MICRO = pa.timestamp("us", tz="UTC")


class ServiceAccount:
    """How and when an account logs on, against the class that it belongs to: a person's or a service's."""

    name = "service_account"
    family = "account_class"
    unit = "an account's logons of a type within three hours on a host"
    doc = "Service accounts that log on as people do, and people's accounts that log on as services do"
    needs = (Need(("authentication",), ("user.name", "event.action", "winlog.logon.type")),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """How and when each account logged on, by day: rows that add up."""
        from vizsla.ueba.habits import WAYS

        found = _ways(engine, scans)
        keys = ["user", "type", "slot", "day"]
        summed = found.group_by(keys, use_threads=False).aggregate([("n", "sum")]).rename_columns([*keys, "n"])
        return {"ways": summed.cast(WAYS).sort_by([(key, "ascending") for key in keys]).combine_chunks()}

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every account's logons of a type within three hours on a host."""
        from vizsla.ueba.habits import WAYS, kinds

        found = _ways(engine, scans)
        if not len(found):
            return
        known = kinds((state or {}).get("ways", WAYS.empty_table()))
        found = found.sort_by([(name, "ascending") for name in (*KEYS, "time", "id")])
        firsts = found.group_by(list(KEYS), use_threads=False).aggregate(
            [(name, "first") for name in ("time", "id", "kind", "session")] + [("n", "sum")]
        )
        rows = firsts.select([*KEYS]).to_pylist()
        bits = [known.bits(row["user"], row["type"], row["slot"]) for row in rows]
        yield observed({
            "_host": firsts["host"], "_time": firsts["time_first"].cast(MICRO), "kind": firsts["kind_first"],
            "pattern": pc.binary_join_element_wise(firsts["user"], firsts["type"], " as "),
            "logon_id": or_none(firsts["session_first"]), "score": bits, "n": firsts["n_sum"],
            "why": [_said(known, row["user"], row["type"], row["slot"], row["host"]) for row in rows],
            "event_ids": [[id] for id in firsts["id_first"].to_pylist()],
        })  # fmt: skip


def _ways(engine: Engine, scans: Sequence[Scan]) -> pa.Table:
    """Logons of people's and services' accounts with their slot and day."""
    from vizsla.ueba.habits import slots
    from vizsla.ueba.logons import logons, machines

    found = logons(engine, scans)
    found = found.filter(pc.invert(machines(found["user"])))
    hour = found["hour"].to_numpy()
    return found.append_column("slot", pa.array(slots(hour))).append_column("day", pa.array(hour // 24))


def _said(known: Kinds, user: str, kind: str, slot: int, host: str) -> str:
    """What speaks for the other class, with the numbers it rests on."""
    from vizsla.ueba.habits import PER_SLOT, SLOTS, WORDS

    begin = slot % (SLOTS // 2) * PER_SLOT
    when = f"{begin:02}:00 to {begin + PER_SLOT:02}:00 on {'weekends' if slot >= SLOTS // 2 else 'workdays'}"
    how = f"{kind or 'unknown type'} logon"
    code = known.users.get(user)
    if code is None:
        return f"{how} of {user}, never seen before, on {host}, {when}"
    own = int(known.is_service[code] > 0.5)
    total = known.types[code].sum()
    column = known.names.get(kind)
    same = 0.0 if column is None else known.types[code, column]
    sure = max(float(known.is_service[code]), 1 - float(known.is_service[code]))
    return (
        f"{how} of {user} on {host}, {when}, is rather what {WORDS[1 - own]} does; {user} acts like {WORDS[own]} "
        f"({sure:.0%}): {same:,.0f} of {total:,.0f} logons were of this type, {known.slots[code, slot]:,.0f} then"
    )


ANALYTIC = ServiceAccount()
