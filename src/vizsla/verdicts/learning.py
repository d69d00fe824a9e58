"""What verdicts teach of the list: which sorts of evidence turned out malicious, beyond what their bits say already.

The model is a logistic one, log-odds = a + s * bits + w . traits, with w held towards zero; fitted on the fly to what
the verdicts keep, so that it has no state of its own. A finding then gains w . traits in bits, at most MOST either
way. Traits are families, kinds, tactics and relevance: no host's, user's or program's name.

It says nothing before TEN verdicts of each class are there, and nothing where it does not foretell verdicts that it
had not seen better than the bits alone do, by more than a standard error (cross-validated, all verdicts on one pattern
left out together). From FOREST verdicts on a random forest is tried beside it, by its out-of-bag votes, and taken where
it foretells better by as much.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from vizsla.nouns.verdict import Verdict
from vizsla.triage.shown import BITS, FAMILIES, FAMILY, KIND, RELEVANCE, TACTIC, Traits
from vizsla.verdicts.logistic import Floats, fit, log_loss, losses_of

TEN = 10
FOREST = 200
MOST = 3.0  # bits that verdicts add or take at most
FOLDS = 5
COMMON = 3  # findings that a trait must have been met in
PENALTIES = (1.0, 3.0, 10.0, 30.0)
SCALES = {FAMILIES: 3.0, RELEVANCE: 5.0, FAMILY: 10.0, KIND: 1.0, TACTIC: 1.0}
BITS_SCALE, BITS_PENALTY = 10.0, 0.1
_NAMED = 3  # traits that a ledger's line names


@dataclass(frozen=True, slots=True)
class Model:
    """`weights` of `names`, in log-odds; `means`: of each scaled trait among the judged, either class counting half."""

    names: tuple[str, ...]
    weights: Floats
    means: Floats
    bits: tuple[float, float]  # a and s of bits alone
    vote: Callable[[Floats], Floats] | None = None  # log-odds by the forest, of scaled traits and bits

    def gains(self, findings: Sequence[Traits]) -> Floats:
        """Bits that findings gain or lose, by their traits."""
        x = np.array([row(traits, self.names) for traits in findings]).reshape(len(findings), len(self.names))
        if self.vote is None or not len(x):
            odds = (x - self.means) @ self.weights
        else:
            bits = np.array([traits.get(BITS, 0.0) for traits in findings]) / BITS_SCALE
            odds = self.vote(np.column_stack([x, bits])) - (self.bits[0] + self.bits[1] * bits)
        found: Floats = np.clip(odds / math.log(2), -MOST, MOST)
        return found

    def because(self, traits: Traits) -> tuple[str, ...]:
        """The traits that speak loudest, with their bits; none of a forest's."""
        if self.vote is not None:
            return ()
        parts = (row(traits, self.names) - self.means) * self.weights / math.log(2)
        loud = sorted(range(len(parts)), key=lambda n: (-abs(parts[n]), self.names[n]))[:_NAMED]
        return tuple(f"{self.names[n]} {parts[n]:+.1f}" for n in loud if abs(parts[n]) >= 0.05)


@dataclass(frozen=True, slots=True)
class Taught:
    """What verdicts teach: `model` None where that is nothing, and `says` why, or what was learnt and how well."""

    malicious: int = 0
    benign: int = 0
    model: Model | None = None
    says: tuple[str, ...] = ()
    losses: Mapping[str, float] = field(default_factory=dict)  # bits lost per unseen verdict, by what foretold it


def learn(verdicts: Iterable[Verdict]) -> Taught:
    """What these verdicts teach; `unsure` ones teach nothing. The order of the verdicts changes nothing."""
    used = sorted((v for v in verdicts if v.judgement != "unsure" and v.traits), key=lambda v: v.id)
    judged = Counter(v.judgement for v in used)
    bad, good = judged["malicious"], judged["benign"]
    if not used:
        return Taught()
    if bad < TEN or good < TEN:
        missing = [f"{TEN - n} {name}" for n, name in ((bad, "malicious"), (good, "benign")) if n < TEN]
        said = f"{bad} malicious and {good} benign verdicts: nothing is learnt from them before {' and '.join(missing)}"
        return Taught(bad, good, says=(f"{said} more.",))
    return _fitted(used, bad, good)


def row(traits: Traits, names: Sequence[str]) -> Floats:
    """Traits as numbers of like size, in the order of `names`."""
    return np.array([traits.get(name, 0.0) / _scale(name) for name in names])


def _scale(name: str) -> float:
    return next((scale for start, scale in SCALES.items() if name.startswith(start)), 1.0)


def _fitted(used: Sequence[Verdict], bad: int, good: int) -> Taught:
    met = Counter(name for v in used for name, value in v.traits.items() if value and name != BITS)
    names = tuple(sorted(name for name, count in met.items() if count >= COMMON))
    x = np.array([row(v.traits, names) for v in used]).reshape(len(used), len(names))
    bits = np.array([v.traits.get(BITS, v.bits) for v in used]) / BITS_SCALE
    y = np.array([float(v.judgement == "malicious") for v in used])
    fold = np.array([_fold(v.pattern_id) for v in used])
    alone = _crossed(x[:, :0], bits, y, fold, 1.0)
    losses = {"bits alone": log_loss(alone, y)}
    tried = {penalty: log_loss(_crossed(x, bits, y, fold, penalty), y) for penalty in PENALTIES}
    penalty = min(tried, key=lambda p: (tried[p], -p))
    losses["logistic"] = tried[penalty]
    crossed = _crossed(x, bits, y, fold, penalty)
    w = _weights(x, bits, y, penalty)
    plain = _weights(x[:, :0], bits, y, penalty)
    means = (x[y > 0.5].mean(axis=0) + x[y < 0.5].mean(axis=0)) / 2
    model = Model(names, w[2:], means, (float(plain[0]), float(plain[1])))
    said = f"{bad} malicious and {good} benign verdicts"
    by = f"{said} re-weight the list, by {MOST:g} bits at most:"
    lost = f"{losses['bits alone']:.2f} bits lost per verdict not seen"
    if len(used) >= FOREST:
        voted = _forest(x, bits, y)
        losses["forest"] = voted[1]
        if _surely(voted[2], min((crossed, alone), key=lambda z: log_loss(z, y)), y):
            says = f"{by} a random forest, {voted[1]:.2f} against {lost}"
            chosen = Model(names, w[2:], means, model.bits, voted[0])
            return Taught(bad, good, chosen, (f"{says} by bits alone.",), losses)
    if not _surely(crossed, alone, y):
        says = f"{said} do not foretell one another better than bits alone do: the list stays as it is."
        return Taught(bad, good, None, (says,), losses)
    says = f"{by} {losses['logistic']:.2f} against {lost} by bits alone."
    return Taught(bad, good, model, (says,), losses)


def _design(x: Floats, bits: Floats) -> Floats:
    return np.column_stack([np.ones(len(x)), bits, x])


def _weights(x: Floats, bits: Floats, y: Floats, penalty: float) -> Floats:
    held = np.concatenate([[0.0, BITS_PENALTY], np.full(x.shape[1], penalty)])
    return fit(_design(x, bits), y, held)


def _crossed(x: Floats, bits: Floats, y: Floats, fold: np.ndarray, penalty: float) -> Floats:
    """The log-odds of each verdict by what the other folds teach."""
    found = np.zeros(len(y))
    for number in np.unique(fold).tolist():
        own = fold == number
        if 0 < y[~own].sum() < (~own).sum():
            found[own] = _design(x[own], bits[own]) @ _weights(x[~own], bits[~own], y[~own], penalty)
    return found


def _forest(x: Floats, bits: Floats, y: Floats) -> tuple[Callable[[Floats], Floats], float, Floats]:
    """The forest's log-odds, calibrated on its out-of-bag votes, their loss, and those of the verdicts themselves."""
    from sklearn.ensemble import RandomForestClassifier

    whole = np.column_stack([x, bits])
    forest = RandomForestClassifier(
        n_estimators=300, min_samples_leaf=3, max_features="sqrt", oob_score=True, bootstrap=True,
        class_weight="balanced", random_state=0, n_jobs=1,
    )  # fmt: skip
    forest.fit(whole, y)
    votes = _odds(np.nan_to_num(forest.oob_decision_function_[:, 1], nan=0.5))
    scaled = fit(np.column_stack([np.ones(len(y)), votes]), y, np.array([0.0, BITS_PENALTY]))
    # Two numbers are fitted to votes that never saw their own verdict: what they lose is what unseen ones would.
    own: Floats = scaled[0] + scaled[1] * votes
    lost = log_loss(own, y)

    def vote(rows: Floats) -> Floats:
        said: Floats = scaled[0] + scaled[1] * _odds(forest.predict_proba(rows)[:, 1])
        return said

    return vote, lost, own


def _surely(z: Floats, other: Floats, y: Floats) -> bool:
    """Whether z foretells these verdicts better than `other`, by more than one standard error of the difference."""
    gained = losses_of(other, y) - losses_of(z, y)
    return bool(gained.mean() > gained.std(ddof=1) / math.sqrt(len(y)))


def _odds(p: Floats) -> Floats:
    clipped = np.clip(p, 0.01, 0.99)
    found: Floats = np.log(clipped / (1 - clipped))
    return found


def _fold(pattern: str) -> int:
    return int.from_bytes(hashlib.blake2b(pattern.encode(), digest_size=4).digest(), "big") % FOLDS


__all__ = ["FOREST", "MOST", "TEN", "Model", "Taught", "learn"]
