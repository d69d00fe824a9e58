"""On which host-days of a baseline rules and indicators were met: what a hit is worth hangs on it.

fired/looked.parquet   what was looked for: the code of its id and version
fired/days.parquet     by, host, day, n: where it was met
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vizsla.analytics.rarity.encode import U64, code_of
from vizsla.analytics.rarity.tally import merge_rows
from vizsla.errors import BaselineError
from vizsla.triage.known import Often

ROOM = "fired"
KEY = ("by", "host", "day")
SUM = {"n": "sum"}


def fired_code(id: str, version: str) -> int:
    """The code under which a rule or an indicator, as it is now, is counted."""
    return code_of(f"{id}\0{version}")


def _nothing() -> dict[str, np.ndarray]:
    code = np.zeros(0, dtype=np.uint64)
    return {"by": code, "host": code, "day": code.astype(np.int64), "n": code.astype(np.int64)}


@dataclass(frozen=True, slots=True)
class Fired:
    """What was looked for (`looked`: codes, ascending), and one row per code, host and day on which it was met."""

    looked: U64 = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    met: dict[str, np.ndarray] = field(default_factory=_nothing)

    @classmethod
    def of(cls, looked: U64, met: dict[str, np.ndarray]) -> Fired:
        """From what was looked for and met; rows may come twice."""
        return cls(np.unique(looked), merge_rows(met, KEY, SUM) if len(met["by"]) else _nothing())

    def usual(self, code: int) -> Often | None:
        """How often this was met; None where it was not looked for."""
        at = np.searchsorted(self.looked, np.uint64(code))
        if at >= len(self.looked) or self.looked[at] != np.uint64(code):
            return None
        own = self.met["by"] == np.uint64(code)
        return Often(int(own.sum()), len(np.unique(self.met["host"][own])), int(self.met["n"][own].sum()))


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
        return Fired(looked, {name: days[name].to_numpy() for name in ("by", "host", "day", "n")})
    except (OSError, pa.ArrowException, LookupError) as error:
        raise BaselineError(f"damaged: {type(error).__name__}, {error}", where=str(home), fix="learn it anew") from None
