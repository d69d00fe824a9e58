"""A tally too large to hold, some days at a time.

What ranks events asks what happened on their own day: a unit is of an hour, and an episode ends at midnight. Of other
days it asks for two things only. Processes may have begun before, and clocks differ: a share tells of its neighbours'
process starts, too (whose lineages began before that is carried from share to share; see triage.anchor). And what
happened within a minute may meet across midnight: it tells of its neighbours' last and first minute.

Where a table lists what is there (a $MFT), its records meet evidence of any day: then all days are one share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from vizsla.analytics.rarity.encode import HOUR
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.model import Tallied, tally
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.tally import PART, UNIT_KEY, UNIT_SUM, chosen_of, merge_rows, packed, unpacked
from vizsla.analytics.rarity.tally import joined as stacked
from vizsla.engine import Engine
from vizsla.lake import Scan
from vizsla.lake.days import by_days, dated, undated
from vizsla.lake.shape import day_of
from vizsla.memory import give_back
from vizsla.scratch import Scratch

HELD = 2_000_000  # events whose tally is held at once, about
PIECE = 1_000_000  # rows written at once
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

    def one(scans: Sequence[Scan], begin: int, end: int) -> Share:
        now = tally(engine, scans, share, seen)
        if planned.undated:
            now = _both(now, cut(rest, begin, end))
        if begin == BEFORE_ALL:
            now.words.update(rest.words)
            now = replace(now, starts=_stacked([now.starts, rest.starts]))
        return Share(now, begin, end)

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


def _aside(shares: Iterator[Share], folder: Path, words: dict[int, str]) -> _Aside | None:
    share = next(shares, None)
    return None if share is None else _Aside.of(share, folder, words)


@dataclass(frozen=True, slots=True)
class _Aside:
    """A share on disk, how many rows it has there of what, and what of it matters to those beside."""

    path: Path
    begin: int
    end: int
    rows: Mapping[tuple[str, str], int]
    starts: Columns
    first: Tallied
    last: Tallied

    @classmethod
    def of(cls, share: Share, folder: Path, words: dict[int, str]) -> _Aside:
        """Put aside; its words are added to the others'."""
        found = share.tallied
        words |= found.words
        path = folder / f"{share.begin}.arrow"
        with pa.ipc.new_stream(str(path), PART) as writer:
            for key, columns in _named(found):
                for begin in range(0, _size(columns), PIECE):
                    piece = {name: values[begin : begin + PIECE] for name, values in columns.items()}
                    writer.write_batch(packed(*key, pa.table(piece)))
        rows = {key: _size(columns) for key, columns in _named(found)}
        first, last = (cut(found, edge, edge + NEAR) for edge in (share.begin, share.end - NEAR))
        return cls(path, share.begin, share.end, rows, found.starts, first, last)

    def back(self, before: _Aside | None, after: _Aside | None, words: dict[int, str]) -> Share:
        """The share again, with what matters of those beside it; on disk it is no more."""
        beside = [*_named(before.last if before else Tallied()), *_named(after.first if after else Tallied())]
        sizes = Counter(self.rows)
        for key, columns in beside:
            sizes[key] += _size(columns)
        made: dict[tuple[str, str], dict[str, np.ndarray]] = {key: {} for key in sorted(sizes)}
        filled = Counter[tuple[str, str]]()

        def fill(key: tuple[str, str], columns: Columns) -> None:
            begin, own = filled[key], made[key]
            filled[key] += _size(columns)
            for name, values in columns.items():
                if name not in own:  # a field that a part lacks is filled with zeros
                    own[name] = np.zeros(sizes[key], values.dtype)
                own[name][begin : filled[key]] = values

        with pa.OSFile(str(self.path)) as file:
            for part, kind, table in unpacked(iter(pa.ipc.open_stream(file))):
                fill((part, kind), {name: table[name].to_numpy() for name in table.column_names})
        self.path.unlink()
        for key, columns in beside:
            fill(key, columns)
        ties = made.pop(("tie", ""), {})
        starts = _stacked([one.starts for one in (before, self, after) if one])
        units: dict[str, Columns] = {kind: dict(sorted(columns.items())) for (_, kind), columns in made.items()}
        return Share(Tallied(units, words, ties, starts), self.begin, self.end)


def _named(tallied: Tallied) -> list[tuple[tuple[str, str], Columns]]:
    """The units of a tally by kind, and its ties, as parts are named."""
    ties = [(("tie", ""), tallied.ties)] if tallied.ties else []
    return [*((("unit", kind), columns) for kind, columns in tallied.units.items()), *ties]


def _size(columns: Columns) -> int:
    return len(next(iter(columns.values()), ()))


def cut(tallied: Tallied, begin: int, end: int) -> Tallied:
    """What of a tally is of [begin, end): its ties, and the units of the hours that this touches."""
    units = {kind: hours(columns, begin, end) for kind, columns in tallied.units.items()}
    ties = tallied.ties and chosen_of(tallied.ties, (tallied.ties["time"] >= begin) & (tallied.ties["time"] < end))
    return Tallied({kind: columns for kind, columns in units.items() if len(columns["hour"])}, ties=ties)


def hours(units: Columns, begin: int, end: int) -> Columns:
    """The units (of one kind) of the hours that [begin, end) touches."""
    return chosen_of(units, (units["hour"] >= begin // HOUR) & (units["hour"] <= (end - 1) // HOUR))


def _both(tallied: Tallied, other: Tallied) -> Tallied:
    """A tally with the units and ties of another."""
    units: dict[str, Columns] = {}
    for kind in sorted({*tallied.units, *other.units}):
        own = [dict(part.units[kind]) for part in (tallied, other) if kind in part.units]
        units[kind] = merge_rows(stacked(own), UNIT_KEY, UNIT_SUM) if len(own) > 1 else own[0]
    return replace(tallied, units=units, ties=_stacked([tallied.ties, other.ties]))


def _stacked(parts: Sequence[Columns]) -> Columns:
    """Ties or starts one below the other; {} where there are none."""
    some = [dict(part) for part in parts if part]
    return stacked(some) if some else {}


def _midnight(share: Sequence[Scan]) -> int:
    """When the first day of a share begins."""
    first = min(day_of(file) for scan in share for file in scan.files)
    return int(datetime.fromisoformat(first).replace(tzinfo=UTC).timestamp()) * 1_000_000
