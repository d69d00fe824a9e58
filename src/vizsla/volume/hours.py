"""At which hours of the day, on workdays or weekends, an entity is active: its own habit, drawn towards everybody's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizsla.calibration import Floats
from vizsla.volume.models import DAY, Cells
from vizsla.volume.pooling import I64, totals

SLOTS = 2 * DAY  # the hours of workdays, then those of weekends
OWN = 6.0  # active hours at which an entity's own habit weighs as much as everybody's
EVEN = 2.0  # entities as which the assumption counts that all hours are alike
WEEKENDS = 2  # days of workdays, and of weekends, from which on they are told apart
AT_ONCE = 4_096  # entities


@dataclass(frozen=True, slots=True)
class Habits:
    """By entity and slot, the probability that an active hour is one so unusual for it (`tail`), and hours seen."""

    tail: npt.NDArray[np.float64]
    seen: npt.NDArray[np.float64]
    others: Floats  # the tail of an entity that was never seen
    weekends: bool

    def slot(self, cells: Cells) -> I64:
        """Each hour's slot."""
        return cells.hour % DAY + DAY * (cells.weekend() if self.weekends else np.int64(0))

    def bits(self, cells: Cells) -> Floats:
        """-log2 of the probability of hours at most as usual."""
        slot = self.slot(cells)
        if not len(self.tail):
            return -np.log2(self.others[slot])
        own = self.tail[np.maximum(cells.entity, 0), slot]
        return -np.log2(np.where(cells.entity < 0, self.others[slot], own))


def habits(cells: Cells, entities: int) -> Habits:
    """The habits of so many entities. Where history has no two days of either kind, weekends are days like others."""
    days = np.unique(cells.hour // DAY)
    ends = int((((days + 3) % 7) >= 5).sum())
    weekends = min(ends, len(days) - ends) >= WEEKENDS
    empty = Habits(np.zeros((0, SLOTS)), np.zeros((0, SLOTS)), np.ones(SLOTS), weekends)
    seen = totals(cells.entity * SLOTS + empty.slot(cells), None, entities * SLOTS).reshape(entities, SLOTS)
    slots = SLOTS if weekends else DAY
    near = _near(seen, weekends)
    active = near.sum(axis=1, keepdims=True)
    share = np.divide(near, active, out=np.zeros_like(near), where=active > 0)[active[:, 0] > 0]
    everybody = (share.sum(axis=0) + EVEN / slots) / (len(share) + EVEN)
    own = (near + OWN * everybody) / (active + OWN)
    if not weekends:
        everybody, own = everybody[:DAY], own[:, :DAY]
    tail = np.concatenate([np.zeros((0, slots)), *(_tail(own[a : a + AT_ONCE]) for a in range(0, entities, AT_ONCE))])
    return Habits(tail, seen, _tail(everybody[None])[0], weekends)


def _near(seen: npt.NDArray[np.float64], weekends: bool) -> npt.NDArray[np.float64]:
    """Half of each hour's activity lies in the hours beside it: nobody comes to the minute."""
    parts = []
    for day in (seen[:, :DAY], seen[:, DAY:]):
        parts.append(day / 2 + (np.roll(day, 1, axis=1) + np.roll(day, -1, axis=1)) / 4)
    return np.concatenate(parts if weekends else [parts[0], np.zeros_like(parts[1])], axis=1)


def _tail(probability: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """By row, the sum of the probabilities at most as high as each."""
    alike = probability[:, None, :] <= probability[:, :, None] * (1 + 1e-9)
    total: npt.NDArray[np.float64] = np.minimum((alike * probability[:, None, :]).sum(axis=2), 1.0)
    return total
