"""A shallow autoencoder: what a narrow network cannot copy is unusual (Hawkins, He, Williams and Baxter 2002)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vizsla.outlier.detector import Floats, Summed, drawn

WIDEST = 10.0  # a column's value beyond this is fed in as this: one row must not own the loss
BATCH, LEAST_STEPS = 128, 2_000


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """A network through a narrow layer that learns to copy its input; a row's score is what it cannot copy."""

    name: ClassVar[str] = "autoencoder"
    doc: ClassVar[str] = "What a network through a narrow layer cannot copy"
    narrow: int = 0  # 0: the square root of the number of columns, at least 1
    wide: int = 0  # 0: half as many as columns, at least 4 more than narrow, at most 64
    epochs: int = 0  # 0: as many as 2,000 batches need, from 20 to 200
    most: int = 20_000

    def fit(self, rows: Floats, seed: int) -> _Fitted:
        """Trains the network by Adam."""
        import warnings

        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        known = bounded(rows[drawn(len(rows), self.most, seed)])
        d = known.shape[1]
        narrow = self.narrow or max(1, round(np.sqrt(d)))
        wide = self.wide or min(64, max(narrow + 4, d // 2))
        batch = min(BATCH, len(known))
        epochs = self.epochs or int(np.clip(LEAST_STEPS * batch // len(known), 20, 200))
        network = MLPRegressor(hidden_layer_sizes=(wide, narrow, wide), activation="tanh", alpha=1e-5, batch_size=batch,
                               learning_rate_init=2e-3, max_iter=epochs, random_state=seed, tol=1e-5)  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is chosen, not hoped for
            network.fit(known, known if d > 1 else known[:, 0])
        return _Fitted(network)


def bounded(rows: Floats) -> Floats:
    """Values within WIDEST of 0."""
    return np.clip(rows, -WIDEST, WIDEST)


@dataclass(frozen=True, slots=True)
class _Fitted(Summed):
    network: Any

    def parts(self, rows: Floats) -> Floats:
        """By column, the square of what was not copied."""
        copied = np.asarray(self.network.predict(bounded(rows))).reshape(rows.shape)
        missed: Floats = (rows - copied) ** 2
        return missed


DETECTOR = Autoencoder
