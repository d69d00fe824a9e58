"""Days that are ranked some at a time rank as all of them at once, whatever meets across midnight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from artifact_samples import TOOL, artifacts, calls, computer, connection, on_disk, quiet
from hunt_samples import DAY, HOUR, SECOND, START, Event, attack, guid, lake_of, process, sysmon
from vizsla.analytics.rarity import days
from vizsla.analytics.rarity import model as rarity
from vizsla.analytics.rarity.share import Share, hours
from vizsla.engines import connect
from vizsla.hunt.scope import scans_of
from vizsla.lake import Lake, Scan
from vizsla.triage.anchor import NO_LINEAGES, processes
from vizsla.triage.assemble import lines, patterns
from vizsla.triage.replay import Ranked, Replay, anchored_of, ranked, replay, speaking

SHELL = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
PEER = "203.0.113.66"
ODD = START + 1_000 * DAY  # later than the logs are read: the lake stores it without a day
Learnt = tuple[rarity.Model, Replay]


def tallied(lake: Lake) -> rarity.Tallied:
    with connect("duckdb") as engine:
        return rarity.tally(engine, scans_of(lake, engine))


def whatever(host: str, day: int) -> list[Event]:
    """A quiet day in the event log and on the wire: nothing that lists what is there."""
    own = quiet(host, day)
    return [event for event in own if event not in artifacts(own)]


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Learnt:
    events = [event for n in range(5) for day in range(8) for event in whatever(f"ws{n}", day)]
    found = tallied(lake_of(tmp_path_factory.mktemp("learnt") / "lake", events))
    model = rarity.learn(found)
    return model.model, replay(found, model)[0]


def told(ranking: Ranked) -> list[object]:
    """Findings with their lines, told by what does not hang on where in an array something stands."""
    made = patterns(ranking, {})
    rows, keys = lines(ranking, made), ranking.weigher.units.key.tolist()
    return [
        (
            replace(pattern, episode=0, episodes=()),
            [
                (
                    line.kind,
                    line.bits,
                    line.count,
                    sorted(keys[ranking.ties.unit[ranking.lit.at[p]]] for p in line.places),
                )
                for line in rows[pattern.episode]
            ],
        )
        for pattern in made
    ]


def by_shares(lake: Lake, learnt: Learnt, held: int, monkeypatch: pytest.MonkeyPatch) -> tuple[Ranked, list[Share]]:
    monkeypatch.setattr(days, "HELD", held)
    parts, shares, lineages = [], [], NO_LINEAGES
    with connect("duckdb") as engine:
        for share in days.tallied(engine, days.plan(scans_of(lake, engine))):
            units = rarity.scored(share.tallied.units, learnt[0].score)
            table = processes(share.tallied.starts, lineages)
            parts.append(speaking(share, anchored_of(share.tallied, table), units, learnt[1].tails))
            lineages = table.lineages(share.end)
            shares.append(share)
    return ranked(parts, shares[-1].tallied.words, learnt[1].tails), shares


def whole(lake: Lake, learnt: Learnt) -> Ranked:
    found = tallied(lake)
    units = rarity.scored(found.units, learnt[0].score)
    return ranked([speaking(Share(found), anchored_of(found), units, learnt[1].tails)], found.words, learnt[1].tails)


def at_midnight(day: int, host: str, beside: int, after: int = -SECOND) -> list[Event]:
    """A process begun long before that calls out so long after midnight; a sensor tells of it so much later."""
    at = START + day * DAY + after
    return [
        process(
            at - 2 * DAY - HOUR, computer(host), SHELL, key=(host, day), CommandLine="powershell -enc " + "SQBF" * 20
        ),
        process(at - HOUR, computer(host), TOOL, key=(host, day, "below"), ParentProcessGuid=guid((host, day))),
        calls(at, host, TOOL, (host, day, "below"), PEER, "4444"),
        connection(at + beside, host, PEER, "4444"),
    ]


def by_pid(at: int, later: int) -> list[Event]:
    """A process start that names no GUID, and what its pid did so much later."""
    own = {"table": "windows_security", "_host": computer("ws1"), "Computer": computer("ws1"), "Channel": "Security"}
    return [
        {**own, "_time": at, "EventID": "4688", "NewProcessId": "0x1a40", "ProcessId": "0x99c", "NewProcessName": TOOL,
         "ParentProcessName": "C:\\Windows\\explorer.exe", "CommandLine": f"{TOOL} --quietly"},
        {**own, "_time": at + later, "EventID": "4663", "ProcessId": "0x1a40", "ProcessName": TOOL,
         "ObjectName": "C:\\Windows\\NTDS\\ntds.dit"},
    ]  # fmt: skip


def installed(day: int, lag: int) -> list[Event]:
    """A service that one log tells of just before midnight, and another so much later."""
    at = START + day * DAY - 10 * SECOND
    own = {"_host": computer("ws2"), "Computer": computer("ws2")}
    return [
        {**own, "table": "windows_security", "_time": at, "EventID": "4697", "ServiceFileName": TOOL,
         "SubjectLogonId": "0x51234"},
        {**own, "table": "windows_system", "_time": at + lag, "EventID": "7045", "ImagePath": TOOL},
    ]  # fmt: skip


def generations(first: int, last: int) -> list[Event]:
    """A process a day, each below that of the day before; the last two are told by their pids alone."""
    made = [
        process(START + day * DAY + 9 * HOUR, computer("ws0"), f"C:\\Users\\Public\\gen{day}.exe", key=("gen", day),
                ParentProcessGuid=guid(("gen", day - 1)), ParentImage=TOOL)
        for day in range(first, last)
    ]  # fmt: skip
    above = int(guid(("gen", last - 1))[1:5], 16) // 4 * 4 + 1000
    own = {"table": "windows_security", "_host": computer("ws0"), "Computer": computer("ws0"), "Channel": "Security"}
    for number, ppid in ((0x2B40, above), (0x2B44, 0x2B40)):
        at = START + last * DAY + 2 * HOUR + number * SECOND // 4
        made.append({**own, "_time": at, "EventID": "4688", "NewProcessId": hex(number), "ProcessId": hex(ppid),
                     "NewProcessName": TOOL, "CommandLine": f"{TOOL} -x"})  # fmt: skip
    return made


ACROSS = {
    "nothing": [],
    "generations": generations(28, 33),
    "a sensor": [*at_midnight(31, "ws1", 3 * SECOND), *at_midnight(32, "ws2", 9 * SECOND), *at_midnight(33, "ws3", 0)],
    "a sensor that is early": at_midnight(31, "ws1", -3 * SECOND, after=SECOND),
    "a pid": [*by_pid(START + 31 * DAY - 3 * HOUR, 5 * HOUR), *by_pid(START + 33 * DAY - SECOND, -SECOND)],
    "a service": [*installed(31, 20 * SECOND), *installed(33, -30 * SECOND)],
    "a pairing told later": [
        sysmon(3, START + 32 * DAY - SECOND, computer("ws1"), ProcessId="7200", Image=TOOL, DestinationIp=PEER),
        process(START + 32 * DAY + SECOND // 2, computer("ws1"), TOOL, key="late", ProcessId="7200"),
    ],
    "times that the lake found odd": [
        *attack(computer("ws1"), ODD),
        *attack(computer("ws2"), ODD - HOUR),
        sysmon(3, None, computer("ws3"), Image=TOOL, DestinationIp=PEER),
    ],
}


@pytest.mark.parametrize("held", [1, 1_000])
@pytest.mark.parametrize("name", list(ACROSS))
def test_shares_of_days_rank_as_all_days_at_once(
    learnt: Learnt, name: str, held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [event for n in range(4) for day in range(29, 34) for event in whatever(f"ws{n}", day)]
    lake = lake_of(tmp_path / "lake", [*events, *attack(computer("ws3"), START + 30 * DAY + HOUR), *ACROSS[name]])
    some, shares = by_shares(lake, learnt, held, monkeypatch)
    assert len(shares) > (4 if held == 1 else 1)
    assert told(some) == told(whole(lake, learnt)) != []
    # What was counted is of its own days alone, once.
    for kind, columns in tallied(lake).units.items():
        own = [hours(s.tallied.units[kind], s.begin, s.end) for s in shares if kind in s.tallied.units]
        assert sorted(np.concatenate([one["n"] for one in own])) == sorted(columns["n"])


def test_what_lists_what_is_there_is_one_share(tmp_path: Path) -> None:
    lake = lake_of(tmp_path / "lake", [*whatever("ws1", 3), *whatever("ws1", 4), on_disk(START, "ws1", TOOL)])
    with connect("duckdb") as engine:
        planned = days.plan(scans_of(lake, engine))
    assert len(planned.shares) == 1
    assert planned.undated == []


def test_nothing_but_odd_times(learnt: Learnt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = lake_of(tmp_path / "lake", attack(computer("ws1"), ODD))
    some, shares = by_shares(lake, learnt, 1, monkeypatch)
    assert len(shares) == 1
    assert told(some) == told(whole(lake, learnt)) != []


def test_nothing_at_all() -> None:
    nothing: list[Scan] = []
    with connect("duckdb") as engine:
        (share,) = days.tallied(engine, days.plan(nothing))
    assert share.tallied.events == 0
