"""Kinds of accounts, places of addresses, and the analytics on logons of an office made by hand."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest

from vizsla.analytic import Analytic
from vizsla.analytics import registry
from vizsla.analytics.impossible_travel import _said
from vizsla.engine import Engine
from vizsla.errors import AnalyticError
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of
from vizsla.lake import Lake
from vizsla.ueba.geo import distance, locator
from vizsla.ueba.habits import WAYS, kinds, slots

MONDAY = datetime(2025, 3, 3, tzinfo=UTC)
DAYS = 10
ATTACK = MONDAY + timedelta(days=DAYS, hours=14)
PEOPLE = ("ada", "ben", "cleo", "dana", "eli", "fay", "gus", "hal")
Row = tuple[datetime, str, str, str, str]  # when, on which host, who, type, from where


def week() -> Iterator[Row]:
    """People at their own computers and on two servers, two services around the clock; on the last day svc_backup
    goes from ws0 to srv1 by hand and on from there to dc01."""
    for day in range(DAYS + 1):
        at = MONDAY + timedelta(days=day)
        for i, who in enumerate(PEOPLE):
            own = f"10.0.0.{i + 1}"
            yield at + timedelta(hours=8, minutes=i), "dc01", f"ws{i}$", "3", own
            yield at + timedelta(hours=8, minutes=5 + i), f"ws{i}", who, "2", "-"
            yield at + timedelta(hours=13, minutes=5 + i), f"ws{i}", who, "7", "-"
            yield at + timedelta(hours=9 + i % 3, minutes=i), f"srv{i % 2}", who, "3", own
        yield at + timedelta(hours=8), "dc01", "srv0$", "3", "10.0.1.1"
        yield at + timedelta(hours=8), "dc01", "srv1$", "3", "10.0.1.2"
        for hour in range(24):
            yield at + timedelta(hours=hour, minutes=30), "srv0", "svc_backup", "3", "10.0.1.2"
            yield at + timedelta(hours=hour, minutes=40), "srv1", "svc_scan", "3", "10.0.1.1"
    yield ATTACK, "ws0", "svc_backup", "10", "10.0.0.2"
    yield ATTACK + timedelta(minutes=7), "srv1", "svc_backup", "10", "10.0.0.1"
    yield ATTACK + timedelta(minutes=20), "dc01", "svc_backup", "3", "10.0.1.2"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    rows = sorted(week())
    time, host, user, kind, source = (list(column) for column in zip(*rows, strict=True))
    ids = [hashlib.md5(f"{n}{row}".encode()).hexdigest() for n, row in enumerate(rows)]
    lake = Lake.open(tmp_path_factory.mktemp("ueba") / "lake", create=True)
    lake.append({"windows_security": [pa.RecordBatch.from_pydict({
        "_id": ids, "_time": pa.array(time, pa.timestamp("us", tz="UTC")), "_host": [f"{h}.corp" for h in host],
        "_day": [t.strftime("%Y-%m-%d") for t in time], "_origin": [f"a#{n}" for n in range(len(time))],
        "EventID": ["4624"] * len(time), "TargetUserName": user, "LogonType": kind, "IpAddress": source,
        "TargetLogonId": [f"0x{id[:8]}" for id in ids],
    })]})  # fmt: skip
    return lake


def found(name: str, lake: Lake, engine: Engine) -> list[dict[str, Any]]:
    """What an analytic observes on the last day, the most unusual first."""
    analytic = registry()[name]
    assert isinstance(analytic, Analytic)
    edge = MONDAY + timedelta(days=DAYS)
    state = analytic.learn(engine, scans_of(lake, engine, until=edge))
    seen = observe(engine, scans_of(lake, engine, since=edge), analytic, state)
    return seen.sort_by([("score", "descending"), ("_time", "ascending")]).to_pylist()


def test_a_service_account_on_a_new_host_leads(lake: Lake, duckdb_engine: Engine) -> None:
    rows = found("access_edge", lake, duckdb_engine)
    stolen = [row for row in rows if "svc_backup" in row["why"] and "for the first time" in row["why"]]
    assert {rows.index(row) for row in stolen} <= set(range(8))
    assert {"ws0.corp", "srv1.corp", "dc01.corp"} <= {row["_host"] for row in stolen}
    first = next(row for row in stolen if "logged on to ws0" in row["why"])
    assert "1 of 10 accounts ever did" in first["why"]
    assert "usual: srv0 (10 days)" in first["why"]
    assert first["logon_id"].startswith("0x")
    assert max(row["score"] for row in rows if row["_time"] < ATTACK) < 1


def test_the_path_is_followed_from_host_to_host(lake: Lake, duckdb_engine: Engine) -> None:
    rows = found("logon_path", lake, duckdb_engine)
    assert rows[0]["_host"] == "dc01.corp"
    assert rows[0]["why"].startswith("3 new logons in a row, from ws1 to ws0 at 14:00 by svc_backup")
    assert len(rows[0]["event_ids"]) == 3
    assert [row["score"] > 0 for row in rows[:3]] == [True, True, False]


def test_a_service_that_logs_on_by_hand_acts_like_a_person(lake: Lake, duckdb_engine: Engine) -> None:
    rows = found("service_account", lake, duckdb_engine)
    assert "svc_backup acts like a service" in rows[0]["why"]
    assert "is rather what a person does" in rows[0]["why"]
    assert rows[0]["why"].startswith("RemoteInteractive logon of svc_backup")
    assert rows[0]["score"] > 2
    assert {row["pattern"] for row in rows if row["score"] > 1} == {"svc_backup as RemoteInteractive"}


def ways() -> pa.Table:
    rows = [(user, kind, slot, day, 1) for day in range(10) for user, kind, slot in
            [("ada", "Interactive", 3), ("ada", "Unlock", 4), ("ben", "Interactive", 3), ("ben", "Unlock", 5),
             *(("svc", "Network", s) for s in range(8)), *(("bat", "Batch", s) for s in range(8))]]  # fmt: skip
    return pa.Table.from_pylist([dict(zip(WAYS.names, row, strict=True)) for row in rows], WAYS)


def test_accounts_are_told_apart_and_only_the_other_kind_counts() -> None:
    known = kinds(ways())
    assert [known.is_service[known.users[name]] > 0.9 for name in ("ada", "ben", "svc", "bat")] == [
        False, False, True, True]  # fmt: skip
    assert known.bits("svc", "Interactive", 3) > 2
    assert known.bits("ada", "Batch", 0) > 2
    assert known.bits("svc", "Network", 7) == known.bits("ada", "Interactive", 3) == known.bits("new", "Batch", 0) == 0


def test_slots_are_three_hours_of_workdays_or_weekends() -> None:
    import numpy as np

    monday = int(MONDAY.timestamp()) // 3600
    assert slots(np.array([monday, monday + 23, monday + 5 * 24 + 4])).tolist() == [0, 7, 9]


def test_distances_are_those_of_the_globe() -> None:
    assert distance((52.52, 13.40), (40.71, -74.01)) == pytest.approx(6385, abs=15)
    assert distance((0, 0), (0, 180)) == pytest.approx(20015, abs=5)
    assert distance((10, 10), (10, 10)) == 0


@pytest.fixture
def geoip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "geo.csv"
    file.write_text(
        "network,latitude,longitude\n10.0.0.0/8,52.5,13.4\n10.0.1.0/24,40.7,-74.0\n2001:db8::/32,1,2\n", "utf-8"
    )
    monkeypatch.setenv("VIZSLA_GEOIP", str(file))
    return file


def test_the_most_particular_network_places_an_address(geoip: Path) -> None:
    locate = locator()
    assert locate is not None
    told = [locate(ip) for ip in ("10.0.0.9", "10.0.1.9", "2001:db8::5", "192.0.2.1", "no address")]
    assert told == [(52.5, 13.4), (40.7, -74.0), (1.0, 2.0), None, None]
    geoip.write_text("network,lat\nx,1\n", "utf-8")
    with pytest.raises(AnalyticError, match="no network with its place"):
        locator()


def test_maxminds_format_is_read_by_its_own_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Reader:
        def get(self, address: str) -> object:
            if address == "no address":
                raise ValueError(address)
            return {"location": {"latitude": 1.5, "longitude": 2}} if address == "192.0.2.1" else {"country": {}}

    file = tmp_path / "geo.mmdb"
    file.write_bytes(b"")
    monkeypatch.setenv("VIZSLA_GEOIP", str(file))
    reader = ModuleType("maxminddb")
    reader.__dict__.update(open_database=lambda _: Reader(), InvalidDatabaseError=RuntimeError)
    monkeypatch.setitem(sys.modules, "maxminddb", reader)
    locate = locator()
    assert locate is not None
    assert [locate(ip) for ip in ("192.0.2.1", "192.0.2.2", "no address")] == [(1.5, 2.0), None, None]
    monkeypatch.setitem(sys.modules, "maxminddb", None)
    with pytest.raises(AnalyticError, match="need maxminddb"):
        locator()


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIZSLA_GEOIP", "/nowhere/geo.mmdb")
    with pytest.raises(AnalyticError, match="no such GeoIP file"):
        locator()


def test_two_places_within_minutes_are_impossible(geoip: Path, lake: Lake, duckdb_engine: Engine) -> None:
    rows = found("impossible_travel", lake, duckdb_engine)
    assert rows[0]["pattern"] == "travel of svc_backup"
    assert "km/h" in rows[0]["why"]
    assert rows[0]["score"] > 3
    assert len(rows[0]["event_ids"]) == 2
    assert max(row["score"] for row in rows if "svc_backup" not in row["pattern"]) == 0


@pytest.mark.parametrize(
    ("seconds", "said"), [(3, "1 minute,"), (90, "2 minutes,"), (3_500, "58 minutes,"), (5_400, "1.5 hours,")]
)
def test_how_long_a_travel_took(seconds: int, said: str) -> None:
    begun = int(MONDAY.timestamp() * 1e6)
    there = {"user": "ada", "ip": "192.0.2.1", "first": begun}
    here = {"user": "ada", "ip": "192.0.2.2", "first": begun + seconds * 1_000_000}
    assert f" km in {said} " in _said(here, (0.0, 90.0), there, (0.0, 0.0))


def test_without_a_file_nothing_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, lake: Lake, duckdb_engine: Engine
) -> None:
    monkeypatch.delenv("VIZSLA_GEOIP", raising=False)
    assert found("impossible_travel", lake, duckdb_engine) == []
