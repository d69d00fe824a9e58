"""What a story of intrusion is made of: processes and connections, each with all the records that they leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.simulate.assumptions import assumptions
from vizsla.simulate.faces import image_hashes, process_guid
from vizsla.simulate.frame import SECURITY, SYSMON, utc_time
from vizsla.simulate.people import DAY, SECOND, Host
from vizsla.simulate.zeek import uids, zeek_time

if TYPE_CHECKING:
    from vizsla.simulate.company import Company


@dataclass(frozen=True, slots=True)
class Actor:
    """A process of the story, or one of the machine's own that it hangs on."""

    host: Host
    time: int
    image: str
    command: str
    guid: str
    pid: int
    user: str
    sid: str
    logon: int
    level: str


@dataclass(slots=True)
class Event:
    """One event of the story."""

    host: int
    table: str
    kind: str
    time: int
    columns: dict[str, str]
    stage: str
    technique: str


@dataclass(slots=True)
class Story:
    """Writes events; a process brings Sysmon 1 and 5 and Security 4688 and 4689, a connection all that see it."""

    company: Company
    rng: np.random.Generator
    events: list[Event] = field(default_factory=list)
    count: int = 0

    def tell(
        self, host: Host, table: str, kind: int | str, time: int, columns: Mapping[str, str], stage: str, technique: str
    ) -> None:
        """Note one event."""
        self.events.append(Event(host.number, table, str(kind), time, dict(columns), stage, technique))

    def resident(self, host: Host, day: int, name: str) -> Actor:
        """A standing process of the machine, such as explorer.exe."""
        programs, table = self.company.programs, self.company.processes.resident_set(host, day)
        rows = np.flatnonzero(table.program == programs.index[name])
        row = int(rows[0]) if len(rows) else 0
        spec = assumptions()["programs"][name if len(rows) else "smss"]
        account, user = int(table.account[row]), f"LARKFIELD\\{host.user}"
        system = account != 0
        guid = process_guid(host.machine, table.time[row : row + 1], table.sequence[row : row + 1])[0].as_py()
        return Actor(
            host,
            int(table.time[row]),
            spec["img"],
            spec["cmd"][0],
            guid,
            int(table.pid[row]),
            "NT AUTHORITY\\SYSTEM" if system else user,
            "S-1-5-18" if system else host.sid,
            int(table.logon[row]),
            "System" if system else "Medium",
        )

    def process(
        self,
        parent: Actor,
        time: int,
        image: str,
        command: str,
        stage: str,
        technique: str,
        *,
        life: float = 2.0,
        as_admin: tuple[str, str, int] | None = None,
    ) -> Actor:
        """Start a process; it ends after `life` seconds (0: goes on). `as_admin`: another user, SID, logon id."""
        host, self.count = parent.host, self.count + 1
        user, sid, logon = as_admin or (parent.user, parent.sid, parent.logon)
        guid = process_guid(host.machine, np.array([time]), np.array([0xE000 + self.count]))[0].as_py()
        level = "High" if as_admin else parent.level
        actor = Actor(host, time, image, command, guid, int(self.rng.integers(350, 7800)) * 4, user, sid, logon, level)
        self._start(actor, parent, stage, technique)
        if life:
            end = time + int(life * SECOND)
            self.tell(host, SYSMON, 5, end, self._me(actor, end), stage, technique)
            over = {"Status": "0x0", "ProcessId": hex(actor.pid), "ProcessName": image}
            self.tell(host, SECURITY, 4689, end + 300, self.subject(actor) | over, stage, technique)
        return actor

    def _file(self, actor: Actor) -> dict[str, str]:
        """Version and hashes of a process's image: the company's own for its programs, unknown ones for others."""
        company = self.company
        day = (actor.time - company.calendar.midnight) // DAY
        texts = company.wardrobe.texts(actor.host, company.calendar.plan(actor.host, day).versions)
        row = pc.index(pc.utf8_lower(texts.image), pa.scalar(actor.image.lower())).as_py()
        digest = self.rng.bytes(84).hex().upper()
        if row < 0:
            hashes = f"SHA1={digest[:40]},MD5={digest[40:72]},SHA256={digest[72:136]},IMPHASH={digest[136:168]}"
            return dict.fromkeys(("FileVersion", "Description", "Product", "Company", "OriginalFileName"), "-") | {
                "Hashes": hashes
            }
        columns = {
            "FileVersion": texts.version,
            "Description": texts.description,
            "Product": texts.product,
            "Company": texts.company,
            "OriginalFileName": texts.original,
            "Hashes": texts.hashes,
        }
        return {field: values[row].as_py() for field, values in columns.items()}

    def _start(self, actor: Actor, parent: Actor, stage: str, technique: str) -> None:
        host, time, level, logon = actor.host, actor.time, actor.level, actor.logon
        self.tell(
            host,
            SYSMON,
            1,
            time,
            {
                **self._me(actor, time),
                **self._file(actor),
                "CommandLine": actor.command,
                "CurrentDirectory": "C:\\Windows\\system32\\",
                "LogonGuid": f"{host.machine}-7B20-65E4-0020-{logon & 0xFFFF:04X}{(logon >> 16) & 0xFFFF:04X}0000",
                "LogonId": hex(logon),
                "TerminalSessionId": "0" if level == "System" else "1",
                "IntegrityLevel": level,
                "ParentProcessGuid": parent.guid,
                "ParentProcessId": str(parent.pid),
                "ParentImage": parent.image,
                "ParentCommandLine": parent.command,
                "ParentUser": parent.user,
            },
            stage,
            technique,
        )
        subject = self.subject(actor)
        label = {"System": "S-1-16-16384", "High": "S-1-16-12288"}.get(level, "S-1-16-8192")
        self.tell(
            host,
            SECURITY,
            4688,
            time - 400,
            subject
            | {
                "NewProcessId": hex(actor.pid),
                "NewProcessName": actor.image,
                "TokenElevationType": "%%1936",
                "ProcessId": hex(parent.pid),
                "CommandLine": actor.command,
                "TargetUserSid": "S-1-0-0",
                "TargetUserName": "-",
                "TargetDomainName": "-",
                "TargetLogonId": "0x0",
                "ParentProcessName": parent.image,
                "MandatoryLabel": label,
            },
            stage,
            technique,
        )

    def load(self, actor: Actor, time: int, path: str, stage: str, technique: str) -> None:
        """A DLL of Windows loaded."""
        name = path.rsplit("\\", 1)[-1]
        columns = {
            "ImageLoaded": path,
            "FileVersion": "10.0.19041.3996 (WinBuild.160101.0800)",
            "Description": name,
            "Product": "Microsoft® Windows® Operating System",
            "Company": "Microsoft Corporation",
            "OriginalFileName": name,
            "Hashes": image_hashes(f"{name.lower()}|10.0.19041.4170"),
            "Signed": "true",
            "Signature": "Microsoft Windows",
            "SignatureStatus": "Valid",
        }
        self.act(actor, 7, time, columns, stage, technique)

    @staticmethod
    def _me(actor: Actor, time: int) -> dict[str, str]:
        return {
            "RuleName": "-",
            "UtcTime": utc_time(np.array([time]))[0].as_py(),
            "ProcessGuid": actor.guid,
            "ProcessId": str(actor.pid),
            "Image": actor.image,
            "User": actor.user,
        }

    @staticmethod
    def subject(actor: Actor) -> dict[str, str]:
        """The account of a process as the subject of Security events."""
        domain, _, name = actor.user.rpartition("\\")
        if actor.sid == "S-1-5-18":
            domain, name = "LARKFIELD", f"{actor.host.name}$"
        return {
            "SubjectUserSid": actor.sid,
            "SubjectUserName": name,
            "SubjectDomainName": domain,
            "SubjectLogonId": hex(actor.logon),
        }

    def act(self, actor: Actor, kind: int, time: int, columns: Mapping[str, str], stage: str, technique: str) -> None:
        """A further Sysmon event of a process."""
        self.tell(actor.host, SYSMON, kind, time, self._me(actor, time) | dict(columns), stage, technique)

    def connect(
        self,
        actor: Actor,
        time: int,
        address: str,
        port: int,
        stage: str,
        technique: str,
        *,
        name: str = "",
        sent: int = 1800,
        received: int = 900,
        seconds: float = 1.2,
    ) -> None:
        """A connection: Sysmon 3 and Zeek conn, and with a `name` ssl and now and then a lookup (22, dns)."""
        host, rng = actor.host, self.rng
        source, uid = str(int(rng.integers(49152, 65535))), uids(1, rng)[0].as_py()
        service = {445: "smb", 135: "dce_rpc", 443: "ssl"}.get(port, "ssl")
        self.act(
            actor,
            3,
            time,
            {
                "Protocol": "tcp",
                "Initiated": "true",
                "SourceIsIpv6": "false",
                "SourceIp": host.address,
                "SourceHostname": host.fqdn,
                "SourcePort": source,
                "SourcePortName": "-",
                "DestinationIsIpv6": "false",
                "DestinationIp": address,
                "DestinationHostname": "-",
                "DestinationPort": str(port),
                "DestinationPortName": {443: "https", 445: "microsoft-ds", 135: "epmap"}[port],
            },
            stage,
            technique,
        )
        ends = {
            "uid": uid,
            "id.orig_h": host.address,
            "id.orig_p": source,
            "id.resp_h": address,
            "id.resp_p": str(port),
        }
        inside = "F" if name else "T"
        self._conn(host, time, ends, service, (sent, received), seconds, inside, stage, technique)
        if name:
            self._tls(host, time, ends, name, stage, technique)
        if name and rng.random() < 0.4:
            self._lookup(actor, time - 60_000, name, address, stage)

    def _conn(
        self,
        host: Host,
        time: int,
        ends: dict[str, str],
        service: str,
        sizes: tuple[int, int],
        seconds: float,
        inside: str,
        stage: str,
        technique: str,
    ) -> None:
        sent, received = sizes
        packets = [max(n // 1200, 1) + 6 for n in (sent, received)]
        self.tell(
            host,
            "zeek_conn",
            "",
            time,
            ends
            | {
                "proto": "tcp",
                "service": service,
                "duration": zeek_time(np.array([int(seconds * SECOND)]))[0].as_py(),
                "orig_bytes": str(sent),
                "resp_bytes": str(received),
                "conn_state": "SF",
                "local_orig": "T",
                "local_resp": inside,
                "missed_bytes": "0",
                "history": "ShADadFf",
                "orig_pkts": str(packets[0]),
                "orig_ip_bytes": str(sent + 40 * packets[0]),
                "resp_pkts": str(packets[1]),
                "resp_ip_bytes": str(received + 40 * packets[1]),
            },
            stage,
            technique,
        )

    def _tls(self, host: Host, time: int, ends: dict[str, str], name: str, stage: str, technique: str) -> None:
        self.tell(
            host,
            "zeek_ssl",
            "",
            time + 30_000,
            ends
            | {
                "version": "TLSv12",
                "cipher": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
                "curve": "x25519",
                "server_name": name,
                "resumed": "F",
                "established": "T",
                "ssl_history": "CsxkutnGVI",
                "ja3": "a0e9f5d64349fb13191bc781f81f42e1",
                "ja3s": "ec74a5c51106f0419184d0dd08fb05bc",
            },
            stage,
            technique,
        )

    def _lookup(self, actor: Actor, time: int, name: str, address: str, stage: str) -> None:
        self.act(
            actor,
            22,
            time,
            {"QueryName": name, "QueryStatus": "0", "QueryResults": f"::ffff:{address};"},
            stage,
            "T1071.001",
        )
        dc = self.company.hosts[self.company.network.dc].address
        rng = self.rng
        ends = {
            "uid": uids(1, rng)[0].as_py(),
            "id.orig_h": actor.host.address,
            "id.orig_p": str(int(rng.integers(49152, 65535))),
            "id.resp_h": dc,
            "id.resp_p": "53",
        }
        self.tell(
            actor.host,
            "zeek_dns",
            "",
            time,
            ends
            | {
                "proto": "udp",
                "trans_id": str(int(rng.integers(1, 65535))),
                "rtt": "0.031220",
                "query": name,
                "qclass": "1",
                "qclass_name": "C_INTERNET",
                "qtype": "1",
                "qtype_name": "A",
                "rcode": "0",
                "rcode_name": "NOERROR",
                "AA": "F",
                "TC": "F",
                "RD": "T",
                "RA": "T",
                "Z": "0",
                "answers": address,
                "TTLs": "60.000000",
                "rejected": "F",
            },
            stage,
            "T1071.001",
        )
        self._packets(actor.host, time, ends, stage)

    def _packets(self, host: Host, time: int, ends: dict[str, str], stage: str) -> None:
        """The conn.log of a lookup."""
        self.tell(
            host,
            "zeek_conn",
            "",
            time,
            ends
            | {
                "proto": "udp",
                "service": "dns",
                "duration": "0.031220",
                "orig_bytes": "48",
                "resp_bytes": "64",
                "conn_state": "SF",
                "local_orig": "T",
                "local_resp": "T",
                "missed_bytes": "0",
                "history": "Dd",
                "orig_pkts": "1",
                "orig_ip_bytes": "76",
                "resp_pkts": "1",
                "resp_ip_bytes": "92",
            },
            stage,
            "T1071.001",
        )
