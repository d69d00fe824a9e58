"""On which host-days of a baseline rules and indicators were met: what a hit is worth hangs on it.

fired/looked.parquet   what was looked for: the code of its id and version
fired/days.parquet     by, level, host, day, n: where it was met; `level` as `level_code` has it
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vizsla.analytics.rarity.encode import U64, code_of, mixed
from vizsla.analytics.rarity.tally import merge_rows
from vizsla.errors import BaselineError
from vizsla.nouns.level import LEVELS
from vizsla.triage.known import Often

ROOM = "fired"
KEY = ("by", "host", "day")
SUM = {"n": "sum"}


def fired_code(id: str, version: str) -> int:
    """The code under which a rule or an indicator, as it is now, is counted."""
    return code_of(f"{id}\0{version}")


_COLUMNS = ("by", "level", "host", "day", "n")


def level_code(analytic: str, level: str) -> int:
    """A level as a number that grows with it; those of analytics are apart."""
    return LEVELS.index(level) + (len(LEVELS) if analytic == "intel" else 0)


def _nothing() -> dict[str, np.ndarray]:
    code = np.zeros(0, dtype=np.uint64)
    return {name: code if name in ("by", "host") else code.astype(np.int64) for name in _COLUMNS}


@dataclass(frozen=True, slots=True)
class Fired:
    """What was looked for (`looked`: codes, ascending), and one row per code, host and day on which it was met."""

    looked: U64 = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    met: dict[str, np.ndarray] = field(default_factory=_nothing)

    @classmethod
    def of(cls, looked: U64, met: dict[str, np.ndarray]) -> Fired:
        """From what was looked for and met; rows may come twice."""
        return cls(np.unique(looked), merge_rows(met, KEY, SUM) if len(met["by"]) else _nothing())

    def often(self) -> dict[int, Often]:
        """How often each code was met that was met at all."""
        codes, counts = np.unique(self.met["by"], return_counts=True)
        if not len(codes):
            return {}
        order = np.argsort(self.met["by"], kind="stable")
        ends = np.cumsum(counts)
        found = {}
        for code, end, days in zip(codes.tolist(), ends.tolist(), counts.tolist(), strict=True):
            own = order[end - days : end]
            hosts = len(np.unique(self.met["host"][own]))
            found[code] = Often(days, hosts, int(self.met["n"][own].sum()))
        return found

    def was_looked_for(self, code: int) -> bool:
        """Whether a rule or an indicator, as it is now, was looked for."""
        at = np.searchsorted(self.looked, np.uint64(code))
        return bool(at < len(self.looked) and self.looked[at] == np.uint64(code))

    def as_unusual(self, level: int, days: int) -> int:
        """On how many host-days something of this level or above was met that `days` other ones met at most."""
        codes, inverse, counts = np.unique(self.met["by"], return_inverse=True, return_counts=True)
        if not len(codes):
            return 0
        top = (level // len(LEVELS) + 1) * len(LEVELS)
        chosen = (counts[inverse] - 1 <= days) & (self.met["level"] >= level) & (self.met["level"] < top)
        return len(np.unique(mixed(self.met["host"][chosen], self.met["day"][chosen].astype(np.uint64))))


def write(folder: Path, fired: Fired) -> None:
    """Below a version's folder."""
    home = folder / ROOM
    home.mkdir()
    pq.write_table(pa.table({"by": fired.looked}), home / "looked.parquet", compression="zstd")
    pq.write_table(pa.table(fired.met), home / "days.parquet", compression="zstd")


def read(folder: Path) -> Fired:
    """From a version's folder; nothing where an earlier Vizsla wrote it. Raises BaselineError where it is damaged."""
    home = folder / ROOM
    if not home.is_dir():
        return Fired()
    try:
        looked = pq.read_table(home / "looked.parquet")["by"].to_numpy()
        days = pq.read_table(home / "days.parquet")
        return Fired(looked, {name: days[name].to_numpy() for name in _COLUMNS})
    except (OSError, pa.ArrowException, LookupError) as error:
        raise BaselineError(f"damaged: {type(error).__name__}, {error}", where=str(home), fix="learn it anew") from None
