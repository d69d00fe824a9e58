"""`vizsla intel sightings`: what a hunt met of the indicators that are kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from typer.testing import CliRunner

from hunt_samples import DAY, HOUR, MINUTE, START, attack, company, lake_of
from vizsla.cli.main import app
from vizsla.hunt import hunt
from vizsla.intel.add import add
from vizsla.intel.store import Store
from vizsla.lake import Lake
from vizsla.nouns import HuntRequest


def told(home: Path, *words: str) -> str:
    result = CliRunner().invoke(app, ["intel", "sightings", "--lake", str(home), *words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_what_was_met_is_told_as_a_table_and_as_stix(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    home = tmp_path / "lake"
    lake_of(home, [*company(3, range(30, 32)), *attack("ws2", START + 30 * DAY + 10 * HOUR + 5 * MINUTE)])
    path = tmp_path / "c2.csv"
    path.write_text("indicator,description\n203.0.113[.]66,C2 of somebody\n", "utf-8")
    assert "203.0.113.66" not in told(home)
    add(Store(Lake.open(home)), [str(path)], now=datetime.now(UTC))
    hunt(HuntRequest(lake=str(home), analytics=("intel",)))
    assert "203.0.113.66" in told(home)
    objects = json.loads(told(home, "--format", "stix"))["objects"]
    (indicator,) = (one for one in objects if one["type"] == "indicator")
    assert indicator["pattern"] == "[ipv4-addr:value = '203.0.113.66']"
    assert {one["sighting_of_ref"] for one in objects if one["type"] == "sighting"} == {indicator["id"]}
