"""Numbers and times in words: the same on every face."""

from __future__ import annotations

from datetime import UTC, datetime

from vizsla.nouns import Finding, Judged, Reason, Run


def when(time: datetime | None) -> str:
    """'2020-09-20 21:04:11' in UTC; '' where unknown."""
    if time is None:
        return ""
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return aware.strftime("%Y-%m-%d %H:%M:%S")


def clock(time: datetime | None) -> str:
    """When, with milliseconds: for timelines."""
    if time is None:
        return "time unknown"
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return aware.strftime("%Y-%m-%d %H:%M:%S.") + f"{aware.microsecond // 1000:03d}"


def period(start: datetime | None, end: datetime | None) -> str:
    """'2020-09-20 21:04:11 to 21:09:00'; the day is said once."""
    first, last = when(start), when(end)
    if not first or not last or first == last:
        return first or last or "time unknown"
    return f"{first} to {last[11:] if last[:10] == first[:10] else last}"


def number(value: int) -> str:
    """1,234,567."""
    return f"{value:,}"


def counted(value: int, one: str, many: str | None = None) -> str:
    """'1 host', '2,000 hosts'."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def bits(value: float) -> str:
    """Bits with one decimal."""
    return f"{value:.1f}"


def signed(value: float) -> str:
    """Bits of a ledger line, with its sign."""
    return f"{value:+.1f}"


def size(value: float) -> str:
    """Bytes in words: '1.4 GiB'."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def how_often(expected_per_day: float | None) -> str:
    """How many findings at least this strong quiet days bring: 'about one in 40 days'; '' where none is claimed."""
    if expected_per_day is None:
        return ""
    if expected_per_day <= 0:
        return "not once in the days replayed"
    if expected_per_day >= 1.5:
        return f"about {expected_per_day:,.0f} a day"
    days = 1 / expected_per_day
    if days < 1.5:
        return "about one a day"
    return f"about one in {_rounded(days):,} days"


def often(expected_per_day: float | None) -> str:
    """`how_often` for a narrow column: '1 in 40 d', '3 a day'."""
    if expected_per_day is None:
        return ""
    if expected_per_day <= 0:
        return "never seen"
    if expected_per_day >= 1.5:
        return f"{expected_per_day:,.0f} a day"
    days = 1 / expected_per_day
    return "1 a day" if days < 1.5 else f"1 in {_rounded(days):,} d"


def _rounded(days: float) -> int:
    """Two figures are all that such a claim holds."""
    if days < 100:
        return round(days)
    digits = len(str(int(days)))
    return int(round(days, 2 - digits))


def hosts(finding: Finding) -> tuple[str, ...]:
    """The finding's hosts: of its instances, else of its entities, else of its events; in order, each once."""
    if finding.instance_hosts:
        return tuple(dict.fromkeys(finding.instance_hosts))
    named = tuple(dict.fromkeys(e.value for e in finding.entities if e.type == "host"))
    if named:
        return named
    return tuple(dict.fromkeys(event.host for e in finding.evidence for event in e.events if event.host))


def compares(reason: Reason) -> bool:
    """Whether a reason rests on counts of events; one in its author's own words may not."""
    return reason.of > 0 or not reason.text


def prevalence(reason: Reason) -> str:
    """'3 of 312,441 events on 1 of 5 hosts' or 'never in 312,441 events on 5 hosts'."""
    if reason.of <= 0:
        return "nothing to compare with"
    if reason.seen == 0:
        return f"never in {counted(reason.of, 'event')} on {counted(reason.of_hosts, 'host')}"
    return (
        f"{number(reason.seen)} of {counted(reason.of, 'event')} "
        f"on {number(reason.hosts)} of {counted(reason.of_hosts, 'host')}"
    )


def rests_on(run: Run) -> tuple[str, ...]:
    """What the ranking rests on, in sentences, and what it therefore cannot show."""
    if not run.baseline and not run.host_days:
        return ("There was nothing to learn from: no event with a host and a time is in what was asked for.",)
    extent = f"{counted(run.hosts, 'host')}, {counted(run.host_days, 'host-day')}"
    span = period(run.learnt_from, run.learnt_to) if run.learnt_from or run.learnt_to else ""
    source = f"baseline {run.baseline}" if run.baseline else "these events themselves"
    named = run.baseline.partition("@")[0]
    how = f" ({run.learnt})" if run.learnt and not (named and named in run.learnt) else ""
    lines = [f"Rests on {source}{how}: {extent}" + (f", {span} UTC." if span else ".")]
    if not run.baseline:
        lines.append("Learnt from the data it hunts in: what was there all along cannot be seen.")
    if not run.claims:
        lines.append(
            "No rate is claimed: tiers and order are by rarity alone. A baseline (`vizsla learn`) would give one."
        )
    return tuple(lines)


def earlier(one: Judged) -> str:
    """An earlier verdict on a finding, in words that are not yet safe to show."""
    whom = "" if one.same == "finding" else " (the same pattern)"
    until = f", until {one.until:%Y-%m-%d}" if one.until else ""
    reason = f": {one.reason}" if one.reason else ""
    return f"judged {one.judgement} on {one.at:%Y-%m-%d} by {one.by}{whom}{until}{reason}"
