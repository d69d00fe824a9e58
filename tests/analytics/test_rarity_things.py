"""What events are about: one file in the many writings of its path, one host's own, and what says nothing of a file."""

from __future__ import annotations

import pyarrow as pa
import pytest

from artifact_samples import TOOL, in_amcache, on_disk, prefetched, starting
from rarity_samples import batch
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.keys import keys
from vizsla.analytics.rarity.things import files, is_thing, plain_paths, programs, ran, tasks, things

PLAIN = "\\users\\public\\svch0st.exe"


@pytest.mark.parametrize(
    "written",
    ["C:\\Users\\Public\\svch0st.exe", "c:/Users/Public/SVCH0ST.exe", ".\\Users\\Public\\svch0st.exe",
     "\\VOLUME{01d1-4a2c}\\USERS\\PUBLIC\\SVCH0ST.EXE", "\\Device\\HarddiskVolume3\\Users\\Public\\svch0st.exe",
     "\\??\\C:\\Users\\Public\\svch0st.exe", "\\\\?\\C:\\Users\\Public\\svch0st.exe",
     "/Users/Public/svch0st.exe", "C:/Users/Public/svch0st.exe (deleted)", "SYSVOL\\Users\\Public\\svch0st.exe",
     "%SystemDrive%\\Users\\Public\\svch0st.exe"],
)  # fmt: skip
def test_one_file_has_one_writing(written: str) -> None:
    assert plain_paths(pa.array([written])).to_pylist() == [PLAIN]


@pytest.mark.parametrize("text", ["", "-", "cmd.exe", "C:\\", "DWORD (0x00000001)", "Binary Data", "C:\\folder\\"])
def test_what_is_no_whole_path_is_no_file(text: str) -> None:
    assert files(pa.array([text, None])).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ('"C:\\Program Files\\a b\\c.exe" -k x', "C:\\Program Files\\a b\\c.exe"),
        ("C:\\Program Files\\a b\\c.exe -k x.dll", "C:\\Program Files\\a b\\c.exe"),
        ("%SystemRoot%\\System32\\svchost.exe -k netsvcs", "C:\\Windows\\System32\\svchost.exe"),
        ("\\SystemRoot\\system32\\drivers\\d.sys", "C:\\Windows\\System32\\drivers\\d.sys"),
        ("system32\\drivers\\d.sys", "C:\\Windows\\System32\\drivers\\d.sys"),
        ("%COMSPEC% /c echo x", "C:\\Windows\\System32\\cmd.exe"),
        ("C:\\tools\\runs", "C:\\tools\\runs"),
    ],
)
def test_the_program_of_a_command(command: str, program: str) -> None:
    assert programs(pa.array([command])).tolist() == files(pa.array([program])).tolist() != [0]


@pytest.mark.parametrize("command", ["powershell -enc AAAA", "cmd.exe /c C:\\a.exe", "DWORD (0x00000001)", "", '"'])
def test_a_command_that_does_not_say_where_its_program_lies(command: str) -> None:
    assert programs(pa.array([command, None])).tolist() == [0, 0]


def test_a_prefetch_files_program_is_the_one_that_bears_its_name() -> None:
    loaded = "\\VOLUME{1}\\WINDOWS\\NTDLL.DLL, \\VOLUME{1}\\A, B\\XCMD.EXE, \\VOLUME{1}\\T\\CMD.EXE"
    found = ran(pa.array(["CMD.EXE", "NO.EXE", None]), pa.array([loaded, loaded, loaded]))
    assert found.tolist() == [int(files(pa.array(["C:\\t\\cmd.exe"]))[0]), 0, 0]


def test_every_artifact_of_a_file_names_the_same_thing() -> None:
    events = [make(0, "ws1", TOOL) for make in (on_disk, prefetched, in_amcache, starting)]
    events.append({"table": "windows_sysmon", "_time": 0, "_host": "WS1.corp.example", "EventID": "1", "Image": TOOL})
    events.append({"table": "windows_system", "_time": 0, "_host": "WS1.corp.example", "EventID": "7045",
                   "ImagePath": f'"{TOOL}" -s'})  # fmt: skip
    found = {int(keys(batch([e]), profile(e["table"])).pair[0]) for e in events}
    assert len(found) == 1
    assert 0 not in found
    elsewhere = on_disk(0, "ws2", TOOL)
    assert int(keys(batch([elsewhere]), profile("mft_entry")).pair[0]) not in found
    nowhere = {**elsewhere, "_host": None}
    assert int(keys(batch([nowhere]), profile("mft_entry")).pair[0]) == 0


def test_only_the_types_of_event_that_are_about_something() -> None:
    rows = [{"_host": "ws1", "EventID": n, "Image": TOOL, "TargetFilename": "C:\\a.txt"} for n in ("1", "5", "11")]
    one, none, other = things(batch(rows), profile("windows_sysmon")).tolist()
    assert none == 0
    assert len({one, none, other}) == 3


def test_a_services_registry_value_says_not_whose_it_is() -> None:
    run, service = (
        "HKU\\S-1\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\a",
        "HKLM\\System\\Services\\a\\ImagePath",
    )
    rows = [{"_host": "ws1", "EventID": "13", "TargetObject": key, "Details": TOOL} for key in (run, service)]
    found = things(batch(rows), profile("windows_sysmon")).tolist()
    assert found[0] != 0 == found[1]


def test_things_and_pairs_of_addresses_are_told_apart() -> None:
    rows = [{"_host": "ws1", "EventID": "3", "SourceIp": f"10.0.0.{n}", "DestinationIp": "fe80:0:0:0:0:0:0:1"}
            for n in range(50)]  # fmt: skip
    pairs = keys(batch(rows), profile("windows_sysmon")).pair
    zeek = [{"_host": "x", "id.orig_h": f"10.0.0.{n}", "id.resp_h": "fe80::1"} for n in range(50)]
    assert keys(batch(zeek), profile("zeek_conn")).pair.tolist() == pairs.tolist()
    assert not is_thing(pairs).any()
    disk = keys(batch([on_disk(0, "ws1", f"C:\\a\\f{n}.exe") for n in range(50)]), profile("mft_entry")).pair
    assert is_thing(disk).all()
    assert len(set(disk.tolist())) == 50
    assert tasks(pa.array(["\\Update"])).tolist() == tasks(pa.array(["\\UPDATE"])).tolist()
