"""Rules and a baseline that grows: they are looked for in what is new, and what they met adds up."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from analytic_samples import alone
from baseline.test_baseline_store import alike
from hunt_samples import DAY, HOUR, SECOND, START, attack, company, lake_of, sysmon
from vizsla.baseline import Baseline, BaselineStore
from vizsla.baseline.fading import Fading
from vizsla.baseline.fired import fired_code
from vizsla.faces import feedback
from vizsla.hit import Hitting
from vizsla.hunt import hunt, learn, update
from vizsla.lake import Lake
from vizsla.nouns import HuntRequest
from vizsla.verdicts import VerdictStore

BROWSER, ENCODED, LSASS, TWICE, NOTES, MANY = (f"{n}0000000-0000-4000-8000-000000000000" for n in "123456")
RULES = f"""
title: A browser was started
id: {BROWSER}
level: medium
logsource: {{category: process_creation, product: windows}}
detection: {{selection: {{Image|endswith: '\\chrome.exe'}}, condition: selection}}
---
title: Encoded PowerShell
id: {ENCODED}
name: encoded
level: high
logsource: {{category: process_creation, product: windows}}
detection: {{selection: {{CommandLine|contains: ' -enc '}}, condition: selection}}
---
title: LSASS opened
id: {LSASS}
name: opened
level: critical
logsource: {{category: process_access, product: windows}}
detection: {{selection: {{TargetImage|endswith: '\\lsass.exe'}}, condition: selection}}
---
title: A script read LSASS
id: {TWICE}
level: critical
correlation: {{type: temporal_ordered, rules: [encoded, opened], group-by: [Computer], timespan: 1m, generate: true}}
---
title: A note was written
id: {NOTES}
name: note
level: low
logsource: {{category: file_event, product: windows}}
detection: {{selection: {{TargetFilename|contains: 'note'}}, condition: selection}}
---
title: Many notes
id: {MANY}
level: high
correlation: {{type: event_count, rules: [note], group-by: [Computer], timespan: 2h, condition: {{gte: 5}}}}
"""
HALF = START + 3 * DAY + 12 * HOUR
ALL = sorted(
    [*company(5, range(6)), *attack("ws3", HALF - 4 * SECOND)],  # its second half comes with the new events
    key=lambda event: event["_time"],
)
OLD = [event for event in ALL if event["_time"] < HALF]
NEW = [*(event for event in ALL if event["_time"] >= HALF), *company(5, [1], seed=9)]  # some late, of a day learnt


@pytest.fixture(scope="module", autouse=True)
def rules_and_rarity() -> Iterator[None]:
    with alone("rarity", "sigma"):
        yield


@pytest.fixture
def rules(tmp_path: Path) -> str:
    path = tmp_path / "rules.yml"
    path.write_text(RULES, encoding="utf-8")
    return str(path)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows that each pass of rules over a table looked at from then on."""
    rows: list[int] = []
    plain = Hitting.__call__

    def counting(self: Hitting, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        def counted() -> Iterator[pa.RecordBatch]:
            for batch in batches:
                rows.append(batch.num_rows)
                yield batch

        return plain(self, counted())

    monkeypatch.setattr(Hitting, "__call__", counting)
    return rows


def same(grown: Baseline, whole: Baseline, *lakes: Lake) -> None:
    """As learnt at once, and as ready for what comes next."""
    assert alike(grown.model, whole.model)
    assert alike(grown.replay, whole.replay)
    assert alike(grown.fired, whole.fired)
    one, other = (BaselineStore(lake).rule_hits(baseline) for lake, baseline in zip(lakes, (grown, whole), strict=True))
    assert (one.asked, one.answered) == (other.asked, other.answered)
    assert alike(one.ties, other.ties)
    assert one.names == other.names
    assert sorted(one.parts.to_pylist(), key=repr) == sorted(other.parts.to_pylist(), key=repr)


def met(baseline: Baseline, rule: str, rules: str) -> int:
    """On how many host-days a rule was met."""
    from vizsla.sigma.cache import load_cached

    version = next(one.version for one in load_cached([rules]).rules if one.id == rule)
    often = baseline.fired.often().get(fired_code(rule, version))
    return often.days if often else 0


def test_two_updates_are_learnt_at_once_and_look_at_new_events_only(
    tmp_path: Path, rules: str, seen: list[int]
) -> None:
    home = tmp_path / "lake"
    learn([], lake_of(home, OLD), "b", rules=[rules])
    for part in (NEW[::2], NEW[1::2]):
        lake = lake_of(home, part)
        seen.clear()
        grown = update([], lake, "b", rules=[rules], learn_all=True).baseline
        assert sum(seen) == len(part)
    whole_lake = lake_of(tmp_path / "whole", [*OLD, *NEW])
    whole = learn([], whole_lake, "b", rules=[rules]).baseline
    same(grown, whole, lake, whole_lake)
    assert grown.version == 3
    assert met(grown, TWICE, rules) == 1  # made of an event before the update and one after it
    assert met(grown, MANY, rules) > 1
    assert not alike(learn([], whole_lake, "none").baseline.replay, whole.replay)  # else nothing was compared


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        (("chrome.exe", "outlook.exe"), {BROWSER}),
        (("group-by: [Computer], timespan: 2h", "group-by: [Image], timespan: 2h"), {NOTES}),
        (("condition: {gte: 5}}", "condition: {gte: 5}, generate: true}"), {NOTES}),  # its own hits are told now
        (("name: encoded\n", "name: encoded\ndescription: other words\n"), set()),
    ],
)
def test_what_changed_is_looked_for_in_all_events_and_nothing_else(
    tmp_path: Path, rules: str, seen: list[int], changed: tuple[str, str], again: set[str]
) -> None:
    home = tmp_path / "lake"
    learn([], lake_of(home, OLD), "b", rules=[rules])
    lake = lake_of(home, NEW)
    Path(rules).write_text(RULES.replace(*changed), "utf-8")
    seen.clear()
    grown = update([], lake, "b", rules=[rules], learn_all=True).baseline
    assert sum(seen) == len(NEW) + bool(again) * (len(OLD) + len(NEW))
    whole_lake = lake_of(tmp_path / "whole", [*OLD, *NEW])
    same(grown, learn([], whole_lake, "b", rules=[rules]).baseline, lake, whole_lake)


def test_a_rule_that_was_away_is_looked_for_again(tmp_path: Path, rules: str) -> None:
    home = tmp_path / "lake"
    learn([], lake_of(home, OLD), "b", rules=[rules])
    update([], lake_of(home, NEW[::2]), "b", learn_all=True)
    lake = lake_of(home, NEW[1::2])
    grown = update([], lake, "b", rules=[rules], learn_all=True).baseline
    whole_lake = lake_of(tmp_path / "whole", [*OLD, *NEW])
    same(grown, learn([], whole_lake, "b", rules=[rules]).baseline, lake, whole_lake)


@pytest.mark.parametrize("windows", [(3, None), (None, 3), (3, 5), (3, 3)])
def test_what_a_window_forgot_is_no_hit_until_it_is_widened(
    tmp_path: Path, rules: str, windows: tuple[float | None, float | None]
) -> None:
    first, then = (Fading(window) for window in windows)
    home = tmp_path / "lake"
    learn([], lake_of(home, OLD), "b", rules=[rules], fading=first)
    lake = lake_of(home, NEW)
    grown = update([], lake, "b", rules=[rules], fading=then, learn_all=True).baseline
    whole_lake = lake_of(tmp_path / "whole", [*OLD, *NEW])
    same(grown, learn([], whole_lake, "b", rules=[rules], fading=then).baseline, lake, whole_lake)


def test_what_was_withheld_is_met_once_it_is_learnt(tmp_path: Path, rules: str) -> None:
    home = tmp_path / "lake"
    evil = [*company(5, [6]), *attack("ws1", START + 6 * DAY + 10 * HOUR)]
    learn([], lake_of(home, OLD), "b", rules=[rules])
    lake = lake_of(home, [*NEW, *evil])
    first = update([], lake, "b", rules=[rules]).baseline
    assert first.grows is not None
    assert any("ws1" in one.slices for one in first.grows.withheld)
    assert not len(BaselineStore(lake).rule_hits(first).left([ENCODED], _day(6), ()).ties["host"])
    for one in first.grows.withheld:
        feedback.verdict(one.finding, "benign", lake, scope="pattern")
    second = update([], lake, "b", rules=[rules]).baseline
    assert second.grows is not None and not second.grows.withheld
    whole_lake = lake_of(tmp_path / "whole", [*OLD, *NEW, *evil])
    same(second, learn([], whole_lake, "b", rules=[rules]).baseline, lake, whole_lake)


def test_what_is_judged_malicious_later_is_met_no_more(tmp_path: Path, rules: str) -> None:
    home = tmp_path / "lake"
    lake = lake_of(home, [*OLD, *attack("ws1", START + 2 * DAY + 20 * HOUR)])
    before = learn([], lake, "b", rules=[rules]).baseline
    evil = next(
        f for f in hunt(HuntRequest(lake=str(home), rules=(rules,))).findings
        if f.entities[0].value == "ws1" and any(e.rule for e in f.evidence)
    )  # fmt: skip
    given = feedback.verdict(evil, "malicious", lake)
    lake_of(home, company(5, [6], seed=3))
    without = update([], lake, "b", rules=[rules]).baseline
    assert (met(before, LSASS, rules), met(without, LSASS, rules)) == (1, 0)
    VerdictStore(lake).undo(given.id, "ann")
    lake_of(home, company(5, [7]))
    assert met(update([], lake, "b", rules=[rules]).baseline, LSASS, rules) == 1


@pytest.mark.parametrize("lost", ["all of it", "a file"])
def test_where_no_hits_are_kept_all_events_are_looked_at(tmp_path: Path, rules: str, lost: str) -> None:
    home = tmp_path / "lake"
    learn([], lake_of(home, OLD), "b", rules=[rules])
    kept = home / "baselines" / "b" / "1" / "hits"
    shutil.rmtree(kept) if lost == "all of it" else (kept / "said.json").write_text(json.dumps({"asked": 1}))
    lake = lake_of(home, [*NEW, sysmon(1, None, "ws2", Image="C:\\chrome.exe")])
    done = update([], lake, "b", rules=[rules], learn_all=True)
    assert ("learnt from all events again: damaged" in done.says[0]) == (lost == "a file")
    same(done.baseline, learn([], lake, "whole", rules=[rules]).baseline, lake, lake)


def _day(number: int) -> datetime:
    return datetime.fromtimestamp((START + number * DAY) / 1e6, UTC)
