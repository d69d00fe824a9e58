"""Rules in a hunt: what they meet is shown whole, weighed by quiet days, and ranked beside anomalies."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest

from hunt_samples import DAY, HOUR, MINUTE, NOW, SECOND, START, attack, company, lake_of
from vizsla.baseline import BaselineStore
from vizsla.faces import csv as csv_face
from vizsla.faces.table import text
from vizsla.hunt import hunt, learn
from vizsla.lake import Lake
from vizsla.nouns import Hit, HuntRequest, HuntResult
from vizsla.reports.html import page

EVIL = START + 30 * DAY + 10 * HOUR + 5 * MINUTE
ENCODED, LSASS, BROWSER, TWICE = (f"{n}0000000-0000-4000-8000-000000000000" for n in "1234")

RULES = f"""
title: Encoded PowerShell
id: {ENCODED}
name: encoded
status: test
level: high
tags: [attack.execution, attack.t1059.001]
falsepositives: [Deployment scripts]
logsource: {{category: process_creation, product: windows}}
detection:
  selection: {{Image|endswith: '\\powershell.exe', CommandLine|contains: ' -enc '}}
  condition: selection
---
title: LSASS opened
id: {LSASS}
name: opened
status: test
level: critical
logsource: {{category: process_access, product: windows}}
detection:
  selection: {{TargetImage|endswith: '\\lsass.exe'}}
  condition: selection
---
title: A browser was started
id: {BROWSER}
status: test
level: high
logsource: {{category: process_creation, product: windows}}
detection:
  selection: {{Image|endswith: '\\chrome.exe'}}
  condition: selection
---
title: A script read LSASS
id: {TWICE}
status: test
level: critical
correlation:
  type: temporal_ordered
  rules: [encoded, opened]
  group-by: [Computer]
  timespan: 1m
  generate: true
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("rules") / "rules.yml"
    path.write_text(RULES, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def hunted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("hunted") / "lake"
    lake_of(home, [*company(5, range(30, 33)), *attack("ws3", EVIL)])
    return home


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory, rules: str) -> Path:
    """Five computers' ten days, through which the rules were looked for."""
    home = tmp_path_factory.mktemp("learnt") / "lake"
    learn([], lake_of(home, company(5, range(10))), "normal", rules=[rules])
    return BaselineStore(Lake.open(home)).lake.room("baselines") / "normal" / "1"


def run(folder: Path, **asked: Any) -> HuntResult:
    return hunt(HuntRequest(lake=str(folder), **asked))


def by_name(result: HuntResult) -> dict[str, Hit]:
    return {hit.name: hit for hit in result.hits}


@pytest.fixture(scope="module")
def alone(hunted: Path, rules: str) -> HuntResult:
    return run(hunted, rules=(rules,), analytics=("sigma",))


def browsers(folder: Path) -> set[str]:
    """The ids of the events that the rule of browsers must meet, by another way."""
    import pyarrow.parquet as pq

    found = set()
    for file in Lake.open(folder).scan("windows_sysmon").files:
        for row in pq.read_table(file, columns=["_id", "EventID", "Image"]).to_pylist():
            if row["EventID"] == "1" and str(row["Image"]).lower().endswith("\\chrome.exe"):
                found.add(row["_id"])
    return found


def test_rules_alone_show_every_event_that_they_meet(alone: HuntResult, hunted: Path) -> None:
    lines = [line for f in alone.findings for line in f.evidence]
    assert lines
    assert {line.analytic for line in lines} == {"sigma"}
    assert alone.cut.shown == alone.cut.total
    met = {e.id for line in lines if line.rule and line.rule["id"] == BROWSER for e in line.events}
    assert met == browsers(hunted)
    counted = by_name(alone)
    assert counted["A browser was started"].events == len(met)
    assert {name: hit.events for name, hit in counted.items() if name != "A browser was started"} == {
        "Encoded PowerShell": 1, "LSASS opened": 1, "A script read LSASS": 1,
    }  # fmt: skip


def test_hits_come_by_level_then_by_how_often(alone: HuntResult) -> None:
    assert [hit.level for hit in alone.hits] == ["critical", "critical", "high", "high"]
    assert [hit.name for hit in alone.hits[2:]] == ["A browser was started", "Encoded PowerShell"]


def test_a_rule_s_evidence_says_what_it_is(alone: HuntResult) -> None:
    line = next(e for f in alone.findings for e in f.evidence if e.rule and e.rule["id"] == ENCODED)
    assert line.rule
    assert (line.rule["title"], line.rule["level"]) == ("Encoded PowerShell", "high")
    assert line.rule["falsepositives"] == ["Deployment scripts"]
    assert line.rule["tags"] == ["attack.execution", "attack.t1059.001"]
    assert "Encoded PowerShell" in line.why
    assert line.p is None  # nothing is claimed of a rule's hits
    assert line.reasons[0].field in ("Image", "CommandLine")
    assert line.events[0].native["ParentImage"].endswith("winword.exe")
    finding = next(f for f in alone.findings if line in f.evidence)
    assert ("T1059.001", "execution") in {(a.technique, a.tactic) for a in finding.attack}


def test_rules_that_meet_one_family_s_events_share_a_line(hunted: Path, tmp_path: Path) -> None:
    """The strongest leads; the others are named, kept whole, and add no bits."""
    other = """
title: PowerShell out of Word
id: 50000000-0000-4000-8000-000000000000
level: low
tags: [attack.initial-access, attack.t1566.001]
logsource: {category: process_creation, product: windows}
detection:
  selection: {Image|endswith: '\\powershell.exe', ParentImage|endswith: '\\winword.exe'}
  condition: selection
"""
    (tmp_path / "two.yml").write_text(RULES.split("---")[0] + "---" + other, encoding="utf-8")
    result = run(hunted, rules=(str(tmp_path / "two.yml"),), analytics=("sigma",))
    (finding,) = result.findings
    (line,) = finding.evidence
    assert line.rule
    assert line.rule["title"] == "Encoded PowerShell"
    assert [one["title"] for one in line.also] == ["PowerShell out of Word"]
    assert line.why.endswith("; also met by rule 'PowerShell out of Word' (low)")
    assert line.count == len(line.events) == 1  # both met one event
    assert {a.technique for a in finding.attack} >= {"T1059.001", "T1566.001"}
    assert {hit.name: hit.events for hit in result.hits} == {"Encoded PowerShell": 1, "PowerShell out of Word": 1}


def test_a_correlation_names_the_events_that_made_it(alone: HuntResult) -> None:
    line = next(e for f in alone.findings for e in f.evidence if e.rule and e.rule["id"] == TWICE)
    assert {e.native["EventID"] for e in line.events} == {"1", "10"}


def test_the_first_hit_of_an_unusual_rule_is_worth_its_level(alone: HuntResult) -> None:
    worth = by_name(alone)
    assert worth["Encoded PowerShell"].bits == pytest.approx(9)  # on none of the other host-days
    assert worth["LSASS opened"].bits == pytest.approx(12)
    here = worth["A browser was started"].host_days_here
    assert here > 10
    # Fifteen host-days, each held against the others, that lean on 2^9 of which one met it.
    assert worth["A browser was started"].bits == pytest.approx(math.log2((14 + 2**9) / here))


def test_a_baseline_caps_what_it_met_too(hunted: Path, baseline: Path, rules: str) -> None:
    result = run(hunted, baseline=str(baseline), rules=(rules,), analytics=("sigma",))
    usual = by_name(result)["A browser was started"]
    assert usual.of_host_days == 50
    assert 0 < usual.host_days <= 50
    assert usual.bits == pytest.approx(math.log2(51 / (usual.host_days + 1)))
    rare = by_name(result)["Encoded PowerShell"]
    assert (rare.host_days, rare.of_host_days) == (0, 50)
    assert rare.bits == pytest.approx(math.log2(51))  # a baseline of fifty host-days cannot say more
    assert result.findings[0].expected_per_day == pytest.approx(5 / 51)


def test_a_rule_that_was_not_looked_for_while_learning_is_worth_its_level(
    hunted: Path, baseline: Path, tmp_path: Path
) -> None:
    changed = tmp_path / "changed.yml"
    changed.write_text(RULES.replace("chrome.exe", "outlook.exe"), "utf-8")
    result = run(hunted, baseline=str(baseline), rules=(str(changed),), analytics=("sigma",))
    hit = by_name(result)["A browser was started"]
    assert hit.of_host_days is None  # its id is known, what it asks is not
    assert hit.bits == pytest.approx(9)


def test_a_rule_and_the_rarity_of_the_same_event_count_once(hunted: Path, rules: str) -> None:
    both = run(hunted, rules=(rules,), analytics=("rarity", "sigma"))
    evil = next(f for f in both.findings if any("-enc" in str(e.native) for line in f.evidence for e in line.events))
    families = [line.family for line in evil.evidence if line.bits > 0]
    assert len(families) == len(set(families))
    assert evil.bits == pytest.approx(sum(bits for _, bits in evil.ledger))
    assert {line.analytic for line in evil.evidence} == {"rarity", "sigma"}
    plain = run(hunted, analytics=("rarity",))
    before = next(f for f in plain.findings if f.id == evil.id)  # its anchor is the same, rules or not
    assert evil.bits >= before.bits


def test_every_face_shows_them(alone: HuntResult) -> None:
    shown = text(alone, width=150)
    assert "Rules that met something" in shown
    assert "Met: 4 rules" in shown
    html = page(alone)
    assert "Rules that met something" in html
    assert "harmless where: Deployment scripts" in html
    written = io.BytesIO(b"".join(csv_face.rows(alone.findings))).getvalue()
    assert b"Encoded PowerShell" in written


def test_rules_kept_by_the_lake_are_used_unless_told_not_to(hunted: Path, rules: str, tmp_path: Path) -> None:
    import shutil

    home = tmp_path / "lake"
    shutil.copytree(hunted, home)
    from vizsla.sigma.book import RuleBook

    RuleBook(Lake.open(home)).add(Path(rules), now=NOW)
    assert len(run(home).hits) == 4
    assert not run(home, kept=False).hits


def test_what_could_not_be_looked_for_is_said(hunted: Path, tmp_path: Path) -> None:
    path = tmp_path / "odd.yml"
    path.write_text(
        "title: Linux\nid: 90000000-0000-4000-8000-000000000000\nlevel: low\n"
        "logsource: {product: linux, service: auditd}\n"
        "detection: {selection: {type: EXECVE}, condition: selection}\n---\ntitle: Broken\n"
        "id: 90000000-0000-4000-8000-000000000001\nlogsource: {product: windows}\n"
        "detection: {selection: {Image|nonsense: x}, condition: selection}\n",
        "utf-8",
    )
    result = run(hunted, rules=(str(path),), analytics=("sigma",))
    assert not result.findings
    assert any(u.analytic == "sigma" for u in result.report.unable)
    notes = " ".join(result.report.notes)
    assert "0 of 1 were looked for" in notes
    assert "rule not loaded" in notes
    assert "nonsense" in notes


def test_seconds_do_not_matter_to_a_hit_s_place(alone: HuntResult) -> None:
    hit = by_name(alone)["LSASS opened"]
    assert hit.first
    assert int(hit.first.timestamp() * 1e6) == EVIL + 9 * SECOND
    assert hit.hosts == ("ws3",)
