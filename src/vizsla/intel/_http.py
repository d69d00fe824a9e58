"""Asking servers of intelligence: only the one that was named, with bounds on size, time and number."""

from __future__ import annotations

import ipaddress
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from vizsla.errors import FeedError

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 16
CONNECT = 15.0  # seconds
SILENCE = 60.0  # seconds without a byte


@dataclass(frozen=True, slots=True)
class Limits:
    """What one pull may cost. Beyond it ends with an error, and the next pull goes on from there.

    pages: answers; page_bytes: of one answer, as it is unpacked; all_bytes: of all; seconds: for all.
    """

    pages: int = 10_000
    page_bytes: int = 64 << 20
    all_bytes: int = 4 << 30
    seconds: float = 3_600.0


@dataclass(slots=True)
class Spent:
    """What a pull has cost so far."""

    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)
    pages: int = 0
    size: int = 0  # bytes

    def __post_init__(self) -> None:
        self.began = self.clock()

    @property
    def left(self) -> float:
        """Seconds."""
        return self.limits.seconds - (self.clock() - self.began)

    def page(self, where: str) -> None:
        """One answer more."""
        self.pages += 1
        if self.pages > self.limits.pages:
            raise FeedError(f"the server gives more than {self.limits.pages} pages", where=where, fix=AGAIN)

    def body(self, response: requests.Response, where: str) -> bytes:
        """An answer's content. Raises FeedError where it is too much, or takes too long."""
        import urllib3

        parts: list[bytes] = []
        size = 0
        try:
            # read1 gives what is there: a server that drips is left in time.
            while part := response.raw.read1(CHUNK, decode_content=True):
                size += len(part)
                self.size += len(part)
                if size > self.limits.page_bytes:
                    raise FeedError(
                        f"one answer is larger than {self.limits.page_bytes >> 20} MiB", where=where, fix=LESS
                    )
                if self.size > self.limits.all_bytes:
                    raise FeedError(f"more than {self.limits.all_bytes >> 20} MiB came", where=where, fix=AGAIN)
                if self.left <= 0:
                    raise FeedError(f"it took more than {self.limits.seconds:.0f} seconds", where=where, fix=AGAIN)
                parts.append(part)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise FeedError(f"the answer breaks off: {type(error).__name__}", where=where, fix=AGAIN) from error
        return b"".join(parts)


AGAIN = "pull again: it goes on from there"
LESS = "ask its owner for smaller pages, or give a smaller --limit"


def checked(address: str, *, insecure: bool = False) -> SplitResult:
    """The parts of a server's address. Raises FeedError where it is none, holds a password, or is not encrypted.

    http is for this machine alone, unless `insecure`.
    """
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise FeedError("no address of a server", where=address[:200], fix="use https://host/…")
    if parts.username or parts.password:
        raise FeedError(
            "the address holds a name or a password", where=host, fix="give them by VIZSLA_USER and VIZSLA_PASSWORD"
        )
    if parts.scheme == "http" and not insecure and not loopback(host):
        raise FeedError(
            "http sends indicators and credentials in the clear",
            where=address[:200],
            fix="use https, or set VIZSLA_INSECURE_HTTP=1 where that is meant",
        )
    return parts


def insecure_meant() -> bool:
    """Whether http to other machines was asked for: VIZSLA_INSECURE_HTTP=1."""
    return os.environ.get("VIZSLA_INSECURE_HTTP") == "1"


def loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def origin(parts: SplitResult) -> tuple[str, str, int]:
    """Scheme, host and port: what must not change between what was asked for and what is asked."""
    return parts.scheme, (parts.hostname or "").lower(), parts.port or (443 if parts.scheme == "https" else 80)


def place(parts: SplitResult) -> str:
    """'host' or 'host:port': what credentials are kept under."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{host}:{parts.port}" if parts.port else host


def certificate() -> tuple[str, str] | str | None:
    """The client's certificate, and its key where that is another file: VIZSLA_CLIENT_CERT, VIZSLA_CLIENT_KEY."""
    own, key = os.environ.get("VIZSLA_CLIENT_CERT", ""), os.environ.get("VIZSLA_CLIENT_KEY", "")
    return (own, key) if own and key else own or None
