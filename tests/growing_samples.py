"""Logs that grow, in several formats, for the tests of reading on."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from lake_samples import ids
from vizsla.ingest import ingest
from vizsla.lake import Lake
from vizsla.nouns import RunReport
from vizsla.source import Batch, Growth, LogFile, Rejected, TableSpec
from vizsla.sources._lines import TooLong, line_blocks, line_growth

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
ZEEK = (
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\n"
    "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\n"
)


def sysmon(number: int) -> str:
    time = datetime(2020, 9, 13, tzinfo=UTC) + timedelta(seconds=number)
    return json.dumps(
        {
            "EventID": 1,
            "Channel": "Microsoft-Windows-Sysmon/Operational",
            "Hostname": "WS1.example.org",
            "RecordNumber": number,
            "@timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "Image": f"C:\\{number}.exe",
        }
    )


def conn(number: int) -> str:
    return f"{1_600_000_000 + number}.5\tC{number}\t10.0.0.{number % 250}\t{number}\t192.0.2.1\t443\ttcp"


def zeek_json(number: int) -> str:
    return json.dumps({"_path": "dns", "ts": 1_600_000_000 + number, "uid": f"D{number}", "query": "a\u00e9.example"})


def pairs(number: int) -> str:
    return f"time=2024-05-01T10:00:{number % 60:02d}Z host=WEB1 user=u{number} action=login"


def log_of(kind: str, numbers: Sequence[int]) -> bytes:
    """A whole log of that format; a torn record among the others, and identical ones."""
    line = {"windows_json": sysmon, "zeek_tsv": conn, "zeek_json": zeek_json, "keyvalue": pairs}[kind]
    lines = [line(number) for number in numbers]
    if len(lines) > 3:
        lines[2:2] = [lines[1]] * 3
        lines[3:3] = ["{torn" if kind != "zeek_tsv" else "torn"]
    if kind == "zeek_tsv":
        half = len(lines) // 2
        lines[half:half] = ["#close\t2020-01-01", *ZEEK.replace("proto", "service").splitlines()]
        return (ZEEK + "\n".join(lines) + "\n").encode()
    return ("\n".join(lines) + "\n").encode()


FORMATS = ("windows_json", "zeek_tsv", "zeek_json", "keyvalue")


def written(path: Path, content: bytes, *, quiet: bool = False) -> Path:
    """The content at `path`; `quiet`: as if nobody had written to it for long."""
    path.write_bytes(content)
    if quiet:
        hush(path)
    return path


def hush(path: Path) -> None:
    os.utime(path, (LONG_AGO, LONG_AGO))


def read(lake: Lake, *paths: Path, **more: object) -> RunReport:
    """Ingest, in this process; every log's account must add up."""
    report = ingest(list(paths), lake, **{"workers": 0, "now": NOW, **more})  # type: ignore[arg-type]
    for log in report.readings:
        assert log.records == log.stored + log.known + log.rejected
        assert not log.damaged, log.damaged
    return report


def sums(report: RunReport) -> tuple[int, int, int]:
    """Stored, known, rejected."""
    found = report.readings
    return sum(r.stored for r in found), sum(r.known for r in found), sum(r.rejected for r in found)


def whole(folder: Path, content: bytes, **more: object) -> tuple[dict[str, list[str]], tuple[int, int, int]]:
    """The ids per table, and the sums, that one reading of the content gives."""
    folder.mkdir(parents=True)
    lake = Lake.open(folder / "lake", create=True)
    report = read(lake, written(folder / "whole.log", content, quiet=True), **more)
    return ids(lake), sums(report)


class _Lined:
    """What the sources below share."""

    doc = "For tests"

    def __init__(self, name: str, begin: bytes) -> None:
        self.name, self._begin = name, begin
        self.tables = (TableSpec(name, "Rows", ("text",)),)

    def sniff(self, head: bytes, name: str) -> float:
        return 1.0 if head.startswith(self._begin) else 0.0

    def _batch(self, file: LogFile, rows: Sequence[tuple[int, str]]) -> Batch:
        origins = pa.array([f"{file.name}#{place}" for place, _ in rows])
        columns = {"text": pa.array([text for _, text in rows]), "_origin": origins}
        return Batch(self.name, pa.RecordBatch.from_pydict(columns))


class Quoted(_Lined):
    """CSV whose values may hold line feeds."""

    def __init__(self) -> None:
        super().__init__("quoted_csv", b"q,text")

    def growth(self, head: bytes) -> Growth | None:
        growth = line_growth(head, above=1)
        return None if growth is None else Growth(prefix=growth.prefix, quoted=True)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        with file.open() as stream:
            data = stream.read().decode()
        names = data.partition("\n")[0].split(",")
        at, rows = len(data.partition("\n")[0]) + 1, []
        while at < len(data):
            end = at
            while True:
                end = data.find("\n", end)
                end = len(data) if end < 0 else end
                if data.count('"', at, end) % 2 == 0 or end == len(data):
                    break
                end += 1
            row = next(csv.reader(io.StringIO(data[at:end])), [])
            if len(row) == len(names):
                rows.append((at, "|".join(f"{n}={v}" for n, v in zip(names, row, strict=True))))
            else:
                yield Rejected(f"{file.name}#{at}", "not as many values as names")
            at = end + 1
        if rows:
            yield self._batch(file, rows)


class Joined(_Lined):
    """Records of several lines with one number; whole once another number follows."""

    def __init__(self) -> None:
        super().__init__("joined_lines", b"n=")

    def growth(self, head: bytes) -> Growth | None:
        return Growth(cut=_before_last)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        rows: list[tuple[int, str]] = []
        number = ""
        with file.open() as stream:
            for block in line_blocks(stream):
                assert not isinstance(block, TooLong)
                for place, line in zip(block.offsets(), block.lines, strict=True):
                    text = line.decode()
                    if text.split(" ")[0] == number:
                        rows[-1] = (rows[-1][0], rows[-1][1] + text)
                    elif text:
                        number = text.split(" ")[0]
                        rows.append((place, text))
        if rows:
            yield self._batch(file, rows)


def _before_last(last: bytes) -> int:
    """Where the last record begins."""
    lines = re.findall(rb"^(n=\d*)\b.*\n?", last[: last.rfind(b"\n") + 1], re.MULTILINE)
    if not lines:
        return 0
    return re.search(rb"(?m)^%s\b(?:.*\n)" % lines[-1], last).start()  # type: ignore[union-attr]
