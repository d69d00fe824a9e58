"""What benchmarks share: where data lies, rows of the one table, intervals by bootstrap, the public haystack tool."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]
RESAMPLES = 10_000
HEADINGS = ("benchmark", "what", "ours", "reference", "ratio", "asked", "ok")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what it is, ours, the reference's in the same run, their ratio, what was asked, whether it holds.

    `ok` None: reported, nothing was asked.
    """

    benchmark: str
    what: str
    ours: str
    reference: str = ""
    ratio: str = ""
    asked: str = ""
    ok: bool | None = None

    def cells(self) -> tuple[str, ...]:
        ok = "" if self.ok is None else "yes" if self.ok else "NO"
        return (self.benchmark, self.what, self.ours, self.reference, self.ratio, self.asked, ok)


def table(rows: Iterable[Row]) -> str:
    """The rows as one Markdown table, its columns aligned."""
    cells = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(HEADINGS))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def exit_code(rows: Iterable[Row]) -> int:
    """1 where something that was asked does not hold."""
    return int(any(row.ok is False for row in rows))


def shown(rows: Sequence[Row]) -> int:
    """The rows printed as a table; the exit code."""
    print(table(rows))
    return exit_code(rows)


def shared(*parts: str) -> Path:
    """A public data set or tool: below VIZSLA_REAL_DATA's parent, or `../shared` beside the project."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    named = os.environ.get("VIZSLA_REAL_DATA")
    return (Path(named).resolve().parent if named else beside).joinpath(*parts)


def data(*parts: str) -> Path:
    """A public data set: in VIZSLA_REAL_DATA, or in `../shared/data` beside the project."""
    named = os.environ.get("VIZSLA_REAL_DATA")
    return (Path(named) if named else shared("data")).joinpath(*parts)


def bootstrap(values: Floats, seed: int = 7, share: float = 0.95) -> tuple[float, float, float]:
    """The mean of values and its bootstrap interval: (mean, low, high)."""
    values = np.asarray(values, dtype=np.float64)
    chance = np.random.default_rng(seed)
    means = values[chance.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - share) / 2, (1 + share) / 2])
    return float(values.mean()), float(low), float(high)


def block_bootstrap(sums: Floats, counts: Floats, seed: int = 7, share: float = 0.95) -> tuple[float, float, float]:
    """A rate, sum of `sums` over sum of `counts`, and its interval, with whole blocks (one entry each) resampled."""
    chance = np.random.default_rng(seed)
    rates = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        chosen = chance.integers(0, len(sums), len(sums))
        rates[i] = sums[chosen].sum() / max(1.0, counts[chosen].sum())
    low, high = np.quantile(rates, [(1 - share) / 2, (1 + share) / 2])
    return float(sums.sum() / counts.sum()), float(low), float(high)


def hosted(events: pa.RecordBatch, host: str) -> pa.RecordBatch:
    """Simulated events with the host they are of, where their log does not say it."""
    if "_host" in events.schema.names:
        return events
    return events.append_column("_host", pa.repeat(pa.scalar(host), events.num_rows))


def module(path: Path) -> ModuleType:
    """A Python file beside the project as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} cannot be loaded")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def median(values: Sequence[float]) -> float:
    """The upper median, as the public haystack tool takes it."""
    return sorted(values)[len(values) // 2]
