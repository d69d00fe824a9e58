"""What an intruder writes into logs is shown as text on every face: no escape code, markup, formula or link acts."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from attack.attack_tools import FORMULA, HOSTILE, event, lines, run, take


def hostile_events() -> list[dict[str, object]]:
    def at(n: int) -> dict[str, str]:
        return {"TimeCreated": f"2026-01-05T10:01:{n:02d}Z", "Hostname": f"WS{n % 6}"}

    return [
        *(event(i, Hostname=f"WS{i % 5}") for i in range(40)),
        *(
            event(60 + i, Image=f"C:\\{text}\\x.exe", CommandLine=text * 3, User=f"CORP\\{text}", Hostname="WS9" + text,
                  ParentImage=text, OriginalFileName=FORMULA)
            for i, text in enumerate((HOSTILE, FORMULA, "A" * (1 << 15) + HOSTILE))
        ),
        event(70, EventID=3, DestinationIp="10.0.0.9", DestinationHostname=HOSTILE, Image=HOSTILE),
        event(71, EventID=HOSTILE, Hostname="WS4"),
        event(72, EventID="a/b:c", Hostname="WS4"),
        event(73, EventID="x" * 10_000, Hostname="WS3"),
        event(74, EventID=[1, {"a": 2}], Hostname="WS3"),
        event(75, Hostname="WS4", **{HOSTILE: "v", "": "v", "_id": "v", "_time": "v", "select": "v", '"; drop': "v"}),
        event(76, Hostname="WS4", Channel=HOSTILE),
        *({"EventID": 7045, "Channel": "System", **at(i), "ServiceName": "s", "ImagePath": "a"} for i in range(9)),
        {"EventID": 7045, "Channel": "System", **at(9), "ServiceName": HOSTILE, "ImagePath": HOSTILE},
        {"EventID": 4698, "Channel": "Security", **at(3), "TaskName": HOSTILE, "TaskContent": HOSTILE,
         "SubjectUserName": HOSTILE, "SubjectLogonId": HOSTILE},
        *({"EventID": 4624, "Channel": "Security", **at(i), "LogonType": "3", "IpAddress": "1.1.1.1",
           "TargetUserName": HOSTILE if i == 3 else "bob", "WorkstationName": HOSTILE if i == 3 else "A"}
          for i in range(30)),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    logs = folder / ("logs[b]" + HOSTILE.replace("/", "")[:120])
    logs.mkdir()
    take(folder / "lake", lines(logs / "=cmd\x1b]8;;x\x07.json", hostile_events()))
    ran = run("ingest", logs, "--lake", folder / "lake")  # its name among what is said
    assert ran.code == 0
    return folder / "lake"


def values(found: object) -> list[str]:
    if isinstance(found, dict):
        return [text for part in found.values() for text in values(part)]
    if isinstance(found, list):
        return [text for part in found for text in values(part)]
    return [found] if isinstance(found, str) else []


def no_formula(text: str) -> None:
    csv.field_size_limit(1 << 24)
    for row in csv.reader(io.StringIO(text)):
        for cell in row:
            assert not cell.lstrip().startswith(("=", "+", "-", "@")) or re.fullmatch(r"-?\d+(\.\d+)?", cell), cell[:80]


@pytest.mark.parametrize("width", [80, 140])
def test_findings_on_a_terminal(lake: Path, width: int) -> None:
    ran = run("hunt", "--lake", lake, width=width)
    assert "\\x1b[2J" in ran.out
    assert max(map(len, ran.out.splitlines())) <= width


def test_findings_for_machines(lake: Path) -> None:
    ran = run("hunt", "--lake", lake, "--format", "jsonl")
    found = [json.loads(line) for line in ran.out.splitlines()]
    assert any("<script>" in text for text in values(found))
    assert len(ran.out) < 4 << 20
    assert json.loads(run("hunt", "--lake", lake, "--format", "json").out) == found
    no_formula(run("hunt", "--lake", lake, "--format", "csv").out)
    for finding in found:
        for width in (80, 140):
            assert run("show", finding["id"], "--lake", lake, width=width).code == 0


class Page(HTMLParser):
    """Which elements a page has, and what their attributes would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            assert not name.startswith("on"), (tag, name, value)
            if name in ("src", "href", "action", "data", "srcset", "xlink:href", "style"):
                self.loads.append(value or "")


def test_findings_on_a_page(lake: Path) -> None:
    file = lake.parent / "report.html"
    assert run("hunt", "--lake", lake, "--format", "html", "--output", file).code == 0
    text = file.read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert not {"img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    for loaded in page.loads:
        assert not re.search(r"(?i)https?:|javascript:|^//|url\(", loaded), loaded
    assert "<script>alert" not in text
    assert re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\u200b]", text) is None
    assert len(text) < 2 << 20


COMMANDS = [
    ["events", "process"],
    ["events", "service"],
    ["events", "scheduled_task"],
    ["events", "windows_sysmon"],
    ["events", "network"],
    ["stack", "process", "process.executable,process.command_line"],
    ["stack", "service", "service.name"],
    ["stack", "windows_security", "TargetUserName", "--by", "host"],
    ["query", "select * from windows_sysmon"],
    ["query", 'select "CommandLine" as "=1+1" from windows_sysmon'],
    ["views"],
    ["coverage"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_looking_by_hand(lake: Path, command: list[str]) -> None:
    for width in (80, 140):
        assert run(*command, "--lake", lake, width=width).code == 0
    lines_ = run(*command, "--lake", lake, "--format", "jsonl").out.splitlines()
    assert json.loads(run(*command, "--lake", lake, "--format", "json").out) == [json.loads(line) for line in lines_]
    no_formula(run(*command, "--lake", lake, "--format", "csv").out)


ERRORS = [
    ["show", HOSTILE],
    ["events", HOSTILE],
    ["stack", HOSTILE, "x"],
    ["stack", "process", HOSTILE],
    ["events", "process", "--where", HOSTILE],
    ["events", "process", "--where", f"process.name = '{HOSTILE}'".replace("'c calc'", "")],
    ["events", "process", "--around", HOSTILE],
    ["query", HOSTILE],
    ["query", f'select "{HOSTILE}"'],
    ["hunt", "--since", HOSTILE],
    ["hunt", "--view", HOSTILE],
    ["hunt", "--analytic", HOSTILE],
    ["hunt", "--baseline", HOSTILE],
    ["baseline", "show", HOSTILE],
    ["ingest", "--source", HOSTILE, "."],
]


@pytest.mark.parametrize("command", ERRORS, ids=range(len(ERRORS)))
def test_errors_show_what_was_said_harmlessly(lake: Path, command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lake)
    assert run(*command, "--lake", lake).code == 2
