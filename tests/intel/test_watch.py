"""Patterns against a lake that grows: what is kept is what evaluating all at once finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from vizsla.engine import Engine
from vizsla.engines import connect
from vizsla.intel import patterns, watch
from vizsla.intel.active import standing
from vizsla.intel.pattern import parse
from vizsla.intel.patterns import evaluate
from vizsla.intel.seek import seek_kept_patterns
from vizsla.intel.sightings import bundle, sightings
from vizsla.intel.store import Store
from vizsla.lake import Lake
from vizsla.nouns.indicator import Claim

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ONE = "[domain-name:value = 'a.evil.com']"
TWO = "[domain-name:value = 'a.evil.com'] FOLLOWEDBY [domain-name:value = 'b.evil.com']"
FOUR = "([domain-name:value = 'a.evil.com'] AND [domain-name:value = 'c.evil.com']) WITHIN 5 SECONDS"


def dns(lake: Lake, at: int, *names: str, host: str = "pc1") -> None:
    n = len(names)
    lake.append({"zeek_dns": [pa.record_batch({
        "_id": pa.array([f"{at + i:032x}" for i in range(n)]),
        "_time": pa.array([NOW + timedelta(seconds=at + i) for i in range(n)], pa.timestamp("us", tz="UTC")),
        "_host": pa.array([host] * n), "_origin": pa.array(["x"] * n), "_day": pa.array(["2026-11-22"] * n),
        "query": pa.array(names),
    })]})  # fmt: skip


def asked(*texts: str) -> pa.Table:
    return pa.table({"id": list(texts), "type": ["pattern"] * len(texts), "value": list(texts)})


def kept(lake: Lake) -> set[tuple[str, tuple[str, ...]]]:
    found = sightings(lake)
    return {
        (by, tuple(ids)) for by, ids in zip(*(found[name].to_pylist() for name in ("indicator", "events")), strict=True)
    }


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Each look: rows of the scan, number of patterns."""
    calls: list[tuple[int, int]] = []

    def look(engine, scan, ready):
        calls.append((scan.rows, len(ready)))
        patterns.look(engine, scan, ready)

    monkeypatch.setattr(watch, "look", look)
    return calls


def test_new_events_and_new_patterns(tmp_path: Path, looked: list[tuple[int, int]], each_engine: Engine) -> None:
    engine = each_engine
    lake = Lake.open(tmp_path, create=True)
    dns(lake, 0, "a.evil.com", "good.com")
    first = seek_kept_patterns(engine, lake, asked(ONE, TWO), NOW)
    assert (first.fresh, first.events, first.sightings) == (2, 2, 1)
    again = seek_kept_patterns(engine, lake, asked(ONE, TWO), NOW)
    assert (again.fresh, again.events, again.sightings) == (0, 0, 0)
    assert looked == [(2, 2)]
    dns(lake, 10, "b.evil.com")  # completes what began before
    assert seek_kept_patterns(engine, lake, asked(ONE, TWO), NOW).sightings == 1
    assert looked[1:] == [(1, 2)]
    assert kept(lake) == {(ONE, (f"{0:032x}",)), (TWO, (f"{0:032x}", f"{10:032x}"))}
    dns(lake, 2, "c.evil.com")  # late, and of a pattern that comes later still
    more = seek_kept_patterns(engine, lake, asked(ONE, TWO, FOUR), NOW)
    assert (more.fresh, more.sightings) == (1, 1)
    assert looked[2:] == [(1, 2), (4, 1)]
    whole = evaluate(engine, [lake.scan("zeek_dns")], {text: parse(text) for text in (ONE, TWO, FOUR)})
    assert kept(lake) == {(hit.by, tuple(id for _, id in hit.events)) for hit in whole.hits}


def test_a_pattern_that_comes_back_is_looked_for_in_all(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path, create=True)
    dns(lake, 0, "x.com")
    with connect() as engine:
        seek_kept_patterns(engine, lake, asked(ONE), NOW)
        dns(lake, 1, "a.evil.com")
        assert seek_kept_patterns(engine, lake, asked(), NOW).sightings == 0
        assert seek_kept_patterns(engine, lake, asked(ONE), NOW).sightings == 1


def test_files_of_observations_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "FILES", 3)
    lake = Lake.open(tmp_path, create=True)
    with connect() as engine:
        for number in range(8):
            dns(lake, 10 * number, "a.evil.com")
            seek_kept_patterns(engine, lake, asked(TWO), NOW)
        assert 1 <= len(list((tmp_path / "sightings" / "observed").iterdir())) <= 3
        dns(lake, 1000, "b.evil.com")
        assert seek_kept_patterns(engine, lake, asked(TWO), NOW).sightings == 1


def test_observations_without_end_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MOST", 3)
    lake = Lake.open(tmp_path, create=True)
    dns(lake, 0, *["a.evil.com"] * 5)
    with connect() as engine:
        done = seek_kept_patterns(engine, lake, asked(TWO, ONE), NOW)
        assert done.sightings == 5
        assert "more than 3 events" in done.unable[TWO]
        assert "more than 3 events" in seek_kept_patterns(engine, lake, asked(TWO, ONE), NOW).unable[TWO]


def test_sightings_of_patterns_are_exported(tmp_path: Path) -> None:
    lake = Lake.open(tmp_path, create=True)
    store = Store(lake)
    store.add([Claim("pattern", TWO, "eset", raw=TWO)], "eset", now=NOW)
    dns(lake, 0, "a.evil.com", "b.evil.com")
    with connect() as engine:
        seek_kept_patterns(engine, lake, standing(store, None), NOW)
    found = sightings(lake)
    assert found["feeds"].to_pylist() == [["eset"]]
    told = bundle(found, standing(store, None), NOW)["objects"]
    (indicator,) = [one for one in told if one["type"] == "indicator"]
    (seen,) = [one for one in told if one["type"] == "sighting"]
    assert (indicator["pattern"], seen["sighting_of_ref"], seen["count"]) == (TWO, indicator["id"], 1)
