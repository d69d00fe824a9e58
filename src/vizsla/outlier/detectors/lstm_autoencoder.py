"""An LSTM autoencoder of windows in Keras, on JAX or whatever backend is set (extra `deep`).

One network reads a window row by row and keeps a short code of it, another tells the window from the code, backwards
(Srivastava, Mansimov and Salakhutdinov 2015; Malhotra et al. 2016, 'LSTM-based encoder-decoder for multi-sensor anomaly
detection'). What the code cannot hold is what windows do not usually do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from vizsla.errors import UsageError
from vizsla.outlier.detector import Floats, Summed, drawn
from vizsla.outlier.detectors.autoencoder import bounded
from vizsla.outlier.detectors.deep_autoencoder import loaded

STEPS = 20_000_000  # of rows read in training, over all epochs
FEWEST, MOST = 5, 200  # epochs
UNITS, RATE, PATIENCE = 32, 5e-3, 20
HELD_OUT = 10  # one window of so many, the last ones, says when to stop
AT_ONCE = 256  # windows scored at once: always as many, so that the network is compiled once


@dataclass(frozen=True, slots=True)
class LstmAutoencoder:
    """What is missed when windows are told again from a code of `narrow` numbers, the square of it, over all steps."""

    name: ClassVar[str] = "lstm_autoencoder"
    doc: ClassVar[str] = "What a network that reads windows row by row cannot tell again (extra deep; needs --window)"
    steps: int = 0  # rows of a window; set by the window
    narrow: int = 0  # 0: the square root of the number of columns, from 2 to 16
    epochs: int = 0  # 0: as many as reading 20 million rows takes, from 5 to 200; fewer where it stops early
    batch: int = 64
    most: int = 20_000

    def fit(self, rows: Floats, seed: int) -> _Fitted:
        """Trains both networks by Adam, until windows held out are told no better."""
        if self.steps < 1 or rows.shape[1] % self.steps:
            raise UsageError(f"{rows.shape[1]} columns are no windows of {self.steps} rows", where=self.name,
                             fix="set steps to the rows of a window, or use --window N")  # fmt: skip
        keras = loaded(self.name)
        keras.utils.set_random_seed(seed)
        known = self._windows(rows[drawn(len(rows), self.most, seed)])
        n, steps, columns = known.shape
        narrow = self.narrow or int(np.clip(round(np.sqrt(steps * columns)), 2, 16))
        layers = keras.layers
        network = keras.Sequential([
            keras.Input((steps, columns)), layers.LSTM(UNITS), layers.Dense(narrow), layers.RepeatVector(steps),
            layers.LSTM(UNITS, return_sequences=True), layers.Dense(columns),
        ])  # fmt: skip
        network.compile(optimizer=keras.optimizers.Adam(RATE, clipnorm=1.0), loss="mse")
        epochs = self.epochs or int(np.clip(STEPS // (n * steps), FEWEST, MOST))
        train = n - n // HELD_OUT
        judge = known[train:] if train < n else known
        stop = keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)
        network.fit(known[:train], known[:train, ::-1], validation_data=(judge, judge[:, ::-1]), epochs=epochs,
                    batch_size=min(self.batch, train), callbacks=[stop], verbose=0)  # fmt: skip
        return _Fitted(network, self)

    def _windows(self, rows: Floats) -> Any:
        return bounded(rows).astype(np.float32).reshape(len(rows), self.steps, rows.shape[1] // self.steps)


@dataclass(frozen=True, slots=True)
class _Fitted(Summed):
    network: Any
    made: LstmAutoencoder

    def parts(self, rows: Floats) -> Floats:
        """By column of every step, the square of what was missed."""
        missed = np.empty(rows.shape)
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            given = np.zeros((AT_ONCE, rows.shape[1]))
            given[: len(some)] = some
            told = np.asarray(self.network.predict_on_batch(self.made._windows(given)), np.float64)
            missed[start : start + AT_ONCE] = (some - told[: len(some), ::-1].reshape(some.shape)) ** 2
        return missed


DETECTOR = LstmAutoencoder
