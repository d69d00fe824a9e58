"""The store of findings: what a run found is there afterwards, by id, by its first digits, by rank."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from faces import sample
from vizsla import findings
from vizsla.errors import LakeError, UsageError
from vizsla.lake import Lake

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(tmp_path / "lake", create=True)


def test_what_was_saved_is_loaded(lake: Lake) -> None:
    result = sample.result(5)
    run = findings.save(lake, result, at=NOW)
    assert run.startswith("20260102T030405-")
    for finding in result.findings:
        assert findings.load(lake, finding.id) == finding
        assert findings.load(lake, finding.id[:8]) == finding
        assert findings.load(lake, finding.id[:8].upper()) == finding
        assert findings.load(lake, finding.rank) == finding
        assert findings.load(lake, str(finding.rank), run=run[:15]) == finding


def test_runs_are_listed_the_latest_first(lake: Lake) -> None:
    first = findings.save(lake, sample.result(2), at=NOW)
    second = findings.save(lake, sample.result(0), at=NOW + timedelta(hours=1))
    third = findings.save(lake, sample.result(3, claims=False), at=NOW + timedelta(hours=2))
    table = findings.runs(lake)
    assert table.column("run").to_pylist() == [third, second, first]
    assert table.column("findings").to_pylist() == [3, 0, 2]
    assert table.column("total").to_pylist() == [9, 0, 6]
    assert table.column("baseline").to_pylist() == ["", "office@3", "office@3"]
    assert findings.found(lake).column("rank").to_pylist() == [1, 2, 3]
    assert findings.found(lake, first).num_rows == 2
    assert findings.found(lake, second).num_rows == 0


def test_the_latest_run_that_has_it_answers(lake: Lake) -> None:
    old = sample.finding(1)
    grown = dataclasses.replace(old, bits=30.0, rank=2)
    result = sample.result(0)
    first = findings.save(lake, dataclasses.replace(result, findings=(old,)), at=NOW)
    findings.save(lake, dataclasses.replace(result, findings=(grown,)), at=NOW + timedelta(days=1))
    findings.save(lake, result, at=NOW + timedelta(days=2))
    assert findings.load(lake, old.id) == grown
    assert findings.load(lake, old.id, run=first) == old


def test_hostile_text_is_kept(lake: Lake) -> None:
    result = sample.result(4, t=sample.hostile())
    findings.save(lake, result)
    loaded = findings.load(lake, 1)
    assert loaded.id == result.findings[0].id
    assert loaded.title == result.findings[0].title.encode("utf-8", "backslashreplace").decode()


def test_an_empty_lake_says_what_to_do(lake: Lake) -> None:
    assert findings.runs(lake).num_rows == 0
    assert findings.found(lake).num_rows == 0
    with pytest.raises(UsageError, match="no hunt has been kept") as caught:
        findings.load(lake, 1)
    assert "vizsla hunt" in caught.value.fix


@pytest.mark.parametrize("wanted", ["ffffffff", "", "999", "' or 1=1", "*"])
def test_what_is_not_there_is_said(lake: Lake, wanted: str) -> None:
    findings.save(lake, sample.result(2))
    with pytest.raises(UsageError, match="no finding"):
        findings.load(lake, wanted)


def test_digits_that_fit_several_are_refused(lake: Lake) -> None:
    result = sample.result(2)
    pair = tuple(dataclasses.replace(f, id=f"abcdef{f.rank}" + "0" * 25) for f in result.findings)
    findings.save(lake, dataclasses.replace(result, findings=pair))
    with pytest.raises(UsageError, match="fits 2 findings") as caught:
        findings.load(lake, "abcdef")
    assert "more digits" in caught.value.fix
    assert findings.load(lake, "abcdef1").rank == 1


def test_an_unknown_run_is_refused(lake: Lake) -> None:
    findings.save(lake, sample.result(2))
    with pytest.raises(UsageError, match="no run"):
        findings.load(lake, 1, run="nope")


def test_findings_of_a_run_that_a_crash_cut_short_are_not_found(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    import deltalake

    write = deltalake.write_deltalake

    def dies(place: str, *args: object, **kwargs: object) -> None:
        if place.endswith("runs"):
            raise KeyboardInterrupt
        write(place, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(deltalake, "write_deltalake", dies)
    with pytest.raises(KeyboardInterrupt):
        findings.save(lake, sample.result(2))
    monkeypatch.undo()
    assert findings.runs(lake).num_rows == 0
    findings.save(lake, sample.result(0))
    with pytest.raises(UsageError, match="no finding"):
        findings.load(lake, 1)


def test_findings_of_a_newer_vizsla_are_refused(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "FORMAT", 99)
    findings.save(lake, sample.result(1))
    monkeypatch.undo()
    with pytest.raises(LakeError, match="newer Vizsla"):
        findings.load(lake, 1)


def test_a_damaged_store_is_said(lake: Lake) -> None:
    findings.save(lake, sample.result(1))
    for log in (lake.room("findings") / "runs" / "_delta_log").glob("*.json"):
        log.write_text("not a log")
    with pytest.raises(LakeError, match="cannot be read"):
        findings.runs(lake)
