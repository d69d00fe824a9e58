"""MISP: attributes of all kinds, tags and galaxies, objects, feed directories."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pymisp
import pytest

from vizsla import feeds
from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.feeds.misp import mapped
from vizsla.nouns.indicator import Claim, Mention, Refused

UUID = "5d9b516c-e5f0-4e7c-a958-5d8c0a01937{}"


def attribute(type: str, value: str, **more: Any) -> dict[str, Any]:
    return {"type": type, "category": "Other", "value": value, "to_ids": True, "uuid": UUID.format(1), **more}


def read(tmp_path: Path, content: Any) -> list[Read]:
    path = tmp_path / "event.json"
    path.write_bytes(orjson.dumps(content))
    assert feeds.sniffed(path) is feeds.find("misp")
    return list(feeds.find("misp").read(path, "mine"))


def event(*attributes: Any, **more: Any) -> dict[str, Any]:
    return {"Event": {"uuid": UUID.format(0), "info": "Night", "date": "2024-01-02", "Attribute": attributes, **more}}


def test_all_that_is_said_of_an_attribute(tmp_path: Path) -> None:
    tags = [
        "tlp:amber",
        'misp-galaxy:threat-actor="APT 29"',
        'misp-galaxy:mitre-attack-pattern="DNS - T1071.004"',
        "osint",
    ]
    galaxy = {"type": "mitre-malware", "GalaxyCluster": [{"type": "mitre-malware", "value": "Duqu - S0038"}]}
    one = attribute(
        "domain",
        "Evil[.]example.com",
        comment="C2",
        timestamp="1704067200",
        first_seen="2024-01-01T00:00:00+02:00",
        Tag=[
            {"name": "TLP:RED"},
            {"name": 'misp:confidence-level="usually-confident"'},
            {"name": "kill-chain:Delivery"},
        ],
    )
    found = read(tmp_path, {"response": [event(one, Tag=[{"name": tag} for tag in tags], Galaxy=[galaxy])]})
    (claim,) = (item for item in found if isinstance(item, Claim))
    assert claim == Claim(
        "domain",
        "evil.example.com",
        "mine",
        "Evil[.]example.com",
        f"event {UUID.format(0)} attribute {UUID.format(1)}",
        "Night: C2",
        75,
        "red",
        first_seen=datetime(2023, 12, 31, 22, tzinfo=UTC),
        created=datetime(2024, 1, 2, tzinfo=UTC),
        modified=datetime(2024, 1, 1, tzinfo=UTC),
        kill_chain=("kill-chain:delivery",),
        techniques=("T1071.004",),
        malware=("Duqu",),
        actors=("APT 29",),
        tags=("tlp:amber", "osint", "TLP:RED", 'misp:confidence-level="usually-confident"', "kill-chain:Delivery"),
    )
    mentions = {(item.kind, item.name) for item in found if isinstance(item, Mention)}
    assert mentions == {("actor", "APT 29"), ("technique", "T1071.004"), ("malware", "Duqu")}


@pytest.mark.parametrize(
    ("type", "value", "expected"),
    [
        ("filename|md5", "A.exe|" + "A" * 32, [("file_name", "a.exe", False), ("md5", "a" * 32, True)]),
        ("malware-sample", "A.exe|" + "A" * 32, [("file_name", "a.exe", False), ("md5", "a" * 32, True)]),
        ("ip-dst|port", "192.0.2.1|443", [("ipv4", "192.0.2.1", True)]),
        ("ip-src", "192.0.2.0/24", [("cidr", "192.0.2.0/24", True)]),
        ("domain|ip", "a.b.com|2001:db8::1", [("domain", "a.b.com", True), ("ipv6", "2001:db8::1", True)]),
        ("regkey|value", r"HKLM\Software\x|1", [("registry_key", r"hklm\software\x", True)]),
        ("uri", "/gate.php", [("url", "*://*/gate.php", True)]),
        ("named pipe", r"\\.\pipe\x", [("pipe", "x", True)]),
        ("vulnerability", "CVE-2021-44228", [("cve", "CVE-2021-44228", True)]),
        ("stix2-pattern", "[mutex:name = 'A' OR a:b > 5]", [("mutex", "a", True), ("pattern", "[a:b > 5]", True)]),
        ("AS", "AS64496", [("asn", "AS64496", True)]),
        ("x509-fingerprint-sha1", "AB:" * 19 + "AB", [("certificate_fingerprint", "ab" * 20, True)]),
    ],
)
def test_attributes_of_all_kinds(tmp_path: Path, type: str, value: str, expected: list[tuple[str, str, bool]]) -> None:
    found = read(tmp_path, event(attribute(type, value)))
    assert [(one.type, one.value, one.to_ids) for one in found if isinstance(one, Claim)] == expected
    assert not [one for one in found if isinstance(one, Refused)]


def test_every_type_of_misp_is_known_or_told(tmp_path: Path) -> None:
    told = (Path(pymisp.__file__).parent / "data" / "describeTypes.json").read_bytes()
    types: list[str] = orjson.loads(told)["result"]["types"]
    assert len(types) > 150
    for type in types:
        found = read(tmp_path, event(attribute(type, "")))
        assert found, type
    assert set(mapped().indicators).isdisjoint(mapped().others)


@pytest.mark.parametrize(
    "bad",
    [
        7,
        {},
        {"type": "md5"},
        {"type": 5, "value": "x"},
        attribute("md5", "x"),
        attribute("filename|md5", "x"),
        attribute("yara", "rule"),
        attribute("never-heard-of", "x"),
        attribute("target-email", "a@b.com"),
        attribute("port", "80"),
        attribute("stix2-pattern", "["),
    ],
)
def test_a_bad_attribute_costs_no_other(tmp_path: Path, bad: Any) -> None:
    refused, good = read(tmp_path, event(bad, attribute("sha1", "A" * 40)))
    assert isinstance(refused, Refused)
    assert isinstance(good, Claim)


def test_objects_deleted_and_not_for_detection(tmp_path: Path) -> None:
    held = {"name": "file", "comment": "dropped", "Attribute": [attribute("md5", "A" * 32, to_ids=False, deleted=True)]}
    found = read(tmp_path, event(Object=[held, 7]))
    claim, bad = found
    assert isinstance(claim, Claim)
    assert (claim.to_ids, claim.revoked, claim.context) == (False, True, "Night: file: dropped")
    assert isinstance(bad, Refused)


def test_lists_of_attributes(tmp_path: Path) -> None:
    one = attribute("md5", "A" * 32)
    for content in ({"response": {"Attribute": [one]}}, [one], {"Attribute": [one]}):
        (claim,) = read(tmp_path, content)
        assert isinstance(claim, Claim)
        assert claim.value == "a" * 32


def test_a_feed_directory(tmp_path: Path) -> None:
    good, missing = UUID.format(0), UUID.format(9)
    (tmp_path / "manifest.json").write_bytes(
        orjson.dumps(
            {
                good: {"info": "x", "Orgc": {"name": "o"}},
                missing: {"Orgc": {}},
                "../../etc/passwd": {"Orgc": {}},
                UUID.format(8): {},
            }
        )
    )
    (tmp_path / f"{good}.json").write_bytes(orjson.dumps(event(attribute("md5", "A" * 32))))
    (tmp_path / f"{UUID.format(8)}.json").write_bytes(b"{")
    found_format = feeds.sniffed(tmp_path)
    assert found_format is feeds.find("misp")
    found = list(found_format.read(tmp_path, "mine"))
    assert found == list(found_format.read(tmp_path / "manifest.json", "mine"))
    claim, gone, path, broken = found
    assert isinstance(claim, Claim)
    reasons = [one.reason for one in (gone, path, broken) if isinstance(one, Refused)]
    assert "has no file here" in reasons[0]
    assert "no event's id" in reasons[1]
    assert "no JSON" in reasons[2]


def test_what_is_no_misp(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'{"a": 1}')
    (refused,) = feeds.find("misp").read(path, "mine")
    assert refused == Refused("x.json", "neither an event nor an attribute")
    path.write_bytes(b"[[[")
    with pytest.raises(FeedError, match="no JSON"):
        list(feeds.find("misp").read(path, "mine"))
