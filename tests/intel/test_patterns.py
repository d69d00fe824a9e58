"""STIX patterns over events, beside a naive evaluation that tries every choice of events."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.engines import connect
from vizsla.intel._pattern_tree import Between, Joined, Qualified, Repeats, Seen, Within
from vizsla.intel.moments import Event, Moments
from vizsla.intel.pattern import parse
from vizsla.intel.patterns import evaluate, observations
from vizsla.lake import Lake

DAY = datetime(2026, 1, 2, tzinfo=UTC)


def lake_of(tmp_path, rows: list[dict]) -> Lake:
    lake = Lake.open(tmp_path / "lake", create=True)
    names = sorted({key for row in rows for key in row} - {"at", "host"})
    n = len(rows)
    lake.append({"windows_sysmon": [pa.record_batch({
        "_id": pa.array([f"{i:032x}" for i in range(n)]),
        "_time": pa.array([DAY + timedelta(seconds=row["at"]) for row in rows], pa.timestamp("us", tz="UTC")),
        "_host": pa.array([row.get("host", "pc1") for row in rows]), "_origin": pa.array(["x"] * n),
        "_day": pa.array(["2026-01-02"] * n),
        **{name: pa.array([row.get(name) for row in rows], pa.string()) for name in names},
    })]})  # fmt: skip
    return lake


ROWS = [
    {"at": 0, "EventID": "1", "Image": r"C:\x\Evil.exe", "CommandLine": "evil.exe -x", "ProcessId": "77",
     "Hashes": "MD5=0CC175B9C0F1B6A831C399E269772661"},
    {"at": 10, "EventID": "3", "Image": r"C:\x\evil.exe", "DestinationIp": "198.51.100.7", "DestinationPort": "443"},
    {"at": 15, "EventID": "3", "Image": r"C:\x\good.exe", "DestinationIp": "10.0.0.7", "DestinationPort": "80"},
    {"at": 500, "EventID": "22", "Image": r"C:\x\evil.exe", "QueryName": "c2.evil.com"},
    {"at": 20, "host": "pc2", "EventID": "3", "Image": r"C:\x\other.exe", "DestinationIp": "198.51.100.9",
     "DestinationPort": "4444"},
    {"at": 600, "EventID": "3", "Image": r"C:\x\evil.exe", "DestinationIp": "198.51.100.7", "DestinationPort": "443"},
]  # fmt: skip
CASES = [
    ("[ipv4-addr:value = '198.51.100.7']", [{1}, {5}]),
    ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", [{1}, {4}, {5}]),
    ("[ipv4-addr:value NOT ISSUBSET '198.51.100.0/24']", [{2}]),
    ("[network-traffic:dst_ref.value = '198.51.100.9' AND network-traffic:dst_port > 1000]", [{4}]),
    ("[network-traffic:dst_port IN (443, 80)]", [{1}, {2}, {5}]),
    ("[network-traffic:dst_port NOT IN (443, 80)]", [{4}]),
    ("[network-traffic:dst_port != 443]", [{2}, {4}]),
    ("[file:hashes.MD5 = '0cc175b9c0f1b6a831c399e269772661']", [{0}]),
    ("[process:command_line MATCHES '^evil\\\\.exe']", [{0}]),
    ("[domain-name:value LIKE '%.evil.com']", [{3}]),
    ("[EXISTS domain-name:value]", [{3}]),
    ("[domain-name:value = 'evil.com' OR network-traffic:dst_port = 80]", [{2}]),
    ("[ipv4-addr:value = '198.51.100.7'] FOLLOWEDBY [domain-name:value = 'c2.evil.com']", [{1, 3}]),
    ("[domain-name:value = 'c2.evil.com'] FOLLOWEDBY [ipv4-addr:value = '198.51.100.7']", [{3, 5}]),
    ("([ipv4-addr:value = '198.51.100.7'] AND [domain-name:value = 'c2.evil.com']) WITHIN 100 SECONDS", [{3, 5}]),
    ("([ipv4-addr:value = '198.51.100.7'] AND [domain-name:value = 'c2.evil.com']) WITHIN 99 SECONDS", []),
    ("[ipv4-addr:value = '198.51.100.7'] REPEATS 2 TIMES", [{1, 5}]),
    ("[ipv4-addr:value = '198.51.100.7'] REPEATS 2 TIMES WITHIN 60 SECONDS", []),
    ("[ipv4-addr:value = '198.51.100.7'] START t'2026-01-02T00:00:00Z' STOP t'2026-01-02T00:10:00Z'", [{1}]),
    ("[ipv4-addr:value = '198.51.100.9'] AND [domain-name:value = 'c2.evil.com']", []),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_events(tmp_path, text, expected):
    lake = lake_of(tmp_path, ROWS)
    with connect() as engine:
        done = evaluate(engine, [lake.scan("windows_sysmon")], {"p": parse(text)})
    assert not done.unable
    assert sorted(({int(i, 16) for _, i in hit.events} for hit in done.hits), key=sorted) == expected


def test_what_cannot_be_evaluated_is_said(tmp_path):
    lake = lake_of(tmp_path, ROWS)
    asked = {"a": parse("[x-odd:thing = 'x']"), "b": parse("[process:command_line MATCHES '(?=a)b']"),
             "c": parse("[ipv4-addr:value = '198.51.100.7']")}  # fmt: skip
    with connect() as engine:
        done = evaluate(engine, [lake.scan("windows_sysmon")], asked)
    assert set(done.unable) == {"a", "b"} and {hit.by for hit in done.hits} == {"c"}
    assert "x-odd:thing" in done.unable["a"] and "RE2" in done.unable["b"]


A, B, C = (parse(f"[ipv4-addr:value = '192.0.2.{n}']").root for n in range(3))
LEAVES = st.sampled_from([A, B, C])
QUALIFIERS = st.one_of(
    st.integers(1, 6).map(Within),
    st.integers(1, 3).map(Repeats),
    st.tuples(st.integers(0, 5), st.integers(1, 5)).map(
        lambda p: Between(DAY + timedelta(seconds=p[0]), DAY + timedelta(seconds=p[0] + p[1]))
    ),
)
NODES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["AND", "OR", "FOLLOWEDBY"]), st.lists(inner, min_size=2, max_size=2)).map(
            lambda p: Joined(p[0], tuple(p[1]))
        ),
        st.tuples(inner, QUALIFIERS).map(lambda p: Qualified(*p)),
    ),
    max_leaves=3,
)
FOUND = st.lists(st.tuples(st.integers(0, 8), st.sets(st.sampled_from([0, 1, 2]), min_size=1)), max_size=5)


def naive(node, held: dict, free: frozenset) -> list[tuple[frozenset, datetime, datetime]]:
    """All matches of a node: every choice of events."""
    if isinstance(node, Seen):
        return [(frozenset({e}), e.time, e.time) for e in held.get(node, []) if e in free]
    if isinstance(node, Qualified):
        inner = naive(node.observation, held, free)
        q = node.qualifier
        if isinstance(q, Within):
            return [m for m in inner if m[2] - m[1] <= timedelta(seconds=q.seconds)]
        if isinstance(q, Between):
            return [m for m in inner if all(q.start <= e.time < q.stop for e in m[0])]
        return [_together(c) for c in itertools.combinations(inner, q.times) if _apart(c)]
    parts = [naive(part, held, free) for part in node.parts]
    if node.operator == "OR":
        return [m for part in parts for m in part]
    chosen = [c for c in itertools.product(*parts) if _apart(c)]
    if node.operator == "FOLLOWEDBY":
        chosen = [c for c in chosen if all(a[2] <= b[1] for a, b in itertools.pairwise(c))]
    return [_together(c) for c in chosen]


def _apart(matches) -> bool:
    return sum(len(m[0]) for m in matches) == len(frozenset().union(*(m[0] for m in matches)))


def _together(matches):
    return frozenset().union(*(m[0] for m in matches)), min(m[1] for m in matches), max(m[2] for m in matches)


@settings(max_examples=600, deadline=None)
@given(node=NODES, found=FOUND)
def test_as_the_naive_way_says(node, found):
    leaves = (A, B, C)
    held: dict = {}
    for number, (at, whose) in enumerate(found):
        for one in whose:
            held.setdefault(leaves[one], []).append(Event(DAY + timedelta(seconds=at), "t", f"{number}"))
    every = frozenset(e for events in held.values() for e in events)
    expected = {m[0] for m in naive(node, held, every)}
    moments = Moments(held)
    told = [frozenset(match) for match in moments.matches(node)]
    assert not moments.stopped
    assert set(told) <= expected and bool(told) == bool(expected)
    if not isinstance(node, Seen):  # what is told shares no event, and nothing is left that could be told
        assert sum(map(len, told)) == len(frozenset().union(*told)) if told else True
        left = every - frozenset().union(*told)
        assert not naive(node, {k: [e for e in v if e in left] for k, v in held.items()}, left)


def test_hostile_numbers_end():
    events = [Event(DAY + timedelta(seconds=n), "t", str(n)) for n in range(300)]
    moments = Moments({A: events, B: events}, steps=10_000)
    node = Qualified(Joined("AND", (Qualified(A, Repeats(200)), Qualified(B, Repeats(200)))), Within(400))
    assert list(moments.matches(node)) == [] and moments.stopped


def test_every_observation_is_named():
    assert list(observations(parse("([a:b = 1] OR [a:b = 2]) FOLLOWEDBY [a:b = 3]").root)) != []
