"""Hosts and tables whose hours of activity are everybody else's, some whole hours off: a time zone that looks wrong.

A host's events in each hour are held against the other hosts' mean, at lags of up to fourteen hours. It is told where
another lag than none fits better on nearly every day by itself, and where the others agree among themselves. Who works
at other hours than everybody else looks the same: of a host's tables held against one another that is not so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vizsla.explore.coverage.grid import Cells, is_stranger
from vizsla.nouns.coverage import Clock

REACH = 14  # hours: no zone is further from UTC
LEAST_DAYS = 4
LEAST_ACTIVE = 24  # hours with events
LEAST_OTHERS = 3
MOST_HOSTS = 4_000
MOST_HOURS = 24 * 28
FITS = 0.5  # correlation at the best lag, at least
BETTER = 0.12  # than with no lag
DAYS_AGREE = 0.75  # of the days fit better by themselves
SURE = 3.5  # standard errors of the daily gain

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shift:
    """How a row's hours lie to what it is held against: it comes `hours` later; `fit` there and `unmoved` at none."""

    row: int
    hours: int
    fit: float
    unmoved: float
    days: int


def shifts(rows: Floats, against: Floats) -> list[Shift | None]:
    """For each row of hours (from a midnight on) how it is shifted against the row beside it; None: not tellable.

    `hours` is 0 where no other lag is surely better.
    """
    size = rows.shape[1]
    lags = range(-REACH, REACH + 1)
    fits = np.stack([_correlations(rows, against, lag) for lag in lags])
    best = np.argmax(fits, axis=0)
    told: list[Shift | None] = []
    for row in range(len(rows)):
        active = np.flatnonzero(rows[row])
        days = len(np.unique(active // 24))
        if len(active) < LEAST_ACTIVE or days < LEAST_DAYS or not np.isfinite(fits[:, row]).all():
            told.append(None)
            continue
        lag, fit, unmoved = lags[int(best[row])], float(fits[best[row], row]), float(fits[REACH, row])
        sure = lag != 0 and fit >= FITS and fit - unmoved >= BETTER and _daily(rows[row], against[row], lag, size)
        told.append(Shift(row, lag if sure else 0, fit, unmoved, days))
    return told


def _moved(against: Floats, lag: int) -> Floats:
    """What is held against, `lag` hours later; outside of it the nearest hours are repeated a day on."""
    wide = np.concatenate([against[..., :24], against, against[..., -24:]], axis=-1)
    return wide[..., 24 - lag : 24 - lag + against.shape[-1]]


def _correlations(rows: Floats, against: Floats, lag: int) -> Floats:
    moved = _moved(against, lag)
    a, b = rows - rows.mean(axis=1, keepdims=True), moved - moved.mean(axis=1, keepdims=True)
    norm = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(axis=1) / norm, np.float64)


def _daily(row: Floats, against: Floats, lag: int, size: int) -> bool:
    """Whether the lag fits better on nearly every day by itself, not for one day's sake."""
    whole = size // 24 * 24
    mine = (row - row.mean())[:whole].reshape(-1, 24)
    gain = (mine * (_moved(against, lag) - against)[:whole].reshape(-1, 24)).sum(axis=1)
    gain = gain[row[:whole].reshape(-1, 24).any(axis=1)]
    if len(gain) < LEAST_DAYS or (gain > 0).mean() < DAYS_AGREE:
        return False
    error = gain.std(ddof=1) / np.sqrt(len(gain))
    return bool(gain.mean() > 0 and (error == 0 or gain.mean() / error >= SURE))


@dataclass(frozen=True, slots=True)
class _Series:
    """Events in each hour, as log(1 + n): (host, table) to its row."""

    rows: dict[tuple[str, str], Floats]


def _series(cells: Sequence[Cells]) -> _Series:
    recent = [part.hour[part.recent()] for part in cells]
    held = [hours for hours in recent if len(hours)]
    if not held:
        return _Series({})
    end = (max(int(h.max()) for h in held) // 24 + 1) * 24
    start = max(min(int(h.min()) for h in held) // 24 * 24, end - MOST_HOURS)
    rows: dict[tuple[str, str], Floats] = {}
    for part in cells:
        kept = part.recent() & (part.hour >= start) & (part.host >= 0)
        enough = np.flatnonzero(np.bincount(part.host[kept], minlength=len(part.hosts)) >= LEAST_ACTIVE)
        enough = np.asarray([code for code in enough if not is_stranger(part.hosts[int(code)])][:MOST_HOSTS], np.int64)
        if not len(enough):
            continue
        place = np.full(len(part.hosts), -1)
        place[enough] = np.arange(len(enough))
        grid = np.zeros((len(enough), end - start))
        mine = kept & (place[part.host] >= 0)
        np.add.at(grid, (place[part.host[mine]], part.hour[mine] - start), part.events[mine])
        for row, code in zip(grid, enough, strict=True):
            rows[part.hosts[int(code)], part.table] = row
    return _Series(rows)


def zones(cells: Sequence[Cells]) -> list[Clock]:
    """Hosts whose hours are off from everybody else's, and tables in which hosts' are off from their own elsewhere."""
    series = _series(cells)
    by_host: dict[str, Floats] = {}
    for (host, _), row in series.rows.items():
        by_host[host] = by_host.get(host, 0) + row
    inside = _tables(series, by_host)
    blamed = {clock.host for clock in inside}
    return inside + [clock for clock in _hosts(by_host) if clock.host not in blamed]


def _hosts(by_host: dict[str, Floats]) -> list[Clock]:
    names = sorted(by_host)[:MOST_HOSTS]
    if len(names) < LEAST_OTHERS + 1:
        return []
    rows = np.log1p(np.stack([by_host[name] for name in names]))
    others = (rows.sum(axis=0) - rows) / (len(rows) - 1)
    judged = shifts(rows, others)
    agreeing = sum(s is not None and s.hours == 0 and s.fit >= FITS for s in judged)
    if agreeing < LEAST_OTHERS or agreeing <= len([s for s in judged if s is not None]) / 2:
        return []
    return [
        Clock("shifted", names[s.row], "", s.hours * 3600, _words(s, f"{agreeing} other hosts'"))
        for s in judged
        if s is not None and s.hours
    ]


def _tables(series: _Series, by_host: dict[str, Floats]) -> list[Clock]:
    pairs = [
        (host, table, row, by_host[host] - row)
        for (host, table), row in sorted(series.rows.items())
        if np.count_nonzero(by_host[host] - row) >= LEAST_ACTIVE
    ]
    if not pairs:
        return []
    judged = shifts(np.log1p(np.stack([p[2] for p in pairs])), np.log1p(np.stack([p[3] for p in pairs])))
    found = [(pairs[s.row][0], pairs[s.row][1], s) for s in judged if s is not None and s.hours]
    told: dict[str, tuple[str, Shift]] = {}  # by host: of two tables each of which is off from the other, the smaller
    size = {(p[0], p[1]): float(p[2].sum()) for p in pairs}
    for host, table, shift in found:
        other = told.get(host)
        if other is None or size[host, table] < size[host, other[0]]:
            told[host] = (table, shift)
    return [
        Clock("zone", host, table, s.hours * 3600, _words(s, "its own in other tables"))
        for host, (table, s) in sorted(told.items())
    ]


def _words(shift: Shift, whose: str) -> str:
    return (
        f"on {shift.days} days its hours of activity follow {whose}: correlation {shift.fit:.2f} so moved, "
        f"{shift.unmoved:.2f} unmoved"
    )
