"""Names and values brought to what is comparable."""

from __future__ import annotations

import pyarrow as pa
import pytest

from vizsla.gold import words

XML = (
    "<Task><RegistrationInfo><Author>CORP\\Ada</Author></RegistrationInfo><Triggers><BootTrigger/><CalendarTrigger>"
    "<StartBoundary>2026-01-01T03:00:00</StartBoundary><ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>"
    "</CalendarTrigger></Triggers><Principals><Principal><UserId>S-1-5-18</UserId>"
    "<RunLevel>HighestAvailable</RunLevel></Principal></Principals><Actions><Exec>"
    "<Command>%windir%\\a.exe</Command><Arguments>-x &amp; -y</Arguments></Exec>"
    "</Actions></Task>"
)


@pytest.mark.parametrize(
    ("text", "program", "arguments"),
    [
        ('"C:\\Program Files\\X\\a.exe" -k foo', "c:\\program files\\x\\a.exe", "-k foo"),
        ("%SystemRoot%\\system32\\svchost.exe -k netsvcs", "c:\\windows\\system32\\svchost.exe", "-k netsvcs"),
        ("\\??\\C:\\Windows\\x.sys", "c:\\windows\\x.sys", ""),
        ("system32\\drivers\\a.sys", "c:\\windows\\system32\\drivers\\a.sys", ""),
        ("\\SystemRoot\\System32\\a.sys", "c:\\windows\\system32\\a.sys", ""),
        ("C:\\Tools\\my tool.exe /x", "c:\\tools\\my tool.exe", "/x"),
        ("cmd.exe /c echo", "cmd.exe", "/c echo"),
        ("", "", ""),
    ],
)
def test_a_command_is_a_program_and_its_arguments(text: str, program: str, arguments: str) -> None:
    assert words.command(text) == (program, arguments)


@pytest.mark.parametrize(
    ("program", "place"),
    [
        ("c:\\windows\\temp\\x.exe", "c:\\windows\\temp"),
        ("c:\\windows\\system32\\drivers\\etc\\x.sys", "c:\\windows\\system32"),
        ("c:\\program files\\vendor\\agent\\a.exe", "c:\\program files"),
        ("\\\\srv\\c$\\x.exe", "a share"),
        ("cmd.exe", "no folder"),
    ],
)
def test_where_a_program_lies(program: str, place: str) -> None:
    assert words.place(program) == place


@pytest.mark.parametrize("text", ["NT AUTHORITY\\SYSTEM", "S-1-5-18", "CORP\\SRV1$", "LocalSystem", "system"])
def test_computers_and_windows_are_one_account(text: str) -> None:
    assert words.account(text) == words.SYSTEM


def test_people_are_themselves() -> None:
    assert words.account("CORP\\Ada") == "corp\\ada"


def test_a_definition_says_what_it_is() -> None:
    said = words.Definition(XML)
    assert (said.program, said.arguments) == ("%windir%\\a.exe", "-x & -y")
    assert (said.author, said.account) == ("corp\\ada", "<system> HighestAvailable")
    assert said.trigger == "boot calendar 1"
    assert words.Definition("no xml at all").trigger == ""


def test_values_are_asked_once_and_null_stays_null() -> None:
    asked = []

    def spoken(text: str) -> str:
        asked.append(text)
        return text.upper()

    assert words.each(pa.array(["a", None, "a", ""]), spoken).to_pylist() == ["A", None, "A", None]
    assert sorted(asked) == ["", "a"]


def test_scopes() -> None:
    assert words.scope("task", "\\microsoft\\windows\\defrag\\scheduleddefrag") == "task\\microsoft\\windows"
    assert words.scope("task", "\\reboot") == "task"
    assert words.scope("service", "\\odd\\name") == "service"
