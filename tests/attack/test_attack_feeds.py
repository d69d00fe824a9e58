"""Damaged and hostile feeds from the command line: each costs what is bad in it, and says so."""

from __future__ import annotations

import functools
import json
import socket
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from attack_tools import Ran, run

from feed_samples import pdf
from intel_server_fake import Handler, answer, serving
from vizsla.intel import attack
from vizsla.intel._http import Limits

BUNDLE = "bundle--11111111-1111-4111-8111-111111111111"


def indicator(number: int, pattern: str = "", **more: object) -> dict[str, object]:
    return {
        "type": "indicator",
        "id": f"indicator--11111111-1111-4111-8111-{number:012d}",
        "pattern": pattern or f"[domain-name:value = 'bad-name-{number}.com']",
        "pattern_type": "stix",
        **more,
    }


def stix(*objects: object) -> bytes:
    return json.dumps({"type": "bundle", "id": BUNDLE, "objects": objects}).encode()


def added(tmp_path: Path, name: str, content: bytes, *options: str) -> Ran:
    (tmp_path / name).write_bytes(content)
    return run("intel", "add", tmp_path / name, "--lake", tmp_path / "lake", *options)


def values(tmp_path: Path) -> set[str]:
    said = run("intel", "list", "--format", "jsonl", "--state", "all", "--lake", tmp_path / "lake").out
    return {json.loads(line)["value"] for line in said.splitlines()}


def bad_stix() -> bytes:
    sound = stix(*(indicator(n, x_note="NOTE" if n == 1 else "") for n in range(3)))
    return sound.replace(b'"NOTE"', b"NaN")


def bad_misp() -> bytes:
    attributes = [
        {"type": "domain", "category": "Network activity", "to_ids": True, "value": f"bad-name-{n}.com", "uuid": str(n)}
        for n in range(3)
    ]
    event = {"Event": {"info": "x", "uuid": "u", "Attribute": attributes, "Tag": [{"name": "tlp:green"}]}}
    return json.dumps(event).encode().replace(b"bad-name-1.com", b"bad-name-1\xff.com")


def bad_lines() -> bytes:
    return b'{"x": NaN, "domain": "bad-name-1.com"}\n{"domain": "bad-name-0.com"}\n{"domain": "bad-name-2.com"}\n'


def bad_list() -> bytes:
    return (
        b'{"list": [\n{"domain": "bad-name-0.com"},\n{"domain": "bad\xfe-name-1.com"},\n{"domain": "bad-name-2.com"}]}'
    )


@pytest.mark.parametrize(
    ("content", "place"),
    [(bad_stix(), "object 2"), (bad_misp(), "byte "), (bad_lines(), "line 1"), (bad_list(), "line 3, byte")],
    ids=["stix", "misp", "lines", "list"],
)
def test_one_bad_record_costs_one(tmp_path: Path, content: bytes, place: str) -> None:
    """A byte that is no text, a number that is none: counted, with its place and the reason."""
    ran = added(tmp_path, "feed.json", content)
    said = " ".join(ran.said.split())
    assert ran.code == 0
    assert "2 new" in said and "1 refused" in said
    assert f"feed.json, {place}" in said and "no JSON" in said
    assert values(tmp_path) == {"bad-name-0.com", "bad-name-2.com"}


def test_nul_in_a_report(tmp_path: Path) -> None:
    """It is read, and told that it may be damaged; what is no text at all is of no kind, and says why."""
    ran = added(tmp_path, "report.txt", b"The loader calls evil[.]bad-name.com\0 and\0 bad-na\0me2[.]com.\nEnd.\n")
    assert "NUL characters in the text: 3" in " ".join(ran.said.split())
    assert values(tmp_path) == {"evil.bad-name.com", "bad-name2.com"}
    ran = added(tmp_path, "image.txt", b"\x89PNG\0\0\0\0" * 600)
    assert "of unknown kind" in ran.said and "it holds NUL bytes, so it is no text" in " ".join(ran.said.split())


def test_utf16_without_a_mark(tmp_path: Path) -> None:
    added(tmp_path, "list.txt", "bad-name-1.com\nbad-name-2.com\n".encode("utf-16-le"))
    assert values(tmp_path) == {"bad-name-1.com", "bad-name-2.com"}


def test_a_damaged_attack_file(tmp_path: Path) -> None:
    """`doctor` says what is broken, and goes on."""
    added(tmp_path, "list.txt", b"bad-name-1.com\nbad-name-2.com\n")
    (tmp_path / "lake" / attack.FILE).write_bytes(b'{"techniques": ')
    said = " ".join(run("doctor", "--lake", tmp_path / "lake", width=200).said.split())
    assert "ATT&CK broken ATT&CK cannot be read" in said
    assert "2 indicators of 1 feed" in said


def test_programs_that_every_system_has_are_no_malware(tmp_path: Path) -> None:
    """What a report's implant starts is not what it is."""
    added(tmp_path, "report.txt", b"Emotet starts cmd.exe and net.exe, then calls evil[.]bad-name.com and stops.\n")
    said = run("intel", "list", "--format", "jsonl", "--value", "evil.bad-name.com", "--lake", tmp_path / "lake").out
    assert json.loads(said)["malware"] == ["Emotet"]


# What means harm


def test_names_and_entities_that_multiply(tmp_path: Path) -> None:
    """A billion laughs in what calls itself OpenIOC or STIX 1: refused at the declaration, in no time."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 30))
    declared = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{laughs}]>'
    for name, body in (
        ("a.ioc", '<ioc xmlns="http://schemas.mandiant.com/2010/ioc"><definition>&l29;</definition></ioc>'),
        ("a.xml", '<stix:STIX_Package xmlns:stix="http://stix.mitre.org/stix-1">&l29;</stix:STIX_Package>'),
    ):
        ran = added(tmp_path, name, (declared + body).encode())
        assert ran.code == 3
        assert "it declares a document type or entities" in " ".join(ran.said.split())


def test_a_pdf_that_unpacks_without_end(tmp_path: Path) -> None:
    """Its page is refused; the command ends."""
    began = time.monotonic()
    ran = added(tmp_path, "report.pdf", pdf(["x"], bomb=512 << 20))
    assert ran.code in (0, 3)
    assert "refused" in ran.said or "not read" in ran.said
    assert time.monotonic() - began < 240


def test_nothing_that_a_feed_names_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """References, artifacts, schemas and links: not one connection is tried while they are added and hunted with."""
    asked: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: asked.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **named: asked.append(args) or [])
    url = "http://evil.example.com/x"
    reference = [{"source_name": "x", "url": url}]
    content = stix(
        indicator(1, external_references=reference, object_marking_refs=[url]),
        {"type": "artifact", "id": "artifact--1", "url": url, "hashes": {"MD5": "0" * 32}},
        {"type": "url", "id": "url--1", "value": url},
        {"type": "report", "id": "report--1", "name": "x", "external_references": reference, "object_refs": [url]},
    )
    assert added(tmp_path, "a.json", content).code == 0
    html = f'<html><head><base href="{url}"><link rel=stylesheet href="{url}"></head><body><img src="{url}">x</body>'
    assert added(tmp_path, "a.html", html.encode()).code == 0
    misp = {"Event": {"info": url, "Attribute": [{"type": "link", "category": "x", "to_ids": True, "value": url}]}}
    assert added(tmp_path, "b.json", json.dumps(misp).encode()).code == 0
    xml = f'<ioc xmlns="{url}" xmlns:x="{url}" x:schemaLocation="{url} {url}"><links><link>{url}</link></links></ioc>'
    added(tmp_path, "a.ioc", xml.encode())
    assert not asked


def pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handle: Handler) -> Ran:
    """What `intel pull` says of a server."""
    monkeypatch.setattr(Limits, "__init__", functools.partialmethod(LIMITS, pages=6, page_bytes=4 << 20, seconds=20.0))
    with serving(handle) as address:
        collections = f"{address}root/collections/{COLLECTION}/"
        told = run("intel", "add", collections, "--kind", "taxii", "--feed", "far", "--lake", tmp_path / "lake")
        assert told.code == 0, told.said
        return run("intel", "pull", "--lake", tmp_path / "lake")


LIMITS = Limits.__init__
COLLECTION = "91a7b528-80eb-42ed-a74d-c6fbd5a26116"


def objects(request: BaseHTTPRequestHandler) -> bool:
    """Whether a request is for objects; else the collection itself is told."""
    if "/objects/" in request.path:
        return True
    answer(request, json.dumps({"id": COLLECTION, "title": "x", "can_read": True}).encode())
    return False


def test_a_server_whose_pages_never_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came is kept, and the pull ends with what was too much."""
    count = iter(range(1, 1000))

    def handle(request: BaseHTTPRequestHandler) -> None:
        if objects(request):
            number = next(count)
            page = {"more": True, "next": str(number), "objects": [indicator(number)]}
            answer(request, json.dumps(page).encode())

    ran = pulled(tmp_path, monkeypatch, handle)
    assert ran.code == 3
    assert "gives more than 6 pages" in " ".join(ran.said.split())
    assert len(values(tmp_path)) == 5


def test_a_page_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0

    def handle(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        if objects(request):
            request.send_response(200)
            request.send_header("Content-Type", "application/taxii+json;version=2.1")
            request.end_headers()
            while sent < 1 << 30:
                request.wfile.write(b'{"objects": [' + b" " * (1 << 20))
                sent += 1 << 20

    ran = pulled(tmp_path, monkeypatch, handle)
    assert ran.code == 3
    assert "larger than 4 MiB" in " ".join(ran.said.split())
    assert sent < 64 << 20


@pytest.mark.parametrize(
    "there", ["http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "file:///etc/passwd"]
)
def test_a_server_that_leads_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str) -> None:
    """An address within the network is not asked because a server says so."""

    def handle(request: BaseHTTPRequestHandler) -> None:
        if objects(request):
            answer(request, b"", status=302, Location=there)

    ran = pulled(tmp_path, monkeypatch, handle)
    assert ran.code == 3
    assert "the server leads to another one" in " ".join(ran.said.split())
