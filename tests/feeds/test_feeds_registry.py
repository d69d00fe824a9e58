"""The registry of formats: what is in the package is known, what is broken is told, the surest takes a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from vizsla import feeds
from vizsla.errors import FeedError
from vizsla.feed import Feed
from vizsla.feeds import _template
from vizsla.nouns.indicator import Claim, Refused


def test_all_formats_load_and_are_told() -> None:
    assert feeds.failures() == {}
    for name, feed in feeds.registry().items():
        assert isinstance(feed, Feed)
        assert feed.name == name
        assert len(feed.doc) > 10


def test_an_unknown_name_tells_the_known() -> None:
    with pytest.raises(FeedError, match="no format") as error:
        feeds.find("nothing")
    assert "use one of" in error.value.fix


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="cannot be opened"):
        feeds.sniffed(tmp_path / "missing")
    assert feeds.sniffed(tmp_path) is None


@pytest.mark.parametrize("head", [b"", b"\0" * 5000, b"{", b"<", b"[" * 5000, b"\xff\xfe<\0?\0", b"PK\x03\x04"])
def test_no_format_fails_on_bytes(head: bytes) -> None:
    for feed in feeds.registry().values():
        assert 0.0 <= feed.sniff(head, "x.json") <= 1.0


def test_the_template_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.bars"
    path.write_text("2024-05-01T10:00:00Z|domain|Evil[.]example.com|90|beacon\nx|y\n2024-05-01T10:00:00Z|no|x|1|\n")
    assert _template.FORMAT.sniff(path.read_bytes(), "a.bars") > 0.5
    claim, few, unknown = _template.FORMAT.read(path, "mine")
    assert isinstance(claim, Claim)
    assert (claim.type, claim.value, claim.raw, claim.confidence) == (
        "domain", "evil.example.com", "Evil[.]example.com", 90,
    )  # fmt: skip
    assert claim.created == datetime(2024, 5, 1, 10, tzinfo=UTC)
    assert few == Refused("a.bars, line 2", "not five fields")
    assert isinstance(unknown, Refused)
