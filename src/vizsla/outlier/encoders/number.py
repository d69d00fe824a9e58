"""Numbers: centred and scaled by the training rows; missing ones are told apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
FAR = 100.0  # times the span of nine tenths of the values: what lies farther out is drawn in
LARGEST = float(np.finfo(np.float64).max)
FARTHEST = 1e9  # standard deviations: beyond it all values are equally absurd, and squares stay finite


@dataclass(frozen=True, slots=True)
class Number:
    """One column of the value, and one that says whether it is missing, where some were in training."""

    kind: ClassVar[str] = "number"
    middle: float  # the median, which also stands for what is missing
    mean: float
    scale: float  # the standard deviation; 0: all alike
    low: float  # nine tenths of the values lie from here
    high: float  # to here
    absent: float  # the share that is missing
    reach: float  # how far from the middle values are taken as they are; 0: all are

    @classmethod
    def learn(cls, values: pa.Array) -> Number:
        """From the training rows' values: numbers, or texts of numbers."""
        found = floats(values)
        there = bounded(found[~np.isnan(found)])
        absent = float(np.isnan(found).mean()) if len(found) else 0.0
        if not len(there):
            return cls(0.0, 0.0, 0.0, 0.0, 0.0, absent, 0.0)
        low, middle, high = (float(q) for q in np.quantile(there, [0.05, 0.5, 0.95], method="nearest"))
        reach = FAR * max(high / 2 - low / 2, 0.0)
        reach = min(reach, LARGEST / 4) if reach > 0 else 0.0
        mean, scale = moments(drawn_in(there, middle, reach))
        return cls(middle, mean, scale, low, high, absent, reach)

    def columns(self, values: pa.Array) -> tuple[Floats, Flags]:
        """(n, 1), or (n, 2) where some were missing in training; new: a text, or a first missing or differing one."""
        found = floats(values)
        missing = np.isnan(found)
        text = missing & worded(values)
        filled = np.where(missing, self.middle, bounded(found))
        column = self._scaled(filled)
        new: Flags = text | (missing & (self.absent == 0))
        if self.scale == 0:
            new |= ~missing & (filled != self.middle)
        if not self.absent or self.absent == 1:
            return column[:, None], new
        spread = np.sqrt(self.absent * (1 - self.absent))
        absent = (missing - self.absent) / spread
        return np.column_stack([column, absent]) / np.sqrt(2.0), new

    def _scaled(self, values: Floats) -> Floats:
        if self.scale == 0:
            return np.zeros(len(values))
        # Halved first: the difference of two huge numbers is none that a float can hold.
        with np.errstate(over="ignore"):
            near = drawn_in(values, self.middle, self.reach)
            found: Floats = np.clip((near / 2 - self.mean / 2) / self.scale * 2, -FARTHEST, FARTHEST)
        return found


def bounded(values: Floats) -> Floats:
    """Values within what sums and differences of a few can hold; endless ones are as the largest."""
    found: Floats = np.clip(values, -LARGEST / 4, LARGEST / 4)
    return found


def drawn_in(values: Floats, middle: float, reach: float) -> Floats:
    """Values, but what is farther than `reach` from the middle comes to lie between that and twice as far: one absurd
    number must not make all others alike. Their order stays, as far as floats can tell."""
    if not reach:
        return values
    away = values / 2 - middle / 2
    far = np.abs(away) / reach * 2
    near = np.where(far > 1, np.sign(away) * (2 - 1 / np.maximum(far, 1)), away / reach * 2)
    found: Floats = np.where(far > 1, middle + near * reach, values)
    return found


def floats(values: pa.Array) -> Floats:
    """Values as float64; NaN where there is none or a text that is no number."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        values = numeric(values)
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if not pa.types.is_float64(values.type):
        values = values.cast(pa.float64(), safe=False)
    found: Floats = values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    return found


_NUMBER = r"^\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,4})?\s*$"
_ENDLESS = r"(?i)^\s*[-+]?inf(inity)?\s*$"


def numeric(values: pa.Array) -> pa.Array:
    """Texts as float64, null where one is no number."""
    fits = pc.or_(pc.match_substring_regex(values, _NUMBER), pc.match_substring_regex(values, _ENDLESS))
    kept = pc.if_else(fits, pc.utf8_trim_whitespace(values), pa.scalar(None, values.type))
    # Arrow reads no leading plus.
    return pc.replace_substring_regex(kept, r"^\+", "").cast(pa.float64())


def worded(values: pa.Array) -> Flags:
    """Which values are texts that are no number: neither missing nor measured."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return np.zeros(len(values), bool)
    there = values.is_valid().to_numpy(zero_copy_only=False)
    found: Flags = there & numeric(values).is_null().to_numpy(zero_copy_only=False)
    return found


def moments(values: Floats) -> tuple[float, float]:
    """Mean and standard deviation of finite values, however large; 0 for values that differ by rounding alone."""
    largest = float(np.abs(values).max())
    if largest == 0:
        return 0.0, 0.0
    small = values / largest
    mean, spread = float(small.mean()), float(small.std())
    if values.min() == values.max() or spread <= 4 * np.finfo(np.float64).eps:
        return float(values[0]), 0.0
    return mean * largest, min(spread * largest, LARGEST)
