"""Sightings as STIX and to MISP."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pyarrow as pa
import pytest

from match_samples import table_of
from vizsla.errors import FeedError
from vizsla.intel.found import SIGHTINGS
from vizsla.intel.normal import normal
from vizsla.intel.objects import indicator, observable, pattern_of
from vizsla.intel.pattern import parse, split
from vizsla.intel.rows import Terms, claims
from vizsla.intel.sightings import bundle, counted, push
from vizsla.intel.stix_out import bundle as exporting
from vizsla.intel.view import indicators
from vizsla.nouns.indicator import Claim, indicator_id

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ASKED = [
    ("domain", "evil.com"), ("ipv4", "192.0.2.7"), ("ipv6", "2001:db8::1"), ("cidr", "192.0.2.0/24"),
    ("url", "http://evil.com/it's"), ("email", "bob@evil.com"), ("md5", "0" * 32), ("sha256", "1" * 64),
    ("file_name", "evil*.exe"), ("file_path", r"c:\windows\evil.exe"), ("registry_key", r"hklm\software\evil"),
    ("mutex", "evilmutex"), ("pipe", "evilpipe"), ("user_agent", "evil/1.0"), ("certificate_serial", "1f2e"),
    ("certificate_fingerprint", "2" * 40), ("asn", "AS64496"), ("cve", "CVE-2021-44228"), ("ja3", "3" * 32),
]  # fmt: skip


def view_of(asked: list[tuple[str, str]]) -> pa.Table:
    said = [Claim(kind, value, "feed") for kind, value in asked]
    return indicators(pa.Table.from_batches([claims(said, Terms(), NOW)[0].rows]), NOW)


def seen(kind: str, value: str, minute: int, text: str | None = None) -> dict:
    return {
        "indicator": indicator_id(kind, value), "_id": f"{minute:032x}", "table": "windows_sysmon", "_host": "pc1",
        "_time": datetime(2026, 1, 2, 3, minute, tzinfo=UTC), "kind": "windows_sysmon:1", "field": "CommandLine",
        "value": text or value, "within": value if text else None, "feeds": ["eset"], "matched": NOW,
        "guid": 1, "pid": 2, "logon": 3, "pair": 0,
    }  # fmt: skip


def test_a_bundle_of_every_type():
    found = pa.Table.from_pylist(
        [seen(kind, "192.0.2.9" if kind == "cidr" else value, n) | {"indicator": indicator_id(kind, value)}
         for n, (kind, value) in enumerate(ASKED)], schema=SIGHTINGS)  # fmt: skip
    told = bundle(found, view_of(ASKED), NOW)
    objects = {one["id"]: one for one in told["objects"]}
    assert len(objects) == len(told["objects"]) and told["id"].startswith("bundle--")
    tied = [one for one in objects.values() if one["type"] == "sighting"]
    assert len(tied) == len(ASKED)
    for one in tied:
        indicator = objects[one["sighting_of_ref"]]
        observed = objects[one["observed_data_refs"][0]]
        assert parse(indicator["pattern"]), indicator
        assert observed["number_observed"] == one["count"] == 1
        assert all(ref in objects for ref in observed["object_refs"])
        assert one["first_seen"].startswith("2026-01-02T03:") and one["first_seen"].endswith("Z")
    assert bundle(found, view_of(ASKED), NOW) == told
    json.dumps(told)


WIDER = ("cidr", "file_path")  # which are more than one comparison for equality
WRITTEN = {"registry_key": r"HKEY_LOCAL_MACHINE\software\evil", "asn": "64496"}  # otherwise than in the normal form


@pytest.mark.parametrize(("kind", "value"), ASKED)
def test_patterns_are_what_they_came_from(kind, value):
    ((found, text),) = split(parse(pattern_of(kind, value)))
    assert (found, text) == ("pattern" if kind in WIDER else kind, pattern_of(kind, value) if kind in WIDER else text)
    assert kind in WIDER or text == WRITTEN.get(kind, value)
    assert kind in WIDER or normal(kind, text) == value


def test_a_star_is_a_wildcard_where_its_type_may_hold_one():
    assert pattern_of("mutex", "ev*l") == "[mutex:name LIKE 'ev%l']"
    assert pattern_of("account", "ev*l") == "[user-account:account_login = 'ev*l']"
    assert pattern_of("user_agent", "what?").endswith("= 'what?']")


def test_an_indicator_is_the_same_object_in_every_bundle():
    (row,) = view_of([("domain", "evil.com")]).to_pylist()
    seen_here = bundle(pa.Table.from_pylist([seen("domain", "evil.com", 1)], schema=SIGHTINGS), view_of(ASKED), NOW)
    exported = json.loads(b"".join(exporting(view_of([("domain", "evil.com")]))))["objects"]
    assert exported == [one for one in seen_here["objects"] if one["type"] == "indicator"] == [indicator(row)]


def test_events_of_one_host_and_value_are_one_sighting():
    found = pa.Table.from_pylist(
        [seen("domain", "evil.com", n, "ping evil.com") for n in (5, 9, 7)] + [seen("ipv4", "192.0.2.7", 1)],
        schema=SIGHTINGS,
    )
    told = [one for one in bundle(found, view_of(ASKED), NOW)["objects"] if one["type"] == "sighting"]
    assert sorted((one["count"], one["first_seen"][14:16], one["last_seen"][14:16]) for one in told) == [
        (1, "01", "01"), (3, "05", "09")]  # fmt: skip
    assert counted(found).to_pylist()[0]["events"] == 3


def test_what_is_not_named_is_an_error():
    with pytest.raises(FeedError, match="no such indicator"):
        bundle(pa.Table.from_pylist([seen("domain", "evil.com", 1)], schema=SIGHTINGS), view_of([]), NOW)


def test_ids_of_observables_are_those_of_stix():
    space = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
    expected = "ipv4-addr--" + str(uuid.uuid5(space, '{"value":"198.51.100.3"}'))
    assert observable("ipv4", "198.51.100.3", "198.51.100.3")["id"] == expected


class Server(BaseHTTPRequestHandler):
    got: ClassVar[list] = []
    keys: ClassVar[set] = set()

    def answer(self, status: int, content: object) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self) -> None:
        Server.keys.add(self.headers["Authorization"])
        if "getPyMISPVersion" in self.path or "getVersion" in self.path:
            self.answer(200, {"version": "2.5.0", "perm_sync": True, "perm_sighting": True})
        else:
            self.answer(200, {
                "User": {"id": "1", "email": "a@b.c"}, "Role": {"id": "1", "name": "r"}, "UserSetting": {}
            })  # fmt: skip

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert self.path == "/sightings/add"
        if asked["values"] == ["unknown.com"]:
            self.answer(403, {"message": "Could not add Sighting", "errors": "No valid attributes found that match"})
        elif asked["values"] == ["forbidden.com"]:
            self.answer(403, {"message": "You do not have permission to use this functionality"})
        else:
            Server.got.append(asked)
            self.answer(200, {"Sighting": {"id": "1", **asked}})

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server():
    held = HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=held.serve_forever, daemon=True)
    thread.start()
    Server.got, Server.keys = [], set()
    yield f"http://127.0.0.1:{held.server_port}"
    held.shutdown()
    held.server_close()


def test_pushed_to_misp(server, monkeypatch):
    pytest.importorskip("pymisp")
    monkeypatch.setenv("VIZSLA_TOKEN", "secret-key")
    found = pa.Table.from_pylist(
        [seen("domain", "evil.com", 1, "ping evil.com"), seen("domain", "evil.com", 3, "ping evil.com"),
         seen("domain", "unknown.com", 2)], schema=SIGHTINGS)  # fmt: skip
    assert push(found, table_of([*ASKED, ("domain", "unknown.com")]), server) == 1
    when = int(datetime(2026, 1, 2, 3, 3, tzinfo=UTC).timestamp())
    assert Server.got == [{"values": ["evil.com"], "timestamp": when, "source": "vizsla", "type": "0"}]
    assert Server.keys == {"secret-key"}


def test_refused_by_misp(server, monkeypatch):
    pytest.importorskip("pymisp")
    monkeypatch.setenv("VIZSLA_TOKEN", "secret-key")
    found = pa.Table.from_pylist([seen("domain", "forbidden.com", 2)], schema=SIGHTINGS)
    with pytest.raises(FeedError, match="refused") as told:
        push(found, table_of([("domain", "forbidden.com")]), server)
    assert "secret-key" not in str(told.value)


def test_no_key_no_push(monkeypatch):
    pytest.importorskip("pymisp")
    monkeypatch.delenv("VIZSLA_TOKEN", raising=False)
    monkeypatch.delenv("VIZSLA_USER", raising=False)
    with pytest.raises(FeedError, match="asks for a key"):
        push(SIGHTINGS.empty_table(), table_of([]), "http://127.0.0.1:9")


def test_nobody_there(monkeypatch):
    pytest.importorskip("pymisp")
    monkeypatch.setenv("VIZSLA_TOKEN", "secret-key")
    with pytest.raises(FeedError, match="cannot be asked"):
        push(SIGHTINGS.empty_table(), table_of([]), "http://127.0.0.1:9")


def test_no_key_goes_in_the_clear_to_another_machine(monkeypatch):
    monkeypatch.setenv("VIZSLA_TOKEN", "secret-key")
    with pytest.raises(FeedError, match="in the clear"):
        push(SIGHTINGS.empty_table(), table_of([]), "http://misp.example.com")
