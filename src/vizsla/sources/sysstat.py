"""sysstat's measurements: `sadf -j` (JSON), `sadf -d` (semicolons) and what `sar` prints; a row a measurement.

`sar` prints local times without a zone: they are taken as UTC, as are `sadf`'s unless it says otherwise. Where the
date at the top reads 05/01/2024, the month comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._json import Bad, records
from vizsla.sources._lines import TooLong, full_read, line_blocks
from vizsla.sources._measured import COLUMNS, Measurements, numbers
from vizsla.sources._rows import printable

TABLE = "sysstat"
MORE = ("activity", "device", "interval")
# columns that name what was measured, and the JSON's names for the same
DEVICES = frozenset(("CPU", "DEV", "IFACE", "INTR", "FILESYSTEM", "MOUNTPOINT", "TTY", "BUS", "FAN", "TEMP", "IN",
                     "DEVICE", "cpu", "iface", "disk-device", "filesystem", "intr", "line", "number",
                     "bus_number"))  # fmt: skip
_TOP = re.compile(r"(?P<system>\w[\w/-]*) (?P<release>\S+) \((?P<host>[^)]+)\)\s+(?P<date>\d[\d/.-]+\d)\s")
_CLOCK = re.compile(r"(\d\d:\d\d:\d\d)(?: (AM|PM))?\s+(\S.*)")
_NUMBER = re.compile(r"-?\d+(?:[.,]\d+)?")
_SADF = re.compile(r"# hostname;interval;timestamp(?:;|$)")


class Sysstat:
    """Three ways in which one collector's data is written."""

    name = "sysstat"
    doc = "sar and sadf of sysstat: printed, semicolons, JSON; a row a measurement"
    tables = (TableSpec(TABLE, "Measurements of Linux hosts", (*COLUMNS, *MORE)),)

    def sniff(self, head: bytes, name: str) -> float:
        text = head[:4096].decode("utf-8", "replace").lstrip("\ufeff \r\n")
        if text.startswith("{"):
            return 0.95 if '"sysstat"' in text[:200] and '"hosts"' in text[:400] else 0.0
        if _SADF.match(text):
            return 0.95
        found = _TOP.match(text)
        return 0.9 if found and found["system"] in ("Linux", "AIX", "SunOS") and re.search(r"\d CPU\)", text) else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        with file.open() as stream:
            begin = full_read(utf8_stream(stream), 64)
        held = Measurements(TABLE, file.name, "auto", MORE)
        yield from (_json if begin.lstrip().startswith(b"{") else _lines)(file, held)
        yield from held.rest()


def _json(file: LogFile, held: Measurements) -> Iterator[Batch | Rejected]:
    with file.open() as stream:
        for portion in records(utf8_stream(stream)):
            if isinstance(portion, Bad):
                yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                continue
            for place, document in zip(portion.places, portion.records, strict=True):
                inner = document.get("sysstat")
                hosts = inner.get("hosts") if isinstance(inner, dict) else None
                if not isinstance(hosts, list):
                    yield Rejected(f"{file.name}#{place}", "a document without sysstat.hosts")
                    continue
                for host in hosts:
                    for moment in _objects(host, "statistics"):
                        _moment(host, moment, place, held)
                        yield from held.full()


def _objects(holder: Any, name: str) -> list[dict[str, Any]]:
    found = holder.get(name) if isinstance(holder, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _moment(host: Mapping[str, Any], moment: Mapping[str, Any], place: int, held: Measurements) -> None:
    stamp = moment.get("timestamp")
    if not isinstance(stamp, dict):
        return
    time = f"{stamp.get('date')}T{stamp.get('time')}"
    name = str(host.get("nodename") or "") or None
    for activity, body in moment.items():
        if activity != "timestamp":
            _walk(activity, body, (place, time, name, stamp.get("interval")), held)


def _walk(activity: str, body: Any, about: tuple[Any, ...], held: Measurements) -> None:
    """Objects hold numbers, or lists of objects that each name their device."""
    for item in body if isinstance(body, list) else [body]:
        if not isinstance(item, dict):
            continue
        inner = {key: value for key, value in item.items() if isinstance(value, (dict, list))}
        named = (str(value) for key, value in item.items() if key in DEVICES and not isinstance(value, dict))
        device = next(named, None)
        for key, held_within in inner.items():
            _walk(f"{activity}.{key}", held_within, about, held)
        place, time, host, interval = about
        for key, value in numbers({k: v for k, v in item.items() if k not in inner and k not in DEVICES}):
            held.add(place, time, host, device, f"{activity}.{key}", value, _unit(key), None, None,
                     (activity, device, interval))  # fmt: skip


def _lines(file: LogFile, held: Measurements) -> Iterator[Batch | Rejected]:
    semicolons, printed = _Semicolons(held), _Printed(held)
    with file.open() as stream:
        for block in line_blocks(utf8_stream(stream)):
            if isinstance(block, TooLong):
                yield block.rejected(file.name)
                continue
            for place, raw in zip(block.offsets(), block.lines, strict=True):
                line = printable(raw.decode("utf-8", "surrogateescape")).rstrip("\r").lstrip("\ufeff")
                if not line.strip():
                    continue
                why = (semicolons if _SADF.match(line) or semicolons.columns else printed).add(line, place)
                if why:
                    yield Rejected(f"{file.name}#{place}", why)
            yield from held.full()


class _Semicolons:
    """`sadf -d`: a header for each activity, beginning with a hash, then rows."""

    def __init__(self, held: Measurements) -> None:
        self.held = held
        self.columns: list[str] = []

    def add(self, line: str, place: int) -> str | None:
        if _SADF.match(line):
            self.columns = line.removeprefix("# ").split(";")
            return None
        cells = line.split(";")
        if len(cells) == 4 and cells[3].startswith("LINUX-RESTART"):
            self.held.add(place, cells[2], cells[0], None, "LINUX-RESTART", None, more=(None, None, cells[1]))
            return None
        if len(cells) != len(self.columns):
            return f"{len(cells)} values where the header names {len(self.columns)}"
        row = dict(zip(self.columns, cells, strict=True))
        device = next((value for name, value in row.items() if name in DEVICES), None)
        device = "all" if device == "-1" else device
        for name, value in list(row.items())[3:]:
            if name not in DEVICES and value:
                self.held.add(place, cells[2], cells[0], device, name, value.replace(",", "."), _unit(name), None, None,
                              (None, device, cells[1]))  # fmt: skip
        return None


class _Printed:
    """`sar`: the host and the day at the top, a header for each activity, then rows; a day later after midnight."""

    def __init__(self, held: Measurements) -> None:
        self.held = held
        self.host: str | None = None
        self.day: date | None = None
        self.last = ""
        self.columns: list[str] = []
        self.at: str | None = None  # the time of the last row

    def add(self, line: str, place: int) -> str | None:
        if top := _TOP.match(line):
            self.host, self.day, self.last, self.columns = top["host"], _day(top["date"]), "", []
            self.at = None
            return None if self.day else f"{top['date']!r} is no day"
        if line.startswith(("Average:", "Summary:")):
            return self._average(line, place)
        found = _CLOCK.match(line)
        if found is None or self.day is None:
            return "neither a header nor a row of sar"
        cells = found[3].split()
        if "RESTART" in found[3]:
            time = self._time(found[1], found[2])
            self.held.add(place, time, self.host, None, "LINUX-RESTART", None, more=(None, None, None))
            return None
        if not any(_NUMBER.fullmatch(cell) for cell in cells[1:] or cells):
            if cells != self.columns:
                self.columns, self.last = cells, ""  # each activity begins anew
            return None
        if len(cells) != len(self.columns):
            return f"{len(cells)} values where the header names {len(self.columns)}"
        row = dict(zip(self.columns, cells, strict=True))
        device = next((value for name, value in row.items() if name in DEVICES), None)
        time = self.at = self._time(found[1], found[2])
        for name, value in row.items():
            if name not in DEVICES:
                self.held.add(place, time, self.host, device, name, value.replace(",", "."), _unit(name), None, None,
                              (None, device, None))  # fmt: skip
        return None

    def _average(self, line: str, place: int) -> str | None:
        """What sar counts up below an activity: measurements of their own, named so, at the time of the last row."""
        cells = line.split()[1:]
        if not any(_NUMBER.fullmatch(cell) for cell in cells[1:] or cells):
            self.columns = cells or self.columns
            return None
        if self.day is None or len(cells) != len(self.columns):
            return f"an average of {len(cells)} values where the header names {len(self.columns)}"
        row = dict(zip(self.columns, cells, strict=True))
        device = next((value for name, value in row.items() if name in DEVICES), None)
        for name, value in row.items():
            if name not in DEVICES:
                self.held.add(place, self.at, self.host, device, f"{name}.average", value.replace(",", "."),
                              _unit(name), None, None, (None, device, "average"))  # fmt: skip
        return None

    def _time(self, clock: str, half: str | None) -> str:
        """The row's time; an earlier clock than the row's before it means that a day has passed."""
        text = clock
        if half and "00" < clock[:2] <= "12":
            text = f"{int(clock[:2]) % 12 + 12 * (half == 'PM'):02d}{clock[2:]}"
        passed = bool(self.last) and text < self.last
        if not passed:
            self.last = text
        day = self.day if self.day is not None else date.min
        after = day + timedelta(days=1) if passed and day < date.max else day
        return f"{after.isoformat()}T{text}"


def _day(text: str) -> date | None:
    for form in ("%Y-%m-%d", "%m/%d/%Y", "%m/%d/%y", "%d.%m.%Y", "%d/%m/%Y"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None


def _unit(name: str) -> str | None:
    low = name.lower()
    if low.startswith("%") or low.endswith(("-percent", "%")):
        return "percent"
    if low.startswith("kb") or low.endswith("kb"):
        return "kB"
    return "kB/s" if "kb/s" in low else "1/s" if low.endswith("/s") else None


SOURCE = Sysstat()
