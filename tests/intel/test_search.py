"""New indicators against old events, new events against all: each pair once, whatever happens between."""

from __future__ import annotations

import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from match_samples import slow, table_of
from vizsla.engines import connect
from vizsla.intel.found import Found
from vizsla.intel.search import Searched, search
from vizsla.intel.sightings import sightings
from vizsla.intel.state import Room
from vizsla.lake import Lake

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def events(first: int, count: int, day: str = "2026-01-02") -> dict[str, list[pa.RecordBatch]]:
    """Events of a table, numbered."""
    numbers = range(first, first + count)
    when = datetime.fromisoformat(f"{day}T01:00:00+00:00")
    return {"windows_sysmon": [pa.record_batch({
        "_id": pa.array([f"{n:032x}" for n in numbers]),
        "_time": pa.array([when] * count, pa.timestamp("us", tz="UTC")),
        "_host": pa.array(["pc1"] * count), "_origin": pa.array(["x"] * count), "_day": pa.array([day] * count),
        "EventID": pa.array(["1"] * count),
        "CommandLine": pa.array([f"ping h{n % 50}.evil.com -n {n}" for n in numbers]),
        "DestinationIp": pa.array([f"10.{n % 7}.0.1" if n % 2 else f"2001:db8::{n % 9}" for n in numbers]),
    })]}  # fmt: skip


FIRST = [("domain", "h1.evil.com"), ("cidr", "10.3.0.0/16"), ("ipv6", "2001:db8::4"), ("domain", "nowhere.com")]
SECOND = [("domain", "h2.evil.com"), ("ipv4", "10.5.0.1"), ("cidr", "10.6.0.0/16"), ("cidr", "2001:db8::8/128"),
          ("ipv6", "2001:db8::2"), ("file_name", "?ing"), ("domain", "nowhere.net")]  # fmt: skip


def kept(lake: Lake) -> list[tuple[str, str, str]]:
    table = sightings(lake)
    return sorted(zip(*(table.column(n).to_pylist() for n in ("table", "_id", "indicator")), strict=True))


def test_both_ways_each_once(tmp_path):
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.append(events(0, 200))
    with connect() as engine:
        first = search(engine, lake, table_of(FIRST), now=NOW)
        assert (first.fresh, first.events) == (4, 200)
        assert kept(lake) == sorted(slow(lake, FIRST))
        assert search(engine, lake, table_of(FIRST), now=NOW) == Searched()
        lake.append(events(200, 100, "2026-01-03"))
        second = search(engine, lake, table_of(FIRST + SECOND), now=NOW)
        assert (second.fresh, second.events) == (7, 100)
        assert kept(lake) == sorted(slow(lake, FIRST + SECOND))
        assert second.sightings == len(kept(lake)) - first.sightings
        assert search(engine, lake, table_of(FIRST + SECOND), now=NOW) == Searched()


def test_only_days_that_may_hold_it_are_read_again(tmp_path):
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.append(events(0, 40, "2026-01-02"))
    lake.append(events(40, 10, "2026-01-03"))
    with connect() as engine:
        search(engine, lake, table_of(FIRST), now=NOW)
        done = search(engine, lake, table_of([("domain", "h45.evil.com")]), now=NOW)
        assert (done.again, done.sightings) == (10, 1)
        done = search(engine, lake, table_of([("domain", "h99.evil.com"), ("cidr", "10.9.0.0/16")]), now=NOW)
        assert (done.again, done.sightings) == (0, 0)


def test_compaction_and_expiry(tmp_path):
    lake = Lake.open(tmp_path / "lake", create=True)
    with connect() as engine:
        for n in range(5):
            lake.append(events(n * 20, 20, f"2026-01-0{n + 1}"))
            search(engine, lake, table_of(FIRST), now=NOW)
        before = kept(lake)
        lake.compact()
        assert search(engine, lake, table_of(FIRST + SECOND), now=NOW).events == 0
        assert set(before) <= set(kept(lake)) and kept(lake) == sorted(slow(lake, FIRST + SECOND))
        lake.append(events(100, 20, "2026-01-06"))
        lake.expire(before=datetime(2026, 1, 3, tzinfo=UTC), keep=datetime.max - datetime.max)
        search(engine, lake, table_of(FIRST + SECOND), now=NOW)
        assert set(slow(lake, FIRST + SECOND)) <= set(kept(lake))  # what was seen stays seen
        assert len(kept(lake)) == len(set(kept(lake)))


def test_a_lost_log_means_all_again_but_nothing_twice(tmp_path, monkeypatch):
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.append(events(0, 60))
    with connect() as engine:
        search(engine, lake, table_of(FIRST), now=NOW)
        before = kept(lake)
        lake.append(events(60, 10))
        monkeypatch.setattr(Lake, "later", lambda *_: None)
        done = search(engine, lake, table_of(FIRST), now=NOW)
        assert done.events == 70
        assert kept(lake) == sorted(slow(lake, FIRST)) and set(before) <= set(kept(lake))


def test_a_crash_between_finding_and_knowing(tmp_path, monkeypatch):
    """The state is written after the sightings: what was found and not noted is found again, and kept once."""
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.append(events(0, 60))
    with connect() as engine:
        monkeypatch.setattr(Room, "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            search(engine, lake, table_of(FIRST), now=NOW)
        monkeypatch.undo()
        assert kept(lake)
        search(engine, lake, table_of(FIRST), now=NOW)
        assert kept(lake) == sorted(slow(lake, FIRST))


def test_state_that_is_gone_costs_time_only(tmp_path):
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.append(events(0, 60))
    with connect() as engine:
        search(engine, lake, table_of(FIRST), now=NOW)
        before = kept(lake)
        (lake.root / "sightings" / "state.json").unlink()
        shutil.rmtree(lake.root / "sightings" / "seen")
        assert search(engine, lake, table_of(FIRST), now=NOW).sightings == 0
        assert kept(lake) == before


def test_retired_and_back(tmp_path):
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.append(events(0, 60))
    own = table_of(FIRST)["id"].to_pylist()
    with connect() as engine:
        search(engine, lake, table_of(FIRST), now=NOW)
        lake.append(events(60, 60))
        search(engine, lake, table_of([]), retired=[own[0]], now=NOW)
        assert kept(lake) == sorted(set(slow(lake, FIRST)) - {s for s in slow(lake, FIRST[:1]) if s[1] >= f"{60:032x}"})
        search(engine, lake, table_of(FIRST[:1]), now=NOW)
        assert kept(lake) == sorted(slow(lake, FIRST))


def test_many_small_sets_become_few(tmp_path):
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.append(events(0, 60))
    asked = []
    with connect() as engine:
        for n in range(12):
            asked.append(("domain", f"h{n}.evil.com"))
            search(engine, lake, table_of(asked[-1:]), now=NOW)
            if n == 5:
                lake.append(events(60, 30))
        assert len(Room(lake).load().sets) <= 7
        assert len(list((lake.root / "sightings" / "wanted").iterdir())) == len(Room(lake).load().sets)
        assert kept(lake) == sorted(slow(lake, asked))
        lake.append(events(90, 30))
        search(engine, lake, table_of([]), now=NOW)
        assert kept(lake) == sorted(slow(lake, asked))


def test_feeds_are_told(tmp_path):
    lake = Lake.open(tmp_path / "lake", create=True)
    lake.append(events(0, 60))
    with connect() as engine:
        search(engine, lake, table_of(FIRST), feeds=lambda ids: {one: ["b", "a"] for one in ids}, now=NOW)
    table = sightings(lake)
    assert table["feeds"].to_pylist() == [["a", "b"]] * len(table) and table["matched"].to_pylist() == [NOW] * len(
        table
    )
    assert set(table["field"].to_pylist()) == {"CommandLine", "DestinationIp"}


def test_any_order_of_events_and_indicators(tmp_path):
    rng = random.Random(5)
    for trial in range(4):
        lake = Lake.open(Path(tmp_path) / str(trial), create=True)
        asked, n = [], 0
        pool = [*FIRST, *SECOND]
        rng.shuffle(pool)
        with connect() as engine:
            for _ in range(7):
                if rng.random() < 0.6:
                    lake.append(events(n, 30, f"2026-01-0{rng.randint(1, 4)}"))
                    n += 30
                if rng.random() < 0.6 and pool:
                    asked.append(pool.pop())
                if rng.random() < 0.3:
                    lake.compact()
                search(engine, lake, table_of(asked), now=NOW)
            assert kept(lake) == sorted(slow(lake, asked))


@pytest.mark.spark
def test_spark_keeps_the_same(tmp_path):
    told = []
    for name, master in (("duckdb", None), ("spark", "local[2]")):
        lake = Lake.open(tmp_path / name, create=True)
        lake.append(events(0, 100))
        lake.append(events(100, 50, "2026-01-03"))
        with connect(name, master=master) as engine:
            search(engine, lake, table_of(FIRST), now=NOW)
            done = search(engine, lake, table_of(SECOND), now=NOW)
        order = [("indicator", "ascending"), ("_id", "ascending")]
        told.append((done, sightings(lake).sort_by(order).to_pylist()))
    assert told[0] == told[1]
    assert isinstance(Found(tmp_path, None, NOW).version, int)
