"""What every engine must do, on every engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import ibis
import pyarrow as pa
import pytest
from engine_mappers import Count, Rows, Where
from engine_samples import SCHEMA, moment, rows, scan_of

from vizsla.engine import Engine
from vizsla.lake import Scan


@pytest.fixture
def engine(each_engine: Engine) -> Engine:
    return each_engine


def test_table_holds_every_row_and_column(engine, lake_table):
    table = engine.collect(engine.table(scan_of(lake_table)).order_by("_id"))
    assert table.schema.field("_time").type == pa.timestamp("us", tz="UTC")
    assert table.column_names == SCHEMA.names
    expected = sorted(({n: r.get(n) for n in SCHEMA.names} for r in rows()), key=lambda r: str(r["_id"]))
    got = table.to_pylist()
    for row in got:  # a map comes as pairs; an absent one as None
        row["_extra"] = row["_extra"] or None
    assert got == expected


def test_table_knows_columns_that_no_file_has(engine, lake_table):
    schema = SCHEMA.append(pa.field("Never", pa.string()))
    never = engine.collect(engine.table(scan_of(lake_table, schema)).select("Never"))
    assert never.column("Never").null_count == len(rows())
    assert never.schema.field("Never").type == pa.string()


@pytest.mark.parametrize(
    "limits",
    [
        {"since": moment(2, 0)},
        {"until": moment(2, 3)},
        {"since": moment(1, 5), "until": moment(3, 5), "hosts": ("beta",)},
        {"hosts": ("alpha", "beta")},
        {"hosts": ()},
    ],
)
def test_table_and_map_keep_the_same_rows(engine, lake_table, limits):
    scan = scan_of(lake_table, **limits)
    table = set(engine.collect(engine.table(scan).select("_id")).column("_id").to_pylist())
    mapped = {r for b in engine.map(scan, ["_id"], Rows()) for r in b.column("row").to_pylist()}
    since, until, hosts = limits.get("since"), limits.get("until"), limits.get("hosts")
    expected = {
        r["_id"]
        for r in rows()
        if (since is None or ("_time" in r and r["_time"] >= since))
        and (until is None or ("_time" in r and r["_time"] < until))
        and (hosts is None or r["_host"] in hosts)
    }
    assert table == expected
    assert mapped == {f"_id={i}" for i in expected}


SLOT = ("alpha", moment(2, 5), moment(2, 9))  # 05:30, 07:30 of the second day


@pytest.mark.parametrize(
    "slots", [(SLOT,), (SLOT, ("beta", moment(1, 0), moment(1, 4)), ("gamma", moment(1, 0), moment(3, 0)))]
)
@pytest.mark.parametrize("without", [False, True])
def test_slots_are_kept_or_left_out(engine, lake_table, slots, without):
    """What has no time or host lies in no slot."""
    scan = replace(scan_of(lake_table), without=slots) if without else replace(scan_of(lake_table), only=slots)
    table = set(engine.collect(engine.table(scan).select("_id"))["_id"].to_pylist())
    mapped = {r for b in engine.map(scan, ["_id"], Rows()) for r in b.column("row").to_pylist()}
    inside = {
        r["_id"]
        for r in rows()
        if "_time" in r and any(r["_host"] == host and since <= r["_time"] < until for host, since, until in slots)
    }
    assert len(inside) == (2 if len(slots) == 1 else 4)
    expected = {r["_id"] for r in rows()} - inside if without else inside
    assert table == expected
    assert mapped == {f"_id={i}" for i in expected}


@pytest.mark.parametrize(
    ("taken", "says"),
    [
        (((("EventID", ("1", "2")),),), lambda r: r.get("EventID") in ("1", "2")),
        (((("EventID", ("1",)), ("_host", ("alpha",))),), lambda r: r.get("EventID") == "1" and r["_host"] == "alpha"),
        (((("Late", ("*",)),), (("EventID", ("2",)),)), lambda r: bool(r.get("Late")) or r.get("EventID") == "2"),
        (((("Never", ("*",)),),), lambda r: False),
        ((), lambda r: False),
    ],
)
def test_rows_that_are_taken_alone(engine, lake_table, taken, says):
    """By columns, too, that are not asked for."""
    narrow = pa.schema([field for field in SCHEMA if field.name.startswith("_")])
    scan = replace(scan_of(lake_table), taken=taken)
    expected = {r["_id"] for r in rows() if says(r)}
    assert not expected or len(expected) < len(rows())
    for schema in (scan.schema, narrow):
        table = engine.collect(engine.table(replace(scan, schema=schema)).select("_id"))
        assert set(table["_id"].to_pylist()) == expected
    mapped = {r for b in engine.map(scan, ["_id"], Rows()) for r in b.column("row").to_pylist()}
    assert mapped == {f"_id={i}" for i in expected}


def test_map_gives_columns_in_order_with_nulls_and_day(engine, lake_table):
    wanted = ["Late", "_day", "Never", "_id", "_extra"]
    seen = [r for b in engine.map(scan_of(lake_table), wanted, Rows()) for r in b.column("row").to_pylist()]
    assert len(seen) == len(rows())
    assert "Late=there|_day=2026-01-03|Never=None|_id=3-7|_extra=[('k', '7')]" in seen
    assert "Late=None|_day=unknown|Never=None|_id=lost|_extra=None" in seen


def test_map_of_nothing_but_the_day_counts_rows(engine, lake_table):
    counts: Counter[str] = Counter()
    for batch in engine.map(scan_of(lake_table), ["_day"], Count("_day")):
        for row in batch.to_pylist():
            counts[row["key"]] += row["n"]
    assert counts == Counter(r["_day"] for r in rows())


def test_empty_scan(engine):
    scan = Scan("t", (), SCHEMA, 0, 0)
    assert engine.collect(engine.table(scan)).num_rows == 0
    assert [b for b in engine.map(scan, ["_id"], Rows()) if b.num_rows] == []


def test_batches_stream(engine, lake_table):
    assert sum(b.num_rows for b in engine.batches(engine.table(scan_of(lake_table)))) == len(rows())


def test_map_raises_what_the_mapper_raised(engine, lake_table):
    with pytest.raises(KeyError):
        list(engine.map(scan_of(lake_table), ["_id"], Count("_host")))


def test_queries_run_while_a_stream_is_open(engine, lake_table):
    table = engine.table(scan_of(lake_table))
    stream = engine.batches(table)
    next(stream)
    assert engine.collect(table.count().as_table()).to_pylist() == [{"CountStar()": len(rows())}]
    stream.close()


def test_memory_tables_join_tables_of_the_lake(engine, lake_table):
    table = engine.table(scan_of(lake_table))
    wanted = ibis.memtable(pa.table({"EventID": ["1"]}))
    joined = engine.collect(table.join(wanted, "EventID").select("_id"))
    assert joined.num_rows == sum(r["EventID"] == "1" for r in rows())


def test_spread_gives_every_item_once(engine):
    found = [r["item"] for b in engine.spread(list("abcdefgh"), Where()) for r in b.to_pylist()]
    assert sorted(found) == list("abcdefgh")


def test_spread_raises_the_mappers_error(engine):
    with pytest.raises(ValueError, match="boom it is"):
        list(engine.spread(["a", "boom", "b"], Where()))
