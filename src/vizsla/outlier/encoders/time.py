"""Times: the hour of day and the day of the week, as circles. How late a time is in the data counts for nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
DAY, WEEK = 86_400, 7 * 86_400


@dataclass(frozen=True, slots=True)
class Time:
    """Sine and cosine of the time of day and of the week, and whether it is missing. Times without a zone are UTC.

    Times themselves only grow: what is scored after it was trained on would be unusual by being later.
    """

    kind: ClassVar[str] = "time"
    centre: list[float]
    scale: list[float]  # 0: all alike

    @classmethod
    def learn(cls, values: pa.Array) -> Time:
        """From the training rows' times."""
        table = circles(seconds(values))
        spread = table.std(axis=0) if len(table) else np.zeros(5)
        centre = table.mean(axis=0) if len(table) else np.zeros(5)
        return cls(centre.tolist(), [float(s) if s > 1e-9 else 0.0 for s in spread])

    def columns(self, values: pa.Array) -> tuple[Floats, Flags]:
        """(n, 5); new: a first missing one."""
        found = seconds(values)
        scale = np.array(self.scale)
        away = (circles(found) - np.array(self.centre)) / np.where(scale > 0, scale, 1.0)
        used = scale > 0
        return away * used / np.sqrt(max(1, used.sum())), np.isnan(found) & (self.centre[4] == 0)


def seconds(values: pa.Array) -> Floats:
    """Seconds since 1970; NaN where there is no time. Texts are read as ISO 8601, numbers as seconds."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        values = times(values)
    if pa.types.is_date(values.type) or (pa.types.is_timestamp(values.type) and values.type.unit != "us"):
        values = values.cast(pa.timestamp("us", getattr(values.type, "tz", None)), safe=False)
    if pa.types.is_time(values.type):
        micros = values.cast(pa.time64("us")).cast(pa.int64())
    elif pa.types.is_timestamp(values.type):
        micros = values.cast(pa.int64())
    else:
        numbers: Floats = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
        return numbers
    found: Floats = pc.divide(micros.cast(pa.float64(), safe=False), 1e6).to_numpy(zero_copy_only=False)
    return found


_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?\s*(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
)


def times(values: pa.Array) -> pa.Array:
    """Texts as times in UTC, null where one is none."""
    trimmed = pc.utf8_trim_whitespace(values)
    fits = pc.match_substring_regex(trimmed, _ISO)
    zoned = pc.match_substring_regex(trimmed, r"(Z|[+-][0-9]{2}:?[0-9]{2})$")
    zoned = pc.and_(zoned, pc.match_substring(trimmed, ":"))  # the day of a date is no zone
    short = pc.replace_substring_regex(pc.replace_substring(trimmed, ",", "."), r"(\.[0-9]{6})[0-9]+", r"\1")
    whole = pc.if_else(fits, short, pa.scalar(None, values.type))
    bare = pc.if_else(zoned, pa.scalar(None, values.type), whole)
    stated = pc.if_else(zoned, whole, pa.scalar(None, values.type))
    return pc.coalesce(_parsed(bare, None), _parsed(stated, "UTC"))


def _parsed(values: pa.Array, zone: str | None) -> pa.Array:
    try:
        found = values.cast(pa.timestamp("us", zone))
    except pa.ArrowInvalid:  # one of them is no date of the calendar: one by one
        found = pa.array([_one(v, zone) for v in values.to_pylist()], pa.timestamp("us", zone))
    return found.cast(pa.timestamp("us", "UTC")) if zone is None else found


def _one(text: str | None, zone: str | None) -> object:
    if text is None:
        return None
    try:
        return pa.scalar(text).cast(pa.timestamp("us", zone)).as_py()
    except pa.ArrowInvalid:
        return None


def circles(found: Floats) -> Floats:
    """Sine and cosine of the day, of the week, and 1 where missing: (n, 5)."""
    missing = np.isnan(found)
    filled = np.where(missing, 0.0, found)
    day, week = 2 * np.pi * (filled % DAY) / DAY, 2 * np.pi * (filled % WEEK) / WEEK
    table = np.column_stack([np.sin(day), np.cos(day), np.sin(week), np.cos(week), missing.astype(float)])
    table[missing, :4] = 0.0
    return table
