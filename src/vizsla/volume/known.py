"""What was learnt of one measure, made of the hours that a state holds: entities, models, habits, and their tails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.calibration import Floats
from vizsla.volume import hours, silence
from vizsla.volume.counting import SPLIT
from vizsla.volume.measures import Measure
from vizsla.volume.models import DAY, Cells, Model, fitted, zeros
from vizsla.volume.pooling import I64, Nodes, totals
from vizsla.volume.tails import temper

BETWEEN = "\x1f"  # between host and entity
MOST_DAYS = 200  # of history that are learnt from, the last ones
NOTHING = np.zeros(0)


@dataclass(frozen=True, slots=True)
class Entities:
    """Who was seen: hosts with their entities, peers and hosts, each as sorted texts whose place is the code."""

    names: pa.Array
    peers: pa.Array
    hosts: pa.Array
    host: I64  # of each entity
    peer: I64

    @classmethod
    def of(cls, table: pa.Table, measure: Measure) -> Entities:
        """Those of a table of cells."""
        names = _distinct(_named(table))
        parts = pc.split_pattern(names, BETWEEN, max_splits=1)
        host, entity = pc.list_element(parts, 0), pc.list_element(parts, 1)
        group = _peers(entity, measure)
        peers, hosts = _distinct(group), _distinct(host)
        return cls(names, peers, hosts, _codes(host, hosts), _codes(group, peers))

    def cells(self, table: pa.Table, measure: Measure) -> Cells:
        """Cells in codes; -1 for who was never seen."""
        return Cells(
            _codes(_named(table), self.names),
            _codes(_peers(table["entity"].combine_chunks(), measure), self.peers),
            table["hour"].to_numpy().astype(np.int64),
            table["value"].to_numpy().astype(np.float64),
        )


def _named(table: pa.Table) -> pa.Array:
    joined = pc.binary_join_element_wise(table["host"], table["entity"], BETWEEN)
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _peers(entity: pa.Array, measure: Measure) -> pa.Array:
    """The peers of entities: those of the same name (its first part), or all."""
    if not measure.same:
        return pa.repeat(pa.scalar(""), len(entity))
    return pc.list_element(pc.split_pattern(entity, SPLIT, max_splits=1), 0)


def _distinct(values: Any) -> pa.Array:
    found = pc.unique(values)
    return found.take(pc.sort_indices(found))


def _codes(values: Any, among: pa.Array) -> I64:
    found: I64 = pc.fill_null(pc.index_in(values, among), -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return found


@dataclass(frozen=True, slots=True)
class Known:
    """One measure's models by hour and by day, habits and silences, and what quiet hours got from models that had not
    seen them (`quiet…`, in bits)."""

    measure: Measure
    entities: Entities
    days: int
    active: Floats  # by entity, days with any
    hourly: Model
    daily: Model | None
    habits: hours.Habits | None
    silences: silence.Quiet | None
    scales: Floats  # by peers, of metrics
    quiet_hourly: Floats
    quiet_daily: Floats
    quiet_habits: Floats

    def cells(self, table: pa.Table) -> Cells:
        """Cells in codes, on the scale that they are modelled on."""
        return scaled(self.entities.cells(table, self.measure), self.measure, self.scales)

    def bits_hourly(self, cells: Cells) -> Floats:
        """Bits of how much."""
        return temper(self.hourly.bits(cells), self.quiet_hourly)

    def bits_habits(self, cells: Cells) -> Floats | None:
        """Bits of when; None where that is not asked."""
        return temper(self.habits.bits(cells), self.quiet_habits) if self.habits else None

    def bits_daily(self, cells: Cells) -> Floats:
        """Bits of how much in a day (cells of days)."""
        return temper(self.daily.bits(cells), self.quiet_daily) if self.daily else np.zeros(len(cells.hour))


def scaled(cells: Cells, measure: Measure, scales: Floats) -> Cells:
    """Sums as logarithms; levels as asinh of multiples of what is typical of their peers: linear, then logarithmic."""
    if not measure.amount:
        return cells
    if measure.how == "sum":
        return Cells(cells.entity, cells.peers, cells.hour, np.log1p(cells.value))
    typical = np.median(scales) if len(scales) else 1.0
    scale = np.where(cells.peers < 0, typical, scales[cells.peers]) if len(scales) else typical
    return Cells(cells.entity, cells.peers, cells.hour, np.arcsinh(cells.value / scale))


def known(table: pa.Table, measure: Measure, calendar: pa.Table) -> Known:
    """All that the hours of one measure tell. `table`: its rows of a state's cells; `calendar`: the days on which each
    host was seen, as `calendar_of` gives them."""
    entities = Entities.of(table, measure)
    cells, size = entities.cells(table, measure), len(entities.names)
    scales = _scales(cells, len(entities.peers)) if measure.how in ("peak", "trough") else NOTHING
    hosts, days = _codes(calendar["host"].combine_chunks(), entities.hosts), calendar["day"].to_numpy()
    every = np.unique(days)
    active = totals(np.unique(cells.entity * 2**20 + cells.hour // DAY) // 2**20, None, size)
    quiet = silence.quiet(cells, entities.host[cells.entity], entities.host, entities.peer) if measure.silence else None
    cells = scaled(cells, measure, scales)

    def hourly(learn: Cells, kept: np.ndarray) -> Model:
        if measure.amount:
            return fitted(learn, size, amount=True)
        week = _weeks(hosts[kept], days[kept], entities)
        return fitted(learn, size, without=zeros(learn, entities.peer, week))

    def daily(learn: Cells, kept: np.ndarray) -> Model:
        sums, week = learn.by_day(), _weeks(hosts[kept], days[kept], entities)
        return fitted(sums, size, daily=True, without=zeros(sums, entities.peer, week, daily=True))

    def unseen(judged: Callable[[Cells, np.ndarray, Cells], Floats]) -> Floats:
        """What every hour gets from a model of the other days: of days in turn, one half by the other."""
        if len(every) < 2:
            return NOTHING
        late, odd = (np.searchsorted(every, at) % 2 == 1 for at in (days, cells.hour // DAY))
        return np.concatenate(
            [judged(cells.at(~odd), ~late, cells.at(odd)), judged(cells.at(odd), late, cells.at(~odd))]
        )

    all_, by_day = np.ones(len(days), dtype=bool), not measure.amount
    return Known(
        measure, entities, len(every), active, hourly(cells, all_), daily(cells, all_) if by_day else None,
        hours.habits(cells, size) if measure.hours else None, quiet, scales,
        unseen(lambda learn, kept, judge: hourly(learn, kept).bits(judge)),
        unseen(lambda learn, kept, judge: daily(learn, kept).bits(judge.by_day())) if by_day else NOTHING,
        unseen(lambda learn, _, judge: hours.habits(learn, size).bits(judge)) if measure.hours else NOTHING,
    )  # fmt: skip


def calendar_of(table: pa.Table) -> pa.Table:
    """The days (since 1970) on which each host was seen, by a state's cells."""
    day = pc.divide(table["hour"], DAY)
    return pa.table({"host": table["host"], "day": day}).group_by(["host", "day"], use_threads=False).aggregate([])


def recent(table: pa.Table) -> pa.Table:
    """The last days of a long history: they tell what is usual now, and bound the memory that learning takes."""
    day = table["hour"].to_numpy() // DAY
    days = np.unique(day)
    return table if len(days) <= MOST_DAYS else table.filter(pa.array(day >= days[-MOST_DAYS]))


def _weeks(hosts: I64, days: I64, entities: Entities) -> Floats:
    """By entity and day of the week, the days on which its host was seen."""
    known_ = hosts >= 0
    count = len(entities.hosts)
    return totals(hosts[known_] * 7 + (days[known_] + 3) % 7, None, count * 7).reshape(count, 7)[entities.host]


def _scales(cells: Cells, peers: int) -> Floats:
    """By peers the median size of what is not 0; 1 where there is nothing."""
    scales = np.ones(peers)
    some = cells.value != 0
    if some.any():
        nodes = Nodes.of(cells.peers[some])
        scales[nodes.key] = np.maximum(nodes.median(np.abs(cells.value[some])), 1e-9)
    return scales
