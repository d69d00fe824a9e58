"""Hosts compared with what hosts like them hold: services, tasks, autoruns, drivers, software, shares, accounts, ports.

A unit is an item on all hosts of one day: what comes to many hosts at once is told from what comes to one, so hosts
cannot be looked at alone and score the same. What it learns is who held what (`vizsla.gold.learnt`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from vizsla.analytic import Need, State, observed
from vizsla.nouns.event import DAY, HOST, TIME, UNKNOWN_DAY

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.gold.score import Scored
    from vizsla.gold.units import Units
    from vizsla.lake import Scan

AT_ONCE = 30_000_000  # events looked at together; more are looked at day by day
BATCH = 50_000


class GoldImage:
    """How far what a host holds is from what hosts like it hold. It holds nothing between calls."""

    name = "gold_image"
    family = "*"  # of the event behind it: what rarity says of the same event does not add
    across_hosts = True  # a unit is an item on all hosts of a day
    unit = "a service, task, autorun, driver, program, account, share or port, on all hosts of a day"
    doc = "What hosts hold (services, tasks, autoruns, drivers, …), against what they held and hosts like them hold"
    needs = (Need(("scheduled_task", "service", "registry", "driver", "inventory", "process")),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """Who held what on how many days, with which values."""
        from vizsla.gold.gather import gathered
        from vizsla.gold.learnt import learnt, merged, nothing
        from vizsla.gold.units import facts_of, units_of

        state = nothing()
        for part in parts(engine, scans):
            rows = gathered(engine, part)
            if rows.num_rows:
                state = merged(state, learnt(units_of(facts_of(rows))))
        return state

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every item on every host and day, with its bits."""
        from vizsla.gold.gather import gathered
        from vizsla.gold.learnt import nothing
        from vizsla.gold.say import Usual
        from vizsla.gold.score import Model
        from vizsla.gold.units import facts_of, units_of

        known = state or nothing()
        model, usual = Model(known), Usual(known["said"])
        for part in parts(engine, scans):
            rows = gathered(engine, part)
            if rows.num_rows:
                units = units_of(facts_of(rows))
                yield from told(units, model.score(units), usual)


def told(units: Units, scored: Scored, usual: object) -> Iterator[pa.RecordBatch]:
    """Units as observations."""
    from vizsla.gold.say import TELLING, Speaker, Usual

    assert isinstance(usual, Usual)
    speaker = Speaker(units, scored, usual)
    row = speaker.rows()
    raw = units.facts.raw
    loud = scored.bits >= TELLING
    for begin in range(0, len(units), BATCH):
        chosen = np.arange(begin, min(begin + BATCH, len(units)))
        picked = raw.take(pa.array(row[chosen])).combine_chunks()
        service = np.array([kind == "service" for kind in picked["kind"].to_pylist()])
        at, ids = chosen.tolist(), picked["id"].to_pylist()
        yield observed({
            HOST: picked["host"],
            TIME: picked["first"].cast(pa.timestamp("us", tz="UTC")),
            "kind": kinds_of(picked),
            "pattern": [speaker.pattern(i) for i in at],
            "process_guid": picked["process"],
            "logon_id": picked["logon"],
            # Two records of one installation are of one episode, as rarity has it: told by the command.
            "source": [p if own else None for p, own in zip(picked["program"].to_pylist(), service, strict=True)],
            "score": scored.bits[chosen],
            "n": units.n[chosen],
            "why": [speaker.text(i) if loud[i] else speaker.brief(i) for i in at],
            "event_ids": [speaker.ids(i) if loud[i] else [id] for i, id in zip(at, ids, strict=True)],
        })  # fmt: skip


def kinds_of(rows: pa.Table) -> list[str]:
    """The kind of event of each row."""
    pairs = zip(rows["table"].to_pylist(), rows["code"].to_pylist(), strict=True)
    return [f"{table}:{code}" if code else table for table, code in pairs]


def parts(engine: Engine, scans: Sequence[Scan]) -> Iterator[Sequence[Scan]]:
    """The scans, or, where they hold too many events to look at together, those of each day."""
    if sum(scan.rows for scan in scans) <= AT_ONCE:
        yield scans
        return
    days: set[str] = set()
    for scan in scans:
        events = engine.table(scan)
        days |= set(engine.collect(events.select(events[DAY]).distinct())[DAY].to_pylist())
    for day in sorted(days - {UNKNOWN_DAY}):
        since = datetime.fromisoformat(day).replace(tzinfo=UTC)
        until = since + timedelta(days=1)
        yield [
            replace(scan, since=max(since, scan.since or since), until=min(until, scan.until or until))
            for scan in scans
        ]


ANALYTIC = GoldImage()
