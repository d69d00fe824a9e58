"""What every format of intelligence keeps to: no bytes make it fail, and all that it claims is normal."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vizsla import feeds
from vizsla.errors import FeedError
from vizsla.feeds import _template
from vizsla.intel.normal import TYPES, normal
from vizsla.nouns.indicator import Claim, Mention, Refused

NAMES = [*feeds.registry(), "template"]
SEEDS = [
    b'{"type": "bundle", "id": "bundle--11111111-1111-4111-8111-111111111111", "objects": [{"type": "indicator",'
    b' "id": 5, "pattern": "[domain-name:value = \'a.example.com\']"}]}',
    b'{"response": [{"Event": {"uuid": "x", "Attribute": [{"type": "md5",'
    b' "value": "d41d8cd98f00b204e9800998ecf8427e"}]}}]}',
    b'<ioc xmlns="http://schemas.mandiant.com/2010/ioc"><definition><Indicator operator="OR"><IndicatorItem id="a">'
    b'<Context search="Network/DNS"/><Content>a.example.com</Content></IndicatorItem></Indicator></definition></ioc>',
    b'<s:STIX_Package xmlns:s="http://stix.mitre.org/stix-1"><s:Indicator><i:Observable><c:Object><c:Properties '
    b'type="DomainNameObjectType"><d:Value>a.example.com</d:Value></c:Properties></c:Object></i:Observable>'
    b"</s:Indicator></s:STIX_Package>",
    b"indicator,type\na.example.com,domain\n192.0.2.1,ip\n",
    b"# T1059 was seen\nhxxp://a[.]example[.]com/x\n",
    b"2024-05-01T10:00:00Z|domain|a.example.com|90|x\n",
]
HOSTILE = {
    "deep lists": b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "deep elements": b"<a>" * 200_000,
    "no end": b'{"objects": [{"type": "indicator", "pattern": "' + b"x" * 2_000_000,
    "laughs": b'<!DOCTYPE x [<!ENTITY a "h"><!ENTITY b "&a;&a;">]><STIX_Package x="stix.mitre.org">&b;</STIX_Package>',
    "nul": b"\0" * 100_000,
    "long line": b"a" * 5_000_000,
    "many commas": b"," * 1_000_000,
    "quotes": b'"' * 300_000,
    "brackets": b"[.](" * 200_000,
    "dots": b"a." * 300_000,
    "utf-16": "a.example.com\n".encode("utf-16"),
    "invalid": bytes(range(256)) * 500,
    "empty": b"",
}


def format_of(name: str) -> feeds.Feed:
    return _template.FORMAT if name == "template" else feeds.find(name)


def kept(path: Path, name: str) -> int:
    """Reads a file to its end, or to its FeedError, and looks at all that came."""
    count = 0
    try:
        for one in format_of(name).read(path, "mine"):
            count += 1
            assert isinstance(one, Claim | Mention | Refused)
            if isinstance(one, Claim):
                assert one.type in TYPES
                assert normal(one.type, one.value) == one.value
                assert one.feed == "mine"
                assert one.confidence is None or 0 <= one.confidence <= 100
                times = (one.valid_from, one.valid_until, one.first_seen, one.last_seen, one.created, one.modified)
                assert all(when is None or when.utcoffset() is not None for when in times)
            elif isinstance(one, Refused):
                assert one.place
                assert one.reason
    except FeedError as error:
        assert error.fix
    return count


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_end_soon(tmp_path: Path, name: str, case: str) -> None:
    path = tmp_path / "feed.txt"
    path.write_bytes(HOSTILE[case])
    began = time.process_time()
    assert 0.0 <= format_of(name).sniff(HOSTILE[case][:65_536], path.name) <= 1.0
    kept(path, name)
    assert time.process_time() - began < 20


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.sampled_from(SEEDS), data=st.data())
def test_damaged_files_are_read_or_refused(tmp_path: Path, name: str, seed: bytes, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(seed)))
    end = data.draw(st.integers(begin, min(len(seed), begin + 20)))
    content = seed[:begin] + data.draw(st.binary(max_size=8)) + seed[end:]
    path = tmp_path / "feed"
    path.write_bytes(content)
    assert 0.0 <= format_of(name).sniff(content, "feed") <= 1.0
    kept(path, name)


@pytest.mark.real_data
@pytest.mark.parametrize("name", list(feeds.registry()))
def test_all_claims_of_public_reports_are_normal(real_data: Path, name: str) -> None:
    """Each format's own files, one of a folder."""
    found = 0
    for folder in sorted((real_data / "intel").glob("*/*")):
        paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else [folder]
        if "warninglists" in folder.parts:
            continue
        for path in paths:
            chosen = feeds.sniffed(path)
            if chosen is not None and chosen.name == name and path.stat().st_size < 200_000:
                found += kept(path, name)
                break
    assert found
