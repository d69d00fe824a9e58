"""What the matcher does at the edges: values of several columns, of maps and lists, keys, and hostile input."""

from __future__ import annotations

import pickle
import re
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from naive_match import a_rule, low

from vizsla.sigma.atoms import number
from vizsla.sigma.automaton import Automaton, lay, pattern
from vizsla.sigma.column import lowered
from vizsla.sigma.match import Binding, SigmaMatcher, matcher
from vizsla.sigma.rule import And, Condition, Not, Or, Test

HOWS = ("equals", "startswith", "endswith", "contains")


def made(*bindings: Binding, names: tuple[str, ...] | None = None, **wanted: tuple[str, ...]) -> SigmaMatcher:
    found, refused = matcher("windows_security", bindings, names, wanted)
    assert found is not None
    assert not refused
    return found


def hits(found: SigmaMatcher, batch: pa.RecordBatch) -> list[tuple[int, str, str, str]]:
    met = found.start()(batch)
    columns = (met.row.tolist(), met.by.to_pylist(), met.field.to_pylist(), met.value.to_pylist())
    return sorted(zip(*columns, strict=True))


def bind(condition: Condition, **columns: str) -> Binding:
    return Binding(a_rule("r", condition), {}, columns)


@given(
    st.lists(st.text("abA\\é.", max_size=5), max_size=8),
    st.lists(st.tuples(st.sampled_from(HOWS), st.text("abA\\é.", max_size=3)), min_size=1, max_size=8),
    st.integers(1, 8),
)
def test_automaton_finds_each_text_where_it_stands(
    values: list[str], sought: list[tuple[str, str]], chunk: int
) -> None:
    sought = [(how, text) for how, text in sought if text or how == "equals"]
    patterns = {pattern(how, text): (how, text) for how, text in sought}
    if not patterns:
        return
    search = Automaton(list(patterns))
    search._chunk = chunk
    found = search.find(lay(pa.array(values, pa.string()), search.edges))
    stands = {
        "equals": lambda value, text: value == text,
        "startswith": str.startswith,
        "endswith": str.endswith,
        "contains": str.__contains__,
    }
    assert set(zip(*(part.tolist() for part in found), strict=True)) == {
        (number, place)
        for number, (how, text) in enumerate(patterns.values())
        for place, value in enumerate(values)
        if stands[how](value, text)
    }


def test_where_must_hold_and_its_case_does_not_count() -> None:
    rule = a_rule("r", Test("Image", "endswith", "\\cmd.exe"))
    batch = pa.RecordBatch.from_pydict({
        "Image": ["C:\\CMD.exe", "C:\\cmd.exe", "C:\\cmd.exe", "c:\\cmd.exe"],
        "EventID": ["1", "2", None, "1"],
        "Channel": ["Security", "security", "Security", "System"],
    })  # fmt: skip
    one = made(Binding(rule, {"EventID": ("1", "2"), "channel": ("SECURITY",)}))
    assert hits(one, batch) == [(0, "r", "Image", "C:\\CMD.exe"), (1, "r", "Image", "C:\\cmd.exe")]
    assert [row for row, *_ in hits(made(Binding(rule, {"EventID": ("*",)})), batch)] == [0, 1, 3]


def test_rule_bound_twice_is_met_once() -> None:
    rule = a_rule("r", Test("Image", "contains", "cmd"))
    twice = made(Binding(rule, {"EventID": ("1",)}), Binding(rule, {}, {"Image": "NewProcessName"}))
    batch = pa.RecordBatch.from_pydict({"EventID": ["1"], "Image": ["cmd"], "NewProcessName": ["CMD"]})
    assert hits(twice, batch) == [(0, "r", "Image", "cmd")]


@pytest.mark.parametrize(
    ("expression", "asked", "rows"),
    [
        ("basename(A)", "cmd.exe", [0]),
        ("hash(B, IMPHASH)", "f00", [0]),
        ("join(C, D)", "corp\\bob", [0]),
        ("first(D, C)", "bob", [0]),
        ("first(E, A)", "c:\\x\\cmd.exe", [0]),
        ("first(A)", "-", []),
        ("A", "-", [1]),
        ("user(F)", "alice", [0, 1]),
        ("`odd (name)`", "x", [1]),
        ("odd (name)", "x", [1]),
    ],
)
def test_fields_may_be_expressions(expression: str, asked: str, rows: list[int]) -> None:
    batch = pa.RecordBatch.from_pydict({
        "A": ["C:\\x\\cmd.exe", "-"],
        "B": ["MD5=1,IMPHASH=F00", "MD5=2"],
        "C": ["CORP", "CORP"],
        "D": ["bob", None],
        "F": ["CORP\\alice", "alice"],
        "odd (name)": [None, "X"],
    })  # fmt: skip
    one = made(bind(Test("field", "equals", asked), field=expression), names=tuple(batch.schema.names))
    assert [row for row, *_ in hits(one, batch)] == rows


def test_columns_are_those_that_are_asked() -> None:
    names = ("_time", "EventID", "Image", "commandline", "Other")
    rule = a_rule("r", Or((Test("CommandLine", "contains", "x"), Test("Missing", "equals", "y"))))
    one = made(Binding(rule, {"EventID": ("1",)}), names=names, r=("Image",))
    assert set(one.columns) == {"EventID", "commandline", "Image"}
    words = made(bind(Test("", "contains", "x")), names=names)
    assert set(words.columns) == {"EventID", "Image", "commandline", "Other"}


def test_rule_without_its_fields_is_told() -> None:
    lost = a_rule("lost", And((Test("Image", "contains", "x"), Test("Nothing", "equals", "y"))))
    kept = a_rule("kept", And((Test("Image", "contains", "x"), Not(Test("Nothing", "equals", "y")))))
    found, refused = matcher("t", [Binding(lost), Binding(kept)], ("Image",))
    assert [(one.rule.id, one.reason) for one in refused] == [("lost", "t does not have Nothing")]
    assert found is not None
    assert [by for _, by, *_ in hits(found, pa.RecordBatch.from_pydict({"Image": ["x"]}))] == ["kept"]


@pytest.mark.parametrize("name", ["`", "a`b", " ", "a(b", "1x,", "\n", "日本"])
def test_fields_may_have_any_name(name: str) -> None:
    batch = pa.RecordBatch.from_pydict({"A": ["x"], "日本": ["x"]})
    asked = Or((Test(name, "equals", "x"), Test("A", "equals", "x")))
    assert [row for row, *_ in hits(made(bind(asked)), batch)] == [0]


def test_first_test_that_held_is_told() -> None:
    rule = And((Not(Test("A", "equals", "z")), Or((Test("A", "contains", "x"), Test("B", "contains", "y")))))
    batch = pa.RecordBatch.from_pydict({"A": ["ax", "a", "z"], "B": ["y", "BY", "y"]})
    assert hits(made(bind(rule)), batch) == [(0, "r", "A", "ax"), (1, "r", "B", "BY")]


def test_values_that_correlations_group_by() -> None:
    batch = pa.RecordBatch.from_pydict({"A": ["x", "x"], "B": ["1", None], "P": ["C:\\a.exe", "b.exe"]})
    rule = a_rule("r", Test("A", "equals", "x"))
    one = made(Binding(rule, {}, {"Image": "basename(P)"}), names=("A", "B", "P"), r=("B", "Image", "Nothing"))
    met = one.start()(batch)
    assert met.keys is not None
    assert met.keys.to_pylist() == [[("B", "1"), ("Image", "a.exe")], [("Image", "b.exe")]]
    assert made(Binding(rule)).start()(batch).keys is None


def test_what_did_not_fit_in_columns_is_asked_too() -> None:
    extra = pa.array(
        [[("K", "Mimikatz"), ("L", "x")], None, [], [("L", "mimi"), ("K", "y")]], pa.map_(pa.string(), pa.string())
    )
    batch = pa.RecordBatch.from_arrays([pa.array(["a", "mimikatz", None, "a"]), extra], names=["A", "_extra"])
    words = made(bind(Test("", "contains", "mimikatz")), names=("A", "_extra"))
    assert hits(words, batch) == [(0, "r", "_extra", "Mimikatz"), (1, "r", "A", "mimikatz")]
    assert [row for row, *_ in hits(words, batch.slice(1))] == [0]
    field = made(bind(Test("K", "equals", "mimikatz")), names=("A", "_extra"))
    assert field.columns == ("_extra",)
    assert hits(field, batch) == [(0, "r", "K", "Mimikatz")]


def test_keywords_are_asked_of_every_column_together_and_apart() -> None:
    batch = pa.RecordBatch.from_pydict(
        {"A": ["one", "one two", None], "B": ["two", None, "three"], "_own": ["three"] * 3}
    )
    both = And((Test("", "contains", "one"), Test("", "contains", "two")))
    assert [row for row, *_ in hits(made(bind(both)), batch)] == [0, 1]
    assert [row for row, *_ in hits(made(bind(Not(Test("", "contains", "three")))), batch)] == [0, 1]
    # Values that lie beside each other in memory are no one text.
    assert not hits(made(bind(Test("", "contains", "oneone"))), batch)


def test_same_dictionary_again_and_another() -> None:
    look = made(bind(Test("A", "contains", "x"))).start()
    first = pa.DictionaryArray.from_arrays(pa.array([0, 1, None], pa.int32()), pa.array(["x", "b", "xx"]))
    second = pa.DictionaryArray.from_arrays(pa.array([2, 1, 0], pa.int32()), pa.array(["x", "b", "xx"]))
    third = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array(["b", None, "x"]))
    found = [look(pa.RecordBatch.from_arrays([c], names=["A"])).row.tolist() for c in (first, second, third, first)]
    assert found == [[0], [0, 2], [2], [0]]


def test_matcher_is_small_plain_and_goes_anywhere() -> None:
    one = made(bind(Or(tuple(Test("A", "contains", f"word{n}") for n in range(1000)))))
    assert len(pickle.dumps(one)) < 10_000
    again = pickle.loads(pickle.dumps(one))
    assert again == one
    assert hits(again, pa.RecordBatch.from_pydict({"A": ["a WORD77 b"]})) == [(0, "r", "A", "a WORD77 b")]


@given(st.text())
def test_lower_case_is_by_character(text: str) -> None:
    if all(c in "İıſKΣς" or c.isascii() or "À" <= c <= "ſ" for c in text):
        assert lowered(pa.array([text])).to_pylist() == [low(text).replace("İ", "i")]


def test_hostile_patterns_take_no_time() -> None:
    """Nested quantifiers, many alternatives, texts that repeat themselves."""
    text = "a" * 200_000
    rules = [
        bind(Test("A", "re", r"(a+)+$b", True)),
        bind(Test("A", "re", r"(a|aa|a?)*c", True)),
        bind(Test("A", "like", "(?is)" + ".*a" * 50 + ".*b")),
        bind(Or(tuple(Test("A", "contains", "a" * n) for n in range(1, 400)))),
        bind(Or(tuple(Test("A", "contains", f"no{n}") for n in range(50_000)))),
    ]
    one = made(
        *[Binding(a_rule(f"r{n}", binding.rule.condition)) for n, binding in enumerate(rules) if binding.rule.condition]
    )
    started = time.process_time()
    assert [by for _, by, *_ in hits(one, pa.RecordBatch.from_pydict({"A": [text, "b"]}))] == ["r3"]
    assert time.process_time() - started < 60


def test_huge_values_and_many_rows_are_bounded() -> None:
    value = "x" * 20_000_000 + "needle"
    batch = pa.RecordBatch.from_pydict({"A": [value, "needle", None] + ["y"] * 100_000})
    one = made(
        bind(And((Test("A", "endswith", "needle"), Test("A", "contains", "x"), Test("A", "re", "xn", True, ("xn",)))))
    )
    assert [row for row, *_ in hits(one, batch)] == [0]


def test_numbers_are_numbers_however_long() -> None:
    assert number("9007199254740993") != number("9007199254740992.0")
    assert number("1" * 5000) is None
    assert number("4_624") is None
    assert number("٤") is None
    assert number("-1.50") == -1.5


def test_unused_values_of_a_dictionary_are_no_events() -> None:
    values = pa.DictionaryArray.from_arrays(pa.array([1, 1], pa.int32()), pa.array(["evil", "good"]))
    one = made(bind(Test("A", "equals", "evil")))
    assert not hits(one, pa.RecordBatch.from_arrays([values], names=["A"]))
    assert np.array_equal(one.start()(pa.RecordBatch.from_arrays([values], names=["A"])).row, np.zeros(0))


def test_pattern_needs_its_literal_but_is_asked_as_it_is() -> None:
    one = made(bind(Test("A", "re", "^Evil[0-9]", True, ("evil",))))
    batch = pa.RecordBatch.from_pydict({"A": ["Evil1", "evil1", "xEvil1", "Evil"]})
    assert [row for row, *_ in hits(one, batch)] == [0]
    assert re.search("^Evil[0-9]", "Evil1")
