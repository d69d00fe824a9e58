"""What verdicts teach: nothing before there is enough, nothing by chance, and bounded always."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.nouns.verdict import Verdict
from vizsla.verdicts.learning import FOREST, MOST, TEN, learn
from vizsla.verdicts.logistic import fit, log_loss, probability

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def verdict(number: int, malicious: bool, **traits: float) -> Verdict:
    return Verdict(
        id=f"{number:08x}", at=NOW, by="ann", judgement="malicious" if malicious else "benign", reach="finding",
        finding=f"{number:016x}", pattern_id=f"{number:016x}", title="", bits=traits.get("bits", 10.0), traits=traits,
    )  # fmt: skip


def told_apart(count: int, seed: int = 0, *, by_chance: bool = False) -> list[Verdict]:
    """Verdicts in which remote threads are malicious and libraries are not, whatever their bits."""
    rng = np.random.default_rng(seed)
    made = []
    for n in range(count):
        bad = bool(n % 2)
        kind = bad if not by_chance else bool(rng.integers(2))
        kind = kind if rng.random() < 0.9 else not kind
        name = "kind windows_sysmon:8" if kind else "kind windows_sysmon:7"
        made.append(verdict(n, bad, bits=float(rng.normal(12, 3)), families=1.0, **{name: 1.0}))
    return made


@pytest.mark.parametrize(("bad", "good", "missing"), [(3, 50, "7 malicious"), (50, 9, "1 benign"), (9, 0, "10 benign")])
def test_before_ten_of_each_nothing_is_learnt_and_what_is_missing_is_said(bad: int, good: int, missing: str) -> None:
    given_ = [verdict(n, n < bad, bits=10.0) for n in range(bad + good)]
    taught = learn(given_)
    assert taught.model is None
    assert missing in taught.says[0]
    assert (taught.malicious, taught.benign) == (bad, good)


def test_no_verdict_no_word() -> None:
    assert learn([]).says == ()
    assert learn([replace(verdict(1, True, bits=1.0), judgement="unsure")]).says == ()


def test_what_tells_them_apart_moves_the_list() -> None:
    taught = learn(told_apart(2 * TEN))
    assert taught.model is not None
    thread, library = {"bits": 12.0, "families": 1.0, "kind windows_sysmon:8": 1.0}, {
        "bits": 12.0, "families": 1.0, "kind windows_sysmon:7": 1.0,
    }  # fmt: skip
    up, down = taught.model.gains([thread, library]).tolist()
    assert MOST >= up > 0.3
    assert -MOST <= down < -0.3
    assert "kind windows_sysmon:8" in " ".join(taught.model.because(thread))
    assert "re-weight the list" in taught.says[0]


def test_the_order_of_verdicts_changes_nothing() -> None:
    given_ = told_apart(60)
    one, other = learn(given_), learn(given_[::-1])
    assert one.model is not None and other.model is not None
    assert one.model.weights.tolist() == other.model.weights.tolist()


def test_chance_teaches_nothing() -> None:
    """Of thirty teams whose verdicts have nothing to do with the evidence, few see their lists re-weighted."""
    fooled = sum(learn(told_apart(60, seed, by_chance=True)).model is not None for seed in range(30))
    assert fooled <= 5


def test_a_forest_from_two_hundred_on_where_it_foretells_better() -> None:
    rng = np.random.default_rng(1)
    made = []
    for n in range(FOREST + 100):  # malicious where one of two kinds is there, not both: no line parts them
        a, b = (bool(x) for x in rng.integers(2, size=2))
        traits = {"bits": 10.0, "families": 1.0, "kind a": float(a), "kind b": float(b)}
        made.append(verdict(n, (a != b) if rng.random() < 0.95 else a == b, **traits))
    few, many = learn(made[: FOREST - 1]), learn(made)
    assert "forest" not in few.losses
    assert many.losses["forest"] < many.losses["logistic"] - 0.2
    assert many.model is not None and "random forest" in many.says[0]
    odd, even = {"bits": 10.0, "families": 1.0, "kind a": 1.0}, {"bits": 10.0, "families": 1.0}
    up, down = many.model.gains([odd, even]).tolist()
    assert up > 1 > -1 > down
    assert many.model.because(odd) == ()


@given(st.lists(st.floats(-50, 50), min_size=4, max_size=30), st.integers(0, 2**30))
@settings(max_examples=50, deadline=None)
def test_the_fit_is_a_minimum(values: list[float], labels: int) -> None:
    x = np.column_stack([np.ones(len(values)), np.array(values) / 10])
    y = np.array([float(labels >> n & 1) for n in range(len(values))])
    penalty = np.array([0.1, 1.0])
    w = fit(x, y, penalty)
    slope = x.T @ (probability(x @ w) - y) + penalty * w
    assert np.abs(slope).max() < 1e-3


def test_separable_verdicts_end_at_finite_weights() -> None:
    x = np.column_stack([np.ones(20), np.r_[np.zeros(10), np.ones(10)]])
    y = np.r_[np.zeros(10), np.ones(10)]
    w = fit(x, y, np.array([0.0, 1.0]))
    assert np.isfinite(w).all()
    assert log_loss(x @ w, y) < 0.5
