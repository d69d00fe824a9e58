"""The guard of a baseline that grows: nobody teaches it an intrusion, and what is benign is learnt in the end."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline.test_baseline_store import alike
from hunt_samples import DAY, HOUR, MINUTE, START, attack, company, lake_of
from vizsla.baseline import BaselineStore
from vizsla.baseline.store import about
from vizsla.errors import UsageError
from vizsla.faces import feedback, python
from vizsla.findings import found
from vizsla.hunt import hunt, learn, update
from vizsla.hunt.guarding import CUT, QUIET, above
from vizsla.lake import Lake
from vizsla.nouns import Finding, HuntRequest
from vizsla.verdicts import VerdictStore

EVIL = START + 8 * DAY + 10 * HOUR + 5 * MINUTE
AGAIN = START + 9 * DAY + 15 * HOUR
OLD = company(4, range(8))
NEW = [*company(4, [8]), *attack("ws3", EVIL)]


pytestmark = pytest.mark.usefixtures("rarity_alone")


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("guarded") / "lake"
    learn([], lake_of(home, OLD), "b")
    lake_of(home, NEW)
    return home


@pytest.fixture
def home(learnt: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learnt, tmp_path / "lake"))


def again(home: Path, tmp_path: Path) -> Finding:
    """What the same intrusion on the next day is to the baseline in use."""
    place = tmp_path / "next"
    if not place.exists():
        lake_of(place, attack("ws1", AGAIN))
    folder = BaselineStore(Lake.open(home)).folder("b")
    return hunt(HuntRequest(lake=str(place), baseline=str(folder), exceptions=False)).findings[0]


def test_what_stands_out_is_not_learnt_and_that_is_told(home: Path, tmp_path: Path) -> None:
    before = again(home, tmp_path)
    done = update([], Lake.open(home), "b")
    grows = done.baseline.grows
    assert grows is not None
    told = "\n".join(done.says)
    assert "not learnt: " in told and "--learn-all" in told
    evil = next(one for one in grows.withheld if "ws3" in one.slices)
    assert evil.why == "above the cut"
    assert evil.slices["ws3"] == (EVIL // (10 * MINUTE),)
    after = again(home, tmp_path)
    assert after.bits > 0.8 * before.bits
    assert done.baseline.model.events < len(OLD) + len(NEW)
    stored = found(Lake.open(home))["id"].to_pylist()
    assert evil.finding in stored  # so that it can be shown and judged
    assert any(evil.finding[:12] in line for line in about(BaselineStore(Lake.open(home)), done.baseline))


def test_without_the_guard_the_intrusion_is_learnt(home: Path, tmp_path: Path) -> None:
    before = again(home, tmp_path)
    done = update([], Lake.open(home), "b", learn_all=True)
    assert done.baseline.model.events == len(OLD) + len(NEW)
    assert again(home, tmp_path).bits < 0.7 * before.bits


def test_judged_benign_it_is_learnt_by_the_next_update(home: Path) -> None:
    lake = Lake.open(home)
    first = update([], lake, "b").baseline
    assert first.grows is not None
    for one in first.grows.withheld:
        feedback.verdict(one.finding, "benign", lake, scope="pattern")
    second = update([], lake, "b")
    assert "learnt now, after it was judged" in "\n".join(second.says)
    assert second.baseline.grows is not None
    assert second.baseline.grows.withheld == ()
    whole = learn([], lake, "whole").baseline
    assert second.baseline.model.events == whole.model.events == len(OLD) + len(NEW)
    assert alike(second.baseline.model, whole.model)


def test_learn_all_learns_what_was_withheld(home: Path) -> None:
    lake = Lake.open(home)
    update([], lake, "b")
    second = update([], lake, "b", learn_all=True).baseline
    assert second.model.events == len(OLD) + len(NEW)
    assert alike(second.model, learn([], lake, "whole").baseline.model)
    assert second.grows is not None
    assert second.grows.withheld == ()


def test_withheld_stays_withheld_and_nothing_new_makes_no_version(home: Path) -> None:
    lake = Lake.open(home)
    first = update([], lake, "b").baseline
    again = update([], lake, "b")
    assert "nothing new" in again.says[0]
    assert again.baseline.version == first.version
    lake_of(home, company(4, [9]))
    third = update([], lake, "b").baseline
    assert first.grows is not None and third.grows is not None
    assert {one.finding for one in first.grows.withheld} <= {one.finding for one in third.grows.withheld}


def test_what_was_judged_malicious_is_learnt_neither_at_first_nor_later(home: Path) -> None:
    lake = Lake.open(home)
    folder = BaselineStore(lake).folder("b")
    evil = hunt(HuntRequest(lake=str(home), baseline=str(folder))).findings[0]
    given = feedback.verdict(evil, "malicious", lake)
    anew = learn([], lake, "new")
    assert "judged malicious" in anew.says[0]
    assert anew.baseline.model.events < len(OLD) + len(NEW)
    assert anew.baseline.grows is not None
    assert [one.why for one in anew.baseline.grows.withheld] == ["judged malicious"]
    VerdictStore(lake).undo(given.id, "ann")
    free = update([], lake, "new")
    assert free.baseline.model.events == len(OLD) + len(NEW)


def test_withheld_findings_count_where_it_is_asked_how_often_quiet_days_bring_such(home: Path) -> None:
    guarded = update([], Lake.open(home), "b").baseline
    assert guarded.grows is not None
    strongest = max(one.bits for one in guarded.grows.withheld)
    assert guarded.replay.bits[0] >= strongest
    assert list(guarded.replay.bits) == sorted(guarded.replay.bits, reverse=True)


@pytest.mark.parametrize("asked", [{"window": 0.5}, {"half_life": 0.1}])
def test_a_span_of_less_than_a_day_is_refused(home: Path, asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="less than a day"):
        python.update(lake=home, name="b", **asked)


def test_a_window_forgets_and_is_kept(home: Path) -> None:
    lake = Lake.open(home)
    grown = python.update(lake=lake, name="b", learn_all=True, window=5.0)
    first, _ = grown.baseline.span
    assert first >= datetime.fromtimestamp((START + 4 * DAY) / 1e6, UTC)
    assert any("window of 5 days" in line for line in grown.says)
    lake_of(home, company(4, [9]))
    later = update([], lake, "b", learn_all=True).baseline
    assert later.span[0] >= datetime.fromtimestamp((START + 5 * DAY) / 1e6, UTC)
    only = learn([], lake, "whole", since=datetime.fromtimestamp((START + 5 * DAY) / 1e6, UTC)).baseline
    assert alike(later.model.kinds, only.model.kinds)


def test_a_half_life_forgets_host_days_for_good(home: Path) -> None:
    lake = Lake.open(home)
    all_days = BaselineStore(lake).load("b").model.host_days
    grown = python.update(lake=lake, name="b", learn_all=True, half_life=4.0).baseline
    assert all_days / 4 < grown.model.host_days < all_days
    assert any("half-life" in line for line in about(BaselineStore(lake), grown))


@given(st.lists(st.floats(0, 3), max_size=12), st.floats(0.1, 20))
def test_the_cut_is_the_last_finding_for_which_it_holds(rates: list[float], days: float) -> None:
    rates.sort()
    holds = [n for n, rate in enumerate(rates, 1) if rate <= CUT or rate * days <= QUIET * n]
    assert above(rates, len(rates), days, CUT) == max(holds, default=0)


def test_of_quiet_days_no_more_is_withheld_than_a_quarter_of_updates_would() -> None:
    """Of a Poisson process of rate one, N(t) >= t / q for some t with probability q (Daniels 1945)."""
    chance = np.random.default_rng(1)
    runs = 4_000
    many = sum(above(np.cumsum(chance.exponential(size=400)), 400, 1.0, 0.0) > 0 for _ in range(runs))
    assert abs(many / runs - QUIET) < 4 * (QUIET * (1 - QUIET) / runs) ** 0.5
