"""Surprisals against a plain implementation of the same formulas, with groups really left out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rarity_samples import Naive, columns_of
from vizsla.analytics.rarity.encode import code_of
from vizsla.analytics.rarity.reference import ACTOR, FieldCounts, KindCounts, count
from vizsla.analytics.rarity.surprise import conditional, marginal, parts, surprisals

ACTORS = ["", "a", "b", "c"]
VALUES = st.dictionaries(st.sampled_from(["X", "Y", "Z"]), st.sampled_from(["1", "2", "3", "4"]), max_size=3)
UNITS = st.lists(st.tuples(st.sampled_from(ACTORS), VALUES), min_size=1, max_size=25)
ASKED = st.lists(
    st.tuples(
        st.sampled_from([*ACTORS, "never"]),
        st.dictionaries(st.sampled_from(["X", "Y", "Z", "New"]), st.sampled_from(["1", "2", "never"]), max_size=4),
    ),
    min_size=1,
    max_size=6,
)
KIND = "windows_sysmon:1"


@given(UNITS, ASKED)
@settings(max_examples=120, deadline=None)
def test_against_dictionaries(learnt: list, asked: list) -> None:
    naive = Naive(learnt)
    found = surprisals(columns_of(asked), count(KIND, columns_of(learnt)))
    for i, (actor, fields) in enumerate(asked):
        assert found[i] == pytest.approx(naive.total(actor, fields), abs=1e-9)


@given(UNITS, st.data())
@settings(max_examples=120, deadline=None)
def test_a_group_left_out_is_as_if_it_had_never_been(learnt: list, data: st.DataObject) -> None:
    group = data.draw(st.lists(st.integers(0, 3), min_size=len(learnt), max_size=len(learnt)))
    columns = columns_of(learnt)
    found = surprisals(columns, count(KIND, columns), np.array(group, dtype=np.int64))
    for i, (actor, fields) in enumerate(learnt):
        rest = Naive(learnt).without(j for j, g in enumerate(group) if g == group[i])
        assert found[i] == pytest.approx(rest.total(actor, fields), abs=1e-9)


@given(UNITS, st.data())
@settings(max_examples=60, deadline=None)
def test_leaving_out_equals_learning_without(learnt: list, data: st.DataObject) -> None:
    """The same, against the counts themselves learnt without the group."""
    group = np.array(data.draw(st.lists(st.integers(0, 2), min_size=len(learnt), max_size=len(learnt))))
    columns = columns_of(learnt)
    whole = surprisals(columns, count(KIND, columns), group)
    for number in set(group.tolist()):
        inside = group == number
        rest = {name: values[~inside] for name, values in columns.items()}
        asked = {name: values[inside] for name, values in columns.items()}
        alone = surprisals(asked, count(KIND, rest))
        assert whole[inside] == pytest.approx(alone, abs=1e-9)


@given(UNITS, ASKED)
@settings(max_examples=60, deadline=None)
def test_fields_add_up_and_none_is_negative(learnt: list, asked: list) -> None:
    columns, counts = columns_of(asked), count(KIND, columns_of(learnt))
    found = dict(parts(columns, counts))
    assert next(iter(dict(parts(columns, counts)))) == ACTOR
    assert np.sum(list(found.values()), axis=0) == pytest.approx(surprisals(columns, counts), abs=1e-12)
    for name, values in found.items():
        assert (values >= 0).all()
        for i, (_, fields) in enumerate(asked):
            if name and name not in fields:
                assert values[i] == 0


@given(UNITS, ASKED, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_neither_order_nor_company_changes_a_score(learnt: list, asked: list, random: object) -> None:
    shuffled = learnt.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = count(KIND, columns_of(learnt)), count(KIND, columns_of(shuffled))
    together = surprisals(columns_of(asked), one)
    for i, unit in enumerate(asked):
        assert surprisals(columns_of([unit]), other)[0] == pytest.approx(together[i], abs=1e-12)


def test_by_hand() -> None:
    """Actor a: 3 units of X=1, one of X=2; actor b: 2 of X=1. N=6, D=2."""
    learnt = [("a", {"X": "1"})] * 3 + [("a", {"X": "2"})] + [("b", {"X": "1"})] * 2
    counts = count(KIND, columns_of(learnt))
    x = dict(parts(columns_of([("a", {"X": "1"}), ("b", {"X": "2"}), ("c", {"X": "1"}), ("a", {"X": "9"})]), counts))[
        "X"
    ]
    p1, p2, p9 = 5.5 / 8, 1.5 / 8, 0.5 / 8
    expected = [(3 + 2 * p1) / 6, (0 + 1 * p2) / 3, p1, 2 * p9 / 6]
    assert x == pytest.approx([-math.log2(p) for p in expected])


def test_nothing_learnt() -> None:
    nothing = KindCounts(KIND, 0, 0, np.zeros(0, np.uint64), {})
    assert surprisals(columns_of([("a", {"X": "1", "Y": "2"})]), nothing)[0] == pytest.approx(3.0)  # 1/2 each
    assert marginal(0, 0, 0) == 0.5
    assert conditional(0, 0, 0, np.array(0.3)) == 0.3


def test_a_field_never_filled_before_is_one_bit() -> None:
    counts = count(KIND, columns_of([("a", {"X": "1"})] * 4))
    assert dict(parts(columns_of([("a", {"New": "1"})]), counts))["New"].tolist() == [1.0]


def test_probabilities_of_a_field_leave_a_place_for_the_unseen() -> None:
    """Over all values seen and one unseen, marginal and conditional sum to one at most."""
    learnt = [(a, {"X": v}) for a, v in zip("aaabbc", "123114", strict=True)]
    counts = count(KIND, columns_of(learnt))
    for actor in ("a", "b", "c", "never"):
        asked = [(actor, {"X": v}) for v in "1234?"]
        total = (2.0 ** -dict(parts(columns_of(asked), counts))["X"]).sum()
        assert total <= 1 + 1e-12
        assert total > 0.7


def test_more_of_the_same_is_less_surprising() -> None:
    unit = [("a", {"X": "1"})]
    found = [
        surprisals(columns_of(unit), count(KIND, columns_of([("a", {"X": "1"})] * n + [("a", {"X": "2"})] * 50)))[0]
        for n in (0, 1, 5, 50)
    ]
    assert found == sorted(found, reverse=True)


def test_counts_survive_saving_to_the_last_number() -> None:
    rng = np.random.default_rng(4)
    learnt = [(rng.choice(list("abcd")), {"X": str(rng.integers(30))}) for _ in range(300)]
    hosts = [f"h{rng.integers(6)}" for _ in learnt]
    fresh = count(KIND, columns_of(learnt, hosts)).fields["X"]
    again = FieldCounts.load(fresh.table())
    for name in ("pair", "actor", "value", "units", "events", "first", "last"):
        assert getattr(fresh, name).tolist() == getattr(again, name).tolist()
    assert [sorted(h) for h in fresh.hosts.to_pylist()] == [sorted(h) for h in again.hosts.to_pylist()]
    for one, other in ((fresh.by_actor, again.by_actor), (fresh.by_value, again.by_value)):
        assert one.codes.tolist() == other.codes.tolist()
        assert one.units.tolist() == other.units.tolist()
        assert one.distinct.tolist() == other.distinct.tolist()


def test_counts_against_counting() -> None:
    rng = np.random.default_rng(5)
    learnt = [(rng.choice(list("abc")), {"X": str(rng.integers(5))}) for _ in range(200)]
    hosts = [f"h{rng.integers(6)}" for _ in learnt]
    columns = columns_of(learnt, hosts)
    columns["n"] = rng.integers(1, 9, len(learnt))
    columns["first"] = rng.integers(10**15, 2 * 10**15, len(learnt))
    columns["last"] = columns["first"] + rng.integers(0, 1000, len(learnt))
    whole = count(KIND, columns)
    assert (whole.units, whole.events, len(whole.hosts)) == (200, int(columns["n"].sum()), len(set(hosts)))
    found = whole.fields["X"]
    assert found.total == 200
    for i in range(len(found.pair)):
        who, what = int(found.actor[i]), int(found.value[i])
        rows = [j for j, (a, f) in enumerate(learnt) if code_of(a) == who and code_of(f["X"]) == what]
        assert found.units[i] == len(rows)
        assert found.events[i] == columns["n"][rows].sum()
        assert found.first[i] == columns["first"][rows].min()
        assert found.last[i] == columns["last"][rows].max()
        assert set(found.hosts[i].as_py()) == {code_of(hosts[j]) for j in rows}
        assert len(found.hosts[i]) == len({hosts[j] for j in rows})
    for codes, index in ((found.actor, found.by_actor), (found.value, found.by_value)):
        for place, code in enumerate(index.codes.tolist()):
            assert index.units[place] == found.units[codes == code].sum()
            assert index.distinct[place] == (codes == code).sum()
