"""How a field's values become columns of numbers; one file for each kind. Learnt on training rows alone.

An encoder is a frozen dataclass of plain data: what it learnt. `columns(values)` gives (n, width) numbers, each column
standardised on the training rows and all of them together of variance at most 1, so that a category with ten values
weighs no more than a number; and which of the values it had no measure for (unseen categories, a text among numbers).
"""

from __future__ import annotations

from typing import Any

from vizsla.errors import UsageError
from vizsla.outlier.encoders.category import Category
from vizsla.outlier.encoders.number import Number
from vizsla.outlier.encoders.text import Text
from vizsla.outlier.encoders.time import Time

__all__ = ["KINDS", "Category", "Encoder", "Number", "Text", "Time", "from_plain", "kind_named", "plain"]

Encoder = Number | Category | Text | Time
KINDS: dict[str, type[Encoder]] = {"number": Number, "category": Category, "text": Text, "time": Time}


def kind_named(name: str) -> type[Encoder]:
    """An encoder by the name of its kind. Raises UsageError."""
    if name not in KINDS:
        raise UsageError(f"there is no kind of field {name!r}", fix=f"choose one of: {', '.join(KINDS)}")
    return KINDS[name]


def plain(encoder: Encoder) -> dict[str, Any]:
    """An encoder as plain data."""
    from dataclasses import asdict

    return {"kind": encoder.kind, **asdict(encoder)}


def from_plain(data: dict[str, Any]) -> Encoder:
    """An encoder from what `plain` gave."""
    given = dict(data)
    return kind_named(given.pop("kind"))(**given)
