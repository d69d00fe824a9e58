"""Silences, gaps, clocks and lacks as sentences."""

from __future__ import annotations

from vizsla.nouns.coverage import Clock, HostGap, Missing, Silence

_KINDS = {
    "future": "bears times of the future",
    "ahead": "is ahead of the others",
    "second": "has two clocks that disagree",
    "back": "was set back",
    "shifted": "works at other hours than the others, or its time zone is wrong",
    "zone": "has a wrong time zone in this table",
}


def span(hours: int) -> str:
    """'5 hours', '3 days 4 hours'."""
    days, rest = divmod(hours, 24)
    told = [_count(days, "day")] if days else []
    told += [_count(rest, "hour")] if rest or not days else []
    return " ".join(told)


def amount(seconds: int) -> str:
    """'2 h ahead', '7 min behind'."""
    size = abs(seconds)
    minutes = round(size / 60)
    text = (
        f"{size} s" if size < 120 else f"{minutes} min" if minutes < 120 and minutes % 60 else f"{minutes / 60:.3g} h"
    )
    return f"{text} {'ahead' if seconds > 0 else 'behind'}"


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def silence(told: Silence) -> str:
    """A silence as one sentence, with how unusual it is."""
    who = told.host or "all hosts"
    if told.table:
        who += f" in {told.table}"
    before = (
        f"the longest of {_count(told.pauses, 'silence')} before was {span(told.longest_before)}"
        if told.pauses
        else "never silent for an hour before"
    )
    alike = f"; so are {told.alike:,} of {told.among:,} other hosts" if told.alike else ""
    return f"{who}: silent since {told.since:%Y-%m-%d %H:%M} UTC, {span(told.hours)} to the logs' end; {before}{alike}"


def gap(told: HostGap) -> str:
    """A gap of a continuous host as one sentence."""
    usual = f"its next longest silence is {span(told.usual)}" if told.usual else "it has no other silence"
    return f"{told.host}: silent for {span(told.hours)} from {told.first:%Y-%m-%d %H:%M} UTC; {usual}"


def clock(told: Clock) -> str:
    """A clock as one sentence, with what it rests on."""
    where = f" in {told.table}" if told.table else ""
    return f"{told.host}{where}: {amount(told.seconds)}; {_KINDS[told.kind]}: {told.rests_on}"


def missing(told: Missing) -> str:
    """What a lack costs, as one sentence."""
    parts = []
    if told.demands:
        parts.append("let run " + ", ".join(name for _, name in told.demands))
    if told.views:
        parts.append("fill " + ", ".join(told.views))
    if told.fields:
        few = ", ".join(told.fields[:3])
        more = f" and {len(told.fields) - 3:,} more" if len(told.fields) > 3 else ""
        parts.append(f"add {few}{more}" if not told.demands or told.views or len(told.fields) > 1 else "")
    return f"{told.name} would " + "; ".join(part for part in parts if part)
