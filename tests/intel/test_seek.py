"""The indicator store against the lake."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from vizsla.engines import connect
from vizsla.intel.seek import seek, seek_patterns
from vizsla.intel.sightings import last_seen, sightings
from vizsla.intel.store import Store
from vizsla.lake import Lake
from vizsla.nouns.indicator import Claim

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def claim(value: str, feed: str = "eset", **more) -> Claim:
    return Claim("domain", value, feed, **more)


def events(lake: Lake, first: int, values: list[str]) -> None:
    n = len(values)
    lake.append({"zeek_dns": [pa.record_batch({
        "_id": pa.array([f"{first + i:032x}" for i in range(n)]),
        "_time": pa.array([NOW + timedelta(seconds=first + i) for i in range(n)], pa.timestamp("us", tz="UTC")),
        "_host": pa.array(["pc1"] * n), "_origin": pa.array(["x"] * n), "_day": pa.array(["2026-11-22"] * n),
        "query": pa.array(values),
    })]})  # fmt: skip


def seen(lake: Lake) -> dict[str, list[str]]:
    table = sightings(lake)
    return dict(zip(table["value"].to_pylist(), table["feeds"].to_pylist(), strict=True))


def test_store_and_lake_grow_together(tmp_path):
    lake = Lake.open(tmp_path, create=True)
    events(lake, 0, ["a.evil.com", "good.com", "worse.com"])
    store = Store(lake)
    store.add([claim("evil.com"), claim("evil.com", "misp")], "eset", now=NOW)
    with connect() as engine:
        first = seek(engine, lake, NOW)
        assert (first.fresh, first.events, first.sightings) == (1, 3, 1)
        assert seek(engine, lake, NOW).events == 0
        store.add([claim("worse.com", "misp")], "misp", now=NOW + timedelta(days=1))
        second = seek(engine, lake, NOW)
        assert (second.fresh, second.events, second.sightings) == (1, 0, 1)
        store.add(
            [claim("evil.com", revoked=True, modified=NOW + timedelta(days=2))], "eset", now=NOW + timedelta(days=2)
        )
        events(lake, 3, ["b.evil.com", "c.worse.com"])
        third = seek(engine, lake, NOW)
        assert third.events == 2
    assert set(seen(lake)) >= {"a.evil.com", "worse.com", "c.worse.com"}
    assert seen(lake)["worse.com"] == ["misp"]
    assert max(last_seen(lake)["last"].to_pylist()) >= NOW + timedelta(seconds=4)


def test_patterns_of_the_store(tmp_path):
    lake = Lake.open(tmp_path, create=True)
    events(lake, 0, ["a.evil.com", "b.evil.com"])
    asked = pa.table({
        "id": ["1", "2", "3"], "type": ["pattern", "pattern", "domain"],
        "value": ["[domain-name:value = 'a.evil.com'] FOLLOWEDBY [domain-name:value = 'b.evil.com']", "[x",
                  "x.com"],
    })  # fmt: skip
    with connect() as engine:
        done = seek_patterns(engine, [lake.scan("zeek_dns")], asked)
    assert [(hit.by, len(hit.events)) for hit in done.hits] == [("1", 2)] and set(done.unable) == {"2"}
