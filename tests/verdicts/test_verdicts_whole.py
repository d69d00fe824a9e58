"""Verdicts from the finding to the next hunt: exceptions, what they must never hide, and what is told."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from hunt_samples import DAY, HOUR, MINUTE, SECOND, START, attack, company, guid, lake_of, process, sysmon
from vizsla.baseline import BaselineStore
from vizsla.cli.main import app
from vizsla.errors import UsageError
from vizsla.faces import feedback
from vizsla.faces.jsonl import line
from vizsla.faces.record import from_record, to_record
from vizsla.faces.table import text
from vizsla.hunt import hunt, learn
from vizsla.lake import Lake
from vizsla.nouns import Finding, HuntRequest, HuntResult
from vizsla.reports.html import page
from vizsla.verdicts import VerdictStore

EVIL = START + 30 * DAY + 10 * HOUR + 5 * MINUTE


pytestmark = pytest.mark.usefixtures("rarity_alone")

TOOL = "C:\\Tools\\inventory.exe"


def tool(host: str, at: int, *, user: str = "CORP\\svc_inv", command: str = "inventory.exe /all") -> list[Any]:
    """A rare tool of the team's own, that opens LSASS."""
    key = (host, at, "tool")
    return [
        process(at, host, TOOL, "C:\\Windows\\System32\\services.exe", key=key, CommandLine=command, User=user),
        sysmon(10, at + SECOND, host, SourceImage=TOOL, SourceProcessGUID=guid(key),
               TargetImage="C:\\Windows\\System32\\lsass.exe", GrantedAccess="0x1000", SourceUser=user),
    ]  # fmt: skip


def run(folder: Path, baseline: Path, **asked: Any) -> HuntResult:
    return hunt(HuntRequest(lake=str(folder), baseline=str(baseline), **asked))


def of(result: HuntResult, word: str) -> list[Finding]:
    """The findings in whose events a word stands."""
    return [f for f in result.findings if any(word in str(e.native) for ln in f.evidence for e in ln.events)]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("learnt") / "lake"
    learn([], lake_of(home, company(5, range(12))), "normal")
    return BaselineStore(Lake.open(home)).folder("normal")


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, baseline: Path) -> Path:
    """A lake in which the tool ran on ws1 and ws2, and an intruder on ws3; hunted once."""
    home = tmp_path_factory.mktemp("hunted") / "lake"
    lake_of(home, [*company(5, [30]), *attack("ws3", EVIL), *tool("ws1", EVIL), *tool("ws2", EVIL + HOUR)])
    run(home, baseline)
    return home


@pytest.fixture
def lake(once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(once, tmp_path / "lake"))


@pytest.fixture
def found(lake: Path, baseline: Path) -> HuntResult:
    return run(lake, baseline)


def the_tool(result: HuntResult) -> Finding:
    (finding,) = of(result, "inventory")
    return finding


def test_two_hosts_show_one_finding_that_tells_what_it_is_made_of(found: HuntResult) -> None:
    finding = the_tool(found)
    assert finding.instances == 2
    assert {shown.kind for shown in finding.shown} == {"windows_sysmon:1", "windows_sysmon:10"}
    assert finding.traits["bits"] == pytest.approx(finding.bits)
    assert not any("ws1" in name or "inventory" in name for name in finding.traits)


def test_a_benign_verdict_hides_the_pattern_on_its_hosts_and_is_counted(
    lake: Path, baseline: Path, found: HuntResult
) -> None:
    given = feedback.verdict(the_tool(found), "benign", lake, reason="inventory runs at night")
    assert given.reach == "pattern+host"
    assert given.hosts == ("ws1", "ws2")
    after = run(lake, baseline)
    assert of(after, "inventory") == []
    assert after.hidden == ((given.id, 1),)
    assert len(after.findings) == len(found.findings) - 1
    assert any(note.startswith("1 finding hidden by 1 exception; --no-exceptions") for note in after.report.notes)
    shown = run(lake, baseline, exceptions=False)
    assert [f.id for f in shown.findings] == [f.id for f in found.findings]
    assert shown.hidden == ()
    (told,) = the_tool(shown).judged
    assert (told.judgement, told.same, told.reason) == ("benign", "finding", "inventory runs at night")


def test_on_another_host_the_pattern_stands(lake: Path, baseline: Path, found: HuntResult) -> None:
    feedback.verdict(the_tool(found), "benign", lake)
    lake_of(lake, tool("ws4", EVIL + 2 * HOUR))
    after = the_tool(run(lake, baseline))
    assert after.instance_hosts == ("ws4",)
    assert [(j.judgement, j.same) for j in after.judged] == [("benign", "pattern")]


def test_scope_pattern_reaches_every_host(lake: Path, baseline: Path, found: HuntResult) -> None:
    feedback.verdict(the_tool(found), "benign", lake, scope="pattern")
    lake_of(lake, tool("ws4", EVIL + 2 * HOUR))
    assert of(run(lake, baseline), "inventory") == []


def test_scope_finding_reaches_one_instance(lake: Path, baseline: Path, found: HuntResult) -> None:
    before = the_tool(found)
    feedback.verdict(before, "benign", lake, scope="finding")
    after = the_tool(run(lake, baseline))
    assert (after.instances, after.id != before.id) == (1, True)


def test_new_evidence_beside_the_excepted_is_never_hidden(lake: Path, baseline: Path, found: HuntResult) -> None:
    """The excepted tool is made to start a hidden shell: that stands, ranked by itself, and says what is excepted."""
    before = the_tool(found)
    feedback.verdict(before, "benign", lake, scope="pattern")
    at, key = EVIL + 3 * HOUR, ("ws4", EVIL + 3 * HOUR, "tool")
    abused = sysmon(8, at + 2 * SECOND, "ws4", SourceImage=TOOL, SourceProcessGuid=guid(key),
                    TargetImage="C:\\Windows\\explorer.exe", StartFunction="LoadLibraryA")  # fmt: skip
    lake_of(lake, [*tool("ws4", at), abused])
    after = run(lake, baseline)
    (finding,) = of(after, "LoadLibraryA")
    assert finding.bits > 0
    assert {ln.kind for ln in finding.evidence if ln.bits > 0} == {"windows_sysmon:8"}
    assert any("judged benign" in said for said in finding.speaks_against)
    assert after.hidden and after.hidden[0][1] == 1
    assert sum(bits for _, bits in finding.ledger) == pytest.approx(finding.bits)


def test_what_stood_beside_is_no_exception_by_itself(lake: Path, baseline: Path, found: HuntResult) -> None:
    """The strongest evidence must be there: without the tool, what the tool did is as strange as ever."""
    finding = the_tool(found)
    feedback.verdict(finding, "benign", lake, scope="pattern")
    lead = finding.shown[0].kind
    alone = [e for e in tool("ws4", EVIL + 2 * HOUR) if lead != f"windows_sysmon:{e['EventID']}"]
    lake_of(lake, alone)
    assert of(run(lake, baseline), "inventory")


def test_users_and_fields_narrow_an_exception(lake: Path, baseline: Path, found: HuntResult) -> None:
    finding = the_tool(found)
    feedback.verdict(finding, "benign", lake, scope="pattern+user", where=["CommandLine=inventory.exe /*"])
    at = EVIL + 2 * HOUR
    lake_of(lake, tool("ws4", at))
    assert of(run(lake, baseline), "inventory") == []
    lake_of(lake, tool("ws4", at + HOUR, user="CORP\\mallory"))
    (other,) = of(run(lake, baseline), "inventory")
    assert any("mallory" in e.value for e in other.entities)
    assert other.instances == 1


def test_a_condition_that_the_finding_does_not_meet_is_refused(lake: Path, found: HuntResult) -> None:
    with pytest.raises(UsageError, match="does not meet CommandLine=other"):
        feedback.verdict(the_tool(found), "benign", lake, where=["CommandLine=other*"])
    with pytest.raises(UsageError, match="no condition"):
        feedback.verdict(the_tool(found), "benign", lake, where=["CommandLine"])
    with pytest.raises(UsageError, match="hides nothing"):
        feedback.verdict(the_tool(found), "malicious", lake, where=["CommandLine=inv*"])


def test_an_exception_ends_by_itself_and_that_is_told(lake: Path, baseline: Path, found: HuntResult) -> None:
    given = feedback.verdict(the_tool(found), "benign", lake, until=datetime.now(UTC) + timedelta(milliseconds=300))
    while not given.ended(datetime.now(UTC)):
        pass
    after = run(lake, baseline)
    assert the_tool(after).judged[0].until is not None
    assert any(note.startswith(f"Exception {given.id} ended on") for note in after.report.notes)


def test_undone_is_undone_and_stays_on_record(lake: Path, baseline: Path, found: HuntResult) -> None:
    given = feedback.verdict(the_tool(found), "benign", lake)
    store = VerdictStore(Lake.open(lake))
    store.undo(given.id[:4], "ann")
    assert the_tool(run(lake, baseline)).judged == ()
    assert [kept.state for kept in store.all()] == ["taken back"]
    with pytest.raises(UsageError, match="already"):
        store.undo(given.id, "ann")


def test_every_face_tells_an_earlier_verdict(lake: Path, baseline: Path, found: HuntResult) -> None:
    feedback.verdict(found.findings[0], "malicious", lake, reason="LSASS \x1b[2J<b>read", by="ann")
    after = run(lake, baseline)
    record = to_record(after.findings[0])
    assert [(v["verdict"], v["by"], v["same"]) for v in record["verdicts"]] == [("malicious", "ann", "finding")]
    assert from_record(json.loads(line(after.findings[0]))) == from_record(record)
    table = text(after)
    assert "judged malicious on" in table and "\x1b" not in table
    html = page(after)
    assert "malicious before" in html and "<b>read" not in html


def vizsla(*arguments: str) -> Any:
    return CliRunner().invoke(app, [*arguments])


def test_the_command_line(lake: Path, found: HuntResult, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIZSLA_LAKE", str(lake))
    monkeypatch.setenv("VIZSLA_ANALYST", "ann")
    id = the_tool(found).id
    tried = vizsla("verdict", id[:8], "benign", "--preview")
    assert tried.exit_code == 0, tried.output
    assert "hides this finding and 0 others" in tried.output
    assert VerdictStore(Lake.open(lake)).all() == []
    given = vizsla("verdict", id[:8], "benign", "--until", "30d", "--reason", "inventory")
    assert given.exit_code == 0, given.output
    (kept,) = VerdictStore(Lake.open(lake)).all()
    assert (kept.verdict.by, kept.verdict.reason, kept.verdict.finding) == ("ann", "inventory", id)
    assert kept.verdict.until is not None
    assert "inventory" in vizsla("verdict", "list").output
    (listed,) = [json.loads(row) for row in vizsla("verdict", "list", "--json").output.splitlines()]
    assert (listed["verdict"], listed["state"]) == ("benign", "stands")
    assert "judged benign" in vizsla("show", id[:8]).output
    assert vizsla("verdict", "undo", kept.verdict.id).exit_code == 0
    assert "No verdict stands" in vizsla("verdict", "list").output
    assert vizsla("verdict", "ffffffffffff", "benign").exit_code == 2
    assert vizsla("verdict", id[:8], "malicious", "--preview").exit_code == 2
    assert vizsla("verdict", id[:8], "benign", "--until", "2020-01-01").exit_code == 2


def test_what_was_judged_malicious_is_not_hidden_unless_forced(
    lake: Path, baseline: Path, found: HuntResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIZSLA_LAKE", str(lake))
    first = the_tool(found)
    feedback.verdict(first, "malicious", lake)
    lake_of(lake, tool("ws0", EVIL - 2 * HOUR))
    (second,) = of(run(lake, baseline, host="ws0"), "inventory")
    assert second.id != first.id
    refused = vizsla("verdict", second.id, "benign", "--scope", "pattern")
    assert refused.exit_code == 2
    assert "Judged malicious" in refused.output
    forced = vizsla("verdict", second.id, "benign", "--scope", "pattern", "--force")
    assert forced.exit_code == 0, forced.output
    assert vizsla("verdict", first.id, "benign").exit_code == 2  # a change of mind is said twice, too
    again = vizsla("verdict", first.id, "malicious")
    assert "hides findings like this one" in again.output
