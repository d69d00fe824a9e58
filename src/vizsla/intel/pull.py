"""Servers that were added are asked for what is new: when somebody asks, and no one else."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import blake2b
from typing import Protocol

from vizsla.errors import FeedError, UsageError
from vizsla.feed import Read
from vizsla.intel import kept
from vizsla.intel.store import Account, Store


class Answer(Protocol):
    """What a server says, and, once all of it was taken, how far that went."""

    def __iter__(self) -> Iterator[Read]: ...

    @property
    def cursor(self) -> str:
        """What the next pull begins at."""
        ...


Ask = Callable[[kept.Kept], Answer]
"""Asks a server for what came after its feed's cursor. Raises FeedError, also while it is read."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull brought. With an error: what came before it is kept, and the next pull begins where this one did."""

    account: Account = field(default_factory=Account)
    error: FeedError | None = None


def wanted(store: Store, names: Sequence[str]) -> list[str]:
    """The servers to ask: these, or all. Raises UsageError where there is no such one, or none at all."""
    servers = {name for name, one in kept.load(store).items() if one.kind != "file"}
    unknown = [name for name in names if name not in servers]
    if unknown or not servers:
        there = ", ".join(sorted(servers)) or "none"
        raise UsageError(
            "no server was added under this name" if unknown else "no server was added",
            where=", ".join(unknown),
            fix=f"servers: {there}; `vizsla intel add https://… --kind taxii` adds one",
        )
    return list(names) or sorted(servers)


def pull(store: Store, name: str, now: datetime, *, ask: Mapping[str, Ask] | None = None) -> Pulled:
    """Ask one server, and keep what it says. `ask`: by kind, how; default: TAXII 2.1 and MISP."""
    feed = kept.load(store)[name]
    asking = (ask if ask is not None else _servers(store)).get(feed.kind)
    if asking is None:
        raise FeedError(f"servers of kind {feed.kind!r} are unknown", where=name, fix="add it again with --kind")
    error: FeedError | None = None
    cursor = feed.cursor
    with store.load(now) as load:
        try:
            answer = asking(feed)
            try:
                load.take(answer, name, feed.terms)
            finally:
                cursor = answer.cursor  # after an error too it stands after what came whole
        except FeedError as failure:
            error = failure
    moment = now.isoformat(timespec="seconds")
    with store.lake.writing():
        after = replace(feed, state=f"{moment} {error.what}") if error else replace(feed, pulled=moment, state="")
        kept.save(store, [replace(after, cursor=cursor)])
    return Pulled(load.account, error)


def _servers(store: Store) -> dict[str, Ask]:
    """How each kind of server is asked; what that needs is loaded when it is."""

    def asking(module: str) -> Ask:
        def ask(feed: kept.Kept) -> Answer:
            pages = store.folder / "pulled" / blake2b(feed.name.encode(), digest_size=8).hexdigest()
            reader = importlib.import_module(f"vizsla.intel.{module}")
            answer: Answer = reader.pull(feed.addresses[0], feed.name, feed.cursor, pages)
            return answer

        return ask

    return {"taxii": asking("taxii"), "misp": asking("misp_api")}
