"""Episodes' anchors: hand-made cases, and random trees against a plain implementation of the same words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rarity_samples import DAY, HOUR, MINUTE, SECOND, T0, batch
from vizsla.analytics.rarity.model import Tallied
from vizsla.analytics.rarity.tally import (
    START_KEY,
    START_SUM,
    TIE_KEY,
    TIE_SUM,
    Heap,
    Tally,
    unpacked,
)
from vizsla.triage.anchor import DEEPEST, PAIR, PLACE, PROCESS, SESSION, anchors, processes

BY_TABLE = {"sysmon": "windows_sysmon", "security": "windows_security", "conn": "zeek_conn", "odd": "windows_odd",
            "system": "windows_system"}  # fmt: skip


def guid(number: int) -> str:
    return f"{{00000000-0000-0000-0000-{number:012d}}}"


def native(at: int, table: str, number: int = 0, host: str = "ws1", **fields: Any) -> dict[str, Any]:
    """One event of a table; `at` microseconds after T0. Its mark is the field `Mark`, which no shape generalises."""
    return {"table": BY_TABLE[table], "_time": T0 + at, "_host": host, "EventID": str(number), **fields}


def start(
    at: int, own: int, parent: int | None, pid: int, ppid: int = 0, image: str = "c.exe", **more: Any
) -> dict[str, Any]:
    of = {} if parent is None else {"ParentProcessGuid": guid(parent)}
    return native(at, "sysmon", 1, ProcessGuid=guid(own), ProcessId=str(pid), ParentProcessId=str(ppid),
                  ParentImage=image,
                  **of, **more)  # fmt: skip


def audited(at: int, pid: int, ppid: int, parent: str = "C:\\c.exe", **more: Any) -> dict[str, Any]:
    return native(at, "security", 4688, NewProcessId=hex(pid), ProcessId=hex(ppid), ParentProcessName=parent, **more)


def tallied(events: Sequence[dict[str, Any]]) -> Tallied:
    """The ties and starts of events, as the first pass brings them."""
    ties, begun = Heap(TIE_KEY, TIE_SUM), Heap(START_KEY, START_SUM)
    for table in sorted({e["table"] for e in events}):
        rows = [{k: v for k, v in e.items() if k != "table"} for e in events if e["table"] == table]
        for part, _, found in unpacked(Tally(table)(iter([batch(rows)]))):
            columns = {name: found[name].to_numpy() for name in found.schema.names} if part in ("tie", "start") else {}
            if part == "tie":
                ties.add(columns)
            elif part == "start":
                begun.add(columns)
    return Tallied(ties=ties.columns(), starts=begun.columns() if begun.chunks else {})


def anchored(*events: dict[str, Any]) -> list[tuple[int, int, int]]:
    """(anchor, its kind, process) of each event. Events get fields that tell them apart, so that ties do not merge."""
    marked = [{**e, "Zmark": f"m{chr(97 + i // 26)}{chr(97 + i % 26)}"} for i, e in enumerate(events)]
    whole = tallied(marked)
    found = anchors(whole.ties, processes(whole.starts))
    assert len(found.code) == len(events)
    made = []
    for event in marked:
        alone = tallied([event]).ties  # the very tie, found again by its key
        same = np.ones(len(found.code), dtype=bool)
        for name in TIE_KEY:
            same &= whole.ties[name] == alone[name][0]
        (place,) = np.flatnonzero(same)
        made.append((int(found.code[place]), int(found.kind[place]), int(found.process[place])))
    return made


def codes(*events: dict[str, Any]) -> list[int]:
    return [code for code, _, _ in anchored(*events)]


def test_a_lineage_by_guids_is_one_episode() -> None:
    events = [
        start(0, 1, 90, 101, image="C:\\Windows\\explorer.exe"),
        start(1 * SECOND, 2, 1, 102),
        start(2 * SECOND, 3, 2, 103),
        native(3 * SECOND, "sysmon", 3, ProcessGuid=guid(3).upper().strip("{}"), ProcessId="103"),
        native(4 * SECOND, "sysmon", 11, ProcessGuid=guid(2), ProcessId="102"),
        start(5 * SECOND, 4, 90, 104, image="C:\\Windows\\explorer.exe"),
    ]
    found = anchored(*events)
    assert len({code for code, _, _ in found[:5]}) == 1
    assert found[5][0] != found[0][0]
    assert all(kind == PROCESS for _, kind, _ in found)
    assert found[3][2] == found[2][2] != found[4][2]


@pytest.mark.parametrize(
    "parent", ["C:\\Windows\\System32\\services.exe", "C:\\WINDOWS\\EXPLORER.EXE", "", "wmiprvse.exe"]
)
def test_a_lineage_begins_below_a_launcher(parent: str) -> None:
    one, other = codes(start(0, 1, 90, 101, image=parent), start(1, 2, 90, 102, image=parent))
    assert one != other


def test_children_of_one_parent_that_never_was_seen_to_start_are_one_episode() -> None:
    one, other, own = codes(start(0, 1, 90, 101), start(1, 2, 90, 102), native(2, "sysmon", 3, ProcessGuid=guid(90)))
    assert one == other == own


def test_a_pid_alone_leads_to_the_process_that_had_it_then() -> None:
    first, second, early, late, before = codes(
        start(0, 1, None, 500, image="explorer.exe"),
        start(2 * HOUR, 2, None, 500, image="explorer.exe"),
        native(1 * HOUR, "security", 4663, ProcessId="0x1f4"),
        native(3 * HOUR, "security", 4663, ProcessId="0x1f4"),
        native(-1 * HOUR, "security", 4663, ProcessId="0x1f4"),
    )
    assert early == first
    assert late == second
    assert before not in (first, second)  # it had not begun


def test_a_pairing_of_guid_and_pid_tells_of_earlier_events_too() -> None:
    paired, before, after, elsewhere = codes(
        native(2 * HOUR, "sysmon", 3, ProcessGuid=guid(1), ProcessId="500"),
        native(0, "security", 4663, ProcessId="0x1f4"),
        native(3 * HOUR, "security", 4663, ProcessId="0x1f4"),
        native(3 * HOUR, "security", 4663, ProcessId="0x1f4", host="ws2"),
    )
    assert paired == before == after != elsewhere


def test_a_process_of_long_ago_is_not_the_one_with_this_pid_now() -> None:
    old, now = codes(start(0, 1, None, 500), native(DAY + HOUR, "security", 4663, ProcessId="500"))
    assert old != now


def test_a_pid_never_told_of_is_one_process_for_a_day() -> None:
    base = DAY - T0 % DAY  # midnight
    found = anchored(
        native(base + HOUR, "security", 4663, ProcessId="0x300"),
        native(base + 20 * HOUR, "security", 4670, ProcessId="768"),
        native(base + 25 * HOUR, "security", 4663, ProcessId="0x300"),
        native(base + HOUR, "security", 4663, ProcessId="0x301"),
        native(base + HOUR, "security", 4663, ProcessId="0x300", host="ws2"),
    )
    assert found[0] == found[1]
    assert len({code for code, _, _ in found}) == 4
    assert {kind for _, kind, _ in found} == {PROCESS}


def test_the_same_start_in_two_logs_is_one_process() -> None:
    sysmon, audit, child_there, child_here, by_pid = codes(
        start(0, 1, None, 500, image="explorer.exe"),
        audited(300_000, 500, 90, "C:\\Windows\\explorer.exe"),
        start(MINUTE, 2, 1, 501, 500),
        audited(MINUTE + 300_000, 501, 500),
        native(2 * MINUTE, "security", 4663, ProcessId="0x1f5"),
    )
    assert sysmon == audit == child_there == child_here == by_pid


@pytest.mark.parametrize("lag", [-4, -1, 0, 1, 4])
def test_two_logs_need_not_agree_on_the_second(lag: int) -> None:
    sysmon, audit = codes(
        start(10 * SECOND, 1, None, 500, image="explorer.exe"),
        audited((10 + lag) * SECOND, 500, 90, "C:\\Windows\\explorer.exe"),
    )
    assert sysmon == audit


def test_lineage_from_the_security_log_alone() -> None:
    root, child, grandchild, deed, reused, other = codes(
        audited(0, 500, 90, "C:\\Windows\\explorer.exe"),
        audited(MINUTE, 501, 500),
        audited(2 * MINUTE, 502, 501),
        native(3 * MINUTE, "security", 4663, ProcessId="0x1f6"),
        audited(HOUR, 501, 91, "C:\\Windows\\explorer.exe"),
        audited(2 * HOUR, 503, 501),
    )
    assert root == child == grandchild == deed
    assert reused == other != root


def test_logon_sessions() -> None:
    logon, share, process, someone_else, on_another_host = anchored(
        native(0, "security", 4624, TargetLogonId="0x1234", ProcessId="0x200"),
        native(1, "security", 5140, SubjectLogonId="0x1234"),
        native(2, "security", 4663, SubjectLogonId="0x1234", ProcessId="0x300"),
        native(3, "security", 5140, SubjectLogonId="0x9999"),
        native(4, "security", 5140, SubjectLogonId="0x1234", host="dc1"),
    )
    assert logon[:2] == share[:2]
    assert logon[1] == SESSION
    assert process[1] == PROCESS  # a deed is its process's
    assert len({share[0], someone_else[0], on_another_host[0]}) == 3


def test_two_records_of_one_installed_service_are_one_episode() -> None:
    def audit(at: int, path: str = "C:\\x\\y.exe", logon: str = "0x1234", **more: Any) -> dict[str, Any]:
        return native(at, "security", 4697, ServiceFileName=path, SubjectLogonId=logon, **more)

    def system(at: int, path: str = "C:\\x\\y.exe", **more: Any) -> dict[str, Any]:
        return native(at, "system", 7045, ImagePath=path, **more)

    found = anchored(
        audit(0),
        system(SECOND),  # names differ between the two at times: the program tells
        system(-50 * SECOND),
        system(8 * MINUTE),  # too late to be the same
        system(0, "C:\\x\\other.exe"),
        system(0, host="ws2"),
        audit(4 * MINUTE, logon="0x9999"),
        system(4 * MINUTE + SECOND),
        audit(0, "C:\\z.exe", logon="0x3e7", host="ws3"),  # by the system itself: of its place and ten minutes
        system(0, "C:\\z.exe", host="ws3"),
        native(2, "security", 5140, SubjectLogonId="0x1234"),
    )
    assert found[0] == found[1] == found[2] == found[10]
    assert found[6] == found[7] != found[0]
    assert found[8] == found[9]
    assert [kind for _, kind, _ in found] == [SESSION] * 3 + [PLACE] * 3 + [SESSION] * 2 + [PLACE] * 2 + [SESSION]
    assert len({code for code, _, _ in found}) == 5


def test_a_service_that_does_not_say_where_its_program_lies_is_told_by_its_command() -> None:
    audit, system, other = anchored(
        native(0, "security", 4697, ServiceFileName="cmd.exe /c start x", SubjectLogonId="0x1234"),
        native(SECOND, "system", 7045, ImagePath="cmd.exe /c start x"),
        native(SECOND, "system", 7045, ImagePath="cmd.exe /c start y"),
    )
    assert audit == system
    assert other[1] == PLACE


def test_the_systems_own_session_joins_nothing() -> None:
    (_, kind, _), (code, _, _), (later, _, _) = anchored(
        native(0, "security", 4624, TargetLogonId="0x3e7"),
        native(1, "security", 5140, SubjectLogonId="0x3e7"),
        native(11 * MINUTE, "security", 5140, SubjectLogonId="0x3E7"),
    )
    assert kind == PLACE
    assert code != later


def test_connections_of_one_pair() -> None:
    ends = {"id.orig_h": "10.0.0.1", "id.resp_h": "10.0.0.9"}
    turned = {"id.orig_h": "10.0.0.9", "id.resp_h": "10.0.0.1"}
    found = anchored(
        native(0, "conn", host="s1", **ends),
        native(HOUR, "conn", host="s1", **ends),
        native(0, "conn", host="s1", **turned),
        native(0, "conn", host="s2", **ends),
        native(0, "conn", host="s1"),
        native(11 * MINUTE, "conn", host="s1"),
    )
    assert found[0] == found[1]
    assert [kind for _, kind, _ in found] == [PAIR] * 4 + [PLACE] * 2
    assert len({code for code, _, _ in found}) == 5


def test_what_has_no_key_is_of_its_place_and_ten_minutes() -> None:
    found = anchored(
        native(0, "odd", 5), native(9 * MINUTE, "odd", 5), native(0, "odd", 6), native(10 * MINUTE, "odd", 5),
        native(0, "odd", 5, host="ws2"),
    )  # fmt: skip
    assert {kind for _, kind, _ in found} == {PLACE}
    assert found[0][0] == found[1][0]
    assert len({code for code, _, _ in found}) == 4


def test_loops_of_parents_end() -> None:
    events = [start(0, 1, 2, 101), start(1, 2, 3, 102), start(2, 3, 1, 103), start(3, 4, 4, 104), audited(4, 105, 105)]
    found = anchored(*events)
    assert found == anchored(*events)
    assert found[3][0] not in {code for code, _, _ in found[:3]}


def test_a_very_long_lineage_is_cut_but_ends() -> None:
    depth = DEEPEST * 2
    found = codes(*(start(i, i + 1, i if i else None, 1000 + i) for i in range(depth)))
    assert len(set(found[: DEEPEST + 1])) == 1
    assert len(set(found)) <= DEEPEST + 1


def test_nothing_known_at_all() -> None:
    assert anchored(native(0, "security", 4663, ProcessId="0x300"))[0][1] == PROCESS
    none = processes({})
    assert none.at(np.array([1], np.uint64), np.array([T0])).tolist() == [0]
    assert none.roots(np.array([7], np.uint64)).tolist() == [7]


# ---- against a plain implementation

PIDS = [100, 101, 102]
STEP = MINUTE
EVENT = st.one_of(
    st.builds(lambda h, t, g, p, pp, x: ("start", h, t, g, p, pp, x), st.sampled_from("ab"), st.integers(0, 40),
              st.integers(1, 6), st.sampled_from(PIDS), st.one_of(st.none(), st.integers(1, 6)), st.booleans()),
    st.builds(lambda h, t, p, pp, x: ("audit", h, t, p, pp, x), st.sampled_from("ab"), st.integers(0, 40),
              st.sampled_from(PIDS), st.sampled_from(PIDS), st.booleans()),
    st.builds(lambda h, t, g: ("byguid", h, t, g), st.sampled_from("ab"), st.integers(0, 40), st.integers(1, 6)),
    st.builds(lambda h, t, p, s: ("bypid", h, t, p, s), st.sampled_from("ab"), st.integers(0, 40),
              st.one_of(st.none(), st.sampled_from(PIDS)), st.sampled_from(["0x11", "0x12", "0x3e7"])),
    st.builds(
        lambda h, t, s: ("logon", h, t, s), st.sampled_from("ab"), st.integers(0, 40), st.sampled_from(["0x11", "0x12"])
    ),
)  # fmt: skip


def built(one: tuple[Any, ...]) -> dict[str, Any]:
    what, host, at = one[0], one[1], one[2] * STEP
    if what == "start":
        _, _, _, own, pid, parent, cut = one
        return start(at, own, parent, pid, image="explorer.exe" if cut else "c.exe", host=host)
    if what == "audit":
        _, _, _, pid, parent, cut = one
        return audited(at, pid, parent, "C:\\Windows\\explorer.exe" if cut else "C:\\c.exe", host=host)
    if what == "byguid":
        return native(at, "sysmon", 11, host, ProcessGuid=guid(one[3]))
    if what == "logon":
        return native(at, "security", 4624, host, TargetLogonId=one[3], ProcessId="0x64")
    pid = {} if one[3] is None else {"ProcessId": hex(one[3])}
    return native(at, "security", 4663, host, SubjectLogonId=one[4], **pid)


def naive(events: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Episodes by the words of the module, one event at a time. Steps are minutes, wider than any clock's error."""
    named = {(e[1], e[4], e[2]): ("guid", e[1], e[3]) for e in events if e[0] == "start"}  # (host, pid, time)
    begun: dict[tuple[str, int], list[tuple[int, Any]]] = {}
    for (host, pid, at), process in named.items():
        begun.setdefault((host, pid), []).append((at, process))
    for e in events:
        if e[0] == "audit" and (e[1], e[3], e[2]) not in named:
            begun.setdefault((e[1], e[3]), []).append((e[2], ("pid", e[1], e[3], e[2])))

    def had(host: str, pid: int, at: int) -> Any:
        earlier = [(t, p) for t, p in begun.get((host, pid), []) if t <= at]
        return max(earlier, key=lambda x: x[0])[1] if earlier else None

    parents: dict[Any, Any] = {}
    for e in events:
        if e[0] == "start":
            parents[("guid", e[1], e[3])] = None if e[6] or e[5] is None else ("guid", e[1], e[5])
        elif e[0] == "audit" and (e[1], e[3], e[2]) not in named:
            parents[("pid", e[1], e[3], e[2])] = None if e[5] else had(e[1], e[4], e[2])

    def root(process: Any) -> Any:
        for _ in range(DEEPEST):
            if parents.get(process) is None:
                break
            process = parents[process]
        return process

    found = []
    for e in events:
        what, host, at = e[0], e[1], e[2]
        if what in ("start", "byguid"):
            found.append(root(("guid", host, e[3])))
        elif what == "logon":
            found.append(("session", host, e[3]))
        else:
            pid = e[3]
            if pid is not None:
                own = had(host, pid, at)
                found.append(root(own) if own else ("unheard", host, pid, (T0 + at * STEP) // DAY))
            elif e[4] != "0x3e7":
                found.append(("session", host, e[4]))
            else:
                found.append(("place", host, (T0 + at * STEP) // (10 * MINUTE)))
    return found


def consistent(events: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """One start a GUID, one a (host, pid, minute): more would be no computer's doing."""
    seen: set[Any] = set()
    kept = []
    for e in events:
        keys = {("g", e[1], e[3]), ("p", e[1], e[4], e[2])} if e[0] == "start" else set()
        keys |= {("a", e[1], e[3], e[2])} if e[0] == "audit" else set()
        if not keys & seen and e not in kept:
            seen |= keys
            kept.append(e)
    return kept


@given(st.lists(EVENT, min_size=1, max_size=14))
@settings(max_examples=120, deadline=None)
def test_random_trees_against_a_plain_implementation(drawn: list[tuple[Any, ...]]) -> None:
    events = consistent(drawn)
    expected = naive(events)
    found = codes(*map(built, events))
    # The same partition of events into episodes.
    assert [[a == b for b in found] for a in found] == [[a == b for b in expected] for a in expected]


@given(st.lists(EVENT, min_size=2, max_size=14))
@settings(max_examples=60, deadline=None)
def test_an_anchor_never_joins_two_hosts_and_order_does_not_matter(drawn: list[tuple[Any, ...]]) -> None:
    events = list(dict.fromkeys(drawn))
    found = codes(*map(built, events))
    hosts: dict[int, set[str]] = {}
    for event, code in zip(events, found, strict=True):
        hosts.setdefault(code, set()).add(event[1])
    assert all(len(names) == 1 for names in hosts.values())
