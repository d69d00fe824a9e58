"""The feeds of a store: where each comes from, on which terms, when it was last read, and how far."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from vizsla.errors import FeedError, UsageError
from vizsla.intel.rows import Terms
from vizsla.intel.store import Store

FILE = "feeds.json"
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,120}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A feed that was added. Times are RFC 3339 in UTC, '' where never."""

    name: str
    kind: str = "file"
    addresses: tuple[str, ...] = ()  # files, or the server's address; never with credentials in it
    formats: tuple[str, ...] = ()
    terms: Terms = field(default_factory=Terms)
    added: str = ""
    pulled: str = ""  # when it was last read or fetched
    every_hours: float = 24.0  # how old it may become: for 'next' and staleness
    cursor: str = ""  # how far a server was read: the next pull asks for what came after
    state: str = ""  # what the last reading said, where it failed

    @property
    def next(self) -> str:
        """When a server is due again; '' for files."""
        from datetime import timedelta

        if self.kind == "file" or not self.pulled:
            return ""
        return (datetime.fromisoformat(self.pulled) + timedelta(hours=self.every_hours)).isoformat(timespec="seconds")


def load(store: Store) -> dict[str, Kept]:
    """All feeds by name. Raises FeedError where the file is damaged."""
    path = store.folder / FILE
    if not path.exists():
        return {}
    try:
        said = orjson.loads(path.read_bytes())
        return {one["name"]: _made(one) for one in said["feeds"]}
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise FeedError(
            f"the list of feeds is damaged: {error}", where=str(path), fix="delete it, and add the feeds again"
        ) from error


def _made(one: dict[str, Any]) -> Kept:
    known = {own.name for own in fields(Kept)}
    said: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in one.items() if name in known
    }
    said["terms"] = Terms(**one.get("terms", {}))
    return Kept(**said)


def save(store: Store, kept: Iterable[Kept]) -> None:
    """Add or replace feeds. The caller holds the lake's writer lock."""
    whole = load(store) | {one.name: one for one in kept}
    path = store.folder / FILE
    part = path.with_name(f".{FILE}.{os.getpid()}")
    feeds = [asdict(whole[name]) for name in sorted(whole)]
    part.write_bytes(orjson.dumps({"feeds": feeds}, option=orjson.OPT_INDENT_2) + b"\n")
    part.replace(path)


def read_now(
    before: Kept | None, name: str, *, addresses: Iterable[str], formats: Iterable[str], terms: Terms, now: datetime
) -> Kept:
    """A feed of files as it is after these were read."""
    moment = now.isoformat(timespec="seconds")
    kept = before or Kept(name, added=moment)
    return replace(
        kept,
        addresses=tuple(dict.fromkeys([*kept.addresses, *addresses]))[-100:],
        formats=tuple(sorted({*kept.formats, *formats})),
        terms=terms,
        pulled=moment,
        state="",
    )


def add_server(
    store: Store,
    address: str,
    kind: str,
    *,
    now: datetime,
    name: str | None = None,
    terms: Terms | None = None,
    every: float = 24.0,
) -> str:
    """Remember a server to pull from, and say under which name; nothing is fetched. Raises UsageError."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        parts, host = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError("no address of a server", where=address[:200], fix="https://taxii.example.org/api/")
    if parts.username or parts.password:
        raise UsageError(
            "an address must not hold credentials: it is kept in the lake",
            where=parts._replace(netloc=f"…@{host}").geturl()[:200],
            fix="leave them out here, and give them as `vizsla intel pull --help` says",
        )
    own = feed_name(name or host)
    with store.lake.writing():
        before = load(store).get(own)
        if before is not None and before.kind == "file":
            raise UsageError("a feed of files has this name", where=own, fix="choose another with --feed NAME")
        said = before or Kept(own, kind, added=now.isoformat(timespec="seconds"))
        moved = said.addresses not in ((), (address,)) or said.kind != kind
        said = replace(said, kind=kind, addresses=(address,), terms=terms or Terms(), every_hours=every)
        save(store, [replace(said, cursor="") if moved else said])
    return own


def feed_name(text: str) -> str:
    """The name, if a feed may bear it. Raises UsageError."""
    if not _NAME.fullmatch(text):
        raise UsageError("no feed can have this name", where=text[:80], fix="use 1 to 120 printable characters")
    return text


def default_name(given: Path) -> str:
    """What a file's or folder's feed is called where nobody says: its own name, in what UTF-8 can hold."""
    name = given.name or given.resolve().name or "feed"
    return re.sub(r"[\x00-\x1f\x7f]", "?", name.encode("utf-8", "backslashreplace").decode())[:120]
