"""STIX 2: what indicators, relationships, markings and observations say arrives; one bad object costs no other."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from vizsla import feeds
from vizsla.feed import Read
from vizsla.feeds import _json, _stix2_graph
from vizsla.nouns.indicator import Claim, Mention, Refused

A = "11111111-1111-4111-8111-11111111111{}"
IND, MAL, ACTOR, CAMP, TECH, REL = (
    f"{kind}--{A}" for kind in ("indicator", "malware", "intrusion-set", "campaign", "attack-pattern", "relationship")
)


def ties(number: int, source: str, word: str, target: str) -> dict[str, Any]:
    return {
        "type": "relationship",
        "id": REL.format(number),
        "relationship_type": word,
        "source_ref": source,
        "target_ref": target,
    }


def read(tmp_path: Path, *items: Any, bundle: bool = True) -> list[Read]:
    path = tmp_path / "a.json"
    path.write_bytes(
        orjson.dumps({"type": "bundle", "id": f"bundle--{A.format(0)}", "objects": items} if bundle else items[0])
    )
    assert feeds.sniffed(path) is feeds.find("stix2")
    return list(feeds.find("stix2").read(path, "mine"))


INDICATOR = {
    "type": "indicator",
    "spec_version": "2.1",
    "id": IND.format(1),
    "created": "2024-01-02T03:04:05.678Z",
    "modified": "2024-02-02T00:00:00Z",
    "name": "C2",
    "description": "a host",
    "indicator_types": ["malicious-activity"],
    "pattern": "[domain-name:value = 'Evil.Example.com' OR (ipv4-addr:value = '192.0.2.1' AND a:b > 5)]",
    "pattern_type": "stix",
    "valid_from": "2024-01-01T00:00:00Z",
    "valid_until": "2025-01-01T00:00:00Z",
    "confidence": 80,
    "kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "command-and-control"}],
    "object_marking_refs": ["marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da"],
    "labels": ["x"],
    "granular_markings": [
        {"marking_ref": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1", "selectors": ["name"]}
    ],
}


def test_all_that_is_said_of_an_indicator(tmp_path: Path) -> None:
    technique = {
        "type": "attack-pattern",
        "id": TECH.format(1),
        "name": "DNS",
        "external_references": [
            {"source_name": "capec", "external_id": "CAPEC-1"},
            {"source_name": "mitre-attack", "external_id": "T1071.004"},
        ],
    }
    found = read(
        tmp_path,
        INDICATOR,
        ties(1, IND.format(1), "indicates", MAL.format(1)),
        ties(2, IND.format(1), "indicates", CAMP.format(1)),
        ties(3, CAMP.format(1), "attributed-to", ACTOR.format(1)),
        ties(4, IND.format(1), "indicates", TECH.format(1)),
        {"type": "malware", "id": MAL.format(1), "name": "Duqu"},
        {"type": "campaign", "id": CAMP.format(1), "name": "Night"},
        {"type": "intrusion-set", "id": ACTOR.format(1), "name": "APT0"},
        technique,
        {
            "type": "sighting",
            "id": "x",
            "sighting_of_ref": IND.format(1),
            "first_seen": "2024-03-01T00:00:00Z",
            "last_seen": "2024-04-01T00:00:00Z",
        },
    )
    domain, pattern = (one for one in found if isinstance(one, Claim))
    assert domain == Claim(
        "domain",
        "evil.example.com",
        "mine",
        "Evil.Example.com",
        IND.format(1),
        "C2: a host",
        80,
        "red",
        valid_from=datetime(2024, 1, 1, tzinfo=UTC),
        valid_until=datetime(2025, 1, 1, tzinfo=UTC),
        first_seen=datetime(2024, 3, 1, tzinfo=UTC),
        last_seen=datetime(2024, 4, 1, tzinfo=UTC),
        created=datetime(2024, 1, 2, 3, 4, 5, 678_000, UTC),
        modified=datetime(2024, 2, 2, tzinfo=UTC),
        kill_chain=("mitre-attack:command-and-control",),
        techniques=("T1071.004",),
        malware=("Duqu",),
        actors=("APT0",),
        tags=("x", "malicious-activity", "campaign:Night"),
    )
    assert (pattern.type, pattern.value) == ("pattern", "[ipv4-addr:value = '192.0.2.1' AND a:b > 5]")
    assert pattern.raw == INDICATOR["pattern"]
    mentions = {(one.kind, one.name) for one in found if isinstance(one, Mention)}
    assert mentions == {("malware", "Duqu"), ("campaign", "Night"), ("actor", "APT0"), ("technique", "T1071.004")}


def test_a_bad_object_costs_no_other(tmp_path: Path) -> None:
    bad: list[Any] = [
        {**INDICATOR, "pattern": "[domain-name:value ="},
        {**INDICATOR, "pattern": 5},
        {**INDICATOR, "pattern": "[domain-name:value = 'com']"},
        {**INDICATOR, "pattern": "rule x {}", "pattern_type": "yara"},
        {"id": "no type"},
        {"type": "malware", "id": MAL.format(1)},
        "text",
        {**INDICATOR, "pattern": "[" + "(" * 500},
    ]
    wild: dict[str, Any] = {
        **INDICATOR,
        "labels": 5,
        "kill_chain_phases": {"a": 1},
        "confidence": "high",
        "created": {},
        "object_marking_refs": "x",
        "granular_markings": [7],
        "name": [],
        "pattern": "[mutex:name = 'M']",
    }
    found = read(tmp_path, *bad, wild, ties(1, IND.format(1), "indicates", "nowhere"))
    assert len([one for one in found if isinstance(one, Refused)]) == len(bad)
    assert [(one.type, one.value, one.confidence) for one in found if isinstance(one, Claim)] == [("mutex", "m", None)]


def test_revoked_markings_and_the_old_form(tmp_path: Path) -> None:
    own = {
        "type": "marking-definition",
        "id": "marking-definition--" + A.format(5),
        "definition_type": "tlp",
        "definition": {"tlp": "amber"},
    }
    newer = {
        "type": "marking-definition",
        "id": "marking-definition--" + A.format(6),
        "extensions": {"extension-definition--x": {"tlp_2_0": "amber+strict"}},
    }
    old = {
        "type": "indicator",
        "id": IND.format(2),
        "pattern": "[file:hashes.'SHA-1' = '" + "A" * 40 + "']",
        "revoked": True,
        "object_marking_refs": [own["id"]],
    }
    new = {**old, "id": IND.format(3), "revoked": False, "object_marking_refs": [newer["id"], own["id"]]}
    first, second = read(tmp_path, old, new, own, newer)
    assert isinstance(first, Claim)
    assert isinstance(second, Claim)
    assert (first.value, first.revoked, first.tlp) == ("a" * 40, True, "amber")
    assert (second.revoked, second.tlp) == (False, "amber+strict")


def test_what_was_observed_is_context_unless_tied_to_an_adversary(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {
            "type": "observed-data",
            "id": "observed-data--" + A.format(1),
            "first_observed": "2024-01-01T00:00:00Z",
            "last_observed": "2024-01-02T00:00:00Z",
            "objects": {
                "0": {"type": "file", "hashes": {"MD5": "A" * 32, "SHA-256": "B" * 64}, "name": "x.exe"},
                "1": {"type": "windows-registry-key", "key": "HKLM\\Software\\x"},
                "2": 7,
            },
        },
        {"type": "ipv4-addr", "id": "ipv4-addr--" + A.format(1), "value": "192.0.2.1"},
        {"type": "ipv4-addr", "id": "ipv4-addr--" + A.format(2), "value": "192.0.2.2"},
        {"type": "infrastructure", "id": "infrastructure--" + A.format(1), "name": "C2"},
        ties(1, "infrastructure--" + A.format(1), "consists-of", "ipv4-addr--" + A.format(1)),
    )
    assert [(one.type, one.value, one.to_ids) for one in found if isinstance(one, Claim)] == [
        ("md5", "a" * 32, False),
        ("sha256", "b" * 64, False),
        ("registry_key", r"hklm\software\x", False),
        ("ipv4", "192.0.2.1", True),
        ("ipv4", "192.0.2.2", False),
    ]
    assert isinstance(found[0], Claim)
    assert found[0].last_seen == datetime(2024, 1, 2, tzinfo=UTC)


def test_a_single_object_and_a_large_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = read(tmp_path, INDICATOR, bundle=False)
    assert len(alone) == 2
    monkeypatch.setattr(_json, "WHOLE", 0)
    assert read(tmp_path, INDICATOR) == alone


def test_too_many_relationships_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stix2_graph, "MOST", 3)
    with pytest.raises(feeds.FeedError, match="more than 3"):
        read(tmp_path, *(ties(n, IND.format(n), "indicates", MAL.format(n)) for n in range(4)))
