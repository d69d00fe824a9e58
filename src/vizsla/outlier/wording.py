"""What is said of a field's value: how many rows are like it, and what is usual instead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from vizsla.outlier.detector import Floats, Ints
from vizsla.outlier.encoders import Category, Number, Text, Time
from vizsla.outlier.encoders.category import NONE
from vizsla.outlier.features import plain_values
from vizsla.outlier.model import Model
from vizsla.safe import shortened

LONGEST = 200  # characters of a value
MEASURES = ("its length", "its share of digits", "its share of capitals", "its share of other signs",
            "letters in an unusual order", "that it is missing")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wording:
    """A model with what sentences need: its columns in ascending order, and which columns a field has."""

    model: Model
    ordered: Floats  # (n, columns), of a window those of its own row
    columns: tuple[Ints, ...]  # by field, among the kept ones
    within: tuple[Ints, ...]  # by field, their places among all of the field's

    @classmethod
    def of(cls, model: Model) -> Wording:
        """Sentences about this model's fields."""
        features = model.features
        n = len(features.names)
        widths = [np.flatnonzero(features.owner == f) for f in range(n)]
        # Of all encoded columns those that vary were kept: which of a field's own these are.
        probe = [e.columns(pa.nulls(1, pa.string()))[0].shape[1] for e in features.encoders]
        starts = np.concatenate([[0], np.cumsum(probe)])
        kept = [np.flatnonzero(features.kept[starts[f] : starts[f + 1]]) for f in range(n)]
        own = model.matrix[:, model.matrix.shape[1] - len(features.owner) :]
        return cls(model, np.sort(own, axis=0), tuple(widths), tuple(kept))

    def of_value(self, field: int, value: str | None, row: Floats, new: bool, before: int = 0) -> str:
        """A sentence about one row's value of a field; `before`: so many rows before the one that is explained."""
        name, encoder = self.model.features.names[field], self.model.features.encoders[field]
        n = len(self.model.matrix)
        said = "missing" if value is None else value
        if before:
            said += f" {before:,} rows before" if before > 1 else " in the row before"
        if isinstance(encoder, Number):
            return f"{name} is {said}: {self._number(field, encoder, value, row, new)}"
        if isinstance(encoder, Category):
            counted = encoder.counts.get(NONE if value is None else value, 0)
            common, times = next(iter(encoder.counts.items()))
            often = f"most often {'missing' if common == NONE else shortened(common, 60)} ({_share(times / encoder.n)})"
            return f"{name} is {said}: {counted:,} of {encoder.n:,} rows; {often}"
        if isinstance(encoder, Time):
            return f"{name} is {said}: " + (f"in none of {n:,} rows" if new else "an unusual hour or day of the week")
        return f"{name} is {said}: {self._text(field, encoder, row, new)}"

    def _number(self, field: int, encoder: Number, value: str | None, row: Floats, new: bool) -> str:
        n = len(self.model.matrix)
        usual = f"usual is {_digits(encoder.low)} to {_digits(encoder.high)}"
        if encoder.low == encoder.high:
            usual = f"usual is {_digits(encoder.middle)}"
        if value is None:
            return f"so in {_share(encoder.absent)} of rows; {usual}"
        if new or not len(self.columns[field]):
            return f"unlike all {n:,} rows; {usual}"
        place = int(self.columns[field][0])
        ordered = self.ordered[:, place]
        above = n - int(np.searchsorted(ordered, row[place], "left"))
        below = int(np.searchsorted(ordered, row[place], "right"))
        side, count = ("high", above) if above <= below else ("low", below)
        if min(above, below) > 0.05 * n:
            others = "other fields" if self.model.window.rows == 1 else "rows before and other fields"
            return f"usual by itself ({_digits(encoder.low)} to {_digits(encoder.high)}), not beside the {others}"
        return f"as {side} in {count:,} of {n:,} rows; {usual}"

    def _text(self, field: int, encoder: Text, row: Floats, new: bool) -> str:
        if new:
            return f"in none of {len(self.model.matrix):,} rows"
        columns = self.columns[field]
        if not len(columns):
            return "unusual beside the other fields"
        farthest = int(np.abs(row[columns]).argmax())
        high = "high" if row[columns[farthest]] > 0 else "low"
        what = MEASURES[int(self.within[field][farthest])]
        example = f"; one as usual: {shortened(encoder.example, 60)}" if encoder.example else ""
        return f"{what} ({high}){example}"


def shown(column: pa.ChunkedArray) -> list[str | None]:
    """Values as short texts; None where missing."""
    values = plain_values(column)
    if pa.types.is_floating(values.type):
        return [None if v is None or v != v else _digits(v) for v in values.to_pylist()]
    return [None if v is None else shortened(str(v), LONGEST) for v in values.to_pylist()]


def _digits(value: float) -> str:
    if value == int(value) if np.isfinite(value) and abs(value) < 1e15 else False:
        return str(int(value))
    return f"{value:.6g}"


def _share(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 1 else f"{percent:.2g} %"
