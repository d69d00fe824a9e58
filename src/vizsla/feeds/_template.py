"""A template for a new format of intelligence. Copy it to `feeds/<your format>.py`, and change what comments point at.

It reads lines such as

    2024-05-01T10:00:00Z|domain|evil.example.com|90|beacon of Emotet

and is complete: a test runs it. Modules whose names begin with an underscore are not registered; yours is, by being
there. Nothing else need be touched: `vizsla intel add` and the contract tests find it by themselves.
A package of your own does the same through an entry point in the group `vizsla.feeds` that names its FORMAT.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from vizsla.feed import Read
from vizsla.feeds._opened import opened
from vizsla.intel.normal import TYPES, settled
from vizsla.nouns.indicator import Claim, Refused

LINE = re.compile(rb"^\d{4}-\d\d-\d\dT[\d:]{8}Z\|[a-z0-9_]+\|")
LONGEST = 65_536  # bytes of a line: a feed is hostile, and nothing in it is read without a bound


class Bars:
    """One format. It holds no state; nothing that a feed names is fetched, nothing in it is executed."""

    name = "bars"  # an identifier in lower case: how a user names it
    doc = "Lines of time|type|value|confidence|comment"  # one sentence, for the docs

    def sniff(self, head: bytes, name: str) -> float:
        """How sure it is, 0 to 1. Let the content decide, and be strict: others sniff too."""
        return 0.8 if LINE.match(head) else 0.0

    def read(self, path: Path, feed: str) -> Iterator[Read]:
        """All that a file says; what cannot be used comes as Refused, with its place and the reason."""
        with opened(path) as file:
            number = 0
            while line := file.readline(LONGEST):
                number += 1
                yield self._read_line(line.decode("utf-8", "replace").strip(), f"{path.name}, line {number}", feed)

    def _read_line(self, line: str, place: str, feed: str) -> Claim | Refused:
        parts = line.split("|", 4)
        if len(parts) != 5:
            return Refused(place, "not five fields")
        when, type, value, confidence, comment = parts
        kind = next((known for known in TYPES if known == type), None)
        if kind is None:
            return Refused(place, f"no type of indicator is called {type!r}")
        try:
            # `settled` brings the value into the normal form that events are compared in, and mends the type.
            kind, normal = settled(kind, value)
            seen = datetime.fromisoformat(when)
            sure = int(confidence) if confidence else None
        except ValueError as error:
            return Refused(place, str(error))
        return Claim(kind, normal, feed, raw=value, source=place, context=comment, confidence=sure, created=seen)


FORMAT = Bars()
