"""Scheduled tasks: definitions as files, as schtasks prints them, and real ones from Security events."""

from __future__ import annotations

import json
from pathlib import Path

import evtx
import pytest
from source_samples import events, items, refusals, totals, unknown, written

from vizsla.sources._hosts import host_of

TASK = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Date>2025-03-04T10:11:12.5</Date>
    <Author>CORP\\ada</Author>
    <URI>\\Microsoft\\Update &amp; more</URI>
  </RegistrationInfo>
  <Triggers>
    <LogonTrigger><Enabled>true</Enabled></LogonTrigger>
    <CalendarTrigger><StartBoundary>2025-03-05T00:00:00</StartBoundary><ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay></CalendarTrigger>
  </Triggers>
  <Principals><Principal id="Author">
    <UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal></Principals>
  <Settings><Enabled>true</Enabled><Hidden>true</Hidden></Settings>
  <Actions Context="Author">
    <Exec><Command>C:\\Windows\\System32\\cmd.exe</Command><Arguments>/c start "" a.exe &amp; exit</Arguments></Exec>
    <Exec><Command>b.exe</Command></Exec>
  </Actions>
</Task>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-8-sig"])
def test_a_task_file(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, TASK.encode(encoding), "Update")
    assert totals(items(path)) == (1, 0)
    row = events(path)[0]
    assert row["TaskName"] == row["RegistrationInfo.URI"] == "\\Microsoft\\Update & more"
    assert row["_time"].isoformat() == "2025-03-04T10:11:12.500000+00:00"
    assert (row["Actions.Exec.Command"], row["Actions.Exec.Command_2"]) == ("C:\\Windows\\System32\\cmd.exe", "b.exe")
    assert row["Actions.Exec.Arguments"] == '/c start "" a.exe & exit'
    assert (row["Principals.Principal.UserId"], row["Settings.Hidden"]) == ("S-1-5-18", "true")
    assert row["Triggers"] == (
        "LogonTrigger Enabled=true; CalendarTrigger StartBoundary=2025-03-05T00:00:00 ScheduleByDay.DaysInterval=1"
    )
    assert row["Content"].startswith("<Task version=")


def test_the_tasks_folder_names_task_and_host(tmp_path: Path) -> None:
    folder = tmp_path / "FS01" / "C" / "Windows" / "System32" / "Tasks" / "Evil"
    folder.mkdir(parents=True)
    text = TASK.replace("<URI>\\Microsoft\\Update &amp; more</URI>", "")
    row = events(written(folder, text.encode("utf-16"), "Run"))[0]
    assert (row["TaskName"], row["_host"]) == ("\\Evil\\Run", "fs01")


def test_what_schtasks_prints(tmp_path: Path) -> None:
    one = TASK.partition("?>")[2]
    text = f'<?xml version="1.0"?>\r\n<Tasks>\r\n<!-- \\A -->\r\n{one}\r\n<!-- \\B -->\r\n{one}</Tasks>'
    assert totals(items(written(tmp_path, text.encode(), "all.xml"))) == (2, 0)


def test_real_definitions(real_data: Path, tmp_path: Path) -> None:
    """Those in the Security events 4698 and 4702 of the samples: each is one task with an action."""
    found = []
    for path in sorted((real_data / "evtx").rglob("*.evtx")):
        if path.name.endswith(("4698.evtx", "task_scheduled.evtx")) or "task" in path.name.lower():
            for record in evtx.PyEvtxParser(str(path), number_of_threads=1).records_json():
                data = json.loads(record["data"], strict=False)["Event"].get("EventData") or {}
                text = data.get("TaskContent") or data.get("TaskContentNew")
                if text:
                    found.append(text)
    assert found
    for text in found:
        path = written(tmp_path, text.encode("utf-16"), "t")
        assert totals(items(path)) == (1, 0)
        row = events(path)[0]
        assert row.get("Actions.Exec.Command") or row.get("Actions.ComHandler.ClassId")
        assert text.count("<Exec>") == sum(name.startswith("Actions.Exec.Command") for name in row)


def test_hostile_and_damaged_ones(tmp_path: Path) -> None:
    body = TASK.partition("?>")[2]
    text = "<!DOCTYPE Task [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>" + body.replace("ada", "&a;")
    found = items(written(tmp_path, text.encode(), "t.xml"))
    assert totals(found) == (0, 2)
    assert "undefined entity" in refusals(found)[1]
    assert totals(items(written(tmp_path, TASK[:900].encode("utf-16"), "t.xml"))) == (0, 1)
    assert unknown(items(written(tmp_path, b"<Task>buy milk</Task>", "t.xml")))


@pytest.mark.parametrize(
    ("path", "host"),
    [
        ("/cases/7/WS-01/C/Windows/System32/winevt/Logs/Security.evtx", "ws-01"),
        ("D:\\out\\FS01\\EventLogs\\20250304_EvtxECmd_Output.csv", "fs01"),
        ("Collection-DC1_corp_example-2025-03-04T10_11_12Z.zip!uploads/auto/C%3A/Windows/a", "dc1_corp_example"),
        ("/home/ada/logs/EventLogs/x.csv", None),
        ("/tmp/C/Windows/System32/Tasks/x", None),
        ("WS1.csv", None),
        ("/data/out/Registry", None),
    ],
)
def test_hosts_by_path(path: str, host: str | None) -> None:
    assert host_of(path) == host
