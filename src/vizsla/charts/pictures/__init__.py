"""The charts that analytics bring to their evidence, one file each: `draw(shown)` makes a chart of a picture's data.

A picture is plain JSON within the evidence: `chart` names a file here, the rest is what it draws. It may come back
from a file that others wrote, and its texts are event text: what a file here cannot draw is refused, never trusted.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

MOST = 2_000  # points, bars or edges of one picture


@lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """The charts there are."""
    return frozenset(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def draw(picture: Mapping[str, Any]) -> tuple[str, Any]:
    """What the chart shows, in a sentence, and the chart. Raises ValueError, with the reason, where it cannot be."""
    name = picture.get("chart")
    if not isinstance(name, str) or name not in names():
        raise ValueError(f"there is no chart {str(name)[:40]!r}")
    module = importlib.import_module(f"{__name__}.{name}")
    try:
        return module.SAYS, module.draw(picture)
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None


def rows_of(picture: Mapping[str, Any], key: str, length: int) -> list[list[Any]]:
    """The rows below a key, each a list of `length` values. Raises ValueError where they are not, or too many."""
    rows = picture[key]
    if not isinstance(rows, list) or not all(isinstance(row, list) and len(row) == length for row in rows):
        raise ValueError(f"{key!r} is no list of rows of {length}")
    if not rows or len(rows) > MOST:
        raise ValueError(f"{key!r} has {len(rows)} rows, not 1 to {MOST}")
    return rows


def time_of(value: Any) -> datetime:
    """A time from ISO 8601. Raises ValueError where it is none."""
    if not isinstance(value, str):
        raise ValueError("a time is no text")
    return datetime.fromisoformat(value)


def number_of(value: Any) -> float:
    """A finite number. Raises ValueError where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e300 < value < 1e300:
        raise ValueError("a value is no finite number")
    return float(value)
