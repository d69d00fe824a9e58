"""On which host-days rules and indicators were met."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.baseline.fired import Fired, fired_code, level_code, read, write
from vizsla.errors import BaselineError

LEVELS = {1: 2, 2: 3, 3: 4, 4: 7}  # by code: levels 5 and above are of indicators
ROWS = st.lists(st.tuples(st.sampled_from(sorted(LEVELS)), st.integers(1, 4), st.integers(0, 3), st.integers(1, 5)))


def made(rows: list[tuple[int, int, int, int]], looked: list[int]) -> Fired:
    by, host, day, n = (np.array(column) for column in zip(*rows, strict=True)) if rows else (np.zeros(0),) * 4
    met = {
        "by": by.astype(np.uint64), "level": np.array([LEVELS[int(b)] for b in by], dtype=np.int64),
        "host": host.astype(np.uint64), "day": day.astype(np.int64), "n": n.astype(np.int64),
    }  # fmt: skip
    return Fired.of(np.array(looked, dtype=np.uint64), met)


@settings(deadline=None)
@given(ROWS)
def test_how_often_is_as_counted_one_by_one(rows: list[tuple[int, int, int, int]]) -> None:
    days: dict[int, set[tuple[int, int]]] = defaultdict(set)
    events: dict[int, int] = defaultdict(int)
    for by, host, day, n in rows:
        days[by].add((host, day))
        events[by] += n
    found = made(rows, [1, 2, 3, 4]).often()
    assert {code: (one.days, one.hosts, one.events) for code, one in found.items()} == {
        by: (len(own), len({host for host, _ in own}), events[by]) for by, own in days.items()
    }


@settings(deadline=None)
@given(ROWS, st.integers(0, 9), st.integers(0, 5))
def test_host_days_with_something_as_unusual(rows: list[tuple[int, int, int, int]], level: int, most: int) -> None:
    days: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for by, host, day, _ in rows:
        days[by].add((host, day))
    alike = {
        place
        for by, own in days.items()
        if level <= LEVELS[by] and (LEVELS[by] < 5) == (level < 5) and len(own) - 1 <= most
        for place in own
    }
    assert made(rows, []).as_unusual(level, most) == len(alike)


def test_what_was_not_looked_for_has_no_count() -> None:
    fired = made([(1, 1, 1, 1)], [1, 3])
    assert fired.was_looked_for(1)
    assert fired.was_looked_for(3)
    assert not fired.was_looked_for(2)
    assert not Fired().was_looked_for(1)


def test_levels_grow_and_stay_apart() -> None:
    levels = ("informational", "low", "medium", "high", "critical")
    rules, indicators = ([level_code(name, level) for level in levels] for name in ("sigma", "intel"))
    assert rules == sorted(rules)
    assert max(rules) < min(indicators)


def test_a_changed_rule_is_another() -> None:
    assert fired_code("a", "1") != fired_code("a", "2")
    assert fired_code("a", "1") == fired_code("a", "1")


def test_kept_and_read_again(tmp_path: Path) -> None:
    fired = made([(1, 1, 1, 2), (2, 3, 1, 1)], [1, 2, 3])
    write(tmp_path, fired)
    again = read(tmp_path)
    assert again.looked.tolist() == fired.looked.tolist()
    assert {n: v.tolist() for n, v in again.met.items()} == {n: v.tolist() for n, v in fired.met.items()}
    assert read(tmp_path / "nowhere").often() == {}
    (tmp_path / "fired" / "days.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(BaselineError, match="damaged"):
        read(tmp_path)
