from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.errors import LakeError
from vizsla.lake import runs
from vizsla.lake.known import KnownIds, first_seen, words

# Few high words, so that ids which share one are common here, as they never are in life.
WORD = st.sampled_from([0, 1, 2, 2**63, 2**64 - 1])
IDS = st.lists(st.tuples(WORD, WORD), max_size=40)


def arrays(ids: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([h for h, _ in ids], np.uint64), np.array([low for _, low in ids], np.uint64)


@settings(deadline=None)  # the machine may be busy
@given(batches=st.lists(IDS, max_size=12), asked=IDS)
def test_known_ids_are_a_set(batches: list[list[tuple[int, int]]], asked: list[tuple[int, int]]) -> None:
    known, model = KnownIds(), set()
    for batch in batches:
        assert known.holds(*arrays(batch)).tolist() == [pair in model for pair in batch]
        known.add(*arrays(batch))
        model.update(batch)
    assert known.holds(*arrays(asked)).tolist() == [pair in model for pair in asked]


@settings(deadline=None)  # the machine may be busy
@given(ids=IDS)
def test_first_seen_keeps_the_first_of_each(ids: list[tuple[int, int]]) -> None:
    seen: set[tuple[int, int]] = set()
    expected = []
    for pair in ids:
        expected.append(pair not in seen)
        seen.add(pair)
    assert first_seen(*arrays(ids)).tolist() == expected


def test_runs_merge_so_that_few_are_searched() -> None:
    rng = np.random.default_rng(1)
    known = KnownIds()
    for _ in range(200):
        known.add(rng.integers(0, 2**64, 50, np.uint64), rng.integers(0, 2**64, 50, np.uint64))
    assert len(known) == 10_000
    assert len(known._runs) <= 10


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.binary(min_size=16, max_size=16), max_size=20), st.integers(0, 5))
def test_words_are_the_id_whatever_the_slice(raw: list[bytes], cut: int) -> None:
    column = pa.array([r.hex() for r in raw], pa.string()).slice(cut)
    high, low = words(column)
    assert [int(h).to_bytes(8, "big") + int(w).to_bytes(8, "big") for h, w in zip(high, low, strict=True)] == raw[cut:]


@pytest.mark.parametrize("bad", ["", "abc", "g" * 32, None, "é" * 16])
def test_what_is_no_id_is_refused(bad: str | None) -> None:
    with pytest.raises(LakeError, match="32 hex digits"):
        words(pa.array(["0" * 32, bad], pa.string()))


@settings(deadline=None)  # the machine may be busy
@given(batches=st.lists(IDS, max_size=12), asked=IDS, piece=st.integers(1, 5))
def test_ids_on_disk_are_the_same_set(
    batches: list[list[tuple[int, int]]], asked: list[tuple[int, int]], piece: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "PIECE", piece)  # so that ids with one high word lie in several
        known, model = KnownIds(Path(folder), spill=3), set()
        for batch in batches:
            assert known.holds(*arrays(batch)).tolist() == [pair in model for pair in batch]
            known.add(*arrays(batch))
            model.update(batch)
            assert len(known) >= len(model)
        assert known.holds(*arrays(asked)).tolist() == [pair in model for pair in asked]
        assert list(Path(folder).iterdir()) == []


def test_many_ids_lie_on_disk(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    known = KnownIds(tmp_path, spill=1000)
    high, low = rng.integers(0, 2**64, 200_000, np.uint64), rng.integers(0, 2**64, 200_000, np.uint64)
    for at in range(0, len(high), 700):
        known.add(high[at : at + 700], low[at : at + 700])
    assert len(known) == 200_000
    assert known.held <= 2000
    assert 1 <= known.files <= 10
    assert known.holds(high[::-1], low[::-1]).all()
    assert not known.holds(high, low + np.uint64(1)).any()


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    known = KnownIds(tmp_path / "gone", spill=1)
    known.add(np.array([1], np.uint64), np.array([1], np.uint64))
    with pytest.raises(LakeError, match="cannot be kept"):
        known.add(np.array([2], np.uint64), np.array([1], np.uint64))
