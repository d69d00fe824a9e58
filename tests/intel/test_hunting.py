"""Intelligence-driven hunts: a report becomes hypotheses, its indicators are matched, findings that touch it marked."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hunt_samples import DAY, HOUR, START, attack, company, lake_of
from vizsla.cli.main import app
from vizsla.errors import FeedError
from vizsla.faces import plan as face
from vizsla.faces import plan_text
from vizsla.faces.python import learn
from vizsla.faces.table import render
from vizsla.intel import hunting
from vizsla.intel.attack import load
from vizsla.intel.hypotheses import met_by
from vizsla.intel.reported import gather, name_of
from vizsla.nouns.hypothesis import IntelHunt
from vizsla.sigma.book import RuleBook

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REPORT = """\
# Fox in the Word

Agrius sent documents. With \x1b[2J<script>alert(1)</script> they ran PowerShell (T1059.001).
They read LSASS memory (T1003.001).
On Linux hosts a Systemd service (T1543.002) kept them there; their domains (T1583.001) were new.

| indicator | what |
|---|---|
| 203.0.113[.]66 | its server |
| evil-updates[.]top | not seen here |
| 1A62031BBB2C3F55D44F59917FD32E4ED2041224 | a file |
"""
RULE = """\
title: LSASS opened for reading
id: 11111111-1111-4111-8111-111111111111
level: high
tags: [attack.t1003.001]
logsource: {product: windows, category: process_access}
detection: {s: {TargetImage|endswith: '\\lsass.exe', GrantedAccess: '0x1010'}, condition: s}
"""
PATTERN = "attack-pattern--00000000-0000-4000-8000-000000000001"
BUNDLE = {
    "type": "bundle", "id": "bundle--00000000-0000-4000-8000-000000000000",
    "objects": [
        {"type": "attack-pattern", "spec_version": "2.1", "id": PATTERN, "created": "2025-01-01T00:00:00.000Z",
         "modified": "2025-01-01T00:00:00.000Z", "name": "LSASS Memory",
         "external_references": [{"source_name": "mitre-attack", "external_id": "T1003.001"}]},
        {"type": "indicator", "spec_version": "2.1", "id": "indicator--00000000-0000-4000-8000-000000000002",
         "created": "2025-01-01T00:00:00.000Z", "modified": "2025-01-01T00:00:00.000Z", "pattern_type": "stix",
         "pattern": "[ipv4-addr:value = '203.0.113.66']", "valid_from": "2025-01-01T00:00:00Z"},
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A lake of four computers, one with an intruder, and one rule; a report, a bundle."""
    folder = tmp_path_factory.mktemp("intelhunt")
    lake = lake_of(folder / "lake", [*company(4, range(3)), *attack("ws1", START + 2 * DAY + 10 * HOUR)])
    (folder / "lsass.yml").write_text(RULE)
    RuleBook(lake).add(folder / "lsass.yml", now=NOW)
    (folder / "fox.md").write_text(REPORT)
    (folder / "fox.json").write_text(json.dumps(BUNDLE))
    return folder


@pytest.fixture(scope="module")
def plan(home) -> IntelHunt:
    from vizsla.lake import Lake

    return hunting.hunt([str(home / "fox.md")], Lake.open(home / "lake"))


def by_technique(plan: IntelHunt):
    return {one.technique: one for one in plan.hypotheses}


def test_what_a_report_says_is_gathered(home):
    found = gather([str(home / "fox.md"), str(home / "fox.json")], load())
    assert [(r.name, r.format, r.indicators) for r in found.reports] == [
        ("fox.md", "report", 3),
        ("fox.json", "stix2", 1),
    ]
    assert sorted(found.types.items()) == [("domain", 1), ("ipv4", 1), ("sha1", 1)]  # the address of both is one
    assert set(found.techniques) == {"T1059.001", "T1003.001", "T1543.002", "T1583.001"}
    assert found.techniques["T1003.001"].said == "named"
    assert "LSASS memory" in found.techniques["T1003.001"].context
    assert [(s.kind, s.name, s.id) for s in found.subjects.values()] == [("actor", "Agrius", "G1030")]
    assert name_of(Path("eset/agrius/README.adoc")) == "agrius/README.adoc"
    assert name_of(Path("eset/agrius.pdf")) == "agrius.pdf"


def test_each_hypothesis_says_how_it_can_be_told_and_what_was_found(plan):
    told = by_technique(plan)
    assert [one.technique for one in plan.hypotheses][:1] == [""]
    lsass = told["T1003.001"]
    assert (lsass.able, lsass.outcome) == ("yes", "traces found")
    assert lsass.sentence.startswith("If the actors of fox.md (Agrius) were here, then ")
    assert lsass.sentence.endswith("would show OS Credential Dumping: LSASS Memory (T1003.001).")
    assert lsass.rules == ("LSASS opened for reading",)
    assert "'LSASS opened for reading' (high)" in lsass.confirm[0]
    assert "lsass-opened" in lsass.analytics
    assert any(re.match("no trace of it in Process Access: 1 event in windows_sysmon", text) for text in lsass.refute)
    assert lsass.hits == ("11111111-1111-4111-8111-111111111111",)
    assert lsass.findings
    shell = told["T1059.001"]
    assert (shell.rules, shell.hits) == ((), ())  # no rule names it: what is unusual implies it
    assert shell.outcome == "traces found"
    linux = told["T1543.002"]
    assert (linux.able, linux.outcome) == ("no", "cannot be told")
    assert any("would bring it" in text for text in linux.missing)
    outside = told["T1583.001"]
    assert outside.outcome == "cannot be told"
    assert outside.missing[0].startswith("it happens where no log")


def test_indicators_are_matched_and_findings_marked(plan):
    assert [(hit.name, hit.events, hit.hosts) for hit in plan.met] == [("203.0.113.66", 1, ("ws1",))]
    indicators = by_technique(plan)[""]
    assert indicators.outcome == "traces found"
    assert indicators.able == "in part"  # no column here holds hashes
    assert any(text.startswith("sha1 (1)") for text in indicators.missing)
    touched = [finding for finding in plan.result.findings if finding.id in plan.touches]
    marks = {mark for finding in touched for mark in plan.touches[finding.id]}
    assert {"indicator 203.0.113.66", "T1003.001", "T1059.001"} <= marks
    assert all(finding.instance_hosts == ("ws1",) for finding in touched if "T1003.001" in plan.touches[finding.id])
    assert len(touched) < len(plan.result.findings)


def test_what_lists_silence_is_not_looked_for(home, plan, tmp_path):
    from vizsla.intel import lists
    from vizsla.intel.store import Store
    from vizsla.lake import Lake

    assert plan.silenced == ()
    assert not (home / "lake" / "intel").exists()  # a report alone keeps nothing
    (tmp_path / "list.csv").write_text("indicator\n10.11.12.13\nevil-updates.top\nours.top\n")
    lake = Lake.open(tmp_path / "lake", create=True)
    found = gather([str(tmp_path / "list.csv")], load())
    assert [value for value, _ in hunting._without_silenced(found, lake)] == ["10.11.12.13"]
    lists.allow_value(Store(lake), "ours.top", "ours", NOW)
    assert [value for value, _ in hunting._without_silenced(found, lake)] == ["ours.top"]
    assert [value for _, value in found.ids.values()] == ["evil-updates.top"]


def test_a_baseline_does_not_hide_what_was_met_in_its_own_days(home, tmp_path):
    """The intruder came while it learnt: what came since is quiet, and yet the report's traces are told."""
    lake = lake_of(tmp_path / "lake", [*company(4, range(3)), *attack("ws1", START + 2 * DAY + 10 * HOUR)])
    RuleBook(lake).add(home / "lsass.yml", now=NOW)
    learn(lake=lake, name="all")
    lake_of(tmp_path / "lake", company(4, range(3, 4)))
    again = hunting.hunt([str(home / "fox.json")], lake, baseline="all")
    assert [hit.name for hit in again.met] == ["203.0.113.66"]
    assert [hit.name for hit in again.rules_met] == ["LSASS opened for reading"]
    assert {one.technique: one.outcome for one in again.hypotheses} == {"": "traces found", "T1003.001": "traces found"}
    assert again.touches == {}
    assert any("only what the lake got since was hunted in" in note for note in again.result.report.notes)


def test_techniques_of_actors_are_taken_where_the_report_names_none_or_somebody_asks(home, tmp_path):
    attack_ = load()
    (tmp_path / "bare.md").write_text("Agrius used evil-updates[.]top in a new campaign.\n")
    found = gather([str(tmp_path / "bare.md")], attack_)
    wanted, left = hunting._wanted(found, attack_, None)
    assert len(wanted) == len(attack_.groups["G1030"].techniques)
    assert left == 0
    assert {spoken.said for spoken in wanted.values()} == {"known of its actors"}
    named = gather([str(home / "fox.md")], attack_)
    own, left = hunting._wanted(named, attack_, None)
    more, none = hunting._wanted(named, attack_, True)
    assert set(own) < set(more)
    assert (left, none) == (len(more) - len(own), 0)


def test_what_cannot_be_read_is_refused_in_words(home, tmp_path):
    from vizsla.lake import Lake

    (tmp_path / "cat.jpg").write_bytes(b"\xff\xd8\xff\x00\x00")
    with pytest.raises(FeedError, match="no report could be read"):
        hunting.hunt([str(tmp_path / "cat.jpg")], Lake.open(home / "lake"))


def test_a_sub_technique_counts_for_its_technique_and_not_the_other_way():
    assert met_by("T1059.001", {"T1059"})
    assert met_by("T1059.001", {"T1059.001"})
    assert not met_by("T1059", {"T1059.001"})
    assert not met_by("T1059.001", {"T1059.003"})


def test_the_terminal_fits_and_shows_nothing_as_markup(plan):
    for width in (80, 120, 200):
        text = render(face.parts(plan, width), width)
        assert max(map(len, text.splitlines())) <= width
        assert "\x1b" not in text
    assert text.index("Hypotheses") < text.index("Indicators of the report that were met")
    assert text.index("Indicators of the report that were met") < text.index("Findings that touch the report")
    assert "ATT&CK ties" in text


def test_markdown_holds_neither_markup_nor_links_of_the_report(plan):
    text = "\n".join(plan_text.markdown(plan))
    assert "<script>" not in text
    assert "\x1b" not in text
    assert "\\<script\\>" in text
    assert all(len(re.findall(r"(?<!\\)\|", line)) in (0, 7, 8, 9) for line in text.splitlines())
    assert (
        plan_text.text("see http://www.evil.com/[a](b) _x_") == "see hxxp\\[:\\]//www\\[.\\]evil.com/\\[a\\](b) \\_x\\_"
    )


def test_json_is_whole(plan):
    made = plan_text.record(plan)
    assert made == json.loads(json.dumps(made))
    assert made["schema"] == plan_text.SCHEMA
    assert [one["technique"] for one in made["hypotheses"]] == [one.technique for one in plan.hypotheses]
    whole = [one for one in made["findings"] if one["touches"]]
    assert whole
    assert all(one["schema"] == "vizsla.finding/1" for one in whole)
    assert len(made["findings"]) == len(plan.result.findings)


def test_the_command(home, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    words = ["intel", "hunt", str(home / "fox.md"), "--lake", str(home / "lake")]
    done = CliRunner().invoke(app, [*words, "--output", str(tmp_path / "plan.json")])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "plan.json").read_bytes())["schema"] == plan_text.SCHEMA
    missing = CliRunner().invoke(app, ["intel", "hunt", "nothing.md", "--lake", str(home / "lake")])
    assert missing.exit_code == 2


def test_a_real_report_over_a_real_capture(real_data, tmp_path):
    """Agrius dumps LSASS, says ESET's report; a capture of such a dump is found as its trace."""
    from vizsla.faces.python import hunt_intel, ingest

    ingest(real_data / "evtx" / "Credential Access" / "sysmon_10_lsass_mimikatz_sekurlsa_logonpasswords.evtx",
           tmp_path / "lake")  # fmt: skip
    rules = real_data / "sigma" / "rules" / "windows" / "process_access"
    report = real_data / "intel" / "eset" / "agrius" / "README.adoc"
    told = by_technique(hunt_intel(report, tmp_path / "lake", rules=[rules]))
    assert told["T1003.001"].outcome == "traces found"
    assert told["T1003.001"].hits
    assert told["T1003.001"].findings
    assert told[""].outcome == "not found"  # the capture is nobody's but its maker's
