"""A tally too large to hold, some days at a time.

What ranks events asks what happened on their own day: a unit is of an hour, and an episode ends at midnight. Of other
days it asks for two things only. Processes may have begun before, and clocks differ: a share tells of its neighbours'
process starts, too (whose lineages began before that is carried from share to share; see triage.anchor). And what
happened within a minute may meet across midnight: it tells of its neighbours' last and first minute.

Where a table lists what is there (a $MFT), its records meet evidence of any day: then all days are one share.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, pairwise

from vizsla.analytics.rarity.encode import HOUR
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.model import Tallied, tally
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.tally import UNIT_KEY, UNIT_SUM, chosen_of, merge_rows
from vizsla.analytics.rarity.tally import joined as stacked
from vizsla.engine import Engine
from vizsla.lake import Scan
from vizsla.lake.days import by_days, dated, undated
from vizsla.lake.shape import day_of

HELD = 2_000_000  # events whose tally is held at once, about
NEAR = 60_000_000  # microseconds within which what happened may meet across midnight
BEFORE_ALL, AFTER_ALL = -(1 << 62), 1 << 62


@dataclass(frozen=True, slots=True)
class Plan:
    """What is tallied one after the other: what has no day, or had an odd one, and then shares of whole days."""

    undated: list[Scan]
    shares: list[list[Scan]]

    @property
    def scans(self) -> list[Scan]:
        """All of them, in order."""
        return [*self.undated, *chain(*self.shares)]


def plan(scans: Sequence[Scan]) -> Plan:
    """Shares of about HELD events, or of one day."""
    if any(profile(scan.table).state for scan in scans):
        return Plan([], [list(scans)])
    return Plan([scan for scan in undated(scans) if scan.files], list(by_days(dated(scans), HELD)))


@dataclass(frozen=True, slots=True)
class Share:
    """What happened in [begin, end), microseconds since 1970, with what of the days beside may matter to it."""

    tallied: Tallied
    begin: int = BEFORE_ALL
    end: int = AFTER_ALL


def tallies(
    engine: Engine, planned: Plan, share: float = 1.0, seen: Callable[[str], None] | None = None
) -> Iterator[Share]:
    """The tally of each share by itself. `seen` is told of each table as its pass begins; `share` of the host-days go
    into the sample."""
    rest = tally(engine, planned.undated, share, seen)
    edges = [BEFORE_ALL, *map(_midnight, planned.shares[1:]), AFTER_ALL]
    for (begin, end), scans in zip(pairwise(edges), planned.shares, strict=True):
        now = tally(engine, scans, share, seen)
        if planned.undated:
            now = _both(now, cut(rest, begin, end))
        if begin == BEFORE_ALL:
            now.words.update(rest.words)
            now = replace(now, starts=_stacked([now.starts, rest.starts]))
        yield Share(now, begin, end)


def tallied(engine: Engine, planned: Plan, seen: Callable[[str], None] | None = None) -> Iterator[Share]:
    """The tally of each share, with what of the shares beside may matter to it: their starts, and both midnights.

    All have one mapping of words, which grows: after the last share it says what all their codes stand for.
    """
    words: dict[int, str] = {}
    starts: deque[Columns] = deque(maxlen=3)
    before, now = Tallied(), None
    for after in chain(tallies(engine, planned, seen=seen), [Share(Tallied(), AFTER_ALL, AFTER_ALL)]):
        words |= after.tallied.words
        starts.append(after.tallied.starts)
        if now is not None:
            whole = _both(now.tallied, *(cut(one, now.begin - NEAR, now.end + NEAR) for one in (before, after.tallied)))
            yield replace(now, tallied=replace(whole, words=words, starts=_stacked(starts)))
            before = cut(now.tallied, now.end - NEAR, now.end)
        now = after


def cut(tallied: Tallied, begin: int, end: int) -> Tallied:
    """What of a tally is of [begin, end): its ties, and the units of the hours that this touches."""
    units = {kind: hours(columns, begin, end) for kind, columns in tallied.units.items()}
    ties = tallied.ties and chosen_of(tallied.ties, (tallied.ties["time"] >= begin) & (tallied.ties["time"] < end))
    return Tallied({kind: columns for kind, columns in units.items() if len(columns["hour"])}, ties=ties)


def hours(units: Columns, begin: int, end: int) -> Columns:
    """The units (of one kind) of the hours that [begin, end) touches."""
    return chosen_of(units, (units["hour"] >= begin // HOUR) & (units["hour"] <= (end - 1) // HOUR))


def _both(tallied: Tallied, *others: Tallied) -> Tallied:
    """A tally with the units and ties of others."""
    parts = [tallied, *others]
    units: dict[str, Columns] = {}
    for kind in sorted({kind for part in parts for kind in part.units}):
        own = [dict(part.units[kind]) for part in parts if kind in part.units]
        units[kind] = merge_rows(stacked(own), UNIT_KEY, UNIT_SUM) if len(own) > 1 else own[0]
    return replace(tallied, units=units, ties=_stacked([part.ties for part in parts]))


def _stacked(parts: Iterable[Columns]) -> Columns:
    """Ties or starts one below the other; {} where there are none."""
    some = [dict(part) for part in parts if part]
    return stacked(some) if some else {}


def _midnight(share: Sequence[Scan]) -> int:
    """When the first day of a share begins."""
    first = min(day_of(file) for scan in share for file in scan.files)
    return int(datetime.fromisoformat(first).replace(tzinfo=UTC).timestamp()) * 1_000_000
