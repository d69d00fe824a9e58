"""`vizsla doctor` about what a lake keeps: rules, indicators, and feeds that nobody asked for long."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from intel_samples import NOW, claim
from vizsla.faces.checks import Check, checks
from vizsla.intel import kept
from vizsla.intel.store import Store
from vizsla.lake import Lake
from vizsla.sigma.book import RuleBook


def told(lake: Path) -> dict[str, Check]:
    return {check.what: check for check in checks(str(lake))}


def test_a_lake_that_keeps_nothing_says_which_command_adds_it(tmp_path: Path) -> None:
    Lake.open(tmp_path / "lake", create=True)
    for place in (tmp_path / "lake", tmp_path / "nothing"):
        found = told(place)
        assert found["rules"].state == found["intelligence"].state == "absent"
        assert "vizsla rules add" in found["rules"].more
        assert "vizsla intel add" in found["intelligence"].more
    assert not (tmp_path / "nothing").exists()


def test_rules_and_where_they_came_from(tmp_path: Path) -> None:
    (tmp_path / "shells").mkdir()
    rule = "title: A\nlogsource: {product: windows}\ndetection: {s: {Image: a}, condition: s}\n"
    (tmp_path / "shells" / "a.yml").write_text(rule)
    (tmp_path / "shells" / "b.yml").write_text("title: B\ndetection: 1\n")
    RuleBook(Lake.open(tmp_path / "lake", create=True)).add(tmp_path / "shells", now=NOW)
    found = told(tmp_path / "lake")
    assert found["rules"] == Check("rules", "ok", "1 rule; 1 cannot be used (vizsla rules list --refused)")
    assert found["rules shells"].more.startswith(f"2 files of {tmp_path / 'shells'}, read 2026-11-22 12:00")
    (tmp_path / "shells").rename(tmp_path / "moved")
    assert "that path is gone" in told(tmp_path / "lake")["rules shells"].more


@pytest.mark.parametrize(
    ("days", "error", "state", "says"),
    [
        (None, "", "absent", "never pulled"),
        (1, "", "ok", "next "),
        (30, "", "absent", "stale, due "),
        (1, "2026-11-01 it refused", "broken", "it refused"),
    ],
)
def test_feeds_that_were_not_asked_for_long_are_told(
    tmp_path: Path, days: int | None, error: str, state: str, says: str
) -> None:
    store = Store(Lake.open(tmp_path / "lake", create=True))
    now = datetime.now(UTC)
    store.add([claim("a.bad-name.com"), claim("b.bad-name.com")], "alpha", now=now)
    name = kept.add_server(store, "https://taxii.example.org/", "taxii", now=now, name="partners")
    pulled = "" if days is None else (now - timedelta(days=days)).isoformat(timespec="seconds")
    with store.lake.writing():
        kept.save(store, [replace(kept.load(store)[name], pulled=pulled, state=error)])
    found = told(tmp_path / "lake")
    assert found["intelligence"] == Check("intelligence", "ok", "2 indicators of 1 feed")
    assert found["feed partners"].state == state
    assert says in found["feed partners"].more
    assert found["feed partners"].more.startswith("taxii https://taxii.example.org/")
