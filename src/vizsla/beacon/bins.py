"""Histograms on a scale of ratios: 64 bins to each doubling, found by integers alone, so that they merge exactly.

A bin is numbered as the mantissa and exponent of its values are: below 128 each number has its own bin, above that
every doubling is cut into 64 equal parts, which makes bins of 0.8 to 1.6 per cent.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
PARTS = 64  # bins to a doubling
BITS = 7  # of a number that its bin keeps: below 2 ** BITS every whole number is a bin


def bin_of(values: Ints) -> Ints:
    """The bin of each whole number from 0 on; negative numbers count as 0."""
    values = np.maximum(np.asarray(values, dtype=np.int64), 0)
    _, exponent = np.frexp(values.astype(np.float64))  # exact below 2**53
    shift = np.maximum(exponent.astype(np.int64) - BITS, 0)
    found: Ints = shift * PARTS + (values >> shift)
    return found


def lower(bins: Ints) -> Ints:
    """The smallest number of each bin; of the bin after it, the bin's end."""
    bins = np.asarray(bins, dtype=np.int64)
    shift = np.maximum(bins // PARTS - 1, 0)
    found: Ints = (bins - shift * PARTS) << shift
    return found


def middle(bins: Ints) -> Floats:
    """The middle of each bin; of a bin that holds one number, that number."""
    low, high = lower(bins), lower(np.asarray(bins) + 1) - 1
    return (low + high) / 2.0


def counted(groups: Ints, bins: Ints, counts: Ints) -> tuple[Ints, Ints, Ints]:
    """Bins of groups summed: (group, bin, count), ascending, each group and bin once."""
    order = np.lexsort((bins, groups))
    groups, bins, counts = groups[order], bins[order], counts[order]
    new = np.flatnonzero(np.r_[True, (groups[1:] != groups[:-1]) | (bins[1:] != bins[:-1])]) if len(groups) else order
    return groups[new], bins[new], np.add.reduceat(counts, new) if len(new) else counts
