"""MISP's API through PyMISP, against a small server of our own, honest and hostile."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import orjson
import pytest

from intel_server_fake import Handler, answer, serving
from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.intel.misp_api import Answer, Limits, Wanted, pull
from vizsla.nouns.indicator import Claim, Refused
from vizsla.secrets import Credentials

KEY = "k" * 40
UUID = "11111111-1111-4111-8111-{:012d}"
BEGAN = 1_700_000_000


def event(number: int, timestamp: int | None = None) -> dict[str, Any]:
    held = {"type": "domain", "category": "Network activity", "value": f"a{number}.example.com", "to_ids": True,
            "uuid": UUID.format(number)}  # fmt: skip
    when = BEGAN + number if timestamp is None else timestamp
    return {"Event": {"uuid": UUID.format(number), "info": "x", "timestamp": str(when), "Attribute": [held]}}


class Misp:
    """As much of MISP as a pull needs. `searched`: what was asked; `broken`: pages after which it answers 500."""

    def __init__(self, events: list[Any], broken: int = 1_000) -> None:
        self.events, self.broken = events, broken
        self.searched: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        self.keys.add(request.headers.get("Authorization"))
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if "restSearch" not in request.path:
            answer(request, orjson.dumps(self.about(request.path)), "application/json")
            return
        asked = orjson.loads(body)
        self.searched.append(asked)
        if len(self.searched) > self.broken:
            answer(request, b"broken", "text/html", 500)
            return
        found = [one for one in self.events if self.changed(one) >= int(asked.get("timestamp") or 0)]
        begin = (asked["page"] - 1) * asked["limit"]
        answer(request, orjson.dumps({"response": found[begin : begin + asked["limit"]]}), "application/json")

    @staticmethod
    def changed(one: Any) -> int:
        held = one.get("Event") if isinstance(one, dict) else None
        return int(held["timestamp"]) if isinstance(held, dict) else 1 << 40

    @staticmethod
    def about(path: str) -> dict[str, Any]:
        if "users/view" in path:
            return {"User": {"id": "1", "email": "a@b.c"}, "Role": {"id": "1"}, "UserSetting": []}
        if "describeTypes" in path:
            return {"result": {"sane_defaults": {}, "types": [], "categories": [], "category_type_mappings": {}}}
        return {"version": "2.5.0", "perm_sync": True}


def asked(address: str, cursor: str = "", page: int = 10, wanted: Wanted | None = None, **limits: Any) -> Answer:
    return Answer(address, "mine", cursor, wanted or Wanted(), Limits(**limits), Credentials(token=KEY), page)


def domains(found: list[Read]) -> set[str]:
    return {one.value for one in found if isinstance(one, Claim)}


ALL = {f"a{number}.example.com" for number in range(25)}


def test_all_events_come_page_by_page() -> None:
    server = Misp([event(number) for number in range(25)])
    with serving(server) as address:
        one = asked(address)
        assert domains(list(one)) == ALL
        assert one.cursor == str(BEGAN + 24)
        assert [search["page"] for search in server.searched] == [1, 2, 3]
        assert server.keys == {KEY}
        again = asked(address, one.cursor)
        assert domains(list(again)) == {"a24.example.com"}  # the last moment may have brought more
        assert again.cursor == one.cursor


def test_filters_are_the_servers() -> None:
    server = Misp([])
    wanted = Wanted(("tlp:clear", "!x"), ("CIRCL",), datetime(2024, 1, 1, tzinfo=UTC), None, True, True)
    with serving(server) as address:
        assert list(asked(address, wanted=wanted)) == []
    (search,) = server.searched
    kept = {
        name: search.get(name) for name in ("tags", "org", "timestamp", "published", "to_ids", "enforceWarninglist")
    }
    assert kept == {
        "tags": ["tlp:clear", "!x"],
        "org": ["CIRCL"],
        "timestamp": 1_704_067_200,
        "published": None,
        "to_ids": True,
        "enforceWarninglist": 1,
    }


def test_a_pull_that_broke_off_goes_on() -> None:
    server = Misp([event(number) for number in range(25)], broken=2)
    found: list[Read] = []
    with serving(server) as address:
        first = asked(address)
        with pytest.raises(FeedError, match="500"):
            found.extend(first)
        assert first.cursor == str(BEGAN + 19)
        server.broken = 1_000
        later = list(asked(address, first.cursor))
    assert len(domains(found)) == 20
    assert domains(found) | domains(later) == ALL
    assert len(domains(later)) == 6


def test_a_server_that_does_not_sort_is_asked_anew() -> None:
    server = Misp([event(number, BEGAN + 100 - number) for number in range(25)], broken=2)
    with serving(server) as address:
        one = asked(address)
        with pytest.raises(FeedError, match="500"):
            list(one)
        assert one.cursor == ""


def test_a_bad_event_costs_no_other() -> None:
    future = event(2, int(time.time()) + 10**6)
    with serving(Misp([7, {"Event": 5}, event(1), future])) as address:
        one = asked(address)
        found = list(one)
    assert domains(found) == {"a1.example.com", "a2.example.com"}
    assert len([said for said in found if isinstance(said, Refused)]) == 2
    assert one.cursor == str(BEGAN + 1)


def _on_search(handle: Handler) -> Handler:
    """Honest until it is searched."""
    honest = Misp([])

    def both(request: BaseHTTPRequestHandler) -> None:
        (handle if "restSearch" in request.path else honest)(request)

    return both


def _leading(request: BaseHTTPRequestHandler) -> None:
    answer(request, b"", status=302, Location="http://169.254.169.254/latest/meta-data/")


def _huge(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(1 << 30))
    request.end_headers()
    for _ in range(1 << 10):
        request.wfile.write(b"[" * (1 << 20))


def _same(request: BaseHTTPRequestHandler) -> None:
    answer(request, orjson.dumps({"response": [event(number) for number in range(10)]}), "application/json")


def _saying(body: bytes, status: int = 200) -> Handler:
    return lambda request: answer(request, body, "application/json", status)


@pytest.mark.parametrize(
    ("handle", "why"),
    [
        (_leading, "not followed"),
        (_on_search(_leading), "not followed"),
        (_huge, "larger than 8 MiB"),
        (_on_search(_huge), "larger than 8 MiB"),
        (_on_search(_same), "same page again"),
        (_on_search(_saying(b'{"response": {"a": 1}}')), "no list of events"),
        (_on_search(_saying(b"{")), "cannot be asked"),
        (_on_search(_saying(b"[" * 100_000)), "cannot be asked"),
        (_on_search(_saying(b'{"message": "no"}', 403)), "403"),
        (_saying(b'{"message": "no"}', 403), "cannot be asked"),
        (_saying(b'"text"'), "cannot be asked"),
    ],
)
def test_hostile_servers_are_left_soon(handle: Handler, why: str) -> None:
    with serving(handle) as address:
        one = asked(address, page_bytes=8 << 20, seconds=20.0)
        began = time.monotonic()
        with pytest.raises(FeedError, match=why) as error:
            list(one)
        assert time.monotonic() - began < 60
        assert KEY not in str(error.value)
        assert one.cursor == "" or why == "same page again"


def test_what_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FeedError, match="in the clear"):
        pull("http://192.0.2.1/", "mine")
    monkeypatch.setattr("vizsla.intel.misp_api.credentials", lambda _: Credentials())
    with pytest.raises(FeedError, match="asks for a key"):
        list(pull("https://192.0.2.1/", "mine"))
