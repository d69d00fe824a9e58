"""Times as logs write them, parsed column by column."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Micros = npt.NDArray[np.int64]  # microseconds since 1970 in UTC; NONE where there is no time
NONE = np.iinfo(np.int64).min
FEW = 256  # rows: below it, a loop is faster than Arrow
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# Beyond the first and the last day that calendars know, no engine and no face could say when an event was.
_FIRST = (datetime.min.replace(tzinfo=UTC) - _BEGINNING).days * 86_400_000_000
_LAST = (datetime.max.replace(tzinfo=UTC) - _BEGINNING).days * 86_400_000_000
ZONED = r"(?:[Zz]|UTC|GMT|[+-]\d\d:?\d\d)\s*$"
_ZONED = re.compile(ZONED)


@lru_cache(maxsize=65536)
def micros(text: str) -> int:
    """One ISO 8601 time, or `NONE`; without a zone it is taken as UTC. Digits beyond microseconds are cut."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        text = text.strip().replace(",", ".")
        for name in (" UTC", " GMT", "UTC", "GMT"):
            text = text.removesuffix(name)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return NONE
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        delta = moment - _BEGINNING
    except OverflowError:
        return NONE
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def parse_iso(texts: pa.Array) -> Micros:
    """ISO 8601 times, zoned or not (then taken as UTC); what is no time becomes `NONE`. Length: as the input's."""
    kinds = (pa.timestamp("ns", tz="UTC"), pa.timestamp("ns")) if len(texts) > FEW else ()
    for kind in kinds:
        try:
            parsed = pc.cast(texts, kind)
        except pa.ArrowInvalid:
            continue
        nanos = pc.fill_null(pc.cast(parsed, pa.int64()), NONE).to_numpy(zero_copy_only=False)
        return np.where(nanos == NONE, NONE, nanos // 1000)
    return np.array([NONE if t is None else micros(t) for t in texts.to_pylist()], dtype=np.int64)


def has_zone(texts: pa.Array) -> npt.NDArray[np.bool_]:
    """Which of the times say their zone."""
    if len(texts) <= FEW:
        return np.array([t is not None and _ZONED.search(t) is not None for t in texts.to_pylist()], dtype=bool)
    found = pc.match_substring_regex(texts, ZONED)
    return np.asarray(pc.fill_null(found, False).to_numpy(zero_copy_only=False), dtype=bool)


def epoch(text: str) -> int:
    """One number of seconds since 1970, or `NONE`."""
    try:
        seconds = float(text)
    except ValueError:
        return NONE
    return round(seconds * 1e6) if math.isfinite(seconds) and abs(seconds) < 9e12 else NONE


def parse_epoch(texts: pa.Array) -> Micros:
    """Seconds since 1970 as text, to the microsecond; what is no number becomes `NONE`."""
    try:
        seconds = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return np.array([NONE if t is None else epoch(t) for t in texts.to_pylist()], dtype=np.int64)
    sound = np.isfinite(seconds) & (np.abs(seconds) < 9e12)
    return np.where(sound, np.rint(np.where(sound, seconds, 0.0) * 1e6).astype(np.int64), NONE)


def timestamps(times: Micros) -> pa.Array:
    """As an Arrow column of UTC timestamps, null where there is no time, or one outside the years 1 to 9999."""
    return pa.array(times, mask=(times < _FIRST) | (times > _LAST)).cast(pa.timestamp("us", tz="UTC"))
