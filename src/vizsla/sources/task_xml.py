"""Definitions of scheduled tasks (XML): the files of a host's tasks folder, and what `schtasks /query /xml` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import pyarrow as pa

from vizsla.source import Batch, LogFile, Rejected, TableSpec
from vizsla.sources._encoding import as_utf8, utf8_stream
from vizsla.sources._hosts import host_of
from vizsla.sources._rows import Rows, batch_of
from vizsla.sources._times import parse_iso, timestamps
from vizsla.sources._windows import put
from vizsla.sources._xml import Strange, local, parsed, pieces

TABLE = "task_definition"
OPENING = re.compile(rb"<Task(?:\s[^<>]*)?>")
SPACE = b"http://schemas.microsoft.com/windows/2004/02/mit/task"
COLUMNS = (
    "TaskName", "RegistrationInfo.URI", "RegistrationInfo.Author", "RegistrationInfo.Date",
    "RegistrationInfo.Description", "Principals.Principal.UserId", "Principals.Principal.RunLevel",
    "Principals.Principal.LogonType", "Settings.Enabled", "Settings.Hidden", "Actions.Exec.Command",
    "Actions.Exec.Arguments", "Actions.Exec.WorkingDirectory", "Actions.ComHandler.ClassId", "Triggers", "Content",
)  # fmt: skip
WHOLE = frozenset({"RegistrationInfo", "Principals", "Settings", "Actions", "Data"})
FOLDER = re.compile(r"(?i)[\\/]tasks([\\/][^!]+)$")
MOST = 200  # columns of one task: what is beyond stands in its Content


class TaskXml:
    """Scheduled tasks as Windows keeps them."""

    name = "task_xml"
    doc = "Scheduled tasks' definitions (XML), from the tasks folder or schtasks /query /xml"
    tables = (TableSpec(TABLE, "Scheduled tasks of a host: what they run, when, as whom", COLUMNS),)

    def sniff(self, head: bytes, name: str) -> float:
        text = as_utf8(head)
        found = OPENING.search(text)
        if found is None or text[: found.start()].lstrip(b"\xef\xbb\xbf \r\n\t")[:1] not in (b"", b"<"):
            return 0.0
        if SPACE in found.group():
            return 0.95
        return 0.5 if b"<Actions" in text and b"<RegistrationInfo" in text else 0.0

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        rows = Rows(COLUMNS)
        with file.open() as stream:
            for piece in pieces(utf8_stream(stream), OPENING, b"</Task>"):
                if isinstance(piece, Strange):
                    yield Rejected(f"{file.name}#{piece.place}", piece.reason)
                    continue
                try:
                    flat = _flat(parsed(piece.text))
                except ValueError as error:
                    yield Rejected(f"{file.name}#{piece.place}", str(error))
                    continue
                flat["Content"] = piece.text.decode("utf-8", "surrogateescape")
                if name := flat.get("RegistrationInfo.URI") or _in_folder(file.name):
                    flat["TaskName"] = name
                rows.add(tuple(flat), list(flat.values()), piece.place)
                rows.bytes += len(piece.text)
                if rows.full():
                    yield _batch(rows, file.name)
        if rows.places:
            yield _batch(rows, file.name)


def _flat(task: Element) -> dict[str, str]:
    """A task's leaves by their dotted path; when it runs as the names of its triggers and what they say."""
    flat: dict[str, str] = {}
    for part in task:
        name = local(part.tag)
        if name == "Triggers":
            if triggers := [_trigger(trigger) for trigger in part]:
                flat["Triggers"] = "; ".join(triggers)
        elif name in WHOLE:
            _leaves(part, name, flat)
    return flat


def _leaves(element: Element, path: str, flat: dict[str, str]) -> None:
    if len(flat) >= MOST:
        return
    for key, value in element.attrib.items():
        put(flat, f"{path}.{local(key)}", value)
    if not len(element):
        if element.text and element.text.strip():
            put(flat, path, element.text.strip())
        return
    for inner in element:
        _leaves(inner, f"{path}.{local(inner.tag)}", flat)


def _trigger(trigger: Element) -> str:
    """`CalendarTrigger StartBoundary=2024-05-01T00:00:00 ScheduleByDay.DaysInterval=1`."""
    flat: dict[str, str] = {}
    for inner in trigger:
        _leaves(inner, local(inner.tag), flat)
    return " ".join([local(trigger.tag), *(f"{key}={value}" for key, value in flat.items())])


def _in_folder(path: str) -> str | None:
    """A task's name by where its file lies: below the tasks folder."""
    found = FOLDER.search(path)
    return None if found is None else found.group(1).replace("/", "\\")


def _batch(rows: Rows, file: str) -> Batch:
    """The time is when the task was registered, which its author may have written as he liked; taken as UTC."""
    count, columns = len(rows.places), rows.columns()
    dates = columns.get("RegistrationInfo.Date", pa.nulls(count, pa.string()))
    hosts = pa.array([host_of(file)] * count, pa.string())
    batch = batch_of(columns, timestamps(parse_iso(dates)), hosts, rows.origins(file))
    rows.clear()
    return Batch(TABLE, batch)


SOURCE = TaskXml()
