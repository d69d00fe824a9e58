"""Sessions as flat arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizsla.sequence.sessions import END, Sessions, largest, summed

SESSIONS = st.lists(st.lists(st.integers(0, 5), max_size=6).map(tuple), max_size=10)


@given(SESSIONS)
def test_keys_are_equal_where_sessions_are(listed) -> None:
    keys = Sessions.of(listed).keys().tolist()
    for one, key in zip(listed, keys, strict=True):
        assert [k == key for k in keys] == [other == one for other in listed]


@given(SESSIONS)
def test_largest_and_sum_are_those_of_python(listed) -> None:
    sessions = Sessions.of(listed)
    values = np.arange(len(sessions.steps), dtype=np.float64) % 3
    best, place = largest(values, sessions)
    total = summed(values, sessions)
    for i in range(len(listed)):
        own = values[sessions.starts[i] : sessions.starts[i + 1]].tolist()
        assert best[i] == max(own, default=0)
        assert place[i] == (own.index(max(own)) if own else -1)
        assert total[i] == sum(own)


def test_closed_sessions_end() -> None:
    closed = Sessions.of([("a", "b"), ()]).closed()
    assert closed.lengths.tolist() == [3, 1]
    assert closed.steps[[2, 3]].tolist() == [int(END)] * 2


def test_numbers_and_their_names_are_one() -> None:
    assert np.array_equal(Sessions.of([(5, 22)]).steps, Sessions.of([("5", "22")]).steps)


def test_lengths_must_add_up() -> None:
    with pytest.raises(ValueError, match="add up to 3"):
        Sessions.flat(np.zeros(2, np.uint64), np.array([3]))
