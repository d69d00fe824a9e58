"""What ties events to episodes, however logs write it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rarity_samples import batch, event
from vizsla.analytics.rarity.encode import NOTHING, code_of
from vizsla.analytics.rarity.fields import EDGE_COLUMNS, launchers, profile
from vizsla.analytics.rarity.keys import NO_PID, SHARED_LOGONS, Keys, Starts, guid_code, keys, pid_of, starts

GUID = "8f5e3b2a-1c4d-4e6f-9a8b-0c1d2e3f4a5b"
NULL = "00000000-0000-0000-0000-000000000000"


def keys_of(*rows: dict[str, Any], table: str = "windows_sysmon", encoded: bool = True) -> Keys:
    return keys(batch(rows, encoded=encoded), profile(table))


@pytest.mark.parametrize("text", [GUID, GUID.upper(), "{" + GUID + "}", "{" + GUID.upper() + "}"])
def test_a_guid_is_one_however_it_is_written(text: str) -> None:
    assert guid_code(text) == guid_code(GUID) != 0
    assert guid_code(text) != guid_code(GUID[:-1] + "c")


@pytest.mark.parametrize("text", [NULL, "{" + NULL + "}", "", "-", "{}", "0"])
def test_no_guid(text: str) -> None:
    assert guid_code(text) == 0


@pytest.mark.parametrize(
    ("text", "pid"),
    [
        ("1234", 1234), ("0x4d2", 1234), ("0X4D2", 1234), ("0x00000000000004d2", 1234),
        ("5", 5), ("4294967295", 2**32 - 1),
        ("4", NO_PID), ("0", NO_PID), ("0x0", NO_PID), ("-1", NO_PID), ("4294967296", NO_PID), ("9" * 5000, NO_PID),
        ("0x" + "f" * 5000, NO_PID), ("", NO_PID), ("-", NO_PID), ("0x", NO_PID), ("12a", NO_PID), ("1_000", NO_PID),
        (" 12", NO_PID), ("12.0", NO_PID), ("١٢٣", NO_PID), ("0x1_0", NO_PID), ("nan", NO_PID),
    ],
)  # fmt: skip
def test_pids(text: str, pid: int) -> None:
    assert pid_of(text) == pid


@given(st.text(max_size=30))
@settings(deadline=None)
def test_no_text_breaks_a_key(text: str) -> None:
    assert pid_of(text) == NO_PID or 4 < pid_of(text) < 2**32
    assert guid_code(text) >= 0
    found = keys_of(event(1, ProcessGuid=text, ProcessId=text, LogonId=text))
    assert found.pid.tolist() == [pid_of(text)]
    assert found.guid.tolist() == [guid_code(text)]


@pytest.mark.parametrize(
    "logon", sorted({*SHARED_LOGONS, "0x3E7", "0x00000000000003e7", "0x0000000000000000", "", "-"})
)
def test_logon_sessions_of_the_system_are_nobodys(logon: str) -> None:
    assert keys_of(event(1, LogonId=logon)).logon.tolist() == [0]


def test_a_logon_session_is_one_however_it_is_written() -> None:
    found = keys_of(*(event(1, LogonId=x) for x in ("0x1A2B", "0x1a2b", "0x0000000000001A2B", "0x1a2c"))).logon.tolist()
    assert found[0] == found[1] == found[2] != 0
    assert found[3] not in (0, found[0])


def test_the_first_column_filled_decides() -> None:
    found = keys_of(
        event(10, SourceProcessGUID="{" + GUID + "}", SourceProcessId="700"),
        event(1, ProcessGuid="{" + NULL + "}", SourceProcessGUID=GUID, ProcessId="4", SourceProcessId="800"),
        event(1),
    )
    assert found.guid.tolist() == [guid_code(GUID), guid_code(GUID), 0]
    assert found.pid.tolist() == [700, 800, NO_PID]
    security = keys_of(
        event(4624, TargetLogonId="0x99", SubjectLogonId="0x11"),
        event(4688, TargetLogonId="0x0", SubjectLogonId="0x11", NewProcessId="0x64", ProcessId="0x65"),
        table="windows_security",
    )
    assert security.logon.tolist() == [code_of("0x99"), code_of("0x11")]
    assert security.pid.tolist() == [NO_PID, 100]


@pytest.mark.parametrize("encoded", [True, False])
def test_pairs_need_both_ends(encoded: bool) -> None:
    a, b = "10.0.0.1", "10.0.0.2"
    pairs = [(a, b), (a, b), (b, a), (None, b), ("-", "-"), (None, None)]
    rows = [{"_host": "h", "_time": 10**15, "id.orig_h": one, "id.resp_h": other} for one, other in pairs]
    one, same, turned, *without = keys_of(*rows, table="zeek_conn", encoded=encoded).pair.tolist()
    assert one == same != 0
    assert turned not in (0, one)
    assert without == [0, 0, 0]
    lone = [{"_host": "h", "_time": 10**15, "id.orig_h": "10.0.0.1"}]
    assert keys_of(*lone, table="zeek_x").pair.tolist() == [0]
    assert keys_of(event(1)).pair.tolist() == [0]


def starts_of(kind: str, *rows: dict[str, Any]) -> Starts | None:
    return starts(batch(rows, encoded=True), np.arange(len(rows)), kind)


def test_starts_of_sysmon() -> None:
    found = starts_of(
        "windows_sysmon:1",
        event(
            1, ProcessId="100", ParentProcessGuid="{" + GUID + "}", ParentProcessId="0x50", ParentImage="C:\\A\\CMD.exe"
        ),
        event(1, ProcessId="101", ParentImage="C:\\Windows\\Explorer.EXE"),
        event(1, ProcessId="102", ParentImage="C:/Windows/System32/services.exe"),
        event(1, ProcessId="103", ParentImage=""),
        event(1, ProcessId="104"),
        event(1, ProcessId="105", ParentImage="C:\\explorer.exe.bak"),
    )
    assert found is not None
    assert found.pid.tolist() == [100, 101, 102, 103, 104, 105]
    assert found.launched.tolist() == [False, True, True, True, True, False]
    assert found.parent_guid.tolist() == [guid_code(GUID), 0, 0, 0, 0, 0]
    assert found.parent_pid.tolist() == [80, *[NO_PID] * 5]


def test_starts_of_the_security_log() -> None:
    found = starts_of(
        "windows_security:4688",
        event(4688, NewProcessId="0x64", ProcessId="0x50", ParentProcessName="C:\\Windows\\System32\\cmd.exe"),
        event(4688, NewProcessId="0x65", ProcessId="0x51", ParentProcessName="C:\\Windows\\System32\\svchost.exe"),
    )
    assert found is not None
    assert (found.pid.tolist(), found.parent_pid.tolist()) == ([100, 101], [80, 81])
    assert found.launched.tolist() == [False, True]
    assert found.parent_guid.tolist() == [int(NOTHING)] * 2


@pytest.mark.parametrize("kind", ["windows_sysmon:3", "windows_security:4624", "zeek_conn", "windows_sysmon:"])
def test_other_kinds_start_nothing(kind: str) -> None:
    assert starts_of(kind, event(3)) is None


def test_starts_are_of_the_rows_asked_for() -> None:
    rows = batch([event(1, ProcessId=str(100 + i)) for i in range(5)])
    found = starts(rows, np.array([3, 1]), "windows_sysmon:1")
    assert found is not None
    assert found.pid.tolist() == [103, 101]


def test_all_columns_of_keys_are_read() -> None:
    for table in ("windows_sysmon", "windows_security", "windows_new_thing", "zeek_conn", "something_else"):
        own = profile(table)
        columns = {*own.guid, *own.pid, *own.logon, *own.pair, *own.actor, *EDGE_COLUMNS, "Foo", "_extra"}
        needed = own.needed(columns)
        assert set(needed) >= columns - {"_extra"} - {"Foo"}
        assert "Foo" in needed
        assert needed[:2] == ("_host", "_time")
        assert len(set(needed)) == len(needed)


def test_launchers_are_base_names_in_lower_case() -> None:
    assert {"explorer.exe", "services.exe", ""} <= launchers()
    assert all(name == name.lower() and "\\" not in name for name in launchers())


def test_fields_compared_are_no_identifiers() -> None:
    names = [
        "Image",
        "CommandLine",
        "ProcessGuid",
        "ProcessId",
        "UtcTime",
        "LogonId",
        "Hashes",
        "TargetObject",
        "_host",
    ]
    assert profile("windows_sysmon").compared(names) == ("CommandLine", "TargetObject")
    assert profile("windows_security").compared(["SubjectUserName", "TargetLogonId"]) == ("SubjectUserName",)
    assert profile("zeek_conn").compared(
        ["id.orig_h", "id.resp_h", "id.resp_p", "ts", "uid", "orig_bytes", "service"]
    ) == (
        "id.resp_h",
        "id.resp_p",
        "service",
    )
    assert profile("brand_new").compared(["b", "a", "ProcessGuid"]) == ("a", "b")


@pytest.mark.parametrize(
    ("kind", "family"),
    [
        ("windows_sysmon:1", "process"), ("windows_sysmon:13", "registry"), ("windows_sysmon:99", "other"),
        ("windows_security:4624", "logon"), ("windows_security:1", "other"), ("windows_system:7045", "service"),
        ("windows_system:1", "system"), ("zeek_conn", "network"), ("zeek_weird", "zeek"), ("brand_new", "brand_new"),
    ],
)  # fmt: skip
def test_families(kind: str, family: str) -> None:
    assert profile(kind.partition(":")[0]).family(kind) == family
