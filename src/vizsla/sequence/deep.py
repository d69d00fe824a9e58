"""A long short-term memory that tells the next step, in place of counts: for `SessionModel.following`.

It needs the extra `deep` (Keras 3; on JAX unless KERAS_BACKEND names another). What it learnt is kept as a list of
arrays and the codes of the steps it knows, never as a file that could carry code.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.encode import I64, U64
from vizsla.errors import AnalyticError
from vizsla.sequence.markov import Steps
from vizsla.sequence.sessions import END, Sessions
from vizsla.sequence.smoothing import ALIKE

F32 = npt.NDArray[np.float32]
UNITS, EPOCHS, BATCH, RATE, SEED = 64, 60, 64, 0.005, 1
LONGEST = 512  # steps after which memory begins anew
PAD, START, UNKNOWN = 0, 1, 2  # inputs that are no known step
FIRST = 2  # outputs below this are none: 0 stands for nothing to tell, 1 for a step never seen


def keras() -> Any:
    """Keras. Raises AnalyticError where the extra is missing."""
    os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        return importlib.import_module("keras")
    except ImportError as error:
        raise AnalyticError(
            f"the next-step network needs Keras and a backend: {error}", fix="pip install 'vizsla[deep]'"
        ) from None


@dataclass(frozen=True, slots=True)
class Lstm:
    """A trained network. `known`: the codes of the steps it can tell, ascending, END the last of them.

    `floor`: the share of probability that is dealt to all steps alike, so that none is impossible.
    """

    known: U64
    weights: tuple[F32, ...]
    floor: float
    units: int

    @classmethod
    def learn(cls, sessions: Sessions, epochs: int = EPOCHS, units: int = UNITS, seed: int = SEED) -> Lstm:
        """Trained on these sessions, each as often as its weight says; one seed, one network on one machine."""
        engine = keras()
        few, _ = sessions.distinct()
        closed = few.closed()
        known = np.unique(np.append(closed.steps, END))
        total = int((closed.weight * closed.lengths).sum())
        engine.utils.set_random_seed(seed)
        model = _network(engine, len(known), units)
        model.compile(optimizer=engine.optimizers.Adam(RATE), loss="sparse_categorical_crossentropy")
        parts = list(_padded(_inputs(closed, known), closed))
        chance = np.random.default_rng(seed)
        for epoch in range(epochs):
            model.optimizer.learning_rate = RATE * 0.5 * (1 + np.cos(np.pi * epoch / epochs))
            for part in chance.permutation(len(parts)):
                given, told, weight, _ = parts[part]
                shuffled = chance.permutation(len(given))
                for begin in range(0, len(given), BATCH):
                    rows = shuffled[begin : begin + BATCH]
                    model.train_on_batch(given[rows], told[rows], sample_weight=weight[rows])
        return cls(
            known,
            tuple(np.asarray(w, np.float32) for w in model.get_weights()),
            len(known) / (total + len(known)),
            units,
        )

    def steps(self, sessions: Sessions) -> Steps:
        """How unusual each step is, the end of each session among them."""
        closed = sessions.closed()
        engine = keras()
        model = _network(engine, len(self.known), self.units)
        model.set_weights(list(self.weights))
        bits, odd = np.zeros(len(closed.steps)), np.zeros(len(closed.steps))
        for given, told, _, at in _padded(_inputs(closed, self.known), closed):
            for begin in range(0, len(given), 1024):
                rows = slice(begin, begin + 1024)
                p = np.asarray(model.predict_on_batch(given[rows]), np.float64)[:, :, 1:]
                p = (1 - self.floor) * p / p.sum(axis=2, keepdims=True) + self.floor / p.shape[2]
                wanted = np.maximum(told[rows], 1) - 1
                own = np.take_along_axis(p, wanted[:, :, None], axis=2)
                tail = np.where(p <= own * ALIKE, p, 0.0).sum(axis=2)
                real = at[rows] >= 0
                bits[at[rows][real]] = -np.log2(own[:, :, 0][real])
                odd[at[rows][real]] = -np.log2(np.minimum(tail[real], 1.0))
        return Steps(closed, bits, odd)


def _network(engine: Any, known: int, units: int) -> Any:
    layers = engine.layers
    model = engine.Sequential([
        layers.Embedding(known + 3, units // 2),
        layers.LSTM(units, return_sequences=True),
        layers.LSTM(units, return_sequences=True),
        layers.Dense(known + FIRST, activation="softmax"),
    ])  # fmt: skip
    model.build((None, None))
    return model


def _inputs(closed: Sessions, known: U64) -> tuple[I64, I64]:
    """What is given before every step, and what is to be told, as small numbers."""
    at = np.minimum(np.searchsorted(known, closed.steps), len(known) - 1)
    found = known[at] == closed.steps
    told = np.where(found, at + FIRST, 1)
    given = np.roll(np.where(found, at + 3, UNKNOWN), 1)
    given[closed.starts[:-1]] = START
    return given, told


def _padded(inputs: tuple[I64, I64], closed: Sessions) -> Iterator[tuple[I64, I64, F32, I64]]:
    """Sessions, long ones in pieces, as matrices of few widths: given, told, weight, and each cell's step or -1."""
    given, told = inputs
    begins: list[int] = []
    ends: list[int] = []
    owner: list[int] = []
    for session, (begin, end) in enumerate(zip(closed.starts[:-1].tolist(), closed.starts[1:].tolist(), strict=True)):
        for piece in range(begin, end, LONGEST):
            begins.append(piece)
            ends.append(min(piece + LONGEST, end))
            owner.append(session)
    lengths = np.array(ends) - np.array(begins)
    widths = 2 ** np.ceil(np.log2(np.maximum(lengths, 8))).astype(np.int64) if len(lengths) else lengths
    for width in np.unique(widths):
        rows = np.flatnonzero(widths == width)
        at = np.array(begins)[rows][:, None] + np.arange(width)[None, :]
        at = np.where(np.arange(width)[None, :] < lengths[rows][:, None], at, -1)
        real = at >= 0
        weight = np.where(real, closed.weight[np.array(owner)[rows]][:, None], 0).astype(np.float32)
        yield np.where(real, given[at], PAD), np.where(real, told[at], 0), weight, at


def arrays(model: Lstm) -> Sequence[tuple[str, Any]]:
    """What a network has learnt as named numbers and arrays, for whoever keeps it."""
    return [("known", model.known), ("floor", model.floor), ("units", model.units),
            *((f"weight{i}", weight) for i, weight in enumerate(model.weights))]  # fmt: skip


def read(found: dict[str, Any]) -> Lstm:
    """A network from what `arrays` named."""
    count = sum(name.startswith("weight") for name in found)
    weights = tuple(np.asarray(found[f"weight{i}"], np.float32) for i in range(count))
    return Lstm(np.asarray(found["known"], np.uint64), weights, float(found["floor"]), int(found["units"]))
