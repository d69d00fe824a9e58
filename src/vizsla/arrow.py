"""Columns of Arrow as one asks for them: in one piece, and without a dictionary."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["plain", "whole"]


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column in one piece. Raises ArrowInvalid where it holds more than 2 GiB of text."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def plain(column: pa.Array) -> pa.Array:
    """The column without a dictionary."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
