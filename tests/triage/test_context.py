"""Context of findings, from a lake made by hand."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from triage_samples import SYSTEM32, T0, evidence, finding

from vizsla.engine import Engine
from vizsla.engines import connect
from vizsla.ingest import ingest
from vizsla.lake import Lake
from vizsla.nouns import EventRef, Finding
from vizsla.triage import context
from vizsla.triage.context import fill
from vizsla.triage.lineage import Process, Processes, Who, chain, tree
from vizsla.triage.native import Fields
from vizsla.triage.neighbours import logon_words, system_logon

PS = SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe"
HOST = "ws5.corp.example"
Row = dict[str, str]


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def created(pid: int, parent: int, image: str, seconds: float, host: str = HOST, **more: str) -> tuple[float, str, Row]:
    """A Sysmon 1 row; GUIDs are written with braces and in upper case here."""
    row = {
        "EventID": "1", "ProcessGuid": f"{{ABCD{pid:04}-0000-0000-0000-000000000001}}", "ProcessId": str(pid),
        "ParentProcessGuid": f"{{ABCD{parent:04}-0000-0000-0000-000000000001}}", "ParentProcessId": str(parent),
        "Image": image, "CommandLine": image, "User": "CORP\\ann", "LogonId": "0x1234", "Computer": host, **more,
    }  # fmt: skip
    return seconds, host, row


SYSMON = [
    created(10, 4, "C:\\Windows\\explorer.exe", -600, ParentImage=SYSTEM32 + "userinit.exe"),
    created(20, 10, SYSTEM32 + "cmd.exe", -5),
    created(30, 20, PS, 0, CommandLine="powershell -enc 12345"),
    created(40, 30, SYSTEM32 + "whoami.exe", 3),
    created(50, 30, SYSTEM32 + "net.exe", 2),
    created(60, 4, PS, -86_400 * 3, CommandLine="powershell -enc 777"),
    created(70, 4, PS, -3600, host="b.corp.example", CommandLine="powershell -enc 9"),
    created(80, 4, PS, -3600, host="c.corp.example", CommandLine="powershell -file x"),
    (60.0, HOST, {"EventID": "3", "Image": PS, "User": "CORP\\ann", "DestinationIp": "10.0.0.9"}),
    (90.0, HOST, {"EventID": "3", "Image": PS, "User": "CORP\\ann", "DestinationIp": "10.0.0.9"}),
    (5000.0, HOST, {"EventID": "8", "SourceImage": PS, "TargetImage": "x.exe"}),
    (30.0, "d.corp.example", {"EventID": "3", "Image": "C:\\far.exe", "User": "CORP\\ann"}),
    (30.0, "d.corp.example", {"EventID": "3", "Image": "C:\\other.exe", "User": "CORP\\bob"}),
]  # fmt: skip
REMOTE = {
    "LogonType": "10", "TargetUserName": "ann", "TargetDomainName": "CORP", "IpAddress": "10.0.0.7",
    "WorkstationName": "WS9", "AuthenticationPackageName": "Kerberos",
}  # fmt: skip


def logon(seconds: float, host: str, **more: str) -> tuple[float, str, Row]:
    return seconds, host, {"EventID": "4624", "TargetLogonId": "0x1234", **more}


def started(seconds: float, pid: int, image: str, by: int, **more: str) -> tuple[float, str, Row]:
    row = {"EventID": "4688", "NewProcessId": hex(pid), "NewProcessName": f"C:\\{image}", "ProcessId": hex(by), **more}
    return seconds, "e.corp.example", row


SECURITY = [
    logon(-900.0, HOST, **REMOTE),
    logon(900.0, HOST, LogonType="3", TargetUserName="later"),
    logon(-900.0, "b.corp.example", LogonType="2", TargetUserName="elsewhere"),
    started(-50.0, 100, "old.exe", 4),
    started(-20.0, 100, "a.exe", 50, ParentProcessName="C:\\p.exe", SubjectUserName="bob", SubjectLogonId="0x3e7"),
    started(-30.0, 50, "p.exe", 16, ParentProcessName="C:\\g.exe"),
    started(-10.0, 112, "child.exe", 100),
    started(10.0, 100, "reused.exe", 4),
]
SYSTEM = [(-120.0, HOST, {"EventID": "12"})]
CONN = [
    (0.0, "10.0.0.1", {"id.orig_h": "10.0.0.1", "id.resp_h": "8.8.8.8", "id.resp_p": "53"}),
    (50.0, "10.0.0.2", {"id.orig_h": "10.0.0.2", "id.resp_h": "8.8.8.8", "id.resp_p": "53"}),
    (60.0, "10.0.0.3", {"id.orig_h": "10.0.0.3", "id.resp_h": "8.8.8.8", "id.resp_p": "443"}),
]
TABLES = {"windows_sysmon": SYSMON, "windows_security": SECURITY, "windows_system": SYSTEM, "zeek_conn": CONN}


def batch(table: str, rows: list[tuple[float, str, Row]]) -> pa.RecordBatch:
    names = sorted({name for _, _, row in rows for name in row})
    arrays: dict[str, pa.Array] = {
        "_id": pa.array([f"{table}{n:032}"[-32:] for n in range(len(rows))]),
        "_time": pa.array([at(seconds) for seconds, _, _ in rows], pa.timestamp("us", tz="UTC")),
        "_host": pa.array([host for _, host, _ in rows]),
        "_day": pa.array([at(seconds).strftime("%Y-%m-%d") for seconds, _, _ in rows]),
        "_origin": pa.array([f"made#{n}" for n in range(len(rows))]),
    }
    for name in names:
        arrays[name] = pa.array([row.get(name) for _, _, row in rows], pa.string())
    return pa.RecordBatch.from_pydict(arrays)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = Lake.open(tmp_path_factory.mktemp("context") / "lake", create=True)
    for table, rows in TABLES.items():
        made.append({table: [batch(table, rows)]})
    return made


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with connect("duckdb") as found:
        yield found


def of(table: str, number: int) -> Finding:
    """The finding that rests on one row."""
    seconds, host, row = TABLES[table][number]
    event_id = row.get("EventID", "")
    kind = f"{table}:{event_id}" if event_id else table
    ref = EventRef(f"{table}{number}", table, host, at(seconds), native=row)
    return finding(evidence(kind, events=(ref,)), id=f"{table}{number}", start=at(seconds), end=at(seconds))


def filled(engine: Engine, lake: Lake, table: str, number: int) -> context.Context:
    return fill(engine, lake, [of(table, number)])[0].context


def test_lineage_by_guid(engine, lake):
    found = filled(engine, lake, "windows_sysmon", 2)
    assert found.parent_chain == ("userinit.exe", "explorer.exe", "cmd.exe", "powershell.exe")
    assert [(n.image.rpartition("\\")[2], n.pid, n.marked) for n in found.tree] == [
        ("userinit.exe", "4", False), ("explorer.exe", "10", False), ("cmd.exe", "20", False),
        ("powershell.exe", "30", True), ("net.exe", "50", False), ("whoami.exe", "40", False),
    ]  # fmt: skip
    keys = {node.key for node in found.tree}
    assert all(node.parent in keys for node in found.tree[1:]) and found.tree[0].parent is None
    assert found.tree[3].key == "abcd0030-0000-0000-0000-000000000001"


def test_lineage_by_pid_and_time(engine, lake):
    child = filled(engine, lake, "windows_security", 6)
    assert child.parent_chain == ("g.exe", "p.exe", "a.exe", "child.exe")  # not old.exe, nor reused.exe
    parent = filled(engine, lake, "windows_security", 4)
    assert [n.image for n in parent.tree] == ["C:\\g.exe", "C:\\p.exe", "C:\\a.exe", "C:\\child.exe"]
    assert parent.logon_source.startswith("LocalSystem (0x3e7)")
    reused = filled(engine, lake, "windows_security", 7)
    assert reused.parent_chain == ("reused.exe",)


def test_logon_source_is_of_this_host_and_before(engine, lake):
    found = filled(engine, lake, "windows_sysmon", 2)
    assert found.logon_source == (
        "remote desktop logon (type 10) of CORP\\ann from 10.0.0.7 (WS9), Kerberos, at 2026-03-03 09:45:00 UTC"
    )


def test_who_else_and_since_when(engine, lake):
    found = filled(engine, lake, "windows_sysmon", 2)
    assert found.other_hosts == ("b.corp.example",)  # the same but for the number; not c, which runs a file
    assert found.first_on_host == at(-86_400 * 3) and found.last_on_host == at(0)


def test_neighbours_in_time(engine, lake):
    lines = filled(engine, lake, "windows_sysmon", 2).nearby
    assert "10:01 2 × network connection: powershell.exe (ann)" in lines
    assert "09:58 1 × Windows started" in lines
    assert "10:00 1 × network connection: far.exe (ann) on d" in lines  # its user elsewhere
    assert not any("other.exe" in line or "remote thread" in line for line in lines)  # another user; an hour later
    assert not any("powershell.exe" in line and "process started" in line for line in lines)  # itself


def test_zeek(engine, lake):
    found = filled(engine, lake, "zeek_conn", 0)
    assert found.other_hosts == ("10.0.0.2",)
    assert found.tree == () and found.parent_chain == () and found.logon_source is None


def test_all_findings_together_are_as_each_alone(engine, lake):
    all_ = [of(table, n) for table, rows in TABLES.items() for n in range(len(rows))]
    together = fill(engine, lake, all_)
    assert [f.id for f in together] == [f.id for f in all_]
    for one in together:
        alone = fill(engine, lake, [replace(one, context=context.Context())])[0].context
        assert one.context == alone, one.id


def test_passes_do_not_grow_with_findings(engine, lake, monkeypatch):
    passes = []
    wrapped = context.Look.collect

    def counted(self, expression):
        passes.append(1)
        return wrapped(self, expression)

    monkeypatch.setattr(context.Look, "collect", counted)
    fill(engine, lake, [of("windows_sysmon", 2)])
    one = len(passes)
    passes.clear()
    fill(engine, lake, [of("windows_sysmon", 2)] * 100)
    assert 0 < len(passes) == one <= 20


def test_limit_tables_and_empty(engine, lake):
    pair = [of("windows_sysmon", 2), of("windows_sysmon", 5)]
    some = fill(engine, lake, pair, limit=1)
    assert some[0].context.tree and some[1].context == context.Context()
    only = fill(engine, lake, pair, scans=[lake.scan("windows_security")])
    assert only[0].context.nearby == () and only[0].context.first_on_host is None
    assert fill(engine, lake, []) == []
    bare = finding(start=None, end=None)
    assert fill(engine, lake, [bare])[0].context == context.Context()


def test_missing_tables_and_fields_cost_only_their_part(engine, tmp_path):
    made = Lake.open(tmp_path / "lake", create=True)
    made.append({"windows_sysmon": [batch("windows_sysmon", [(0.0, HOST, {"EventID": "1", "Image": PS})])]})
    found = fill(engine, made, [of("windows_sysmon", 2)])[0].context
    assert found.parent_chain == ("powershell.exe",) and found.logon_source is None and found.other_hosts == ()
    empty = Lake.open(tmp_path / "none", create=True)
    assert fill(engine, empty, [of("windows_sysmon", 2)])[0].context.nearby == ()


def process(pid: int, parent: int, seconds: float) -> Process:
    who = Who(HOST, "", parent, at(seconds), f"C:\\{parent}.exe")
    return Process(HOST, "", pid, f"C:\\{pid}.exe", "", "", at(seconds), who)


def test_lineage_without_end():
    ring = Processes()
    ring.add([process(100, 200, 0), process(200, 100, -1), process(100, 200, -2), process(200, 100, -3)])
    who = Who(HOST, "", 100, at(1))
    assert 1 < len(chain(ring, who)) <= 13
    self_made = Processes()
    guid = "abcd"
    self_made.add([Process(HOST, guid, 1, "C:\\x.exe", "", "", at(0), Who(HOST, guid, 1, at(0)))])
    assert chain(self_made, Who(HOST, guid, 1, at(0))) == ("x.exe",)
    assert len(tree(self_made, [Who(HOST, guid, 1, at(0))])) == 1


def test_a_thousand_children_make_no_wall():
    many = Processes()
    many.add([process(7, 6, 0), *(process(1000 + n, 7, n) for n in range(1000))])
    assert len(tree(many, [Who(HOST, "", 7, at(0))])) <= 60


def test_words_of_logons():
    assert logon_words(Fields({"LogonType": "3", "TargetUserName": "a", "IpAddress": "::1"}), None) == (
        "network logon (type 3) of a from the host itself"
    )
    assert logon_words(Fields({"LogonType": "2", "TargetUserName": "a\x1b[2J"}), None) == (
        "interactive logon (type 2) of a\\x1b[2J"
    )
    assert system_logon(0x3E4).startswith("NetworkService") and system_logon(5) is None


def test_windows_are_joined_when_too_many():
    spans = [(at(n * 10_000), at(n * 10_000 + 60)) for n in range(300)]
    joined = context._joined(spans)
    assert len(joined) <= context.MAX_WINDOWS
    assert joined[0][0] == spans[0][0] and joined[-1][1] == spans[-1][1]
    assert all(any(first <= a and b <= last for first, last in joined) for a, b in spans)
    assert all(joined[n][1] < joined[n + 1][0] for n in range(len(joined) - 1))


@pytest.mark.real_data
def test_a_real_remote_shell(engine, real_data: Path, tmp_path):
    """A PowerShell remoting session: lineage, the network logon that brought it, and its minutes."""
    made = Lake.open(tmp_path / "lake", create=True)
    ingest([real_data / "mordor" / "covenant_psremoting_grunt.zip"], made, workers=0)
    scan = made.scan("windows_sysmon")
    events = engine.table(scan)
    shells = events.filter(events["EventID"] == "1", events["ParentImage"].endswith("wsmprovhost.exe"))
    rows = engine.collect(shells.order_by("_time").limit(1)).to_pylist()
    native = {name: value for name, value in rows[0].items() if isinstance(value, str) and name[0] != "_"}
    ref = EventRef(rows[0]["_id"], "windows_sysmon", rows[0]["_host"], rows[0]["_time"], native=native)
    one = finding(evidence("windows_sysmon:1", events=(ref,)), start=ref.time, end=ref.time)
    found = fill(engine, made, [one])[0].context
    assert found.parent_chain[-2] == "wsmprovhost.exe" and found.parent_chain[0] == "svchost.exe"
    assert found.logon_source.startswith("network logon (type 3) of")
    assert found.nearby and sum(node.marked for node in found.tree) == 1
    assert found.first_on_host <= ref.time <= found.last_on_host


@pytest.mark.spark
@pytest.mark.slow
def test_spark_says_the_same(engine, lake):
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is none on this machine")
    some = [of("windows_sysmon", 2), of("windows_security", 6), of("zeek_conn", 0)]
    with connect("spark") as spark:
        assert fill(spark, lake, some) == fill(engine, lake, some)
