"""Correlations: cases counted by hand, and agreement with a plain second implementation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from correlation_naive import EPOCH, Met, occurrences, rule, table
from vizsla.errors import RuleError
from vizsla.sigma import fire as firing
from vizsla.sigma.correlate import MADE, SHOWN, correlate, needed, unspoken
from vizsla.sigma.rule import And, Condition, Correlation, Not, Or, Rule, Test


def names(made: pa.Table, by: str | None = None) -> list[str]:
    """The events of each occurrence, in order of time, as one text."""
    return ["".join(row["events"]) for row in made.to_pylist() if by is None or row["by"] == by]


def asks(kind: str, rules: Sequence[str] = ("a",), seconds: int = 10, **more: object) -> Rule:
    return rule("c", Correlation(kind, tuple(rules), seconds, **more))  # type: ignore[arg-type]


def met(events: str, by: str = "a", user: str | None = "u", begin: int = 0, step: int = 1, **values: str) -> list[Met]:
    """One hit per letter, `step` seconds apart."""
    given = (*((("User", user),) if user else ()), *values.items())
    return [Met(event, by, begin + number * step, given) for number, event in enumerate(events)]


def test_as_many_events_in_the_window() -> None:
    wanted = asks("event_count", tests=(("gte", 3),), group_by=("User",))
    hits = table([*met("ABC", begin=0, step=5), *met("D", begin=11), *met("EF", begin=40), *met("XYZ", user=None)])
    made = correlate(hits, [wanted])
    # A to C lie within ten seconds, both ends counted; with D at 11, B to D do; E and F are two; X to Z have no user.
    assert names(made) == ["ABCD"]
    row = made.to_pylist()[0]
    assert (row["_id"], row["by"], row["field"], row["value"], row["count"]) == ("D", "c", "User", "u", 4)
    assert (row["_time"], row["began"]) == (EPOCH + timedelta(seconds=11), EPOCH)
    assert (row["_host"], row["guid"], row["pid"], row["keys"]) == ("h", 7, 8, [("User", "u")])
    assert made.schema.equals(MADE)


def test_one_second_beyond_the_timespan_is_outside() -> None:
    wanted = asks("event_count", tests=(("gte", 2),), seconds=10)
    assert names(correlate(table(met("AB", step=10)), [wanted])) == ["AB"]
    assert names(correlate(table(met("AB", step=11)), [wanted])) == []


def test_groups_compare_in_lower_case_and_by_all_their_fields() -> None:
    wanted = asks("event_count", tests=(("gte", 2),), group_by=("User", "Host"))
    hits = [Met("A", "a", 0, (("User", "Ada"), ("Host", "X"))), Met("B", "a", 1, (("User", "ADA"), ("Host", "x"))),
            Met("C", "a", 2, (("User", "ada"), ("Host", "y"))), Met("D", "a", 2, (("Host", "y"),))]  # fmt: skip
    assert names(correlate(table(hits), [wanted])) == ["AB"]


def test_an_event_that_two_rules_met_counts_once() -> None:
    wanted = asks("event_count", ("a", "b"), tests=(("gte", 2),))
    assert names(correlate(table([*met("A"), *met("A", "b")]), [wanted])) == []
    assert names(correlate(table([*met("A"), *met("B", "b")]), [wanted])) == ["AB"]


def test_distinct_values_not_events() -> None:
    wanted = asks("value_count", tests=(("gte", 3),), fields=("Target",))
    hits = [Met(e, "a", n, (("Target", v),)) for n, (e, v) in enumerate(zip("ABCDE", "xXyxz", strict=True))]
    # x, X and x are one value: three of them are there once E has come.
    assert names(correlate(table(hits[:4]), [wanted])) == []
    assert names(correlate(table(hits), [wanted])) == ["ABCDE"]


@pytest.mark.parametrize(
    ("kind", "test", "fires"),
    [
        ("value_sum", ("gte", 60), True), ("value_sum", ("gt", 60), False),
        ("value_avg", ("eq", 20), True), ("value_avg", ("lt", 10), False),
        ("value_percentile", ("gte", 25), True), ("value_percentile", ("gt", 25), False),
        ("value_median", ("gt", 19), True), ("value_median", ("neq", 20), False),
    ],
)  # fmt: skip
def test_numbers_of_a_field(kind: str, test: tuple[str, float], fires: bool) -> None:
    # 10, 20, 30, and one that is no number: sum 60, mean and median 20, 75th percentile 25 (half way from 20 to 30).
    hits = [Met(e, "a", 5, (("Bytes", v),)) for e, v in zip("ABCD", ("10", " 20", "3e1", "many"), strict=True)]
    wanted = asks(kind, tests=(test,), fields=("Bytes",), percentile=75.0 if kind == "value_percentile" else None)
    assert bool(len(correlate(table(hits), [wanted]))) is fires


def test_an_event_that_two_rules_met_adds_its_number_once() -> None:
    hits = [Met(e, by, 1, (("Bytes", v),)) for e, by, v in (("A", "a", "10"), ("A", "b", "10"), ("B", "b", "30"))]
    for kind, measured in (("value_sum", 40), ("value_avg", 20), ("value_median", 20)):
        wanted = asks(kind, ("a", "b"), tests=(("eq", measured),), fields=("Bytes",))
        assert len(correlate(table(hits), [wanted])) == 1, kind


def test_rules_near_one_another_in_any_order_and_in_their_order() -> None:
    near = asks("temporal", ("a", "b"), group_by=("User",))
    ordered = asks("temporal_ordered", ("a", "b"), group_by=("User",))
    forth = table([*met("A"), *met("B", "b", begin=4), *met("X", user="v"), *met("Y", "b", user="w")])
    back = table([*met("B", "b"), *met("A", begin=4)])
    at_once = table([*met("B", "b"), *met("A")])
    assert names(correlate(forth, [near])) == ["AB"]
    assert names(correlate(back, [near])) == ["BA"]
    assert names(correlate(forth, [ordered])) == ["AB"]
    assert names(correlate(back, [ordered])) == []
    assert names(correlate(at_once, [ordered])) == []  # neither came first


def test_two_of_three_rules_in_their_order() -> None:
    wanted = asks("temporal_ordered", ("a", "b", "c0"), tests=(("gte", 2),))
    assert len(correlate(table([*met("C", "c0"), *met("A", begin=1), *met("B", "b", begin=2)]), [wanted])) == 1
    assert len(correlate(table([*met("C", "c0"), *met("B", "b", begin=1), *met("A", begin=2)]), [wanted])) == 0


def test_aliases_join_fields_of_different_names() -> None:
    wanted = asks("temporal", ("a", "b"), group_by=("ip",), aliases={"ip": {"a": "src", "b": "dst"}})
    assert needed([wanted]) == {"a": ("src",), "b": ("dst",)}
    hits = [Met("A", "a", 0, (("src", "1"), ("dst", "2"))), Met("B", "b", 1, (("src", "9"), ("dst", "1"))),
            Met("C", "b", 2, (("src", "1"), ("dst", "7")))]  # fmt: skip
    made = correlate(table(hits), [wanted])
    assert names(made) == ["AB"]
    assert made.column("keys").to_pylist() == [[("ip", "1")]]


def test_what_did_not_happen_counts_once_the_data_reaches_far_enough() -> None:
    wanted = asks("temporal", ("a", "b"), extended=And((_is("a"), Not(_is("b")))))
    hits = table([*met("A"), *met("X", begin=30), *met("Y", "b", begin=35)])
    # Nothing follows A; Y follows X.
    assert names(correlate(hits, [wanted])) == ["A"]
    alone = table(met("A"))
    assert names(correlate(alone, [wanted])) == []
    assert names(correlate(alone, [wanted], until=EPOCH + timedelta(seconds=10))) == ["A"]
    assert names(correlate(alone, [wanted], until=EPOCH + timedelta(seconds=9))) == []


def test_absence_alone_has_nothing_to_begin_with() -> None:
    wanted = asks("temporal", ("a", "b"), extended=And((Not(_is("a")), Not(_is("b")))))
    assert names(correlate(table(met("A")), [wanted])) == []


def test_many_failures_then_a_success() -> None:
    many = rule("many", Correlation("event_count", ("failed",), 10, ("Host",), tests=(("gte", 3),)), silent=True)
    top = rule("top", Correlation("temporal_ordered", ("many", "good"), 20, ("User",)))
    assert needed([many, top]) == {"failed": ("Host", "User"), "good": ("User",)}
    assert unspoken([many, top]) == {"many"}
    hits = [*met("ABC", "failed", user="eve", Host="x"), *met("D", "failed", user="bob", begin=3, Host="x"),
            *met("S", "good", user="eve", begin=8, Host="z"),
            *met("T", "good", user="kim", begin=8, Host="x")]  # fmt: skip
    made = correlate(table(hits), [many, top])
    # The failures were eve's and bob's; only eve got in.
    assert names(made) == ["ABCDS"]
    assert made.column("by").to_pylist() == ["top"]
    loud = correlate(table(hits), [replace(many, silent=False), top])
    assert names(loud, "many") == ["ABCD"]


def test_a_correlation_that_leads_to_itself_is_refused() -> None:
    one = rule("one", Correlation("event_count", ("two",), 1, tests=(("gte", 1),)))
    two = rule("two", Correlation("event_count", ("one",), 1, tests=(("gte", 1),)))
    with pytest.raises(RuleError, match="speaks of itself"):
        correlate(table([]), [one, two])


def test_hits_of_others_and_without_a_time_play_no_part() -> None:
    wanted = asks("event_count", tests=(("gte", 1),))
    hits = table([*met("A", "other"), *met("B")])
    untimed = hits.set_column(2, hits.schema.field(2), pa.nulls(2, hits.schema.field(2).type))
    assert names(correlate(hits, [wanted])) == ["B"]
    assert names(correlate(untimed, [wanted])) == []
    assert len(correlate(hits, [rule("a")])) == 0


def test_hits_from_files_are_as_from_memory(tmp_path: Path) -> None:
    hits = table([*met("ABCDEFGH", begin=100), *met("KL", user="v", begin=104)])
    shuffled = hits.take(pa.array(np.random.default_rng(3).permutation(len(hits))))
    for number in range(3):
        pq.write_table(shuffled.slice(number * 4, 4), tmp_path / f"{number}.parquet", row_group_size=2)
    wanted = asks("event_count", tests=(("gte", 2),), group_by=("User",), seconds=3)
    assert names(correlate(ds.dataset(tmp_path), [wanted])) == ["KL", "ABCDEFGH"]


def test_only_the_last_events_are_named() -> None:
    hits = table(Met(f"{n:05}", "a", n) for n in range(SHOWN + 50))
    row = correlate(hits, [asks("event_count", tests=(("gte", 2),))]).to_pylist()[0]
    assert (row["count"], len(row["events"]), row["events"][-1]) == (SHOWN + 50, SHOWN, f"{SHOWN + 49:05}")
    assert row["began"] == EPOCH + timedelta(seconds=50)


def _is(by: str) -> Test:
    return Test("rule", "equals", by, True)


VALUES = st.sampled_from(["1", "2", "3.5", "-4", "x", "X", None])
HIT = st.builds(
    lambda by, second, user, host, number: Met(
        "", by, second, tuple((k, v) for k, v in (("User", user), ("Host", host), ("N", number)) if v is not None)
    ),
    st.sampled_from("abd"), st.integers(0, 30), st.sampled_from(["u", "U", "v", None]), st.sampled_from(["h", "i"]),
    VALUES,
)  # fmt: skip
OPERATOR = st.sampled_from(["gt", "gte", "lt", "lte", "eq", "neq"])
TESTS = st.lists(st.tuples(OPERATOR, st.integers(0, 5).map(float)), min_size=1, max_size=2).map(tuple)
GROUPS = st.sampled_from([(), ("User",), ("User", "Host"), ("who",)])
ALIASES = st.sampled_from([{}, {"who": {"a": "User", "b": "Host", "d": "User"}}])
BASES = st.lists(st.sampled_from("abd"), min_size=1, max_size=3, unique=True).map(tuple)
KINDS = st.sampled_from(
    ["event_count", "value_count", "value_sum", "value_avg", "value_percentile", "temporal", "temporal_ordered"]
)
TREE: st.SearchStrategy[Condition] = st.recursive(
    st.sampled_from("abd").map(_is),
    lambda inner: st.one_of(
        inner.map(Not), st.lists(inner, min_size=2, max_size=3).map(lambda of: And(tuple(of))),
        st.lists(inner, min_size=2, max_size=3).map(lambda of: Or(tuple(of))),
    ),
    max_leaves=4,
)  # fmt: skip


@st.composite
def correlations(draw: st.DrawFn, rules: tuple[str, ...]) -> Correlation:
    kind = draw(KINDS)
    return Correlation(
        kind, rules, draw(st.integers(1, 12)), draw(GROUPS), draw(ALIASES),
        () if kind.startswith("temporal") and draw(st.booleans()) else draw(TESTS),
        ("N",) if kind.startswith("value") else (), draw(st.sampled_from([0.0, 25.0, 50.0, 90.0, 100.0])),
    )  # fmt: skip


def unique(hits: list[Met]) -> list[Met]:
    """An event has one time and one set of values; some are met by two rules."""
    named = [replace(hit, event=f"e{number:02}") for number, hit in enumerate(hits)]
    return named + [replace(hit, by="b") for hit in named if hit.by == "a" and hit.second % 3 == 0]


def agree(by: str, rules: dict[str, Rule], hits: list[Met], horizon: int) -> None:
    made = correlate(
        table(hits), [one for one in rules.values() if one.correlation], EPOCH + timedelta(seconds=horizon)
    )
    found = [frozenset(row["events"]) for row in made.to_pylist() if row["by"] == by]
    assert set(found) == occurrences(by, rules, hits, horizon)


@settings(max_examples=300, deadline=None)
@given(st.lists(HIT, max_size=14).map(unique), BASES.flatmap(correlations), st.integers(1, 6))
def test_agrees_with_the_plain_way(hits: list[Met], asked: Correlation, chunk: int) -> None:
    rules = {"a": rule("a"), "b": rule("b"), "d": rule("d"), "c": rule("c", asked)}
    before, firing.AT_ONCE = firing.AT_ONCE, chunk
    try:
        agree("c", rules, hits, 31)
    finally:
        firing.AT_ONCE = before


@settings(max_examples=200, deadline=None)
@given(st.lists(HIT, max_size=12).map(unique), TREE, st.booleans(), GROUPS, st.integers(1, 12), st.integers(15, 45))
def test_extended_conditions_agree_with_the_plain_way(
    hits: list[Met], tree: Condition, ordered: bool, group: tuple[str, ...], seconds: int, horizon: int
) -> None:
    kind = "temporal_ordered" if ordered else "temporal"
    asked = Correlation(kind, ("a", "b", "d"), seconds, group, extended=tree)
    agree("c", {"a": rule("a"), "b": rule("b"), "d": rule("d"), "c": rule("c", asked)}, hits, horizon)


@settings(max_examples=200, deadline=None)
@given(st.lists(HIT, max_size=10).map(unique), BASES.flatmap(correlations), correlations(("c", "d")))
def test_correlations_over_correlations_agree_with_the_plain_way(
    hits: list[Met], below: Correlation, above: Correlation
) -> None:
    aliases = {
        name: {("c" if by == "a" else by): field for by, field in of.items()} for name, of in above.aliases.items()
    }
    top = replace(above, aliases=aliases)
    agree("t", {"a": rule("a"), "b": rule("b"), "d": rule("d"), "c": rule("c", below), "t": rule("t", top)}, hits, 31)
