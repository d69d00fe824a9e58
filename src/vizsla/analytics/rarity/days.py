"""A tally too large to hold, some days at a time.

What ranks events asks what happened on their own day: a unit is of an hour, and an episode ends at midnight. Of other
days it asks for two things only. Processes may have begun before, and clocks differ: a share tells of its neighbours'
process starts, too (whose lineages began before that is carried from share to share; see triage.anchor). And what
happened within a minute may meet across midnight: it tells of its neighbours' last and first minute.

Where a table lists what is there (a $MFT), its records meet evidence of any day: then all days are one share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, pairwise
from pathlib import Path

from vizsla.analytics.rarity.aside import Aside
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.model import Tallied, tally
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.share import AFTER_ALL, BEFORE_ALL, Share, cut
from vizsla.analytics.rarity.tally import UNIT_KEY, UNIT_SUM, joined, merge_rows, stacked
from vizsla.engine import Engine
from vizsla.lake import Scan
from vizsla.lake.days import by_days, dated, undated
from vizsla.lake.shape import day_of
from vizsla.memory import give_back
from vizsla.scratch import Scratch

HELD = 2_000_000  # events whose tally is held at once, about


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


def tallies(
    engine: Engine, planned: Plan, share: float = 1.0, seen: Callable[[str], None] | None = None
) -> Iterator[Share]:
    """The tally of each share by itself. `seen` is told of each table as its pass begins; `share` of the host-days go
    into the sample."""
    rest = tally(engine, planned.undated, share, seen)
    edges = [BEFORE_ALL, *map(_midnight, planned.shares[1:]), AFTER_ALL]

    def one(scans: Sequence[Scan], begin: int, end: int) -> Share:
        now = tally(engine, scans, share, seen)
        return Share(_both(now, cut(rest, begin, end)) if planned.undated else now, begin, end)

    for edge, scans in zip(pairwise(edges), planned.shares, strict=True):
        yield one(scans, *edge)  # by no name here, or it would stay as long as this waits


def tallied(engine: Engine, planned: Plan, seen: Callable[[str], None] | None = None) -> Iterator[Share]:
    """The tally of each share, with what of the shares beside may matter to it: their starts, and both midnights.

    All have one mapping of words, which grows: after the last share it says what all their codes stand for. While one
    share is tallied, the one before waits on disk: whoever lets go of it before asking on holds one at a time.
    """
    shares = tallies(engine, planned, seen=seen)
    if len(planned.shares) == 1:
        yield from shares
        return
    words: dict[int, str] = {}
    with closing(Scratch("tally")) as scratch:
        before, now = None, _aside(shares, scratch.path, words)
        while now is not None:
            after = _aside(shares, scratch.path, words)
            give_back()
            yield now.back(before, after, words)
            before, now = now, after


def _aside(shares: Iterator[Share], folder: Path, words: dict[int, str]) -> Aside | None:
    share = next(shares, None)
    return None if share is None else Aside.of(share, folder, words)


def _both(tallied: Tallied, other: Tallied) -> Tallied:
    """Two tallies as one; their units may be the same."""
    units: dict[str, Columns] = {}
    for kind in sorted({*tallied.units, *other.units}):
        own = [dict(part.units[kind]) for part in (tallied, other) if kind in part.units]
        units[kind] = merge_rows(joined(own), UNIT_KEY, UNIT_SUM) if len(own) > 1 else own[0]
    ties, starts = stacked([tallied.ties, other.ties]), stacked([tallied.starts, other.starts])
    return replace(tallied, units=units, words={**tallied.words, **other.words}, ties=ties, starts=starts)


def _midnight(share: Sequence[Scan]) -> int:
    """When the first day of a share begins."""
    first = min(day_of(file) for scan in share for file in scan.files)
    return int(datetime.fromisoformat(first).replace(tzinfo=UTC).timestamp()) * 1_000_000
