"""Columns of which a few rows are changed, against lists changed one by one."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from vizsla.ueba.told import behind, replaced


@given(st.lists(st.none() | st.text(max_size=3), max_size=8), st.data())
def test_some_texts_are_replaced(column: list[str | None], data: st.DataObject) -> None:
    rows = st.integers(0, max(0, len(column) - 1))
    values = data.draw(st.dictionaries(rows, st.text(max_size=3))) if column else {}
    expected = [values.get(row, text) for row, text in enumerate(column)]
    assert replaced(pa.array(column, pa.string()), values).to_pylist() == expected
    assert replaced(pa.chunked_array([pa.array(column, pa.string())]), values).to_pylist() == expected


@given(st.lists(st.integers(0, 4), max_size=8), st.data())
def test_some_rows_have_other_events_behind_them(own: list[int], data: st.DataObject) -> None:
    ids = pa.array(list("abcde"))
    rows = st.integers(0, max(0, len(own) - 1))
    more = data.draw(st.dictionaries(rows, st.lists(st.integers(0, 4), min_size=1, max_size=3))) if own else {}
    expected = [["abcde"[at] for at in more.get(row, [place])] for row, place in enumerate(own)]
    assert behind(ids, own, more).to_pylist() == expected
