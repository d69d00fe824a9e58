"""One lake for quiet days and others: a hunt leaves out what its baseline learnt, and says so."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hunt_samples import DAY, HOUR, START, attack, company, lake_of
from vizsla.hunt import hunt, learn
from vizsla.lake import Lake
from vizsla.nouns import HuntRequest, HuntResult

QUIET = company(3, range(4))
LATER = [*company(3, [5]), *attack("ws1", START + 5 * DAY + 10 * HOUR)]
EDGE = datetime.fromtimestamp((START + 4 * DAY) / 1e6, UTC)


def asked(home: Path, **more: Any) -> HuntResult:
    return hunt(HuntRequest(lake=str(home), **more))


def hunted(result: HuntResult) -> int:
    return sum(result.report.tables.values())


def told(result: HuntResult, words: str) -> bool:
    return any(words in note for note in result.report.notes)


@pytest.fixture
def both(tmp_path: Path) -> Path:
    learn([], lake_of(tmp_path / "lake", [*QUIET, *LATER]), "b", until=EDGE)
    return tmp_path / "lake"


@pytest.mark.parametrize("by", ["name", "folder"])
def test_what_came_after_the_learnt_days_is_hunted_in(both: Path, by: str) -> None:
    baseline = "b" if by == "name" else str(both / "baselines" / "b" / "1")
    result = asked(both, baseline=baseline)
    assert hunted(result) == len(LATER)
    assert told(result, "learnt from this lake up to 2025-01-05 00:00 UTC")
    explicit = asked(both, baseline=baseline, since=EDGE)
    assert result.findings == explicit.findings
    assert not told(explicit, "learnt from this lake")


def test_times_that_were_asked_for_are_kept(both: Path) -> None:
    early = datetime.fromtimestamp(START / 1e6, UTC)
    assert hunted(asked(both, baseline="b", since=early)) == len(QUIET) + len(LATER)
    assert hunted(asked(both, baseline="b", until=EDGE)) == len(QUIET)


@pytest.mark.parametrize("merged", [False, True])
def test_what_the_lake_got_since_is_hunted_in(tmp_path: Path, merged: bool) -> None:
    home = tmp_path / "lake"
    learn([], lake_of(home, QUIET), "b")
    lake_of(home, LATER)
    if merged:
        Lake.open(home).compact()
    result = asked(home, baseline="b")
    assert hunted(result) == len(LATER)
    assert told(result, "only what the lake got since was hunted in")
    assert result.findings == asked(home, baseline="b", since=EDGE).findings


def test_nothing_but_what_was_learnt_is_hunted_in_and_said(tmp_path: Path) -> None:
    learn([], lake_of(tmp_path / "lake", QUIET), "b")
    result = asked(tmp_path / "lake", baseline="b")
    assert hunted(result) == len(QUIET)
    assert told(result, "nothing in them is new to it")


def test_another_lake_s_baseline_leaves_nothing_out(both: Path, tmp_path: Path) -> None:
    lake_of(tmp_path / "other", [*QUIET, *LATER])
    result = asked(tmp_path / "other", baseline=str(both / "baselines" / "b" / "1"))
    assert hunted(result) == len(QUIET) + len(LATER)


def test_a_baseline_that_was_not_asked_for_is_offered(both: Path, tmp_path: Path) -> None:
    assert told(asked(both), "--baseline b uses it")
    lake_of(tmp_path / "bare", QUIET)
    assert not told(asked(tmp_path / "bare"), "--baseline")
