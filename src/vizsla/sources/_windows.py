"""What every way of delivering Windows events has in common: names of tables and columns, times and hosts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, TableSpec
from vizsla.sources._rows import Group, Rows, batch_of, placed, printable
from vizsla.sources._times import _ZONED, NONE, Micros, has_zone, micros, parse_iso, timestamps

SYSTEM = (
    "EventID", "Channel", "Provider_Name", "ProviderGuid", "Computer", "EventRecordID", "SystemTime", "Level", "Task",
    "Opcode", "Keywords", "Version", "ExecutionProcessID", "ExecutionThreadID", "ActivityID", "RelatedActivityID",
    "UserID", "Message",
)  # fmt: skip
TABLES = {
    "microsoft-windows-sysmon/operational": "windows_sysmon",
    "microsoft-windows-powershell/operational": "windows_powershell",
    "windows powershell": "windows_powershell_classic",
    "linux-sysmon/operational": "linux_sysmon",
}
MAX_CLOCKS = 100_000
MAX_DEPTH = 32  # levels of nesting that become columns; what lies deeper stays JSON text
QUARTER = 15 * 60 * 1_000_000  # zones differ by multiples of this

_ATTRIBUTES = {
    ("Provider", "Name"): "Provider_Name",
    ("Provider", "EventSourceName"): "Provider_EventSourceName",
    ("TimeCreated", "SystemTime"): "SystemTime",
    ("Correlation", "ActivityID"): "ActivityID",
    ("Correlation", "RelatedActivityID"): "RelatedActivityID",
    ("Security", "UserID"): "UserID",
    ("EventID", "Qualifiers"): "Qualifiers",
}
_TAKEN = frozenset(name.lower() for name in SYSTEM if name != "Message")


def specs() -> tuple[TableSpec, ...]:
    """The declared tables of Windows events; every other channel has a table of its own, `windows_*`."""
    process = ("ProcessGuid", "ProcessId", "Image", "CommandLine", "User", "LogonId", "LogonGuid")
    sysmon = (*SYSTEM, "UtcTime", "RuleName", "EventType", *process, "CurrentDirectory", "IntegrityLevel", "Hashes",
              "OriginalFileName", "ParentProcessGuid", "ParentProcessId", "ParentImage", "ParentCommandLine",
              "ParentUser", "TargetFilename", "TargetObject", "Details", "ImageLoaded", "Signed", "Signature",
              "SignatureStatus", "SourceProcessGUID", "SourceProcessId", "SourceImage", "TargetProcessGUID",
              "TargetProcessId", "TargetImage", "GrantedAccess", "CallTrace", "SourceIp", "SourcePort",
              "SourceHostname", "DestinationIp", "DestinationPort", "DestinationHostname", "Protocol", "Initiated",
              "QueryName", "QueryStatus", "QueryResults", "PipeName")  # fmt: skip
    security = (*SYSTEM, "SubjectUserSid", "SubjectUserName", "SubjectDomainName", "SubjectLogonId", "TargetUserSid",
                "TargetUserName", "TargetDomainName", "TargetLogonId", "LogonType", "LogonProcessName",
                "AuthenticationPackageName", "WorkstationName", "IpAddress", "IpPort", "ProcessId", "ProcessName",
                "NewProcessId", "NewProcessName", "ParentProcessName", "CommandLine", "Status", "SubStatus",
                "ServiceName", "TicketOptions", "TicketEncryptionType", "ObjectName", "ObjectType", "AccessMask",
                "PrivilegeList", "ShareName", "RelativeTargetName", "TaskName")  # fmt: skip
    return (
        TableSpec("windows_sysmon", "Sysmon: processes, network, registry, files, pipes, DNS of a host", sysmon),
        TableSpec("windows_security", "The Security channel: logons, processes, objects, accounts", security),
        TableSpec(
            "windows_system",
            "The System channel: services, drivers, boots",
            (*SYSTEM, "ServiceName", "ImagePath", "ServiceType", "StartType", "AccountName"),
        ),
        TableSpec("windows_application", "The Application channel", SYSTEM),
        TableSpec(
            "windows_powershell",
            "PowerShell: script blocks, modules, remoting",
            (*SYSTEM, "ScriptBlockText", "ScriptBlockId", "Path", "Payload", "ContextInfo"),
        ),
        TableSpec("windows_powershell_classic", "Windows PowerShell: engine and provider lifecycle, pipelines", SYSTEM),
        TableSpec("linux_sysmon", "Sysmon for Linux: processes, network, files of a host", sysmon),
        TableSpec("windows_*", "Any other Windows channel", SYSTEM),
    )


SPECS = specs()
_DECLARED = {spec.name: spec.columns for spec in SPECS}


def slug(text: str) -> str:
    """Lower case, with everything but letters and digits as underscores."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:80]


@lru_cache(maxsize=4096)
def table_of(channel: str, provider: str) -> str:
    """The table of a channel; without a channel, of the provider."""
    known = TABLES.get(channel.lower())
    if known:
        return known
    name = re.sub(r"^microsoft-windows-", "", (channel or provider).lower())
    return "windows_" + (slug(name.removesuffix("/operational")) or "unknown")


def text_of(value: Any) -> str:
    """A channel's or provider's name, whatever JSON made of it."""
    return value if isinstance(value, str) else "" if value is None else str(value)


@lru_cache(maxsize=16384)
def data_name(name: str, within: str = "EventData") -> str:
    """The column of an EventData field; what would pass for a System field gets a name that says where it was."""
    return f"{within}_{name}" if name.lower() in _TAKEN else name


@lru_cache(maxsize=4096)
def attribute(element: str, attribute: str) -> str:
    return _ATTRIBUTES.get((element, attribute), element + attribute)


def flatten_event(event: dict[str, Any]) -> dict[str, Any]:
    """The `Event` element as pyevtx-rs and evtx_dump write it: System, then the leaves of EventData and UserData."""
    flat: dict[str, Any] = {}
    for key, value in event.items():
        if key == "System" and isinstance(value, dict):
            _system(value, flat)
    for key, value in event.items():
        if key in ("System", "#attributes") or key.startswith("xmlns"):
            continue
        if isinstance(value, dict):
            within = key.removesuffix("_attributes")
            if within == key:
                _leaves(value, flat, within)
            else:
                _attributes(value, flat, within)
        elif value is not None:
            put(flat, data_name(key), value)
    return flat


def quick_row(event: dict[str, Any]) -> tuple[tuple[Any, ...], tuple[Any, ...]] | None:
    """An event's shape and its values, where no value of EventData is nested; None: flatten it.

    The shape is what `quick_names` makes column names of: the keys of `Event`, System, its attributes and EventData.
    """
    system, data = event.get("System"), event.get("EventData")
    if type(system) is not dict or len(event) != 2 or "EventData" not in event:
        return None
    if data is None:
        data = {}
    elif type(data) is not dict or "Data" in data or not _SCALARS.issuperset(map(type, data.values())):
        return None
    nested = [value for value in system.values() if type(value) is dict]
    shape = (tuple(event), tuple(system), *map(tuple, nested), tuple(data))
    return shape, (*system.values(), *chain.from_iterable(map(dict.values, nested)), *data.values())


_SCALARS = frozenset({str, int, float, bool, type(None)})


def quick_names(event: dict[str, Any]) -> tuple[str | None, ...] | None:
    """Column names for the values of `quick_row`; None for a nested one; None where it must be flattened after all."""
    system, data = event["System"], event.get("EventData") or {}
    names: list[str | None] = []
    inner: list[str | None] = []
    for key, value in system.items():
        if isinstance(value, dict):
            if not key.endswith("_attributes") or any(isinstance(v, (dict, list)) for v in value.values()):
                return None
            names.append(None)
            inner.extend(attribute(key[:-11], name) for name in value)
        else:
            names.append(key)
    found = [*names, *inner, *map(data_name, data)]
    held = [name for name in found if name is not None]
    return tuple(found) if len(set(held)) == len(held) else None


def _system(system: dict[str, Any], flat: dict[str, Any]) -> None:
    for key, value in system.items():
        if isinstance(value, dict):
            if key.endswith("_attributes"):
                element, attributes, text = key[:-11], value, None
            else:
                element, attributes, text = key, value.get("#attributes") or {}, value.get("#text")
            for name, inner in attributes.items():
                flat[attribute(element, name)] = inner
            if text is not None:
                flat[element] = text
        elif value is not None:
            flat[key] = value


def _attributes(attributes: dict[str, Any], flat: dict[str, Any], within: str) -> None:
    for name, value in attributes.items():
        if not name.startswith("xmlns") and value is not None:
            put(flat, f"{within}_{name}", value)


def _leaves(data: dict[str, Any], flat: dict[str, Any], within: str, depth: int = 0) -> None:
    """Leaves by their own names; unnamed `Data` elements as param1, param2, …"""
    for key, value in data.items():
        if isinstance(value, dict) and depth < MAX_DEPTH:
            if key == "#attributes":
                _attributes(value, flat, within)
            elif key.endswith("_attributes"):
                _attributes(value, flat, key[:-11])
            elif "#text" in value:
                _attributes(value.get("#attributes") or {}, flat, key)
                _texts(key, value["#text"], flat, within)
            else:
                _leaves(value, flat, within, depth + 1)
        elif key == "Data" or isinstance(value, list):
            _texts(key, value, flat, within)
        elif value is not None:
            put(flat, data_name(key, within), value)


def _texts(key: str, value: Any, flat: dict[str, Any], within: str) -> None:
    if key == "Data":
        for n, text in enumerate(value if isinstance(value, list) else [value], 1):
            put(flat, f"param{n}", text)
    elif value is not None:
        put(flat, data_name(key, within), value)


def put(flat: dict[str, Any], name: str, value: Any) -> None:
    """A field that must not displace another of the same name: a second `X` becomes `X_2`."""
    if name in flat:
        n = 2
        while f"{name}_{n}" in flat:
            n += 1
        name = f"{name}_{n}"
    flat[name] = value


def quarters(gap: int) -> int:
    """A difference of two clocks as a zone's offset: a multiple of 15 minutes. Microseconds."""
    return round(gap / QUARTER) * QUARTER


def event_times(columns: dict[str, pa.Array], rows: int, clocks: Mapping[str, int] | None = None) -> Micros:
    """When each event happened, in UTC, from the best that its record says.

    System's TimeCreated where it has a zone; else the collector's local EventTime, corrected by the offset between
    its local EventReceivedTime and the UTC `@timestamp`; else Sysmon's UtcTime; else `@timestamp`; else a local
    time, corrected by what Sysmon said of that host's clock (`clocks`: microseconds to add, by host) or taken as UTC.
    """
    parsed: dict[str, Micros] = {}

    def times(name: str) -> Micros:
        if name not in parsed:
            column = columns.get(name)
            parsed[name] = np.full(rows, NONE, dtype=np.int64) if column is None else parse_iso(column)
        return parsed[name]

    created = times("SystemTime")
    zoned = has_zone(columns["SystemTime"]) if "SystemTime" in columns else np.zeros(rows, dtype=bool)
    result = np.where(zoned, created, NONE)
    if "EventTime" in columns and (result == NONE).any():
        local, received, stamped = times("EventTime"), times("EventReceivedTime"), times("@timestamp")
        known = (local != NONE) & (received != NONE) & (stamped != NONE)
        gap = np.where(known, stamped, 0) - np.where(known, received, 0)
        offset = np.rint(gap / QUARTER).astype(np.int64) * QUARTER
        result = np.where((result == NONE) & known, np.where(known, local, 0) + offset, result)
    for name in ("UtcTime", "@timestamp"):
        if name in columns and (result == NONE).any():
            result = np.where(result == NONE, times(name), result)
    for name in ("SystemTime", "EventTime"):
        if name in columns and (result == NONE).any():
            local = times(name)
            if clocks and "Computer" in columns:
                ahead = np.array([clocks.get(h or "", 0) for h in columns["Computer"].to_pylist()], dtype=np.int64)
                local = np.where(local == NONE, NONE, np.where(local == NONE, 0, local) + ahead)
            result = np.where(result == NONE, local, result)
    return result


Names = tuple[Any, ...]
Naming = Callable[[Names, bool], Names]


class WindowsTables:
    """Gathers Windows events per table and gives them out as batches."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.many = False
        self.tables: dict[str, Rows] = {}
        self.clocks: dict[str, int] = {}  # by host, for exports that give local time alone
        self.plans: dict[tuple[str, Names, bool], tuple[Rows, Group]] = {}
        self.begins: dict[str, list[tuple[str, int]]] = {}  # per table: the files in it, and each one's first row

    def begin(self, file: str) -> None:
        """The records that follow are this file's."""
        self.file, self.many = file, True
        for table, rows in self.tables.items():
            self.begins[table].append((file, len(rows.places)))

    def rows(self, table: str) -> Rows:
        """Where a table's records are gathered."""
        found = self.tables.get(table)
        if found is None:
            found = self.tables[table] = Rows(_DECLARED.get(table, SYSTEM))
            self.begins[table] = [(self.file, 0)]
        return found

    def learn_clock(self, host: str, local: str, utc: str) -> None:
        """How far a host's local time lies behind UTC, from the first of its records that tells both."""
        if host not in self.clocks and len(self.clocks) < MAX_CLOCKS and not _ZONED.search(local):
            here, there = micros(local), micros(utc)
            if NONE not in (here, there):
                self.clocks[host] = quarters(there - here)

    def plan(self, table: str, names: Names, naming: Naming, level: bool) -> tuple[Rows, Group]:
        """Where a record with these native names goes; remembered, since most records are like one before."""
        key = (table, names, level)
        found = self.plans.get(key)
        if found is None:
            rows = self.rows(table)
            found = self.plans[key] = (rows, rows.group(naming(names, level)))
        return found

    def full(self) -> Iterator[Batch]:
        """Batches of the tables that have gathered enough."""
        for table, rows in self.tables.items():
            if rows.full():
                yield self._batch(table, rows)

    def rest(self) -> Iterator[Batch]:
        """Batches of all that is left."""
        for table, rows in self.tables.items():
            if rows.places:
                yield self._batch(table, rows)

    def _batch(self, table: str, rows: Rows) -> Batch:
        count, columns = len(rows.places), rows.columns()
        times = timestamps(event_times(columns, count, self.clocks))
        hosts = columns.get("Computer", columns.get("host.name"))
        if hosts is None:
            hosts = pa.nulls(count, pa.string())
        begins = self.begins[table]
        ends = [row for _, row in begins[1:]] + [count]
        logs = tuple((file, end - row) for (file, row), end in zip(begins, ends, strict=True) if end > row)
        self.begins[table] = [(self.file, 0)]
        batch = batch_of(columns, times, pc.utf8_lower(hosts), _origins(rows, logs))
        rows.clear()
        self.plans = {key: plan for key, plan in self.plans.items() if plan[0] is not rows}
        return Batch(table, batch, logs if self.many else ())


def _origins(rows: Rows, logs: Sequence[tuple[str, int]]) -> pa.Array:
    """`_origin` of every row, each with its own file's name."""
    if len(logs) == 1:
        return rows.origins(logs[0][0])
    numbers = np.repeat(np.arange(len(logs)), [count for _, count in logs])
    files = pa.array([printable(file) for file, _ in logs], pa.string()).take(pa.array(numbers))
    return placed(files, pa.array(rows.places, pa.int64()))
