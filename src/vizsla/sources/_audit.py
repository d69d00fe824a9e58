"""Linux audit records joined into events: what the kernel said of one system call, in one row.

Records of one event bear the same time and serial number, and may stand between those of others. An event is given
out when its end is told (EOE), or when so many others have begun since that none of its records can follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, Rejected, TableSpec
from vizsla.sources._audit_actions import action_of
from vizsla.sources._audit_fields import (
    Fields,
    absolute,
    address,
    arguments,
    as_json,
    execve_fields,
    fields,
    loose_fields,
)
from vizsla.sources._rows import Rows, batch_of
from vizsla.sources._syscalls import ARCHES, SYSCALLS
from vizsla.sources._times import parse_epoch, timestamps

MAX_OPEN = 256  # events that may have records yet to come
MAX_RECORDS = 5_000  # of one event; those beyond begin another row
MAX_ARGUMENTS = 16  # that get columns of their own; all stand in `argv`
TABLE = "linux_audit"
NOTHING: Mapping[str, str] = MappingProxyType({})
AUDIT_SPEC = TableSpec(
    TABLE, "Events of the Linux audit system: its records joined, hexadecimal decoded",
    ("time", "serial", "type", "types", "records", "node", "action", "outcome", "syscall", "syscall_name", "arch",
     "success", "exit", "pid", "ppid", "auid", "uid", "gid", "euid", "ses", "tty", "comm", "exe", "key", "cwd", "argc",
     "argv", "command_line", "proctitle", "name", "nametype", "file_path", "paths", "saddr", "socket_family",
     "socket_ip", "socket_port", "socket_path", "acct", "op", "hostname", "addr", "terminal", "res", "unit", "cmd"),
)  # fmt: skip
HEADER = re.compile(
    r"(?:node=(?P<node>\S+) )?(?:type=(?P<type>\S+) )(?:msg=)?audit\((?P<time>\d{1,12}\.\d{1,9}):(?P<serial>\d{1,20})"
    r"\): ?(?P<body>.*)",
    re.DOTALL,
)


class Event:
    """Records of one event, as they came."""

    __slots__ = ("carrier", "host", "place", "records")

    def __init__(self, place: int, host: str | None, carrier: Mapping[str, str]) -> None:
        self.place, self.host, self.carrier = place, host, carrier
        self.records: list[tuple[str, Fields]] = []


class AuditEvents:
    """Gathers audit records, joins them into events and gives these out as batches."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.open: dict[tuple[str, str, str], Event] = {}
        self.rows = Rows(AUDIT_SPEC.columns)
        self.hosts: list[str | None] = []

    def add(self, line: str, place: int, host: str | None = None, carrier: Mapping[str, str] = NOTHING) -> bool:
        """One record; false where the text is none. `carrier`: fields of the record that it came in, kept beside."""
        found = HEADER.match(line)
        if found is None:
            return False
        kind, node = found["type"], found["node"] or host or ""
        key = (node, found["time"], found["serial"])
        event = self.open.get(key)
        if event is None:
            if found["node"]:
                carrier = {**carrier, "node": found["node"]}
            event = self.open[key] = Event(place, node or None, carrier)
        if kind == "EXECVE":
            record = execve_fields(found["body"])
        elif kind.startswith("AUOMS_"):
            record = loose_fields(found["body"])
        else:
            record = fields(found["body"])
        event.records.append((kind, record))
        if kind == "EOE" or len(event.records) >= MAX_RECORDS:
            self._close(key)
        elif len(self.open) > MAX_OPEN:
            self._close(next(iter(self.open)))
        return True

    def full(self) -> Iterator[Batch | Rejected]:
        """A batch, where enough events are whole."""
        if self.rows.full():
            yield self._batch()

    def rest(self) -> Iterator[Batch | Rejected]:
        """All that is left."""
        for key in list(self.open):
            self._close(key)
        if self.rows.places:
            yield self._batch()

    def _close(self, key: tuple[str, str, str]) -> None:
        event = self.open.pop(key)
        row = joined(event.records)
        row.update(time=key[1], serial=key[2])
        for name, value in event.carrier.items():
            _put(row, name, value)
        self.rows.add(tuple(row), list(row.values()), event.place)
        self.rows.bytes += 64 * len(row)
        self.hosts.append(event.host)

    def _batch(self) -> Batch:
        columns = self.rows.columns()
        times = timestamps(parse_epoch(columns["time"]))
        hosts = pc.utf8_lower(pa.array(self.hosts, pa.string()))
        batch = batch_of(columns, times, hosts, self.rows.origins(self.file))
        self.rows.clear()
        self.hosts.clear()
        return Batch(TABLE, batch)


def joined(records: list[tuple[str, Fields]]) -> Fields:
    """One row of an event's records."""
    kinds = [kind for kind, _ in records]
    row: Fields = {"type": kinds[0], "types": ",".join(dict.fromkeys(kinds)), "records": str(len(records))}
    execve = [record for kind, record in records if kind == "EXECVE"]
    paths: list[Fields] = []
    for kind, record in records:
        if kind == "PATH":
            paths.append(record)
        elif kind != "EXECVE":
            for name, value in record.items():
                if execve and kind == "SYSCALL" and name in ("a0", "a1", "a2", "a3"):
                    name = f"syscall_{name}"  # the call's own arguments are numbers; the program's are its words
                _put(row, name, value)
    if execve:
        _arguments(row, execve)
    _named(row)
    if "saddr" in row:
        row.update(address(row["saddr"]))
    if paths:
        _paths(row, paths)
    elif "path_name" in row and "name" in row:
        row["file_path"] = absolute(row.get("cwd", ""), row["name"])
    row.update(action_of(row, kinds))
    return row


def _put(row: Fields, name: str, value: str) -> None:
    """A field, beside one of the same name that says otherwise."""
    n, free = 2, name
    while free in row and row[free] != value:
        free, n = f"{name}_{n}", n + 1
    row[free] = value


def _arguments(row: Fields, execve: list[Fields]) -> None:
    words = arguments(execve)
    row["argc"] = execve[0].get("argc", str(len(words)))
    row["argv"] = as_json(words)
    row["command_line"] = " ".join(words)
    for n, word in enumerate(words[:MAX_ARGUMENTS]):
        row[f"a{n}"] = word


def _named(row: Fields) -> None:
    """Names of numbers, where auditd did not write them itself."""
    arch, number = row.get("arch", "").lower(), row.get("syscall", "")
    if number and "syscall_name" not in row:
        row["syscall_name"] = SYSCALLS.get(arch, {}).get(number, number)
    if arch in ARCHES and "arch_name" not in row:
        row["arch_name"] = ARCHES[arch]
    if "command_line" not in row and (text := row.get("proctitle") or row.get("cmdline")):
        row["command_line"] = text


def _paths(row: Fields, paths: list[Fields]) -> None:
    """The files of a call: all of them, and of the one that it is about, its name, kind and whole path."""
    row["paths"] = as_json(paths)
    about = next((p for p in paths if p.get("nametype") not in ("PARENT", None)), paths[0])
    for name in ("name", "nametype", "inode", "mode", "ouid", "ogid"):
        if about.get(name):
            row[name] = about[name]
    row["file_path"] = absolute(row.get("cwd", ""), about.get("name", ""))
