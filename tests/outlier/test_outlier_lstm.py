"""The LSTM autoencoder: what it finds, how its scores are taken apart, and what it needs."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from outlier_samples import DAY, STILL, planted
from vizsla.errors import UsageError
from vizsla.outlier.detector import parameters
from vizsla.outlier.detectors import detector
from vizsla.outlier.model import Model

STEPS = 12
WITHOUT = "Keras is not installed: pip install 'vizsla[deep]'"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["phase", "still", "lag"])
def test_what_is_odd_only_in_its_place_is_found(kind: str) -> None:
    pytest.importorskip("keras", reason=WITHOUT)
    rows, at = planted(kind)
    model = Model.fit(rows, "lstm_autoencoder", window=STEPS)
    # The first rows, which have fewer before them, are odd in another way.
    best = STEPS - 1 + int(model.trained[STEPS - 1 :].argmax())
    assert best in range(at, at + STEPS + (STILL - 1 if kind == "still" else 0))
    # It tells usual windows again: of a column's variance of 1 little is left.
    assert np.median(model.trained) < 0.2 * model.matrix.shape[1]


@pytest.mark.slow
def test_scores_are_taken_apart_and_come_again() -> None:
    pytest.importorskip("keras", reason=WITHOUT)
    rows = planted("phase")[0].slice(0, 20 * DAY)
    model = Model.fit(rows, "lstm_autoencoder", window=STEPS, epochs=3, seed=4)
    parts = model.fitted.parts(model.matrix)  # type: ignore[union-attr]
    assert parts.shape == model.matrix.shape
    assert np.array_equal(parts.sum(axis=1), model.trained)
    # Steps stay in their order, though the network tells them backwards: a spike is missed where it stands.
    spiked = model.matrix[100:101].copy()
    spiked[0, 3 * 2 + 1] = 9.0
    assert int(model.fitted.parts(spiked).argmax()) == 3 * 2 + 1  # type: ignore[union-attr]
    # A window scores the same alone and among others, and a table in pieces as whole.
    assert np.array_equal(model.scored(model.matrix[100:103]), model.trained[100:103])
    follower = model.follower()
    pieces = [model.scored_piece(follower.piece(rows.slice(start, 130))) for start in range(0, len(rows), 130)]
    assert np.array_equal(np.concatenate(pieces), model.score(rows))
    state = model.state()
    assert state["parameters"]["steps"] == STEPS
    assert np.allclose(Model.load(state).score(rows), model.score(rows), rtol=1e-5)


def test_windows_that_are_none() -> None:
    assert parameters(detector("lstm_autoencoder"))["steps"] == 0
    with pytest.raises(UsageError, match="no windows of 0 rows") as refused:
        detector("lstm_autoencoder").fit(np.zeros((10, 4)), 1)
    assert "--window N" in refused.value.fix
    with pytest.raises(UsageError, match="4 columns are no windows of 3 rows"):
        detector("lstm_autoencoder", steps=3).fit(np.zeros((10, 4)), 1)


def test_without_keras_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(UsageError, match="a package is missing") as refused:
        detector("lstm_autoencoder", steps=2).fit(np.zeros((10, 4)), 1)
    assert refused.value.where == "lstm_autoencoder"
    assert "vizsla[deep]" in refused.value.fix
