"""The contract of a feed's format: what reads intelligence. Implementations stand in `feeds/`, one file per format.

A feed is hostile: nothing in it is executed, nothing that it names is fetched, and its size and depth are bounded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from vizsla.nouns.indicator import Claim, Mention, Refused

Read = Claim | Mention | Refused

SNIFFED = 65_536  # bytes of a file's head that a format is told by
LARGEST = 128 << 20  # bytes of a document that must be parsed as a whole; those read in parts have no limit


@dataclass(frozen=True, slots=True)
class Claims:
    """Many claims of one feed at once: lists of one length by the names of `Claim`'s fields, `type` and `value` among
    them; a field that is not there is what it is in a claim that does not say it.
    """

    feed: str
    columns: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.columns["value"])

    def __iter__(self) -> Iterator[Claim]:
        names = list(self.columns)
        for row in zip(*self.columns.values(), strict=True):
            yield Claim(feed=self.feed, **dict(zip(names, row, strict=True)))


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


@runtime_checkable
class InBulk(Protocol):
    """A format that also gives its claims as columns, many times as fast. It says then what `read` says."""

    def in_bulk(self, path: Path, feed: str) -> Iterator[Claims | Mention | Refused]:
        """As `read`; claims some thousands at a time."""
        ...
