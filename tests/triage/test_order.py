"""Ranking by finding, host and user."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from triage_samples import evidence, finding, hosted

from vizsla.nouns import Entity
from vizsla.triage.order import MOST_OTHERS, names, order, rank, ranking, together


def test_total_order():
    findings = [
        hosted("a", 5, "z", surprisal=1.0), hosted("a", 5, "b", surprisal=2.0), hosted("a", 5, "a", surprisal=1.0),
        hosted("a", 9, "y"),
    ]  # fmt: skip
    assert [f.id for f in rank(findings)] == ["y", "b", "a", "z"]
    assert [f.rank for f in rank(findings)] == [1, 2, 3, 4]


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from("abc")), min_size=1, max_size=12), st.randoms())
def test_order_does_not_depend_on_the_input(rows, shuffle: random.Random):
    findings = [hosted(host, bits, f"{n:03}") for n, (bits, host) in enumerate(rows)]
    mixed = list(findings)
    shuffle.shuffle(mixed)
    for by in ("finding", "host", "user"):
        assert order(findings, by) == order(mixed, by)


def test_many_weak_findings_do_not_win():
    weak = [hosted("noisy", 4.0, f"w{n}") for n in range(1000)]
    strong = hosted("quiet", 12.0, "s")
    rows = ranking([*weak, strong], "host")
    assert rows[0] == ("quiet", 12.0, 1)
    assert rows[1] == ("noisy", 4.0 + MOST_OTHERS, 1000)


@given(st.lists(st.floats(0, 60), min_size=1, max_size=20))
def test_together_is_between_the_strongest_and_the_cap(bits):
    assert max(bits) <= together(bits) <= max(bits) + MOST_OTHERS + 1e-9
    assert together(bits) == pytest.approx(together(bits[::-1]))


def test_together_of_nothing():
    assert together([]) == 0.0


def test_host_by_host():
    findings = [hosted("a", 10, "1"), hosted("b", 9, "2"), hosted("A", 3, "3"), hosted("b", 8.9, "4")]
    # a: 10 + log2(1 + 2^-7); b: 9 + log2(1 + 2^-0.1) = 9.95
    assert [f.id for f in order(findings, "host")] == ["1", "3", "2", "4"]
    assert [name for name, _, _ in ranking(findings, "host")] == ["a", "b"]


def test_users_in_one_spelling():
    one = finding(id="1", entities=(Entity("user", "CORP\\Ann", "actor"),))
    two = finding(evidence("windows_sysmon:1", User="ann@corp.example"), id="2")
    assert names(one, "user") == names(two, "user") == ("ann",)
    assert names(finding(id="3"), "user") == ("(none)",)
    assert ranking([one, two], "user")[0][2] == 2


def test_hosts_of_all_instances_count():
    wide = finding(id="1", entities=(Entity("host", "A", "actor"),), instance_hosts=("a", "B", "c"))
    assert names(wide, "host") == ("a", "b", "c")
    assert ranking([wide], "finding") == ()
    assert len(order([wide], "host")) == 1
