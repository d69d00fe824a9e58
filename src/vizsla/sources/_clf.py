"""Times as web servers write them, `10/Oct/2000:13:55:36 -0700`, parsed column by column."""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.sources._times import NONE, Micros, epoch, micros, parse_epoch

WIDTHS = (26, 24, 20, 30)  # of '10/Oct/2000:13:55:36 -0700', with milliseconds and no zone, with neither, with both
_FRACTION = (21, 3)
_SHAPE = "00/Aaa/0000:00:00:00"
_DIGITS = {"day": (0, 2), "year": (7, 4), "hour": (12, 2), "minute": (15, 2), "second": (18, 2)}  # fmt: skip
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CODES = np.array([ord(m[0]) << 16 | ord(m[1]) << 8 | ord(m[2]) for m in _MONTHS], dtype=np.int32)
_ORDER = np.argsort(_CODES)
_CODES = _CODES[_ORDER]
_NUMBER = re.compile(r"\d{9,11}(?:\.\d+)?")
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]")
_DAYS = np.array([31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def parse_clf(texts: pa.Array) -> Micros:
    """Times as the common log format has them; ISO 8601 and seconds since 1970 too. What is no time becomes `NONE`."""
    wide = fixed_width(texts)
    if wide is None or wide.shape[1] not in WIDTHS:
        return _distinct(texts)
    changes = np.ones(len(wide), dtype=bool)  # many requests come in one second
    changes[1:] = (wide[1:] != wide[:-1]).any(axis=1)
    firsts = np.flatnonzero(changes)
    found: Micros
    found, sound = _at_once(np.ascontiguousarray(wide[firsts].T))
    for at in np.flatnonzero(~sound).tolist():
        found[at] = one_clf(texts[int(firsts[at])].as_py())
    return found.take(np.cumsum(changes) - 1)


def _distinct(texts: pa.Array) -> Micros:
    """Numbers, and each distinct time that is none."""
    numbers = np.asarray(pc.fill_null(pc.match_substring_regex(texts, rf"^{_NUMBER.pattern}$"), False), dtype=bool)
    if numbers.any():
        found = np.full(len(texts), NONE, dtype=np.int64)
        found[numbers] = parse_epoch(texts.filter(pa.array(numbers)))
        if not numbers.all():
            found[~numbers] = _distinct(texts.filter(pa.array(~numbers)))
        return found
    coded = texts.dictionary_encode()
    values = np.array([one_clf(text) for text in coded.dictionary.to_pylist()] or [NONE], dtype=np.int64)
    places = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False)
    return np.where(coded.is_valid().to_numpy(zero_copy_only=False), values[places], NONE)


def fixed_width(texts: pa.Array) -> npt.NDArray[np.uint8] | None:
    """The bytes of texts that are all as long, one row each; None where they are not."""
    if texts.null_count or not len(texts):
        return None
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    width = int(bounds[1] - bounds[0])
    if not width or not (np.diff(bounds) == width).all():
        return None
    return np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]].reshape(len(texts), width)


def _at_once(wide: npt.NDArray[np.uint8]) -> tuple[Micros, npt.NDArray[np.bool_]]:
    """Microseconds of times given a byte a row, and which of them are certain."""
    rows = wide.shape[1]
    sound = np.ones(rows, dtype=bool)
    parts = dict(_DIGITS)
    zone = len(wide) - 6 if len(wide) in (26, 30) else None
    if len(wide) in (24, 30):
        parts["fraction"] = _FRACTION
        sound &= wide[20] == ord(".")
    if zone is not None:
        parts |= {"zone_hour": (zone + 2, 2), "zone_minute": (zone + 4, 2)}
        sound &= wide[zone] == ord(" ")
    number = {}
    for name, (begin, size) in parts.items():
        value = np.zeros(rows, np.int32)
        for k in range(begin, begin + size):
            digit = wide[k] - np.uint8(48)  # what lies below '0' wraps round
            sound &= digit <= 9
            value = value * 10 + digit
        number[name] = value
    for k, text in enumerate(_SHAPE):
        if text in "/: ":
            sound &= wide[k] == ord(text)
    letters = wide[3:6].astype(np.int32)
    code = letters[0] << 16 | letters[1] << 8 | letters[2]
    at = np.searchsorted(_CODES, code).clip(max=11)
    sound &= _CODES[at] == code
    month = _ORDER[at]  # from 0
    year, day = number["year"], number["day"]
    sound &= (year > 0) & (day > 0) & (number["hour"] < 24) & (number["minute"] < 60)
    sound &= number["second"] < 60
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    sound &= day <= _DAYS[month] - ((month == 1) & ~leap)
    months = np.where(sound, (year - 1970) * 12 + month, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]").astype(np.int64) + day - 1
    seconds = days * 86_400 + number["hour"] * 3600 + number["minute"] * 60 + number["second"]
    if zone is not None:
        sign = (wide[zone + 1] == ord("+")).astype(np.int32) - (wide[zone + 1] == ord("-"))
        sound &= (sign != 0) & (number["zone_hour"] < 24) & (number["zone_minute"] < 60)
        seconds -= sign * (number["zone_hour"] * 3600 + number["zone_minute"] * 60)
    moments = seconds * 1_000_000 + number.get("fraction", 0) * 1000
    return np.where(sound, moments, NONE), sound


@lru_cache(maxsize=65536)
def one_clf(text: str) -> int:
    """One such time, or `NONE`."""
    for pattern in ("%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%H:%M:%S.%f %z", "%d/%b/%Y:%H:%M:%S", "%d/%b/%Y:%H:%M:%S.%f"):
        try:
            moment = datetime.strptime(text, pattern)  # without a zone it is taken as UTC, by micros
        except ValueError:
            continue
        return micros(moment.isoformat())
    if _NUMBER.fullmatch(text):
        return epoch(text)
    return micros(text) if _ISO.match(text) else NONE
