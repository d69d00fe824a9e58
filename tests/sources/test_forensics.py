"""What forensic tools write: each sample's rows, times, hosts and fields, written down by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import evtx
import pytest
from source_samples import events, items, refusals, stamped, totals, unknown, written

from vizsla.lake import Lake
from vizsla.reading import Stamped
from vizsla.sources import registry
from vizsla.sources._declared import declared, samples
from vizsla.view import view_table

CSVS = ("mftecmd", "mftecmd_usn", "pecmd", "pecmd_timeline", "appcompatcacheparser", "amcacheparser_files",
        "amcacheparser_programs", "amcacheparser_drivers", "amcacheparser_devices", "autoruns", "mactime",
        "plaso_l2tcsv", "plaso_dynamic", "plaso_json", "bodyfile", "volatility", "velociraptor", "evtxecmd",
        "powershell_transcript", "task_xml", "windows_xml", "evtx_carved")  # fmt: skip
NOON = "2025-03-04T10:11:12"
TIMES = {
    "mftecmd": ("mft_entry", NOON + ".131234"), "mftecmd_usn": ("usn_record", NOON + ".131234"),
    "pecmd": ("prefetch", NOON), "pecmd_timeline": ("prefetch_run", NOON), "appcompatcacheparser": ("shimcache", NOON),
    "amcacheparser_files": ("amcache_file", NOON), "amcacheparser_programs": ("amcache_program", NOON),
    "amcacheparser_drivers": ("amcache_driver", NOON), "amcacheparser_devices": ("amcache_device", NOON),
    "autoruns": ("autoruns", NOON), "mactime": ("mactime", NOON), "plaso_l2tcsv": ("plaso_event", NOON),
    "plaso_dynamic": ("plaso_event", NOON), "plaso_json": ("plaso_event", NOON),
    "bodyfile": ("bodyfile", "2012-05-25T15:55:50"), "volatility": ("volatility_pslist", NOON),
    "velociraptor": ("velociraptor_windows_system_pslist", NOON), "evtxecmd": ("windows_security", NOON + ".131234"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TIMES))
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_sample_is_known_and_timed(tmp_path: Path, name: str, encoding: str) -> None:
    text = samples()[name].decode()
    found = items(written(tmp_path, text.encode(encoding), "out.txt"))
    assert not unknown(found)
    assert totals(found) == (1, 0)
    ((table, (row,)),) = stamped(found).items()
    assert (table, row["_time"].isoformat()) == (TIMES[name][0], TIMES[name][1] + "+00:00")


def test_the_host_is_in_the_path(tmp_path: Path) -> None:
    folder = tmp_path / "FS01" / "ProgramExecution"
    folder.mkdir(parents=True)
    for name in ("pecmd", "appcompatcacheparser", "amcacheparser_files"):
        assert events(written(folder, samples()[name], f"2025_{name}.csv"))[0]["_host"] == "fs01"
    assert events(written(folder, samples()["plaso_l2tcsv"], "l2t.csv"))[0]["_host"] == "ws1"  # the record's own


def test_native_columns_are_all_there(tmp_path: Path) -> None:
    for name in set(TIMES) - {"plaso_json", "velociraptor", "bodyfile", "evtxecmd"}:
        text = samples()[name].decode()
        header, wanted = list(csv.reader(io.StringIO(text)))[:2]
        row = events(written(tmp_path, text.encode(), "out.csv"))[0]
        empty = ("", "-", "N/A") if name in ("volatility", "plaso_l2tcsv", "plaso_dynamic") else ("",)
        assert {c: v for c, v in zip(header, wanted, strict=True) if v not in empty} == {
            c: v for c, v in row.items() if not c.startswith("_")
        }, name


def test_autoruns_below_its_banner(tmp_path: Path) -> None:
    banner = (
        "\r\nSysinternals Autoruns v14.11 - Autostart program viewer\r\nCopyright (C) 2002-2024 Mark Russinovich\r\n"
        "Sysinternals - www.sysinternals.com\r\n\r\n"
    )
    text = samples()["autoruns"].decode().replace("\n", "\r\n")
    for encoding in ("utf-8", "utf-16"):
        found = items(written(tmp_path, (banner + text).encode(encoding), "autoruns.csv"))
        assert totals(found) == (1, 0)
        row = stamped(found)["autoruns"][0]
        assert row["Launch String"] == '"C:\\Program Files\\Tool\\up.exe" /s'
        assert row["Image Path"] == "c:\\program files\\tool\\up.exe"
    assert unknown(items(written(tmp_path, ("some words\r\n" + text).encode(), "x.csv")))


def test_mactime_without_a_time(tmp_path: Path) -> None:
    text = (
        samples()["mactime"].decode()
        + "Xxx Xxx 00 0000 00:00:00,1,m...,r/r,0,0,5,/x\n2025-03-04T10:11:13Z,1,.a..,r/r,0,0,6,/y\n"
    )
    rows = events(written(tmp_path, text.encode(), "m.csv"))
    assert [row.get("_time") and row["_time"].second for row in rows] == [12, None, 13]


def test_bodyfile_lines(tmp_path: Path) -> None:
    good = 'd41d8cd98f00b204e9800998ecf8427e|/a "b|5-128-1|r/rrwxrwxrwx|0|0|12|1741083072|1741083072|1741083072|0\n'
    path = written(tmp_path, ("# made by a tool\n" + good * 30 + "no line\n" + good).encode(), "body.txt")
    found = items(path)
    assert totals(found) == (31, 1)
    row = events(path)[0]
    assert (row["name"], row["MD5"], row["crtime"]) == ('/a "b', "d41d8cd98f00b204e9800998ecf8427e", "0")


VOLATILITY: dict[str, dict[str, Any]] = {
    "netscan": {"Offset": 1, "Proto": "TCPv4", "LocalAddr": "10.0.0.5", "LocalPort": 445, "ForeignAddr": "0.0.0.0",
                "ForeignPort": 0, "State": "LISTENING", "PID": 4, "Owner": "System", "Created": NOON},
    "svcscan": {"Offset": 1, "Order": 2, "PID": 3, "Start": "SERVICE_AUTO_START", "State": "SERVICE_RUNNING",
                "Type": "SERVICE_KERNEL_DRIVER", "Name": "a", "Display": "A", "Binary": "\\Driver\\a"},
    "cmdline": {"PID": 4321, "Process": "a.exe", "Args": "a.exe -x"},
    "dlllist": {"PID": 1, "Process": "a.exe", "Base": 1, "Size": 2, "Name": "n.dll", "Path": "C:\\n.dll",
                "LoadTime": NOON, "File output": "Disabled"},
    "malfind": {"PID": 1, "Process": "a.exe", "Start VPN": 1, "End VPN": 2, "Tag": "VadS",
                "Protection": "PAGE_EXECUTE_READWRITE", "CommitCharge": 1, "PrivateMemory": 1,
                "File output": "Disabled", "Hexdump": "4d 5a\n00", "Disasm": "push\nret"},
    "pslist": {"PID": 4, "PPID": 0, "ImageFileName": "System", "Offset(V)": 1, "Threads": 134, "Handles": None,
               "SessionId": None, "Wow64": False, "CreateTime": NOON + "+00:00", "ExitTime": None},
}  # fmt: skip


@pytest.mark.parametrize("plugin", sorted(VOLATILITY))
@pytest.mark.parametrize("form", ["csv", "json", "jsonl"])
def test_volatility_plugins(tmp_path: Path, plugin: str, form: str) -> None:
    record = VOLATILITY[plugin]
    if form == "csv":
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["TreeDepth", *record])
        writer.writerow([0, *("-" if value is None else value for value in record.values())])
        text = out.getvalue()
    else:
        record = {"__children": [], **record}
        text = json.dumps([record], indent=2) if form == "json" else json.dumps(record) + "\n"
    found = items(written(tmp_path, text.encode(), "out"))
    assert totals(found) == (1, 0)
    ((table, (row,)),) = stamped(found).items()
    assert table == f"volatility_{plugin}"
    for name, value in VOLATILITY[plugin].items():
        if value is not None and not isinstance(value, bool):
            assert row[name] == str(value)


def test_volatility_trees(tmp_path: Path) -> None:
    def process(pid: int, *children: dict[str, Any]) -> dict[str, Any]:
        return {**VOLATILITY["pslist"], "PID": pid, "Audit": "x", "Cmd": "c", "Path": "p", "__children": list(children)}

    tree = [process(4, process(8, process(12)), process(16)), process(20)]
    rows = events(written(tmp_path, json.dumps(tree).encode(), "pstree.json"))
    assert [(r["PID"], r["TreeDepth"]) for r in rows] == [("4", "0"), ("8", "1"), ("12", "2"), ("16", "1"), ("20", "0")]


def parsed(path: Path) -> list[dict[str, Any]]:
    return [
        json.loads(r["data"], strict=False)["Event"] | {"_": r["timestamp"]}
        for r in evtx.PyEvtxParser(str(path), number_of_threads=1, separate_json_attributes=True).records_json()
    ]


def same(left: list[dict[str, Any]], right: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    """EventData's fields, and those of System that the tool keeps, are the same in both."""
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert [one.get(name) for name in names] == [other.get(name) for name in names]
        assert one["_time"] == other["_time"]
        assert one["_host"] == other["_host"]


def test_evtxecmd_gives_the_events_themselves(real_data: Path, tmp_path: Path) -> None:
    path = real_data / "evtx/AutomatedTestingTools/PanacheSysmon_vs_AtomicRedTeam01.evtx"
    out, lines = io.StringIO(), []
    writer = csv.writer(out)
    columns = ["RecordNumber", "EventRecordId", "TimeCreated", "EventId", "Level", "Provider", "Channel", "ProcessId",
               "ThreadId", "Computer", "UserId", "MapDescription", "UserName", "PayloadData1", "Payload"]  # fmt: skip
    writer.writerow(columns)
    for number, event in enumerate(parsed(path)):
        system, data = event["System"], event["EventData"]
        payload = {
            "EventData": {
                "Data": [{"@Name": k, **({} if v in ("", None) else {"#text": str(v)})} for k, v in data.items()]
            }
        }
        time = system["TimeCreated_attributes"]["SystemTime"].replace("T", " ").rstrip("Z") + "0"
        row = [number, system["EventRecordID"], time, system["EventID"], "Info",
               system["Provider_attributes"]["Name"], system["Channel"], system["Execution_attributes"]["ProcessID"],
               system["Execution_attributes"]["ThreadID"], system["Computer"], "S-1-5-18", "Process creation", "x", "y",
               json.dumps(payload)]  # fmt: skip
        writer.writerow(row)
        lines.append(json.dumps(dict(zip(columns, row, strict=True))))
    names = ("EventID", "EventRecordID", "Channel", "Provider_Name", "Computer", "ExecutionProcessID", "Image",
             "CommandLine", "TargetObject", "ProcessGuid", "ProcessId", "ParentImage", "Details", "Hashes")  # fmt: skip
    whole = events(path)
    told = events(written(tmp_path, out.getvalue().encode("utf-8-sig"), "EvtxECmd_Output.csv"))
    same(told, whole, names)
    assert told[0]["MapDescription"] == "Process creation"
    same(events(written(tmp_path, "\n".join(lines).encode(), "EvtxECmd_Output.json")), whole, names)


def test_velociraptors_events_go_to_their_channels(real_data: Path, tmp_path: Path) -> None:
    path = real_data / "evtx/AutomatedTestingTools/PanacheSysmon_vs_AtomicRedTeam01.evtx"
    whole = events(path)
    raw, laid = [], []
    for event, row in zip(parsed(path), whole, strict=True):
        system = event["System"]
        seconds = row["_time"].timestamp()
        raw.append({
            "System": {"Provider": system["Provider_attributes"], "EventID": {"Value": system["EventID"]},
                       "TimeCreated": {"SystemTime": seconds}, "EventRecordID": system["EventRecordID"],
                       "Execution": system["Execution_attributes"], "Channel": system["Channel"],
                       "Computer": system["Computer"], "Security": system["Security_attributes"]},
            "EventData": event["EventData"], "Message": "words", "_Source": "Windows.EventLogs.Evtx"})  # fmt: skip
        laid.append({
            "EventTime": system["TimeCreated_attributes"]["SystemTime"], "Computer": system["Computer"],
            "Channel": system["Channel"], "Provider": system["Provider_attributes"]["Name"],
            "EventID": system["EventID"], "EventRecordID": system["EventRecordID"], "UserSID": "S-1-5-18",
            "Username": "SYSTEM", "EventData": event["EventData"], "Message": "words"})  # fmt: skip
    names = ("EventID", "EventRecordID", "Channel", "Provider_Name", "Computer", "UserID", "Image", "CommandLine",
             "TargetObject", "ProcessId", "Details")  # fmt: skip
    for rows in (raw, laid):
        found = written(tmp_path, "".join(json.dumps(row) + "\n" for row in rows).encode(), "hunt.json")
        assert set(stamped(items(found))) == {"windows_sysmon"}
        same(events(found), whole, names)


def test_velociraptors_artifacts_have_tables(tmp_path: Path) -> None:
    folder = tmp_path / "Collection-WS1-2025-03-04T10_11_12Z" / "results"
    folder.mkdir(parents=True)
    rows = [{"Name": "a", "Created": NOON + "Z", "Hash": {"SHA256": "AB"}, "Data": [1, 2]}, {"Name": "b"}]
    path = written(folder, "".join(json.dumps(r) + "\n" for r in rows).encode(), "Windows.System.Services.json")
    ((table, found),) = stamped(items(path)).items()
    assert table == "velociraptor_windows_system_services"
    assert (found[0]["Hash.SHA256"], found[0]["Data"], found[0]["_host"]) == ("AB", "[1,2]", "ws1")
    assert found[0]["_time"].isoformat() == NOON + "+00:00"
    assert unknown(items(written(tmp_path, b'{"Name": "a", "other": 1}\n', "results.json")))


def test_damage_costs_its_row(tmp_path: Path) -> None:
    text = samples()["appcompatcacheparser"].decode()
    row = text.splitlines()[1]
    found = items(written(tmp_path, (text + "1,2\n" + row + "\n").encode(), "x.csv"))
    assert totals(found) == (2, 1)
    assert "values where the header names" in refusals(found)[0]


def test_no_other_log_is_taken(real_data: Path) -> None:
    ours = {name: registry()[name] for name in CSVS}
    looked = 0
    for path in sorted(real_data.rglob("*")):
        if path.is_file() and path.suffix not in (".npz", ".yml", ".yaml"):
            with path.open("rb") as stream:
                head = stream.read(65536)
            looked += 1
            taken = [name for name, source in ours.items() if source.sniff(head, str(path)) > 0]
            assert not taken, (path, taken)
    assert looked > 500


def test_what_stands_behind_them_is_said() -> None:
    assert all(declared()[name]["verified"] for name in CSVS)


FILLED: list[tuple[str, str, dict[str, Any]]] = [
    ("file", "mftecmd", {"file.path": ".\\Windows\\Temp\\a.exe", "file.size": 1024, "event.action": "file-listed",
                         "file.mtime": "2019-01-01 00:00:00.0000000"}),
    ("file", "mftecmd_usn", {"file.path": ".\\Windows\\Temp\\a.exe", "event.reason": "FileCreate|Close"}),
    ("file", "bodyfile", {"file.path": "/lost+found", "file.name": "lost+found", "file.size": 12288}),
    ("file", "mactime", {"file.path": "/tmp/a.sh", "file.directory": "/tmp", "event.reason": "m..."}),
    ("file", "plaso_l2tcsv", {"file.name": "a.exe", "event.reason": "Content Modification Time"}),
    ("execution", "pecmd", {"process.name": "CMD.EXE", "execution.run_count": 3, "execution.artifact": "prefetch",
                            "execution.last_run": "2025-03-04 10:11:12"}),
    ("execution", "pecmd_timeline", {"process.name": "CMD.EXE"}),
    ("execution", "plaso_json", {"process.name": "CMD.EXE", "execution.run_count": 3}),
    ("execution", "appcompatcacheparser", {"process.name": "a.exe", "execution.confirmed": True}),
    ("execution", "amcacheparser_files", {"process.executable": "c:\\users\\ada\\a.exe",
                                          "file.hash.sha1": "da39a3ee5e6b4b0d3255bfef95601890afd80709"}),
    ("inventory", "amcacheparser_programs", {"inventory.kind": "software", "inventory.name": "Some Tool"}),
    ("inventory", "amcacheparser_drivers", {"inventory.kind": "driver", "file.code_signature.signed": False}),
    ("inventory", "autoruns", {"inventory.kind": "autorun", "inventory.name": "Updater", "file.name": "up.exe",
                               "file.hash.md5": "d41d8cd98f00b204e9800998ecf8427e"}),
    ("inventory", "task_xml", {"inventory.kind": "task", "scheduled_task.name": "\\Update", "file.name": "a.exe"}),
    ("scheduled_task", "task_xml", {"scheduled_task.action": "C:\\a.exe"}),
    ("inventory", "velociraptor", {"inventory.kind": "process", "user.name": "ada"}),
    ("process", "velociraptor", {"process.pid": 4321, "process.parent.pid": 4, "process.executable": "C:\\a.exe"}),
    ("process", "volatility", {"process.pid": 4, "process.name": "System"}),
    ("authentication", "evtxecmd", {"user.name": "ada", "winlog.logon.type": "Network"}),
    ("script", "powershell_transcript", {"script.content": "whoami", "script.context": "corp\\ada",
                                         "process.pid": 4321, "user.name": "ada"}),
]  # fmt: skip


def test_views_are_filled(tmp_path: Path, duckdb_engine: Any) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    for name in {name for _, name, _ in FILLED}:
        for item in items(written(tmp_path, samples()[name], f"{name}.txt")):
            if isinstance(item, Stamped):
                lake.append({item.table: [item.events]})
    for view, name, wanted in FILLED:
        rows = duckdb_engine.collect(view_table(duckdb_engine, lake, view)).to_pylist()
        assert any(wanted == {field: row[field] for field in wanted} for row in rows), (view, name)
