"""Amounts of steps: bags that merge, probabilities that add up to one, and what the tree tells."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.analytics.rarity.encode import code_of
from vizsla.sequence.amounts import MOST, NONE, Amounts, Bags, Numbers, each_bag
from vizsla.sequence.sessions import Sessions

SESSIONS = st.lists(st.lists(st.sampled_from("abcd"), max_size=7).map(tuple), min_size=1, max_size=10)


def plain(bags: Bags) -> dict[frozenset[tuple[int, int]], int]:
    rows: dict[int, set[tuple[int, int]]] = {i: set() for i in range(len(bags.keys))}
    for bag, symbol, n in zip(bags.bag.tolist(), bags.symbol.tolist(), bags.n.tolist(), strict=True):
        rows[bag].add((symbol, n))
    return {frozenset(rows[i]): int(bags.weight[i]) for i in rows}


def counted(sessions: list[tuple[str, ...]]) -> dict[frozenset[tuple[int, int]], int]:
    bags = Counter(frozenset((code_of(step), n) for step, n in Counter(session).items()) for session in sessions)
    return dict(bags)


@given(SESSIONS, SESSIONS)
@settings(deadline=None)
def test_bags_are_counters_merge_and_survive_a_table(one, other) -> None:
    whole = Bags.of(Sessions.of([*one, *other]))
    assert plain(whole) == counted([*one, *other])
    merged = Bags.of(Sessions.of(one)).merged(Bags.of(Sessions.of(other)))
    assert plain(merged) == plain(whole)
    assert plain(Bags.read(whole.table())) == plain(whole)
    assert Bags.read(whole.table()).table().equals(whole.table())


@given(SESSIONS)
@settings(max_examples=30, deadline=None)
def test_amounts_of_a_kind_add_up_to_one(learnt) -> None:
    model = Amounts.learn(Bags.of(Sessions.of(learnt)))
    asked = [("a",) * n for n in range(400)]
    bags, which = each_bag(Sessions.of(asked))
    p = 2 ** -model.bits(bags)[which]
    column = model.kinds.tolist().index(code_of("a")) if code_of("a") in model.kinds.tolist() else None
    if column is not None and model.parent[column] < 1:  # what it is given stays the same: nothing, or no other step
        beyond = 1 / 401  # the prior's tail, of which no amount has more than all
        assert 1 - beyond <= p[:, column].sum() <= 1 + 1e-9


def test_the_prior_adds_up_and_its_tail_is_its_sum() -> None:
    p = Numbers().p(np.arange(100_000).astype(np.uint64))
    assert p.sum() == pytest.approx(1, abs=1e-4)
    asked = np.array([0, 1, 5, 17])
    assert Numbers().tail(p[asked]) == pytest.approx([1 - p[:n].sum() for n in asked])


def test_what_comes_as_often_as_another_is_judged_by_it() -> None:
    usual = [("copy",) * n + ("confirm",) * n for n in (1, 2, 3, 4)] * 40
    model = Amounts.learn(Bags.of(Sessions.of(usual)))
    bags, which = each_bag(Sessions.of([("copy", "copy", "confirm", "confirm"), ("copy",) * 3 + ("confirm",)]))
    bits = model.odd(bags).sum(axis=1)[which]
    assert bits[0] < 1.5
    assert bits[1] > 5


def test_a_step_never_seen_counts_with_all_others_that_are_not_followed() -> None:
    model = Amounts.learn(Bags.of(Sessions.of([("a", "b")] * 100)))
    bags, which = each_bag(Sessions.of([("a", "b", "new")]))
    odd = model.odd(bags)[which][0]
    assert model.kinds[odd.argmax()] == NONE
    assert odd.max() > 6


def test_no_more_kinds_are_followed_than_can_be_compared() -> None:
    many = [(f"common{i}", f"rare{i}", f"common{i}") for i in range(100)] + [tuple(f"common{i}" for i in range(63))]
    model = Amounts.learn(Bags.of(Sessions.of(many)))
    assert len(model.kinds) == MOST
    assert set(model.kinds.tolist()) == {0, *(code_of(f"common{i}") for i in range(63))}


def test_no_sessions() -> None:
    model = Amounts.learn(Bags.of(Sessions.of([])))
    assert model.odd(Bags.of(Sessions.of([("a",)]))).shape == (1, 1)
    assert model.odd(Bags.of(Sessions.of([]))).shape == (0, 1)
