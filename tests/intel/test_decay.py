"""Decay against MISP's formula, computed by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intel_samples import NOW, claim, new_store
from vizsla.intel import decay
from vizsla.intel.active import standing
from vizsla.intel.normal import TYPES
from vizsla.intel.view import COLUMNS, indicators


def polynomial(base: float, days: float, tau: float, delta: float) -> float:
    """The formula as MISP's PHP states it: 0 before its time, never below 0."""
    return max(0.0, base * (1 - (days / tau) ** (1 / delta))) if days >= 0 else 0.0


@given(st.floats(0, 100), st.floats(0, 400))
def test_network_types_age_as_in_misps_simple_model(base: float, days: float) -> None:
    for type in ("ipv4", "domain", "url"):
        assert decay.score(type, base, days) == pytest.approx(polynomial(base, days, 120, 2), abs=1e-3)


@pytest.mark.parametrize(("days", "score"), [(0, 80), (30, 40), (120, 0), (500, 0)])
def test_points_of_the_simple_model(days: float, score: float) -> None:
    assert decay.score("domain", 80, days) == pytest.approx(score)


def test_what_is_not_listed_does_not_age() -> None:
    for type in ("sha256", "md5", "mutex", "registry_key"):
        assert decay.score(type, 70, 10_000) == 70
        assert decay.lasting(type, 70) is None


@given(st.floats(31, 100))
def test_lasting_is_where_the_score_meets_the_threshold(base: float) -> None:
    for type in ("domain", "email", "ja3"):
        days = decay.lasting(type, base)
        assert days is not None
        assert decay.score(type, base, days) == pytest.approx(30, abs=1e-3)
    assert decay.lasting("domain", 20) == 0


def test_models_name_types_that_exist_and_say_where_they_are_from() -> None:
    models = decay.parameters().models
    assert set(models) <= set(TYPES)
    assert {model.source for model in models.values()} == {"MISP NIDS simple model", "ours"}


def test_confidence_by_tags() -> None:
    assert decay.confidence_of(['admiralty-scale:source-reliability="a"']) == 100
    both = ['admiralty-scale:source-reliability="b"', 'false-positive:risk="high"', "tlp:red", "malware"]
    assert decay.confidence_of(both) == pytest.approx(50)
    assert decay.confidence_of(["tlp:red", 'admiralty-scale:source-reliability="z"']) is None


def test_an_indicator_ages_from_its_last_confirmation_and_sightings_refresh_it(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    day = datetime(2026, 9, 1, tzinfo=UTC)
    kept.add([claim(confidence=90, created=day - timedelta(9), modified=day)], "alpha", now=NOW)
    kept.add([claim(feed="beta", last_seen=day + timedelta(days=10), confidence=60)], "beta", now=NOW)
    at = day + timedelta(days=40)
    (row,) = standing(kept, at).to_pylist()
    base = 100 * (1 - (1 - 0.9) * (1 - 0.6 / 2))
    assert row["confirmed"] == day + timedelta(days=10)
    assert row["base"] == pytest.approx(base, abs=1e-3)
    assert row["score"] == pytest.approx(polynomial(base, 30, 120, 2), abs=1e-3)
    assert not row["decayed"]
    (row,) = standing(kept, day + timedelta(days=100)).to_pylist()
    assert row["decayed"]
    assert row["state"] == "live"  # age weighs, it never hides
    seen = day + timedelta(days=95)
    sighted = pa.table({"id": [row["id"], "f" * 32], "last": pa.array([seen] * 2, pa.timestamp("us", tz="UTC"))})
    (row,) = indicators(kept.claims(columns=COLUMNS), day + timedelta(days=100), sighted).to_pylist()
    assert row["score"] == pytest.approx(polynomial(base, 5, 120, 2), abs=1e-3)
    assert not row["decayed"]


def test_where_nobody_says_anything_the_models_base_is_taken(tmp_path: Path) -> None:
    kept = new_store(tmp_path / "lake")
    kept.add([claim(), claim("b.bad-name.com", tags=('false-positive:risk="low"',))], "alpha", now=NOW)
    rows = {row["value"]: row for row in standing(kept, NOW).to_pylist()}
    assert (rows["evil.bad-name.com"]["confidence"], rows["evil.bad-name.com"]["base"]) == (None, 80)
    assert (rows["b.bad-name.com"]["confidence"], rows["b.bad-name.com"]["base"]) == (75, 75)


def test_many_at_once_are_as_one_by_one() -> None:
    types = ["domain", "md5", "ja3"]
    codes = np.array([0, 1, 2, 0], np.int64)
    gone = np.array([5, 5, 5, -5], np.int64) * decay.DAY
    one = [decay.score(types[code], 1.0, days) for code, days in zip(codes.tolist(), (5, 5, 5, -5), strict=True)]
    assert decay.share(types, codes, gone).tolist() == pytest.approx(one)
    assert one[3] == 1  # before it was confirmed nothing has aged
