"""Claims for tests of the store."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from vizsla.intel.active import standing
from vizsla.intel.store import Store
from vizsla.lake import Lake
from vizsla.nouns.indicator import Claim

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def object_id(number: int) -> str:
    """The id of an object of a feed, as STIX writes them."""
    return f"indicator--00000000-0000-4000-8000-{number:012d}"


def claim(value: str = "evil.bad-name.com", type: Any = "domain", feed: str = "alpha", **said: Any) -> Claim:
    """A claim with little said of it."""
    return Claim(type, value, feed, **said)


def new_store(folder: Path) -> Store:
    """The store of a new lake."""
    return Store(Lake.open(folder, create=True))


def told(store: Store, at: datetime | None = NOW) -> list[dict[str, Any]]:
    """All indicators as they stand, but for when they were added."""
    rows = standing(store, at).to_pylist()
    for row in rows:
        del row["added"]
    return rows


def values(store: Store, claims: Iterable[Claim], now: datetime = NOW) -> dict[str, str]:
    """Add claims, and give each value's state."""
    store.add(claims, "alpha", now=now)
    return {row["value"]: row["state"] for row in standing(store, NOW).to_pylist()}
