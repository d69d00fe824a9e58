"""The Markov model: a slow second implementation, probabilities that add up to one, counts that merge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sequence.sequence_samples import END, NEW, NaiveMarkov
from vizsla.analytics.rarity.encode import code_of
from vizsla.sequence.markov import Grams, Markov, contexts
from vizsla.sequence.sessions import END as END_CODE
from vizsla.sequence.sessions import Sessions

STEP = st.sampled_from("abcde")
SESSIONS = st.lists(st.lists(STEP, max_size=8).map(tuple), min_size=1, max_size=12)
ORDER = st.integers(0, 4)


def same(one: Grams, other: Grams) -> bool:
    return one.table().equals(other.table())


@given(SESSIONS, SESSIONS, ORDER)
@settings(max_examples=120, deadline=None)
def test_every_step_is_as_the_slow_implementation_has_it(learnt, asked, order) -> None:
    asked = [*asked, ("a", "never seen", "b")]
    found = Markov.learn(Sessions.of(learnt), order).steps(Sessions.of(asked))
    slow = NaiveMarkov(learnt, order)
    expected = np.array([step for session in asked for step in slow.steps(session)])
    np.testing.assert_allclose(found.bits, expected[:, 0], atol=1e-9)
    np.testing.assert_allclose(found.odd, expected[:, 1], atol=1e-6)


@given(SESSIONS, st.lists(STEP, max_size=5), ORDER)
@settings(deadline=None)
def test_probabilities_of_all_next_steps_add_up_to_one(learnt, before, order) -> None:
    model = Markov.learn(Sessions.of(learnt), order)
    known = sorted({step for session in learnt for step in session} | {"never seen"})
    closed = Sessions.of([(*before, step) for step in known]).closed()
    last = closed.starts[1:] - 2
    asked = [context[last] for context in contexts(closed, order)]
    p = model.smoothed.p(asked, closed.steps[last]).sum()
    end = model.smoothed.p([context[:1] for context in asked], np.array([END_CODE])).sum()
    assert p + end == pytest.approx(1)


@given(SESSIONS, SESSIONS, ORDER)
@settings(deadline=None)
def test_merged_counts_are_those_of_all_at_once_and_survive_a_table(one, other, order) -> None:
    whole = Grams.of(Sessions.of([*one, *other]), order)
    parts = Grams.of(Sessions.of(one), order).merged(Grams.of(Sessions.of(other), order))
    assert same(whole, parts)
    assert same(whole, Grams.read(whole.table(), order))


@given(SESSIONS, ORDER)
@settings(deadline=None)
def test_a_session_with_a_weight_counts_as_often_as_its_copies(learnt, order) -> None:
    few, which = Sessions.of(learnt).distinct()
    assert same(Grams.of(few, order), Grams.of(Sessions.of(learnt), order))
    assert len(few) == len(set(learnt))
    back = few.take(which)
    assert np.array_equal(back.steps, Sessions.of(learnt).steps)


def test_a_session_cut_short_ends_in_a_surprise() -> None:
    model = Markov.learn(Sessions.of([("open", "write", "close")] * 50))
    steps = model.steps(Sessions.of([("open", "write", "close"), ("open", "write")]))
    whole, short = (steps.odd[steps.sessions.starts[i] : steps.sessions.starts[i + 1]] for i in (0, 1))
    assert whole.max() < 0.1
    assert short.argmax() == 2  # the end
    assert short.max() > 5


def test_one_of_many_equally_likely_steps_is_unlikely_but_not_odd() -> None:
    sessions = [(letter,) for letter in "abcdefghijklmnop"] * 8
    steps = Markov.learn(Sessions.of(sessions)).steps(Sessions.of([("g",)]))
    assert steps.bits[0] > 3.9
    assert steps.odd[0] < 0.2


def test_what_is_usual_comes_from_the_longest_context_that_was_seen() -> None:
    model = Markov.learn(Sessions.of([("a", "b", "c")] * 3 + [("b", "d")]), 2)
    assert model.usual([code_of("a"), code_of("b")]) == [(code_of("c"), 3, 3)]
    assert model.usual([code_of("x"), code_of("b")])[0] == (code_of("c"), 3, 4)
    assert model.usual([code_of("c")])[0] == (int(END_CODE), 3, 3)
    assert len(model.usual([code_of("x")], most=2)) == 2


def test_counts_of_different_orders_do_not_merge() -> None:
    with pytest.raises(ValueError, match="order 1 and 2"):
        Grams.of(Sessions.of([("a",)]), 1).merged(Grams.of(Sessions.of([("a",)]), 2))


def test_nothing_learnt_and_nothing_asked() -> None:
    nothing = Sessions.of([])
    model = Markov.learn(nothing)
    assert len(model.steps(nothing).bits) == 0
    assert model.steps(Sessions.of([("a",), ()])).odd.tolist() == [0.0, 0.0, 0.0]
    assert {END, NEW} == set(NaiveMarkov([], 2).symbols)
