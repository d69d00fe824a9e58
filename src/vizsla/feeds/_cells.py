"""Cells of tables as indicators, many at once: a few kernels tell what most are, the rest is asked one by one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.feeds._rows import NOTHING, value_of
from vizsla.intel._codes import BY_DIGITS
from vizsla.intel.normal import HASHES, guess, sure
from vizsla.nouns.indicator import IndicatorType

Value = tuple[IndicatorType, str]
FEW = 64  # cells that are not worth the kernels
# By what a column or its cells say they are ('': nothing), which types are told at once.
_TOLD: dict[str, tuple[IndicatorType, ...]] = {
    "": ("ipv4", "domain", "url", "email"),
    "domain": ("ipv4", "domain", "url"),
    "url": ("ipv4", "domain", "url"),
    "ipv4": ("ipv4", "domain"),
    "ipv6": ("ipv4",),
    "cidr": ("ipv4",),
    "email": ("email",),
}
_ODD = r"(?i)^(?:[^a-z0-9]|cve[-_]|as[0-9])"  # what begins so may be something else than it looks like


def values_of(texts: Sequence[str], type: str) -> list[Value | None]:
    """What `value_of` makes of each of `texts`."""
    if len(texts) < FEW or (type not in _TOLD and type not in HASHES):
        return [value_of(text, type) for text in texts]
    plain = pa.array([text.strip().strip("\"'`") for text in texts], pa.string())
    found: list[Value | None] = [None] * len(texts)
    left = np.ones(len(texts), np.bool_)
    if not type or type in HASHES:
        _hashes(plain, found, left)
    for kind in _TOLD.get(type, ()):
        if left.any():
            _told(kind, plain, found, left)
    for row in np.flatnonzero(left).tolist():
        found[row] = value_of(texts[row], type)
    return found


def _hashes(plain: pa.Array, found: list[Value | None], left: npt.NDArray[np.bool_]) -> None:
    """Digits of a hash's length, in place."""
    hexed = np.asarray(pc.match_substring_regex(plain, "^[0-9a-fA-F]+$"))
    sizes = np.where(hexed, np.asarray(pc.binary_length(plain)), 0)
    lowered = pc.utf8_lower(plain)
    for size, kind in BY_DIGITS.items():
        rows = np.flatnonzero(sizes == size)
        _take(kind, lowered, rows, found, left)  # type: ignore[arg-type]


def _told(kind: IndicatorType, plain: pa.Array, found: list[Value | None], left: npt.NDArray[np.bool_]) -> None:
    """What is in a type's normal form, but for case, and can be nothing else, in place."""
    at = np.flatnonzero(left)
    part = plain.take(pa.array(at))
    values, told = sure(kind, part)
    if kind != "ipv4":
        told = pc.and_not(told, pc.match_substring_regex(part, _ODD))
    if kind == "domain":
        lasts = pc.dictionary_encode(pc.replace_substring_regex(values, r"^.*\.", ""))
        known = pa.array([_is_known(last) for last in lasts.dictionary.to_pylist()], pa.bool_())
        told = pc.and_(told, known.take(lasts.indices))
    rows = np.flatnonzero(np.asarray(told))
    _take(kind, values, rows, found, left, at)


def _take(
    kind: IndicatorType,
    values: pa.Array,
    rows: npt.NDArray[np.int64],
    found: list[Value | None],
    left: npt.NDArray[np.bool_],
    at: npt.NDArray[np.int64] | None = None,
) -> None:
    places = rows if at is None else at[rows]
    for place, value in zip(places.tolist(), values.take(pa.array(rows)).to_pylist(), strict=True):
        found[place] = (kind, value) if value not in NOTHING else None
    left[places] = False


@lru_cache(maxsize=4096)
def _is_known(last: str | None) -> bool:
    """Whether a name that ends so is a domain by its looks."""
    return bool(last) and guess(f"a.some-name.{last}") == ("domain", f"a.some-name.{last}")
