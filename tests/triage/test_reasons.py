"""Every figure of a reason against a count over the raw rows, made in another way."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from hunt_samples import DAY, HOUR, MINUTE, START, attack, company, lake_of, sysmon
from vizsla.analytics.rarity.fields import profile
from vizsla.hunt import hunt, learn
from vizsla.nouns import Finding, HuntRequest, Reason
from vizsla.shape import shape as shape_of
from vizsla.triage.reasons import INSTEAD, MOST

shape = cache(shape_of)
EVIL = START + 30 * DAY + 10 * HOUR + 5 * MINUTE
LEARNT = company(4, range(6))
HUNTED = [
    *company(4, [30]),
    *attack("ws3", EVIL),
    sysmon(20, EVIL, "ws1", Destination="cmd.exe /c evil", User="CORP\\user"),
]


@pytest.fixture(scope="module", params=["with a baseline", "without"])
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Any], tuple[Finding, ...]]:
    """The rows that reasons speak of, and the findings."""
    home = tmp_path_factory.mktemp("reasons")
    lake_of(home / "hunted", HUNTED)
    name, rows = None, HUNTED
    if request.param == "with a baseline":
        learn([], lake_of(home / "learnt", LEARNT), "normal")
        name, rows = str(home / "learnt" / "baselines" / "normal" / "1"), LEARNT
    asked = HuntRequest(lake=str(home / "hunted"), baseline=name, analytics=("rarity",), top=1000)
    return rows, hunt(asked).findings


def actor_of(row: dict[str, Any]) -> str:
    own = profile(row["table"])
    return next((shape(row[c]) for c in own.actor if row.get(c) not in (None, "", "-")), "")


def checked(reason: Reason, kind: str, rows: list[dict[str, Any]]) -> None:
    table, _, event = kind.partition(":")
    alike = [r for r in rows if r["table"] == table and r["EventID"] == event]
    own = profile(table)
    acting = reason.field in own.actor and reason.field not in own.also

    def value(row: dict[str, Any]) -> str:
        return actor_of(row) if acting else shape(row[reason.field]) if row.get(reason.field) else ""

    among = [r for r in alike if value(r) and (not reason.given or actor_of(r) == reason.given)]
    seen = [r for r in among if value(r) == reason.value]
    assert (reason.seen, reason.of) == (len(seen), len(among))
    assert (reason.hosts, reason.of_hosts) == (len({r["_host"] for r in seen}), len({r["_host"] for r in among}))
    times = [datetime.fromtimestamp(r["_time"] / 1e6, UTC) for r in seen]
    assert (reason.first, reason.last) == ((min(times), max(times)) if times else (None, None))
    others = Counter(value(r) for r in among if value(r) != reason.value)
    assert len(reason.usual) == min(INSTEAD, len(others))
    assert [u.count for u in reason.usual] == sorted(others.values(), reverse=True)[: len(reason.usual)]
    assert all(others[u.value] == u.count for u in reason.usual)


def test_every_figure_is_a_count(case: tuple[list[Any], tuple[Finding, ...]]) -> None:
    rows, findings = case
    done = 0
    for finding in findings:
        for line in finding.evidence:
            assert 1 <= len(line.reasons) <= MOST
            surprisals = [r.surprisal for r in line.reasons]
            assert surprisals == sorted(surprisals, reverse=True)
            known = any(
                r["table"] == line.kind.partition(":")[0] and r["EventID"] == line.kind.partition(":")[2] for r in rows
            )
            for reason in line.reasons if known else ():
                checked(reason, line.kind, rows)
                done += 1
    assert done > 10


def test_the_raw_value_is_the_events_own(case: tuple[list[Any], tuple[Finding, ...]]) -> None:
    _, findings = case
    for line in (line for f in findings for line in f.evidence):
        for reason in line.reasons:
            if reason.field in line.events[0].native:
                assert reason.raw == line.events[0].native[reason.field]
                assert reason.value in (shape(reason.raw), reason.raw)


def test_counts_of_a_line_are_its_events(case: tuple[list[Any], tuple[Finding, ...]]) -> None:
    _, findings = case
    for finding in findings:
        for line in finding.evidence:
            assert len({e.id for e in line.events}) == len(line.events)
            assert line.count >= len(line.events) > 0
            assert {e.table for e in line.events} == {line.kind.partition(":")[0]}
            assert {e.native["EventID"] for e in line.events} == {line.kind.partition(":")[2]}


def test_a_type_of_event_never_seen_says_so(case: tuple[list[Any], tuple[Finding, ...]]) -> None:
    rows, findings = case
    new = [line for f in findings for line in f.evidence if line.kind == "windows_sysmon:20"]
    if rows is HUNTED:  # held against itself it is known, once
        assert all(r.of <= 1 for line in new for r in line.reasons)
        return
    (reason,) = new[0].reasons
    table = [r for r in rows if r["table"] == "windows_sysmon"]
    assert (reason.field, reason.value, reason.seen, reason.of) == ("EventID", "20", 0, len(table))
    assert (reason.hosts, reason.of_hosts) == (0, len({r["_host"] for r in table}))
    top = Counter(r["EventID"] for r in table).most_common(INSTEAD)
    assert sorted(u.count for u in reason.usual) == sorted(n for _, n in top)
    assert "never seen" in reason.text
