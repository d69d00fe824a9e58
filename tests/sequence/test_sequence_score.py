"""Sessions scored and calibrated: what is abnormal stands out, what is promised of normal sessions holds."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from vizsla.analytics.rarity.encode import code_of
from vizsla.sequence.conformal import calibrated, left_out
from vizsla.sequence.score import SessionModel
from vizsla.sequence.sessions import Sessions


def normal(count: int, seed: int) -> list[tuple[str, ...]]:
    """Two copies that interleave at will, some reads, and a close."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        copies = [["open", "copy", "done"], ["open", "copy", "done"]]
        steps = []
        while any(copies):
            steps.append(chance.choice([copy for copy in copies if copy]).pop(0))
        made.append((*steps, *["read"] * chance.randrange(4), "close"))
    return made


def fit(sessions: Sessions):
    model = SessionModel.learn(sessions)
    return lambda asked: model.score(asked).bits


def test_wrong_amounts_unknown_steps_and_sessions_cut_short_stand_out() -> None:
    model = SessionModel.learn(Sessions.of(normal(500, 1)))
    quiet = model.score(Sessions.of(normal(200, 2))).bits
    odd = [
        ("open", "copy", "done", "open", "copy"),  # cut short
        ("open", "copy", "done", "open", "copy", "done", "done", "close"),  # one too many
        ("open", "copy", "open", "copy", "done", "close"),  # one too few
        ("open", "copy", "done", "open", "wipe", "copy", "done", "close"),  # unknown
        ("close", "open", "copy", "done", "open", "copy", "done", "read"),  # in no known order
    ]
    assert model.score(Sessions.of(odd)).bits.min() > np.quantile(quiet, 0.99)


def test_it_says_which_step_and_which_amount() -> None:
    model = SessionModel.learn(Sessions.of(normal(500, 1)))
    found = model.score(Sessions.of([("open", "copy", "done", "open", "copy", "wipe", "done", "close")]))
    assert found.step[0] == 5
    assert found.bits[0] == pytest.approx(found.step_bits[0] + found.amount_bits[0])
    twice = model.score(Sessions.of([("open", "copy", "done", "open", "copy", "done", "close", "close", "close")]))
    assert twice.kind[0] == code_of("close")
    assert 0 < twice.kind_bits[0] <= twice.amount_bits[0]


def test_order_and_company_of_sessions_change_no_score() -> None:
    model = SessionModel.learn(Sessions.of(normal(300, 1)))
    asked = normal(50, 3)
    together = model.score(Sessions.of(asked)).bits
    assert np.array_equal(together[::-1], model.score(Sessions.of(asked[::-1])).bits)
    assert [float(model.score(Sessions.of([one])).bits[0]) for one in asked[:5]] == together[:5].tolist()


def test_a_long_session_is_not_unusual_by_its_length() -> None:
    model = SessionModel.learn(Sessions.of([tuple("ab" * n) for n in range(1, 30)] * 10))
    bits = model.score(Sessions.of([tuple("ab" * n) for n in (2, 28)])).step_bits
    assert bits.max() < 3


def test_p_values_of_new_normal_sessions_hold() -> None:
    tail = calibrated(Sessions.of(normal(1000, 1)), fit)
    p = tail.p(fit(Sessions.of(normal(1000, 1)))(Sessions.of(normal(4000, 2))))
    for level in (0.2, 0.05, 0.01):
        assert (p <= level).mean() <= level + 3 * (level / 1000 + level / 4000) ** 0.5


def test_every_session_is_judged_by_what_was_learnt_without_it() -> None:
    asked: list[tuple[set[int], set[int]]] = []

    def remember(learnt: Sessions):
        def score(out: Sessions) -> np.ndarray:
            asked.append((set(learnt.steps.tolist()), set(out.steps.tolist())))
            return np.ones(len(out))

        return score

    scores = left_out(Sessions.of([(f"only {i}",) for i in range(25)]), remember)
    assert len(asked) == 10
    assert all(not learnt & out for learnt, out in asked)
    assert scores.tolist() == [1.0] * 25


@pytest.mark.real_data
def test_sessions_of_hdfs(real_data: Path) -> None:
    read = lambda name: [tuple(line.split()) for line in (real_data / "sequence" / name).read_text().splitlines()]  # noqa: E731
    usual = [session for session in read("hdfs_train.txt") if session]
    abnormal = sorted({session for session in read("hdfs_abnormal.txt") if session})
    learnt = Sessions.of(usual[:2000])
    score, tail = fit(learnt), calibrated(learnt, fit)
    false = (tail.p(score(Sessions.of(usual[2000:]))) < 0.005).mean()
    found = (tail.p(score(Sessions.of(abnormal))) < 0.005).mean()
    assert false < 0.01
    assert found > 0.99


@pytest.mark.slow
@pytest.mark.real_data
def test_the_benchmark_holds_what_it_asks(real_data: Path) -> None:
    from benchmarks.sequence import best_f1, run

    assert best_f1(np.array([0.0, 1.0]), np.array([2.0, 3.0]), 1.0) == 1
    assert best_f1(np.array([0.0, 2.5]), np.array([2.0, 3.0]), 1.0) == pytest.approx(0.8)
    rows = run([str(real_data / "sequence"), "--splits", "2", "--lstm", "0"])
    assert [row.ok for row in rows if row.asked] == [True, True, True]
    assert all("components" in row.reference for row in rows[:3])
