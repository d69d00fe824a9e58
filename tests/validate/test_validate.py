"""Imitations among own events: real carriers, nothing in the lake, ranks among own findings."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hunt_samples import DAY, HOUR, START, company, lake_of, process, sysmon
from vizsla.cli.main import app
from vizsla.engines import connect
from vizsla.errors import BaselineError, UsageError
from vizsla.faces import feedback
from vizsla.hunt import learn
from vizsla.lake import Lake
from vizsla.triage import attack
from vizsla.validate.carriers import Own
from vizsla.validate.imitate import MARK, imitate
from vizsla.validate.kept import validated
from vizsla.validate.library import chosen, library, load
from vizsla.validate.run import Validation
from vizsla.verdicts.give import verdict_on
from vizsla.verdicts.preview import preview

TACTICS = {
    "initial-access", "execution", "persistence", "privilege-escalation", "defense-evasion", "credential-access",
    "discovery", "lateral-movement", "collection", "command-and-control", "exfiltration", "impact",
}  # fmt: skip


pytestmark = pytest.mark.usefixtures("rarity_alone")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four computers, seven days that are learnt and one that is not; one LSASS access, of the antivirus."""
    home = tmp_path_factory.mktemp("validate") / "lake"
    reads = sysmon(10, START + DAY, "ws0", SourceImage="C:\\av.exe", SourceProcessGUID="{0}", SourceProcessId="8",
                   TargetImage="C:\\Windows\\system32\\lsass.exe", GrantedAccess="0x1000")  # fmt: skip
    cmd = process(START + 2 * DAY, "ws1", "C:\\Windows\\System32\\cmd.exe", Company="Microsoft", Hashes="SHA256=1")
    learn([], lake_of(home, [*company(4, range(7)), reads, cmd]), "default")
    lake_of(home, company(4, [7]))
    return home


def held(home: Path) -> dict[str, int]:
    return {str(p): p.stat().st_size for p in sorted((home / "events").rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def found(home: Path) -> Validation:
    before = held(home)
    done = feedback.validate(home, techniques=["T1003.001", "T1059.001", "T1110.003", "T1055.002"])
    assert held(home) == before  # never into the lake
    return done


def test_every_technique_of_the_library_is_whole() -> None:
    served = attack.table().tactics
    assert len(library()) >= 20
    assert {t.tactic for t in library()} == TACTICS
    for technique in library():
        assert re.fullmatch(r"T\d{4}(\.\d{3})?", technique.technique), technique.name
        if technique.technique in served:
            assert technique.tactic in served[technique.technique], technique.name
        assert technique.steps
        used = {step.start or step.of for step in technique.steps} | {p.parent for p in technique.processes.values()}
        assert set(technique.processes) <= used


@pytest.mark.parametrize(
    "text",
    [
        "technique: T1\ntactic: x\ntitle: y",
        "technique: T1\ntactic: x\ntitle: y\nevents: [{start: nobody}]",
        "technique: T1\ntactic: x\ntitle: y\nevents: [{table: a, start: b}]",
        "technique: T1\ntactic: x\ntitle: y\nrun: evil\nevents: []",
    ],
)
def test_a_damaged_technique_says_so(text: str) -> None:
    with pytest.raises(ValueError, match="mine"):
        load(text, "mine")


def test_techniques_are_chosen_by_number_tactic_or_file() -> None:
    assert [t.technique for t in chosen(("t1003",))] == ["T1003.001", "T1003.002"]
    assert {t.tactic for t in chosen(("impact",))} == {"impact"}
    assert chosen(()) == library()
    with pytest.raises(UsageError, match="no imitation of 'T9999'"):
        chosen(("T9999",))


def test_imitations_stand_among_own_hosts_accounts_and_times(home: Path) -> None:
    with connect("duckdb") as engine:
        since = datetime.fromtimestamp((START + 7 * DAY) / 1e6, UTC)
        own = Own(engine, Lake.open(home), since, None)
        made = imitate(own, chosen(("T1003.001",))[0], "1")
        again = imitate(own, chosen(("T1003.001",))[0], "1")
    assert made.events == again.events
    assert made.carrier is not None
    start, access, file = made.events["windows_sysmon"]
    assert [row["EventID"] for row in (start, access, file)] == ["1", "10", "11"]
    for row in (start, access, file):
        assert str(row["_origin"]).startswith(MARK)
        assert row["_host"] == made.carrier.host in {"ws0", "ws1", "ws2", "ws3"}
        assert row["_time"] >= since
    assert start["ParentImage"] == made.carrier.row["Image"]
    assert start["ParentProcessGuid"] != made.carrier.row["ProcessGuid"]  # of an episode of its own
    assert start["User"] == "CORP\\user" and "\\user\\" in str(start["Image"])
    assert start["ProcessGuid"] == access["SourceProcessGUID"] == file["ProcessGuid"]
    assert access["TargetImage"] == "C:\\Windows\\system32\\lsass.exe"
    assert made.unlogged == ["windows_security 4688"]


def test_a_program_that_was_seen_is_copied_with_its_own_binary(home: Path) -> None:
    with connect("duckdb") as engine:
        own = Own(engine, Lake.open(home), None, None)
        made = imitate(own, chosen(("T1047",))[0], "1")
    shell = next(row for row in made.events["windows_sysmon"] if str(row["Image"]).endswith("cmd.exe"))
    assert (shell["Company"], shell["Hashes"]) == ("Microsoft", "SHA256=1")


def test_ranks_and_what_cannot_be_seen(found: Validation) -> None:
    by = {o.technique.technique: o for o in found.outcomes}
    lsass = by["T1003.001"]
    assert lsass.rank == 1
    assert lsass.finding is not None and lsass.finding.bits > 0
    assert lsass.seen_by == ("rarity",)
    assert by["T1110.003"].events == 0
    assert by["T1110.003"].unlogged == ("windows_security 4625",)
    assert by["T1110.003"].rank is None
    assert "windows_sysmon 8" in by["T1055.002"].unlogged
    assert found.own > 0
    assert not any("learnt from these days" in said for said in found.says)


def test_imitations_do_not_count_in_one_another_s_ranks(found: Validation) -> None:
    """All of them stand above every own finding of a quiet day: all are first."""
    strong = [o.rank for o in found.outcomes if o.finding is not None and o.finding.bits > 10]
    assert len(strong) >= 2
    assert set(strong) == {1}


def test_days_that_were_learnt_are_told(home: Path) -> None:
    done = feedback.validate(
        home, techniques=["T1490"], since=datetime.fromtimestamp((START + 6 * DAY) / 1e6, UTC),
        until=datetime.fromtimestamp((START + 6 * DAY + 12 * HOUR) / 1e6, UTC),
    )  # fmt: skip
    assert any("learnt from these days" in said for said in done.says)


def test_an_exception_that_would_hide_a_validated_technique_says_so(home: Path, found: Validation) -> None:
    del found
    lake = Lake.open(home)
    feedback.validate(home, techniques=["T1003.001"])
    (technique,) = validated(lake)
    assert technique.title.startswith("T1003.001 ")
    would = verdict_on(technique, "benign", reach="pattern")
    assert [f.title for f in preview(lake, would).techniques] == [technique.title]


def test_the_command_line(home: Path) -> None:
    run = CliRunner().invoke(
        app, ["validate", "--lake", str(home), "--technique", "T1059.001", "--technique", "T1110", "--format", "jsonl"]
    )
    assert run.exit_code == 0, run.output
    rows = {r["technique"]: r for r in map(json.loads, filter(lambda x: x.startswith("{"), run.output.splitlines()))}
    assert rows["T1059.001"]["rank"] == 1
    assert rows["T1110.003"]["not_logged"] == ["windows_security 4625"]
    shown = CliRunner().invoke(app, ["validate", "--lake", str(home), "--technique", "T1490"])
    assert shown.exit_code == 0, shown.output
    assert "1 techniques imitated" in shown.output
    assert CliRunner().invoke(app, ["validate", "--lake", str(home), "--technique", "nothing"]).exit_code == 2


def test_without_a_baseline_nothing_can_be_said(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="no baseline 'default'"):
        feedback.validate(lake_of(tmp_path / "lake", company(1, [0])))
