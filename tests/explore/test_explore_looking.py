from __future__ import annotations

from datetime import timedelta

import pytest
from explore_samples import at

from vizsla.analytic import Need
from vizsla.errors import UsageError, ViewError
from vizsla.explore import around, coverage, events, stack, view, views_filled
from vizsla.explore.coverage import gaps, lacking
from vizsla.explore.events import TELLING
from vizsla.view import views


def test_stack_puts_the_rarest_first(lake, each_engine):
    found = stack(lake, "process", ["process.name"], engine=each_engine).to_pylist()
    assert [(r["process.name"], r["events"], r["hosts"]) for r in found] == [
        ("EVIL.exe", 1, 1),
        ("lost.exe", 1, 1),
        ("notepad.exe", 1, 1),
        ("cmd.exe", 9, 3),
    ]
    assert found[-1]["first"] == at(1, 0)
    assert found[-1]["last"] == at(1, 8)
    assert found[1]["first"] is None


def test_stack_by_another_field_counts_it(lake):
    found = stack(lake, "process", ["event.action"], by="user.name").to_pylist()
    assert found[0]["by user.name"] == 2
    by_host = stack(lake, "process", ["process.name"], by="host", limit=2).to_pylist()
    assert [r["hosts"] for r in by_host] == [1, 1]


def test_stack_of_a_native_table(lake):
    found = stack(lake, "windows_sysmon", ["EventID"]).to_pylist()
    assert [(r["EventID"], r["events"]) for r in found] == [("3", 1), ("1", 12)]


def test_stack_leaves_out_rows_that_say_nothing(lake):
    assert stack(lake, "network", ["process.name"]).to_pylist()[0]["events"] == 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda lake: stack(lake, "nosuch", ["a"]), "no view or table"),
        (lambda lake: stack(lake, "process", ["nosuch"]), "no field 'nosuch'"),
        (lambda lake: stack(lake, "process", []), "no field was named"),
        (lambda lake: events(lake, "process", where="nosuch = 1"), "no field 'nosuch'"),
        (lambda lake: events(lake, "http", user="ann", limit=1), None),
    ],
)
def test_what_is_unknown_is_said(lake, call, says):
    if says is None:
        assert call(lake).num_rows == 0
        return
    with pytest.raises((UsageError, ViewError), match=says):
        call(lake)


def test_events_come_in_order_with_those_without_a_time_last(lake, each_engine):
    found = events(lake, "process", engine=each_engine)
    names = found.column("process.name").to_pylist()
    assert names[-3:] == ["EVIL.exe", "notepad.exe", "lost.exe"]
    assert "process.parent.name" not in found.column_names  # no event fills it
    assert events(lake, "process", limit=2).num_rows == 2


@pytest.mark.parametrize(
    ("limits", "names"),
    [
        ({"host": "WS1", "since": at(4, 0)}, ["EVIL.exe", "notepad.exe"]),
        ({"host": "ws1.corp", "until": at(1, 2)}, ["cmd.exe"]),
        ({"host": "ws"}, []),
        ({"user": "bob"}, ["notepad.exe"]),
        ({"user": "CORP\\BOB"}, ["notepad.exe"]),
        ({"where": "process.name like 'evil%' and user.domain = 'CORP'"}, ["EVIL.exe"]),
    ],
)
def test_events_are_narrowed(lake, each_engine, limits, names):
    assert _names(events(lake, "process", engine=each_engine, **limits)) == names


def _names(table):
    return table.column("process.name").to_pylist() if table.num_rows else []


def test_every_view_has_a_field_that_tells_of_an_event_in_short() -> None:
    assert sorted(TELLING) == sorted(views())
    for name, fields in TELLING.items():
        assert set(fields) & {field.name for field in views()[name].fields}


def test_around_tells_all_that_a_host_did(lake, each_engine):
    middle = at(4, 9)
    found = around(
        lake, ["WS1.corp"], middle - timedelta(minutes=5), middle + timedelta(minutes=10), engine=each_engine
    ).to_pylist()
    assert [(r["view"], r["event.action"], r["what"]) for r in found] == [
        ("authentication", "logon", "Network"),
        ("process", "process-started", "evil -x 'y'"),
        ("process", "process-started", "C:\\Windows\\notepad.exe"),
        ("network", "connection", "9.9.9.9"),
    ]


def test_views_filled_counts_events_by_table(lake, each_engine):
    found = {(r["view"], r["table"]): r for r in views_filled(lake, engine=each_engine).to_pylist()}
    assert found["process", "windows_sysmon"]["events"] == 12
    assert found["network", "windows_sysmon"]["events"] == 1
    assert found["network", "zeek_conn"]["fields"] == [
        "event.action",
        "source.ip",
        "destination.ip",
        "destination.port",
    ]
    assert found["http", None]["events"] == 0


def test_coverage_shows_gaps_and_what_is_lacking(lake):
    rows = {(r["kind"], r["name"]): r for r in coverage(lake).to_pylist()}
    table = rows["table", "windows_sysmon"]
    assert (table["events"], table["hosts"], table["days"], table["host_days"]) == (13, 3, 2, 4)
    assert table["gaps"] == ["2026-03-02..2026-03-03"]
    assert (table["first"], table["last"]) == (at(1, 0), at(4, 9, 6))
    assert "zeek_http" in rows["view", "http"]["lacks"]
    assert "process.parent.name" in rows["view", "process"]["lacks"]
    assert "process.name" in rows["view", "process"]["filled"]


def test_coverage_says_what_analytics_lack(lake):
    rows = {r["name"]: r["lacks"] for r in coverage(lake).to_pylist() if r["kind"] == "analytic"}
    assert "rarity" in rows
    held = {"process": {"a", "b"}, "dns": None}
    assert lacking(Need(("process",), ("a",)), held) == ""
    assert lacking(Need(("dns", "process"), ("a", "c")), held) == "dns or process with c"
    assert lacking(Need(("process", "dns"), ("b",)), held) == ""
    assert lacking(Need(("zeek_conn",)), held) == "zeek_conn"


def test_gaps_of_a_day_and_of_several():
    assert gaps({"2026-01-01", "2026-01-03", "2026-01-06", "2026-01-07"}) == ["2026-01-02", "2026-01-04..2026-01-05"]
    assert gaps(set()) == []


def test_a_view_is_an_ibis_table(lake):
    table = view(lake, "process")
    assert table.filter(table["process.name"] == "EVIL.exe").count().execute() == 1
