"""MISP by its API: how a server is asked, and events that were published or changed, pulled page by page.

Only the server that was named is asked: redirects are refused, and answers are bounded in size and time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.feeds import misp
from vizsla.feeds._said import moment
from vizsla.intel._http import (
    CONNECT,
    SILENCE,
    Limits,
    Spent,
    certificate,
    checked,
    insecure_meant,
    origin,
    place,
)
from vizsla.nouns.indicator import Refused
from vizsla.secrets import Credentials, credentials

if TYPE_CHECKING:
    import requests
    from pymisp import PyMISP

PAGE = 50  # events asked for at once


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events. Empty: all that the key may see."""

    tags: tuple[str, ...] = ()  # with one of these; '!tag': without
    orgs: tuple[str, ...] = ()
    since: datetime | None = None  # changed since then
    published: bool | None = True  # None: drafts too
    only_ids: bool = False  # only attributes that are meant for detection
    no_warninglists: bool = False  # the server leaves out what its warning lists hold


class _Guard:
    """Looks at each answer before PyMISP does: sign of requests' AuthBase, which may register hooks."""

    def __init__(self, address: str, spent: Spent) -> None:
        self.origin, self.spent = origin(checked(address, insecure=True)), spent

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.register_hook("response", self.look)
        return request

    def look(self, response: requests.Response, *_: Any, **__: Any) -> requests.Response:
        where = response.url
        self.spent.page(where)
        if response.is_redirect:
            there = response.headers.get("Location", "")[:200]
            response.close()
            raise FeedError(f"the server leads elsewhere, to {there!r}: not followed", where=where, fix=MEANT)
        # What requests would read without a bound is read here, and given to it as read.
        response._content = self.spent.body(response, where)
        response._content_consumed = True
        return response


MEANT = "if it is meant, add that address itself"


def connect(address: str, spent: Spent, own: Credentials | None = None) -> PyMISP:
    """A MISP server, asked within bounds and nowhere else. `own`: default `secrets.credentials` of its host.

    Raises FeedError where PyMISP or the key is missing, the address may not be asked, or nobody answers there.
    """
    parts = checked(address, insecure=insecure_meant())
    try:
        import requests
        from pymisp import PyMISP, PyMISPError
    except ImportError as error:
        raise FeedError("MISP's API needs more packages", fix="pip install 'vizsla[intel]'") from error
    logging.getLogger("pymisp").setLevel(logging.CRITICAL + 1)  # it writes what it asks, and what failed
    own = credentials(place(parts)) if own is None else own
    if not own.token:
        raise FeedError("MISP asks for a key", where=address, fix="set VIZSLA_TOKEN to the key of your account")
    try:
        return PyMISP(
            address,
            own.token,
            cert=certificate(),
            auth=_Guard(address, spent),  # type: ignore[arg-type]
            timeout=(CONNECT, SILENCE),
            tool="vizsla",
        )
    except (PyMISPError, requests.RequestException) as error:
        raise _failed(error, address, own) from error


@dataclass(slots=True)
class Answer:
    """What a server says that is new. To be iterated once; `cursor` then says what the next pull begins at.

    After an error, too, `cursor` stands after the pages that came whole, where the server gave them in order of change;
    else where it stood.
    """

    address: str
    feed: str
    cursor: str = ""  # seconds since 1970 of the last change that came, '' for none
    wanted: Wanted = field(default_factory=Wanted)
    limits: Limits = field(default_factory=Limits)
    own: Credentials | None = None
    page: int = PAGE

    def __iter__(self) -> Iterator[Read]:
        server = connect(self.address, Spent(self.limits), self.own)
        since = last = self._since()
        before: list[str] = []
        ordered = True
        for number in count(1):
            events = self._page(server, number, since)
            own = [str(item.get("uuid"))[:60] for item in map(_event, events) if item]
            if own and own == before:
                raise FeedError("the server gives the same page again", where=self.address, fix="ask its owner")
            before = own
            for item in map(_event, events):
                if item is None:
                    yield Refused(self.address, "an event that is no JSON object")
                    continue
                yield from misp.event(item, self.feed)
                changed = _changed(item)
                ordered = ordered and changed >= last
                last = max(last, changed)
            done = len(events) < self.page
            if last and (done or ordered):
                self.cursor = str(last)
            if done:
                return

    def _since(self) -> int:
        asked = int(self.wanted.since.timestamp()) if self.wanted.since else 0
        return max(asked, int(self.cursor) if self.cursor.isascii() and self.cursor.isdigit() else 0)

    def _page(self, server: PyMISP, number: int, since: int) -> Sequence[Any]:
        import requests
        from pymisp import PyMISPError

        asked = self.wanted
        tags: Any = list(asked.tags) or None
        orgs: Any = list(asked.orgs) or None
        try:
            found = server.search(
                controller="events",
                return_format="json",
                limit=self.page,
                page=number,
                tags=tags,
                org=orgs,
                timestamp=since or None,
                published=asked.published,
                to_ids=True if asked.only_ids else None,
                enforce_warninglist=asked.no_warninglists or None,
                order="Event.timestamp asc",
            )
        except (PyMISPError, requests.RequestException, orjson.JSONDecodeError, ValueError) as error:
            raise _failed(error, self.address, Credentials()) from error
        if isinstance(found, dict) and found.get("errors"):
            raise FeedError(
                f"MISP answers {str(found['errors'])[:200]}", where=self.address, fix="check key and rights"
            )
        if not isinstance(found, list):
            raise FeedError("MISP's answer holds no list of events", where=self.address, fix="ask its owner")
        return found


def pull(
    address: str,
    feed: str,
    cursor: str = "",
    folder: Path | None = None,
    *,
    wanted: Wanted | None = None,
    limits: Limits | None = None,
) -> Answer:
    """Events that changed since `cursor` ('': all), of those that are wanted.

    `folder` is where other servers' pages are kept; MISP's events are whole, and need none. Nothing is asked before
    the answer is iterated; that raises FeedError. The key is the token of
    `secrets.credentials` of the host; a client's certificate VIZSLA_CLIENT_CERT and VIZSLA_CLIENT_KEY.
    """
    checked(address, insecure=insecure_meant())
    return Answer(address, feed, cursor, wanted or Wanted(), limits or Limits())


def _event(item: Any) -> dict[str, Any] | None:
    """The event in an item of a page."""
    held = item.get("Event") if isinstance(item, dict) else None
    return held if isinstance(held, dict) else None


def _changed(event: dict[str, Any]) -> int:
    """When an event was last changed, in seconds since 1970; 0 where it does not say, or names the future."""
    found = moment(event.get("timestamp"))
    return int(found.timestamp()) if found and found <= datetime.now(UTC) else 0


def _failed(error: Exception, address: str, own: Credentials) -> FeedError:
    """An error of PyMISP's as ours: its cause, where that is ours, and never the key."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, FeedError):
            return cause
        cause = cause.__cause__ or cause.__context__
    told = str(error).replace(own.token, "…") if own.token else str(error)
    return FeedError(f"MISP cannot be asked: {told[:300]}", where=address, fix="check the address and the key")
