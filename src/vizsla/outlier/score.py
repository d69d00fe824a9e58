"""A whole table, row by row: how unusual each is among all, in bits, and why. In memory that does not grow with it.

One reading draws the training rows and counts, another scores, a last one fetches what the most unusual rows hold, so
that they can be explained; of each row one number is kept. Windows to train on are drawn by a reading of their own, and
an order that the table is not in costs a number a row more, and files (see `order.py`).
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
from vizsla.outlier.features import Features
from vizsla.outlier.model import LEAST, MOST, Model
from vizsla.outlier.order import ordered
from vizsla.outlier.tables import Held, Table, open_table
from vizsla.outlier.windows import Window, known, stepped

MOST_EXPLAINED = 10_000  # rows
MOST_READ = 200_000  # rows of the windows that are explained
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
    window: int | None = None,
    along: str | None = None,
    by: str | Sequence[str] = (),
    **parameters: Any,
) -> Scored:
    """Every row of a table, by a model trained on (a sample of) the same rows. Raises UsageError.

    `window`, `along` and `by` are as in `Model.fit`.
    """
    view = Window.of(window, along, by)
    chosen = stepped(detector(model, **parameters), view)  # what is asked wrongly need not wait for the reading
    aside = [name for name in without if name not in (view.along, *view.by)]
    with ordered(table, view.along) as (table, order):
        sample, rows, places = sampled(table, aside, seed)
        if rows < LEAST:
            raise UsageError("the table has one row: nothing to compare it with", fix="give at least two rows")
        looked_at, declared = view.features(sample, kinds or {}, without)
        # A row's window is wider than the sample, unless that is the whole table.
        pieces = (sample,) if view.rows == 1 or rows == len(sample) else _pieces(table, aside)
        drawn_at = np.arange(len(sample), dtype=np.int64) if view.rows == 1 else places
        fitted = Model.over(pieces, drawn_at, Features.learn(looked_at, declared), chosen, seed, view)
        numbers = np.arange(rows, dtype=np.int64) if order is None else order
        most = min(MOST_EXPLAINED, MOST_READ // view.rows, rows if top is None else top)
        if len(fitted.trained) == rows:
            found = _held(fitted, sample, numbers, most)
        else:
            found = _streamed(fitted, table, aside, numbers, most)
        scores = np.empty(rows)
        scores[numbers] = found.scores
        p = shares(scores)
        ranked = np.lexsort((np.arange(rows), -scores)).astype(np.int64)
        unusual = int((bits(e_value(p[ranked[:most]])) > 0).sum())
        worth = ranked[: max(unusual, min(FEW, most))]
        explained = _explained(fitted, found, sample if rows == len(sample) else table, aside, worth)
        return Scored(fitted, scores, p, ranked, explained, tuple(_said(fitted, table, rows, found.cut)))


def shares(scores: Floats) -> Floats:
    """The share of rows that score at least as high, as p-values: from 1 / (n + 1) on."""
    ordered = np.sort(scores)
    found: Floats = (len(scores) - np.searchsorted(ordered, scores, side="left")) / (len(scores) + 1.0)
    return found


def sampled(table: Table, without: Sequence[str], seed: int, most: int = MOST) -> tuple[pa.Table, int, Ints]:
    """At most `most` of a table's rows, in their order, how many there are, and which these are. Each row's chance is
    its number's alone, so that the batches in which a table comes change nothing."""
    kept: pa.Table | None = None
    places, count = np.zeros(0, np.int64), 0
    for part in _pieces(table, without):
        places = np.concatenate([places, np.arange(count, count + len(part), dtype=np.int64)])
        count += len(part)
        kept = part if kept is None else pa.concat_tables([kept, part])
        if len(places) > 4 * most:
            kept, places = _fewest(kept, places, seed, most)
    if kept is None:
        raise UsageError("the table has no rows", fix="give a table of at least two rows")
    if not kept.num_columns:
        raise UsageError("no field is left", where="--without", fix="leave fewer fields out")
    kept, places = _fewest(kept, places, seed, most)
    return kept, count, places


def _fewest(kept: pa.Table, places: Ints, seed: int, most: int) -> tuple[pa.Table, Ints]:
    if len(places) <= most:
        return kept.combine_chunks(), places
    chosen = np.sort(np.argpartition(_chance(places.astype(np.uint64), seed), most)[:most])
    return kept.take(pa.array(chosen)).combine_chunks(), places[chosen]


def _chance(numbers: np.ndarray[Any, np.dtype[np.uint64]], seed: int) -> Floats:
    """A number in [0, 1) for each row number: splitmix64."""
    mixed = numbers + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    found: Floats = (mixed ^ (mixed >> np.uint64(31))).astype(np.float64) / 2.0**64
    return found


@dataclass(frozen=True, slots=True)
class _Found:
    """Scores of all rows as they come, and the highest scored ones: what they are called, and the places of the rows
    of their windows."""

    scores: Floats
    highest: Ints
    windows: Ints  # (highest, steps)
    cut: bool = False  # whether rows of an entity were out of reach


def _highest(scores: Floats, numbers: Ints, most: int) -> Ints:
    """Places of the `most` highest scores, ascending; ties are kept by number, as they are ranked."""
    return np.sort(np.lexsort((numbers, -scores))[:most])


def _held(model: Model, rows: pa.Table, numbers: Ints, most: int) -> _Found:
    """Of a table that was trained on whole."""
    follower = model.follower()
    piece = follower.piece(rows)
    chosen = _highest(model.trained, numbers, most)
    return _Found(model.trained, numbers[chosen], piece.places(chosen), follower.cut)


def _streamed(model: Model, table: Table, without: Sequence[str], numbers: Ints, most: int) -> _Found:
    """By another reading."""
    follower = model.follower()
    parts: list[Floats] = []
    heights, highest, count = np.zeros(0), np.zeros(0, np.int64), 0
    windows = np.zeros((0, model.window.rows), np.int64)
    for rows in _pieces(table, without):
        piece = follower.piece(rows)
        found = model.scored_piece(piece)
        parts.append(found)
        mine = numbers[count : count + len(rows)]
        count += len(rows)
        chosen = _highest(found, mine, most)
        heights, highest = np.concatenate([heights, found[chosen]]), np.concatenate([highest, mine[chosen]])
        windows = np.concatenate([windows, piece.numbers[piece.places(chosen)]])
        kept = _highest(heights, highest, most)
        heights, highest, windows = heights[kept], highest[kept], windows[kept]
    return _Found(np.concatenate(parts), highest, windows, follower.cut)


def _explained(
    model: Model, found: _Found, table: Table | pa.Table, without: Sequence[str], worth: Ints
) -> dict[int, tuple[Reason, ...]]:
    """Reasons for the rows that are worth it, which are among the highest; their windows are read once more."""
    if not len(worth):
        return {}
    by_number = np.argsort(found.highest)
    windows = found.windows[by_number[np.searchsorted(found.highest[by_number], worth)]]
    wanted, at = np.unique(windows, return_inverse=True)
    rows = table.take(pa.array(wanted)) if isinstance(table, pa.Table) else _gathered(table, without, wanted)
    return dict(zip(worth.tolist(), reasons(model, rows, at.reshape(windows.shape)), strict=True))


def _gathered(table: Table, without: Sequence[str], wanted: Ints) -> pa.Table:
    """Rows by their numbers, ascending."""
    parts, count = [], 0
    for rows in _pieces(table, without):
        first, last = np.searchsorted(wanted, (count, count + len(rows)))
        parts.append(rows.take(pa.array(wanted[first:last] - count)))
        count += len(rows)
        if last == len(wanted):
            break
    return pa.concat_tables(parts).combine_chunks()


def _pieces(table: Table, without: Sequence[str]) -> Iterator[pa.Table]:
    """The table's batches, less some fields."""
    for batch in table.batches():
        rows = pa.Table.from_batches([batch])
        for name in without:
            known(rows, name, "--without")
        yield rows.drop_columns(list(without)) if without else rows


def _said(model: Model, table: Table, rows: int, cut: bool) -> Iterator[str]:
    if table.said:
        yield table.said
    if rows > len(model.trained):
        what = "rows" if model.window.rows == 1 else f"windows of {model.window.rows} rows"
        yield f"trained on {len(model.trained):,} of {rows:,} {what}, drawn by chance"
    if cut:
        reach = model.follower().reach
        yield f"rows of an entity that stand more than {reach:,} rows before were not looked at: it began anew"
    if rows < FEW:
        yield f"{rows} rows are few: what is said rests on little"
    still = [n for f, n in enumerate(model.features.names) if f not in set(model.features.owner.tolist())]
    if model.fitted is None:
        yield "no field varies: no row differs from another"
    elif still:
        listed = ", ".join(still[:10]) + (" …" if len(still) > 10 else "")
        yield f"fields that never vary say nothing: {listed}"
