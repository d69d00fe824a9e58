"""PowerShell transcripts: sessions, commands with what they printed, times; nothing of the text is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_samples import events, items, totals, unknown, written

STARS = "*" * 22
HEADER = f"""{STARS}
Windows PowerShell transcript start
Start time: 20250304101112
Username: CORP\\ada
RunAs User: CORP\\admin
Configuration Name:\x20
Machine: WS1 (Microsoft Windows NT 10.0.19045.0)
Host Application: C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe -nop -w hidden
Process ID: 4321
PSVersion: 5.1.19041.1
PSEdition: Desktop
{STARS}
Transcript started, output file is C:\\Users\\ada\\Documents\\t.txt
"""
END = f"""{STARS}
Windows PowerShell transcript end
End time: 20250304101500
{STARS}
"""
INVOKED = f"{STARS}\nCommand start time: 20250304101230\n{STARS}\n"
SESSION = (
    HEADER
    + "PS C:\\Users\\ada> whoami\ncorp\\ada\n\n"
    + INVOKED
    + "PS C:\\> Get-Process |\n>> Select-Object Name\nName\n----\n"
    f"{STARS}\nlsass\nPS>exit\n" + END
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_a_session_is_read(tmp_path: Path, encoding: str, line: str) -> None:
    path = written(tmp_path, SESSION.replace("\n", line).encode(encoding), "PowerShell_transcript.WS1.txt")
    assert totals(items(path)) == (5, 0)
    start, who, get, leave, end = events(path)
    assert [r["Type"] for r in (start, who, get, leave, end)] == ["session", "command", "command", "command", "end"]
    assert (start["RunAs User"], start["PSVersion"], start["_host"]) == ("CORP\\admin", "5.1.19041.1", "ws1")
    assert start["Host Application"].endswith("powershell.exe -nop -w hidden")
    assert (who["Command"], who["Output"], who["Prompt"]) == ("whoami", "corp\\ada", "PS C:\\Users\\ada>")
    assert who["_time"].isoformat() == "2025-03-04T10:11:12+00:00"  # the session's: nothing better is known
    assert who["Process ID"] == "4321"
    assert get["Command"] == "Get-Process |\nSelect-Object Name"
    assert get["Output"] == f"Name\n----\n{STARS}\nlsass"
    assert get["_time"].isoformat() == "2025-03-04T10:12:30+00:00"
    assert (leave["Command"], leave["Output file"]) == ("exit", "C:\\Users\\ada\\Documents\\t.txt")
    assert end["_time"].isoformat() == "2025-03-04T10:15:00+00:00"


def test_several_sessions_and_one_cut_off(tmp_path: Path) -> None:
    second = (
        HEADER.replace("Windows PowerShell", "PowerShell").replace("CORP\\admin", "CORP\\eve").replace("4321", "99")
    )
    path = written(tmp_path, (SESSION + second + "PS /home/eve> id\nuid=0").encode(), "t.txt")
    rows = events(path)
    assert [row["Type"] for row in rows].count("session") == 2
    assert (rows[-1]["Command"], rows[-1]["Output"], rows[-1]["RunAs User"]) == ("id", "uid=0", "CORP\\eve")
    assert rows[-1]["Process ID"] == "99"


def test_output_without_a_command_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path, (HEADER + "hello from a script\nmore\n" + END).encode(), "t.txt")
    rows = events(path)
    assert [row["Type"] for row in rows] == ["session", "output", "end"]
    assert rows[1]["Output"] == "hello from a script\nmore"


def test_long_output_goes_on_in_another_row(tmp_path: Path) -> None:
    printed = ("x" * 99 + "\n") * 12_000
    rows = events(written(tmp_path, (HEADER + "PS C:\\> type big\n" + printed + END).encode(), "t.txt"))
    kept = [row["Output"] for row in rows if row["Type"] in ("command", "output")]
    assert len(kept) == 3
    assert "\n".join(kept) == printed.rstrip()


def test_other_text_is_unknown(tmp_path: Path) -> None:
    for text in (STARS + "\nhello\n", "Windows PowerShell transcript start\n", "PS C:\\> dir\n"):
        assert unknown(items(written(tmp_path, text.encode(), "t.txt")))


LINES = st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), max_size=20), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(printed=LINES)
def test_what_is_printed_is_kept(tmp_path: Path, printed: list[str]) -> None:
    printed = [p for p in printed if not p.startswith(("PS", "[", "*", ">>"))]
    text = HEADER + "PS C:\\> run\n" + "".join(p + "\n" for p in printed) + END
    row = next(r for r in events(written(tmp_path, text.encode(), "t.txt")) if r["Type"] == "command")
    assert row.get("Output", "") == "\n".join(printed).rstrip()
