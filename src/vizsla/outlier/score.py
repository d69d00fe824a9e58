"""A whole table, row by row: how unusual each is among all, in bits, and why. In memory that does not grow with it.

One reading draws the training rows and counts, another scores; of each row one number is kept, and of the most unusual
ones what they hold, so that they can be explained.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vizsla.calibration import bits, e_value
from vizsla.errors import UsageError
from vizsla.outlier.detector import Floats, Ints
from vizsla.outlier.detectors import DEFAULT, detector
from vizsla.outlier.explain import Reason, reasons
from vizsla.outlier.model import MOST, Model
from vizsla.outlier.tables import Held, Table, open_table

MOST_EXPLAINED = 10_000  # rows
FEW = 20  # rows below which little can be said; so many are explained even where none is unusual

Progress = Any


@dataclass(frozen=True, slots=True)
class Outlier:
    """A row (from 0), how unusual it is in bits, and why. `p`: the share of the table's rows at least as unusual."""

    row: int
    bits: float
    p: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Scored:
    """All rows' scores, and the most unusual rows explained. `said`: what a reader should know, in sentences."""

    model: Model
    scores: Floats
    p: Floats
    order: Ints  # rows, the most unusual first
    explained: Mapping[int, tuple[Reason, ...]]
    said: tuple[str, ...]

    def ranked(self, top: int | None = None) -> Iterator[Outlier]:
        """The rows, the most unusual first."""
        order = self.order if top is None else self.order[:top]
        worth = bits(e_value(self.p[order]))
        for row, found in zip(order.tolist(), worth.tolist(), strict=True):
            yield Outlier(row, round(found, 4), float(self.p[row]), self.explained.get(row, ()))


def as_table(table: str | Path | pa.Table | Any, array: str | None = None) -> Table:
    """A table of a file, of Arrow's, or of a NumPy array of two dimensions. Raises UsageError."""
    if isinstance(table, str | Path):
        return open_table(table, array)
    if isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    if isinstance(table, pa.Table):
        return Held(table)
    values = np.asarray(table)
    if values.dtype.kind not in "biuf" or values.ndim != 2:
        raise UsageError(
            "this is no table", fix="give a path, an Arrow table or a NumPy array of numbers with two dimensions"
        )
    return Held(pa.table({f"x{j}": np.ascontiguousarray(values[:, j], np.float64) for j in range(values.shape[1])}))


def score(
    table: Table,
    model: str = DEFAULT,
    *,
    top: int | None = None,
    kinds: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    seed: int = 0,
    **parameters: Any,
) -> Scored:
    """Every row of a table, by a model trained on (a sample of) the same rows. Raises UsageError."""
    detector(model, **parameters)  # a name that is not known need not wait for the reading
    sample, rows = sampled(table, without, seed)
    fitted = Model.fit(sample, model, kinds=kinds, seed=seed, **parameters)
    most = min(MOST_EXPLAINED, rows if top is None else top)
    if rows <= MOST:
        scores, kept, places = fitted.trained, sample, np.arange(rows, dtype=np.int64)
    else:
        scores, kept, places = _streamed(fitted, table, without, most)
    p = shares(scores)
    order = np.lexsort((np.arange(len(scores)), -scores)).astype(np.int64)
    unusual = int((bits(e_value(p[order[:most]])) > 0).sum())
    worth = order[: max(unusual, min(FEW, most))]
    place_of = {int(row): place for place, row in enumerate(places)}
    chosen = kept.take(pa.array([place_of[int(row)] for row in worth], pa.int64()))
    explained = dict(zip(worth.tolist(), reasons(fitted, chosen), strict=True)) if len(worth) else {}
    return Scored(fitted, scores, p, order, explained, tuple(_said(fitted, table, rows)))


def shares(scores: Floats) -> Floats:
    """The share of rows that score at least as high, as p-values: from 1 / (n + 1) on."""
    ordered = np.sort(scores)
    found: Floats = (len(scores) - np.searchsorted(ordered, scores, side="left")) / (len(scores) + 1.0)
    return found


def sampled(table: Table, without: Sequence[str], seed: int, most: int = MOST) -> tuple[pa.Table, int]:
    """At most `most` of a table's rows, in their order, and how many there are. Each row's chance is its number's
    alone, so that the batches in which a table comes change nothing."""
    kept: pa.Table | None = None
    keys, count = np.zeros(0), 0
    for batch in table.batches():
        part = _less(pa.Table.from_batches([batch]), without)
        key = _chance(np.arange(count, count + len(part), dtype=np.uint64), seed)
        count += len(part)
        kept = part if kept is None else pa.concat_tables([kept, part])
        keys = np.concatenate([keys, key])
        if len(keys) > 4 * most:
            kept, keys = _fewest(kept, keys, most)
    if kept is None:
        raise UsageError("the table has no rows", fix="give a table of at least two rows")
    if not kept.num_columns:
        raise UsageError("no field is left", where="--without", fix="leave fewer fields out")
    return _fewest(kept, keys, most)[0], count


def _fewest(kept: pa.Table, keys: Floats, most: int) -> tuple[pa.Table, Floats]:
    if len(keys) <= most:
        return kept.combine_chunks(), keys
    chosen = np.sort(np.argpartition(keys, most)[:most])
    return kept.take(pa.array(chosen)).combine_chunks(), keys[chosen]


def _chance(numbers: np.ndarray[Any, np.dtype[np.uint64]], seed: int) -> Floats:
    """A number in [0, 1) for each row number: splitmix64."""
    mixed = numbers + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    found: Floats = (mixed ^ (mixed >> np.uint64(31))).astype(np.float64) / 2.0**64
    return found


def _streamed(model: Model, table: Table, without: Sequence[str], most: int) -> tuple[Floats, pa.Table, Ints]:
    """All scores by a second reading; and the `most` highest scored rows with their numbers."""
    parts: list[Floats] = []
    best: pa.Table | None = None
    heights, places, count = np.zeros(0), np.zeros(0, np.int64), 0
    for batch in table.batches():
        part = _less(pa.Table.from_batches([batch]), without)
        found = model.score(part)
        parts.append(found)
        heights = np.concatenate([heights, found])
        places = np.concatenate([places, np.arange(count, count + len(part), dtype=np.int64)])
        count += len(part)
        best = part if best is None else pa.concat_tables([best, part])
        if len(heights) > most:
            # Ties at the cut are kept by row number, as they are ranked.
            chosen = np.sort(np.lexsort((places, -heights))[:most])
            best, heights, places = best.take(pa.array(chosen)).combine_chunks(), heights[chosen], places[chosen]
    assert best is not None
    return np.concatenate(parts), best, places


def _less(rows: pa.Table, without: Sequence[str]) -> pa.Table:
    unknown = [name for name in without if name not in rows.column_names]
    if unknown:
        raise UsageError(
            f"there is no field {unknown[0]!r}", where="--without", fix=f"choose among: {', '.join(rows.column_names)}"
        )
    return rows.drop_columns(list(without)) if without else rows


def _said(model: Model, table: Table, rows: int) -> Iterator[str]:
    if table.said:
        yield table.said
    if rows > len(model.trained):
        yield f"trained on {len(model.trained):,} of {rows:,} rows, drawn by chance"
    if rows < FEW:
        yield f"{rows} rows are few: what is said rests on little"
    still = [n for f, n in enumerate(model.features.names) if f not in set(model.features.owner.tolist())]
    if model.fitted is None:
        yield "no field varies: no row differs from another"
    elif still:
        listed = ", ".join(still[:10]) + (" …" if len(still) > 10 else "")
        yield f"fields that never vary say nothing: {listed}"
