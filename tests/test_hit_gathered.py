"""Small batches are put together before a matcher looks at them: the same rows, in the same order."""

from __future__ import annotations

import pyarrow as pa
import pytest

from vizsla import hit
from vizsla.hit import gathered


def batch(*texts: str | None, encoded: bool = False) -> pa.RecordBatch:
    column = pa.array(texts, pa.string())
    numbers = pa.array(range(len(texts)), pa.int64())
    return pa.RecordBatch.from_arrays([column.dictionary_encode() if encoded else column, numbers], ["a", "n"])


def test_small_batches_become_one_whatever_their_encoding() -> None:
    (whole,) = gathered([batch("x", None), batch(), batch("y", "x", encoded=True)])
    assert whole.column("a").to_pylist() == ["x", None, "y", "x"]
    assert whole.column("n").to_pylist() == [0, 1, 0, 1]
    assert sorted(whole.column("a").dictionary.to_pylist()) == ["x", "y"]


def test_large_ones_stay_by_themselves_and_others_end_where_they_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hit, "FEW", 4)
    monkeypatch.setattr(hit, "MANY", 5)
    sizes = [one.num_rows for one in gathered([batch(*"ab"), batch(*"cdefg"), *[batch(*"abc")] * 3])]
    assert sizes == [2, 5, 6, 3]


def test_batches_of_other_columns_are_not_put_together() -> None:
    other = pa.RecordBatch.from_pydict({"b": ["x"]})
    assert [one.num_rows for one in gathered([batch("x"), other, other])] == [1, 2]
