"""Which findings are shown: cut by tier, false discovery rate, review budget and `--top`, each with its sentence.

A finding's tier comes from `expected_per_day`, how many findings at least this strong quiet days bring:

    critical       at most 1 in 100 days        or, where nothing may be claimed, from 20 bits
    high           at most 1 in 10 days                                           from 12 bits
    medium         at most 1 a day                                                from  7 bits
    low            at most 10 a day                                               from  3 bits
    informational  more                                                           below

The false discovery rate of the first k findings is estimated as expected_per_day of the k-th x days hunted / k
(Benjamini & Hochberg 1995, with the replayed rate in the place of the p-value x number of tests); the largest k
with an estimate of at most q is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction

from vizsla.errors import UsageError
from vizsla.nouns import TIERS, Budget, Cut, Finding, HuntRequest, Tier

PER_DAY: tuple[tuple[float, Tier], ...] = ((0.01, "critical"), (0.1, "high"), (1.0, "medium"), (10.0, "low"))
BY_BITS: tuple[tuple[float, Tier], ...] = ((20.0, "critical"), (12.0, "high"), (7.0, "medium"), (3.0, "low"))
DAY = timedelta(days=1)


def tier(expected_per_day: float | None, bits: float, claims: bool) -> Tier:
    """The tier of a finding: by how often quiet days bring its like; by bits where nothing may be claimed."""
    if claims and expected_per_day is not None:
        return next((name for limit, name in PER_DAY if expected_per_day <= limit), "informational")
    return next((name for limit, name in BY_BITS if bits >= limit), "informational")


def at_least(found: Tier, wanted: Tier) -> bool:
    """Whether a tier is `wanted` or above it."""
    return TIERS.index(found) <= TIERS.index(wanted)


def per_analyst(hours: float, minutes: float) -> int:
    """How many whole findings one analyst reviews in `hours` at `minutes` each; exact for decimal figures."""
    for name, value in (("--hours", hours), ("--minutes", minutes)):
        if not math.isfinite(value) or value <= 0:
            raise UsageError(f"{name} must be a number above 0, not {value}", fix=f"give {name} as in `{name} 12`")
    return math.floor(Fraction(str(hours)) * 60 / Fraction(str(minutes)))


def capacity(analysts: int, hours: float, minutes: float) -> int:
    """How many findings `analysts` review in `hours` at `minutes` a finding."""
    if analysts < 1:
        raise UsageError(f"--analysts must be at least 1, not {analysts}", fix="give how many people review")
    return analysts * per_analyst(hours, minutes)


def analysts_needed(findings: int, hours: float, minutes: float) -> int:
    """How many analysts review so many findings within `hours`: the smallest number whose capacity covers them."""
    each = per_analyst(hours, minutes)
    if findings <= 0:
        return 0
    if each == 0:
        raise UsageError(
            f"no finding can be reviewed: {minutes:g} minutes a finding do not fit into {hours:g} hours",
            fix="raise --hours or lower --minutes",
        )
    return -(-findings // each)


def review_end(findings: int, analysts: int, minutes: float, now: datetime) -> datetime:
    """When so many analysts, beginning now and working side by side, have reviewed so many findings."""
    rounds = -(-findings // max(1, analysts))
    return now + timedelta(seconds=float(rounds * Fraction(str(minutes)) * 60))


def span_of(findings: Sequence[Finding]) -> float:
    """The days that findings span, from the first event to the last; at least one."""
    starts = [f.start for f in findings if f.start]
    ends = [f.end for f in findings if f.end]
    return max(1.0, (max(ends) - min(starts)) / DAY) if starts and ends else 1.0


def false_discovery(findings: Sequence[Finding], q: float, span_days: float) -> tuple[int, float]:
    """(k, lowest estimate): the largest k with an estimated share of false findings of at most q; k 0 where none.

    `findings` are best first and all carry `expected_per_day`; `span_days` is how many days were hunted.
    """
    return false_among((finding.expected_per_day for finding in findings), q, span_days)


def false_among(a_day: Iterable[float | None], q: float, span_days: float) -> tuple[int, float]:
    """The same by how many findings as strong as each quiet days bring a day, the strongest first; None ends them."""
    keep, lowest = 0, math.inf
    for k, rate in enumerate(a_day, 1):
        if rate is None:
            break
        estimate = rate * span_days / k
        lowest = min(lowest, estimate)
        if estimate <= q:
            keep = k
    return keep, lowest


def host_days_needed(q: float, span_days: float, hosts: int, strongest: int = 1) -> int:
    """Host-days of baseline from which `strongest` findings at the floor could pass a false discovery rate of q.

    With n host-days the rarest that can be claimed is 1 in n + 1 host-days, so hosts / (n + 1) a day.
    """
    ratio = Fraction(str(span_days)) * max(1, hosts) / (Fraction(str(q)) * max(1, strongest))
    return max(1, math.ceil(ratio) - 1)


def cut(
    findings: Sequence[Finding],
    request: HuntRequest,
    now: datetime,
    span_days: float | None = None,
    total: int | None = None,
) -> tuple[tuple[Finding, ...], Cut]:
    """The findings to show, best first, and the account of why these: tier, fdr, budget and top, in this order.

    `findings` come ranked; `span_days`: the days hunted (None: the days that the findings span); `total`: how many
    there are, where only those are given that `top` can reach.
    """
    total, says = len(findings) if total is None else total, list[str]()
    kept = list(findings)
    if request.tier is not None:
        kept = [f for f in kept if at_least(f.tier, request.tier)]
        says.append(f"{_count(len(kept))} of {total:,} at tier {request.tier} or above.")
    if request.fdr is not None:
        kept = _cut_fdr(kept, request.fdr, span_of(findings) if span_days is None else span_days, says)
    if request.budget is not None:
        kept = _cut_budget(kept, request.budget, request.top, now, says)
    elif request.top is not None:
        kept = kept[: _top(request.top)]
    if len(kept) < total:
        says.append(f"{len(kept):,} of {total:,} findings shown.")
    lowest = min((f.bits for f in kept), default=None)
    return tuple(kept), Cut(shown=len(kept), total=total, lowest_bits=lowest, says=tuple(says))


def _cut_fdr(findings: list[Finding], q: float, span: float, says: list[str]) -> list[Finding]:
    if not 0 < q <= 1:
        raise UsageError(f"--fdr must lie above 0 and at most at 1, not {q:g}", fix="give it as in `--fdr 0.1`")
    if not findings:
        return findings
    run = findings[0].run
    if not run.claims or any(f.expected_per_day is None for f in findings):
        says.append(
            f"--fdr {q:g} cuts nothing: no rate of false findings may be claimed here ({run.learnt}). "
            "Learn a baseline from other days first (`vizsla learn`)."
        )
        return findings
    keep, lowest = false_discovery(findings, q, span)
    if keep:
        expected = (findings[keep - 1].expected_per_day or 0.0) * span
        says.append(
            f"Among the first {_count(keep)} about {_few(expected)} would come from quiet days like these "
            f"({span:g} {'day' if span == 1 else 'days'} hunted): a share of {expected / keep:.2g}, --fdr {q:g}."
        )
        return findings[:keep]
    best = min(f.expected_per_day or 0.0 for f in findings)
    tied = sum(1 for f in findings if (f.expected_per_day or 0.0) <= best)
    needed = host_days_needed(q, span, run.hosts, tied)
    says.append(f"No finding passes --fdr {q:g}: the best share of false findings that can be claimed is {lowest:.2g}.")
    if needed > run.host_days:
        says.append(
            f"The baseline is too small for this cut: {run.host_days:,} host-days of {run.hosts:,} hosts; "
            f"about {needed:,} would do. Without --fdr all {len(findings):,} are shown."
        )
    return []


def _cut_budget(
    findings: list[Finding], budget: Budget, top: int | None, now: datetime, says: list[str]
) -> list[Finding]:
    """Both ways: analysts given, how many findings; analysts not given, how many analysts for `top` (or all)."""
    wanted = findings if top is None else findings[: _top(top)]
    pace = f"{budget.hours:g} hours at {budget.minutes:g} minutes a finding"
    if budget.analysts is None:
        needed = analysts_needed(len(wanted), budget.hours, budget.minutes)
        each = per_analyst(budget.hours, budget.minutes)
        says.append(
            f"{_count(len(wanted))} in {pace} need {_people(needed)} ({each:,} each); "
            f"begun now, the review ends at {_clock(review_end(len(wanted), needed, budget.minutes, now))}."
        )
        return wanted
    room = capacity(budget.analysts, budget.hours, budget.minutes)
    kept = wanted[:room]
    end = review_end(len(kept), budget.analysts, budget.minutes, now)
    says.append(
        f"{_people(budget.analysts)} cover {_count(room)} in {pace}: {len(kept):,} of {len(wanted):,} here; "
        f"begun now, the review ends at {_clock(end)}."
    )
    if left := len(wanted) - len(kept):
        more = analysts_needed(len(wanted), budget.hours, budget.minutes) if room else None
        advice = f" {_people(more)} would cover all." if more else " No whole finding fits into these hours."
        says.append(f"{_count(left)} {'is' if left == 1 else 'are'} left unread.{advice}")
    return kept


def _top(top: int) -> int:
    if top < 1:
        raise UsageError(f"--top must be at least 1, not {top}", fix="leave --top out to show all findings")
    return top


def _count(n: int) -> str:
    return f"{n:,} finding" if n == 1 else f"{n:,} findings"


def _people(n: int) -> str:
    return f"{n:,} analyst" if n == 1 else f"{n:,} analysts"


def _few(expected: float) -> str:
    return f"{expected:.1f}" if expected >= 0.1 else f"{expected:.2g}"


def _clock(when: datetime) -> str:
    return when.strftime("%Y-%m-%d %H:%M %Z").rstrip()
