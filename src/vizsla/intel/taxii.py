"""TAXII 2.1: collections of a server, pulled page by page.

Only the server that was named is asked: redirects and API roots elsewhere are refused. Pages are kept in a folder,
since relationships come in other pages, and in other pulls, than what they speak of.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import orjson

from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.feeds import stix2
from vizsla.feeds._mended import Broken, mended
from vizsla.feeds._said import listed, moment, text
from vizsla.intel._http import (
    AGAIN,
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

MEDIA = "application/taxii+json;version=2.1"
PAGE = 1_000  # objects asked for at once
REDIRECTS = 3
WAITS = 3  # times that a server may ask to wait
LONGEST_WAIT = 60.0  # seconds
EMPTY = 3  # pages without an object after which a server is not believed
COLLECTIONS = 1_000


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection that can be read. `url` ends with /."""

    id: str
    title: str
    url: str


class Client:
    """Asks one server. Raises FeedError for whatever it does that it should not."""

    def __init__(
        self,
        address: str,
        *,
        limits: Limits | None = None,
        own: Credentials | None = None,
        insecure: bool | None = None,
    ) -> None:
        self.address = address
        self.parts = checked(address, insecure=insecure_meant() if insecure is None else insecure)
        self.spent = Spent(limits or Limits())
        self.own = credentials(place(self.parts)) if own is None else own
        self.refused: list[Refused] = []  # objects of answers that were no JSON
        self._session: requests.Session | None = None

    @property
    def session(self) -> requests.Session:
        """Made when it is first needed."""
        if self._session is None:
            try:
                import requests
            except ImportError as error:
                raise FeedError(
                    "pulling from servers needs more packages", fix="pip install 'vizsla[intel]'"
                ) from error
            self._session = requests.Session()
            self._session.headers.update({"Accept": MEDIA, "User-Agent": "vizsla"})
            self._session.cert = certificate()
            if self.own.token:
                self._session.headers["Authorization"] = f"Bearer {self.own.token}"
            elif self.own.user:
                self._session.auth = (self.own.user, self.own.password)
        return self._session

    def get(self, url: str, params: Mapping[str, str] | None = None) -> tuple[dict[str, Any], Mapping[str, str]]:
        """The JSON object at an address of this server, and the answer's headers."""
        for _ in range(WAITS + 1):
            response = self._answer(url, params)
            with response:
                if response.status_code in (429, 503):
                    self._wait(response, url)
                    continue
                body = self._body(response, url)
                return body, response.headers
        raise FeedError("the server asks to wait again and again", where=url, fix=AGAIN)

    def _answer(self, url: str, params: Mapping[str, str] | None) -> requests.Response:
        import requests

        for _ in range(REDIRECTS + 1):
            self._same(url)
            self.spent.page(url)
            patience = max(0.1, min(SILENCE, self.spent.left))
            try:
                response = self.session.get(
                    url, params=params, timeout=(CONNECT, patience), stream=True, allow_redirects=False
                )
            except (requests.RequestException, OSError) as error:
                raise FeedError(
                    f"the server cannot be reached: {type(error).__name__}", where=url, fix="check address and network"
                ) from error
            if not response.is_redirect:
                return response
            url, params = urljoin(url, response.headers.get("Location", "")), None
            response.close()
        raise FeedError(f"the server redirects more than {REDIRECTS} times", where=url, fix="ask its owner")

    def _same(self, url: str) -> None:
        try:
            there = origin(urlsplit(url))
        except ValueError:
            there = ("", "", 0)
        if there != origin(self.parts):
            raise FeedError(
                f"the server leads to another one, {url[:200]!r}: not followed",
                where=self.address,
                fix="if it is meant, add that address itself",
            )

    def _wait(self, response: requests.Response, url: str) -> None:
        asked = response.headers.get("Retry-After", "")
        seconds = min(float(asked) if asked.isdigit() and len(asked) < 9 else 1.0, LONGEST_WAIT)
        if seconds > self.spent.left:
            raise FeedError("the server asks to wait longer than a pull may take", where=url, fix=AGAIN)
        time.sleep(seconds)

    def _body(self, response: requests.Response, url: str) -> dict[str, Any]:
        status = response.status_code
        if status in (401, 403):
            fix = "set VIZSLA_TOKEN, or VIZSLA_USER and VIZSLA_PASSWORD, or VIZSLA_CLIENT_CERT"
            raise FeedError(f"the server does not let us in ({status})", where=url, fix=fix)
        if status != 200:
            raise FeedError(f"the server answers {status}", where=url, fix="check the address")
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind not in ("application/taxii+json", "application/json", "application/vnd.oasis.taxii+json"):
            raise FeedError(
                f"the server answers with {kind[:60]!r}, not with TAXII", where=url, fix="check the address"
            )
        content = self.spent.body(response, url)
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            try:
                found, refused = mended(content, url)
            except Broken:
                raise FeedError(f"the answer is no JSON: {error}", where=url, fix="ask the server's owner") from error
            self.refused += refused
        if not isinstance(found, dict):
            raise FeedError("the answer is no JSON object", where=url, fix="ask the server's owner")
        return found


def collections(client: Client) -> list[Collection]:
    """The collections at an address, which may be a server's discovery, an API root's, or a collection's own."""
    url = _folder(client.address)
    if "/collections/" in urlsplit(url).path and not url.endswith("/collections/"):
        url = url.removesuffix("objects/")
        held, _ = client.get(url)
        return _readable([held], url.rpartition(urlsplit(url).path.rstrip("/").rpartition("/")[2])[0])
    held, _ = client.get(url)
    if "collections" in held:
        return _readable(listed(held["collections"]), url)
    roots = (
        [url]
        if "versions" in held
        else [urljoin(url, root) for root in listed(held.get("api_roots")) if isinstance(root, str)]
    )
    found: list[Collection] = []
    for root in roots[:COLLECTIONS]:
        place = _folder(root) + "collections/"
        told, _ = client.get(place)
        found.extend(_readable(listed(told.get("collections")), place))
    if not found:
        raise FeedError("the server has no collection that can be read", where=client.address, fix="check the address")
    return found


def _folder(url: str) -> str:
    return url if url.endswith("/") else url + "/"


def _readable(items: list[Any], above: str) -> list[Collection]:
    found = []
    for item in items[:COLLECTIONS]:
        if isinstance(item, dict) and item.get("can_read") is True and _plain(item.get("id")):
            found.append(Collection(item["id"], text(item.get("title"), 200), f"{above}{item['id']}/"))
    return found


def _plain(name: object) -> bool:
    """Whether it can be a part of an address, and of a file's name."""
    return isinstance(name, str) and 0 < len(name) <= 100 and all(char.isalnum() or char in "-_" for char in name)


class Answer:
    """What a server says that is new. To be iterated once; `cursor` then says what the next pull begins at.

    After an error, too, `cursor` stands after the pages that came whole, and what they say was given before the error.
    """

    def __init__(self, client: Client, feed: str, cursor: str, folder: Path, *, page: int = PAGE) -> None:
        self.client, self.feed, self.folder, self.page = client, feed, folder, page
        self.after: dict[str, str] = _after(cursor)

    @property
    def cursor(self) -> str:
        """By collection, the time of the last object that came."""
        return orjson.dumps(self.after, option=orjson.OPT_SORT_KEYS).decode() if self.after else ""

    def __iter__(self) -> Iterator[Read]:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.after:  # from the beginning: all comes again
            for path in self.folder.glob("*.json"):
                path.unlink()
        fresh: list[Path] = []
        error: FeedError | None = None
        try:
            for collection in collections(self.client):
                for path in self._pages(collection):
                    fresh.append(path)
        except FeedError as failure:
            error = failure
        yield from self.client.refused
        if fresh:
            yield from stix2.read_pages(sorted(self.folder.glob("*.json")), fresh, self.feed)
        if error is not None:
            raise error

    def _pages(self, collection: Collection) -> Iterator[Path]:
        params = {"limit": str(self.page)}
        if collection.url in self.after:
            params["added_after"] = self.after[collection.url]
        seen: set[str] = set()
        empty = 0
        while True:
            url = collection.url + "objects/"
            held, headers = self.client.get(url, params)
            items = held.get("objects", [])
            if not isinstance(items, list):
                raise FeedError("the server's page holds no list of objects", where=url, fix="ask the server's owner")
            more, following = held.get("more") is True, held.get("next")
            last = _time(headers.get("X-TAXII-Date-Added-Last", ""))
            if items:
                yield self._kept(items)
            if last:
                # The next page may hold more of the same moment: until the last page, it is asked for again.
                self.after[collection.url] = _written(last - timedelta(microseconds=1) if more else last)
            if not more:
                return
            empty = 0 if items else empty + 1
            if empty >= EMPTY:
                raise FeedError(
                    f"{EMPTY} pages in a row hold nothing, and more are said to follow", where=url, fix=AGAIN
                )
            if isinstance(following, str) and following:
                if not items and following in seen:
                    raise FeedError("the server's pages go in a circle", where=url, fix="ask the server's owner")
                seen.add(following)
                params["next"] = following
            elif last and _written(last) != params.get("added_after"):
                params["added_after"] = _written(last)
            else:
                raise FeedError("more is said to follow, but not where", where=url, fix="ask the server's owner")

    def _kept(self, items: list[Any]) -> Path:
        """A page in the folder, under a number that no other has, in whole or not at all."""
        numbers = [int(path.stem) for path in self.folder.glob("*.json") if path.stem.isdigit()]
        path = self.folder / f"{max(numbers, default=0) + 1:09d}.json"
        part = path.with_suffix(".part")
        part.write_bytes(orjson.dumps({"objects": items}))
        part.replace(path)
        return path


def pull(
    address: str, feed: str, cursor: str, folder: Path, *, limits: Limits | None = None, page: int = PAGE
) -> Answer:
    """What the collections at an address hold that is new since `cursor` ('': all). `folder`: where pages are kept.

    Nothing is asked before the answer is iterated; that raises FeedError. Credentials: `secrets.credentials` of the
    host (token: 'Authorization: Bearer'), and a client's certificate by VIZSLA_CLIENT_CERT and VIZSLA_CLIENT_KEY.
    """
    return Answer(Client(address, limits=limits), feed, cursor, folder, page=page)


def _after(cursor: str) -> dict[str, str]:
    try:
        held = orjson.loads(cursor) if cursor else {}
    except orjson.JSONDecodeError:
        held = {}
    return {str(url): str(last) for url, last in held.items()} if isinstance(held, dict) else {}


def _time(value: str) -> datetime | None:
    return moment(value[:60]) if value else None


def _written(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
