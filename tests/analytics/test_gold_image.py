"""The analytic over a lake: an altered task first, and the state that a baseline keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gold_samples import BEGIN, DAY, DEFRAG, MINUTE, altered, lake_of, quiet
from vizsla.analytics.gold_image import ANALYTIC, parts
from vizsla.engine import Engine
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of
from vizsla.lake import Lake, Scan

EDGE = datetime.fromtimestamp(BEGIN / 1e6, UTC) + timedelta(days=4)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Twelve servers over six days; on the fifth a task of Windows is altered on one of them and restored."""
    rows = [*quiet(12, 6), *altered("srv7", 4 * DAY + 300 * MINUTE)]
    return lake_of(tmp_path_factory.mktemp("gold") / "lake", rows)


def _halves(lake: Lake, engine: Engine) -> tuple[list[Scan], list[Scan]]:
    scans = scans_of(lake, engine)
    return [replace(scan, until=EDGE) for scan in scans], [replace(scan, since=EDGE) for scan in scans]


def test_the_altered_task_stands_above_all_others_and_says_why(lake: Lake, each_engine: Engine) -> None:
    before, after = _halves(lake, each_engine)
    seen = observe(each_engine, after, ANALYTIC, ANALYTIC.learn(each_engine, before)).sort_by([("score", "descending")])
    first, second = seen.slice(0, 2).to_pylist()
    assert first["_host"] == "srv7"
    assert first["kind"] == "windows_taskscheduler:140"  # that people change it says most
    assert DEFRAG in first["why"]
    assert "altered, run and changed back within two hours" in first["why"]
    assert len(first["event_ids"]) > 1
    assert first["score"] > second["score"] + 10


def test_more_events_than_fit_are_looked_at_by_day_and_score_the_same(
    lake: Lake, duckdb_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = _halves(lake, duckdb_engine)
    state = ANALYTIC.learn(duckdb_engine, before)
    whole = observe(duckdb_engine, after, ANALYTIC, state)
    monkeypatch.setattr("vizsla.analytics.gold_image.AT_ONCE", 1)
    assert len(list(parts(duckdb_engine, after))) >= 2
    again = ANALYTIC.learn(duckdb_engine, before)
    assert state is not None and again is not None
    assert all(again[name].equals(state[name]) for name in state)
    apart = observe(duckdb_engine, after, ANALYTIC, state)
    order = [("_host", "ascending"), ("_time", "ascending"), ("pattern", "ascending")]
    assert apart.sort_by(order).equals(whole.sort_by(order))


def test_nothing_learnt_is_nothing_known(lake: Lake, duckdb_engine: Engine) -> None:
    _, after = _halves(lake, duckdb_engine)
    assert len(observe(duckdb_engine, after, ANALYTIC, None)) > 0


def test_its_evidence_is_of_the_family_of_the_event(tmp_path: Path) -> None:
    from vizsla.triage.observed import family_of

    assert family_of("gold_image/windows_system:7045") == family_of("windows_system:7045") == "service"
    assert family_of("gold_image/windows_taskscheduler:200") == "task"
