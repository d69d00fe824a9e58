"""Columns of Arrow as one asks for them: in one piece, and without a dictionary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["alike", "plain", "whole"]


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column in one piece. Raises ArrowInvalid where it holds more than 2 GiB of text."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def plain(column: pa.Array) -> pa.Array:
    """The column without a dictionary."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def alike(table: pa.Table, names: Sequence[str]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows that agree in these columns (a null agrees with a null): the first row of each sort, and for every row the
    place of its sort among them. What costs much is then asked of each sort once."""
    codes = np.zeros(len(table), np.int64)
    first = np.arange(min(1, len(table)), dtype=np.int64)
    for name in names:
        column = whole(table[name]).dictionary_encode(null_encoding="encode")
        wide = codes * max(1, len(column.dictionary)) + column.indices.to_numpy().astype(np.int64)
        _, first, codes = np.unique(wide, return_index=True, return_inverse=True)
    return first, codes
