"""The Security log of servers: what clients do there, and accounts made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vizsla.simulate.assumptions import assumptions
from vizsla.simulate.frame import SECURITY, Column, Parts, text
from vizsla.simulate.people import SECOND, Calendar, Host
from vizsla.simulate.security import NETWORK, domain, logoff, logon, random_guids
from vizsla.simulate.tokens import hexadecimal, strings, take

Ints = NDArray[np.int64]

READ_LIST = "%%1538\r\n\t\t\t\t%%1541\r\n\t\t\t\t%%4416\r\n\t\t\t\t%%4419\r\n\t\t\t\t%%4423\r\n\t\t\t\t"


def add_server_logons(
    parts: Parts, host: Host, day: int, staff: Sequence[Host], calendar: Calendar, rng: np.random.Generator
) -> None:
    """What clients do on a server, in the hours in which they are there: logons, tickets, shares."""
    rates = assumptions()["security"]
    guests = [(h, calendar.plan(h, day)) for h in staff if not h.server]
    guests = [(h, p) for h, p in guests if not p.off and p.present]
    if not guests:
        return
    begin, end = np.array([p.arrive for _, p in guests]), np.array([p.leave for _, p in guests])
    book = {
        "user": strings([h.user for h, _ in guests]),
        "sid": strings([h.sid for h, _ in guests]),
        "machine": strings([f"{h.name}$" for h, _ in guests]),
        "address": strings([h.address for h, _ in guests]),
        "name": strings([h.name for h, _ in guests]),
    }

    def visits(rate: float) -> tuple[Ints, Ints]:
        who = np.repeat(np.arange(len(guests)), rng.poisson(rate, len(guests)))
        early = rng.random(len(who)) < 0.25  # the morning's rush: a quarter within twenty minutes of arriving
        span = np.where(early, 1200 * SECOND, end[who] - begin[who])
        return who, begin[who] + (rng.random(len(who)) * span).astype(np.int64)

    who, when = visits(rates["server_logons"][host.role])
    ids = rng.integers(0x300000, 0x7FFFFFF, len(who))
    own = rng.random(len(who)) < 0.3  # the machine's own account, for policies and updates
    nobody: dict[str, Column] = {
        "SubjectUserSid": "S-1-0-0",
        "SubjectUserName": "-",
        "SubjectDomainName": "-",
        "SubjectLogonId": "0x0",
    }
    user = pc.if_else(pa.array(own), take(book["machine"], who), take(book["user"], who))
    sid = take(book["sid"], who)
    logon(
        parts,
        when,
        nobody,
        sid=sid,
        user=user,
        target_domain=domain(),
        ids=ids,
        kind="3",
        address=take(book["address"], who),
        port=text(rng.integers(49152, 65535, len(who))),
        guid=random_guids(len(who), rng),
        **NETWORK,
    )
    over = when + (rng.exponential(60, len(who)) * SECOND).astype(np.int64) + 9000
    logoff(parts, over, sid, user, ids, "3")
    if host.role == "dc":
        _tickets(parts, host, staff, book, visits, rng)
    if host.role == "file":
        _shares(parts, host, book, visits(rates["share_reads"]), rng)


def _tickets(
    parts: Parts, host: Host, staff: Sequence[Host], book: dict[str, pa.Array], visits: Any, rng: np.random.Generator
) -> None:
    rates, realm = assumptions()["security"], assumptions()["domain"]["dns"].upper()
    who, when = visits(rates["tickets"] / 3)
    address = pc.binary_join_element_wise("::ffff:", take(book["address"], who), "")
    parts.add(
        SECURITY,
        4768,
        when,
        {
            "TargetUserName": take(book["user"], who),
            "TargetDomainName": realm,
            "TargetSid": take(book["sid"], who),
            "ServiceName": "krbtgt",
            "ServiceSid": host.sid.rsplit("-", 1)[0] + "-502",
            "TicketOptions": "0x40810010",
            "Status": "0x0",
            "TicketEncryptionType": "0x12",
            "PreAuthType": "2",
            "IpAddress": address,
            "IpPort": text(rng.integers(49152, 65535, len(who))),
            "CertIssuerName": "",
            "CertSerialNumber": "",
            "CertThumbprint": "",
        },
    )
    who, when = visits(rates["tickets"])
    services = [h for h in staff if h.server] or list(staff[:1])
    pick = (rng.random(len(who)) ** 1.5 * len(services)).astype(np.int64)
    address = pc.binary_join_element_wise("::ffff:", take(book["address"], who), "")
    parts.add(
        SECURITY,
        4769,
        when,
        {
            "TargetUserName": pc.binary_join_element_wise(take(book["user"], who), realm, "@"),
            "TargetDomainName": realm,
            "ServiceName": take(strings([f"{h.name}$" for h in services]), pick),
            "ServiceSid": take(strings([h.sid for h in services]), pick),
            "TicketOptions": "0x40810000",
            "TicketEncryptionType": "0x12",
            "IpAddress": address,
            "IpPort": text(rng.integers(49152, 65535, len(who))),
            "Status": "0x0",
            "LogonGuid": random_guids(len(who), rng),
            "TransmittedServices": "-",
        },
    )
    who, when = visits(rates["ntlm"])
    parts.add(
        SECURITY,
        4776,
        when,
        {
            "PackageName": "MICROSOFT_AUTHENTICATION_PACKAGE_V1_0",
            "TargetUserName": take(book["user"], who),
            "Workstation": take(book["name"], who),
            "Status": "0x0",
        },
    )


def _shares(
    parts: Parts, host: Host, book: dict[str, pa.Array], visit: tuple[Ints, Ints], rng: np.random.Generator
) -> None:
    who, when = visit
    words = assumptions()["words"]
    share = (rng.random(len(who)) ** 1.8 * len(words["shares"])).astype(np.int64)
    # pipes of services on IPC$, and now and then an administrative share
    special = rng.random(len(who))
    share = np.where(special < 0.12, len(words["shares"]), np.where(special < 0.13, len(words["shares"]) + 1, share))
    shares = [*words["shares"], "IPC$", "ADMIN$"]
    places = [*(f"\\??\\D:\\shares\\{s}" for s in words["shares"]), "", "\\??\\C:\\Windows"]
    topic = (rng.random(len(who)) ** 1.6 * len(words["doc_topics"])).astype(np.int64)
    place = rng.integers(0, len(words["doc_places"]), len(who))
    ends = strings([".xlsx", ".docx", ".pdf", "", ".pptx"])
    path = pc.binary_join_element_wise(
        take(strings(words["doc_topics"]), topic),
        "\\",
        take(strings(words["doc_topics"]), topic),
        " ",
        take(strings(words["doc_places"]), place),
        take(ends, (rng.random(len(who)) ** 1.5 * 5).astype(np.int64)),
        "",
    )
    pipes = take(strings(["srvsvc", "wkssvc", "lsarpc", "svcctl"]), (special / 0.12 * 4).astype(np.int64) % 4)
    path = pc.if_else(pa.array(special < 0.12), pipes, path)
    by_admin = pa.array(share == len(shares) - 1)
    path = pc.if_else(by_admin, "PSEXESVC.exe", path)
    subject: dict[str, Column] = {
        "SubjectUserSid": pc.if_else(by_admin, host.admin_sid, take(book["sid"], who)),
        "SubjectUserName": pc.if_else(by_admin, host.admin, take(book["user"], who)),
        "SubjectDomainName": domain(),
        "SubjectLogonId": hexadecimal(rng.integers(0x300000, 0x7FFFFFF, len(who))),
        "ObjectType": "File",
        "IpAddress": take(book["address"], who),
        "IpPort": text(rng.integers(49152, 65535, len(who))),
        "ShareName": take(strings([f"\\\\*\\{s}" for s in shares]), share),
        "ShareLocalPath": take(strings(places), share),
    }
    parts.add(
        SECURITY,
        5145,
        when,
        subject
        | {
            "RelativeTargetName": path,
            "AccessMask": take(strings(["0x120089", "0x100081", "0x12019f"]), rng.integers(0, 3, len(who))),
            "AccessList": READ_LIST,
            "AccessReason": "-",
        },
    )
    first = np.flatnonzero(rng.random(len(who)) < 0.2)
    at = pa.array(first)
    few: dict[str, Column] = {n: c.take(at) if isinstance(c, pa.Array) else c for n, c in subject.items()}
    parts.add(SECURITY, 5140, when[first] - 900, few | {"AccessMask": "0x1", "AccessList": "%%4416\r\n\t\t\t\t"})


def new_user(parts: Parts, host: Host, newcomer: Host, admin: Host, when: int) -> None:
    """A newcomer's account is made on the domain controller (4720)."""
    parts.add(
        SECURITY,
        4720,
        np.array([when]),
        {
            "TargetUserName": newcomer.user,
            "TargetDomainName": domain(),
            "TargetSid": newcomer.sid,
            "SubjectUserSid": admin.admin_sid,
            "SubjectUserName": admin.admin,
            "SubjectDomainName": domain(),
            "SubjectLogonId": "0x3a7f21",
            "PrivilegeList": "-",
            "SamAccountName": newcomer.user,
            "DisplayName": newcomer.user,
            "UserPrincipalName": f"{newcomer.user}@{assumptions()['domain']['dns']}",
            "HomeDirectory": "%%1793",
            "PrimaryGroupId": "513",
            "OldUacValue": "0x0",
            "NewUacValue": "0x15",
        },
    )
