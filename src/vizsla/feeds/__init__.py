"""Formats of intelligence, one file each. To add one, copy `_template.py`; nothing else need be touched."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path

from vizsla.errors import FeedError
from vizsla.feed import SNIFFED, Feed
from vizsla.plugin import Loading

GROUP = "vizsla.feeds"
ASKED = "name, doc, sniff, read"
MANIFEST = "manifest.json"  # what a directory that is one feed is known by


@lru_cache(maxsize=1)
def _loaded() -> Loading[Feed]:
    loading: Loading[Feed] = Loading("formats of intelligence", _fault, FeedError)
    loading.modules(__path__, __name__, "FORMAT")
    loading.points(entry_points(group=GROUP))
    return loading


def _fault(feed: object) -> str:
    if not isinstance(feed, Feed):
        return f"its FORMAT has not all that a format needs: {ASKED}"
    name = feed.name
    return "" if name.isidentifier() and name == name.lower() else f"its name {name!r} is no identifier in lower case"


def registry() -> dict[str, Feed]:
    """All formats by name: this package's and those of the entry points group `vizsla.feeds`.

    Raises FeedError where two have one name.
    """
    return _loaded().found


def failures() -> dict[str, str]:
    """Formats that could not be loaded, and why."""
    return dict(_loaded().failed)


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
