"""Sketches merge: days together are the same as all at once, in any order, on every engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beacon_samples import MONDAY, bursts, conn, every, lake_of
from vizsla.beacon.bins import bin_of
from vizsla.beacon.contacts import TENTHS
from vizsla.beacon.sketch import DAY, SLOT, TIMES, merged, of_days, sketches, unpacked, visits
from vizsla.engine import Engine
from vizsla.hunt.scope import scans_of


def batch(at: dict[str, list[int]]) -> pa.RecordBatch:
    """Arrivals (tenths since 1970, ascending) by destination, as the engine's reduction gives them."""
    rows = []
    for target, times in at.items():
        slots: dict[int, int] = {}
        for time in times:
            slots.setdefault(time // SLOT, time)
        days: dict[int, list[int]] = {}
        for time in slots.values():
            days.setdefault(time // DAY, []).append(time)
        for day, own in days.items():
            packed = [(time - day * DAY) << 40 | 101 for time in own]
            rows.append({
                "host": "a", "source": "a", "destination": target, "port": 443, "via": "network", "day": day,
                "visits": len(own), "events": len(own), "packed": packed, "id": str(own[0]), "id_max": str(own[-1]),
                "guid": None, "guid_max": None, "process": None, "table": "zeek_conn", "code": None,
            })  # fmt: skip
    table = pa.Table.from_pylist(rows)
    strings = [pa.field(f.name, pa.string()) if pa.types.is_null(f.type) else f for f in table.schema]
    return table.cast(pa.schema(strings)).combine_chunks().to_batches()[0]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 5 * DAY), min_size=1, max_size=120), st.integers(0, 99))
def test_days_in_any_order_are_all_at_once(times: list[int], seed: int) -> None:
    rows = of_days(batch({"x": sorted(times), "y": sorted(times)[:1]}))
    whole = merged([rows])
    order = np.random.default_rng(seed).permutation(len(rows))
    apart = [rows.slice(int(i), 1) for i in order]
    assert merged(apart).equals(whole)
    cut = sorted(range(len(rows)), key=lambda i: (rows["destination"][i].as_py(), rows["first"][i].as_py()))
    grown = merged([])
    for i in cut:  # a day is added to what was merged before
        grown = merged([grown, rows.slice(i, 1)])
    assert grown.equals(whole)


def test_what_a_merged_sketch_holds() -> None:
    at = [20_000 * DAY + int(t * TENTHS) for t in every(600, 400, 0.2, 1)]
    whole = merged([of_days(batch({"x": at}))])
    row = whole.to_pylist()[0]
    assert row["visits"] == 400
    assert (row["first"], row["last"]) == (at[0], at[-1])
    assert row["days"] == len({t // DAY for t in at})
    assert row["hours"] == len({t // 36_000 for t in at})
    _, bins, counts = unpacked(whole["gaps"])
    assert counts.sum() == 399
    expected = np.unique(bin_of(np.diff(at)), return_counts=True)
    assert (bins == expected[0]).all()
    assert (counts == expected[1]).all()
    assert len(row["times"]) == TIMES
    assert set(row["times"]) <= set(at)


def rows_of(parts: list[pa.Table]) -> list[dict[str, object]]:
    return merged(parts).to_pylist()


def test_engines_agree_and_days_add_up(each_engine: Engine, tmp_path: Path) -> None:
    events = [conn(t, "10.0.0.5", "203.0.113.9", orig_bytes="412") for t in every(600, 300, 0.3, 2, lost=0.1)]
    events += [conn(t, "10.0.0.5", "198.51.100.7", orig_bytes=str(int(t) % 5000)) for t in bursts(6, 3)]
    ssl = [conn(t, "10.0.0.6", "203.0.113.9", server_name="Evil.example") for t in every(900, 200, 0.0, 4)]
    lake = lake_of(tmp_path / "lake", conn=events, ssl=ssl)
    scans = scans_of(lake, each_engine)
    whole = rows_of(list(sketches(each_engine, scans)))
    assert [(row["source"], row["destination"], row["via"]) for row in whole] == [
        ("10.0.0.5", "198.51.100.7", "network"), ("10.0.0.5", "203.0.113.9", "network"),
        ("10.0.0.6", "evil.example", "tls"),
    ]  # fmt: skip
    assert whole[1]["visits"] == len(events) - len(bursts(6, 3))
    days = []
    for number in range(4):
        since = MONDAY + timedelta(days=number)
        own = [replace(scan, since=since, until=since + timedelta(days=1)) for scan in scans]
        days += list(sketches(each_engine, own))
    assert rows_of(days) == whole
    assert all(row["visits"] >= 50 for row in each_engine.collect(visits(each_engine, scans, 50)).to_pylist())


def test_ids_and_kinds(duckdb_engine: Engine, tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake", conn=[conn(10, "10.0.0.5", "203.0.113.9"), conn(4000, "10.0.0.5", "203.0.113.9")])
    (row,) = rows_of(list(sketches(duckdb_engine, scans_of(lake, duckdb_engine))))
    held = duckdb_engine.collect(duckdb_engine.table(lake.scan("zeek_conn")))
    assert {row["id"], row["id_last"]} == set(held["_id"].to_pylist())
    assert row["kind"] == "zeek_conn"
    assert row["guid"] is None


@pytest.mark.parametrize("empty", [[], [merged([])]])
def test_nothing_merges_to_nothing(empty: list[pa.Table]) -> None:
    assert len(merged(empty)) == 0
