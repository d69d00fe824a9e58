"""Wildcards and regular expressions as tests: what they match, and the literals that stand in whatever they match."""

from __future__ import annotations

import pytest
import re2
from hypothesis import assume, given
from hypothesis import strategies as st

from vizsla.errors import RuleError
from vizsla.sigma import wildcards
from vizsla.sigma.literals import of_regex
from vizsla.sigma.regex import LONGEST, parts
from vizsla.sigma.rule import Test
from vizsla.sigma.wildcards import Wildcard

ANY, ONE = Wildcard.ANY, Wildcard.ONE
LETTERS = st.text("abABß\\.*?\n-", max_size=6)
PIECES = st.lists(st.one_of(LETTERS, st.sampled_from(Wildcard)), max_size=6)
TEXTS = st.text("abABß\\.*?\n-", max_size=12)


def naive(pieces: list[str | Wildcard], text: str) -> bool:
    """Whether the pieces match the whole text, by trying every way."""
    if not pieces:
        return not text
    first, rest = pieces[0], pieces[1:]
    if first is ANY:
        return any(naive(rest, text[at:]) for at in range(len(text) + 1))
    if first is ONE:
        return bool(text) and naive(rest, text[1:])
    return text.startswith(first) and naive(rest, text[len(first) :])


def holds(test: Test, text: str) -> bool:
    """What a test of a text says, straight from the contract in `rule`."""
    own = text if test.cased or test.how in ("like", "re") else text.lower()
    match test.how:
        case "equals":
            return own == test.value
        case "startswith":
            return own.startswith(test.value)
        case "endswith":
            return own.endswith(test.value)
        case "contains":
            return test.value in own
        case "like":
            return re2.fullmatch(test.value, own) is not None
        case "exists":
            return True
    raise AssertionError(test.how)


@given(PIECES, TEXTS, st.booleans())
def test_wildcards_match_what_they_say(pieces, text, cased):
    test = wildcards.test("F", pieces, cased=cased)
    lowered = pieces if cased else [p.lower() if isinstance(p, str) else p for p in pieces]
    assert holds(test, text) == naive(lowered, text if cased else text.lower())


@given(PIECES, st.data())
def test_a_text_that_wildcards_match_holds_a_literal(pieces, data):
    fills = {ANY: LETTERS, ONE: st.sampled_from("abB*\n")}
    text = "".join(piece if isinstance(piece, str) else data.draw(fills[piece]) for piece in pieces)
    test = wildcards.test("F", pieces)
    assert holds(test, text)
    assert not test.literals or any(literal in text.lower() for literal in test.literals)


@given(PIECES)
def test_patterns_are_made_only_where_needed(pieces):
    test = wildcards.test("F", pieces)
    texts = [p for p in pieces if p]
    inner = texts[bool(texts and texts[0] is ANY) : len(texts) - bool(texts and texts[-1] is ANY)]
    if not any(isinstance(piece, Wildcard) for piece in inner):
        assert test.how != "like"


@given(PIECES, TEXTS)
def test_a_keyword_stands_anywhere(pieces, text):
    test = wildcards.keyword(pieces)
    assert test.field == ""
    assert holds(test, text) == naive(
        [ANY, *[p.lower() if isinstance(p, str) else p for p in pieces], ANY], text.lower()
    )


# Patterns out of what rules write; the grammar makes valid ones alone.
ATOMS = st.one_of(
    st.text("abcABC1 _/", min_size=1, max_size=5),
    st.sampled_from(
        ["\\\\", "\\.", "\\d", ".", "[a-c]", "[^a]", "\\s", "\\w", "[0-9]", "[aA]", "\\x41", "\\b", "^", "$"]
    ),
)
REPEATS = st.sampled_from(["", "", "", "?", "*", "+", "{2}", "{1,2}", "{0,1}", "{0}", "+?", "*?"])


def composed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    group = st.tuples(st.sampled_from(["(", "(?:", "(?i:"]), inner, REPEATS).map(lambda t: f"{t[0]}{t[1]}){t[2]}")
    branch = st.lists(inner, min_size=2, max_size=3).map(lambda all_of: f"(?:{'|'.join(all_of)})")
    return st.lists(st.one_of(inner, group, branch), min_size=1, max_size=3).map("".join)


SINGLE = st.tuples(ATOMS, REPEATS).map(lambda t: t[0] + t[1] if t[0] not in ("^", "$", "\\b") else t[0])
PATTERNS = st.tuples(st.sampled_from(["", "(?i)", "(?s)"]), st.recursive(SINGLE, composed, max_leaves=8)).map("".join)


@given(PATTERNS, st.lists(st.text("abcABC1 _/.\\", max_size=30), min_size=1, max_size=8))
def test_a_text_that_an_expression_matches_holds_a_literal(pattern, texts):
    literals = of_regex(pattern)
    for text in texts:
        if re2.search(pattern, text):
            assert not literals or any(literal in text.lower() for literal in literals), (pattern, text)


@given(PATTERNS, st.data())
def test_texts_made_to_match_hold_a_literal(pattern, data):
    text = data.draw(st.from_regex(pattern))
    assume(text.isascii() and re2.search(pattern, text))
    literals = of_regex(pattern)
    assert not literals or any(literal in text.lower() for literal in literals), (pattern, text)


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("mimikatz", ("mimikatz",)),
        ("(?i)MimiKatz", ("mimikatz",)),
        ("foo.*barbaz", ("barbaz",)),
        ("(?:one|two)\\.exe", ("one.exe", "two.exe")),
        ("(?:one|t)x?", ()),
        ("[ab]cmd", ("acmd", "bcmd")),
        ("a*b*", ()),
        ("(abc)+", ("abc",)),
        ("(abc)?", ()),
        ("(abc){0}", ()),
        ("x{,1}yz", ()),
        ("[[:alpha:]]abc", ()),
        ("\\x{e9}abc", ()),
        ("(?i)größe", ("gr",)),
        ("", ()),
    ],
)
def test_literals_of_expressions(pattern, literals):
    assert of_regex(pattern) == literals


@pytest.mark.parametrize(
    "pattern", ["(a)\\1", "a(?=b)", "(?<!a)b", "(?=a)b|c", "^(?=a)b|c", "(?>a)", "a" * (LONGEST + 1)]
)
def test_what_cannot_be_matched_in_bounded_time_is_refused(pattern):
    with pytest.raises(RuleError):
        parts(pattern)


def test_nested_repeats_are_bounded():
    for pattern in ("(a+)+$", "(a|aa)+$", "(.*)*b"):
        (part,) = parts(pattern)
        assert re2.search(part.pattern, "a" * 100_000 + "c") is None or pattern == "(.*)*b"
    with pytest.raises(RuleError):
        parts("((((a{1000}){1000}){1000}){1000})")


@pytest.mark.parametrize(
    ("pattern", "text", "met"),
    [
        ("^(?=.*a)(?!.*b)c", "cxa", True),
        ("^(?=.*a)(?!.*b)c", "cab", False),
        ("^(?=.*a)(?!.*b)c", "xca", False),
        ("^(?!.*(?:x|y)\\)).*z", "abz", True),
        ("^(?!.*(?:x|y)\\)).*z", "ay)z", False),
        ("foo\\Z", "a foo", True),
        ("foo\\Z", "foo\n", False),
        ("^(?=[)(]+a)[(]", "((a", True),
    ],
)
def test_look_ahead_at_the_start_has_an_equal(pattern, text, met):
    assert all((re2.search(part.pattern, text) is not None) == part.wanted for part in parts(pattern)) == met


def test_flags_stand_in_the_pattern():
    assert [part.pattern for part in parts("a.b", "si")] == ["(?is)a.b"]
    with pytest.raises(RuleError):
        parts("a", "x")
    with pytest.raises(RuleError):
        parts("^(?=a)b", "m")  # each line begins anew there


def test_a_value_is_bounded():
    with pytest.raises(RuleError):
        wildcards.test("F", ["x" * (wildcards.LONGEST + 1)])
