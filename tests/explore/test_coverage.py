"""Spans, gaps, silences and clocks of lakes whose troubles are known; the same on every engine."""

from __future__ import annotations

from datetime import timedelta

import pytest
from coverage_samples import START, SYSMON, lake_of, moment, office, started, steady, ticks

from vizsla.analytic import Need
from vizsla.analytics import registry
from vizsla.explore import coverage, survey
from vizsla.explore.coverage import Demand, demands, words
from vizsla.nouns.coverage import DemandSeen

LATER = START + timedelta(days=400)


def test_hours_missing_from_a_continuous_table_are_told(tmp_path, each_engine):
    hours = steady(4, without=range(30, 34))
    lake = lake_of(tmp_path / "lake", {SYSMON: ticks("a", hours) + ticks("b", hours)})
    found = survey(lake, engine=each_engine, now=LATER)
    (table,) = found.tables
    assert (table.events, table.hosts, table.days, table.host_days) == (184, 2, 4, 8)
    assert table.gaps == ()
    assert table.hour_gaps == ("2026-03-03T06..2026-03-03T09",)
    assert (table.first, table.last) == (moment(0, 0.25), moment(3, 23.25))
    assert [(gap.host, gap.hours, gap.first) for gap in found.host_gaps] == [
        ("a", 4, moment(1, 6)),
        ("b", 4, moment(1, 6)),
    ]
    assert found.silences == ()
    assert found.clocks == ()


def test_a_table_with_events_now_and_then_has_gaps_in_days_alone(tmp_path, duckdb_engine):
    rows = [started(moment(day, hour), "a") for day in (0, 1, 4) for hour in (9, 15)]
    found = survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=duckdb_engine, now=LATER)
    assert found.tables[0].gaps == ("2026-03-04..2026-03-05",)
    assert found.tables[0].hour_gaps == ()
    assert found.host_gaps == ()


def test_the_last_moment_of_an_hour_is_of_that_hour(tmp_path, each_engine):
    rows = [started(moment(0, 1) + timedelta(minutes=59, seconds=59, microseconds=900_000), "a")]
    rows += [started(moment(0, 3), "b")]
    found = survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=each_engine, now=LATER)
    assert found.end == moment(0, 3)
    assert found.tables[0].first == rows[0]["_time"]


def test_a_host_that_fell_silent_is_told_with_how_unusual_that_is(tmp_path, each_engine):
    rows = ticks("gone", steady(6, until=100, without=range(50, 53)))
    rows += [row for host in ("a", "b", "c") for row in ticks(host, steady(6))]
    found = survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=each_engine, now=LATER)
    (silence,) = found.silences
    assert (silence.host, silence.table, silence.since) == ("gone", "", moment(4, 3.25))
    assert (silence.hours, silence.longest_before, silence.pauses) == (44, 3, 1)
    assert (silence.alike, silence.among) == (0, 3)
    said = words.silence(silence)
    assert "silent since 2026-03-06 03:15 UTC, 1 day 20 hours" in said
    assert "the longest of 1 silence before was 3 hours" in said


def test_a_host_that_is_often_silent_as_long_is_not_told(tmp_path, duckdb_engine):
    at_work = [day * 24 + hour for day in range(6) for hour in range(8, 17)]
    rows = ticks("worker", at_work) + ticks("server", steady(6)) + ticks("other", steady(6))
    found = survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=duckdb_engine, now=LATER)
    assert found.silences == ()  # from five to midnight it is silent every day


def test_a_host_whose_one_log_fell_silent_is_told_with_that_log(tmp_path, duckdb_engine):
    all_day, cut = steady(5), steady(5, until=90)
    lake = lake_of(
        tmp_path / "lake",
        {
            SYSMON: ticks("a", cut) + ticks("b", all_day) + ticks("c", all_day),
            "windows_security": [row for host in ("a", "b", "c") for row in ticks(host, all_day)],
            "windows_system": [row for host in ("b", "c") for row in ticks(host, cut)],
        },
    )
    found = survey(lake, engine=duckdb_engine, now=LATER)
    assert [(s.host, s.table, s.hours) for s in found.silences] == [("", "windows_system", 30), ("a", SYSMON, 30)]


def test_many_that_went_at_the_same_time_are_told_as_alike(tmp_path, duckdb_engine):
    rows = [row for host in "abcde" for row in ticks(host, steady(4, until=80))]
    rows += [row for host in "xy" for row in ticks(host, steady(4))]
    found = survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=duckdb_engine, now=LATER)
    assert {(s.host, s.alike, s.among) for s in found.silences} == {(host, 4, 6) for host in "abcde"}


def test_addresses_of_the_internet_are_no_hosts_to_wait_for(tmp_path, duckdb_engine):
    rows = ticks("8.8.8.8", steady(4, until=50)) + ticks("10.0.0.7", steady(4, until=50))
    rows += ticks("a", steady(4)) + ticks("b", steady(4))
    found = survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=duckdb_engine, now=LATER)
    assert [s.host for s in found.silences] == ["10.0.0.7"]


@pytest.mark.parametrize("shift", [2, -3])
def test_a_host_whose_clock_is_hours_off_is_told(tmp_path, each_engine, shift):
    hosts = {f"ws{n}": office(12, n) for n in range(7)} | {"odd": office(12, 99, shift)}
    rows = [row for host, hours in hosts.items() for row in ticks(host, [h for h in hours if h >= 0])]
    found = survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=each_engine, now=LATER)
    told = [(c.kind, c.host, c.seconds) for c in found.clocks if c.kind in ("shifted", "zone")]
    assert told == [("shifted", "odd", shift * 3600)]


def test_hosts_that_work_alike_have_no_clock_to_blame(tmp_path, duckdb_engine):
    rows = [row for n in range(8) for row in ticks(f"ws{n}", office(12, n))]
    rows += ticks("server", steady(12))
    found = survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=duckdb_engine, now=LATER)
    assert [c for c in found.clocks if c.kind in ("shifted", "zone")] == []


def test_a_table_in_another_zone_than_the_host_itself_is_told(tmp_path, duckdb_engine):
    lake = lake_of(
        tmp_path / "lake",
        {
            SYSMON: ticks("a", office(12, 1)),
            "windows_security": ticks("a", office(12, 2)),
            "linux_syslog": ticks("a", [h for h in office(12, 3, 2) if h % 3][:400]),
        },
    )
    found = survey(lake, engine=duckdb_engine, now=LATER)
    assert [(c.kind, c.host, c.table, c.seconds) for c in found.clocks] == [("zone", "a", "linux_syslog", 7200)]


def test_two_clocks_of_one_event_that_disagree_are_told(tmp_path, each_engine):
    right = ticks("right", steady(2))
    wrong = [
        {**row, "UtcTime": f"{row['_time'] - timedelta(hours=2):%Y-%m-%d %H:%M:%S}.5"}
        for row in ticks("wrong", steady(2))
    ]
    wrong[3]["UtcTime"] = "no time"
    found = survey(lake_of(tmp_path / "lake", {SYSMON: right + wrong}), engine=each_engine, now=LATER)
    (clock,) = found.clocks
    assert (clock.kind, clock.host, clock.table, clock.seconds) == ("second", "wrong", SYSMON, 7200)
    assert "Sysmon's UtcTime, in 47 of 47 events" in clock.rests_on
    assert words.clock(clock).startswith("wrong in windows_sysmon: 2 h ahead; has two clocks that disagree")


def test_a_clock_that_was_set_back_is_told_by_the_order_of_records(tmp_path, each_engine):
    hours = [n / 10 for n in range(60)] + [n / 10 - 0.5 for n in range(60, 120)]
    rows = ticks("back", hours) + ticks("right", [n / 10 for n in range(120)])
    rows += [started(moment(0, 1), "mixed", (n * 7) % 61) for n in range(61)]  # no order at all
    found = survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=each_engine, now=LATER)
    (clock,) = found.clocks
    assert (clock.kind, clock.host, clock.seconds) == ("back", "back", -1440)


def test_events_of_the_future_and_logs_that_end_after_all_others_are_told(tmp_path, duckdb_engine):
    rows = [row for host in "abcd" for row in ticks(host, steady(2))]
    rows += ticks("fast", [hour + 2 for hour in steady(2)])
    lake = lake_of(tmp_path / "lake", {SYSMON: rows})
    (clock,) = survey(lake, engine=duckdb_engine, now=LATER).clocks
    assert (clock.kind, clock.host, clock.seconds) == ("ahead", "fast", 7200)
    (clock,) = survey(lake, engine=duckdb_engine, now=moment(2, 0)).clocks
    assert (clock.kind, clock.host, clock.seconds) == ("future", "fast", 4500)


def test_views_tell_the_share_of_events_that_fill_each_field(tmp_path, each_engine):
    rows = [started(moment(0, hour), "a", User="CORP\\ann" if hour % 4 else "-") for hour in range(8)]
    rows += [{"_time": moment(0, 9), "_host": "a", "EventID": "3", "DestinationIp": "::ffff:10.0.0.1"}]
    found = survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=each_engine, now=LATER)
    process = next(view for view in found.views if view.name == "process")
    filled = dict(process.filled)
    assert process.events == 8
    assert (filled["process.name"], filled["user.name"], filled["event.action"]) == (8, 6, 8)
    assert "process.command_line" in process.lacks
    assert process.actions == (("process-started", 8),)
    network = next(view for view in found.views if view.name == "network")
    assert dict(network.filled)["destination.ip"] == 1
    row = next(r for r in coverage(lake_of(tmp_path / "b", {SYSMON: rows})).to_pylist() if r["name"] == "process")
    assert dict(zip(row["filled"], row["shares"], strict=True))["user.name"] == 0.75


def test_what_is_lacking_is_ranked_by_what_it_would_enable(tmp_path, duckdb_engine, monkeypatch):
    asked = [
        Demand("rule", "lsass", (Need(("process",), ("process.command_line",)),)),
        Demand("rule", "tunnel", (Need(("dns",), ("dns.question.name",)), Need(("zeek_weird",)))),
        Demand("rule", "names", (Need(("dns",), ("dns.question.name",)),)),
        Demand("rule", "lines", (Need(("process",), ("process.name", "process.command_line")),)),
        Demand("rule", "runs", (Need(("process",), ("process.name",)),)),
    ]
    monkeypatch.setattr(demands, "_PROVIDERS", dict(demands._PROVIDERS))
    monkeypatch.setattr(demands, "MOST", 1_000)  # what our own analytics lack must not push these out
    demands.register("rule", lambda: asked)
    lake = lake_of(tmp_path / "lake", {SYSMON: ticks("a", steady(1))})
    found = survey(lake, engine=duckdb_engine, now=LATER)
    lacks = {seen.name: seen.lacks for seen in found.demands if seen.kind == "rule"}
    assert lacks["runs"] == ()
    assert lacks["lsass"] == ("process with process.command_line",)
    assert lacks["tunnel"] == ("dns", "zeek_weird")
    by_name = {missing.name: missing.demands for missing in found.missing}
    of_rules = [demand for demand in by_name["process.process.command_line"] if demand[0] == "rule"]
    assert of_rules == [("rule", "lsass"), ("rule", "lines")]
    assert ("rule", "names") in by_name["zeek_dns"]
    assert ("rule", "tunnel") not in by_name["zeek_dns"]  # it lacks another log, too
    enabled = [len(missing.demands) for missing in found.missing]
    assert enabled == sorted(enabled, reverse=True)
    assert enabled[0] >= 2


def test_every_analytic_is_among_what_needs_logs(tmp_path, duckdb_engine):
    lake = lake_of(tmp_path / "lake", {SYSMON: ticks("a", steady(1))})
    seen = {demand.name: demand for demand in survey(lake, engine=duckdb_engine).demands}
    assert set(seen) == set(registry())
    assert seen["rarity"] == DemandSeen("analytic", "rarity", ())


def test_a_quick_look_tells_of_hosts_and_hours_alone(tmp_path, duckdb_engine):
    rows = ticks("gone", steady(5, until=60)) + ticks("a", steady(5)) + ticks("b", steady(5))
    found = survey(lake_of(tmp_path / "lake", {SYSMON: rows}), engine=duckdb_engine, now=LATER, quick=True)
    assert [s.host for s in found.silences] == ["gone"]
    assert found.views == ()
    assert found.missing == ()
