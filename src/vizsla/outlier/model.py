"""An outlier model: features and a detector, fitted on a capped sample of a table's rows; plain data when saved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from vizsla.calibration import bits, e_value
from vizsla.errors import UsageError
from vizsla.outlier.detector import Detector, Fitted, Floats, Ints, drawn, parameters
from vizsla.outlier.detectors import DEFAULT, PYOD, detector
from vizsla.outlier.detectors._pyod import Pyod
from vizsla.outlier.features import Features
from vizsla.outlier.order import in_order, keys
from vizsla.outlier.windows import Follower, Piece, Window, checked, known, stepped

MOST = 20_000  # training rows, and so the size of a saved model
CELLS = 20_000_000  # numbers of training windows, which are fewer where they are wide
LEAST = 2


@dataclass(frozen=True, slots=True)
class Model:
    """What says how unusual a row of a table is. `trained`: its scores of the training rows, in their order."""

    features: Features
    chosen: Detector
    seed: int
    window: Window
    matrix: Floats
    fitted: Fitted | None  # None: no column varies, and no row differs from another
    trained: Floats

    @property
    def reference(self) -> Floats:
        """The scores of the training rows, ascending."""
        return np.sort(self.trained)

    @property
    def owner(self) -> Ints:
        """The field that each column of the matrix is of."""
        return np.tile(self.features.owner, self.window.rows)

    @classmethod
    def fit(
        cls,
        rows: pa.Table,
        name: str = DEFAULT,
        *,
        kinds: Mapping[str, str] | None = None,
        seed: int = 0,
        window: int | None = None,
        along: str | None = None,
        by: str | Sequence[str] = (),
        **given: Any,
    ) -> Model:
        """A model of these rows (at most MOST are used, drawn by the seed). Raises UsageError.

        `kinds` declares what fields are: number, category, text or time. `window`: so many rows are judged together,
        each with those before it in the order of the field `along` that have the same values in the fields `by`.
        `given`: the detector's parameters.
        """
        view = Window.of(window, along, by)
        chosen = stepped(detector(name, **given), view)
        if len(rows) < LEAST:
            raise UsageError(
                "the table has one row: nothing to compare it with" if len(rows) else "the table has no rows",
                fix="give a table of at least two rows; twenty and more say something",
            )
        rows, _ = _sorted(rows, view)
        places = drawn(len(rows), MOST, seed)
        looked_at, declared = view.features(rows.take(pa.array(places)), kinds or {})
        return cls.over((rows,), places, Features.learn(looked_at, declared), chosen, seed, view)

    @classmethod
    def over(
        cls, pieces: Iterable[pa.Table], places: Ints, features: Features, chosen: Detector, seed: int, window: Window
    ) -> Model:
        """A model of the rows at these places (ascending) of a table that comes in pieces, in order."""
        width = checked(features, window)
        if window.rows > 1:
            places = places[drawn(len(places), max(LEAST, CELLS // max(1, width)), seed)]
        follower, parts, start = Follower(features, window), [np.zeros((0, width))], 0
        for rows in pieces:
            piece = follower.piece(rows)
            here = places[np.searchsorted(places, start) : np.searchsorted(places, start + len(rows))]
            parts.append(piece.windows(here - start))
            start += len(rows)
        return cls._fitted(features, chosen, seed, window, np.concatenate(parts))

    @classmethod
    def _fitted(cls, features: Features, chosen: Detector, seed: int, window: Window, matrix: Floats) -> Model:
        if not matrix.shape[1]:
            return cls(features, chosen, seed, window, matrix, None, np.zeros(len(matrix)))
        fitted = chosen.fit(matrix, seed)
        return cls(features, chosen, seed, window, matrix, fitted, fitted.score(matrix))

    def score(self, rows: pa.Table) -> Floats:
        """How unusual each row is, on the detector's own scale; higher is more. Windows see no other rows than these:
        what comes in pieces is scored by `follower` and `scored_piece`."""
        rows, order = _sorted(rows, self.window)
        scores = np.empty(len(rows))
        scores[order] = self.scored_piece(self.follower().piece(rows))
        return scores

    def follower(self) -> Follower:
        """Reads a table piece by piece, in its order."""
        return Follower(self.features, self.window)

    def scored_piece(self, piece: Piece) -> Floats:
        """Scores of a piece's rows."""
        parts = [self.scored(piece.windows(some)) for some in piece.slices()]
        scores = np.concatenate([np.zeros(0), *parts])
        return self.raised(scores, piece.new[piece.carried :].sum(axis=1))

    def scored(self, matrix: Floats) -> Floats:
        """Scores of a matrix of features, or of windows of them."""
        return np.zeros(len(matrix)) if self.fitted is None else self.fitted.score(matrix)

    def raised(self, scores: Floats, new: Any) -> Floats:
        """Scores of rows with values that no training row was like: above all training rows, by their number."""
        most = float(self.trained.max())
        reach = most - float(np.median(self.trained)) or 1.0
        found: Floats = np.where(new > 0, np.maximum(scores, most) + reach * new, scores)
        return found

    def p(self, scores: Floats) -> Floats:
        """The share of training rows that score at least as high, never below 1 / (n + 1)."""
        n = len(self.trained)
        at_least = (n - np.searchsorted(self.reference, scores, side="left")).astype(np.float64)
        found: Floats = (1.0 + at_least) / (1.0 + n)
        return found

    def bits(self, scores: Floats) -> Floats:
        """What these p-values are worth, in bits."""
        return bits(e_value(self.p(scores)))

    def state(self) -> dict[str, Any]:
        """The model as plain data and one Arrow table: fitted again on load, so nothing is kept that could run."""
        columns = [pa.array(self.matrix[:, j]) for j in range(self.matrix.shape[1])]
        return {
            "detector": f"{PYOD}{self.chosen.model}" if isinstance(self.chosen, Pyod) else self.chosen.name,
            "parameters": self.chosen.given if isinstance(self.chosen, Pyod) else parameters(self.chosen),
            "seed": self.seed,
            "window": {**asdict(self.window), "by": list(self.window.by)},
            "rows": len(self.matrix),
            "features": self.features.plain(),
            "matrix": pa.table(columns, names=[f"c{j}" for j in range(len(columns))]),
        }

    @classmethod
    def load(cls, state: Mapping[str, Any]) -> Model:
        """The model that a state is of: the same rows, parameters and seed give the same scores."""
        features = Features.from_plain(state["features"])
        table: pa.Table = state["matrix"]
        matrix: Floats = np.empty((state["rows"], table.num_columns))
        for place, column in enumerate(table.columns):
            matrix[:, place] = column.to_numpy()
        chosen = detector(state["detector"], **state["parameters"])
        window = Window(**{**state["window"], "by": tuple(state["window"]["by"])})
        return cls._fitted(features, chosen, state["seed"], window, matrix)


def _sorted(rows: pa.Table, window: Window) -> tuple[pa.Table, Ints | slice]:
    """Rows in the window's order, and which each of them is."""
    if window.along is None:
        return rows, slice(None)
    known(rows, window.along, "--along")
    order = in_order(keys(rows[window.along], window.along))
    return rows.take(pa.array(order)), order
