"""The hunt, end to end, on small lakes."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hunt_samples import DAY, HOUR, MINUTE, SECOND, START, attack, company, lake_of, process, quiet_day, sysmon
from vizsla.baseline import BaselineStore
from vizsla.errors import BaselineError, LakeError, UsageError
from vizsla.hunt import hunt, learn
from vizsla.lake import Lake
from vizsla.nouns import Finding, HuntRequest, HuntResult

EVIL = START + 30 * DAY + 10 * HOUR + 5 * MINUTE


def run(folder: Path, **asked: Any) -> HuntResult:
    return hunt(HuntRequest(lake=str(folder), **asked))


def evil(result: HuntResult) -> list[Finding]:
    return [f for f in result.findings if any("lsass" in str(e.native) for line in f.evidence for e in line.events)]


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline of five computers' twenty days, as a folder."""
    home = tmp_path_factory.mktemp("learnt") / "lake"
    learn([], lake_of(home, company(5, range(20))), "normal")
    return BaselineStore(Lake.open(home)).lake.room("baselines") / "normal" / "1"


@pytest.fixture(scope="module")
def hunted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("hunted") / "lake"
    lake_of(home, [*company(5, range(30, 32)), *attack("ws3", EVIL)])
    return home


@pytest.fixture(scope="module")
def result(hunted: Path, baseline: Path) -> HuntResult:
    return run(hunted, baseline=str(baseline))


def test_the_intruder_stands_first(result: HuntResult) -> None:
    first = result.findings[0]
    assert evil(result) == [first]
    assert first.rank == 1
    assert "ws3" in {e.value for e in first.entities}
    assert first.title
    assert {line.kind for line in first.evidence} == {f"windows_sysmon:{n}" for n in (1, 3, 10)}
    assert first.start == datetime.fromtimestamp(EVIL / 1e6, UTC)
    assert first.end == first.start + timedelta(seconds=9)
    assert {"T1059.001"} & {a.technique for a in first.attack}


def test_claims_of_a_run_with_a_baseline(result: HuntResult) -> None:
    assert result.run.claims
    assert (result.run.hosts, result.run.host_days) == (5, 100)
    assert all(f.expected_per_day is not None for f in result.findings)
    floor = 5 / 101  # five hosts a day are hunted, a hundred host-days were replayed
    assert result.findings[0].expected_per_day == pytest.approx(floor)
    assert all(f.expected_per_day >= floor - 1e-12 for f in result.findings)  # type: ignore[operator]
    rates = [f.expected_per_day for f in result.findings]
    assert rates == sorted(rates)  # type: ignore[type-var]
    assert all(0 < line.p <= 1 for f in result.findings for line in f.evidence if line.p is not None)


def test_ranks_ledgers_and_lines_add_up(result: HuntResult) -> None:
    assert [f.rank for f in result.findings] == list(range(1, len(result.findings) + 1))
    assert [f.bits for f in result.findings] == sorted((f.bits for f in result.findings), reverse=True)
    assert len({f.id for f in result.findings}) == len(result.findings)
    for finding in result.findings:
        assert sum(bits for _, bits in finding.ledger) == pytest.approx(finding.bits, abs=1e-9)
        assert sum(line.bits for line in finding.evidence) == pytest.approx(finding.bits, abs=1e-9)
        assert all(line.bits >= 0 and line.count >= 1 for line in finding.evidence)
        assert all(line.events and line.reasons for line in finding.evidence)
        assert finding.speaks_against
    assert result.cut.total == len(result.scores) >= result.cut.shown == len(result.findings)


def test_a_finding_is_of_one_host(result: HuntResult) -> None:
    for finding in result.findings:
        if finding.instances == 1:
            assert len({e.host for line in finding.evidence for e in line.events}) == 1


def test_twice_is_the_same(hunted: Path, baseline: Path, result: HuntResult) -> None:
    assert run(hunted, baseline=str(baseline)).findings == result.findings


def test_rows_stored_in_another_order_and_in_pieces_are_the_same(
    tmp_path: Path, baseline: Path, result: HuntResult
) -> None:
    events = [*company(5, range(30, 32)), *attack("ws3", EVIL)]
    random.Random(1).shuffle(events)
    for i in range(0, len(events), 97):
        lake_of(tmp_path / "lake", events[i : i + 97])
    again = run(tmp_path / "lake", baseline=str(baseline)).findings
    assert [(f.id, f.rank, f.title, f.instances) for f in again] == [
        (f.id, f.rank, f.title, f.instances) for f in result.findings
    ]
    for one, other in zip(again, result.findings, strict=True):
        assert one.bits == pytest.approx(other.bits, abs=1e-9)
        assert [line.count for line in one.evidence] == [line.count for line in other.evidence]
        assert [[e.time for e in line.events] for line in one.evidence] == [
            [e.time for e in line.events] for line in other.evidence
        ]


def test_a_growing_episode_keeps_its_id_whatever_the_baseline(tmp_path: Path, baseline: Path, hunted: Path) -> None:
    folder = tmp_path / "lake"
    events = [*company(5, range(30, 32)), *attack("ws3", EVIL)[:2]]
    lake_of(folder, events)

    def id_of() -> str:
        findings = run(folder, baseline=str(baseline), analytics=("rarity",)).findings
        (found,) = [f for f in findings if "203.0.113.66" in str(f.evidence)]
        return found.id

    before = id_of()
    lake_of(folder, attack("ws3", EVIL)[2:])
    assert id_of() == before
    (other,) = evil(run(folder))  # against itself
    assert other.id == before


def test_filters(hunted: Path, baseline: Path, result: HuntResult) -> None:
    known = str(baseline)
    one = run(hunted, baseline=known, host="WS3")
    assert {e.host for f in one.findings for line in f.evidence for e in line.events} == {"ws3"}
    assert evil(one)[0].id == evil(result)[0].id
    assert not evil(run(hunted, baseline=known, host="ws1"))
    with pytest.raises(UsageError, match="nobody"):
        run(hunted, baseline=known, host="nobody")
    day = datetime.fromtimestamp((START + 31 * DAY) / 1e6, UTC)
    late, early = run(hunted, baseline=known, since=day), run(hunted, baseline=known, until=day)
    assert not evil(late)
    assert evil(early)
    assert all(e.time >= day for f in late.findings for line in f.evidence for e in line.events if e.time)
    assert all(e.time < day for f in early.findings for line in f.evidence for e in line.events if e.time)
    assert run(hunted, baseline=known, user="corp\\user").findings
    assert evil(run(hunted, baseline=known, user="USER"))
    assert not run(hunted, baseline=known, user="somebody").findings
    assert run(hunted, baseline=known, view="process").report.tables.keys() == {"windows_sysmon"}
    assert run(hunted, baseline=known, view="tls").report.tables == {}
    with pytest.raises(UsageError, match="view"):
        run(hunted, view="no such")
    with pytest.raises(UsageError, match="analytic"):
        run(hunted, analytics=("no such",))
    assert len(run(hunted, baseline=known, top=1).findings) == 1


def test_by_host_and_by_user(hunted: Path, baseline: Path) -> None:
    by_host = run(hunted, baseline=str(baseline), by="host")
    assert by_host.ranking[0][0] == "ws3"
    assert {name for name, _, _ in by_host.ranking} <= {f"ws{n}" for n in range(5)}
    assert evil(by_host)[0].rank == 1
    by_user = run(hunted, baseline=str(baseline), by="user")
    assert by_user.ranking[0][0] == "user"


def test_assets_weigh_as_a_line_of_the_ledger(tmp_path: Path, baseline: Path, result: HuntResult) -> None:
    from vizsla.triage import assets

    folder = tmp_path / "lake"
    lake = lake_of(folder, [*company(5, range(30, 32)), *attack("ws3", EVIL)])
    file = tmp_path / "assets.csv"
    file.write_text("host,role,owner,criticality\nws3,domain controller,it,crown\n", encoding="utf-8")
    assets.add(lake, file, datetime(2026, 1, 1, tzinfo=UTC))
    weighed = evil(run(folder, baseline=str(baseline)))[0]
    plain = evil(result)[0]
    weight = max((assets.load(lake).weight(e) for e in plain.entities if e.type == "host"), key=abs)
    assert weight > 0
    assert weighed.bits == pytest.approx(plain.bits + weight)
    assert weighed.id == plain.id
    assert sum(b for _, b in weighed.ledger) == pytest.approx(weighed.bits)
    assert len(weighed.ledger) == len(plain.ledger) + 1


def test_the_same_on_many_hosts_is_one_finding(tmp_path: Path, baseline: Path) -> None:
    folder = tmp_path / "lake"
    events = company(5, [30])
    for n in range(5):
        events += attack(f"ws{n}", EVIL + n * MINUTE)
    lake_of(folder, events)
    result = run(folder, baseline=str(baseline))
    (found,) = evil(result)
    assert found.instances == 5
    assert found.instance_hosts == tuple(f"ws{n}" for n in range(5))
    assert result.cut.total < 5 + len(company(5, [30]))


# ---- without a baseline


def test_each_host_against_the_others(hunted: Path) -> None:
    result = run(hunted)
    assert "each of 5 hosts" in result.run.learnt
    assert not result.run.claims
    assert evil(result)[0].rank == 1
    assert all(f.expected_per_day is None for f in result.findings)
    assert all(line.p is None for f in result.findings for line in f.evidence)
    assert any("cannot be seen" in note for note in result.report.notes)


def test_one_host_with_many_hours(tmp_path: Path) -> None:
    lake_of(tmp_path / "lake", [*quiet_day("ws1", 30, hours=range(24)), *attack("ws1", EVIL)])
    result = run(tmp_path / "lake")
    assert "sixth of the time" in result.run.learnt
    assert not result.run.claims
    assert evil(result)[0].rank <= 3
    assert result.findings[0].expected_per_day is None


def test_one_host_and_ten_minutes(tmp_path: Path) -> None:
    base = START + 30 * DAY
    events = [process(base + i * SECOND, "ws1", f"C:\\Program Files\\{'ab'[i % 2]}.exe", key=i) for i in range(300)]
    lake_of(tmp_path / "lake", [*events, *attack("ws1", base + 200 * SECOND)])
    result = run(tmp_path / "lake")
    assert "in-sample" in result.run.learnt
    assert not result.run.claims
    assert all(f.expected_per_day is None and all(e.p is None for e in f.evidence) for f in result.findings)
    assert "started powershell.exe" in result.findings[0].title


def test_an_empty_lake(tmp_path: Path) -> None:
    Lake.open(tmp_path / "lake", create=True)
    result = run(tmp_path / "lake")
    assert result.findings == ()
    assert result.report.unable[0].analytic == "rarity"
    with pytest.raises(BaselineError, match="no events"):
        learn([], Lake.open(tmp_path / "lake"))
    with pytest.raises(LakeError):
        run(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="nothing to hunt"):
        hunt(HuntRequest())


def test_nothing_within_the_times_asked_for(hunted: Path, baseline: Path) -> None:
    result = run(hunted, baseline=str(baseline), since=datetime(2025, 12, 1, tzinfo=UTC))
    assert result.findings == ()


def timeless(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**e, "_time": None, "Mark": str(i)} for i, e in enumerate(events)]


@pytest.mark.parametrize("known", [True, False])
def test_events_without_a_time_alone(tmp_path: Path, baseline: Path, known: bool) -> None:
    lake = lake_of(tmp_path / "lake", timeless(quiet_day("ws1", 30)))
    result = run(tmp_path / "lake", baseline=str(baseline) if known else None)
    assert result.findings == ()
    assert any("no time" in note for note in result.report.notes)
    assert learn([], lake).baseline.model.events > 0


@pytest.mark.parametrize("when", [None, -11_644_473_600_000_000, 0, 253_402_300_799_000_000])
def test_events_with_strange_times_among_others(tmp_path: Path, baseline: Path, when: int | None) -> None:
    odd = [{**e, "_time": when} for e in quiet_day("ws1", 29)]
    lake = lake_of(tmp_path / "lake", [*company(5, [30]), *attack("ws3", EVIL), *odd])
    for name in (str(baseline), None):
        result = run(tmp_path / "lake", baseline=name)
        assert evil(result)[0].rank == 1
        assert result.run.host_days == (100 if name else 5)
        assert any("no time" in note for note in result.report.notes)
    found = learn([], lake)
    assert found.baseline.span[0].year == 2025


def test_a_table_and_a_type_of_event_never_seen(tmp_path: Path, baseline: Path) -> None:
    strange = {"table": "windows_brand_new", "_time": EVIL, "_host": "ws2", "EventID": "77", "Thing": "odd"}
    wmi = sysmon(20, EVIL, "ws1", Destination="cmd.exe /c evil", User="CORP\\user")
    lake_of(tmp_path / "lake", [*company(5, [30]), strange, wmi])
    result = run(tmp_path / "lake", baseline=str(baseline))
    kinds = {line.kind: f for f in result.findings for line in f.evidence}
    assert "windows_sysmon:20" in kinds
    reason = next(line for line in kinds["windows_sysmon:20"].evidence if line.kind == "windows_sysmon:20").reasons[0]
    assert (reason.field, reason.value, reason.seen) == ("EventID", "20", 0)
    assert any("windows_brand_new" in note for note in result.report.notes)


def test_events_without_a_host(tmp_path: Path, baseline: Path) -> None:
    nameless = [{**e, "_host": None, "Computer": None} for e in attack("ws3", EVIL)]
    lake_of(tmp_path / "lake", [*company(5, [30]), *nameless])
    result = run(tmp_path / "lake", baseline=str(baseline))
    assert evil(result)[0].rank == 1
    assert run(tmp_path / "lake").findings


def test_what_was_learnt_from_does_not_look_new(tmp_path: Path) -> None:
    """Hunting the very days that were learnt brings nothing above what the replay held."""
    lake = lake_of(tmp_path / "lake", company(6, range(10)))
    learnt = learn([], lake, "normal").baseline
    result = run(tmp_path / "lake", baseline="normal")
    top = float(learnt.replay.bits[0]) if len(learnt.replay.bits) else 0.0
    assert all(bits <= top + 1e-9 for bits in result.scores)


def test_hunting_saves_its_findings_and_changes_no_event(hunted: Path, baseline: Path, result: HuntResult) -> None:
    from vizsla.findings import load

    lake = Lake.open(hunted)
    before = {table: lake.count(table) for table in lake.tables()}
    again = run(hunted, baseline=str(baseline))
    assert {table: lake.count(table) for table in lake.tables()} == before
    assert load(lake, again.findings[0].id).id == again.findings[0].id
    assert load(lake, 1).title == again.findings[0].title


def test_findings_are_json_that_the_schema_allows(result: HuntResult) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    from importlib import resources

    from vizsla.faces.jsonl import line

    schema = json.loads(resources.files("vizsla").joinpath("schema/finding.schema.json").read_text(encoding="utf-8"))
    check = jsonschema.Draft202012Validator(schema)
    for finding in result.findings:
        check.validate(json.loads(line(finding)))
    with pytest.raises(jsonschema.ValidationError):
        check.validate(json.loads(line(replace(result.findings[0], rank=0))))
