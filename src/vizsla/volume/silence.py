"""Tables that fall silent on a host that goes on telling of other things: a log switched off, or withheld."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vizsla.calibration import Floats
from vizsla.volume.models import DAY, Cells
from vizsla.volume.pooling import I64, totals

OWN = 2.0  # hours at which a table's own habit on this host weighs as much as that of its peers
UNLIKELY = 3.0  # bits from which on a silence is observed at all


@dataclass(frozen=True, slots=True)
class Quiet:
    """Chances that an hour is silent by entity (a table on a host) and hour of the day, and by peers (a table)."""

    chance: np.ndarray
    begun: I64  # by entity, its first hour
    hours: Floats  # by entity, hours at which it could have been silent

    def bits(self, entity: I64, hour: I64) -> Floats:
        """How unlikely a silence is."""
        return np.asarray(-np.log2(self.chance[entity, hour % DAY]))


@dataclass(frozen=True, slots=True)
class Silences:
    """Hours at which an entity was silent while its host told of something else: by entity, then hour."""

    entity: I64
    hour: I64
    beside: Floats  # events of the host's other tables in that hour


def at_risk(cells: Cells, host: I64, own_host: I64, known: I64 | None = None) -> tuple[Silences, Silences]:
    """(silent, all) hours of entities at which their host told of something.

    `host`: of each cell; `own_host`: of each entity. The first and last hour of a host's day are left out, since
    logs begin and end within them. `known`: by entity its first hour, before which it is not expected.
    """
    span = np.int64(2**24)
    alive, place = np.unique(host * span + cells.hour, return_inverse=True)
    beside = totals(place.astype(np.int64), cells.value, len(alive))
    day = alive // span * span + (alive % span) // DAY
    first = np.r_[True, day[1:] != day[:-1]]
    last = np.r_[day[1:] != day[:-1], True]
    inner = np.flatnonzero(~(first | last)) if len(alive) else np.zeros(0, np.int64)
    order = np.argsort(own_host, kind="stable")
    begin = np.searchsorted(own_host[order], alive[inner] // span, side="left")
    count = np.searchsorted(own_host[order], alive[inner] // span, side="right") - begin
    entity = order[np.repeat(begin, count) + _steps(count)].astype(np.int64)
    hour = np.repeat(alive[inner] % span, count)
    events = np.repeat(beside[inner], count)
    if known is not None:
        kept = hour >= known[entity]
        entity, hour, events = entity[kept], hour[kept], events[kept]
    told = np.unique(cells.entity * span + cells.hour)
    silent = ~np.isin(entity * span + hour, told)
    every = Silences(entity, hour, events)
    return Silences(entity[silent], hour[silent], events[silent]), every


def _steps(count: I64) -> I64:
    """0, 1, … within each run of so many."""
    return np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)


def quiet(cells: Cells, host: I64, own_host: I64, peers: I64) -> Quiet:
    """How often each entity was silent, drawn to the same table on other hosts. `peers`: of each entity."""
    size = len(own_host)
    begun = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(begun, cells.entity, cells.hour)
    silent, every = at_risk(cells, host, own_host, begun)
    tables = int(peers.max()) + 1 if size else 0

    def counted(what: Silences, key: I64, cells_of: int) -> Floats:
        return totals(key, None, cells_of)

    n_table, z_table = (counted(w, peers[w.entity], tables) for w in (every, silent))
    n_own, z_own = (counted(w, w.entity, size) for w in (every, silent))
    n_slot, z_slot = (counted(w, w.entity * DAY + w.hour % DAY, size * DAY).reshape(size, DAY) for w in (every, silent))
    pooled = ((z_table + 1.0) / (n_table + 2.0))[peers] if size else np.zeros(0)
    own = (z_own + OWN * pooled) / (n_own + OWN)
    chance = (z_slot + OWN * own[:, None]) / (n_slot + OWN)
    least = 1.0 / (n_table[peers] + 2.0) if size else np.zeros(0)  # what so many hours can tell at most
    return Quiet(np.clip(chance, least[:, None], 1.0), begun, n_own)
