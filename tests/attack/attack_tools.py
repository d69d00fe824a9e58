"""What an intruder writes, and how the command line is run and looked at."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from vizsla.cli.main import app
from vizsla.lake import Lake
from vizsla.nouns import RunReport

SYSMON = "Microsoft-Windows-Sysmon/Operational"
# Text that acts where it is not escaped: on terminals, in markup, on pages, in spreadsheets.
HOSTILE = (
    "[/b][link=http://evil.example/x]a[/link]\x1b[2J\x1b]8;;http://evil.example/\x1b\\b\x1b]8;;\x1b\\\x9b31m\u202eexe.cod"
    "\u200b\u2066\x07\x08<script>alert(1)</script></style></script><img src=http://evil.example/p onerror=alert(2)>"
    "\"'`${7*7}{{7*7}}&lt;\r\n=cmd|'/c calc'!A1\tjavascript:alert(3)"
)
FORMULA = "=cmd|'/c calc'!A1"
# Control characters but for the line feed between lines; those that turn or hide text.
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True)
class Ran:
    """A command's end."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


def run(*args: str | Path, width: int = 100) -> Ran:
    """The command line, in this process. What it says is never a traceback, a defect, or a control character."""
    result = CliRunner().invoke(app, [str(a) for a in args], env={"COLUMNS": str(width)})
    error = result.exception
    assert error is None or isinstance(error, SystemExit), f"{args}: {type(error).__name__}: {error}"
    ran = Ran(result.exit_code, result.stdout, result.stderr)
    sound(ran)
    return ran


def sound(ran: Ran) -> None:
    """No traceback, no defect, no raw control character on either stream; a documented exit code."""
    assert "Traceback" not in ran.said, ran.said[-3000:]
    assert "a defect in Vizsla" not in ran.said, ran.said[-3000:]
    found = RAW.search(ran.said)
    assert found is None, ascii(ran.said[max(found.start() - 80, 0) : found.end() + 80])
    assert ran.code in (0, 1, 2, 3), (ran.code, ran.said[-2000:])


def spawned(*args: str | Path, timeout: float = 240, **more: Any) -> subprocess.CompletedProcess[bytes]:
    """The command line, in a process of its own."""
    command = [sys.executable, "-m", "vizsla", *map(str, args)]
    return subprocess.run(command, capture_output=True, timeout=timeout, check=False, **more)


def event(n: int = 0, **more: Any) -> dict[str, Any]:
    """A process creation as a flat record; `more` replaces its fields."""
    return {
        "EventID": 1,
        "Channel": SYSMON,
        "Hostname": "WS1.corp.example",
        "RecordNumber": n,
        "TimeCreated": f"2026-01-05T10:{n // 60 % 60:02d}:{n % 60:02d}.000Z",
        "ProcessGuid": f"{{0aa00000-0000-0000-0000-{n:012d}}}",
        "Image": "C:\\Windows\\System32\\whoami.exe",
        "CommandLine": "whoami /all",
        "User": "CORP\\ada",
        "ParentImage": "C:\\Windows\\System32\\cmd.exe",
        **more,
    }


def lines(path: Path, records: Iterable[Any]) -> Path:
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
    return path


def take(lake: Path, *paths: Path) -> RunReport:
    """Ingest into a lake (made where it is missing); every log's records are accounted for."""
    from vizsla.ingest import ingest

    report = ingest(paths, Lake.open(lake, create=True))
    for reading in report.readings:
        assert reading.records == reading.stored + reading.known + reading.rejected, reading
    return report


def stored(report: RunReport) -> int:
    return sum(reading.stored for reading in report.readings)


def rejected(report: RunReport) -> int:
    return sum(reading.rejected for reading in report.readings)


def rows(lake: Path, table: str, *columns: str) -> list[dict[str, Any]]:
    """Rows of a table as the files hold them."""
    import pyarrow.parquet as pq

    found: list[dict[str, Any]] = []
    for file in Lake.open(lake).scan(table).files:
        with pq.ParquetFile(file) as parquet:
            held = [c for c in columns if c in parquet.schema_arrow.names] if columns else None
            found += parquet.read(columns=held).to_pylist()
    return found
