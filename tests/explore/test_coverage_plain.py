from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address
from pathlib import Path

import ibis
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizsla.engines import connect
from vizsla.explore.coverage import fill, plain
from vizsla.explore.coverage.grid import is_stranger
from vizsla.lake import Lake
from vizsla.view import lookups, views
from vizsla.views.compile import Compiler
from vizsla.views.filled import filled, filling
from vizsla.views.grammar import columns

VALUES = [None, "", "-", "a", "1", "x", "4688"]


@given(st.integers(0, (1 << 32) - 1).map(IPv4Address))
def test_strangers_are_the_addresses_of_the_internet(address: IPv4Address) -> None:
    assert is_stranger.__wrapped__(str(address)) is address.is_global


@pytest.mark.parametrize("host", ["192.0.2.1", "203.0.113.9", "198.19.0.1", "100.64.0.1", "10.0.0.1", "239.0.0.1",
                                  "8.8.8.8", "08.8.8.8", "8.8.8", "1.2.3.4.5", "ws1", "ws1.corp.8", "::1",
                                  "2001:4860:4860::8888", "٨.8.8.8"])  # fmt: skip
def test_strangers_by_hand(host: str) -> None:
    try:
        wanted = __import__("ipaddress").ip_address(host).is_global
    except ValueError:
        wanted = False
    assert is_stranger.__wrapped__(host) is wanted


def lake_of(folder: Path, rows: list[dict[str, str | None]]) -> Lake:
    lake = Lake.open(folder, create=True)
    count = len(rows)
    made = {
        "_id": [f"{n:032x}" for n in range(count)],
        "_time": pa.array([1_600_000_000_000_000] * count, pa.timestamp("us", tz="UTC")),
        "_host": ["h"] * count,
        "_day": ["2020-09-13"] * count,
        "_origin": [f"a#{n}" for n in range(count)],
        **{name: pa.array([row[name] for row in rows], pa.string()) for name in rows[0]},
    }
    lake.append({"t": [pa.RecordBatch.from_pydict(made)]})
    return lake


def test_counts_are_those_of_counting_one_by_one(tmp_path: Path) -> None:
    rows = [{"EventID": a, "User": b, "Image": c} for a in VALUES for b in VALUES for c in VALUES[:4]]
    lake = lake_of(tmp_path, rows)
    asked = [("eventid", ["4688", "1"]), ("User", ["a", "*"]), ("lacking", ["1"])]
    fields = [["image"], ["Image", "user"], ["lacking"], ["lacking", "USER"]]
    held = {None: False, "": False, "-": False}
    events: Counter[tuple[str | None, ...]] = Counter()
    fills: dict[tuple[str | None, ...], list[int]] = {}
    for row in rows:
        event = row["EventID"] if row["EventID"] in ("4688", "1") else None
        user = row["User"] if row["User"] == "a" else "*" if held.get(row["User"], True) else None
        key = (event, user, None)
        events[key] += 1
        each = fills.setdefault(key, [0] * 4)
        image, named = held.get(row["Image"], True), held.get(row["User"], True)
        for number, there in enumerate((image, image or named, False, named)):
            each[number] += there
    with connect() as engine:
        found = plain.counts(engine, lake.scan("t"), asked, fields)
    assert found == {key: (events[key], fills[key]) for key in events}


def test_a_table_with_none_of_the_columns_counts_its_events(tmp_path: Path) -> None:
    lake = lake_of(tmp_path, [{"Image": "x"}] * 3)
    with connect() as engine:
        assert plain.counts(engine, lake.scan("t"), [("lacking", ["1"])], [["other"]]) == {(None,): (3, [0])}


def test_columns_that_fill_say_what_working_it_out_says() -> None:
    trees = {t for view in views().values() for ms in view.mappings.values() for m in ms for t in m.fields.values()}
    simple = sorted((t for t in trees if filling(t) is not None), key=str)
    assert len(simple) > 100
    for first in range(0, len(simple), 60):
        share = simple[first : first + 60]
        names = sorted({name.lower(): name for tree in share for name in columns(tree)}.values())
        rows = [
            {name: VALUES[(n * (1 + at % 5) + at) % len(VALUES)] for at, name in enumerate(names)} for n in range(49)
        ]
        table = pa.table({**{n: pa.array([row[n] for row in rows], pa.string()) for n in names}, "_": [0] * len(rows)})
        given_rows = ibis.memtable(table)
        compiler = Compiler(given_rows, lookups())
        asked = {f"a{n}": filled(compiler, tree).fill_null(False) for n, tree in enumerate(share)}
        told = given_rows.select(**asked).to_pyarrow().to_pydict()
        for number, tree in enumerate(share):
            low = [{name.lower(): value for name, value in row.items()} for row in rows]
            own = [any(row[name.lower()] not in (None, "", "-") for name in filling(tree) or ()) for row in low]
            assert told[f"a{number}"] == own, tree


def test_both_ways_meet_in_one_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "windows_security"
    mappings = [m for view in views().values() for m in view.of(name)]
    read = sorted(
        {c for m in mappings for t in m.fields.values() for c in columns(t)} | {c for m in mappings for c in m.where}
    )
    spelled = list({column.lower(): column for column in read}.values())
    event = ["4688", "4624", "4625", "1", None]
    rows = [
        {
            column: event[n % 5] if column == "EventID" else VALUES[(n * 3 + at) % len(VALUES)]
            for at, column in enumerate(spelled)
        }
        for n in range(60)
    ]
    scan = lake_of(tmp_path, rows).scan("t")

    def told() -> list[object]:
        with connect() as engine:
            return sorted(
                (
                    (
                        sorted((k, str(v)) for k, v in values.items()),
                        n,
                        sorted((str(t), c) for t, c in fills.items() if c),
                    )
                    for values, n, fills in fill._groups(engine, scan, mappings)
                ),
                key=str,
            )

    both = told()
    monkeypatch.setattr("vizsla.views.filled.filling", lambda tree: None)
    assert told() == both
