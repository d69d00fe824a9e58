"""The steps of processes: who stands above whom, what follows what, and what is told of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hunt_samples import DAY, HOUR, MINUTE, SECOND, START, SYSTEM32, Event, guid, lake_of, process
from vizsla.analytics.sequence import ANALYTIC, QUIET
from vizsla.charts import draw
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of
from vizsla.sequence.starts import starts_of

EXPLORER, SHELL, WORD = "C:\\Windows\\explorer.exe", f"{SYSTEM32}cmd.exe", "C:\\Program Files\\winword.exe"
ROUND = ("ipconfig.exe", "ping.exe", "tracert.exe")


def shell(at: int, host: str, above: str, steps: tuple[str, ...], key: object) -> Iterator[Event]:
    """A program that starts a shell, which starts these in turn."""
    yield process(at, host, above, "C:\\Windows\\System32\\userinit.exe", key=(key, "above"))
    yield process(at + SECOND, host, SHELL, above, key=(key, "shell"), ParentProcessGuid=guid((key, "above")))
    for place, step in enumerate(steps):
        yield process(at + (2 + place) * SECOND, host, SYSTEM32 + step, SHELL, key=(key, place),
                      ParentProcessGuid=guid((key, "shell")))  # fmt: skip


def quiet(days: range) -> list[Event]:
    """Every hour an administrator looks at the network, always in the same order; Word starts nothing."""
    events = []
    for day in days:
        for hour in range(8, 18):
            at = START + day * DAY + hour * HOUR
            events += shell(at, "ws1", EXPLORER, ROUND, (day, hour))
            above = guid(((day, hour), "above"))
            events.append(process(at + MINUTE, "ws1", WORD, EXPLORER, key=(day, hour, 9), ParentProcessGuid=above))
    return events


def found(tmp_path: Path, engine: Any, hunted: list[Event], more: Iterable[Event] = ()) -> list[dict[str, Any]]:
    """What is observed by what quiet days, and more events, taught; the oddest first."""
    baseline, hunt = lake_of(tmp_path / "baseline", [*quiet(range(6)), *more]), lake_of(tmp_path / "hunt", hunted)
    state = ANALYTIC.learn(engine, scans_of(baseline, engine))
    return observe(engine, scans_of(hunt, engine), ANALYTIC, state).sort_by([("score", "descending")]).to_pylist()


def test_what_is_as_always_is_quiet(tmp_path: Path, duckdb_engine) -> None:
    rows = found(tmp_path, duckdb_engine, quiet(range(10, 11)))
    assert sum(row["n"] for row in rows) == 60
    assert len(rows) == 6  # one for each program
    assert rows[0]["score"] < 1
    assert {row["why"] for row in rows} == {QUIET}
    assert all(row["picture"] is None for row in rows)


def test_a_foreign_grandparent_is_told_with_the_usual_one(tmp_path: Path, duckdb_engine) -> None:
    prints = (e for day in range(6) for e in shell(START + (day * 24 + 9.5) * HOUR, "ws1", WORD, ("print.exe",), day))
    rows = found(tmp_path, duckdb_engine, list(shell(START + 10 * DAY, "ws1", WORD, ROUND, "evil")), prints)
    assert all(row["pattern"].startswith("winword.exe > cmd.exe > ") for row in rows[:3])
    first = next(row for row in rows if row["pattern"] == "winword.exe > cmd.exe > ipconfig.exe")
    assert first["score"] > 4
    assert first["why"] == (
        "winword.exe stands above cmd.exe > ipconfig.exe: 0 of 60 times before; usual there: explorer.exe (60)"
    )
    assert first["process_guid"] == guid(("evil", 0)).strip("{}")
    assert first["kind"] == "windows_sysmon:1"


def test_a_foreign_parent_is_left_to_rarity_whatever_its_child_starts(tmp_path: Path, duckdb_engine) -> None:
    rows = found(tmp_path, duckdb_engine, list(shell(START + 10 * DAY, "ws1", WORD, ROUND, "evil")))
    assert max(row["score"] for row in rows) < 1


def test_a_step_out_of_order_is_told_with_what_is_usual_and_drawn(tmp_path: Path, duckdb_engine) -> None:
    steps = ("ipconfig.exe", "ping.exe", "ipconfig.exe")
    rows = found(tmp_path, duckdb_engine, list(shell(START + 10 * DAY, "ws1", EXPLORER, steps, "odd")))
    first = rows[0]
    assert first["why"] == (
        "ipconfig.exe was started by cmd.exe right after ping.exe: 0 of 60 times before; usual there: tracert.exe (60)"
    )
    assert first["pattern"] == "cmd.exe: ping.exe > ipconfig.exe"
    picture = json.loads(first["picture"])
    assert [name for name, _ in picture["steps"]] == list(steps)
    assert picture["marked"] == 2
    says, _ = draw(picture)
    assert "order" in says


def test_the_consoles_that_windows_opens_are_no_steps(tmp_path: Path, duckdb_engine) -> None:
    with_consoles = ("ipconfig.exe", "conhost.exe", "ping.exe", "conhost.exe", "tracert.exe")
    rows = found(tmp_path, duckdb_engine, list(shell(START + 10 * DAY, "ws1", EXPLORER, with_consoles, "seen")))
    assert sum(row["n"] for row in rows) == 7
    assert max(row["score"] for row in rows) < 1


def test_what_is_rare_everywhere_is_left_to_rarity(tmp_path: Path, duckdb_engine) -> None:
    rows = found(tmp_path, duckdb_engine, [process(START + 10 * DAY, "ws1", "C:\\odd.exe", "C:\\never.exe", key=1)])
    assert [row["score"] for row in rows] == [0.0]


def test_parents_are_found_by_process_id_where_there_is_no_guid(tmp_path: Path, duckdb_engine) -> None:
    def start(at: int, pid: int, image: str, parent_pid: int, parent: str) -> Event:
        return {"table": "windows_security", "_time": START + at * SECOND, "_host": "dc", "EventID": "4688",
                "Computer": "dc", "Channel": "Security", "NewProcessId": hex(pid), "NewProcessName": image,
                "ProcessId": hex(parent_pid), "ParentProcessName": parent}  # fmt: skip

    events = [
        start(0, 8, EXPLORER, 4, "C:\\u.exe"),
        start(1, 12, SHELL, 8, EXPLORER),
        start(2, 16, "C:\\a.exe", 12, SHELL),
        start(3, 12, WORD, 8, EXPLORER),  # the number is used again
        start(4, 20, "C:\\b.exe", 12, WORD),
        start(5, 24, "C:\\c.exe", 12, SHELL),  # by a parent that is not the last one of this number
    ]
    lake = lake_of(tmp_path / "lake", events)
    (starts,) = starts_of(duckdb_engine, scans_of(lake, duckdb_engine))
    assert starts.up.tolist() == [-1, 0, 1, 0, 3, -1]
    assert starts.before.tolist() == [-1, -1, -1, 1, -1, 2]


def test_nothing_reaches_over_midnight(tmp_path: Path, duckdb_engine) -> None:
    late = START + DAY - 2 * SECOND
    lake = lake_of(tmp_path / "lake", list(shell(late, "ws1", EXPLORER, ROUND, "night")))
    (starts,) = starts_of(duckdb_engine, scans_of(lake, duckdb_engine))
    assert starts.up.tolist() == [-1, 0, -1, -1, -1]
    assert starts.before.tolist() == [-1, -1, -1, 2, 3]


def test_many_starts_are_read_in_parts_of_whole_host_days(tmp_path: Path, duckdb_engine, monkeypatch) -> None:
    events = [*quiet(range(3)), *shell(START + DAY, "ws2", EXPLORER, ROUND, "other")]
    scans = scans_of(lake_of(tmp_path / "lake", events), duckdb_engine)
    whole = ANALYTIC.learn(duckdb_engine, scans)
    seen = sorted(map(repr, observe(duckdb_engine, scans, ANALYTIC, whole).to_pylist()))
    for at_once in (150, 60, 1):
        monkeypatch.setattr("vizsla.sequence.starts.AT_ONCE", at_once)
        parts = list(starts_of(duckdb_engine, scans))
        assert len(parts) == {150: 2, 60: 4, 1: 4}[at_once]
        assert sum(map(len, parts)) == len(events)
        learnt = ANALYTIC.learn(duckdb_engine, scans)
        assert whole is not None
        assert learnt is not None
        assert all(learnt[name].equals(whole[name]) for name in whole)
        assert sorted(map(repr, observe(duckdb_engine, scans, ANALYTIC, whole).to_pylist())) == seen


@pytest.mark.parametrize("marked", [5, -1, True, None, "1"])
def test_a_picture_that_marks_nothing_is_refused(marked: object) -> None:
    with pytest.raises(ValueError, match="marked"):
        draw({"chart": "steps", "steps": [["a", 1.0], ["b", 2.0]], "marked": marked})
