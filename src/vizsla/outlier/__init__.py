"""Outlier models on any table: numbers, categories, texts and times, scored in bits and explained by field.

    from vizsla.outlier import Model
    model = Model.fit(rows)                  # an Arrow table; model.state() is plain data
    model.bits(model.score(other_rows))

`vizsla.outliers(TABLE)` and `vizsla outliers TABLE` score a whole table against itself.
"""

from __future__ import annotations

from vizsla.outlier.detectors import detector, detectors
from vizsla.outlier.model import Model

__all__ = ["Model", "detector", "detectors"]
