"""What a hunt is about: of a view the events that it holds, and no others of their tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from hunt_samples import START, lake_of, sysmon
from vizsla.engine import Engine
from vizsla.hunt import hunt
from vizsla.hunt.scope import scans_of
from vizsla.lake import Lake
from vizsla.nouns import HuntRequest
from vizsla.nouns.event import ID
from vizsla.view import view_table, views

SECURITY = ("4624", "4625", "4672", "4688", "4689", "4698", "5140", "5145", "5156", "4720", "1102", "9999")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Security and Sysmon events of many kinds, and tables that mappings know by how their names begin."""
    home = tmp_path_factory.mktemp("scope") / "lake"
    events = [
        {"table": "windows_security", "_time": START, "_host": "ws1", "EventID": number, "ObjectType": kind}
        for number in SECURITY
        for kind in ("File", "-", None)
    ]
    events += [sysmon(number, START, "ws1", Image="C:\\a.exe") for number in range(1, 27)]
    events += [
        {"table": "ecs_endpoint", "_time": START, "_host": "ws2", "event.category": kind, "event.type": "start"}
        for kind in ("process", "network", "file")
    ]  # fmt: skip
    events.append({"table": "zeek_conn", "_time": START, "_host": "ws2", "uid": "C1", "proto": "tcp"})
    lake_of(home, events)
    return home


def test_a_hunt_in_a_view_is_about_the_events_that_it_holds(home: Path, each_engine: Engine) -> None:
    lake, filled, fewer = Lake.open(home), 0, 0
    for name in views():
        scans = scans_of(lake, each_engine, view=name)
        held = [each_engine.collect(each_engine.table(scan).select(ID))[ID].to_pylist() for scan in scans]
        wanted = each_engine.collect(view_table(each_engine, lake, name).select(ID))[ID].to_pylist()
        assert sorted(id for ids in held for id in ids) == sorted(wanted), name
        filled += bool(wanted)
        fewer += len(wanted) < sum(scan.rows for scan in scans)
    assert filled >= 8
    assert fewer >= 6


def test_other_events_of_its_tables_are_not_counted(home: Path) -> None:
    counts = hunt(HuntRequest(lake=str(home), view="authentication")).report.tables
    assert counts["windows_security"] == 3 * len({"4624", "4625", "4672"})
    with_patterns = hunt(HuntRequest(lake=str(home), view="process")).report.tables
    assert with_patterns["ecs_endpoint"] == 1
