"""Indicators in a hunt: those of files, and those that the lake keeps."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hunt_samples import DAY, HOUR, MINUTE, NOW, START, attack, company, lake_of
from vizsla.engines import connect
from vizsla.hunt import hunt
from vizsla.intel.add import add
from vizsla.intel.sightings import seen_in, sightings
from vizsla.intel.store import Store
from vizsla.lake import Lake
from vizsla.nouns import Hit, HuntRequest, HuntResult

EVIL = START + 30 * DAY + 10 * HOUR + 5 * MINUTE
PATTERN = (
    "([process:command_line LIKE '%-enc%'] FOLLOWEDBY [network-traffic:dst_ref.value = '203.0.113.66']) "
    "WITHIN 60 SECONDS"
)


@pytest.fixture(scope="module")
def hunted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("hunted") / "lake"
    lake_of(home, [*company(5, range(30, 33)), *attack("ws3", EVIL)])
    return home


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("intel") / "c2.csv"
    path.write_text("indicator,description\n203.0.113[.]66,C2 of somebody\n198.51.100.7,never seen here\n", "utf-8")
    return str(path)


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("stix") / "bundle.json"
    indicator = {
        "type": "indicator", "spec_version": "2.1", "id": "indicator--5f6cbb0c-3f1c-4e2c-9a0f-0c2c5f0a7b11",
        "created": "2025-01-01T00:00:00.000Z", "modified": "2025-01-01T00:00:00.000Z", "confidence": 80,
        "pattern": PATTERN, "pattern_type": "stix", "valid_from": "2025-01-01T00:00:00Z",
    }  # fmt: skip
    path.write_text(json.dumps({"type": "bundle", "id": "bundle--1", "objects": [indicator]}), "utf-8")
    return str(path)


def run(folder: Path, **asked: Any) -> HuntResult:
    return hunt(HuntRequest(lake=str(folder), analytics=("intel",), **asked))


def only(result: HuntResult) -> Hit:
    assert len(result.hits) == 1
    return result.hits[0]


def test_an_indicator_of_a_file_is_met_and_explained(hunted: Path, listed: str) -> None:
    result = run(hunted, intel=(listed,))
    hit = only(result)
    assert (hit.name, hit.events, hit.hosts) == ("203.0.113.66", 1, ("ws3",))
    assert hit.bits > 0
    line = next(line for f in result.findings for line in f.evidence)
    assert line.analytic == "intel"
    assert line.indicator
    assert (line.indicator["type"], line.indicator["value"]) == ("ipv4", "203.0.113.66")
    assert line.indicator["feeds"] == ["c2.csv"]
    assert line.reasons[0].field == "DestinationIp"
    assert line.events[0].native["DestinationIp"] == "203.0.113.66"
    assert not sightings(Lake.open(hunted)).num_rows  # what is named for one hunt is kept nowhere


def test_a_pattern_of_several_events_is_met_once(hunted: Path, bundled: str) -> None:
    result = run(hunted, intel=(bundled,))
    hit = only(result)
    assert (hit.events, hit.hosts) == (1, ("ws3",))
    line = next(line for f in result.findings for line in f.evidence)
    assert {e.native["EventID"] for e in line.events} == {"1", "3"}


def test_indicators_kept_by_the_lake_are_looked_for_where_they_are_new(
    tmp_path: Path, listed: str, hunted: Path
) -> None:
    home = tmp_path / "lake"
    lake = lake_of(home, [*company(2, range(30, 31)), *attack("ws1", EVIL)])
    add(Store(lake), [listed], now=NOW)
    assert only(run(home)).events == 1
    kept = sightings(lake)
    assert kept.column("_host").to_pylist() == ["ws1"]
    assert only(run(home)).events == 1
    assert sightings(lake).num_rows == 1  # nothing is found twice
    lake_of(home, attack("ws0", EVIL + HOUR))
    assert only(run(home)).events == 2
    assert only(run(home, host="ws0")).hosts == ("ws0",)
    assert not run(home, host="ws0", kept=False).hits


def test_a_sighting_of_what_is_silenced_since_is_no_hit(tmp_path: Path, listed: str) -> None:
    from vizsla.intel.lists import allow_value

    home = tmp_path / "lake"
    lake = lake_of(home, [*company(2, range(30, 31)), *attack("ws1", EVIL)])
    add(Store(lake), [listed], now=NOW)
    assert only(run(home)).events == 1
    allow_value(Store(lake), "203.0.113.66", "ours", NOW)
    assert not run(home).hits
    assert sightings(lake).num_rows == 1


def test_files_for_one_hunt_stand_beside_those_kept(tmp_path: Path, listed: str, bundled: str) -> None:
    home = tmp_path / "lake"
    lake = lake_of(home, [*company(2, range(30, 31)), *attack("ws1", EVIL)])
    add(Store(lake), [listed], now=NOW)
    assert len(run(home, intel=(bundled,)).hits) == 2
    assert len(run(home, intel=(bundled,), kept=False).hits) == 1


def test_what_no_format_reads_is_said(hunted: Path, tmp_path: Path) -> None:
    picture = tmp_path / "logo.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    result = run(hunted, intel=(str(picture),))
    assert not result.hits
    assert any("logo.png" in note for note in result.report.notes)


def test_patterns_kept_by_the_lake_are_met_once_and_kept(tmp_path: Path, bundled: str) -> None:
    """A second hunt finds the same, from what was kept; all of a pattern's events are named."""
    home = tmp_path / "lake"
    lake = lake_of(home, [*company(2, range(30, 31)), *attack("ws1", EVIL)])
    add(Store(lake), [bundled], now=NOW)
    for _ in range(2):
        result = run(home)
        assert (only(result).events, only(result).hosts) == (1, ("ws1",))
        line = next(line for f in result.findings for line in f.evidence)
        assert {e.native["EventID"] for e in line.events} == {"1", "3"}
    assert sightings(lake).num_rows == 1
    lake_of(home, attack("ws0", EVIL + HOUR))
    assert only(run(home)).events == 2
    assert only(run(home, host="ws0")).hosts == ("ws0",)


def test_sightings_of_what_a_scan_leaves_out_are_no_hits(hunted: Path, listed: str, tmp_path: Path) -> None:
    home = tmp_path / "lake"
    shutil.copytree(hunted, home)
    lake = Lake.open(home)
    add(Store(lake), [listed], now=NOW)
    assert only(run(home)).events == 1
    (table,) = lake.tables()
    scan = lake.scan(table)
    before, after = (datetime.fromtimestamp((EVIL + minutes * MINUTE) / 1e6, UTC) for minutes in (-5, 5))
    evil = (("ws3", before, after),)
    with connect("duckdb") as engine:
        for narrowed, met in (
            (scan, 1),
            (replace(scan, without=evil), 0),
            (replace(scan, only=evil), 1),
            (replace(scan, since=after), 0),
            (replace(scan, until=before), 0),
        ):
            assert sum(len(batch) for batch in seen_in(engine, lake, [narrowed])) == met
