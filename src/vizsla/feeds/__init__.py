"""Formats of intelligence, one file each. To add one, copy `_template.py`; nothing else need be touched."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path

from vizsla.errors import FeedError
from vizsla.feed import SNIFFED, Feed

GROUP = "vizsla.feeds"
ASKED = "name, doc, sniff, read"
MANIFEST = "manifest.json"  # what a directory that is one feed is known by


@lru_cache(maxsize=1)
def _loaded() -> tuple[dict[str, Feed], dict[str, str]]:
    """Formats by name, and why others could not be loaded."""
    found: dict[str, Feed] = {}
    failed: dict[str, str] = {}
    places: dict[str, str] = {}

    def take(place: str, feed: object) -> None:
        if not isinstance(feed, Feed):
            failed[place] = f"its FORMAT has not all that a format needs: {ASKED}"
            return
        if not feed.name.isidentifier() or feed.name != feed.name.lower():
            failed[place] = f"its name {feed.name!r} is no identifier in lower case"
            return
        if feed.name in found:
            raise FeedError(
                f"two formats of intelligence are named {feed.name!r}",
                where=f"{places[feed.name]} and {place}",
                fix="uninstall one of them, or rename it",
            )
        found[feed.name], places[feed.name] = feed, place

    for module in pkgutil.iter_modules(__path__):
        place = f"{__name__}.{module.name}"
        if module.name.startswith("_"):
            continue
        try:
            feed = getattr(importlib.import_module(place), "FORMAT", None)
        except Exception as error:  # noqa: BLE001  (whatever a plug-in raises is told by failures())
            failed[place] = f"{type(error).__name__}: {error}"
            continue
        if feed is not None:
            take(place, feed)
    for point in entry_points(group=GROUP):
        try:
            loaded = point.load()
        except Exception as error:  # noqa: BLE001  (whatever a plug-in raises is told by failures())
            failed[point.value] = f"{type(error).__name__}: {error}"
            continue
        take(point.value, loaded)
    return dict(sorted(found.items())), failed


def registry() -> dict[str, Feed]:
    """All formats by name: this package's and those of the entry points group `vizsla.feeds`.

    Raises FeedError where two have one name.
    """
    return dict(_loaded()[0])


def failures() -> dict[str, str]:
    """Formats that could not be loaded, and why."""
    return dict(_loaded()[1])


def find(name: str) -> Feed:
    """The format of that name. Raises FeedError, naming those that exist."""
    found = registry().get(name)
    if found is None:
        raise FeedError(f"no format of intelligence is named {name!r}", fix=f"use one of: {', '.join(registry())}")
    return found


def sniffed(path: Path) -> Feed | None:
    """The format that is surest that the file is its own; None where none is.

    A directory is one feed where it holds a manifest.json (MISP's feeds). Raises FeedError where it cannot be opened.
    """
    named = path / MANIFEST if path.is_dir() else path
    if path.is_dir() and not named.is_file():
        return None
    try:
        with named.open("rb") as file:
            head = file.read(SNIFFED)
    except OSError as error:
        raise FeedError(
            f"the file cannot be opened: {error.strerror or error}", where=str(path), fix="check its path and rights"
        ) from error
    best, sure = None, 0.0
    for feed in registry().values():
        confidence = feed.sniff(head, named.name)
        if confidence > sure:
            best, sure = feed, confidence
    return best
