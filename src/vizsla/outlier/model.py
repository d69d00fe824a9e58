"""An outlier model: features and a detector, fitted on a capped sample of a table's rows; plain data when saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from vizsla.calibration import bits, e_value
from vizsla.errors import UsageError
from vizsla.outlier.detector import Detector, Fitted, Floats, parameters
from vizsla.outlier.detectors import DEFAULT, PYOD, detector
from vizsla.outlier.detectors._pyod import Pyod
from vizsla.outlier.features import Features

MOST = 20_000  # training rows, and so the size of a saved model
LEAST = 2


@dataclass(frozen=True, slots=True)
class Model:
    """What says how unusual a row of a table is. `trained`: its scores of the training rows, in their order."""

    features: Features
    chosen: Detector
    seed: int
    matrix: Floats
    fitted: Fitted | None  # None: no column varies, and no row differs from another
    trained: Floats

    @property
    def reference(self) -> Floats:
        """The scores of the training rows, ascending."""
        return np.sort(self.trained)

    @classmethod
    def fit(
        cls,
        rows: pa.Table,
        name: str = DEFAULT,
        *,
        kinds: Mapping[str, str] | None = None,
        seed: int = 0,
        **given: Any,
    ) -> Model:
        """A model of these rows (at most MOST are used, drawn by the seed). Raises UsageError.

        `kinds` declares what fields are: number, category, text or time. `given`: the detector's parameters.
        """
        chosen = detector(name, **given)
        if len(rows) < LEAST:
            raise UsageError(
                "the table has one row: nothing to compare it with" if len(rows) else "the table has no rows",
                fix="give a table of at least two rows; twenty and more say something",
            )
        if len(rows) > MOST:
            rows = rows.take(np.sort(np.random.default_rng(seed).choice(len(rows), MOST, replace=False)))
        features = Features.learn(rows, kinds)
        return cls._fitted(features, chosen, seed, features.matrix(rows)[0])

    @classmethod
    def _fitted(cls, features: Features, chosen: Detector, seed: int, matrix: Floats) -> Model:
        if not matrix.shape[1]:
            return cls(features, chosen, seed, matrix, None, np.zeros(len(matrix)))
        fitted = chosen.fit(matrix, seed)
        return cls(features, chosen, seed, matrix, fitted, fitted.score(matrix))

    def score(self, rows: pa.Table) -> Floats:
        """How unusual each row is, on the detector's own scale; higher is more."""
        matrix, new = self.features.matrix(rows)
        return self.raised(self.scored(matrix), new.sum(axis=1))

    def scored(self, matrix: Floats) -> Floats:
        """Scores of a matrix of features."""
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
        return cls._fitted(features, chosen, state["seed"], matrix)
