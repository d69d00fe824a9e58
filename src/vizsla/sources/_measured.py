"""Measurements, one a row, whatever shape a tool writes them in: what the view `metric` is filled from.

Columns: `entity` (host, then device, process or instance behind a slash), `metric`, `value`, `unit`, `type`
(gauge, counter, …), `labels` (what else tells a series from others, as JSON), `time`, `host`; a source may add more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vizsla.source import Batch
from vizsla.sources._placing import Clock, Placing
from vizsla.sources._rows import Rows, as_text

COLUMNS = ("time", "host", "entity", "metric", "value", "unit", "type", "labels")


class Measurements:
    """Gathers measurements of one table and gives them out in batches of bounded size."""

    def __init__(self, table: str, file: str, times: str = "auto", more: tuple[str, ...] = ()) -> None:
        self.rows = Rows(COLUMNS)
        self.table, self.file = table, file
        self.names = (*COLUMNS, *more)
        self.placing = Placing(table, (), (Clock(("time",), times),), ("host",))

    def add(self, place: int, time: Any, host: str | None, device: str | None, metric: str, value: Any,
            unit: str | None = None, kind: str | None = None, labels: Mapping[str, Any] | None = None,
            more: tuple[Any, ...] = ()) -> None:  # fmt: skip
        """One measurement. `time` as the placing's clock reads it."""
        entity = f"{host}/{device}" if host and device else host or device
        told = as_text(dict(sorted(labels.items()))) if labels else None
        self.rows.add(self.names, (time, host, entity, metric, value, unit, kind, told, *more), place)
        self.rows.bytes += 100

    def full(self) -> Iterator[Batch]:
        """What is to be given out by now."""
        if self.rows.full():
            yield from self.rest()

    def rest(self) -> Iterator[Batch]:
        """All that is held."""
        if self.rows.places:
            columns, count = self.rows.columns(), len(self.rows.places)
            batch = self.placing.batch(columns, count, self.rows.origins(self.file))
            self.rows.clear()
            yield Batch(self.table, batch)


def numbers(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int | float]]:
    """The numbers of nested objects under dotted names; truth values are none."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{key}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield prefix + key, value


def texts(record: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All else that the objects hold: texts, truth values, lists."""
    for key, value in record.items():
        if isinstance(value, dict):
            yield from texts(value, f"{prefix}{key}.")
        elif value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            yield prefix + key, value
