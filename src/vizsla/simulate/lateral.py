"""The second half of the intruder's story: other machines, what is taken there, and where it goes."""

from __future__ import annotations

import numpy as np

from vizsla.simulate.assumptions import assumptions
from vizsla.simulate.frame import SECURITY, SYSTEM_LOG, utc_time
from vizsla.simulate.people import DAY, SECOND, Host
from vizsla.simulate.story import Actor, Story

MINUTE = 60 * SECOND
CMD = "C:\\Windows\\System32\\cmd.exe"
PRIVILEGES = "\r\n\t\t\t".join(f"Se{p}Privilege" for p in ("Security", "Backup", "Debug", "Impersonate"))
FULL_LIST = "%%1538\r\n\t\t\t\t%%1541\r\n\t\t\t\t%%4416\r\n\t\t\t\t%%4417\r\n\t\t\t\t%%4418\r\n\t\t\t\t"


def stolen_logon(
    story: Story,
    victim: Host,
    host: Host,
    time: int,
    admin: tuple[str, str, int],
    address: str,
    kind: str,
    stage: str,
    technique: str,
) -> None:
    """A logon with the stolen account (4624, 4672): NTLM over the network, or as another user here."""
    domain, _, user = admin[0].rpartition("\\")
    story.tell(
        host,
        SECURITY,
        4624,
        time,
        {
            "SubjectUserSid": "S-1-0-0",
            "SubjectUserName": "-",
            "SubjectDomainName": "-",
            "SubjectLogonId": "0x0",
            "TargetUserSid": admin[1],
            "TargetUserName": user,
            "TargetDomainName": domain,
            "TargetLogonId": hex(admin[2]),
            "LogonType": kind,
            "LogonProcessName": "NtLmSsp " if kind == "3" else "seclogo",
            "AuthenticationPackageName": "NTLM" if kind == "3" else "Negotiate",
            "WorkstationName": victim.name,
            "LogonGuid": "00000000-0000-0000-0000-000000000000",
            "TransmittedServices": "-",
            "LmPackageName": "NTLM V2" if kind == "3" else "-",
            "KeyLength": "128" if kind == "3" else "0",
            "ProcessId": "0x0",
            "ProcessName": "-",
            "IpAddress": address,
            "IpPort": str(int(story.rng.integers(49152, 65535))),
            "ImpersonationLevel": "%%1833",
            "RestrictedAdminMode": "-",
            "TargetOutboundUserName": "-",
            "TargetOutboundDomainName": "-",
            "VirtualAccount": "%%1843",
            "TargetLinkedLogonId": "0x0",
            "ElevatedToken": "%%1842",
        },
        stage,
        technique,
    )
    _privileges(story, host, time, admin, stage, technique)


def _privileges(story: Story, host: Host, time: int, admin: tuple[str, str, int], stage: str, technique: str) -> None:
    domain, _, user = admin[0].rpartition("\\")
    story.tell(
        host,
        SECURITY,
        4672,
        time + 60,
        {
            "SubjectUserSid": admin[1],
            "SubjectUserName": user,
            "SubjectDomainName": domain,
            "SubjectLogonId": hex(admin[2]),
            "PrivilegeList": PRIVILEGES,
        },
        stage,
        technique,
    )


class Spread:
    """Moves on with a stolen administrator's account."""

    def __init__(self, story: Story, victim: Host, name: str, address: str) -> None:
        self.story, self.victim, self.name, self.address = story, victim, name, address
        self.calendar, self.settings = story.company.calendar, assumptions()["intrusion"]

    def play(self, implant: Actor, time: int) -> None:
        """A file server by service, a database server by WMI, an archive, an upload."""
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
        story.connect(implant, time, target.address, 445, stage, "T1021.002", sent=690_000, received=21_000, seconds=9)
        stolen_logon(story, victim, target, time + 300_000, admin, victim.address, "3", stage, "T1021.002")
        self._shares(target, time, admin)
        at = time + 4 * SECOND
        path = "%SystemRoot%\\kGqTbWzu.exe"
        self._records(target, at, path, admin)
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
        story.act(
            story.resident(target, day, "svchost_sys"),
            11,
            time + 2 * SECOND,
            {"TargetFilename": "C:\\Windows\\kGqTbWzu.exe", "CreationUtcTime": utc_time(np.array([time]))[0].as_py()},
            stage,
            "T1570",
        )
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

    def _shares(self, target: Host, time: int, admin: tuple[str, str, int]) -> None:
        story, victim, stage = self.story, self.victim, "lateral movement"
        subject = {
            "SubjectUserSid": admin[1],
            "SubjectUserName": victim.admin,
            "SubjectDomainName": "LARKFIELD",
            "SubjectLogonId": hex(admin[2]),
            "ObjectType": "File",
            "IpAddress": victim.address,
            "IpPort": "50122",
        }
        for i, (share, path, mask) in enumerate(
            (("ADMIN$", "kGqTbWzu.exe", "0x12019f"), ("IPC$", "svcctl", "0x12019f"))
        ):
            story.tell(
                target,
                SECURITY,
                5140,
                time + (i + 1) * SECOND,
                subject
                | {
                    "ShareName": f"\\\\*\\{share}",
                    "ShareLocalPath": "\\??\\C:\\Windows" if i == 0 else "",
                    "AccessMask": "0x1",
                    "AccessList": "%%4416\r\n\t\t\t\t",
                },
                stage,
                "T1021.002",
            )
            story.tell(
                target,
                SECURITY,
                5145,
                time + (i + 1) * SECOND + 900,
                subject
                | {
                    "ShareName": f"\\\\*\\{share}",
                    "ShareLocalPath": "",
                    "RelativeTargetName": path,
                    "AccessMask": mask,
                    "AccessList": FULL_LIST,
                    "AccessReason": "-",
                },
                stage,
                "T1021.002",
            )

    def _records(self, target: Host, at: int, path: str, admin: tuple[str, str, int]) -> None:
        story, victim, stage = self.story, self.victim, "lateral movement"
        story.tell(
            target,
            SYSTEM_LOG,
            7045,
            at,
            {
                "ServiceName": "kGqT",
                "ImagePath": path,
                "ServiceType": "user mode service",
                "StartType": "demand start",
                "AccountName": "LocalSystem",
                "UserID": admin[1],
            },
            stage,
            "T1569.002",
        )
        story.tell(
            target,
            SECURITY,
            4697,
            at + 2000,
            {
                "SubjectUserSid": admin[1],
                "SubjectUserName": victim.admin,
                "SubjectDomainName": "LARKFIELD",
                "SubjectLogonId": hex(admin[2]),
                "ServiceName": "kGqT",
                "ServiceFileName": path,
                "ServiceType": "0x10",
                "ServiceStartType": "3",
                "ServiceAccount": "LocalSystem",
            },
            stage,
            "T1543.003",
        )

    def _wmi(self, implant: Actor, target: Host, time: int) -> None:
        story, victim, stage = self.story, self.victim, "lateral movement"
        day = (time - self.calendar.midnight) // DAY
        admin = (f"LARKFIELD\\{victim.admin}", victim.admin_sid, 0x6D44A8)
        story.connect(implant, time, target.address, 135, stage, "T1047", sent=4200, received=2600, seconds=3)
        stolen_logon(story, victim, target, time + 200_000, admin, victim.address, "3", stage, "T1047")
        broker = story.resident(target, day, "svchost_dcom")
        provider = story.process(
            broker,
            time + SECOND,
            "C:\\Windows\\System32\\wbem\\WmiPrvSE.exe",
            "C:\\Windows\\system32\\wbem\\wmiprvse.exe -secured -Embedding",
            stage,
            "T1047",
            life=120,
        )
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
