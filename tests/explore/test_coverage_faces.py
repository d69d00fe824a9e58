"""Coverage as people and other tools get it: the terminal, DeTT&CT, pages, and the lines after an ingest."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta

import pytest
import yaml
from coverage_samples import START, SYSMON, lake_of, started, steady, ticks
from typer.testing import CliRunner

from vizsla.cli.main import app
from vizsla.explore import survey
from vizsla.explore.coverage.dettect import administration, components, score
from vizsla.faces import coverage as face
from vizsla.faces.table import render
from vizsla.reports.coverage import page
from vizsla.view import fields, views

LATER = START + timedelta(days=400)
EVIL = "ws\x1b[2J<script>alert(1)</script>"


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """Two steady hosts with two logs, and one of an evil name that has one, and fell silent."""
    rows = [row for host in ("a", "b") for row in ticks(host, steady(5), CommandLine="cmd /c dir", User="CORP\\ann")]
    rows += ticks(EVIL, steady(5, until=70))
    logons = [
        {"_time": row["_time"], "_host": "a", "EventID": "4624", "TargetUserName": "ann", "LogonType": "3"}
        for row in ticks("a", steady(5))
    ]
    return lake_of(tmp_path_factory.mktemp("faces") / "lake", {SYSMON: rows, "windows_security": logons})


@pytest.fixture(scope="module")
def found(lake, duckdb_engine):
    return survey(lake, engine=duckdb_engine, now=LATER)


def test_the_terminal_shows_what_matters_first_and_nothing_as_markup(found):
    text = render(face.parts(found, 100), 100)
    assert text.index("Fell silent") < text.index("What would add most") < text.index("Tables")
    assert "430 events in 2 tables of 3 hosts" in text
    assert "\x1b" not in text
    assert re.search(r"can run: [^:]*\brarity", text)
    assert max(map(len, text.splitlines())) <= 100


def test_most_hosts_that_went_together_are_one_line(tmp_path, duckdb_engine):
    rows = [row for n in range(9) for row in ticks(f"ws{n}", steady(4, until=80))]
    rows += [row for host in "xy" for row in ticks(host, steady(4))]
    lines = face.silences(survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=duckdb_engine, now=LATER).silences)
    assert len(lines) == 1
    assert lines[0].startswith("9 hosts, most of all, since about 2026-03-05 07:15 UTC")


def test_dettect_knows_the_file_and_the_scores_are_what_was_measured(found):
    content = yaml.safe_load(administration(found, today=date(2026, 4, 1)))
    assert content["version"] == 1.1
    assert content["file_type"] == "data-source-administration"
    assert content["systems"] == [{"applicable_to": "all", "platform": ["Windows"]}]
    by_name = {source["data_source_name"]: source["data_source"][0] for source in content["data_sources"]}
    assert set(by_name) == {
        "Process Creation",
        "Command Execution",
        "User Account Authentication",
        "Logon Session Creation",
    }
    created = by_name["Process Creation"]
    assert created["products"] == [SYSMON]
    assert created["date_connected"] == date(2026, 3, 2)
    assert created["date_registered"] == date(2026, 4, 1)
    assert created["available_for_data_analytics"] is True
    # All three hosts; of four fields one is full, none fills the parent, and 240 of 310 have a line and a user.
    assert created["data_quality"] == {
        "device_completeness": 5,
        "data_field_completeness": 3,
        "timeliness": 3,  # two of three hosts
        "consistency": 5,
        "retention": 1,  # five days of ninety
    }
    assert by_name["Logon Session Creation"]["data_quality"]["device_completeness"] == 2  # one host of three


@pytest.mark.parametrize(
    ("share", "told"), [(0, 0), (0.01, 1), (0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3), (0.76, 4), (0.999, 4), (1, 5)]
)
def test_scores_are_quarters(share, told):
    assert score(share) == told


def test_components_name_views_and_fields_that_there_are():
    for spec in components().values():
        known = {field.name for field in views()[spec["view"]].fields}
        assert set(spec["fields"]) <= known & set(fields())


def test_the_page_is_whole_and_holds_no_markup_of_others(found):
    html = page(found)
    assert "<script>alert" not in html
    assert "\x1b" not in html
    assert "What the logs cover" in html
    assert "process.command_line" in html
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert html.count("<script>") == 1


def test_after_an_ingest_a_few_lines_tell_what_is_new_and_wrong(lake, duckdb_engine):
    quick = survey(lake, engine=duckdb_engine, now=LATER, quick=True)
    lines = face.after_ingest(quick, before={"windows_security"})
    assert lines[0] == "New tables: windows_sysmon."
    assert lines[1].startswith("Silent: ws")
    assert "\x1b" not in "".join(lines)
    assert face.after_ingest(quick, before={"windows_security", SYSMON})[0] == lines[1]


@pytest.mark.parametrize("format", ["table", "json", "jsonl", "csv", "html", "dettect"])
def test_the_command_writes_every_format(lake, tmp_path, format):
    output = tmp_path / "out"
    done = CliRunner().invoke(app, ["coverage", "--lake", str(lake.root), "--format", format, "--output", str(output)])
    assert done.exit_code == 0, done.output
    text = output.read_text(encoding="utf-8")
    if format == "json":
        kinds = {row["kind"] for row in json.loads(text)}
        assert kinds == {"table", "view", "analytic", "missing", "silent"}
    assert {"html": "<!doctype html>", "dettect": "version: 1.1", "csv": "kind,name"}.get(format, "") in text
    assert SYSMON in text


def test_the_output_s_ending_says_the_format(lake, tmp_path):
    output = tmp_path / "sources.yaml"
    done = CliRunner().invoke(app, ["coverage", "--lake", str(lake.root), "--output", str(output)])
    assert done.exit_code == 0, done.output
    assert yaml.safe_load(output.read_text())["file_type"] == "data-source-administration"


def test_an_empty_lake_is_covered_by_nothing(tmp_path, duckdb_engine):
    empty = lake_of(tmp_path / "lake", {})
    seen = survey(empty, engine=duckdb_engine, now=LATER)
    assert (seen.tables, seen.silences, seen.clocks, seen.end) == ((), (), (), None)
    assert face.head(seen) == "0 events in 0 tables of 0 hosts."
    assert yaml.safe_load(administration(seen, today=date(2026, 4, 1)))["data_sources"] == []
    assert page(seen)


def test_times_not_to_be_believed_stretch_no_span(tmp_path, duckdb_engine):
    rows = [*ticks("a", steady(1)), {**started(START, "a"), "_time": None}]
    (table,) = survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=duckdb_engine, now=LATER).tables
    assert (table.events, table.timeless, table.days) == (25, 1, 1)


def test_real_captures_are_surveyed_end_to_end(real_data, tmp_path):
    """Captures of one network as a user reads them: ingest tells of new tables, coverage of what they fill."""
    logs = sorted((real_data / "mordor").glob("*psexec*.zip"))[:1] or sorted((real_data / "mordor").glob("*.zip"))[:1]
    assert logs
    where = ["--lake", str(tmp_path / "lake")]
    done = CliRunner().invoke(app, ["ingest", *map(str, logs), *where])
    assert done.exit_code == 0, done.output
    assert "New tables: " in done.output
    again = CliRunner().invoke(app, ["ingest", *map(str, logs), *where])
    assert "New tables: " not in again.output
    told = CliRunner().invoke(app, ["coverage", *where, "--format", "json"])
    rows = {(row["kind"], row["name"]): row for row in json.loads(told.stdout)}
    assert rows["table", SYSMON]["events"] > 0
    process = rows["view", "process"]
    shares = dict(zip(process["filled"], process["shares"], strict=True))
    assert shares["process.name"] > 0.9
    assert not [row for row in rows.values() if row["kind"] == "clock" and row["name"] in ("future", "zone")]
