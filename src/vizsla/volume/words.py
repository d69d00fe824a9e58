"""What an unusual hour says to a reader: one sentence with its numbers, and a picture of its day."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
from scipy.special import gammainccinv, stdtrit

from vizsla.calibration import Floats
from vizsla.volume.counting import SPLIT
from vizsla.volume.known import Known
from vizsla.volume.models import DAY, FREEDOM, Cells, Model

HIGH = 0.95  # 'usual up to': of hours with any
BAND = 0.99  # the picture's band
DAYS = ("weekdays", "weekends")
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")


def number(value: float, measure_how: str = "count") -> str:
    """A value as people say it: 1,204; 1.2 GB; 0.37."""
    if measure_how == "sum":
        size = 0
        while abs(value) >= 1000 and size < len(UNITS) - 1:
            value, size = value / 1000, size + 1
        return f"{value:,.0f} {UNITS[size]}" if size == 0 or value >= 100 else f"{value:,.1f} {UNITS[size]}"
    if measure_how in ("peak", "trough"):
        return f"{value:,.4g}"
    return f"{round(value):,}"


def usual(known: Known, model: Model, cells: Cells, share: float = HIGH) -> Floats:
    """Up to which value such hours go, on the measure's own scale (a trough: down to which, negative)."""
    one, other = model.shape(cells)
    if not known.measure.amount:
        # By the gamma distribution of the negative binomial's mean and variance; of hours with any.
        spread = other + 1.0 / one
        some = -np.expm1(-np.log1p(one * other) / other)
        return np.asarray(np.ceil(np.maximum(1.0, gammainccinv(1.0 / spread, (1 - share) * some) * one * spread)))
    high = one + other * stdtrit(FREEDOM, share)
    if known.measure.how == "sum":
        return np.asarray(np.expm1(np.minimum(high, 600.0)))
    typical = np.median(known.scales) if len(known.scales) else 1.0
    scale = np.where(cells.peers < 0, typical, known.scales[cells.peers]) if len(known.scales) else typical
    return np.asarray(np.sinh(np.minimum(high, 600.0)) * scale)


def subject(known: Known, entity: str, host: str) -> str:
    """Whose: 'failed logons of svc_sql on dc01'."""
    measure = known.measure
    if measure.view == "tables":
        return f"{measure.name} of {entity} on {host}"
    if not entity:
        return f"{measure.name} on {host}"
    return f"{measure.name} {'from' if measure.of[0] == 'source.ip' else 'of'} {entity.replace(SPLIT, ' ')} on {host}"


def much(known: Known, of: str, value: float, high: float, entity: int, hour: int, daily: bool) -> str:
    """Why an hour (or a day) has unusually much."""
    how = known.measure.how
    sign = -1.0 if how == "trough" else 1.0
    hours = f"between {_at(hour):%H:00} and {_at(hour + 1):%H:00}"
    when = f"on {_at(hour):%Y-%m-%d} beside the highest hour" if daily else hours
    far = "down to" if how == "trough" else "up to"
    limit = f"{far} {number(sign * high, how)}"
    if entity < 0:
        past = f"never seen before; of others {limit}"
    else:
        past = f"usual then {far} {number(sign * high, how)} ({_days(known, entity)})"
    return f"{of}: {number(sign * value, how)} {when}; {past}"


def unusual_hour(known: Known, of: str, value: float, entity: int, cells: Cells) -> str:
    """Why an hour is unusual for an entity to be active at."""
    assert known.habits is not None
    slot, hour = int(known.habits.slot(cells)[0]), int(cells.hour[0])
    kind = f" of {DAYS[slot // DAY]}" if known.habits.weekends else ""
    if entity < 0:
        return f"{of}: {number(value, known.measure.how)} between {_at(hour):%H:00} and {_at(hour + 1):%H:00}, " \
               f"when hardly anybody is active; never seen before"  # fmt: skip
    seen = known.habits.seen[entity]
    most = ", ".join(f"{place % DAY:02}h" for place in sorted(np.argsort(-seen, kind="stable")[:3]) if seen[place])
    return (
        f"{of}: {number(value, known.measure.how)} between {_at(hour):%H:00} and {_at(hour + 1):%H:00}; "
        f"at this hour{kind} on {seen[slot]:,.0f} of {_days(known, entity)}, most often at {most}"
    )


def silent(table: str, host: str, begin: int, end: int, hours: float, beside: float) -> str:
    """Why a silence is unusual."""
    return (
        f"{table} on {host} told of nothing from {_at(begin):%H:00} to {_at(end + 1):%H:00}, while other logs of the "
        f"host told of {beside:,.0f} events; it was to be expected in {hours:,.0f} hours before"
    )


def _days(known: Known, entity: int) -> str:
    days = round(known.active[entity])
    return f"{days:,} day{'s' if days != 1 else ''}"


def _at(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * 3600, UTC)


def picture(known: Known, cell: Cells, raw: dict[int, float], of: str) -> str:
    """The hours of the day that an unusual one lies in, with the band in which they were expected. `raw`: the day's
    values by hour."""
    first = int(cell.hour[0]) // DAY * DAY
    at = np.arange(first, first + DAY, dtype=np.int64)
    day = Cells(np.repeat(cell.entity, DAY), np.repeat(cell.peers, DAY), at, np.ones(DAY))
    high = usual(known, known.hourly, day, BAND)
    sign = -1.0 if known.measure.how == "trough" else 1.0
    points: list[Any] = []
    for hour, top in zip(at.tolist(), high.tolist(), strict=True):
        value = raw.get(hour)
        if value is None and known.measure.how in ("peak", "trough"):
            continue  # a level that nobody measured is not 0
        limits = sorted((0.0, round(sign * top, 4)))
        points.append([_at(hour).isoformat(), sign * (value or 0.0), *limits])
    return json.dumps({"chart": "series", "measure": of, "points": points})
