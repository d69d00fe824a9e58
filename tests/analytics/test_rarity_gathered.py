"""Looking codes up by their hash, and ties that are gathered without being merged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vizsla.analytics.rarity.encode import NOTHING, U64
from vizsla.analytics.rarity.tally import (
    START_KEY,
    START_SUM,
    TIE_KEY,
    TIE_SUM,
    Gathered,
    Heap,
    chosen_of,
    located,
    merge_rows,
)

TOP = 2**64 - 1
CODES = st.one_of(st.integers(0, TOP), st.integers(0, 40), st.integers(TOP - 40, TOP))


@given(st.sets(CODES, max_size=60), st.lists(CODES, max_size=60))
@example({0}, [0, 1, TOP])
@example({TOP}, [0, TOP - 1, TOP])
@example(set(range(2000)), [0, 1999, 2000, TOP])  # evenly spread they are not: all stand at one place
@settings(max_examples=300, deadline=None)
def test_located_is_where_it_stands(known: set[int], asked: list[int]) -> None:
    ordered = np.array(sorted(known), dtype=np.uint64)
    wanted = np.array([*asked, *sorted(known)], dtype=np.uint64)
    found = located(ordered, wanted)
    places = {code: place for place, code in enumerate(sorted(known))}
    assert found.tolist() == [places.get(code, -1) for code in wanted.tolist()]


def test_located_among_many_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vizsla.analytics.rarity.tally.AT_ONCE", 1000)
    drawn = np.unique(np.random.default_rng(1).integers(0, TOP, 20_000, dtype=np.uint64))
    asked = np.r_[drawn[::-3], drawn[:500] + np.uint64(1)]
    places = located(drawn, asked)
    assert (drawn[places[places >= 0]] == asked[places >= 0]).all()
    assert (places[:-500] >= 0).all()
    assert not np.isin(asked[places < 0], drawn).any()


def ties(rows: list[tuple[int, int, int]]) -> dict[str, np.ndarray]:
    """Ties of (guid, pid, time): all else agrees."""
    guid, pid, time = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
    code: U64 = np.full(len(rows), 7, dtype=np.uint64)
    return {
        "host": code, "slice": np.zeros(len(rows), np.int64), "guid": guid.astype(np.uint64), "pid": pid,
        "logon": code * np.uint64(0), "pair": code * np.uint64(0), "kind": code, "pattern": code, "time": time,
        "n": np.ones(len(rows), dtype=np.int64),
    }  # fmt: skip


ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(5, 7), st.integers(0, 9)), min_size=1, max_size=8)


@given(st.lists(ROWS, min_size=1, max_size=5))
@settings(max_examples=100, deadline=None)
def test_gathered_ties_are_those_of_a_heap_once_merged(chunks: list[list[tuple[int, int, int]]]) -> None:
    gathered, heap = Gathered(TIE_KEY, TIE_SUM), Heap(TIE_KEY, TIE_SUM)
    for chunk in chunks:
        gathered.add(ties(chunk))
        heap.add(ties(chunk))
    held = gathered.columns()
    assert int(held["n"].sum()) == sum(map(len, chunks))
    others = chosen_of(held, held["guid"] == NOTHING)
    assert len(merge_rows(others, TIE_KEY, TIE_SUM)["n"]) == len(others["n"])  # without a GUID: merged already
    merged, expected = merge_rows(held, TIE_KEY, TIE_SUM), heap.columns()
    assert {name: values.tolist() for name, values in merged.items()} == {
        name: values.tolist() for name, values in expected.items()
    }


def test_pairings_of_a_guid_with_a_pid_are_merged_and_starts_are_not() -> None:
    gathered = Gathered(START_KEY, START_SUM)
    for time in (9, 3):
        size = np.full(2, 5, dtype=np.int64)
        gathered.add({
            "host": size.astype(np.uint64), "guid": size.astype(np.uint64), "pid": size,
            "parent_guid": size.astype(np.uint64), "parent_pid": size, "launched": size * 0, "when": size,
            "known": np.array([0, 1]), "time": np.array([time, time]),
        })  # fmt: skip
    held = gathered.columns()
    assert sorted(zip(held["known"].tolist(), held["time"].tolist(), strict=True)) == [(0, 3), (0, 9), (1, 3)]
    assert gathered.columns() == {}


def test_a_column_of_one_value_takes_no_room_and_still_joins_others() -> None:
    gathered = Gathered(TIE_KEY, TIE_SUM)
    gathered.add(ties([(1, 5, 1), (2, 5, 2)]))
    assert gathered.named[0]["pid"].strides == (0,)
    gathered.add(ties([(3, 5, 3)]))
    gathered.add(ties([(4, 6, 4), (5, 7, 5)]))
    held = gathered.columns()
    assert held["pid"].tolist() == [5, 5, 5, 6, 7]
    assert held["host"].strides == (0,)
    assert held["host"].tolist() == [7] * 5
