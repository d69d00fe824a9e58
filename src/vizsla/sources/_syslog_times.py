"""BSD times of syslog: `Mmm dd HH:MM:SS`, mostly without a year.

Such a time gets the newest year in which it is not later than a day after the file was last written.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vizsla.sources._times import NONE, Micros, micros

Ints = npt.NDArray[np.int64]
DAY = 86_400_000_000
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CODES = np.array([ord(m[0]) << 16 | ord(m[1]) << 8 | ord(m[2]) for m in _MONTHS], dtype=np.int64)
_ORDER = np.argsort(_CODES)
_SORTED = _CODES[_ORDER]
_LENGTHS = np.array([31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])

_BSD_PARTS = re.compile(r"(\w{3}) ([ \d]?\d) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?: (\d{4}))?")


def bsd_times(view: npt.NDArray[np.uint8], begins: Ints, written: int) -> Micros:
    """Times of the form `Mmm dd HH:MM:SS`."""
    if written == NONE:
        return np.full(len(begins), NONE, dtype=np.int64)
    if not len(begins):
        return np.zeros(0, np.int64)
    wide = np.lib.stride_tricks.sliding_window_view(view, 15)[begins]
    changes = np.ones(len(wide), dtype=bool)  # many messages come in one second
    changes[1:] = (wide[1:] != wide[:-1]).any(axis=1)
    b = wide[changes].astype(np.int64)
    code = b[:, 0] << 16 | b[:, 1] << 8 | b[:, 2]
    at = np.minimum(np.searchsorted(_SORTED, code), 11)
    month = _ORDER[at]
    digits = b - 48
    digits[:, 4] = np.where(b[:, 4] == 32, 0, digits[:, 4])
    used = digits[:, [4, 5, 7, 8, 10, 11, 13, 14]]
    day, hour = digits[:, 4] * 10 + digits[:, 5], digits[:, 7] * 10 + digits[:, 8]
    minute, second = digits[:, 10] * 10 + digits[:, 11], digits[:, 13] * 10 + digits[:, 14]
    sound = (_SORTED[at] == code) & (used >= 0).all(1) & (used <= 9).all(1)
    sound &= (day >= 1) & (day <= _LENGTHS[month]) & (hour < 24) & (minute < 60) & (second < 61)
    within = (hour * 3600 + minute * 60 + second) * 1_000_000
    year = datetime.fromtimestamp(written / 1e6, UTC).year + 1
    found = np.full(len(b), NONE, dtype=np.int64)
    for back in range(10):  # leap days are eight years apart at most
        open_ = sound & (found == NONE)
        if not open_.any():
            break
        starts, lengths = _calendar(year - back)
        moment = (starts[month] + day - 1) * DAY + within
        found = np.where(open_ & (day <= lengths[month]) & (moment <= written + DAY), moment, found)
    each: Micros = found[np.cumsum(changes) - 1]
    return each


@lru_cache(maxsize=64)
def _calendar(year: int) -> tuple[Ints, Ints]:
    """The days since 1970 at which the months of a year begin, and their lengths."""
    begins = np.array([f"{year:04d}-{m:02d}" for m in range(1, 13)], "datetime64[M]").astype("datetime64[D]")
    after = np.append(begins[1:], np.datetime64(f"{year + 1:04d}-01-01"))
    return begins.astype(np.int64), (after - begins).astype(np.int64)


@lru_cache(maxsize=65536)
def bsd_micros(text: str, written: int) -> int:
    """A BSD time with or without year and fraction, or `NONE`."""
    found = _BSD_PARTS.fullmatch(text)
    if found is None or found[1] not in _MONTHS:
        return NONE
    month, day, clock = _MONTHS.index(found[1]) + 1, int(found[2]), f"{found[4]}:{found[5]}:{found[6]}.{found[7] or 0}"
    told = found[3] or found[8]
    if told is None and written == NONE:
        return NONE
    newest = int(told) if told else datetime.fromtimestamp(written / 1e6, UTC).year + 1
    for year in range(newest, newest - (1 if told else 10), -1):
        moment = micros(f"{year:04d}-{month:02d}-{day:02d}T{clock}")
        if moment != NONE and (told or moment <= written + DAY):
            return moment
    return NONE
