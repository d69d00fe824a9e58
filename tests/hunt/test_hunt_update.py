"""A baseline that grew is one that was learnt at once: counts, tails, replay and what a hunt then finds."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from analytic_samples import Install
from baseline.test_baseline_store import alike
from hunt_samples import DAY, HOUR, START, attack, company, lake_of, sysmon
from logon_samples import MONDAY, working_days
from logon_samples import lake_of as logons_in
from vizsla.analytics import _template
from vizsla.analytics.rarity import days
from vizsla.analytics.rarity import model as rarity
from vizsla.baseline import BaselineStore
from vizsla.errors import BaselineError
from vizsla.hunt import hunt, learn
from vizsla.hunt import update as guarded
from vizsla.hunt.learning import Learnt
from vizsla.lake import Lake
from vizsla.nouns import HuntRequest

ALL = sorted(company(4, range(6)), key=lambda event: event["_time"])
HALF = START + 3 * DAY + 12 * HOUR + 10 * 60_000_000  # in the middle of an hour
OLD = [event for event in ALL if event["_time"] < HALF]
NEW = [
    *(event for event in ALL if event["_time"] >= HALF),
    *company(4, [1], seed=9),  # late: of a day that was learnt
    sysmon(1, START + 2 * DAY, "ws1", Image="C:\\late.exe", Company="a column that the old events lack"),
    sysmon(22, START + DAY, "ws7", QueryName="a.example"),  # a type of event and a host never seen before
    {"table": "windows_system", "_time": START + DAY, "_host": "ws1", "EventID": "7045", "ServiceName": "x"},
    sysmon(3, None, "ws2", Image="C:\\timeless.exe"),
]


@pytest.fixture(autouse=True)
def rarity_alone(installed: Install) -> None:
    """Analytics of others learn from all events anew, whatever was counted: here it is about what is counted."""
    installed()


def update(*asked: Any, **more: Any) -> Learnt:
    """Growth by itself: what stands out is learnt, too. Its guard has tests of its own."""
    return guarded(*asked, learn_all=True, **more)


def moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)


def same(grown: Any, whole: Any) -> None:
    assert alike(grown.model, whole.model)
    assert alike(grown.replay, whole.replay)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The events that each pass counted from then on."""
    counted: list[int] = []
    tally = rarity.tally

    def counting(*args: Any, **more: Any) -> rarity.Tallied:
        tallied = tally(*args, **more)
        if tallied.events:
            counted.append(tallied.events)
        return tallied

    monkeypatch.setattr(rarity, "tally", counting)
    monkeypatch.setattr(days, "tally", counting)
    return counted


@pytest.mark.parametrize("between", ["nothing", "merged", "tidied"])
def test_updated_is_learnt_at_once(tmp_path: Path, passes: list[int], between: str) -> None:
    home = tmp_path / "lake"
    lake = lake_of(home, OLD)
    learn([], lake, "b")
    for part in (NEW[::2], NEW[1::2]):
        lake = lake_of(home, part)
        if between != "nothing":
            assert lake.compact() > 0
    if between == "tidied":
        lake.expire(keep=timedelta(days=7))
    grown = update([], Lake.open(home), "b")
    assert passes == [len(OLD), len(NEW)]  # nothing was read twice
    assert grown.says[0] == f"{len(NEW):,} events added to the {len(OLD):,} of version 1"
    assert grown.baseline.version == 2
    whole = learn([], lake_of(tmp_path / "whole", [*OLD, *NEW]), "b").baseline
    same(grown.baseline, whole)
    same(BaselineStore(lake).load("b"), whole)


def test_learnt_day_by_day_is_learnt_at_once(
    tmp_path: Path, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = lake_of(tmp_path / "lake", OLD)
    whole = learn([], lake, "whole").baseline
    monkeypatch.setattr(days, "HELD", 1)
    by_days = learn([], lake, "days").baseline
    assert len(passes) > 2
    assert passes[0] == sum(passes[1:]) == len(OLD)
    same(by_days, whole)
    same(BaselineStore(lake).load("days"), whole)
    monkeypatch.setattr(days, "HELD", 1_000_000)
    grown = [update([], lake_of(tmp_path / "lake", NEW), name).baseline for name in ("whole", "days")]
    assert all(baseline.version == 2 for baseline in grown)
    same(*grown)


def test_grown_step_by_step(tmp_path: Path, passes: list[int]) -> None:
    home = tmp_path / "lake"
    learn([], lake_of(home, OLD), "b")
    for n in range(4):
        grown = update([], lake_of(home, NEW[n::4]), "b")
    assert sum(passes) == len(OLD) + len(NEW)
    whole = learn([], lake_of(tmp_path / "whole", [*OLD, *NEW]), "b").baseline
    same(grown.baseline, whole)
    assert grown.baseline.grows is not None
    assert grown.baseline.grows.parts == (1, 2, 3, 4, 5)


def test_the_same_findings_from_both(tmp_path: Path) -> None:
    home, evil = tmp_path / "lake", tmp_path / "evil"
    learn([], lake_of(home, OLD), "b")
    update([], lake_of(home, NEW), "b")
    learn([], lake_of(tmp_path / "whole", [*OLD, *NEW]), "b")
    lake_of(evil, [*company(4, [9]), *attack("ws1", START + 9 * DAY + 10 * HOUR)])
    one, other = (
        hunt(HuntRequest(lake=str(evil), baseline=str(place / "baselines" / "b" / version)))
        for place, version in ((home, "2"), (tmp_path / "whole", "1"))
    )
    assert [replace(f, run=other.run) for f in one.findings] == list(other.findings)


def test_a_smaller_sample_is_replayed_as_if_learnt_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rarity, "REPLAYED", int(len(OLD) * 0.9))
    home = tmp_path / "lake"
    learn([], lake_of(home, OLD), "b")
    grown = update([], lake_of(home, NEW), "b").baseline
    whole = learn([], lake_of(tmp_path / "whole", [*OLD, *NEW]), "b").baseline
    assert grown.replay.host_days < whole.model.host_days
    same(grown, whole)


def test_nothing_new_makes_no_version(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake", OLD)
    learn([], lake, "b")
    lake_of(tmp_path / "lake", OLD[:5])  # known already
    lake.compact()
    done = update([], lake, "b")
    assert "nothing new" in done.says[0]
    assert (done.baseline.version, BaselineStore(lake).versions("b")) == (1, [1])


@pytest.mark.parametrize("merged", [False, True])
def test_a_later_end_takes_in_what_lies_between(tmp_path: Path, passes: list[int], merged: bool) -> None:
    home, edge, end = tmp_path / "lake", moment(HALF), moment(START + 5 * DAY)
    lake = lake_of(home, OLD + NEW[: len(NEW) // 2])
    learn([], lake, "b", until=edge)
    lake = lake_of(home, NEW[len(NEW) // 2 :])
    if merged:
        lake.compact()
    assert "--until takes in" in update([], lake_of(home, []), "b", until=edge).says[0] or passes[-1] > 0
    grown = update([], lake, "b", until=end).baseline
    whole = learn([], lake, "whole", until=end).baseline
    same(grown, whole)
    assert sum(passes[:-1]) == passes[-1]
    again = update([], lake, "b")  # without an end it keeps the one that it has
    assert again.baseline.version == grown.version
    assert "--until takes in what came later" in again.says[0]


@pytest.mark.parametrize("asked", [{"host": "ws1"}, {"since": moment(START + DAY)}, {"until": moment(HALF)}])
def test_another_scope_is_learnt_from_all(tmp_path: Path, asked: dict[str, Any]) -> None:
    lake = lake_of(tmp_path / "lake", OLD)
    learn([], lake, "b")
    lake_of(tmp_path / "lake", NEW)
    done = update([], lake, "b", **asked)
    assert done.says[0] == "learnt from all events again: it was about another host or another time"
    same(done.baseline, learn([], lake, "whole", **asked).baseline)


def test_one_host_s_baseline_stays_about_it(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake", OLD)
    learn([], lake, "b", host="ws1")
    lake_of(tmp_path / "lake", NEW)
    done = update([], lake, "b")
    assert "added to the" in done.says[0]
    same(done.baseline, learn([], lake, "whole", host="ws1").baseline)


@pytest.mark.parametrize("damage", [b"{}\n{", b"", b'{"add": {"path": "x", "dataChange": true}}'])
def test_a_damaged_log_tells_nothing(tmp_path: Path, damage: bytes) -> None:
    lake = lake_of(tmp_path / "lake", OLD)
    lake_of(tmp_path / "lake", NEW)
    scan = lake.scan("windows_sysmon")
    assert [lake.later(scan, version).rows for version in (0, scan.version)] == [  # type: ignore[union-attr]
        sum(event["table"] == "windows_sysmon" for event in NEW), 0
    ]  # fmt: skip
    log = tmp_path / "lake" / "events" / "windows_sysmon" / "_delta_log" / f"{scan.version:020d}.json"
    log.unlink() if damage == b"" else log.write_bytes(damage)
    assert lake.later(scan, 0) is None
    assert lake.later(scan, scan.version + 1) is None


@pytest.mark.parametrize("lost", ["files", "tally", "table", "format 1"])
def test_where_it_cannot_be_told_all_is_learnt_and_said(tmp_path: Path, lost: str) -> None:
    home = tmp_path / "lake"
    lake = lake_of(home, OLD)
    learn([], lake, "b")
    lake_of(home, NEW)
    version = home / "baselines" / "b" / "1"
    if lost == "files":
        lake.compact()
        lake.expire(keep=timedelta(0))
        why = "the lake cannot tell any more what windows_sysmon got since"
    elif lost == "table":
        shutil.rmtree(home / "events")
        lake_of(home, [*OLD, *NEW])
        meta = json.loads((version / "meta.json").read_text())
        meta["grows"]["tables"]["windows_sysmon"] = 99
        (version / "meta.json").write_text(json.dumps(meta))
        why = "the lake cannot tell any more what windows_sysmon got since"
    elif lost == "tally":
        (version / "tally" / "units.parquet").write_bytes(b"PAR1")
        why = "what it counted is missing or damaged"
    else:
        meta = json.loads((version / "meta.json").read_text())
        del meta["grows"]
        (version / "meta.json").write_text(json.dumps({**meta, "format": 1}))
        shutil.rmtree(version / "tally")
        assert BaselineStore(lake).load("b").grows is None
        why = "an earlier Vizsla made this baseline"
    done = update([], Lake.open(home), "b")
    assert done.says[0].startswith("learnt from all events again: ")
    assert why in done.says[0]
    assert done.baseline.version == 2
    same(done.baseline, learn([], Lake.open(home), "whole").baseline)
    lake_of(home, company(4, [9]))
    assert "added to the" in update([], Lake.open(home), "b").says[0]


def test_analytics_of_others_learn_from_all_again(tmp_path: Path, installed: Install) -> None:
    installed(_template.ANALYTIC)
    logons = working_days(MONDAY, 10)
    learn([], logons_in(tmp_path / "lake", logons[:90]), "b")
    done = update([], logons_in(tmp_path / "lake", logons[90:]), "b")
    assert done.says[0].endswith("; learnt from all of them: hour_of_logon")
    whole = learn([], logons_in(tmp_path / "whole", logons), "b").baseline
    same(done.baseline, whole)
    (one, other) = (found.analytics["hour_of_logon"] for found in (done.baseline, whole))
    assert alike(one.tail, other.tail)


def test_there_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="no baseline 'b'"):
        update([], lake_of(tmp_path / "lake", OLD), "b")
