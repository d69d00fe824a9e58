"""Columns of many observations of which few are unusual: the usual ones in one go, the few one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.arrow import whole


def or_none(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The texts of a column; null where there is none ('')."""
    return pc.if_else(pc.equal(column, ""), None, column)


def replaced(column: pa.Array | pa.ChunkedArray, values: Mapping[int, str]) -> pa.Array:
    """The texts of a column, those of some rows replaced."""
    place = np.arange(len(column))
    place[list(values)] = len(column) + np.arange(len(values))
    return pa.concat_arrays([whole(column), pa.array(list(values.values()), pa.string())]).take(pa.array(place))


def behind(ids: pa.Array | pa.ChunkedArray, own: npt.ArrayLike, more: Mapping[int, Sequence[int]]) -> pa.ListArray:
    """The events of each row: of some rows those at the places `more`, of all others the one at the place `own`."""
    places = np.asarray(own, np.int64)
    sizes = np.ones(len(places), np.int64)
    sizes[list(more)] = [len(chosen) for chosen in more.values()]
    ends = np.cumsum(sizes)
    places = np.repeat(places, sizes)
    for row, chosen in more.items():
        places[ends[row] - sizes[row] : ends[row]] = chosen
    offsets = pa.array(np.concatenate([[0], ends]), pa.int32())
    return pa.ListArray.from_arrays(offsets, whole(ids).take(pa.array(places)))
