"""`vizsla beacons` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from beacon_samples import bursts, conn, every, lake_of
from vizsla.cli.main import app

RUNNER = CliRunner()


def test_the_list_as_json_lines_and_as_a_table(tmp_path: Path) -> None:
    rows = [conn(t, "10.0.0.5", "203.0.113.9", 443, orig_bytes="90") for t in every(600, 200, 0.3, 1, 0.1)]
    rows += [conn(t, f"10.0.0.{n}", "198.51.100.1", 443) for n in (6, 7, 8) for t in bursts(6, n)]
    lake_of(tmp_path / "lake", conn=rows)
    done = RUNNER.invoke(app, ["beacons", "--lake", str(tmp_path / "lake"), "--top", "1", "--format", "jsonl"])
    assert done.exit_code == 0, done.output
    (line,) = [json.loads(text) for text in done.stdout.splitlines()]
    assert line["destination"] == "203.0.113.9:443"
    assert line["source"] == "10.0.0.5"
    assert 560 < line["period_s"] < 640
    assert 0.15 < line["jitter"] < 0.3
    assert line["bytes_alike"] == 1.0
    assert "of 4 hosts reach it" in line["why"]
    until = RUNNER.invoke(app, ["beacons", "--lake", str(tmp_path / "lake"), "--until", "2025-03-03T00:30"])
    assert until.exit_code == 0
    assert "203.0.113.9" not in until.stdout


def test_a_lake_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = RUNNER.invoke(app, ["beacons", str(tmp_path / "nothing")])
    assert done.exit_code == 2
