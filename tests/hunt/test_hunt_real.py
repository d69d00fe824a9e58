"""A hunt in a real capture, end to end."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest

from vizsla.engines import connect
from vizsla.faces.jsonl import line
from vizsla.hunt import hunt
from vizsla.lake import Lake
from vizsla.nouns import HuntRequest

CAPTURE = "mordor/cmd_seatbelt_group_user.zip"

pytestmark = pytest.mark.real_data


def test_a_capture_alone_gives_findings_that_can_be_followed(real_data: Path, tmp_path: Path) -> None:
    home = tmp_path / "lake"
    result = hunt(HuntRequest(paths=(str(real_data / CAPTURE),), lake=str(home)))
    assert result.findings
    assert not result.run.claims
    stored = sum(r.stored for r in result.report.readings)
    assert sum(result.report.tables.values()) == stored == sum(r.records for r in result.report.readings)

    lake = Lake.open(home)
    with connect("duckdb") as engine:
        held = {
            (table, str(row["_id"]))
            for table in lake.tables()
            for row in engine.collect(engine.table(lake.scan(table)).select("_id")).to_pylist()
        }
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(resources.files("vizsla").joinpath("schema/finding.schema.json").read_text(encoding="utf-8"))
    check = jsonschema.Draft202012Validator(schema)
    for finding in result.findings:
        assert finding.title.strip()
        assert finding.evidence
        assert all(e.events and e.why for e in finding.evidence)
        named = {(e.table, e.id) for one in finding.evidence for e in one.events}
        assert named <= held
        assert sum(bits for _, bits in finding.ledger) == pytest.approx(finding.bits, abs=1e-9)
        if finding.instances == 1:
            assert len({e.host for one in finding.evidence for e in one.events}) == 1
        check.validate(json.loads(line(finding)))
    assert hunt(HuntRequest(lake=str(home))).findings == result.findings
