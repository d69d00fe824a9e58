"""Whoever waits for a large file is told how far its reading is, whatever its format."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vizsla.feeds import _opened, sniffed
from vizsla.intel.add import add
from vizsla.intel.store import Store
from vizsla.lake import Lake

IOC = '<ioc xmlns="http://schemas.mandiant.com/2010/ioc"><definition><Indicator>{}</Indicator></definition></ioc>'
PAGE = "<!doctype html><html><body>{}</body></html>"
STIX = '{{"type": "bundle", "id": "bundle--11111111-1111-4111-8111-111111111111", "objects": [{}]}}'
FILES = {
    "plain": ("a.txt", "{}", "h{}.bad-name-of-many.com\n"),
    "table": ("a.csv", "type,value,comment\n{}", "domain,h{}.bad-name.com,seen\n"),
    "json_values": ("a.jsonl", "{}", '{{"domain": "h{}.bad-name.com"}}\n'),
    "stix2": ("a.json", STIX, '{{"type": "x", "name": "{}"}},'),
    "openioc": ("a.ioc", IOC, "<IndicatorItem id='{}'/>"),
    "report": ("a.md", "{}", "It called h{}[.]bad-name[.]com and others.\n\n"),
}


@pytest.mark.parametrize("name", [*FILES, "page"])
def test_how_far_a_file_is_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(_opened, "BUFFER", 4_096)
    file, around, one = FILES.get(name, ("a.html", PAGE, "<p>It called h{}[.]bad-name[.]com.</p>"))
    path = tmp_path / file
    path.write_text(around.format("".join(one.format(number) for number in range(40_000)).rstrip(",")), "utf-8")
    found = sniffed(path)
    assert found is not None
    assert found.name == (name if name in FILES else "report")
    monkeypatch.setattr("vizsla.feeds._json.WHOLE", 0)
    said: list[tuple[int, int, str]] = []
    store = Store(Lake.open(tmp_path / "lake", create=True))
    add(store, [str(path)], now=datetime(2026, 11, 1, tzinfo=UTC), progress=lambda *told: said.append(told))
    assert len({what for _, _, what in said}) > 1
    assert all(what.endswith(f"MiB of {path}") for _, _, what in said)


def test_a_compressed_feed_is_not_unpacked_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "list.csv.gz"
    path.write_bytes(gzip.compress(b"type,value\n" + b"domain,evil.example.com\n" * 1_000_000))
    store = Store(Lake.open(tmp_path / "lake", create=True))
    (file,) = add(store, [str(path)], now=datetime(2026, 11, 1, tzinfo=UTC)).unknown
    assert file.note == "it is compressed: unpack it first"
