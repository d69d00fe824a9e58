"""How a baseline forgets: what is older than a window is gone, and of what is older than today ever less is left.

Whole host-days fade. With a half-life of 30 days, half of the host-days of a month ago are left, a quarter of those
of two months ago, chosen by hash: a host-day that is gone stays gone. So counts stay counts, and what is left are real
days, that a replay can be made of. Ages are counted from the newest day of all, not from the clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.encode import U64, code_of, mixed
from vizsla.analytics.rarity.model import HOURS_A_DAY, Tallied
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.tally import DAY
from vizsla.errors import UsageError

_SALT = code_of("what fades")  # another choice than that of the host-days that are replayed
Days = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Fading:
    """`window` and `half_life` in days; None: nothing is forgotten by it."""

    window: float | None = None
    half_life: float | None = None

    def __post_init__(self) -> None:
        for name, days in (("--window", self.window), ("--half-life", self.half_life)):
            if days is not None and days < 1:
                raise UsageError(f"{name} is less than a day", where=f"{days:g} days", fix="a day or more: 90d")

    def __bool__(self) -> bool:
        return self.window is not None or self.half_life is not None

    def said(self) -> dict[str, Any]:
        """For saving, as JSON."""
        return {"window": self.window, "half_life": self.half_life}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Fading:
        """From what was saved."""
        return cls(*(None if said.get(name) is None else float(said[name]) for name in ("window", "half_life")))

    def left(self, parts: Sequence[Tallied]) -> list[Tallied]:
        """What is left of tallies, ages counted from the newest day among them. What has no time stays."""
        newest = max(map(_newest, parts), default=-1)
        if not self or newest < 0:
            return list(parts)
        return [self._part(part, newest) for part in parts]

    def since(self, parts: Sequence[Tallied]) -> datetime | None:
        """Where the window begins; None where nothing lies before it."""
        newest = max(map(_newest, parts), default=-1)
        if self.window is None or newest < 0:
            return None
        return datetime.fromtimestamp((newest + 1 - round(self.window)) * DAY / 1e6, UTC)

    def _part(self, part: Tallied, newest: int) -> Tallied:
        units = {
            kind: self._rows(columns, columns["hour"] // HOURS_A_DAY, newest) for kind, columns in part.units.items()
        }
        ties, starts = (
            self._rows(columns, columns["time"] // DAY, newest) if columns else columns
            for columns in (part.ties, part.starts)
        )
        return replace(part, units={kind: c for kind, c in units.items() if len(c["hour"])}, ties=ties, starts=starts)

    def _rows(self, columns: Columns, days: Days, newest: int) -> dict[str, np.ndarray]:
        keep = self.stays(columns["host"], days, newest)
        return {name: values[keep] for name, values in columns.items()}

    def stays(self, host: U64, days: Days, newest: int) -> npt.NDArray[np.bool_]:
        """Which rows are on host-days that are not forgotten; days are counted since 1970, below 0: not known."""
        age = np.maximum(newest - days, 0)
        keep = np.ones(len(days), dtype=bool)
        if self.window is not None:
            keep &= age < round(self.window)
        if self.half_life is not None:
            share = 2.0 ** (-age / self.half_life)
            drawn = mixed(host, days.astype(np.uint64), np.full(len(days), _SALT, np.uint64)).astype(np.float64)
            keep &= drawn < share * 2.0**64
        return keep | (days < 0)


NEVER = Fading()


def _newest(part: Tallied) -> int:
    return max(
        (int(units["hour"].max()) // HOURS_A_DAY for units in part.units.values() if len(units["hour"])), default=-1
    )
