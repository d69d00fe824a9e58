"""Isolation forest and autoencoder beside scikit-learn's and PyOD's, on one matrix: processor time, agreement of ranks.

    python -m benchmarks.cost_models [--rows N]

The matrix is made: twelve columns of four causes and some noise, one row in a hundred shifted in up to three of them.
Agreement is Spearman's rank correlation of scores of
the same rows, ours with ours at another seed beside it: two forests of the same kind agree no better than that.
"""

from __future__ import annotations

import argparse
import importlib.util
import resource
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.common import Floats, Row, shown
from benchmarks.tabular import auroc

NAME = "cost"
ROWS, COLUMNS, ODD = 20_000, 12, 100
Scored = Callable[[Floats, int], Floats]


def matrix(rows: int, seed: int = 1) -> Floats:
    """Correlated columns, standardised; every ODD-th row is shifted along a few of them."""
    chance = np.random.default_rng(seed)
    values = chance.standard_normal((rows, 4)) @ chance.standard_normal((4, COLUMNS))
    values += 0.3 * chance.standard_normal((rows, COLUMNS))
    shifted = chance.integers(0, COLUMNS, (len(values[::ODD]), 3))
    values[np.arange(0, rows, ODD)[:, None], shifted] += 6.0
    found: Floats = (values - values.mean(axis=0)) / values.std(axis=0)
    return found


def ours(name: str) -> Scored:
    """A detector of ours with its own defaults."""
    from vizsla.outlier.detectors import detector

    return lambda x, seed: detector(name).fit(x, seed).score(x)


def scikit_forest(x: Floats, seed: int) -> Floats:
    """Scikit-learn's forest, of as many trees as ours."""
    from sklearn.ensemble import IsolationForest

    found: Floats = -IsolationForest(n_estimators=300, max_samples=256, random_state=seed).fit(x).score_samples(x)
    return found


def scikit_linear(x: Floats, seed: int) -> Floats:
    """What as many principal components as our network's narrow layer has cannot copy: the linear autoencoder."""
    from sklearn.decomposition import PCA

    model = PCA(round(np.sqrt(x.shape[1])), random_state=seed).fit(x)
    found: Floats = ((x - model.inverse_transform(model.transform(x))) ** 2).sum(axis=1)
    return found


def pyod_forest(x: Floats, seed: int) -> Floats:
    """PyOD's forest, of as many trees as ours."""
    from pyod.models.iforest import IForest

    found: Floats = IForest(n_estimators=300, max_samples=256, random_state=seed).fit(x).decision_scores_
    return found


def pyod_autoencoder(x: Floats, seed: int) -> Floats:
    """PyOD's autoencoder, of its own defaults; it needs PyTorch."""
    from pyod.models.auto_encoder import AutoEncoder

    found: Floats = AutoEncoder(random_state=seed, verbose=0).fit(x).decision_scores_
    return found


PEERS: dict[str, dict[str, Scored]] = {
    "isolation_forest": {"scikit-learn": scikit_forest, "PyOD": pyod_forest},
    "autoencoder": {"scikit-learn's principal components": scikit_linear, "PyOD (PyTorch)": pyod_autoencoder},
}


def busy(scored: Scored, x: Floats, seed: int = 1) -> tuple[float, Floats]:
    """Seconds of processor time, and the scores. A few rows go before, so that imports do not count."""
    scored(x[:300], seed)
    before = resource.getrusage(resource.RUSAGE_SELF)
    found = scored(x, seed)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, found


def agreement(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation."""
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)


def run(argv: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    x = matrix(parser.parse_args(argv).rows)
    odd = (np.arange(len(x)) % ODD == 0).astype(np.int64)
    rows = []
    for name, peers in PEERS.items():
        seconds, scores = busy(ours(name), x)
        itself = agreement(scores, ours(name)(x, 2))
        for peer, scored in peers.items():
            if "PyTorch" in peer and importlib.util.find_spec("torch") is None:
                print(f"{peer} is not installed: left out")
                continue
            theirs, others = busy(scored, x)
            rows.append(Row(
                NAME, f"{name}, {len(x):,} rows of {COLUMNS} columns",
                f"{seconds:.1f} s; ranks agree {agreement(scores, others):.3f} (with itself {itself:.3f}); "
                f"AUROC {auroc(odd, scores):.3f}",
                f"{theirs:.1f} s, {peer}; AUROC {auroc(odd, others):.3f}", f"{seconds / max(theirs, 1e-3):.2f}",
            ))  # fmt: skip
            print(f"{rows[-1].what}: {rows[-1].ours}; {rows[-1].reference}", flush=True)
    return rows


if __name__ == "__main__":
    raise SystemExit(shown(run()))
