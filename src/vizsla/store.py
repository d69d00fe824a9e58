"""The contract of a live store: where events lie that a query can bring. Implementations stand in `stores/`.

A store gives out its events in segments, each with a cursor from which the next run goes on; what it gives twice the
lake knows by its id, so a cursor may lie a little before what was read, never behind what was not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable
from urllib.parse import parse_qsl, unquote, urlsplit

from vizsla.errors import UsageError

Cursor = Mapping[str, Any]  # whatever a store can be asked again by; kept as JSON


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is: `scheme://host:port/path?option=value`."""

    scheme: str
    host: str
    port: int | None
    path: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Host and port, as credentials are named after them."""
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.place}/{self.path}"

    def known(self, *options: str) -> None:
        """Raises UsageError for an option that is none of these."""
        if unknown := set(self.options) - set(options):
            raise UsageError(f"{self.scheme} has no option {', '.join(sorted(unknown))}", where=str(self),
                             fix=f"its options are {', '.join(options)}")  # fmt: skip


def is_address(text: str) -> bool:
    """Whether a path is a store's address rather than a file's."""
    scheme, mark, _ = text.partition("://")
    return bool(mark) and scheme.replace("+", "").isalnum()


def parsed(text: str) -> Address:
    """An address from its text. Raises UsageError for one that holds a password: it would stand in logs and lists."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UsageError(f"no address: {error}", where=text.partition("?")[0]) from None
    if parts.username is not None or parts.password is not None:
        raise UsageError("an address must not hold a name or a password", where=f"{parts.scheme}://{parts.hostname}",
                         fix="set VIZSLA_USER and VIZSLA_PASSWORD, or VIZSLA_TOKEN, or keep them in the keyring: "
                             "docs/live-stores.md")  # fmt: skip
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Address(parts.scheme, parts.hostname or "", port, unquote(parts.path.strip("/")), options)


@dataclass(frozen=True, slots=True)
class Segment:
    """Events of one kind that are read as one log: its name, its bytes, and the cursor behind it (None: not yet).

    `path`: the file that holds them, instead of bytes; whoever takes the segment removes it. `source`: the source to
    read them with; '': found by their content.
    """

    name: str
    data: bytes
    events: int
    cursor: Cursor | None = None
    path: str = ""
    source: str = ""


@runtime_checkable
class Store(Protocol):
    """One kind of live store."""

    schemes: tuple[str, ...]  # 'elasticsearch', 'elasticsearch+http'
    doc: str  # one sentence, shown by `vizsla doctor` and in the docs

    def segments(self, address: Address, cursor: Cursor | None) -> Iterator[Segment]:
        """Events from the cursor on, oldest first as far as the store allows. Raises StoreError."""
        ...
