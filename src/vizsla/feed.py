"""The contract of a feed's format: what reads intelligence. Implementations stand in `feeds/`, one file per format.

A feed is hostile: nothing in it is executed, nothing that it names is fetched, and its size and depth are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from vizsla.nouns.indicator import Claim, Mention, Refused

Read = Claim | Mention | Refused

SNIFFED = 65_536  # bytes of a file's head that a format is told by
LARGEST = 512 << 20  # bytes of a document that must be parsed as a whole; those read line by line have no limit


@runtime_checkable
class Feed(Protocol):
    """A format of intelligence. A module in `feeds/` holds one as FORMAT."""

    @property
    def name(self) -> str:
        """An identifier in lower case: 'stix2', 'misp'."""
        ...

    @property
    def doc(self) -> str:
        """One sentence."""
        ...

    def sniff(self, head: bytes, name: str) -> float:
        """How sure it is, 0 to 1, that a file of this name that begins so is of its format."""
        ...

    def read(self, path: Path, feed: str) -> Iterator[Read]:
        """All that a file says. `feed`: the name it is kept under. What cannot be used comes as Refused.

        Raises FeedError where the file as a whole cannot be read.
        """
        ...
