"""Names that nobody made, from events to sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hunt_samples import DAY, HOUR, START, SYSTEM32, Event, guid, lake_of, process, sysmon
from vizsla.analytics.generated_names import ANALYTIC, QUIET, Names, label
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of
from vizsla.text.characters import Characters

BROWSER = "C:\\Program Files\\browser.exe"


def asks(at: int, host: str, name: str, key: object) -> Event:
    return sysmon(22, at, host, Image=BROWSER, QueryName=name, ProcessGuid=guid(key), QueryStatus="0")


def installs(at: int, host: str, name: str) -> Event:
    return {"table": "windows_system", "_time": at, "_host": host, "EventID": "7045", "Channel": "System",
            "Computer": host, "ServiceName": name, "ImagePath": "%COMSPEC% /c x"}  # fmt: skip


def quiet(days: range) -> list[Event]:
    events = []
    for day in days:
        at = START + day * DAY + 9 * HOUR
        for place, name in enumerate(("www.exampleshop.com", "mail.companyname.org", "cdn.mfadsrvr.com")):
            events.append(asks(at + place, "ws1", name, (day, place)))
        events.append(process(at, "ws1", BROWSER, key=day))
    return events


def found(tmp_path: Path, engine: Any, hunted: list[Event]) -> list[dict[str, Any]]:
    baseline, hunt = lake_of(tmp_path / "baseline", quiet(range(6))), lake_of(tmp_path / "hunt", hunted)
    state = ANALYTIC.learn(engine, scans_of(baseline, engine))
    return observe(engine, scans_of(hunt, engine), ANALYTIC, state).sort_by([("score", "descending")]).to_pylist()


def test_names_of_the_house_are_quiet(tmp_path: Path, duckdb_engine) -> None:
    rows = found(tmp_path, duckdb_engine, quiet(range(20, 21)))
    assert sorted((row["n"], row["why"]) for row in rows) == [(1, QUIET), (3, QUIET)]


def test_a_drawn_domain_and_a_drawn_service(tmp_path: Path, duckdb_engine) -> None:
    at = START + 20 * DAY
    evil = [asks(at, "ws1", "cdn.xkqjw3vzt9hpq.com", "evil"), installs(at, "ws1", "QzRwXkLmPvTb")]
    rows = found(tmp_path, duckdb_engine, [*evil, *quiet(range(20, 21))])
    assert {row["pattern"] for row in rows[:2]} == {"domain named at random", "service named at random"}
    domain = next(row for row in rows if row["pattern"].startswith("domain"))
    assert domain["why"] == (
        "xkqjw3vzt9hpq (domain cdn.xkqjw3vzt9hpq.com) is over a million times likelier drawn at random "
        "than made of words or known names"
    )
    assert domain["process_guid"] == guid("evil").strip("{}")
    assert min(row["score"] for row in rows[:2]) > 8 > rows[2]["score"]


def test_a_domain_that_looks_like_one_of_the_house(tmp_path: Path, duckdb_engine) -> None:
    evil = asks(START + 20 * DAY, "ws1", "mail.companynarne.org", "evil")
    first = found(tmp_path, duckdb_engine, [evil, *quiet(range(20, 21))])[0]
    assert first["why"] == (
        "companynarne, never asked for before, looks like companyname, which was asked for on 6 host-days"
    )
    assert first["pattern"] == "companynarne looks like companyname"


def test_abbreviations_that_windows_brings_are_usual_however_they_look() -> None:
    names = Names("service", Characters.of(), {})
    shipped, other = names.said(["cbdhsvc_3a9f1", "cbdhxvq_3a9f1"])
    assert shipped == (0.0, QUIET, "a usual service")
    assert other[0] > 3


def test_likeness_is_worth_less_where_domains_are_alike_by_chance() -> None:
    alike = {f"shop{letter}{other}site": 9 for letter in "abcdefgh" for other in "abcdefgh"}
    many, one = (Names("domain", Characters.of(), known) for known in (alike, {"shopaasite": 9}))
    assert many.said(["shopzasite.com"])[0][0] < one.said(["shopzasite.com"])[0][0]


@pytest.mark.parametrize(
    ("kind", "name", "own"),
    [("program", "C:\\Temp\\Tool.v2.exe", "tool.v2"), ("service", "CDPUserSvc_3a9f1", "cdpusersvc"),
     ("service", "my_service", "my_service"), ("domain", "a.b.example.org", "example"), ("service", "", "")],
)  # fmt: skip
def test_what_was_chosen_of_a_name(kind: str, name: str, own: str) -> None:
    assert label(kind, name) == own


def test_without_a_baseline_words_are_known(tmp_path: Path, duckdb_engine) -> None:
    events = [process(START, "ws1", SYSTEM32 + "xqzkvwpjtrmh.exe", key=1), process(START, "ws1", BROWSER, key=2)]
    lake = lake_of(tmp_path / "lake", events)
    rows = observe(duckdb_engine, scans_of(lake, duckdb_engine), ANALYTIC, None).sort_by("score").to_pylist()
    assert [(row["score"] > 4, row["n"]) for row in rows] == [(False, 2), (True, 1)]
