"""A deep autoencoder in Keras, on JAX or whatever backend is set (extra `deep`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vizsla.errors import UsageError
from vizsla.outlier.detector import Floats, Summed, drawn
from vizsla.outlier.detectors.autoencoder import bounded

INSTALL = "pip install 'vizsla[deep]'"


@dataclass(frozen=True, slots=True)
class DeepAutoencoder:
    """Three layers down to a narrow one and three up again; a row's score is what is not copied."""

    name: ClassVar[str] = "deep_autoencoder"
    doc: ClassVar[str] = "What a deep network through a narrow layer cannot copy (extra deep)"
    epochs: int = 50
    batch: int = 128
    most: int = 20_000

    def fit(self, rows: Floats, seed: int) -> _Fitted:
        """Trains the network by Adam."""
        keras = loaded(self.name)
        keras.utils.set_random_seed(seed)
        known = bounded(rows[drawn(len(rows), self.most, seed)]).astype(np.float32)
        d = known.shape[1]
        narrow = max(1, round(np.sqrt(d) / 2))
        widths = [max(narrow, 4 * d // share) for share in (2, 4, 8)]
        layers = [keras.Input((d,)), *(keras.layers.Dense(w, "gelu") for w in widths), keras.layers.Dense(narrow)]
        layers += [*(keras.layers.Dense(w, "gelu") for w in widths[::-1]), keras.layers.Dense(d)]
        network = keras.Sequential(layers)
        network.compile(optimizer=keras.optimizers.Adam(2e-3), loss="mse")
        network.fit(known, known, epochs=self.epochs, batch_size=min(self.batch, len(known)), verbose=0)
        return _Fitted(network)


@dataclass(frozen=True, slots=True)
class _Fitted(Summed):
    network: Any

    def parts(self, rows: Floats) -> Floats:
        """By column, the square of what was not copied."""
        copied = np.asarray(self.network.predict(bounded(rows).astype(np.float32), verbose=0), np.float64)
        missed: Floats = (rows - copied) ** 2
        return missed


def loaded(name: str) -> Any:
    """Keras for a detector, on JAX unless KERAS_BACKEND says otherwise. Raises UsageError where it is missing."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        import keras
    except ImportError as error:
        raise UsageError(f"a package is missing: {error}", where=name, fix=INSTALL) from error
    return keras


DETECTOR = DeepAutoencoder
