"""The network of the extra `deep`: the same interface as the Markov model, and a clear word where it is missing."""

from __future__ import annotations

import builtins
import importlib

import numpy as np
import pytest

from vizsla.errors import AnalyticError
from vizsla.sequence import deep
from vizsla.sequence.score import SessionModel
from vizsla.sequence.sessions import Sessions

USUAL = [("open", "write", "close"), ("open", "read", "read", "close")] * 20


def test_without_keras_it_says_what_to_install(monkeypatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(AnalyticError, match="No module named 'keras'") as caught:
        deep.Lstm.learn(Sessions.of(USUAL))
    assert "vizsla[deep]" in str(caught.value)


def test_importing_the_module_imports_no_keras(monkeypatch) -> None:
    plain = builtins.__import__

    def watched(name, *rest):
        assert name.partition(".")[0] not in ("keras", "jax")
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", watched)
    importlib.reload(deep)


def test_sessions_of_many_lengths_become_matrices_and_back() -> None:
    closed = Sessions.of([("a",) * n for n in (1, 3, 9, 1000)]).closed()
    known = np.unique(closed.steps)
    cells = [at[at >= 0] for _, _, _, at in deep._padded(deep._inputs(closed, known), closed)]
    assert sorted(np.concatenate(cells).tolist()) == list(range(len(closed.steps)))
    for given, told, weight, at in deep._padded(deep._inputs(closed, known), closed):
        assert given.shape == told.shape == weight.shape == at.shape
        assert given.shape[1] <= deep.LONGEST
        assert (weight[at < 0] == 0).all()
        assert (told[at >= 0] >= deep.FIRST).all()


@pytest.mark.slow
def test_it_learns_tells_and_is_kept_as_data() -> None:
    pytest.importorskip("keras", reason="Keras is not installed: pip install 'vizsla[deep]'")
    learnt = Sessions.of(USUAL)
    model = deep.Lstm.learn(learnt, epochs=300, units=16)
    asked = Sessions.of([("open", "write", "close"), ("open", "write"), ("open", "never seen", "close")])
    steps = model.steps(asked)
    usual, short, new = (steps.bits[steps.sessions.starts[i] : steps.sessions.starts[i + 1]] for i in range(3))
    assert usual.max() < 2
    assert short.argmax() == 2
    assert short.max() > 4
    assert new[1] > 4
    assert (steps.odd <= steps.bits + 1e-6).all()
    again = deep.read(dict(deep.arrays(model))).steps(asked)
    np.testing.assert_allclose(again.bits, steps.bits, atol=1e-4)
    scored = SessionModel(model, SessionModel.learn(learnt).amounts).score(asked)
    assert scored.bits[0] < scored.bits[1:].min()
