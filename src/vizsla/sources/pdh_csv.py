"""Windows Performance Monitor's CSV and TSV: a counter a column, `\\\\HOST\\Object(instance)\\Counter`.

A row a measurement. Times are local; the header says by how many minutes they are behind UTC, once for the whole file.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._encoding import as_utf8, utf8_stream
from vizsla.sources._lines import TooLong, line_blocks
from vizsla.sources._measured import COLUMNS, Measurements
from vizsla.sources._rows import printable

TABLE = "windows_performance"
MORE = ("object", "instance", "counter", "local_time")
_FIRST = re.compile(r'"?\(PDH-(CSV|TSV) 4\.0\)(?: \((?P<zone>[^)]*)\)\((?P<bias>-?\d{1,4})\))?')
_PATH = re.compile(r"\\\\(?P<host>[^\\]+)\\(?P<object>[^\\(]+?)(?:\((?P<instance>.*)\))?\\(?P<counter>.+)", re.DOTALL)


def _unit(counter: str) -> str | None:
    low = counter.lower()
    if low.startswith("%") or "% " in low:
        return "percent"
    if low.endswith("/sec"):
        return "bytes/s" if "bytes" in low else "1/s"
    return "bytes" if "bytes" in low else None


class PdhCsv:
    """`(PDH-CSV 4.0)` and `(PDH-TSV 4.0)`, of perfmon, typeperf and relog."""

    name = "pdh_csv"
    doc = "Windows Performance Monitor CSV and TSV (perfmon, typeperf, relog), a row a measurement"
    tables = (TableSpec(TABLE, "Measurements of performance counters", (*COLUMNS, *MORE)),)

    def sniff(self, head: bytes, name: str) -> float:
        text = as_utf8(head).removeprefix(b"\xef\xbb\xbf").lstrip()
        return 0.97 if _FIRST.match(text[:200].decode("utf-8", "replace")) else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        held = Measurements(TABLE, file.name, "auto", MORE)
        form: _Form | None = None
        with file.open() as stream:
            for block in line_blocks(utf8_stream(stream)):
                if isinstance(block, TooLong):
                    yield block.rejected(file.name)
                    continue
                for place, line in zip(block.offsets(), block.lines, strict=True):
                    text = printable(line.decode("utf-8", "surrogateescape")).strip("\r\ufeff")
                    if not text.strip():
                        continue
                    if _FIRST.match(text):
                        form = _Form(text)
                        continue
                    why = form.add(text, place, held) if form else "a row before the header"
                    if why:
                        yield Rejected(f"{file.name}#{place}", why)
                    yield from held.full()
        yield from held.rest()


class _Form:
    """What the header says: the delimiter, the counters, how far the clock is behind UTC."""

    def __init__(self, header: str) -> None:
        told = _FIRST.match(header)
        self.delimiter = "\t" if told and told[1] == "TSV" else ","
        self.behind = timedelta(minutes=int(told["bias"])) if told and told["bias"] else timedelta()
        self.counters = [_counter(name) for name in self._cells(header)[1:]]

    def _cells(self, line: str) -> list[str]:
        try:
            return next(csv.reader(io.StringIO(line, newline=""), delimiter=self.delimiter), [])
        except csv.Error:
            return line.split(self.delimiter)

    def add(self, line: str, place: int, held: Measurements) -> str | None:
        """The measurements of a row; a reason where it is none."""
        cells = self._cells(line)
        if len(cells) < 2 or len(cells) > len(self.counters) + 1:
            return f"{len(cells)} values where the header names {len(self.counters) + 1}"
        try:
            local = datetime.strptime(cells[0], "%m/%d/%Y %H:%M:%S.%f")
            time = f"{(local + self.behind).isoformat()}Z"
        except (ValueError, OverflowError):
            return f"{cells[0][:40]!r} is no time as the format has it"
        for (host, name, instance, counter, device), value in zip(self.counters, cells[1:], strict=False):
            if value.strip():
                metric = f"{name}\\{counter}" if name else counter
                held.add(place, time, host, device, metric, value.strip(), _unit(counter), None, None,
                         (name, instance, counter, cells[0]))  # fmt: skip
        return None


def _counter(path: str) -> tuple[str | None, str | None, str | None, str, str | None]:
    """Host, object, instance and counter of a path, and what an entity is named after."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None, None, None, path, None
    instance = found["instance"]
    device = instance if instance and instance != "_Total" else None
    return found["host"], found["object"], instance, found["counter"], device


SOURCE = PdhCsv()
