"""Why a row is unusual, by field: which field's replacement by a usual row's values lowers its score most.

The usual row is the nearest one among training rows that score below the median: what the row would be, had it been
ordinary in that field. A detector whose score is a sum over columns is taken apart exactly instead; and where there
are more rows than replacement can pay for, the rest are explained by every field's own rarity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from vizsla.outlier.detector import Explained, Floats, Ints, chunks, distances, drawn
from vizsla.outlier.detectors.histogram import Histogram
from vizsla.outlier.model import Model
from vizsla.outlier.windows import folded
from vizsla.outlier.wording import Wording, shown

BUDGET = 10_000  # rows scored anew, over all fields
USUAL = 500  # training rows that a usual one is chosen among
REASONS = 3
LEAST = 0.1  # of what the fields explain together: less is no reason


@dataclass(frozen=True, slots=True)
class Reason:
    """A field's part in a row's score. `share`: of what all fields explain, from 0 to 1; `text`: a sentence.

    `before`: in a window, how many rows before its own the field is oddest; `value` is the one there.
    """

    field: str
    value: str | None
    share: float
    text: str
    before: int = 0


def shares(model: Model, matrix: Floats, new: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> Floats:
    """Each field's share in the score of each row: (n, columns) to (n, fields); the rows sum to 1, or are 0."""
    fields = len(model.features.names)
    fitted: object = model.fitted
    if isinstance(fitted, Explained):
        found = by_field(model, fitted.parts(matrix) - fitted.parts(_middle(model)), fields)
    else:
        few = max(1, BUDGET // max(1, len(np.unique(model.owner))))
        found = np.zeros((len(matrix), fields))
        found[:few] = replaced(model, matrix[:few])
        left = found.max(axis=1, initial=0.0) <= 0
        if left.any() and model.fitted is not None:
            rarity = Histogram().fit(model.matrix, model.seed)
            found[left] = by_field(model, rarity.parts(matrix[left]) - rarity.parts(_middle(model)), fields)
    found = np.maximum(found, 0.0)
    # A value never seen in training is a reason before all others.
    found = np.where(new, found + 2.0 * (found.sum(axis=1, keepdims=True) + 1.0), found)
    total = found.sum(axis=1, keepdims=True)
    parts: Floats = np.divide(found, total, out=np.zeros_like(found), where=total > 0)
    return parts


def _middle(model: Model) -> Floats:
    return np.median(model.matrix, axis=0)[None, :]


def by_field(model: Model, parts: Floats, fields: int) -> Floats:
    """Columns' parts, summed by the field they are of."""
    found = np.zeros((len(parts), fields))
    np.add.at(found.T, model.owner, parts.T)
    return found


def usual_like(model: Model, matrix: Floats) -> Floats:
    """For each row the nearest one among training rows that score below the median."""
    usual = model.matrix[model.trained <= np.median(model.trained)]
    usual = usual[drawn(len(usual), USUAL, model.seed)]
    nearest = [distances(matrix[part], usual).argmin(axis=1) for part in chunks(len(matrix), USUAL)]
    found: Floats = usual[np.concatenate(nearest)]
    return found


def replaced(model: Model, matrix: Floats) -> Floats:
    """How much lower each row scores with each field's columns taken from the nearest usual row: (n, fields)."""
    fields = len(model.features.names)
    found = np.zeros((len(matrix), fields))
    if model.fitted is None or not len(matrix):
        return found
    usual = usual_like(model, matrix)
    score = model.scored(matrix)
    for field in np.unique(model.owner):
        columns = model.owner == field
        other = matrix.copy()
        other[:, columns] = usual[:, columns]
        found[:, field] = score - model.scored(other)
    return found


def rows_before(model: Model, matrix: Floats) -> Ints:
    """For each window and field, in which row the field is oddest, counted back from the window's own: (n, fields).

    Where the score is a sum over columns, by what the row's columns add; else by how far they are from those of the
    nearest usual window.
    """
    steps, fields = model.window.rows, len(model.features.names)
    found = np.zeros((len(matrix), fields), np.int64)
    if steps == 1 or model.fitted is None or not len(matrix):
        return found
    fitted: object = model.fitted
    if isinstance(fitted, Explained):
        parts = fitted.parts(matrix) - fitted.parts(_middle(model))
    else:
        parts = (matrix - usual_like(model, matrix)) ** 2
    newest_first = parts.reshape(len(matrix), steps, -1)[:, ::-1]
    for field in np.unique(model.features.owner):
        found[:, field] = newest_first[:, :, model.features.owner == field].sum(axis=2).argmax(axis=1)
    return found


def reasons(model: Model, rows: pa.Table, at: Ints | None = None) -> list[tuple[Reason, ...]]:
    """The strongest reasons for each row, at most three, as sentences.

    `at`: the places among `rows` that make each window, (n, steps), its own row last. None: every row is explained,
    and windows see these rows alone, as they stand.
    """
    if at is None:
        at = model.follower().piece(rows).places(np.arange(len(rows)))
    encoded, unseen = model.features.matrix(rows)
    matrix, new = folded(encoded, at), unseen[at[:, -1]]
    parts = shares(model, matrix, new)
    before = np.where(new, 0, rows_before(model, matrix))
    wording = Wording.of(model)
    order = np.argsort(-parts, axis=1, kind="stable")[:, :REASONS]
    values = [shown(rows[name]) for name in model.features.names]
    found: list[tuple[Reason, ...]] = []
    for row in range(len(matrix)):
        said = []
        for f in (int(f) for place, f in enumerate(order[row]) if parts[row, f] >= (LEAST if place else 1e-9)):
            back = int(before[row, f])
            place = int(at[row, -1 - back])
            text = wording.of_value(f, values[f][place], encoded[place], bool(unseen[place, f]), back)
            share = round(float(parts[row, f]), 4)
            said.append(Reason(model.features.names[f], values[f][place], share, text, back))
        found.append(tuple(said))
    return found


def texts(found: Sequence[Reason]) -> str:
    """Reasons in one line."""
    return "; ".join(reason.text for reason in found)
