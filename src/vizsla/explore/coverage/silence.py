"""Gaps within tables and hosts, and hosts that fell silent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from vizsla.explore.coverage.grid import Cells, HostHours, Ints, at_hour, at_micros, host_hours
from vizsla.nouns.coverage import HostGap, Silence, TableSeen

CONTINUOUS = 0.8  # of the hours between the first and the last must have events
LEAST_HOURS = 24  # between them, before a gap of hours can mean anything
REGULAR = 0.5  # of a host's days, or hours, must have events
SILENT = 3  # hours at least
FACTOR = 2.0  # times as long as ever before
GAP_FACTOR = 3.0  # times as long as a continuous host's next longest


def table_seen(cells: Cells) -> TableSeen:
    """A table's span, hosts and gaps."""
    days = np.unique(cells.hour // 24)
    named = cells.host >= 0
    return TableSeen(
        name=cells.table,
        events=cells.total,
        hosts=len(cells.hosts),
        first=None if cells.first is None else at_micros(cells.first),
        last=None if cells.last is None else at_micros(cells.last),
        days=len(days),
        host_days=_pairs(cells.host[named], cells.hour[named] // 24) + len(np.unique(cells.hour[~named] // 24)),
        timeless=cells.timeless,
        gaps=tuple(gaps({str(at_hour(int(day) * 24).date()) for day in days})),
        hour_gaps=tuple(hour_gaps(np.unique(cells.hour[cells.recent()]))),
    )


def _pairs(a: Ints, b: Ints) -> int:
    return int(np.unique(np.stack([a, b]), axis=1).shape[1]) if len(a) else 0


def gaps(days: Collection[str]) -> list[str]:
    """The days that are missing between the first and the last, as 'from..to', or one day alone."""
    known = sorted(date.fromisoformat(day) for day in days)
    missing = []
    for before, after in pairwise(known):
        if after - before > timedelta(days=1):
            start, end = before + timedelta(days=1), after - timedelta(days=1)
            missing.append(str(start) if start == end else f"{start}..{end}")
    return missing


def hour_gaps(hours: Ints) -> list[str]:
    """The hours that are missing from a table that has events in most; those of whole missing days stand in `gaps`."""
    if len(hours) < 2 or hours[-1] - hours[0] + 1 < LEAST_HOURS or _share(hours) < CONTINUOUS:
        return []
    missing = []
    for before, after in _jumps(hours):
        if after // 24 - before // 24 > 1:
            continue  # a day and more
        first, last = at_hour(before + 1), at_hour(after - 1)
        text = f"{first:%Y-%m-%dT%H}"
        missing.append(text if first == last else f"{text}..{last:%Y-%m-%dT%H}")
    return missing


def _share(hours: Ints) -> float:
    return len(hours) / float(hours[-1] - hours[0] + 1)


def _jumps(hours: Ints) -> list[tuple[int, int]]:
    at = np.flatnonzero(np.diff(hours) > 1)
    return [(int(hours[i]), int(hours[i + 1])) for i in at]


def host_gaps(held: HostHours) -> list[HostGap]:
    """Silences within the hours of hosts that have events in most, far longer than any other of theirs."""
    found = []
    for host, hours in held.hours.items():
        if len(hours) < LEAST_HOURS or _share(hours) < CONTINUOUS:
            continue
        pauses = sorted(((after - before - 1, before + 1) for before, after in _jumps(hours)), reverse=True)
        if not pauses:
            continue
        longest, since = pauses[0]
        usual = pauses[1][0] if len(pauses) > 1 else 0
        if longest >= SILENT and longest >= GAP_FACTOR * (usual + 1):
            found.append(HostGap(host, at_hour(since), longest, usual))
    return sorted(found, key=lambda gap: (-gap.hours, gap.host))


def silences(cells: Sequence[Cells], held: HostHours, end: int | None) -> list[Silence]:
    """Hosts, tables, and hosts within tables that have had events on most days or hours, and none at the end.

    Judged by their own past: no shorter than twice the longest silence before. Most unusual first.
    """
    if end is None:
        return []
    whole = _silent(held, "", end)
    quiet = {silence.host for silence in whole}
    by_table: list[Silence] = []
    alone: list[Silence] = []
    for part in cells:
        hours = np.unique(part.hour[part.recent()])
        if len(hours) and part.last is not None:
            ended = _judged("", part.table, hours, part.last, end)
            if ended is not None:
                by_table.append(ended)
                continue
        mine = host_hours([part])
        for silence in _silent(mine, part.table, end):
            # A host that fell silent altogether is told once, and judged here by its own end.
            reach = held.hours[silence.host][-1]
            if silence.host not in quiet and (end - reach) < SILENT:
                alone.append(silence)
    return sorted(whole + by_table + alone, key=_unusual)


def _unusual(silence: Silence) -> tuple[float, float, str, str]:
    alike = silence.alike / silence.among if silence.among else 0.0
    return (alike, -silence.hours / (silence.longest_before + 1), silence.host, silence.table)


def _silent(held: HostHours, table: str, end: int) -> list[Silence]:
    judged = [_judged(host, table, hours, held.last[host], end) for host, hours in held.hours.items()]
    found = [silence for silence in judged if silence is not None]
    among = sum(_regular(hours) for hours in held.hours.values()) - 1
    lengths = Counter(silence.hours for silence in found)
    # As long, give or take an hour: who went at the same time went for the same cause.
    return [
        replace(s, alike=lengths[s.hours - 1] + lengths[s.hours] + lengths[s.hours + 1] - 1, among=among) for s in found
    ]


def _judged(host: str, table: str, hours: Ints, last: int, end: int) -> Silence | None:
    silent = end - int(hours[-1])
    if silent < SILENT or not _regular(hours):
        return None
    pauses = [after - before - 1 for before, after in _jumps(hours)]
    longest = max(pauses, default=0)
    if silent < FACTOR * (longest + 1):
        return None
    return Silence(host, table, at_micros(last), silent, longest, len(pauses))


def _regular(hours: Ints) -> bool:
    """Whether a host has events on most of at least three days, or in most of at least twelve hours."""
    if len(hours) < 3:
        return False
    days = np.unique(hours // 24)
    by_days = len(days) >= 3 and len(days) / float(days[-1] - days[0] + 1) >= REGULAR
    return by_days or (len(hours) >= 12 and _share(hours) >= REGULAR)
