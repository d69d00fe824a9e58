"""Sysmon's events of a host-day, from its processes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vizsla.simulate.assumptions import Programs
from vizsla.simulate.faces import Faces, Texts, integrity, sessions
from vizsla.simulate.frame import SYSMON, Column, Parts, text, utc_time
from vizsla.simulate.people import SECOND, Host, Plan
from vizsla.simulate.processes import Clock, Instances
from vizsla.simulate.tokens import hex4, hexadecimal, strings, take

Ints = NDArray[np.int64]


def logon_guid(host: Host, logon: Ints) -> pa.Array:
    """Sysmon's GUID of a logon session, made from its id."""
    low, high, table = logon & 0xFFFF, (logon >> 16) & 0xFFFF, hex4()
    tail = pc.binary_join_element_wise(take(table, low), take(table, high), "0000", "")
    return pc.binary_join_element_wise(host.machine, "7B20", "65E4", "0020", tail, "-")


def start_columns(
    host: Host, programs: Programs, texts: Texts, table: Instances, view: Faces, rows: Ints
) -> dict[str, Column]:
    """The fields of event 1 for the processes `rows`."""
    program, parent = table.program[rows], view.parent[rows]
    picked = Instances(*(getattr(table, name)[rows] for name in Instances.__slots__))
    user = take(view.user, rows)
    profile = f"C:\\Users\\{host.user}\\"
    homes = strings([profile, *["C:\\Windows\\system32\\"] * 3, "C:\\Windows\\system32\\", "C:\\Windows\\system32\\"])
    return {
        "RuleName": "-",
        "UtcTime": utc_time(table.time[rows]),
        "ProcessGuid": take(view.guid, rows),
        "ProcessId": text(table.pid[rows]),
        "Image": take(view.image, rows),
        "FileVersion": take(texts.version, program),
        "Description": take(texts.description, program),
        "Product": take(texts.product, program),
        "Company": take(texts.company, program),
        "OriginalFileName": take(texts.original, program),
        "CommandLine": take(view.command, rows),
        "CurrentDirectory": take(homes, picked.account),
        "User": user,
        "LogonGuid": logon_guid(host, picked.logon),
        "LogonId": hexadecimal(picked.logon),
        "TerminalSessionId": sessions(picked),
        "IntegrityLevel": integrity(programs, picked),
        "Hashes": take(texts.hashes, program),
        "ParentProcessGuid": take(view.guid, parent),
        "ParentProcessId": text(view.pid[parent]),
        "ParentImage": take(view.image, parent),
        "ParentCommandLine": take(view.command, parent),
        "ParentUser": take(view.user, parent),
    }


class Activity:
    """Draws what processes do besides starting and ending."""

    def __init__(self, programs: Programs, plan: Plan, clock: Clock, table: Instances, busy: float) -> None:
        self.programs, self.plan, self.clock, self.table = programs, plan, clock, table
        self.stays = (table.end == 0) & (programs.life[table.program] == 0)
        users = table.account == 0
        # what stays acts by the day, as long as its machine or user does; what ends acts by the start
        share = np.where(users, clock.work_share, clock.on_share) * busy
        self.factor = np.where(self.stays, share, 1.0)
        self.users = users

    def draw(self, mean: NDArray[np.float64], rng: np.random.Generator, early: bool = False) -> tuple[Ints, Ints]:
        """Rows (of the process table) and times of acts; `early`: within the first second of a process."""
        factor = self.table.fresh * 1.0 if early else self.factor
        rows = np.repeat(np.arange(len(self.table)), rng.poisson(mean * factor))
        return rows, self.times(rows, rng, early)

    def times(self, rows: Ints, rng: np.random.Generator, early: bool = False) -> Ints:
        """When the acts of processes `rows` happen."""
        table, count = self.table, len(rows)
        begin = table.time[rows]
        if early:
            when = begin + (rng.exponential(0.15, count) * SECOND).astype(np.int64) + 2000
        else:
            end = np.where(table.end[rows] > 0, table.end[rows], self.plan.on[1] - 1)
            when = begin + (rng.random(count) * np.maximum(end - begin, 1000)).astype(np.int64)
            for profile, mine in (("work", self.users), ("on", ~self.users)):
                at = np.flatnonzero(self.stays[rows] & mine[rows])
                when[at] = np.maximum(self.clock.draw(profile, len(at), rng), begin[at] + 1000)
        return np.minimum(when, self.plan.on[1] - 1)


def add_sysmon(
    parts: Parts,
    host: Host,
    programs: Programs,
    texts: Texts,
    table: Instances,
    view: Faces,
    activity: Activity,
    rng: np.random.Generator,
) -> None:
    """Events 1, 5, 7, 10, 11, 12, 13, 17, 18 and 23 of a host-day."""
    fresh = np.flatnonzero(table.fresh)
    parts.add(SYSMON, 1, table.time[fresh], start_columns(host, programs, texts, table, view, fresh))
    over = np.flatnonzero((table.end > 0) & (table.end >= activity.plan.midnight))
    parts.add(SYSMON, 5, table.end[over], _who(view, over, table.end[over]) | {"User": take(view.user, over)})
    _loads(parts, programs, texts, table, view, activity, rng)
    _files(parts, programs, texts, table, view, activity, rng)
    _registry(parts, programs, texts, table, view, activity, rng)
    _pipes(parts, programs, texts, table, view, activity, rng)
    _accesses(parts, programs, table, view, activity, rng)


def _who(view: Faces, rows: Ints, time: Ints) -> dict[str, Column]:
    return {
        "RuleName": "-",
        "UtcTime": utc_time(time),
        "ProcessGuid": take(view.guid, rows),
        "ProcessId": text(view.pid[rows]),
        "Image": take(view.image, rows),
    }


def _loads(
    parts: Parts,
    programs: Programs,
    texts: Texts,
    table: Instances,
    view: Faces,
    activity: Activity,
    rng: np.random.Generator,
) -> None:
    rows, time = activity.draw(programs.acts["load"][table.program], rng, early=True)
    pick = programs.loads.draw(table.program[rows], rng)
    loaded = texts.loads.render(pick, rng)
    parts.add(
        SYSMON,
        7,
        time,
        _who(view, rows, time)
        | {
            "ImageLoaded": loaded,
            "FileVersion": "10.0.19041.3996 (WinBuild.160101.0800)",
            "Description": take(texts.load_original, pick),
            "Product": "Microsoft® Windows® Operating System",
            "Company": "Microsoft Corporation",
            "OriginalFileName": take(texts.load_original, pick),
            "Hashes": take(texts.load_hashes, pick),
            "Signed": "true",
            "Signature": "Microsoft Windows",
            "SignatureStatus": "Valid",
            "User": take(view.user, rows),
        },
    )


def _files(
    parts: Parts,
    programs: Programs,
    texts: Texts,
    table: Instances,
    view: Faces,
    activity: Activity,
    rng: np.random.Generator,
) -> None:
    has = programs.files.size > 0
    for event, act in ((11, "file"), (23, "delete")):
        rows, time = activity.draw((programs.acts[act] * has)[table.program], rng)
        names = texts.files.render(programs.files.draw(table.program[rows], rng), rng)
        columns = _who(view, rows, time) | {"TargetFilename": names, "User": take(view.user, rows)}
        if event == 11:
            columns["CreationUtcTime"] = utc_time(
                time - rng.integers(0, 2, len(time)) * rng.integers(0, 10**11, len(time))
            )
        else:
            columns |= {"Hashes": take(texts.hashes, table.program[rows]), "IsExecutable": "false", "Archived": "true"}
        parts.add(SYSMON, event, time, columns)


def _registry(
    parts: Parts,
    programs: Programs,
    texts: Texts,
    table: Instances,
    view: Faces,
    activity: Activity,
    rng: np.random.Generator,
) -> None:
    rows, time = activity.draw((programs.acts["reg"] * (programs.registry.size > 0))[table.program], rng)
    pick = programs.registry.draw(table.program[rows], rng)
    created = rng.random(len(rows)) < 0.18
    for event, mine in ((13, ~created), (12, created)):
        at = np.flatnonzero(mine)
        columns = _who(view, rows[at], time[at]) | {
            "EventType": "SetValue" if event == 13 else "CreateKey",
            "TargetObject": texts.registry.render(pick[at], rng),
            "User": take(view.user, rows[at]),
        }
        if event == 13:
            columns["Details"] = texts.details.render(pick[at], rng)
        parts.add(SYSMON, event, time[at], columns)


def _pipes(
    parts: Parts,
    programs: Programs,
    texts: Texts,
    table: Instances,
    view: Faces,
    activity: Activity,
    rng: np.random.Generator,
) -> None:
    rows, time = activity.draw((programs.acts["pipe"] * (programs.pipes.size > 0))[table.program], rng)
    names = texts.pipes.render(programs.pipes.draw(table.program[rows], rng), rng)
    made = rng.random(len(rows)) < 0.45
    for event, kind, mine in ((17, "CreatePipe", made), (18, "ConnectPipe", ~made)):
        at = np.flatnonzero(mine)
        columns = _who(view, rows[at], time[at]) | {
            "EventType": kind,
            "PipeName": names.take(pa.array(at)),
            "User": take(view.user, rows[at]),
        }
        parts.add(SYSMON, event, time[at], columns)


def _accesses(
    parts: Parts, programs: Programs, table: Instances, view: Faces, activity: Activity, rng: np.random.Generator
) -> None:
    rows, time = activity.draw((programs.acts["access"] * (programs.access_size > 0))[table.program], rng)
    program = table.program[rows]
    pick = programs.access_start[program] + (rng.random(len(rows)) ** 1.4 * programs.access_size[program]).astype(
        np.int64
    )
    wanted = programs.access_target[pick]
    # the target is any process of the wanted program that has started by then; acts without one do not happen
    order = np.lexsort((table.time, table.program))
    first = np.searchsorted(table.program[order], wanted, "left")
    last = np.searchsorted(table.program[order], wanted, "right")
    target = order[np.minimum(first + (rng.random(len(rows)) * (last - first)).astype(np.int64), len(order) - 1)]
    target = np.where(table.time[target] <= time, target, order[np.minimum(first, len(order) - 1)])
    at = np.flatnonzero((last > first) & (table.time[target] <= time) & (target != rows))
    rows, time, target, pick = rows[at], time[at], target[at], pick[at]
    trace = _traces(len(rows), rng)
    parts.add(
        SYSMON,
        10,
        time,
        {
            "RuleName": "-",
            "UtcTime": utc_time(time),
            "SourceProcessGUID": take(view.guid, rows),
            "SourceProcessId": text(table.pid[rows]),
            "SourceThreadId": text(rng.integers(200, 3000, len(rows)) * 4),
            "SourceImage": take(view.image, rows),
            "TargetProcessGUID": take(view.guid, target),
            "TargetProcessId": text(table.pid[target]),
            "TargetImage": take(view.image, target),
            "GrantedAccess": take(strings(list(programs.access_mask)), pick),
            "CallTrace": trace,
            "SourceUser": take(view.user, rows),
            "TargetUser": take(view.user, target),
        },
    )


def _traces(count: int, rng: np.random.Generator) -> pa.Array:
    """Call stacks: the usual way into the kernel, with offsets of a few builds, and a caller."""
    callers = strings(
        ["psmserviceexthost.dll", "KERNELBASE.dll", "rpcss.dll", "wevtsvc.dll", "mpsvc.dll", "framedynos.dll"]
    )
    entry = strings(["9d4c4", "9d1e4", "9c584"])
    table = hex4()
    return pc.binary_join_element_wise(
        "C:\\Windows\\SYSTEM32\\ntdll.dll+",
        take(entry, rng.integers(0, 3, count)),
        "|C:\\Windows\\System32\\KERNELBASE.dll+2",
        pc.utf8_lower(take(table, rng.integers(0, 40, count) * 97 + 8000)),
        "|C:\\Windows\\System32\\",
        take(callers, (rng.random(count) ** 2 * 6).astype(np.int64)),
        "+",
        pc.utf8_lower(take(table, rng.integers(0, 200, count) * 61 + 4096)),
        "",
    )
