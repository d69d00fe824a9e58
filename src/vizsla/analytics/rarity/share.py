"""Some days of a tally, and what of a tally is of which days."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vizsla.analytics.rarity.encode import HOUR
from vizsla.analytics.rarity.model import Tallied
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.tally import chosen_of

NEAR = 60_000_000  # microseconds within which what happened may meet across midnight
BEFORE_ALL, AFTER_ALL = -(1 << 62), 1 << 62


@dataclass(frozen=True, slots=True)
class Share:
    """What happened in [begin, end), microseconds since 1970, with what of the days beside may matter to it."""

    tallied: Tallied
    begin: int = BEFORE_ALL
    end: int = AFTER_ALL


def cut(tallied: Tallied, begin: int, end: int) -> Tallied:
    """What of a tally is of [begin, end): ties and starts, and the units of the hours that this touches."""
    units = {kind: hours(columns, begin, end) for kind, columns in tallied.units.items()}
    ties, starts = (
        columns and chosen_of(columns, (columns["time"] >= begin) & (columns["time"] < end))
        for columns in (tallied.ties, tallied.starts)
    )
    kept = {kind: columns for kind, columns in units.items() if len(columns["hour"])}
    return replace(tallied, units=kept, ties=ties, starts=starts)


def hours(units: Columns, begin: int, end: int) -> Columns:
    """The units (of one kind) of the hours that [begin, end) touches."""
    return chosen_of(units, (units["hour"] >= begin // HOUR) & (units["hour"] <= (end - 1) // HOUR))
