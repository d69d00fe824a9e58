"""What a baseline forgets, and the slow drift that it tells of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vizsla.analytics.rarity.encode import code_of
from vizsla.analytics.rarity.model import Tallied
from vizsla.baseline.drift import FEWEST, drifts
from vizsla.baseline.fading import NEVER, Fading
from vizsla.errors import UsageError

FIRST = 20_000  # a day since 1970: a Monday-to-Sunday pattern begins somewhere in it


def tallied(volumes: dict[str, list[float]], news: list[int] | None = None) -> Tallied:
    """One row a host and day with so many events; and `news` new patterns a day on the first host."""
    host, hour, n, pattern = [], [], [], []
    for name, counts in volumes.items():
        for day, count in enumerate(counts):
            host.append(code_of(name))
            hour.append((FIRST + day) * 24 + 9)
            n.append(int(count))
            pattern.append(1)
    fresh = 1_000
    for day, count in enumerate(news or ()):
        for _ in range(count):
            fresh += 1
            host.append(code_of(next(iter(volumes))))
            hour.append((FIRST + day) * 24 + 9)
            n.append(0)
            pattern.append(fresh)
    units = {
        "host": np.array(host, np.uint64), "hour": np.array(hour, np.int64), "pattern": np.array(pattern, np.uint64),
        "n": np.array(n, np.int64),
    }  # fmt: skip
    return Tallied(units={"windows_sysmon:1": units}, words={code_of(name): name for name in volumes})


def noisy(days: int, seed: int, level: float = 1_000.0) -> list[float]:
    return list(
        np.random.default_rng(seed).poisson(level, days) * np.random.default_rng(seed + 99).lognormal(0, 0.2, days)
    )


def test_quiet_hosts_do_not_drift() -> None:
    falsely = sum(
        len(drifts([t], t.words))
        for seed in range(20)
        for t in [tallied({f"ws{h}": noisy(60, 1_000 * seed + h) for h in range(10)}, [5] * 60)]
    )
    assert falsely <= 6  # of 20 reports one in ten or a few may be false: logs are not normal


def test_one_loud_day_is_no_drift() -> None:
    counts = noisy(40, 3)
    counts[30] *= 50
    loud = tallied({"ws1": counts})
    assert drifts([loud], loud.words) == []


@pytest.mark.parametrize(("growth", "way"), [(1.08, "rise"), (0.92, "fall")])
def test_a_volume_that_creeps_is_told_with_its_host_and_beginning(growth: float, way: str) -> None:
    counts = noisy(60, 5)
    creeping = [c * growth ** max(0, day - 35) for day, c in enumerate(counts)]
    found = tallied({"ws1": creeping, "ws2": noisy(60, 6)})
    (drift,) = drifts([found], found.words)
    assert (drift.what, drift.host) == ("events", "ws1")
    assert way in drift.says()
    assert 30 <= (drift.since.toordinal() - 719_163) - FIRST <= 45


def test_ever_more_new_patterns_are_told() -> None:
    news = [20, 15, 12, 10, 9, 8, 8, 7, 7, 7, 6, 6, 6, 6, 6, 6, 30, 32, 35, 33, 36, 40, 41, 39, 44, 42, 45, 47]
    found = tallied({"ws1": [1_000.0] * len(news)}, news)
    (drift,) = drifts([found], found.words)
    assert "first time" in drift.what


def test_weekends_are_no_drift() -> None:
    counts = [1_000.0 if (FIRST + day + 3) % 7 < 5 else 50.0 for day in range(56)]
    found = tallied({"ws1": [c * x / 1_000 for c, x in zip(counts, noisy(56, 8), strict=True)]})
    assert drifts([found], found.words) == []


def test_few_days_are_not_watched() -> None:
    found = tallied({"ws1": [10.0] * 6 + [1e6] * (FEWEST - 7)})
    assert drifts([found], found.words) == []
    assert drifts([], {}) == []


def test_a_window_leaves_the_newest_days() -> None:
    whole = tallied({"ws1": [10.0] * 30})
    (left,) = Fading(window=7).left([whole])
    assert sorted(left.units["windows_sysmon:1"]["hour"] // 24) == list(range(FIRST + 23, FIRST + 30))
    since = Fading(window=7).since([whole])
    assert since is not None
    assert since.toordinal() - 719_163 == FIRST + 23


def test_half_a_half_life_ago() -> None:
    hosts = np.arange(200_000, dtype=np.uint64)
    for age, share in ((0, 1.0), (30, 0.5), (60, 0.25)):
        stays = Fading(half_life=30).stays(hosts, np.full(len(hosts), 500 - age), 500)
        assert stays.mean() == pytest.approx(share, abs=0.01)


@given(st.integers(0, 400), st.integers(0, 400), st.floats(1, 90))
def test_what_is_gone_stays_gone(age: int, later: int, half_life: float) -> None:
    hosts, days = np.arange(50, dtype=np.uint64), np.full(50, 10_000)
    fading = Fading(half_life=half_life)
    now, then = (fading.stays(hosts, days, 10_000 + more) for more in (age, age + later))
    assert not (then & ~now).any()


def test_never_forgets_nothing() -> None:
    whole = tallied({"ws1": [10.0] * 400})
    assert NEVER.left([whole]) == [whole]
    assert not NEVER
    assert Fading.of(NEVER.said()) == NEVER
    assert Fading.of(Fading(90, 30).said()) == Fading(90, 30)
    with pytest.raises(UsageError):
        Fading(window=0)
