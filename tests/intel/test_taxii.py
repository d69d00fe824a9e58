"""TAXII 2.1 against the reference server, and against servers that mean harm."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from intel_server_fake import Handler, answer, serving
from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.intel.taxii import Answer, Client, Collection, Limits, collections
from vizsla.nouns.indicator import Claim, Mention
from vizsla.secrets import Credentials

COUNT = 25  # indicators on the reference server
UUID = "11111111-1111-4111-8111-{:012d}"
COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"
CLOSED = "52892447-4d7e-4f70-b94d-d7f22742ff63"


def indicator(number: int) -> dict[str, Any]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{UUID.format(number)}",
        "created": "2024-01-01T00:00:00.000Z",
        "modified": "2024-01-01T00:00:00.000Z",
        "valid_from": "2024-01-01T00:00:00Z",
        "pattern": f"[domain-name:value = 'a{number}.example.com']",
        "pattern_type": "stix",
    }


def _data() -> dict[str, Any]:
    objects = [indicator(number) for number in range(COUNT)]
    objects.append(
        {
            "type": "relationship",
            "spec_version": "2.1",
            "id": f"relationship--{UUID.format(1)}",
            "created": "2024-01-01T00:00:00.000Z",
            "modified": "2024-01-01T00:00:00.000Z",
            "relationship_type": "indicates",
            "source_ref": objects[0]["id"],
            "target_ref": f"malware--{UUID.format(1)}",
        }
    )
    objects.append(
        {
            "type": "malware",
            "spec_version": "2.1",
            "id": f"malware--{UUID.format(1)}",
            "created": "2024-01-01T00:00:00.000Z",
            "modified": "2024-01-01T00:00:00.000Z",
            "name": "Duqu",
            "is_family": True,
        }
    )
    manifest = [
        {
            "id": item["id"],
            "version": item["modified"],
            # Five objects of one moment, so that pages end in the middle of one.
            "date_added": f"2024-02-01T00:00:{place // 5:02d}.000Z",
            "media_type": "application/stix+json;version=2.1",
        }
        for place, item in enumerate(objects)
    ]
    media = ["application/stix+json;version=2.1"]
    held = {"id": COLLECTION, "title": "Open", "can_read": True, "can_write": False, "media_types": media}
    closed = {"id": CLOSED, "title": "Closed", "can_read": False, "can_write": False, "media_types": media}
    return {
        "/discovery": {"title": "A server", "api_roots": ["/root/"]},
        "root": {
            "information": {
                "title": "A root",
                "versions": ["application/taxii+json;version=2.1"],
                "max_content_length": 9765625,
            },
            "status": [],
            "collections": [
                {**held, "manifest": manifest, "objects": objects},
                {**closed, "manifest": [], "objects": []},
            ],
        },
    }


@pytest.fixture(scope="module")
def medallion(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of OASIS's own server with the objects above."""
    folder = tmp_path_factory.mktemp("medallion")
    (folder / "data.json").write_bytes(orjson.dumps(_data()))
    backend = {
        "module": "medallion.backends.memory_backend",
        "module_class": "MemoryBackend",
        "filename": str(folder / "data.json"),
    }
    config = {"backend": backend, "users": {"ada": "secret"}, "taxii": {"max_page_size": 100}}
    (folder / "config.json").write_bytes(orjson.dumps(config))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "medallion.scripts.run", "--port", str(port), str(folder / "config.json")]
    log = (folder / "log").open("wb")
    server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        for _ in range(300):
            if server.poll() is not None:
                pytest.fail((folder / "log").read_text())
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.kill()
        server.wait()
        log.close()


ADA = Credentials(user="ada", password="secret")


def pulled(
    address: str, folder: Path, cursor: str = "", page: int = 10, own: Credentials = ADA, **limits: Any
) -> Answer:
    return Answer(Client(address, limits=Limits(**limits), own=own), "mine", cursor, folder, page=page)


def domains(found: list[Read]) -> set[str]:
    return {one.value for one in found if isinstance(one, Claim)}


def test_discovery_roots_and_collections(medallion: str) -> None:
    expected = [Collection(COLLECTION, "Open", f"{medallion}root/collections/{COLLECTION}/")]
    for address in ("taxii2/", "root/", "root", "root/collections/", f"root/collections/{COLLECTION}/",
                    f"root/collections/{COLLECTION}/objects/"):  # fmt: skip
        assert collections(Client(medallion + address, own=ADA)) == expected, address


def test_all_pages_come(medallion: str, tmp_path: Path) -> None:
    one = pulled(medallion + "taxii2/", tmp_path)
    found = list(one)
    assert domains(found) == {f"a{number}.example.com" for number in range(COUNT)}
    assert next(said.malware for said in found if isinstance(said, Claim)) == ("Duqu",)
    assert [said.name for said in found if isinstance(said, Mention)] == ["Duqu"]
    assert len(list(tmp_path.glob("*.json"))) == 3
    again = pulled(medallion + "taxii2/", tmp_path, one.cursor)
    assert list(again) == []
    assert again.cursor == one.cursor


def test_a_pull_that_broke_off_goes_on(medallion: str, tmp_path: Path) -> None:
    first = pulled(medallion + f"root/collections/{COLLECTION}/", tmp_path, pages=3)  # the collection, and two pages
    found: list[Read] = []
    with pytest.raises(FeedError, match="more than 3 pages"):
        found.extend(first)  # what came before the error is there
    assert 0 < len(domains(found)) < COUNT
    second = pulled(medallion + f"root/collections/{COLLECTION}/", tmp_path, first.cursor)
    later = list(second)
    assert domains(found) | domains(later) == {f"a{number}.example.com" for number in range(COUNT)}
    assert len(domains(later)) < COUNT  # not all of it again
    # The relationship came later than what it speaks of, which is said again.
    assert [said.malware for said in later if isinstance(said, Claim) and said.value == "a0.example.com"] == [("Duqu",)]


def test_who_may_not_is_told_how(medallion: str, tmp_path: Path) -> None:
    for own in (Credentials(), Credentials(user="ada", password="wrong"), Credentials(token="x")):
        with pytest.raises(FeedError, match="does not let us in") as error:
            list(pulled(medallion + "taxii2/", tmp_path, own=own))
        assert "VIZSLA_TOKEN" in error.value.fix


def test_a_token_is_sent(tmp_path: Path) -> None:
    said: list[str | None] = []

    def handle(request: BaseHTTPRequestHandler) -> None:
        said.append(request.headers.get("Authorization"))
        answer(request, b'{"collections": []}')

    with serving(handle) as address:
        assert collections(Client(address, own=Credentials(token="t0k"))) == []
    assert said == ["Bearer t0k"]


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://192.0.2.1/taxii2/", "in the clear"),
        ("ftp://192.0.2.1/", "no address"),
        ("https://ada:secret@192.0.2.1/", "name or a password"),
        ("file:///etc/passwd", "no address"),
        ("https://[::1", "no address"),
        ("https://a:b/", "no address"),
        ("", "no address"),
    ],
)
def test_addresses_that_are_not_asked(address: str, why: str) -> None:
    with pytest.raises(FeedError, match=why) as error:
        Client(address)
    assert "secret" not in str(error.value)


def test_http_where_it_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIZSLA_INSECURE_HTTP", "1")
    assert Client("http://192.0.2.1/").parts.hostname == "192.0.2.1"


READABLE = orjson.dumps({"id": "c1", "title": "x", "can_read": True})


def _page(request: BaseHTTPRequestHandler, **held: Any) -> None:
    """The collection c1, or a page of it."""
    if "/objects/" in request.path:
        answer(request, orjson.dumps(held), X_TAXII_Date_Added_Last="2024-01-01T00:00:00.000Z")
    else:
        answer(request, READABLE)


def never_ending(request: BaseHTTPRequestHandler) -> None:
    number = int(parse_qs(urlsplit(request.path).query).get("next", ["0"])[0])
    _page(request, objects=[indicator(number)], more=True, next=str(number + 1))


def same_page(request: BaseHTTPRequestHandler) -> None:
    _page(request, objects=[indicator(1)], more=True)


def nothing_more(request: BaseHTTPRequestHandler) -> None:
    _page(request, objects=[], more=True, next=str(time.monotonic()))


def huge(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "application/taxii+json;version=2.1")
    request.send_header("Content-Length", str(1 << 30))
    request.end_headers()
    for _ in range(1 << 10):
        request.wfile.write(b"[" * (1 << 20))


def bomb(request: BaseHTTPRequestHandler) -> None:
    import gzip

    answer(request, gzip.compress(b"[" * (100 << 20), 1), Content_Encoding="gzip")


def dripping(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.send_header("Content-Type", "application/taxii+json;version=2.1")
    request.send_header("Content-Length", "100000")
    request.end_headers()
    for _ in range(200):
        request.wfile.write(b" ")
        request.wfile.flush()
        time.sleep(0.1)


def _leading(where: str) -> Handler:
    def handle(request: BaseHTTPRequestHandler) -> None:
        answer(request, b"", status=302, Location=where)

    return handle


def _saying(body: bytes, kind: str = "application/taxii+json;version=2.1", status: int = 200) -> Handler:
    return lambda request: answer(request, body, kind, status)


@pytest.mark.parametrize(
    ("handle", "why"),
    [
        (never_ending, "more than 20 pages"),
        (same_page, "not where"),
        (nothing_more, "hold nothing"),
        (huge, "larger than 8 MiB"),
        (bomb, "larger than 8 MiB"),
        (dripping, "more than 2 seconds"),
        (_leading("http://169.254.169.254/latest/meta-data/"), "leads to another one"),
        (_leading("http://127.0.0.1:1/"), "leads to another one"),
        (_leading("https://127.0.0.1/"), "leads to another one"),
        (_leading("file:///etc/passwd"), "leads to another one"),
        (_leading("//169.254.169.254/"), "leads to another one"),
        (_leading("/again"), "redirects more than"),
        (_saying(b'{"api_roots": ["http://169.254.169.254/"]}'), "leads to another one"),
        (_saying(b'{"api_roots": "x"}'), "no collection"),
        (_saying(b'{"api_roots": [7, null]}'), "no collection"),
        (_saying(b"[]"), "no JSON object"),
        (_saying(b"{"), "no JSON"),
        (_saying(b"[" * 100_000), "no JSON"),
        (_saying(b"{}", "text/html"), "not with TAXII"),
        (_saying(b"{}", status=404), "answers 404"),
        (_saying(b"{}", status=500), "answers 500"),
        (lambda request: answer(request, b"", status=503, Retry_After="0"), "wait again and again"),
        (lambda request: answer(request, b"", status=429, Retry_After="9999"), "wait longer"),
        (lambda request: _page(request, objects={"a": 1}), "no list of objects"),
    ],
)  # fmt: skip
def test_hostile_servers_are_left_soon(tmp_path: Path, handle: Handler, why: str) -> None:
    with serving(handle) as address:
        name = "" if why in ("no collection", "leads to another one") else "collections/c1/"
        one = pulled(address + name, tmp_path, pages=20, page_bytes=8 << 20, seconds=2.0)
        began = time.monotonic()
        with pytest.raises(FeedError, match=why):
            list(one)
        assert time.monotonic() - began < 60


def test_names_of_collections_are_no_paths() -> None:
    items = [{"id": "../x", "can_read": True}, {"id": "good", "can_read": True}, {"id": 7, "can_read": True}, 5]
    with serving(_saying(orjson.dumps({"collections": items}))) as address:
        assert [one.id for one in collections(Client(address, own=ADA))] == ["good"]


def test_a_damaged_cursor_begins_anew(medallion: str, tmp_path: Path) -> None:
    assert len(domains(list(pulled(medallion + "taxii2/", tmp_path, "{damaged")))) == COUNT


def test_a_certificate_is_shown_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client("https://192.0.2.1/", own=ADA).session.cert is None
    monkeypatch.setenv("VIZSLA_CLIENT_CERT", "/a/cert.pem")
    assert Client("https://192.0.2.1/", own=ADA).session.cert == "/a/cert.pem"
    monkeypatch.setenv("VIZSLA_CLIENT_KEY", "/a/key.pem")
    assert Client("https://192.0.2.1/", own=ADA).session.cert == ("/a/cert.pem", "/a/key.pem")


def test_from_the_beginning_old_pages_go(medallion: str, tmp_path: Path) -> None:
    (tmp_path / "000000007.json").write_bytes(orjson.dumps({"objects": [indicator(99)]}))
    assert "a99.example.com" not in domains(list(pulled(medallion + "taxii2/", tmp_path)))
