"""The smaller Windows channels of a host-day: System, PowerShell, Task Scheduler."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vizsla.simulate.assumptions import Programs, assumptions
from vizsla.simulate.faces import Faces, Texts
from vizsla.simulate.frame import POWERSHELL, SECURITY, SYSTEM_LOG, TASKS, Column, Parts, text
from vizsla.simulate.people import SECOND, Host, Plan
from vizsla.simulate.processes import Clock, Instances
from vizsla.simulate.security import machine_subject, random_guids
from vizsla.simulate.tokens import hex4, strings, take

Ints = NDArray[np.int64]


def add_system(
    parts: Parts, host: Host, plan: Plan, clock: Clock, texts: Texts, table: Instances, rng: np.random.Generator
) -> None:
    """Service states, new drivers and services, starts, updates."""
    rates = assumptions()["system"]
    names = strings(rates["names"])
    when = clock.draw("on", int(rng.poisson(rates["service_states"] * clock.on_share)), rng)
    pick = (rng.random(len(when)) ** 1.8 * len(names)).astype(np.int64)
    states = take(strings(["running", "stopped"]), rng.integers(0, 2, len(when)))
    parts.add(SYSTEM_LOG, 7036, when, {"param1": take(names, pick), "param2": states})
    flips = clock.draw("on", int(rng.poisson(rates["start_types"] * clock.on_share)), rng)
    turn = rng.integers(0, 2, len(flips))
    kinds = strings(["demand start", "auto start"])
    parts.add(
        SYSTEM_LOG,
        7040,
        flips,
        {
            "param1": "Background Intelligent Transfer Service",
            "param2": take(kinds, turn),
            "param3": take(kinds, 1 - turn),
            "param4": "BITS",
            "UserID": "S-1-5-18",
        },
    )
    _installs(parts, host, clock, texts, table, rng)
    _lifecycle(parts, host, plan, rng)


def _installs(parts: Parts, host: Host, clock: Clock, texts: Texts, table: Instances, rng: np.random.Generator) -> None:
    """New services: Defender's engine drivers with random names, and PsExec's where administrators use it."""
    rates = assumptions()["system"]
    drivers = clock.draw("on", int(rng.poisson(rates["drivers"] * clock.on_share)), rng)
    token = pc.utf8_lower(
        pc.binary_join_element_wise(*(take(hex4(), rng.integers(0, 65536, len(drivers))) for _ in "ab"), "")
    )
    folder = pc.binary_join_element_wise(
        "C:\\ProgramData\\Microsoft\\Windows Defender\\Definition Updates\\{",
        random_guids(len(drivers), rng),
        "}\\MpKslDrv.sys",
        "",
    )
    _services(
        parts,
        drivers,
        pc.binary_join_element_wise("MpKsl", token, ""),
        folder,
        "kernel mode driver",
        "system start",
        "",
    )
    remote = np.flatnonzero(table.fresh & np.isin(table.program, [_psexesvc(texts)]))
    _services(
        parts,
        table.time[remote] - 90_000,
        "PSEXESVC",
        "%SystemRoot%\\PSEXESVC.exe",
        "user mode service",
        "demand start",
        "LocalSystem",
    )
    parts.add(
        SECURITY,
        4697,
        table.time[remote] - 89_000,
        machine_subject(host)
        | {
            "ServiceName": "PSEXESVC",
            "ServiceFileName": "%SystemRoot%\\PSEXESVC.exe",
            "ServiceType": "0x10",
            "ServiceStartType": "3",
            "ServiceAccount": "LocalSystem",
        },
    )


def _psexesvc(texts: Texts) -> int:
    return int(texts.original.index("PSEXESVC.exe").as_py())


def _services(parts: Parts, when: Ints, name: Column, path: Column, kind: str, start: str, account: str) -> None:
    parts.add(
        SYSTEM_LOG,
        7045,
        when,
        {
            "ServiceName": name,
            "ImagePath": path,
            "ServiceType": kind,
            "StartType": start,
            "AccountName": account,
            "UserID": "S-1-5-18",
        },
    )


def _lifecycle(parts: Parts, host: Host, plan: Plan, rng: np.random.Generator) -> None:
    """Boots, and on patch days the updates and the restart that they ask for."""
    if plan.boot:
        at = np.array([plan.on[0] + 1_500_000])
        parts.add(
            SYSTEM_LOG,
            12,
            at - 900_000,
            {
                "MajorVersion": "10",
                "MinorVersion": "0",
                "BuildVersion": "19041",
                "QfeVersion": "4170",
                "StartTime": str(plan.on[0] // SECOND),
            },
        )
        parts.add(SYSTEM_LOG, 6005, at, {})
        parts.add(SYSTEM_LOG, 6013, at + 200_000, {"param5": str(int(rng.integers(9, 40)))})
    if plan.patch:
        begin = plan.on[0] + int(rng.integers(200, 2400)) * SECOND
        for i, title in enumerate(
            (
                "2026-03 Cumulative Update for Windows 10 Version 22H2 for x64-based Systems (KB5035845)",
                "Security Intelligence Update for Microsoft Defender Antivirus - KB2267602 (Version 1.407.320.0)",
            )
        ):
            at = np.array([begin + i * 60 * SECOND])
            guid = random_guids(1, rng)
            parts.add(SYSTEM_LOG, 43, at, {"updateTitle": title, "updateGuid": guid, "updateRevisionNumber": "1"})
            parts.add(
                SYSTEM_LOG,
                19,
                at + 240 * SECOND,
                {"updateTitle": title, "updateGuid": guid, "updateRevisionNumber": "1", "serviceGuid": guid},
            )
    if plan.present and rng.random() < 0.3 and not host.always_on:
        parts.add(
            SYSTEM_LOG,
            1074,
            np.array([plan.leave + 60 * SECOND]),
            {
                "param1": "C:\\Windows\\System32\\RuntimeBroker.exe (" + host.name + ")",
                "param2": host.name,
                "param3": "Other (Unplanned)",
                "param4": "0x0",
                "param5": "power off",
                "param6": "",
                "param7": f"LARKFIELD\\{host.user}",
                "UserID": host.sid,
            },
        )


def add_powershell(
    parts: Parts, host: Host, programs: Programs, texts: Texts, table: Instances, plan: Plan, rng: np.random.Generator
) -> None:
    """Consoles opened (40961, 53504, 40962) and script blocks run (4104)."""
    hosts_scripts = programs.scripts.size > 0
    rows = np.flatnonzero(table.fresh & hosts_scripts[table.program])
    sids = take(strings([host.sid, "S-1-5-18", "S-1-5-19", "S-1-5-20", host.admin_sid, host.sid]), table.account[rows])
    begin = table.time[rows]
    parts.add(POWERSHELL, 40961, begin + 180_000, {"UserID": sids})
    parts.add(
        POWERSHELL,
        53504,
        begin + 230_000,
        {"param1": text(table.pid[rows]), "param2": "DefaultAppDomain", "UserID": sids},
    )
    parts.add(POWERSHELL, 40962, begin + 310_000, {"UserID": sids})
    many = np.repeat(np.arange(len(rows)), 1 + rng.poisson(1.2, len(rows)))
    own = rows[many]
    span = np.where(table.end[own] > 0, table.end[own] - table.time[own], 60 * SECOND)
    when = table.time[own] + 350_000 + (rng.random(len(own)) * np.maximum(span - 400_000, 1000)).astype(np.int64)
    block = texts.scripts.render(programs.scripts.draw(table.program[own], rng), rng)
    parts.add(
        POWERSHELL,
        4104,
        np.minimum(when, plan.on[1] - 1),
        {
            "MessageNumber": "1",
            "MessageTotal": "1",
            "ScriptBlockText": block,
            "ScriptBlockId": pc.utf8_lower(random_guids(len(own), rng)),
            "Path": "",
            "UserID": sids.take(pa.array(many)),
        },
    )


def add_tasks(
    parts: Parts,
    host: Host,
    programs: Programs,
    texts: Texts,
    table: Instances,
    view: Faces,
    plan: Plan,
    rng: np.random.Generator,
) -> None:
    """Scheduled tasks: started (129, 100, 200) and done (201, 102) with their processes; some rewritten (140)."""
    rows = np.flatnonzero(table.fresh & (programs.tasks.size > 0)[table.program])
    begin, program = table.time[rows], table.program[rows]
    names = texts.tasks.render(programs.tasks.draw(program, rng), rng)
    path, instance = take(view.image, rows), pc.binary_join_element_wise("{", random_guids(len(rows), rng), "}", "")
    parts.add(
        TASKS,
        129,
        begin - 1500,
        {"TaskName": names, "Path": path, "ProcessID": text(table.pid[rows]), "Priority": "16384"},
    )
    parts.add(
        TASKS, 100, begin - 1200, {"TaskName": names, "UserContext": "NT AUTHORITY\\SYSTEM", "InstanceId": instance}
    )
    parts.add(TASKS, 200, begin - 1000, {"TaskName": names, "ActionName": path, "TaskInstanceId": instance})
    over = np.flatnonzero(table.end[rows] > 0)
    at, end = pa.array(over), table.end[rows][over]
    parts.add(
        TASKS,
        201,
        end + 900,
        {
            "TaskName": names.take(at),
            "TaskInstanceId": instance.take(at),
            "ActionName": path.take(at),
            "ResultCode": "0",
        },
    )
    parts.add(
        TASKS,
        102,
        end + 1300,
        {"TaskName": names.take(at), "UserContext": "NT AUTHORITY\\SYSTEM", "InstanceId": instance.take(at)},
    )
    _registered(parts, host, names, begin, rng)
    again = np.flatnonzero(rng.random(len(rows)) < 0.15)
    where = pa.array(again)
    parts.add(
        TASKS, 140, begin[again] + 2_000_000, {"TaskName": names.take(where), "UserName": f"LARKFIELD\\{host.name}$"}
    )


def _registered(parts: Parts, host: Host, names: pa.Array, begin: Ints, rng: np.random.Generator) -> None:
    """Tasks that updaters and administrators' scripts register anew: 106, and 4698 in the Security log."""
    fresh = np.flatnonzero(rng.random(len(begin)) < 0.03)
    at, name = begin[fresh] + 1_500_000, names.take(pa.array(fresh))
    parts.add(TASKS, 106, at, {"TaskName": name, "UserContext": f"LARKFIELD\\{host.name}$"})
    content = pc.binary_join_element_wise(
        '<?xml version="1.0" encoding="UTF-16"?>\r\n<Task version="1.2">\r\n  <RegistrationInfo><URI>',
        name,
        "</URI></RegistrationInfo>\r\n  <Principals><UserId>S-1-5-18</UserId></Principals>\r\n</Task>",
        "",
    )
    parts.add(SECURITY, 4698, at, machine_subject(host) | {"TaskName": name, "TaskContent": content})
