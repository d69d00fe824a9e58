"""A host's hour as one row of features: how broad what it did was, over all kinds of activity together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from vizsla.analytic import Need, State

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan


class Outlier:
    """Hours in which a host did unusually many different things at once, by the distance to hours that were learnt.

    Volume judges each count by itself; this judges them together: somewhat more programs, more logons and more
    addresses in one hour are unusual where each alone would not be.
    """

    name = "outlier"
    family = "volume"  # it counts what volume counts: within an episode the stronger of the two speaks
    unit = "a host and hour"
    doc = "Hours in which a host did unusually many different things at once, by the distance to usual hours"
    needs = (Need(("process", "authentication", "network", "dns", "file", "registry", "share", "script", "service")),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """What was counted in every host's hours. Rows of another day may be appended."""
        from vizsla.outlier.hours import hours

        return {"hours": hours(engine, scans)}

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every host's hours, with their scores."""
        from vizsla.outlier.hours import HOURS, hours, observations

        seen = hours(engine, scans, told=True)
        if len(seen):
            yield observations((state or {}).get("hours", HOURS.empty_table()), seen)


ANALYTIC = Outlier()
