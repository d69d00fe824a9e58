"""The Security log of a host-day: processes and logons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vizsla.simulate.assumptions import ADMIN, Programs, assumptions
from vizsla.simulate.faces import Faces, account_sids
from vizsla.simulate.frame import SECURITY, Column, Parts, text
from vizsla.simulate.people import SECOND, Host, Plan
from vizsla.simulate.processes import Clock, Instances
from vizsla.simulate.tokens import hex4, hexadecimal, strings, take

Ints = NDArray[np.int64]
NULL_GUID = "00000000-0000-0000-0000-000000000000"
PRIVILEGES = (
    "SeSecurityPrivilege\r\n\t\t\tSeBackupPrivilege\r\n\t\t\tSeRestorePrivilege\r\n\t\t\tSeTakeOwnershipPrivilege"
    "\r\n\t\t\tSeDebugPrivilege\r\n\t\t\tSeSystemEnvironmentPrivilege\r\n\t\t\tSeLoadDriverPrivilege"
    "\r\n\t\t\tSeImpersonatePrivilege"
)
SERVICE_PRIVILEGES = "SeAssignPrimaryTokenPrivilege\r\n\t\t\tSeTcbPrivilege\r\n\t\t\t" + PRIVILEGES
_LABELS = {"System": "S-1-16-16384", "High": "S-1-16-12288", "Medium": "S-1-16-8192", "Low": "S-1-16-4096"}


def domain() -> str:
    """The NetBIOS name of the domain."""
    return str(assumptions()["domain"]["netbios"])


def machine_subject(host: Host) -> dict[str, Column]:
    """The machine's own account, as subject."""
    return {
        "SubjectUserSid": "S-1-5-18",
        "SubjectUserName": f"{host.name}$",
        "SubjectDomainName": domain(),
        "SubjectLogonId": "0x3e7",
    }


def subjects(host: Host, table: Instances, rows: Ints) -> dict[str, Column]:
    """The accounts of processes, as subjects."""
    account = table.account[rows]
    names = strings([host.user, f"{host.name}$", "LOCAL SERVICE", "NETWORK SERVICE", host.admin, host.user])
    domains = strings([domain(), domain(), "NT AUTHORITY", "NT AUTHORITY", domain(), domain()])
    return {
        "SubjectUserSid": take(account_sids(host), account),
        "SubjectUserName": take(names, account),
        "SubjectDomainName": take(domains, account),
        "SubjectLogonId": hexadecimal(table.logon[rows]),
    }


def add_processes(parts: Parts, host: Host, levels: pa.Array, table: Instances, view: Faces, since: int) -> None:
    """4688 and 4689, in step with Sysmon's events 1 and 5. `levels`: Sysmon's integrity level of each process."""
    rows = np.flatnonzero(table.fresh)
    parent = view.parent[rows]
    label = take(pc.dictionary_encode(levels).dictionary, np.zeros(0, np.int64))
    found = pc.index_in(levels.take(pa.array(rows)), value_set=strings(list(_LABELS)))
    label = strings(list(_LABELS.values())).take(found)
    parts.add(
        SECURITY,
        4688,
        table.time[rows] - 400,
        subjects(host, table, rows)
        | {
            "NewProcessId": hexadecimal(table.pid[rows]),
            "NewProcessName": take(view.image, rows),
            "TokenElevationType": "%%1936",
            "ProcessId": hexadecimal(view.pid[parent]),
            "CommandLine": take(view.command, rows),
            "TargetUserSid": "S-1-0-0",
            "TargetUserName": "-",
            "TargetDomainName": "-",
            "TargetLogonId": "0x0",
            "ParentProcessName": take(view.image, parent),
            "MandatoryLabel": label,
        },
    )
    over = np.flatnonzero((table.end > 0) & (table.end >= since))
    parts.add(
        SECURITY,
        4689,
        table.end[over] + 300,
        subjects(host, table, over)
        | {
            "Status": "0x0",
            "ProcessId": hexadecimal(table.pid[over]),
            "ProcessName": take(view.image, over),
        },
    )


def random_guids(count: int, rng: np.random.Generator) -> pa.Array:
    """GUIDs of logons."""
    parts = [take(hex4(), rng.integers(0, 65536, count)) for _ in range(6)]
    head = pc.binary_join_element_wise(parts[0], parts[1], "")
    return pc.binary_join_element_wise(
        head, parts[2], parts[3], parts[4], pc.binary_join_element_wise(parts[5], "A1F00C27", ""), "-"
    )


def logon(
    parts: Parts,
    time: Ints,
    subject: dict[str, Column],
    *,
    sid: Column,
    user: Column,
    target_domain: Column,
    ids: Ints,
    kind: Column,
    process: str,
    package: str,
    workstation: Column,
    address: Column,
    port: Column,
    program: str,
    caller: str,
    guid: Column = NULL_GUID,
) -> None:
    """Successful logons (4624)."""
    parts.add(
        SECURITY,
        4624,
        time,
        subject
        | {
            "TargetUserSid": sid,
            "TargetUserName": user,
            "TargetDomainName": target_domain,
            "TargetLogonId": hexadecimal(ids),
            "LogonType": kind,
            "LogonProcessName": process,
            "AuthenticationPackageName": package,
            "WorkstationName": workstation,
            "LogonGuid": guid,
            "TransmittedServices": "-",
            "LmPackageName": "-",
            "KeyLength": "0",
            "ProcessId": caller,
            "ProcessName": program,
            "IpAddress": address,
            "IpPort": port,
            "ImpersonationLevel": "%%1833",
            "RestrictedAdminMode": "-",
            "TargetOutboundUserName": "-",
            "TargetOutboundDomainName": "-",
            "VirtualAccount": "%%1843",
            "TargetLinkedLogonId": "0x0",
            "ElevatedToken": "%%1842",
        },
    )


def special(parts: Parts, time: Ints, sid: Column, user: Column, ids: Column, privileges: str = PRIVILEGES) -> None:
    """Special privileges of a new logon (4672)."""
    name = domain() if user != "SYSTEM" else "NT AUTHORITY"
    parts.add(
        SECURITY,
        4672,
        time,
        {
            "SubjectUserSid": sid,
            "SubjectUserName": user,
            "SubjectDomainName": name,
            "SubjectLogonId": ids,
            "PrivilegeList": privileges,
        },
    )


def logoff(parts: Parts, time: Ints, sid: Column, user: Column, ids: Ints, kind: Column) -> None:
    """The end of logons (4634)."""
    parts.add(
        SECURITY,
        4634,
        time,
        {
            "TargetUserSid": sid,
            "TargetUserName": user,
            "TargetDomainName": domain(),
            "TargetLogonId": hexadecimal(ids),
            "LogonType": kind,
        },
    )


_INTERACTIVE: dict[str, Any] = {
    "process": "User32 ",
    "package": "Negotiate",
    "address": "127.0.0.1",
    "port": "0",
    "program": "C:\\Windows\\System32\\svchost.exe",
    "caller": "0x6a8",
}
NETWORK: dict[str, Any] = {
    "process": "Kerberos",
    "package": "Kerberos",
    "workstation": "-",
    "program": "-",
    "caller": "0x0",
}


def add_logons(
    parts: Parts,
    host: Host,
    plan: Plan,
    clock: Clock,
    session: tuple[int, int],
    table: Instances,
    remote: Ints,
    rng: np.random.Generator,
) -> None:
    """Logons on the machine itself: services, the user's session, unlocks, typing errors, remote administrators."""
    rates = assumptions()["security"]
    own = machine_subject(host)
    when = clock.draw("on", int(rng.poisson(rates["service_logons"] * clock.on_share)), rng)
    logon(
        parts,
        when,
        own,
        sid="S-1-5-18",
        user="SYSTEM",
        target_domain="NT AUTHORITY",
        ids=np.full(len(when), 0x3E7),
        kind="5",
        process="Advapi  ",
        package="Negotiate",
        workstation="-",
        address="-",
        port="-",
        program="C:\\Windows\\System32\\services.exe",
        caller="0x2c8",
    )
    special(parts, when + 40, "S-1-5-18", "SYSTEM", "0x3e7", SERVICE_PRIVILEGES)
    reads = clock.draw("on", int(rng.poisson(rates["group_reads"] * clock.on_share)), rng)
    callers = strings(["C:\\Program Files\\Monitor\\Agent\\agent.exe", "C:\\Windows\\System32\\svchost.exe"])
    groups = strings(["Administrators", "Remote Desktop Users", "Backup Operators"])
    parts.add(
        SECURITY,
        4799,
        reads,
        own
        | {
            "TargetUserName": take(groups, (rng.random(len(reads)) ** 2 * 3).astype(np.int64)),
            "TargetDomainName": "Builtin",
            "TargetSid": "S-1-5-32-544",
            "CallerProcessId": "0xc4c",
            "CallerProcessName": take(callers, rng.integers(0, 2, len(reads))),
        },
    )
    if session[0] and not host.server:
        _user_logons(parts, host, plan, clock, session, rng)
    _remote_logons(parts, host, plan, table, remote, rng)
    _accounts(parts, host, table, session, plan, rng)


def _user_logons(
    parts: Parts, host: Host, plan: Plan, clock: Clock, session: tuple[int, int], rng: np.random.Generator
) -> None:
    own, rates = machine_subject(host), assumptions()["security"]
    who: dict[str, Any] = {"sid": host.sid, "user": host.user, "target_domain": domain()}
    if session[0] >= plan.midnight:
        kind = "11" if rng.random() < 0.15 else "2"  # cached, where the domain cannot be reached yet
        at = np.array([session[0]])
        logon(parts, at, own, **who, ids=np.array([session[1]]), kind=kind, workstation=host.name, **_INTERACTIVE)
        if host.role == "admin":
            special(parts, at + 60, host.sid, host.user, hexadecimal(np.array([session[1]])))
    if not plan.present:
        return
    count = int(rng.poisson(rates["unlocks"])) + (session[0] < plan.midnight)
    when = clock.draw("work", count, rng)
    if count and session[0] < plan.midnight:
        when[0] = plan.arrive
    ids = rng.integers(0x300000, 0x7FFFFFF, count)
    logon(parts, when, own, **who, ids=ids, kind="7", workstation=host.name, **_INTERACTIVE)
    logoff(parts, when + 2000, host.sid, host.user, ids, "7")
    _explicit(parts, host, clock, session[1], rng)
    errors = clock.draw("work", int(rng.poisson(rates["mistyped"])), rng)
    parts.add(
        SECURITY,
        4625,
        errors,
        own
        | {
            "TargetUserSid": "S-1-0-0",
            "TargetUserName": host.user,
            "TargetDomainName": domain(),
            "Status": "0xc000006d",
            "FailureReason": "%%2313",
            "SubStatus": "0xc000006a",
            "LogonType": take(strings(["2", "7"]), rng.integers(0, 2, len(errors))),
            "LogonProcessName": "User32 ",
            "AuthenticationPackageName": "Negotiate",
            "WorkstationName": host.name,
            "TransmittedServices": "-",
            "LmPackageName": "-",
            "KeyLength": "0",
            "ProcessId": "0x6a8",
            "ProcessName": "C:\\Windows\\System32\\svchost.exe",
            "IpAddress": "127.0.0.1",
            "IpPort": "0",
        },
    )


def _explicit(parts: Parts, host: Host, clock: Clock, session: int, rng: np.random.Generator) -> None:
    """Other credentials used on purpose (4648): administrators' second accounts, connections to servers."""
    rate = assumptions()["security"]["explicit"][host.role]
    when = clock.draw("work", int(rng.poisson(rate)), rng)
    programs = ["mstsc.exe", "svchost.exe", "runas.exe", "mmc.exe"]
    images = strings([f"C:\\Windows\\System32\\{p}" for p in programs])
    servers = strings(["localhost", "FS01", "DC01", "SQL01"])
    parts.add(
        SECURITY,
        4648,
        when,
        {
            "SubjectUserSid": host.sid,
            "SubjectUserName": host.user,
            "SubjectDomainName": domain(),
            "SubjectLogonId": hex(session),
            "LogonGuid": NULL_GUID,
            "TargetUserName": host.admin,
            "TargetDomainName": domain(),
            "TargetLogonGuid": NULL_GUID,
            "TargetServerName": take(servers, rng.integers(0, len(servers), len(when))),
            "TargetInfo": "localhost",
            "ProcessId": hexadecimal(rng.integers(350, 7800, len(when)) * 4),
            "ProcessName": take(images, (rng.random(len(when)) ** 1.5 * len(programs)).astype(np.int64)),
            "IpAddress": "-",
            "IpPort": "-",
        },
    )


def _accounts(
    parts: Parts, host: Host, table: Instances, session: tuple[int, int], plan: Plan, rng: np.random.Generator
) -> None:
    """The service account's logon with the machine, where a server has one."""
    rows = np.flatnonzero((table.account == 5) & table.fresh & (table.end == 0))[:1]
    when = table.time[rows] - 900_000
    if not plan.boot or not host.server:
        return
    logon(
        parts,
        when,
        machine_subject(host),
        sid=host.sid,
        user=host.user,
        target_domain=domain(),
        ids=table.logon[rows],
        kind="5",
        process="Advapi  ",
        package="Negotiate",
        workstation=host.name,
        address="-",
        port="-",
        program="C:\\Windows\\System32\\services.exe",
        caller="0x2c8",
    )


def _remote_logons(
    parts: Parts, host: Host, plan: Plan, table: Instances, remote: Ints, rng: np.random.Generator
) -> None:
    """An administrator's logon for each process that one started from elsewhere: network, or remote desktop."""
    rows = remote[table.account[remote] == ADMIN]
    kinds = strings(["3", "10"])
    desktop = table.end[rows] - table.time[rows] > 900 * SECOND
    when, ids = table.time[rows] - 700_000, table.logon[rows]
    network = assumptions()["domain"]["subnet"]
    address = pc.binary_join_element_wise(f"{network}.10.", text(rng.integers(20, 60, len(rows))), "")
    nobody: dict[str, Column] = {
        "SubjectUserSid": "S-1-0-0",
        "SubjectUserName": "-",
        "SubjectDomainName": "-",
        "SubjectLogonId": "0x0",
    }
    kind = take(kinds, desktop.astype(np.int64))
    logon(
        parts,
        when,
        nobody,
        sid=host.admin_sid,
        user=host.admin,
        target_domain=domain(),
        ids=ids,
        kind=kind,
        address=address,
        port=text(rng.integers(49152, 65535, len(rows))),
        guid=random_guids(len(rows), rng),
        **NETWORK,
    )
    special(parts, when + 50, host.admin_sid, host.admin, hexadecimal(ids))
    over = np.flatnonzero(table.end[rows] > 0)
    logoff(
        parts,
        table.end[rows][over] + 4000,
        host.admin_sid,
        host.admin,
        ids[over],
        take(kinds, desktop[over].astype(np.int64)),
    )


def kinds_of(programs: Programs) -> Ints:
    """Rows of the programs that administrators start from elsewhere."""
    return np.flatnonzero(np.array([w == "remote" for w in programs.when]))
