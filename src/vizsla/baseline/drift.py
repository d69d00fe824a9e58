"""Slow drift: what a baseline is taught little by little, day by day, without a finding ever standing out.

Two series are watched from day to day: how many events each host brings, and how many patterns are seen for the first
time. The first half of the days is the reference (weekdays and weekends apart where both are there); the second half
is held against it by Page's cumulative sums (1954), S = max(0, S + z - k) for rises and the same for falls, with z
the day's robust z-score, at most CLIP so that one loud day is no drift, and k = 1/2 and the error of the reference's
own median besides. The alarm level grows with the number of days watched, so that of all of them together one in TEN
such reports would be false, were z normal.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.model import HOURS_A_DAY, Tallied
from vizsla.analytics.rarity.tally import DAY

FEWEST = 14  # days below which nothing is watched
SLACK, CLIP, LOWEST = 0.5, 4.0, 5.0
MEDIAN_ERROR = 1.25  # of a normal median of n values, times sqrt(n), in spreads
LEAST_SPREAD = 0.1  # of the logarithm of a day's count: a tenth up or down is no news
TEN = 10.0
WEEKEND = 5
Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Drift:
    """A series that drifted: `what`, `host` ('' for all), from which day on, and a day's median before and since."""

    what: str
    host: str
    since: date
    before: float
    after: float

    def says(self) -> str:
        """In words, for a reader."""
        whose = f" of {self.host}" if self.host else ""
        way = "rise" if self.after > self.before else "fall"
        return (
            f"slow drift: {self.what}{whose} {way} since {self.since:%Y-%m-%d}, {self.before:,.0f} a day before and "
            f"{self.after:,.0f} since"
        )


def drifts(parts: Sequence[Tallied], words: Mapping[int, str]) -> list[Drift]:
    """What drifted over the days of these tallies, the strongest change first."""
    series = [*_volumes(parts, words), *_news(parts)]
    watched = sum(len(days) - len(days) // 2 for _, _, days, _, _ in series)
    level = max(LOWEST, math.log(TEN * 2 * max(1, watched) * 2 * SLACK**2) - 1.166)
    found = []
    for what, host, days, counts, falls in series:
        drift = _drifted(what, host, days, counts, level, falls=falls)
        if drift is not None:
            found.append(drift)
    return sorted(found, key=lambda d: (-abs(math.log((d.after + 1) / (d.before + 1))), d.what, d.host))


def _volumes(parts: Sequence[Tallied], words: Mapping[int, str]) -> Iterator[tuple[str, str, Days, Floats, bool]]:
    """Events a day, of each host on enough days."""
    host = _all(parts, "host")
    day, n = _all(parts, "hour").astype(np.int64) // HOURS_A_DAY, _all(parts, "n").astype(np.float64)
    known = day >= 0
    host, day, n = host[known], day[known], n[known]
    for code in np.unique(host).tolist():
        own = host == code
        days, inverse = np.unique(day[own], return_inverse=True)
        if len(days) >= FEWEST:
            yield "events", words.get(code, "?"), days, np.bincount(inverse, weights=n[own]).astype(np.float64), True


def _news(parts: Sequence[Tallied]) -> Iterator[tuple[str, str, Days, Floats, bool]]:
    """Patterns seen for the first time, by day; they get fewer as a baseline grows, so that only a rise is news."""
    first: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for part in parts:
        for kind, columns in part.units.items():
            first.setdefault(kind, []).append((columns["pattern"], columns["hour"] // HOURS_A_DAY))
    began = []
    for found in first.values():
        pattern, day = (np.concatenate([pair[i] for pair in found]) for i in (0, 1))
        order = np.lexsort((day, pattern))
        lead = np.r_[True, pattern[order][1:] != pattern[order][:-1]] if len(order) else np.zeros(0, bool)
        began.append(day[order][lead])
    every = np.concatenate(began) if began else np.zeros(0, np.int64)
    every = every[every >= 0]
    if not len(every):
        return
    days = np.unique(np.concatenate([c["hour"] for p in parts for c in p.units.values()]) // HOURS_A_DAY)
    days = days[days >= 0]
    if len(days) >= FEWEST:
        counts = np.array([(every == d).sum() for d in days.tolist()], dtype=np.float64)
        yield "patterns seen for the first time", "", days, counts, False


def _all(parts: Sequence[Tallied], name: str) -> np.ndarray:
    columns = [units[name] for part in parts for units in part.units.values()]
    return np.concatenate(columns) if columns else np.zeros(0, np.int64)


def _drifted(what: str, host: str, days: Days, counts: Floats, level: float, *, falls: bool) -> Drift | None:
    half = len(days) // 2
    slack = SLACK + MEDIAN_ERROR / math.sqrt(half)
    z = _scores(days, np.log1p(counts), half)
    for sign in (1.0, -1.0) if falls else (1.0,):
        total, began = 0.0, half
        for place in range(half, len(days)):
            total = max(0.0, total + sign * float(z[place]) - slack)
            if total == 0.0:
                began = place + 1
        # Only what lasts to the end is told: what came and went is no drift any more.
        if total > level and began < len(days):
            since = datetime.fromtimestamp(int(days[began]) * DAY / 1e6, UTC).date()
            return Drift(what, host, since, float(np.median(counts[:half])), float(np.median(counts[began:])))
    return None


def _scores(days: Days, values: Floats, half: int) -> Floats:
    """Robust z-scores against the first half of the days, weekends against weekends where there are three."""
    weekend = (days + 3) % 7 >= WEEKEND  # day 0 was a Thursday
    z = np.zeros(len(values))
    apart = min(weekend[:half].sum(), (~weekend[:half]).sum()) >= 3
    for group in (weekend, ~weekend) if apart else (np.ones(len(values), dtype=bool),):
        reference = values[:half][group[:half]]
        middle = np.median(reference)
        spread = max(LEAST_SPREAD, 1.4826 * float(np.median(np.abs(reference - middle))))
        z[group] = (values[group] - middle) / (spread * math.sqrt(1 + 1 / len(reference)))
    return np.clip(z, -CLIP, CLIP)
