"""Logistic regression with a quadratic penalty, by Newton's method: small, exact, the same on every machine."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
STEPS = 100
LEAST = 1e-9
STEEPEST = 30.0  # of a linear predictor: beyond, probabilities are 0 or 1


def fit(x: Floats, y: Floats, penalty: Floats) -> Floats:
    """Weights w that minimise sum of log(1 + e^-z) for y = 1, of log(1 + e^z) for y = 0 with z = x w, plus
    (penalty * w^2) / 2. x: (n, d), y: (n,) of 0 and 1, penalty: (d,), 0 for what is not to be held back.

    The loss is convex; a step is halved until it lowers it, so that separable data end at finite weights.
    """
    w = np.zeros(x.shape[1])
    lowest = _loss(x, y, penalty, w)
    for _ in range(STEPS):
        p = probability(x @ w)
        slope = x.T @ (p - y) + penalty * w
        bend = (x.T * (p * (1 - p))) @ x + np.diag(penalty + LEAST)
        step = np.linalg.solve(bend, slope)
        size = 1.0
        while size > 1e-8:
            trial = w - size * step
            loss = _loss(x, y, penalty, trial)
            if loss < lowest:
                break
            size /= 2
        else:
            return w
        done = lowest - loss < 1e-10 * max(1.0, abs(lowest))
        w, lowest = trial, loss
        if done:
            return w
    return w


def probability(z: Floats) -> Floats:
    """1 / (1 + e^-z), for z of any size."""
    found: Floats = 1.0 / (1.0 + np.exp(-np.clip(z, -STEEPEST, STEEPEST)))
    return found


def log_loss(z: Floats, y: Floats) -> float:
    """The mean loss in bits of saying z (log-odds) where y was 0 or 1."""
    return float(losses_of(z, y).mean()) if len(y) else 0.0


def losses_of(z: Floats, y: Floats) -> Floats:
    """The loss of each, in bits: shape (n,)."""
    found: Floats = np.logaddexp(0.0, np.where(y > 0.5, -z, z)) / np.log(2.0)
    return found


def _loss(x: Floats, y: Floats, penalty: Floats, w: Floats) -> float:
    z = x @ w
    return float(np.logaddexp(0.0, np.where(y > 0.5, -z, z)).sum() + 0.5 * (penalty * w * w).sum())
