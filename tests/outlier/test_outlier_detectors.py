"""Detectors: what they promise, and beside scikit-learn's and PyOD's own on the same matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import spearmanr

from outlier_samples import PLAIN
from vizsla.errors import UsageError
from vizsla.outlier.detector import Explained, distances, parameters, with_parameters
from vizsla.outlier.detectors import _loaded, detector, detectors
from vizsla.outlier.detectors.auto import Calibration

Floats = npt.NDArray[np.float64]


def two_heaps(n: int = 400, seed: int = 5) -> Floats:
    """Two round heaps, and five rows far from both, the last ones."""
    chance = np.random.default_rng(seed)
    heaps = np.concatenate([chance.normal(-2, 0.5, (n // 2, 4)), chance.normal(2, 0.5, (n - n // 2, 4))])
    far = chance.normal(0, 0.2, (5, 4)) + np.array([9.0, -9.0, 9.0, -9.0])
    rows = np.concatenate([heaps, far])
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


@pytest.mark.parametrize("name", PLAIN)
def test_what_lies_far_out_scores_highest(name: str) -> None:
    rows = two_heaps()
    scores = detector(name).fit(rows, 1).score(rows)
    assert scores.shape == (len(rows),)
    assert np.isfinite(scores).all()
    if name == "lof":  # five of a kind vouch for each other: with twenty neighbours they do not
        assert set(np.argsort(-scores)[:20]) >= {len(rows) - 1}
        return
    assert set(np.argsort(-scores)[:5]) == set(range(len(rows) - 5, len(rows)))


@pytest.mark.parametrize("name", PLAIN)
def test_a_row_scores_the_same_alone_and_among_others(name: str) -> None:
    rows = two_heaps()
    fitted = detector(name).fit(rows, 1)
    whole = fitted.score(rows)
    order = np.random.default_rng(3).permutation(len(rows))
    assert np.allclose(fitted.score(rows[order]), whole[order], rtol=1e-6, atol=1e-6)
    assert np.allclose(np.concatenate([fitted.score(rows[i : i + 1]) for i in (0, 7, 404)]), whole[[0, 7, 404]])
    assert np.allclose(detector(name).fit(rows, 1).score(rows), whole)  # the same seed gives the same


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize("shape", [(2, 1), (3, 5), (30, 1), (25, 40)])
def test_small_and_wide_matrices(name: str, shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(0).normal(size=shape)
    fitted = detector(name).fit(rows, 1)
    assert np.isfinite(fitted.score(rows)).all()
    assert np.isfinite(fitted.score(rows * 1e6)).all()


@pytest.mark.parametrize("name", PLAIN)
def test_many_equal_rows(name: str) -> None:
    rows = np.repeat(np.array([[0.0, 1.0], [1.0, 0.0]]), 40, axis=0)
    rows = np.concatenate([rows, [[7.0, 7.0]]])
    scores = detector(name).fit(rows, 1).score(rows)
    assert np.isfinite(scores).all()
    assert scores[-1] >= scores[:-1].max()


@pytest.mark.parametrize("name", [n for n in PLAIN if n != "auto"])
def test_parts_sum_up_to_the_score(name: str) -> None:
    rows = two_heaps()
    fitted: object = detector(name).fit(rows, 1)
    if not isinstance(fitted, Explained):
        pytest.skip("its score is no sum over columns")
    assert np.allclose(fitted.parts(rows).sum(axis=1), fitted.score(rows))  # type: ignore[attr-defined]


def skewed(n: int = 600) -> Floats:
    chance = np.random.default_rng(11)
    rows = chance.normal(size=(n, 6))
    rows[:, 1] = np.exp(rows[:, 1])
    rows[:, 2] = rows[:, 0] * 0.9 + 0.3 * rows[:, 2]
    return np.asarray((rows - rows.mean(axis=0)) / rows.std(axis=0))


def test_isolation_forest_beside_scikit_learn() -> None:
    from sklearn.ensemble import IsolationForest

    rows = skewed()
    theirs = -IsolationForest(n_estimators=300, random_state=0).fit(rows).score_samples(rows)
    ours = detector("isolation_forest").fit(rows, 1).score(rows)
    assert spearmanr(ours, theirs).statistic > 0.97
    assert abs(ours.mean() - theirs.mean()) < 0.02


def test_lof_beside_scikit_learn() -> None:
    from sklearn.neighbors import LocalOutlierFactor

    rows = skewed()
    theirs = -LocalOutlierFactor(n_neighbors=20).fit(rows).negative_outlier_factor_
    assert np.allclose(detector("lof").fit(rows, 1).score(rows), theirs, rtol=1e-6)


def test_elliptic_envelope_beside_scikit_learn() -> None:
    from sklearn.covariance import MinCovDet

    rows = skewed()
    theirs = MinCovDet(random_state=1).fit(rows).mahalanobis(rows)
    assert np.allclose(detector("elliptic_envelope").fit(rows, 1).score(rows), theirs, rtol=1e-6)


def test_principal_components_are_a_mahalanobis_distance() -> None:
    from sklearn.covariance import EmpiricalCovariance

    rows = skewed()
    theirs = EmpiricalCovariance().fit(rows).mahalanobis(rows)
    ours = detector("pca").fit(rows, 1).score(rows)
    assert np.allclose(ours * len(rows) / (len(rows) - 1), theirs, rtol=1e-6)


def test_one_class_machine_with_nystroem_beside_the_exact_one() -> None:
    from vizsla.outlier.detectors import ocsvm

    rows = skewed(2_400)
    approximate = detector("ocsvm").fit(rows, 1).score(rows)
    before, ocsvm.NYSTROEM = ocsvm.NYSTROEM, 10_000
    try:
        exact = detector("ocsvm").fit(rows, 1).score(rows)
    finally:
        ocsvm.NYSTROEM = before
    assert spearmanr(approximate, exact).statistic > 0.9


@pytest.mark.parametrize(("ours", "theirs", "least"), [("knn", "KNN", 0.95), ("histogram", "HBOS", 0.8)])
def test_beside_pyod(ours: str, theirs: str, least: float) -> None:
    pytest.importorskip("pyod", reason="PyOD is not installed: pip install 'vizsla[pyod]'")
    rows = skewed()
    mine = detector(ours).fit(rows, 1).score(rows)
    assert spearmanr(mine, detector(f"pyod:{theirs}").fit(rows, 1).score(rows)).statistic > least


def test_tails_beside_pyod() -> None:
    pytest.importorskip("pyod", reason="PyOD is not installed: pip install 'vizsla[pyod]'")
    from pyod.models.copod import COPOD
    from pyod.models.ecod import ECOD

    from vizsla.outlier.detectors._tails import Tails

    rows = skewed()
    assert np.allclose(detector("copod").fit(rows, 1).score(rows), COPOD().fit(rows).decision_scores_)
    tails = Tails.of(rows)
    left, right = tails.left(rows), tails.right(rows)
    skewness = np.where(tails.skewness < 0, left, right)
    # Theirs takes the largest of the three tails by column, the paper's and ours the largest of three sums.
    by_column = np.maximum(np.maximum(left, right), skewness).sum(axis=1)
    assert np.allclose(by_column, ECOD().fit(rows).decision_scores_)
    by_sum = np.max([left.sum(axis=1), right.sum(axis=1), skewness.sum(axis=1)], axis=0)
    assert np.allclose(detector("ecod").fit(rows, 1).score(rows), by_sum)


def test_any_detector_of_pyod_by_name() -> None:
    pytest.importorskip("pyod", reason="PyOD is not installed: pip install 'vizsla[pyod]'")
    rows = two_heaps()
    scores = detector("pyod:inne").fit(rows, 1).score(rows)
    assert set(np.argsort(-scores)[:5]) == set(range(len(rows) - 5, len(rows)))
    assert np.array_equal(detector("pyod:inne").fit(rows, 1).score(rows), scores)
    with pytest.raises(UsageError, match="no detector"):
        detector("pyod:nothing_of_the_kind")
    with pytest.raises(UsageError, match="no parameter"):
        detector("pyod:KNN", neighbours=3)


def test_no_detector_takes_a_contamination() -> None:
    for name, kind in detectors().items():
        assert "contamination" not in parameters(detector(name))
        with pytest.raises(UsageError, match="no parameter 'contamination'"):
            with_parameters(kind, {"contamination": 0.1})


def test_parameters_and_names_that_do_not_exist() -> None:
    assert parameters(detector("knn", k=3))["k"] == 3
    with pytest.raises(UsageError, match="no outlier model 'nothing'"):
        detector("nothing")


def test_equal_rows_are_at_distance_zero() -> None:
    rows = np.random.default_rng(2).normal(size=(50, 7)) * 1e4
    far = distances(rows, rows)
    assert (np.diag(far) == 0).all()
    assert np.allclose(far, np.sqrt(((rows[:, None] - rows[None]) ** 2).sum(axis=2)), rtol=1e-6, atol=1e-3)


def test_bits_of_a_score_are_its_rank_and_keep_the_order_above_all() -> None:
    calibration = Calibration.of(np.arange(99.0))
    assert calibration.bits(np.array([98.0]))[0] == pytest.approx(np.log2(100))
    assert calibration.bits(np.array([49.0]))[0] == pytest.approx(1.0)
    above = calibration.bits(np.array([98.0, 100.0, 1e9]))
    assert above[0] < above[1] < above[2]


def test_deep_autoencoder() -> None:
    pytest.importorskip("keras", reason="Keras is not installed: pip install 'vizsla[deep]'")
    rows = two_heaps(200)
    fitted = detector("deep_autoencoder", epochs=15).fit(rows, 1)
    scores = fitted.score(rows)
    assert np.isfinite(scores).all()
    assert set(np.argsort(-scores)[:5]) == set(range(len(rows) - 5, len(rows)))
    assert np.allclose(fitted.score(rows[:3]), scores[:3], rtol=1e-3, atol=1e-5)


def test_a_detector_that_cannot_be_loaded_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    place = "vizsla.outlier.detectors.torn"
    monkeypatch.setitem(_loaded().failed, place, "ImportError: no such thing")
    with pytest.raises(UsageError, match="ImportError: no such thing"):
        detector("torn")
