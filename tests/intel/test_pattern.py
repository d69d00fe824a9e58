"""The pattern language: what is written is read as meant, texts and trees go together, hostile ones are refused."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stix2patterns.validator import run_validator

from vizsla.intel import pattern as module
from vizsla.intel.pattern import (
    ANY,
    Between,
    Joined,
    Path,
    Pattern,
    Place,
    Qualified,
    Repeats,
    Seen,
    Term,
    Terms,
    Within,
    fields,
    indicators,
    parse,
    split,
)
from vizsla.view import views


def test_all_of_the_language() -> None:
    text = (
        "([a:b = 1] AND [c:d NOT IN ('x', 2.5)]) WITHIN 5 SECONDS FOLLOWEDBY "
        "[e:f[*].g LIKE 'a%' AND (h:i[2] >= -3 OR EXISTS h:'j k')] REPEATS 3 TIMES "
        "START t'2020-01-01T00:00:00Z' STOP t'2021-01-01T00:00:00.5Z'"
    )
    first = Qualified(
        Joined(
            "AND",
            (
                Seen(Term(Path("a", ("b",)), "=", (1,))),
                Seen(Term(Path("c", ("d",)), "IN", ("x", 2.5), negated=True)),
            ),
        ),
        Within(5),
    )
    second = Seen(
        Terms(
            "AND",
            (
                Term(Path("e", ("f", ANY, "g")), "LIKE", ("a%",)),
                Terms("OR", (Term(Path("h", ("i", 2)), ">=", (-3,)), Term(Path("h", ("j k",)), "EXISTS"))),
            ),
        )
    )
    when = Between(datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC))
    expected = Pattern(Joined("FOLLOWEDBY", (first, Qualified(Qualified(second, Repeats(3)), when))))
    assert parse(text) == expected
    assert str(expected) == text
    assert len(list(expected.terms())) == 5


def test_and_binds_more_than_or_more_than_followedby() -> None:
    root = parse("[a:b=1] AND [a:b=2] OR [a:b=3] FOLLOWEDBY [a:b=4]").root
    assert str(root) == "(([a:b = 1] AND [a:b = 2]) OR [a:b = 3]) FOLLOWEDBY [a:b = 4]"
    test = parse("[a:b=1 AND a:b=2 OR a:b=3]").root
    assert str(test) == "[(a:b = 1 AND a:b = 2) OR a:b = 3]"


def test_constants_of_all_kinds() -> None:
    found = [
        term.values[0]
        for term in parse(
            r"[a:b = 'it\'s \\' AND a:b == h'0aFF' AND a:b <> b'AQID' AND a:b = true AND a:b = -1.5"
            r" AND a:b = t'2020-02-03T04:05:06.123456789Z' AND a:b = .5]/* comment */ // and another"
        ).terms()
    ]
    when = datetime(2020, 2, 3, 4, 5, 6, 123_456, tzinfo=UTC)
    assert found == ["it's \\", b"\x0a\xff", b"\x01\x02\x03", True, -1.5, when, 0.5]


@pytest.mark.parametrize(
    "text",
    [
        "", "[", "[]", "[a:b = ]", "[a:b = 'x'", "a:b = 'x'", "[a = 1]", "[a:b 1]", "[a:b = 1] AND", "[a:b = 1] x",
        "[a:b = 'x]", "[a:b MATCHES 5]", "[a:b > true]", "[a:b[x] = 1]", "[a:b[-1] = 1]", "[NOT a:b = 1]",
        "[a:b = t'2020-13-01T00:00:00Z']", "[a:b = h'0']", "[a:b = b'*']", "[a:b=1] WITHIN 0 SECONDS",
        "[a:b=1] REPEATS 1.5 TIMES", "[a:b=1] WITHIN 'x' SECONDS", "[a:b=1] START 1 STOP 2",
        "[a:b=1] START t'2020-01-01T00:00:00Z' STOP t'2019-01-01T00:00:00Z'", "[a:b = " + "9" * 401 + "]",
        "[a:b = " + "9" * 350 + ".0]", "([a:b = 1]", "[a:b = 1 AND]", "[a:b IN ('x' 'y')]", "[a:b = §]",
        "[a:b = null]",
    ],
)  # fmt: skip
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000,
        "[" + "(" * 100_000,
        "[a:b = 1" + " OR a:b = 1" * 100_000,
        "[a:b MATCHES '" + "(a+)+" * 20_000 + "']",
        "[a:b IN (" + "'x'," * 1_000_000 + "'x')]",
        "[a:b=1]" + " REPEATS 2 TIMES" * 5_000,
        "/*" * 60_000,
        "'" + "\\" * 120_000,
        "[a:b = 'x' AND " + "NOT " * 20_000,
        "(" * 33 + "[a:b = 1]" + ")" * 33,
    ],
)
def test_hostile_patterns_are_refused_soon(text: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        parse(text)
    assert time.process_time() - began < 2


def test_long_but_honest_patterns_are_read() -> None:
    many = parse("[domain-name:value IN (" + ", ".join(f"'a{i}.example.com'" for i in range(4000)) + ")]")
    assert len(split(many)) == 4000
    assert parse(str(many)) == many


def test_alternatives_come_apart() -> None:
    text = (
        "[domain-name:value = 'a.b' OR ipv4-addr:value = '192.0.2.1' OR (file:name = 'x' AND file:size > 5)] "
        "OR [mutex:name IN ('m', 'n')] OR [url:value LIKE 'http%'] OR [file:name != 'y']"
    )
    assert split(parse(text)) == [
        ("domain", "a.b"),
        ("ipv4", "192.0.2.1"),
        ("pattern", "[file:name = 'x' AND file:size > 5]"),
        ("mutex", "m"),
        ("mutex", "n"),
        ("pattern", "[url:value LIKE 'http%']"),
        ("pattern", "[file:name != 'y']"),
    ]


def test_like_with_percent_alone_is_a_wildcard() -> None:
    like = {
        "[file:name LIKE 'ev%']": ("file_name", "ev*"),
        r"[file:path LIKE '%\\temp\\x%.exe']": ("file_path", r"*\temp\x*.exe"),
        "[url:value LIKE 'https://evil.com/%']": ("url", "https://evil.com/*"),
        "[file:name LIKE 'e_l%']": ("pattern", "[file:name LIKE 'e_l%']"),  # _ is any one character
        "[file:name LIKE '%']": ("pattern", "[file:name LIKE '%']"),
        "[file:name NOT LIKE 'ev%']": ("pattern", "[file:name NOT LIKE 'ev%']"),
        "[domain-name:value LIKE '%.evil.com']": ("pattern", "[domain-name:value LIKE '%.evil.com']"),
    }
    assert {text: split(parse(text)) for text in like} == {text: [one] for text, one in like.items()}


def test_hashes_of_one_file_are_each_enough() -> None:
    both = parse("[file:hashes.'SHA-256' = 'A' AND file:hashes.MD5 = 'B' AND file:hashes.sha1 = 'C']")
    assert split(both) == [("sha256", "A"), ("md5", "B"), ("sha1", "C")]
    named = parse("[file:hashes.MD5 = 'B' AND file:name = 'x']")
    assert split(named) == [("pattern", "[file:hashes.MD5 = 'B' AND file:name = 'x']")]
    two = "[file:hashes.MD5 = 'B'] AND [file:hashes.MD5 = 'C']"
    assert split(parse(two)) == [("pattern", two)]


def test_all_mapped_fields_are_in_our_views() -> None:
    known = {(view.name, field.name) for view in views().values() for field in view.fields}
    paths = module._paths()
    assert len(paths) > 60
    for text, held in paths.items():
        assert module._key(next(parse(f"[{text} = 'x']").terms()).path) == text
        assert [place for place in held.places if (place.view, place.field) not in known] == []


def test_paths_find_their_fields() -> None:
    (term,) = parse("[network-traffic:dst_ref.value = '192.0.2.1']").terms()
    assert Place("network", "destination.ip") in fields(term.path)
    (term,) = parse("[file:hashes.'SHA-256' = 'x']").terms()
    assert Place("process", "process.hash.sha256") in fields(term.path)
    (term,) = parse("[x-ours:thing = 'x']").terms()
    assert fields(term.path) == ()


NAMES = st.one_of(st.text("abcXY_9-", min_size=1, max_size=6), st.text(max_size=4), st.sampled_from(["AND", "true"]))
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
CONSTANTS = st.one_of(TEXT, st.integers(-(10**30), 10**30), FLOATS, st.booleans(), st.binary(max_size=5), TIMES)
PATHS = st.builds(
    lambda kind, first, rest: Path(kind, (first, *rest)),
    st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True),
    NAMES,
    st.lists(st.one_of(NAMES, st.integers(ANY, 99)), max_size=3),
)
TERMS = st.one_of(
    st.builds(lambda p, o, v, n: Term(p, o, (v,), n), PATHS, st.sampled_from(["=", "!="]), CONSTANTS, st.booleans()),
    st.builds(
        lambda p, o, v, n: Term(p, o, (v,), n),
        PATHS,
        st.sampled_from(["<", "<=", ">", ">="]),
        st.one_of(FLOATS, TEXT, TIMES),
        st.booleans(),
    ),
    st.builds(
        lambda p, o, v, n: Term(p, o, (v,), n),
        PATHS,
        st.sampled_from(["LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"]),
        TEXT,
        st.booleans(),
    ),
    st.builds(lambda p, v, n: Term(p, "IN", tuple(v), n), PATHS, st.lists(CONSTANTS, max_size=3), st.booleans()),
    st.builds(lambda p, n: Term(p, "EXISTS", (), n), PATHS, st.booleans()),
)
COMPARED = st.recursive(
    TERMS,
    lambda inner: st.builds(
        lambda o, parts: Terms(o, tuple(parts)), st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3)
    ),
    max_leaves=5,
)
QUALIFIERS = st.one_of(
    st.builds(Within, st.one_of(st.integers(1, 10**6), st.floats(1e-9, 1e9))),
    st.builds(Repeats, st.integers(1, 10**6)),
    st.builds(lambda a, b: Between(min(a, b), max(a, b)), TIMES, TIMES).filter(lambda q: q.start < q.stop),
)
OBSERVED = st.recursive(
    st.builds(Seen, COMPARED),
    lambda inner: st.one_of(
        st.builds(
            lambda o, parts: Joined(o, tuple(parts)),
            st.sampled_from(["AND", "OR", "FOLLOWEDBY"]),
            st.lists(inner, min_size=2, max_size=3),
        ),
        st.builds(Qualified, inner, QUALIFIERS),
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(OBSERVED)
def test_tree_to_text_to_tree(root: module.Observation) -> None:
    tree = Pattern(root)
    assert parse(str(tree)) == tree


@settings(max_examples=300, deadline=None)
@given(st.text(r"[]()ab:.='1 ,*" + "\\", max_size=40))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        tree = parse(text)
    except ValueError:
        return
    assert parse(str(tree)) == tree


@pytest.mark.parametrize(
    "text",
    [
        "[a:b = 1]", "[a:b = 1] AND [a:c NOT LIKE 'x'] FOLLOWEDBY [a:d IN (1, 2)] WITHIN 5 SECONDS",
        "[a:'b-c'.d[*].e = h'00']", "[a:b = 1 AND (a:c = 2 OR a:d = 3)] REPEATS 5 TIMES", "[a:b = 1", "[a:b-c = 1]]",
        "[a:b = 'x' OR]", "[a:b ISSUBSET '10.0.0.0/8' AND a:c MATCHES '^a']",
        "([a:b=1] OR [a:c=2]) START t'2020-01-01T00:00:00Z' STOP t'2021-01-01T00:00:00Z'",
    ],
)  # fmt: skip
def test_as_the_reference_parser(text: str) -> None:
    """What OASIS's own parser takes, ours takes, and what we write it takes."""
    ok = not run_validator(text, stix_version="2.1")
    try:
        tree = parse(text)
    except ValueError:
        assert not ok
        return
    assert ok
    assert not run_validator(str(tree), stix_version="2.1")


@pytest.mark.parametrize(
    "text",
    [
        "[domain-name:value = 'a.b']",
        "[ mutex:name='x' ]",
        "[a:b = 'x']",
        "[file:name = 'it\\'s']",
        "[domain-name:value = 'a' OR mutex:name = 'b']",
        "[domain-name:value = '']",
        "[email-message:subject = 'x']",
    ],
)
def test_the_short_way_gives_what_the_long_one_gives(text: str) -> None:
    assert indicators(text) == split(parse(text))
