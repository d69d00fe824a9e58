"""From scores to p-values without one abnormal session: every normal session judged by a model that never saw it.

Cross-conformal prediction (Vovk 2015, 'Cross-conformal predictors'): the sessions are dealt into folds, each fold is
scored by what was learnt on the others, and a new session's p-value is the share of those scores that reach its own.
The new session is judged by the model of all folds, which knows a little more: its scores are a little lower and its
p-values a little larger than promised, never smaller but by chance.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from vizsla.calibration import Floats, Tail
from vizsla.sequence.sessions import Sessions

FOLDS = 10
SEED = 1


def left_out(sessions: Sessions, fit: Callable[[Sessions], Callable[[Sessions], Floats]], folds: int = FOLDS) -> Floats:
    """The score of every session by what `fit` learnt on the other folds; sessions are dealt at random, seeded."""
    scores = np.zeros(len(sessions))
    fold = np.random.default_rng(SEED).permutation(len(sessions)) % max(2, min(folds, len(sessions)))
    for k in range(int(fold.max(initial=-1)) + 1):
        score = fit(sessions.take(np.flatnonzero(fold != k)))
        out = np.flatnonzero(fold == k)
        scores[out] = score(sessions.take(out))
    return scores


def calibrated(sessions: Sessions, fit: Callable[[Sessions], Callable[[Sessions], Floats]], folds: int = FOLDS) -> Tail:
    """What scores of new sessions are held against: `Tail.p` gives their p-values."""
    return Tail.of(left_out(sessions, fit, folds))
