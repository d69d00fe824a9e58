"""Evidence of one thing in one episode: what meets, what stays by itself, and what that is worth in a ranking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact_samples import (
    EXPLORER,
    TOOL,
    artifacts,
    calls,
    computer,
    connection,
    in_amcache,
    in_shimcache,
    on_disk,
    prefetched,
    starting,
    written,
)
from hunt_samples import DAY, HOUR, MINUTE, SECOND, START, Event, process, stamped, sysmon
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.model import Tallied, scored, tally
from vizsla.analytics.rarity.tally import TIE_KEY, TIE_SUM, UNIT_KEY, UNIT_SUM, Heap, Tally, unpacked
from vizsla.calibration import Floats, Tail
from vizsla.engines import connect
from vizsla.hunt.scope import scans_of
from vizsla.ingest import ingest
from vizsla.lake import Lake
from vizsla.triage import anchor
from vizsla.triage.episode import Episodes, FamilyTails, Trace, episodes, joined, lit
from vizsla.triage.meeting import PAIR, PLACE, PROCESS, SESSION, Anchors
from vizsla.triage.replay import anchored_of

NOON = START + 12 * DAY + 12 * HOUR + 3 * MINUTE
SHELL = "C:\\Windows\\System32\\cmd.exe"
PEER = "203.0.113.66"


def tallied(events: Sequence[Event]) -> Tallied:
    """A tally with no engine and no lake; every process a lineage of its own."""
    units: dict[str, Heap] = {}
    ties = Heap(TIE_KEY, TIE_SUM)
    for table, batches in stamped(events).items():
        for part, kind, found in unpacked(Tally(table)(iter(batches))):
            rows = {name: found[name].to_numpy() for name in found.schema.names}
            if part == "tie":
                ties.add(rows)
            elif part == "unit":
                units.setdefault(kind, Heap(UNIT_KEY, UNIT_SUM)).add(rows)
    return Tallied({kind: heap.columns() for kind, heap in sorted(units.items())}, ties=ties.columns())


def places(*events: Event) -> list[tuple[int, int, int, int]]:
    """(episode, its kind, its host, ten minutes) of each event."""
    whole = tallied(events)
    found = anchored_of(whole)
    made = []
    for event in events:
        alone = tallied([event]).ties  # the very tie, found again by its key
        same = np.ones(len(found.code), dtype=bool)
        for name in TIE_KEY:
            same &= whole.ties[name] == alone[name][0]
        (at,) = np.flatnonzero(same)
        made.append((int(found.code[at]), int(found.kind[at]), int(found.host[at]), int(found.slice[at])))
    return made


def started(at: int, path: str = TOOL, key: object = "own", host: str = "ws1") -> Event:
    return process(at, computer(host), path, EXPLORER, key=key)


RECORDS: list[Callable[..., Event]] = [on_disk, prefetched, in_amcache, in_shimcache, starting]


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("lag", [0, 7 * MINUTE, -3 * HOUR, -400 * DAY])
def test_a_record_of_a_file_is_of_the_one_lineage_that_ran_it(record: Callable[..., Event], lag: int) -> None:
    ran, listed = places(started(NOON), record(NOON + lag, "ws1", TOOL))
    assert ran == listed
    assert ran[1] == PROCESS


@pytest.mark.parametrize("record", RECORDS)
def test_a_file_that_many_lineages_ran_that_day_ties_nothing(record: Callable[..., Event]) -> None:
    runs = [started(NOON + n * 20 * MINUTE, SHELL, key=n) for n in range(4)]
    *ran, listed = places(*runs, record(NOON + 9 * MINUTE, "ws1", SHELL))
    assert listed[1] == PLACE
    assert len({code for code, *_ in [*ran, listed]}) == 5  # and joins none of them to another


def test_of_many_runs_the_one_at_the_very_time() -> None:
    runs = [started(NOON + n * 20 * MINUTE, SHELL, key=n) for n in range(4)]
    *ran, listed = places(*runs, prefetched(NOON + 20 * MINUTE + SECOND, "ws1", SHELL))
    assert listed == ran[1]
    *ran, listed = places(*runs, started(NOON + 2 * SECOND, SHELL, key="at once"),
                          prefetched(NOON + SECOND, "ws1", SHELL))  # fmt: skip
    assert listed[1] == PLACE


@pytest.mark.parametrize("other", [on_disk(NOON, "ws2", TOOL), on_disk(NOON, "ws1", "C:\\Users\\Public\\other.exe")])
def test_another_hosts_or_another_file_is_another_thing(other: Event) -> None:
    ran, listed = places(started(NOON), other)
    assert listed[1] == PLACE
    assert listed[0] != ran[0]


def test_a_dropped_file_is_of_who_dropped_it() -> None:
    dropped = sysmon(11, NOON, computer("ws1"), Image=SHELL, ProcessGuid="{1}", TargetFilename=TOOL)
    run = started(NOON + 2 * MINUTE)
    drop, ran, listed, fetched = places(dropped, run, on_disk(NOON + SECOND, "ws1", TOOL),
                                        prefetched(NOON + 2 * MINUTE, "ws1", TOOL))  # fmt: skip
    assert listed == drop
    assert fetched == ran
    assert drop[0] != ran[0]  # two lineages stay two


def test_a_run_key_is_of_who_wrote_it() -> None:
    key = "HKU\\S-1-5-21\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\Updater"
    wrote = sysmon(13, NOON, computer("ws1"), Image=SHELL, ProcessGuid="{1}", TargetObject=key, Details=f'"{TOOL}" /s')
    one, listed = places(wrote, starting(NOON + SECOND, "ws1", TOOL))
    assert one == listed


def test_a_task_is_of_the_session_that_made_it() -> None:
    made = {"table": "windows_security", "_time": NOON, "_host": computer("ws1"), "EventID": "4698",
            "TaskName": "\\Updater", "SubjectLogonId": "0x1234"}  # fmt: skip
    told = {"table": "windows_taskscheduler", "_time": NOON + SECOND, "_host": computer("ws1"), "EventID": "106",
            "TaskName": "\\Updater"}  # fmt: skip
    one, other, another = places(made, told, {**told, "TaskName": "\\Other", "_time": NOON + 2 * SECOND})
    assert one == other
    assert one[1] == SESSION
    assert another[1] == PLACE


def test_what_a_sensor_saw_of_a_connection_is_its_processes() -> None:
    called, seen, other = places(
        calls(NOON, "ws1", TOOL, "own", PEER), connection(NOON + SECOND, "ws1", PEER),
        connection(NOON, "ws1", "203.0.113.67", "8443"),
    )  # fmt: skip
    assert called == seen
    assert other[1] == PAIR


def test_an_address_that_many_processes_reach_ties_nothing() -> None:
    many = [calls(NOON + n * MINUTE, "ws1", TOOL, n, PEER) for n in range(3)]
    *_, seen = places(*many, connection(NOON + 30 * SECOND, "ws1", PEER))
    assert seen[1] == PAIR
    *called, seen = places(*many, connection(NOON + MINUTE + SECOND, "ws1", PEER))
    assert seen == called[1]  # but for the one at the very time


def test_an_act_keeps_its_time() -> None:
    """A connection hours away is of the only process that reached the address, but not of the same ten minutes."""
    called, seen = places(calls(NOON, "ws1", TOOL, "own", PEER), connection(NOON + 3 * HOUR, "ws1", PEER))
    assert called[:3] == seen[:3]
    assert called[3] != seen[3]
    edge = NOON // (10 * MINUTE) * 10 * MINUTE
    called, seen = places(calls(edge - 1, "ws1", TOOL, "own", PEER), connection(edge + 1, "ws1", PEER))
    assert called == seen


def test_without_an_event_log_the_records_of_a_file_meet_where_it_was_last() -> None:
    made = [on_disk(NOON - 3 * HOUR, "ws1", TOOL), in_amcache(NOON - HOUR, "ws1", TOOL),
            in_shimcache(NOON - 400 * DAY, "ws1", TOOL), starting(NOON - 2 * HOUR, "ws1", TOOL),
            prefetched(NOON, "ws1", TOOL)]  # fmt: skip
    found = places(*made, on_disk(NOON - 3 * HOUR, "ws1", SHELL))
    assert len(set(found[:5])) == 1
    assert found[0][1] == PLACE
    assert found[5] != found[0]
    (alone,) = places(made[0])
    assert found[4] == places(made[4])[0]
    assert alone != found[0]


def test_two_records_of_one_kind_stay_where_they_are() -> None:
    found = places(on_disk(NOON - 3 * HOUR, "ws1", TOOL), on_disk(NOON, "ws1", TOOL, InUse="False"))
    assert len({code for code, *_ in found}) == 2


def test_no_event_of_a_process_or_session_changes_its_episode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is drawn: nothing joins two episodes, and each record goes to one that names its thing, or stays."""
    rng = np.random.default_rng(3)
    events: list[Event] = []
    for n in range(300):
        at, path = NOON + int(rng.integers(4 * 3600)) * SECOND, f"C:\\a\\{chr(97 + int(rng.integers(12)))}.exe"
        host = f"ws{int(rng.integers(1, 4))}"
        made = [started(at, path, n, host), *(record(at, host, path) for record in RECORDS),
                calls(at, host, path, n, PEER), connection(at, host, PEER)]  # fmt: skip
        events.append(made[int(rng.integers(len(made)))])
    whole = tallied(events)
    after = anchored_of(whole)
    monkeypatch.setattr(anchor, "met", lambda found, *_: found)
    before = anchored_of(whole)
    named = before.kind <= SESSION
    assert named.sum() > 50
    for name in ("code", "kind", "process", "host", "slice", "time"):
        assert (getattr(after, name)[named] == getattr(before, name)[named]).all()
    moved = np.flatnonzero(after.code != before.code)
    assert len(moved) > 20
    thing = whole.ties["pair"]
    for at in moved.tolist():
        members = np.flatnonzero((before.code == after.code[at]) & (thing == thing[at]))
        assert len(members)
    assert set(after.code.tolist()) <= set(before.code.tolist())


def test_native_files_of_one_host_meet(tmp_path: Path) -> None:
    """As the tools write them, the host named by a folder here and by the log there."""
    events = [started(NOON, host="ws3"), calls(NOON + SECOND, "ws3", TOOL, "own", PEER),
              connection(NOON + SECOND, "ws3", PEER), *(record(NOON, "ws3", TOOL) for record in RECORDS)]  # fmt: skip
    lake = Lake.open(tmp_path / "lake", create=True)
    ingest([written(tmp_path / "case", events)], lake, workers=1)
    with connect("duckdb") as engine:
        found = tally(engine, scans_of(lake, engine))
    assert len({kind.partition(":")[0] for kind in found.units}) == 7
    assert len(set(anchored_of(found).code.tolist())) == 1
    assert {profile(kind.partition(":")[0]).state for kind in found.units} == {True, False}


# ---- what it is worth

QUIET = 4_000  # episodes of quiet days that each family is held against


def strengths(events: Sequence[Event], surprisal: Callable[[str, Any], Floats]) -> tuple[Tallied, Anchors, Episodes]:
    """Episodes of events whose units are as surprising as told, against quiet days with exponential surprisals."""
    found = tallied(events)
    units = scored(found.units, surprisal)
    anchored = anchored_of(found)
    ties = joined(found.ties, anchored, units)
    quiet = Tail.of(np.sort(-np.log2((np.arange(QUIET) + 0.5) / QUIET)))
    tails = FamilyTails(dict.fromkeys(ties.tails, quiet), quiet)
    trace = Trace.of(anchored.code, anchored.slice, anchored.time)
    return found, anchored, episodes(lit(ties, trace, tails, lambda units: np.zeros(len(units))))


TWO, ONE = (5.0, 8.0), (6.0, 10.0)  # ranges of surprisals: of what is odd in two artifacts, of what is odder in one


def drawn(number: int) -> tuple[list[Event], list[Event]]:
    """Intrusions' events, a start and a record of the disk each; and as many entities with an event in one of both."""
    two: list[Event] = []
    one: list[Event] = []
    for n in range(number):
        name, at, host = "".join(chr(97 + int(c)) for c in f"{n:04d}"), NOON + n * 11 * MINUTE, f"ws{n % 9}"
        tool, tidy = f"C:\\Users\\Public\\{name}.exe", f"C:\\Program Files\\{name}\\{name}.exe"
        two += [started(at, tool, n, host), on_disk(at - HOUR, host, tool, SiFlags="Hidden")]
        one.append(on_disk(at, host, tidy) if n % 2 else started(at, tidy, (n, "tidy"), host))
    return two, one


def above(number: int, seed: int) -> float:
    """How often an intrusion's strongest finding stands above that of an entity that is odder in one artifact."""
    two, one = drawn(number)
    rng = np.random.default_rng(seed)
    patterns = np.unique(tallied(two).ties["pattern"])

    def surprisal(_: str, units: Any) -> Floats:
        evil = np.isin(units["pattern"], patterns)
        low, high = (np.where(evil, TWO[i], ONE[i]) for i in (0, 1))
        return low + (high - low) * rng.random(len(evil))

    found, anchored, made = strengths([*two, *one], surprisal)
    bits = dict(zip(made.anchor.tolist(), made.bits.tolist(), strict=True))
    best: dict[bool, dict[int, float]] = {True: {}, False: {}}
    evil = np.isin(found.ties["pattern"], patterns).tolist()
    for is_evil, thing, code in zip(evil, found.ties["pair"].tolist(), anchored.code.tolist(), strict=True):
        best[is_evil][thing] = max(best[is_evil].get(thing, 0.0), bits.get(code, 0.0))
    assert len(best[True]) == len(best[False]) == number
    theirs, others = (np.array(list(best[which].values())) for which in (True, False))
    return float((theirs[:, None] > others).mean())


def expected(together: Callable[..., Floats]) -> float:
    """The same by drawing numbers: bits of p = 2^-surprisal, two of an intrusion combined as told."""
    rng = np.random.default_rng(9)

    def worth(low: float, high: float) -> Floats:
        p = 2.0 ** -rng.uniform(low, high, 20_000)
        return np.log2((1 - p + p * np.log(p)) / (p * np.log(p) ** 2))

    return float((together(worth(*TWO), worth(*TWO)) > worth(*ONE)).mean())


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_odd_in_two_artifacts_rises_above_what_is_odder_in_one(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As often as adding bits says where evidence meets, and as their stronger one where it does not."""
    with_it, said = above(150, seed), expected(np.add)
    with monkeypatch.context() as apart:
        apart.setattr(anchor, "met", lambda found, *_: found)
        without, said_apart = above(150, seed), expected(np.maximum)
    print(f"{with_it:.2f} ({said:.2f}) with, {without:.2f} ({said_apart:.2f}) without")
    assert with_it == pytest.approx(said, abs=0.08)
    assert without == pytest.approx(said_apart, abs=0.08)
    assert with_it > without + 0.3


def test_one_anomaly_that_several_artifacts_tell_of_counts_once() -> None:
    """The start of a process, as Sysmon, prefetch, Amcache and the shimcache have it, is one family's evidence."""
    events = [
        started(NOON),
        prefetched(NOON, "ws1", TOOL),
        in_amcache(NOON, "ws1", TOOL),
        in_shimcache(NOON, "ws1", TOOL),
    ]
    _, _, one = strengths(events[:1], lambda _, units: np.full(len(units["n"]), 7.0))
    _, _, all_of_them = strengths(events, lambda _, units: np.full(len(units["n"]), 7.0))
    assert len(one.bits) == len(all_of_them.bits) == 1
    assert all_of_them.bits[0] == pytest.approx(one.bits[0])
    seen = [calls(NOON, "ws1", TOOL, "own", PEER), connection(NOON, "ws1", PEER)]
    _, _, connected = strengths(seen, lambda _, units: np.full(len(units["n"]), 7.0))
    assert connected.bits.tolist() == pytest.approx(one.bits.tolist())


def test_what_is_usual_ties_without_being_worth_anything() -> None:
    """A record that surprises nobody adds nothing to the episode that it joins, and makes none."""

    def surprisal(kind: str, units: Any) -> Floats:
        return np.full(len(units["n"]), 7.0 if kind == "windows_sysmon:1" else 0.1)

    _, _, alone = strengths([started(NOON)], surprisal)
    _, _, beside = strengths([started(NOON), on_disk(NOON, "ws1", TOOL), in_amcache(NOON, "ws1", TOOL)], surprisal)
    assert beside.bits.tolist() == alone.bits.tolist()


def test_the_artifacts_of_a_host_whose_log_is_gone_add_too() -> None:
    events = [started(NOON), on_disk(NOON - HOUR, "ws1", TOOL), starting(NOON + HOUR, "ws1", TOOL),
              prefetched(NOON, "ws1", TOOL)]  # fmt: skip
    _, _, whole = strengths(events, lambda _, units: np.full(len(units["n"]), 7.0))
    _, _, left = strengths(artifacts(events), lambda _, units: np.full(len(units["n"]), 7.0))
    assert len(whole.bits) == len(left.bits) == 1
    assert left.bits[0] == pytest.approx(whole.bits[0])  # process, file, autorun: three families either way
