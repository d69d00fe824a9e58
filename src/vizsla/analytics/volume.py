"""How much and when: counts, amounts and levels by the hour, against what is usual for the entity and its peers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import Need, State

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

VIEWS = ("authentication", "network", "dns", "http", "web", "process", "file", "share", "script", "cloud", "metric")


class Volume:
    """Unusually much of what is counted in an hour or a day, at an unusual hour, or nothing at all where there should
    be something. `volume/measures.yaml` says what is counted."""

    name = "volume"
    family = "volume"
    unit = "what is counted of a host, user, address or program in an hour"
    doc = "Bursts, slow rises, silences and unusual hours of counts, bytes and metrics, by entity and hour of the week"
    needs = (Need(VIEWS),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """The hours in which anything was counted. They add up: another day's rows may be appended."""
        from vizsla.volume.counting import cells
        from vizsla.volume.measures import measures

        return {"cells": cells(engine, scans, measures())}

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every hour and day with any, and every silence that was not to be expected."""
        from vizsla.volume.counting import CELLS, cells
        from vizsla.volume.finding import observations
        from vizsla.volume.known import calendar_of, known, recent
        from vizsla.volume.measures import measures

        learnt = recent((state or {}).get("cells", CELLS.empty_table()))
        calendar = calendar_of(learnt)
        seen = cells(engine, scans, measures(), told=True)
        for measure in measures():
            own = seen.filter(pc.equal(seen["measure"], measure.key)).combine_chunks()
            if len(own):
                before = learnt.filter(pc.equal(learnt["measure"], measure.key))
                yield from observations(engine, scans, known(before, measure, calendar), own)


ANALYTIC = Volume()
