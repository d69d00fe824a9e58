"""The review budget both ways, false discovery rate and tiers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from triage_samples import finding, run

from vizsla.errors import UsageError
from vizsla.nouns import Budget, HuntRequest
from vizsla.triage.budget import (
    analysts_needed,
    at_least,
    capacity,
    cut,
    false_discovery,
    host_days_needed,
    per_analyst,
    review_end,
    span_of,
    tier,
)

NOW = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
HOURS = st.decimals("0.1", "200", places=1).map(float)
MINUTES = st.decimals("0.1", "600", places=1).map(float)


def ranked(expected, **given):
    return [finding(id=f"{n:03}", bits=20.0 - n, expected_per_day=e, **given) for n, e in enumerate(expected)]


@pytest.mark.parametrize(
    ("expected", "bits", "claims", "wanted"),
    [
        (0.01, 0, True, "critical"), (0.011, 99, True, "high"), (0.1, 0, True, "high"), (1, 0, True, "medium"),
        (10, 0, True, "low"), (10.5, 0, True, "informational"), (None, 20, False, "critical"),
        (0.001, 12, False, "high"), (None, 7, False, "medium"), (None, 3, False, "low"),
        (None, 2.99, False, "informational"), (None, 12, True, "high"),
    ],
)  # fmt: skip
def test_tier(expected, bits, claims, wanted):
    assert tier(expected, bits, claims) == wanted


def test_at_least():
    assert at_least("critical", "high") and at_least("high", "high") and not at_least("medium", "high")


@pytest.mark.parametrize(
    ("analysts", "hours", "minutes", "wanted"),
    [(3, 12, 20, 108), (1, 0.1, 2, 3), (2, 1, 7, 16), (1, 0.5, 31, 0), (4, 0.3, 0.1, 720)],
)
def test_capacity(analysts, hours, minutes, wanted):
    assert capacity(analysts, hours, minutes) == wanted


def test_analysts_needed():
    assert analysts_needed(100, 12, 20) == 3
    assert analysts_needed(0, 12, 20) == 0
    with pytest.raises(UsageError, match="do not fit"):
        analysts_needed(1, 0.5, 31)


@given(st.integers(1, 50_000), HOURS, MINUTES)
def test_both_ways_agree(findings, hours, minutes):
    if per_analyst(hours, minutes) == 0:
        return
    needed = analysts_needed(findings, hours, minutes)
    assert capacity(needed, hours, minutes) >= findings
    assert needed == 1 or capacity(needed - 1, hours, minutes) < findings
    assert review_end(findings, needed, minutes, NOW) <= NOW + timedelta(hours=hours, milliseconds=1)


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf")])
def test_senseless_budgets(bad):
    with pytest.raises(UsageError):
        per_analyst(bad, 20)
    with pytest.raises(UsageError):
        per_analyst(12, bad)


def test_budget_with_analysts():
    kept, account = cut(ranked([0.1] * 120), HuntRequest(budget=Budget(12, 20, 3)), NOW)
    assert len(kept) == account.shown == 108 and account.total == 120
    said = " ".join(account.says)
    assert "3 analysts cover 108 findings in 12 hours at 20 minutes a finding" in said
    assert "ends at 2026-03-03 20:00 UTC" in said
    assert "12 findings are left unread. 4 analysts would cover all." in said


def test_budget_without_analysts():
    kept, account = cut(ranked([0.1] * 120), HuntRequest(top=100, budget=Budget(12, 20)), NOW)
    assert len(kept) == 100
    assert "100 findings in 12 hours at 20 minutes a finding need 3 analysts (36 each)" in account.says[0]
    assert "ends at 2026-03-03 19:20 UTC" in account.says[0]  # 34 rounds of 20 minutes


def test_budget_that_fits_no_finding():
    kept, account = cut(ranked([0.1]), HuntRequest(budget=Budget(0.1, 20, 3)), NOW)
    assert kept == () and "No whole finding fits" in " ".join(account.says)


def test_top_and_tier():
    findings = [*ranked([0.1] * 3, tier="high"), finding(tier="low", bits=1.0)]
    kept, account = cut(findings, HuntRequest(top=2), NOW)
    assert [f.id for f in kept] == ["000", "001"] and account.lowest_bits == 19.0
    kept, account = cut(findings, HuntRequest(tier="high"), NOW)
    assert len(kept) == 3 and "3 findings of 4 at tier high or above." in account.says
    with pytest.raises(UsageError):
        cut(findings, HuntRequest(top=0), NOW)


def test_nothing_to_cut():
    kept, account = cut([], HuntRequest(top=5, fdr=0.1, budget=Budget(1, 1, 1)), NOW)
    assert kept == () and account.shown == account.total == 0 and account.lowest_bits is None


def test_fdr_keeps_the_largest_that_passes():
    # estimates with one day: 0.5/1, 0.5/2, 0.5/3, 0.5/4 = .125, 2/5
    keep, lowest = false_discovery(ranked([0.5, 0.5, 0.5, 0.5, 2.0]), 0.2, 1.0)
    assert keep == 4 and lowest == 0.125
    kept, account = cut(ranked([0.5, 0.5, 0.5, 0.5, 2.0]), HuntRequest(fdr=0.2), NOW, span_days=1.0)
    assert len(kept) == 4 and "about 0.5 would come from quiet days" in account.says[0]


def test_fdr_scales_with_the_days_hunted():
    findings = ranked([0.1] * 10)
    assert len(cut(findings, HuntRequest(fdr=0.05), NOW, span_days=1)[0]) == 10
    assert len(cut(findings, HuntRequest(fdr=0.05), NOW, span_days=100)[0]) == 0


def test_fdr_says_how_much_would_do():
    kept, account = cut(ranked([1.0], run=run(host_days=9, hosts=10)), HuntRequest(fdr=0.1), NOW, span_days=1.0)
    assert kept == ()
    assert "9 host-days of 10 hosts; about 99 would do" in " ".join(account.says)


def test_fdr_without_claims_hides_nothing():
    kept, account = cut(ranked([None, None], run=run(claims=False, learnt="in-sample")), HuntRequest(fdr=0.1), NOW)
    assert len(kept) == 2 and "cuts nothing" in account.says[0] and "in-sample" in account.says[0]


@pytest.mark.parametrize("q", [0.0, -1.0, 1.1])
def test_fdr_out_of_range(q):
    with pytest.raises(UsageError):
        cut(ranked([0.1]), HuntRequest(fdr=q), NOW)


@given(st.floats(0.001, 1), st.floats(0.5, 60), st.integers(1, 500), st.integers(1, 50))
def test_host_days_needed_would_do(q, span, hosts, strongest):
    needed = host_days_needed(q, span, hosts, strongest)
    assert hosts / (needed + 1) * span / strongest <= q * (1 + 1e-9)


@given(st.lists(st.floats(0, 20), max_size=30), st.floats(0.01, 1))
def test_fdr_is_monotone(expected, q):
    findings = ranked(sorted(expected))
    assert false_discovery(findings, q / 2, 1.0)[0] <= false_discovery(findings, q, 1.0)[0]


def test_span_is_at_least_a_day():
    assert span_of([]) == 1.0
    long = finding(start=NOW, end=NOW + timedelta(days=3))
    assert span_of([long]) == 3.0
