"""The contract of an analytic: anything that turns events into evidence. Implementations stand in `analytics/`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import pyarrow as pa

from vizsla.engine import Engine
from vizsla.lake import Scan


@dataclass(frozen=True, slots=True)
class Need:
    """Tables or views (any one of `any_of`) and fields that an analytic cannot do without."""

    any_of: tuple[str, ...]
    fields: tuple[str, ...] = ()


@runtime_checkable
class Analytic(Protocol):
    """Learns what is normal, and finds what is not.

    Over whole units the order and the batching of events change no score, and scoring changes no state.
    """

    name: str
    family: str  # evidence of one family shares its inputs and does not add
    unit: str  # 'an event', or a key and a window in words
    doc: str
    needs: tuple[Need, ...]

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> object:
        """What is normal in these scans, as a state that `save`/`load` of its own module can keep as data."""
        ...

    def find(self, engine: Engine, scans: Sequence[Scan], state: object) -> Iterator[pa.RecordBatch]:
        """Evidence rows; see the analytic's own module for the schema it yields to triage."""
        ...
