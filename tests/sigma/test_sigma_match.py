"""The matcher finds what a plain evaluation of rule after rule and event after event finds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive_match import Event, a_rule, met

from vizsla.sigma.match import Binding, SigmaMatcher, matcher
from vizsla.sigma.rule import And, Condition, Not, Or, Rule, Test

FIELDS = ("Image", "CommandLine", "EventID", "Address", "UtcTime", "Odd Name (x)")
WORDS = (
    "a", "A", "ab", "aB", "b", "", "\\cmd.exe", "C:\\Windows\\cmd.exe", "É", "é", "ß", "İ", "Σ", "σ", "ς", "K", "日本",
    "cmd", "CMD.EXE /c a", "-", "[", "]", "\n", "aa", "aaa", "a.b", "a b",
)  # fmt: skip
OTHERS = (
    "4624", "4624.0", "+4624", "04624", "1e3", "1000", "-1", "0", "nan", "inf", "12345678901234567890", "10.0.0.1",
    "10.0.0.300", "192.168.1.1", "2001:db8::1", "fe80::1", "2024-02-29T23:59:58.123456+02:00", "2021-01-03 10:07:00",
    "2024-13-01", '["a","B"]', '["4624", 5, true, null]', '[["a"]]', '{"a": 1}', "[a]", "[]", '["10.0.0.1"]',
)  # fmt: skip
texts = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(OTHERS),
    st.lists(st.sampled_from(WORDS), max_size=4).map("".join),
)
events = st.lists(st.fixed_dictionaries({name: st.none() | texts for name in FIELDS}), max_size=12)


@st.composite
def patterns(draw: st.DrawFn, how: str) -> Test:
    pieces = draw(st.lists(st.sampled_from([*[w for w in WORDS if w.isascii()], None]), min_size=1, max_size=4))
    body = "".join(".*" if piece is None else re.escape(piece.lower()) for piece in pieces)
    sure = [piece.lower() for piece in pieces if piece]
    literals = (max(sure, key=len),) if sure and draw(st.booleans()) else ()
    cased = how == "re" or draw(st.booleans())
    before = draw(st.sampled_from(("(?is)", "(?s)"))) if how == "re" else "(?s)"
    return Test(draw(st.sampled_from((*FIELDS, "Missing"))), how, before + body, cased, literals)


@st.composite
def questions(draw: st.DrawFn) -> Test:
    field = draw(st.sampled_from((*FIELDS, "Missing")))
    how = draw(st.sampled_from((
        "equals", "startswith", "endswith", "contains", "equals", "contains", "like", "re", "cidr", "number", "order",
        "exists", "null", "field", "time", "keyword",
    )))  # fmt: skip
    if how in ("like", "re"):
        return draw(patterns(how))
    if how == "keyword":
        return Test("", draw(st.sampled_from(("contains", "equals"))), draw(texts.filter(bool)), draw(st.booleans()))
    if how == "cidr":
        return Test(field, how, draw(st.sampled_from(("10.0.0.0/8", "192.168.1.1/32", "2001:db8::/32", "0.0.0.0/0"))))
    if how == "number":
        return Test(field, how, draw(st.sampled_from(("4624", "1000", "-1", "0", "0.5"))))
    if how == "order":
        return Test(field, draw(st.sampled_from(("lt", "lte", "gt", "gte"))), draw(st.sampled_from(("4624", "0", "5"))))
    if how == "exists":
        return Test(field, how, draw(st.sampled_from(("true", "false"))))
    if how == "null":
        return Test(field, how, "")
    if how == "field":
        how = draw(st.sampled_from(("field", "field_startswith", "field_endswith", "field_contains")))
        return Test(field, how, draw(st.sampled_from((*FIELDS, "Missing"))), draw(st.booleans()))
    if how == "time":
        part, value = draw(
            st.sampled_from((("minute", "59"), ("hour", "10"), ("day", "3"), ("week", "53"), ("month", "2")))
        )
        return Test(field, part, value, than=draw(st.sampled_from(("", "lt", "gte"))))
    return Test(field, how, draw(texts), draw(st.booleans()))


def nested(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    several = st.lists(inner, min_size=1, max_size=4).map(tuple)
    return st.one_of(several.map(And), several.map(Or), inner.map(Not))


conditions: st.SearchStrategy[Condition] = st.recursive(questions(), nested, max_leaves=8)


def batches(
    events: Sequence[Event], sizes: Sequence[int], encoded: bool, names: Sequence[str] = FIELDS
) -> list[pa.RecordBatch]:
    """Events as batches, dictionary-encoded with one dictionary for all or plain."""
    columns = [pa.array([event.get(name) for event in events], pa.string()) for name in names]
    whole = pa.RecordBatch.from_arrays([c.dictionary_encode() if encoded else c for c in columns], names=list(names))
    found, at = [], 0
    for size in (*sizes, len(events)):
        found.append(whole.slice(at, size))
        at = min(at + size, len(events))
    return found


def prepared(rules: Iterable[Rule], names: Sequence[str] | None = FIELDS) -> SigmaMatcher | None:
    return matcher("some_table", [Binding(rule) for rule in rules], names)[0]


def looked(made: SigmaMatcher | None, parts: Iterable[pa.RecordBatch]) -> set[tuple[str, int]]:
    """(rule, place of the event) of all that is met; each but once."""
    look = made.start() if made is not None else None
    found: list[tuple[str, int]] = []
    before = 0
    for part in parts:
        if look is not None:
            result = look(part)
            found += zip(result.by.to_pylist(), (result.row + before).tolist(), strict=True)
            assert len(result.field) == len(result.value) == len(result.row)
        before += part.num_rows
    assert len(found) == len(set(found))
    return set(found)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    asked=st.lists(conditions, min_size=1, max_size=6),
    found=events,
    sizes=st.lists(st.integers(0, 5), max_size=3),
    encoded=st.booleans(),
    known=st.booleans(),
)
def test_matcher_agrees_with_plain_evaluation(
    asked: list[Condition], found: list[Event], sizes: list[int], encoded: bool, known: bool
) -> None:
    rules = [a_rule(f"r{number}", condition) for number, condition in enumerate(asked)]
    made = prepared(rules, FIELDS if known else None)
    assert looked(made, batches(found, sizes, encoded)) == met(rules, found)
