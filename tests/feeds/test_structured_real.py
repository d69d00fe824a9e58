"""Every structured file of the public reports reads, and nothing is lost: all is a claim, a mention or refused."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from vizsla import feeds
from vizsla.feed import Read
from vizsla.nouns.indicator import Claim, Mention, Refused

pytestmark = pytest.mark.real_data
# Counted in the files with grep and a JSON parser, before there were readers.
MISP = {"domain": 831, "url": 217, "md5": 150, "sha1": 57, "sha256": 44, "ipv4": 40, "email": 56, "mutex": 4, "pipe": 2,
        "file_name": 3, "registry_key": 1, "cve": 3, "user_agent": 1}  # fmt: skip
STIX1 = {"domain": 961, "url": 197, "md5": 208, "sha1": 4, "sha256": 14, "ipv4": 74, "email": 47, "registry_key": 4,
         "mutex": 4, "pipe": 2, "user_agent": 1}  # fmt: skip
OPENIOC = {"domain": 754, "url": 148, "md5": 88, "sha256": 5, "ipv4": 69, "email": 11, "registry_key": 4,
           "user_agent": 1}  # fmt: skip
STIX2_INDICATORS = 175 + 343 + 1 + 2 + 2 + 1 + 12 + 25


def files(real_data: Path, *patterns: str) -> list[Path]:
    root = real_data / "intel"
    return sorted(path for pattern in patterns for path in root.glob(pattern) if path.stat().st_size)


def read(path: Path, name: str) -> list[Read]:
    found = feeds.sniffed(path)
    assert found is not None, path
    assert found.name == name, path
    return list(found.read(path, "mine"))


def types(found: list[Read]) -> Counter[str]:
    return Counter(one.type for one in found if isinstance(one, Claim))


def _attributes(event: dict[str, Any]) -> list[dict[str, Any]]:
    return [*event.get("Attribute", []), *(one for held in event.get("Object", []) for one in held["Attribute"])]


def test_misp(real_data: Path) -> None:
    paths = [path for path in files(real_data, "citizenlab/*/*.json", "eset/*/*.json") if "blocklist" not in path.name]
    assert len(paths) == 17
    everything: Counter[str] = Counter()
    for path in paths:
        found = read(path, "misp")
        everything += types(found)
        asked = [
            one["uuid"] for held in orjson.loads(path.read_bytes())["response"] for one in _attributes(held["Event"])
        ]
        # The attributes' ids stand in what each said, and each says something.
        said = {place.rpartition(" ")[2] for place in map(_place, found) if " attribute " in place}
        assert said == set(asked), path
    assert everything == MISP


def _place(one: Read) -> str:
    return one.place if isinstance(one, Refused) else one.source


def test_stix1(real_data: Path) -> None:
    paths = files(real_data, "citizenlab/*/stix.xml")
    assert len(paths) == 21
    everything: Counter[str] = Counter()
    refused = 0
    for path in paths:
        found = read(path, "stix1")
        everything += types(found)
        asked = set(re.findall(rb'<stixCommon:Indicator id=":(indicator-[0-9a-f-]+)"', path.read_bytes()))
        said = {place.partition(" ")[2].encode() for place in map(_place, found) if place.startswith("Indicator ")}
        assert said == asked, path
        refused += sum(isinstance(one, Refused) for one in found)
    assert everything == STIX1
    assert refused == 1537 - 1510  # indicators without an observable


def test_openioc(real_data: Path) -> None:
    paths = files(real_data, "citizenlab/*/*.ioc")
    assert len(paths) == 19
    everything: Counter[str] = Counter()
    for path in paths:
        found = read(path, "openioc")
        everything += types(found)
        assert len(found) == path.read_bytes().count(b"<IndicatorItem "), path
    assert everything == OPENIOC


def test_stix2(real_data: Path) -> None:
    paths = files(real_data, "stix2/*.stix2", "stix2/oasis-examples/**/*.json")
    assert len(paths) == 10
    count = 0
    bad: list[Refused] = []
    for path in paths:
        found = read(path, "stix2")
        bad.extend(one for one in found if isinstance(one, Refused))
        held = orjson.loads(path.read_bytes())
        asked = {one["id"] for one in held.get("objects", [held]) if one["type"] == "indicator"}
        assert asked <= {_place(one) for one in found}, path
        count += len(asked)
    assert count == STIX2_INDICATORS
    (one,) = bad
    assert "domain autuo.xicp.net" in one.reason  # a typing error in the report


def test_a_bundle_names_what_its_indicators_belong_to(real_data: Path) -> None:
    found = read(real_data / "intel/stix2/cytrox.stix2", "stix2")
    assert {one.malware for one in found if isinstance(one, Claim)} == {("Predator",)}
    assert [(one.kind, one.name) for one in found if isinstance(one, Mention)] == [("malware", "Predator")]


def test_three_formats_of_one_report_agree(real_data: Path) -> None:
    """Whoever exported them left out other things, but a value that stands in all is one indicator."""
    for path in files(real_data, "citizenlab/*/misp.json"):
        values = [
            {(one.type, one.value) for one in read(path.parent / name, format) if isinstance(one, Claim)}
            for name, format in (("misp.json", "misp"), ("stix.xml", "stix1"))
        ]
        for type in ("domain", "ipv4", "url", "md5"):
            misp, stix = ({value for kind, value in held if kind == type} for held in values)
            assert misp == stix, (path, type)
