"""From parts (events of one kind) to one sorted Arrow table of a host-day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vizsla.simulate.tokens import take

Ints = NDArray[np.int64]
Column: TypeAlias = Any  # a pa.Array, one string for all rows, or None (pyarrow brings no types)
UTC = pa.timestamp("us", tz="UTC")
SYSMON = "windows_sysmon"
SECURITY = "windows_security"
SYSTEM_LOG = "windows_system"
POWERSHELL = "windows_powershell"
TASKS = "windows_taskscheduler"
CHANNELS = {
    SYSMON: "Microsoft-Windows-Sysmon/Operational",
    SECURITY: "Security",
    SYSTEM_LOG: "System",
    POWERSHELL: "Microsoft-Windows-PowerShell/Operational",
    TASKS: "Microsoft-Windows-TaskScheduler/Operational",
}
_AUDIT = ("Microsoft-Windows-Security-Auditing", "54849625-5478-4994-A5BA-3E3B0328C30D")
_SCM = ("Service Control Manager", "{555908d1-a6d7-4695-8e1e-26931d2012f4}")
_WU = ("Microsoft-Windows-WindowsUpdateClient", "945A8954-C147-4ACD-923F-40C45405A658")
_PROVIDERS = {
    SYSMON: ("Microsoft-Windows-Sysmon", "5770385F-C22A-43E0-BF4C-06F5698FFBD9"),
    SECURITY: _AUDIT,
    SYSTEM_LOG: _SCM,
    POWERSHELL: ("Microsoft-Windows-PowerShell", "A0C1853B-5C40-4B15-8766-3CF1C58F985A"),
    TASKS: ("Microsoft-Windows-TaskScheduler", "DE7B24EA-73C8-4A09-985D-5BDADCFA9017"),
}
_SYSTEM_PROVIDERS = {
    "19": _WU,
    "43": _WU,
    "44": _WU,
    "6005": ("EventLog", None),
    "6006": ("EventLog", None),
    "6013": ("EventLog", None),
    "12": ("Microsoft-Windows-Kernel-General", "A68CA8B7-004F-D7B6-A698-07E2DE0F1F5D"),
    "1074": ("User32", "{b0aa8734-56f7-41cc-b2f4-de228e98b946}"),
    "37": ("Microsoft-Windows-Time-Service", "06EDCFEB-0FD0-4E53-ACCA-A6F8BBF81BCB"),
}
# Task number, Opcode, Keywords, Version, Level of each event type, where they are not the channel's usual ones
_SUCCESS, _FAILURE = "0x8020000000000000", "0x8010000000000000"
_SECURITY_TASKS = {
    "4624": ("12544", "2"),
    "4625": ("12544", "0"),
    "4634": ("12545", "0"),
    "4647": ("12545", "0"),
    "4648": ("12544", "0"),
    "4672": ("12548", "0"),
    "4688": ("13312", "2"),
    "4689": ("13313", "0"),
    "4697": ("12289", "0"),
    "4698": ("12804", "0"),
    "4720": ("13824", "0"),
    "4732": ("13826", "0"),
    "4768": ("14339", "0"),
    "4769": ("14337", "0"),
    "4776": ("14336", "0"),
    "4799": ("13826", "0"),
    "5140": ("12808", "1"),
    "5145": ("12811", "0"),
    "1102": ("104", "0"),
}
_SYSMON_VERSIONS = {"5": "3", "7": "3", "10": "3", "11": "2", "12": "2", "13": "2", "17": "1", "18": "1", "8": "2"}
_TASK_TASKS = {
    "100": ("100", "1"),
    "102": ("102", "2"),
    "106": ("106", "0"),
    "129": ("129", "0"),
    "140": ("140", "0"),
    "200": ("200", "1"),
    "201": ("201", "2"),
}
_POWERSHELL_TASKS = {"4104": ("2", "15"), "40961": ("4", "1"), "40962": ("4", "2"), "53504": ("111", "10")}
SYSTEM_FIELDS = (
    "EventID",
    "Channel",
    "Provider_Name",
    "ProviderGuid",
    "Computer",
    "EventRecordID",
    "SystemTime",
    "Level",
    "Task",
    "Opcode",
    "Keywords",
    "Version",
    "ExecutionProcessID",
    "ExecutionThreadID",
    "UserID",
)
STAGE, TECHNIQUE = "_stage", "_technique"  # of intrusion events only; never leave the simulator as columns


@dataclass(slots=True)
class Part:
    """Events of one kind: `kind` is the EventID or '' for Zeek; a column is an array or one value for all."""

    kind: str
    time: Ints
    columns: Mapping[str, Column]
    stage: str = ""
    technique: str = ""

    def __len__(self) -> int:
        return len(self.time)


@dataclass(slots=True)
class Parts:
    """All parts of a host-day, by table."""

    tables: dict[str, list[Part]] = field(default_factory=dict)

    def add(self, table: str, kind: str | int, time: Ints, columns: Mapping[str, Column], **marks: str) -> None:
        """Events of one kind for a table; none are dropped in silence, empty parts are not kept."""
        if len(time):
            self.tables.setdefault(table, []).append(Part(str(kind), time, columns, **marks))


def meta(table: str, kind: str) -> dict[str, str | None]:
    """The System fields that follow from channel and event id."""
    provider = _SYSTEM_PROVIDERS.get(kind, _SCM) if table == SYSTEM_LOG else _PROVIDERS[table]
    task, opcode, level, version = "0", "0", "4", "0"
    keywords = "0x8000000000000000"
    if table == SYSMON:
        task, version = kind, _SYSMON_VERSIONS.get(kind, "5")
    elif table == SECURITY:
        task, version = _SECURITY_TASKS[kind]
        level, keywords = "0", _FAILURE if kind == "4625" else _SUCCESS
    elif table == TASKS:
        task, opcode = _TASK_TASKS[kind]
    elif table == POWERSHELL:
        (task, opcode), keywords, version = _POWERSHELL_TASKS[kind], "0x0", "1"
        level = "5" if kind == "4104" else "4"
    elif table == SYSTEM_LOG:
        keywords = "0x8080000000000000"
    return {
        "EventID": kind,
        "Channel": CHANNELS[table],
        "Provider_Name": provider[0],
        "ProviderGuid": provider[1],
        "Level": level,
        "Task": task,
        "Opcode": opcode,
        "Keywords": keywords,
        "Version": version,
    }


def timestamps(time: Ints) -> pa.Array:
    """Microseconds since 1970 as `_time`."""
    return pa.array(time).cast(UTC)


def utc_time(time: Ints) -> pa.Array:
    """`2026-03-02 08:11:12.345`, as Sysmon writes its own times."""
    return pa.array(time // 1000).cast(pa.timestamp("ms")).cast(pa.string())


def system_time(time: Ints) -> pa.Array:
    """`2026-03-02T08:11:12.345678Z`."""
    shown = pa.array(time).cast(pa.timestamp("us")).cast(pa.string())
    return pc.binary_join_element_wise(pc.utf8_replace_slice(shown, 10, 11, "T"), "Z", "")


def text(values: Ints) -> pa.Array:
    """Whole numbers as strings."""
    return pa.array(values).cast(pa.string())


def _whole(column: Column, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(column, pa.string()), rows) if isinstance(column, str | None) else column


def sorted_columns(parts: Sequence[Part], extra: Sequence[str] = ()) -> tuple[Ints, dict[str, pa.Array]]:
    """Times in order and the columns of all parts in that order, missing ones as nulls."""
    time = np.concatenate([p.time for p in parts])
    order = np.argsort(time, kind="stable")
    names = list(dict.fromkeys([*extra, *(name for part in parts for name in part.columns)]))
    where = pa.array(order)
    steady = len(parts) == 1 and bool((np.diff(time) >= 0).all())
    whole: dict[str, pa.Array] = {}
    nulls = [pa.nulls(len(part), pa.string()) for part in parts]
    none = pa.nulls(len(time), pa.string())
    for name in names:
        found = [part.columns.get(name) for part in parts]
        if all(column is None for column in found):
            whole[name] = none
            continue
        chunks = [
            null if column is None else _whole(column, len(null)) for column, null in zip(found, nulls, strict=True)
        ]
        # one part that is in order already is left as it is
        whole[name] = chunks[0] if steady else pa.concat_arrays(chunks).take(where)
    kind = np.repeat(np.arange(len(parts)), [len(p) for p in parts])[order]
    whole["_part"] = pa.array(kind)
    return time[order], whole


def windows_frame(
    table: str, parts: Sequence[Part], computer: str, first_record: int, rng: np.random.Generator
) -> tuple[Ints, dict[str, pa.Array]]:
    """A channel's host-day: System fields, event fields, record ids counted from `first_record`; and the times."""
    time, columns = sorted_columns(parts)
    part = columns["_part"].to_numpy()
    metas = [meta(table, p.kind) for p in parts]
    rows = len(time)
    execution = {SYSMON: 3148, SECURITY: 4, SYSTEM_LOG: 760, TASKS: 1484, POWERSHELL: 5120}[table]
    whole: dict[str, pa.Array] = {}
    for name in metas[0]:
        whole[name] = take(pa.array([m[name] for m in metas], pa.string()), part)
    whole["Computer"] = _whole(computer, rows)
    whole["EventRecordID"] = text(first_record + np.arange(rows))
    whole["SystemTime"] = system_time(time)
    whole["ExecutionProcessID"] = _whole(str(execution), rows)
    whole["ExecutionThreadID"] = text(rng.integers(200, 1400, rows) * 4)
    user = "S-1-5-18" if table in (SYSMON, TASKS) else None
    whole["UserID"] = columns.pop("UserID") if "UserID" in columns else _whole(user, rows)
    result = {name: whole[name] for name in SYSTEM_FIELDS}
    result.update({n: c for n, c in columns.items() if n not in result and n not in ("_part", "ExecutionProcessID")})
    result["_part"] = columns["_part"]
    return time, result


def prefixed(prefix: str, values: pa.Array) -> pa.Array:
    """`prefix` before each of `values`."""
    return pc.binary_join_element_wise(prefix, values, "")
