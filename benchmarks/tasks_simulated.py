"""A month of the Task Scheduler's events on a hundred servers, with one Microsoft task altered, run and restored.

`simulate(setting)` gives Arrow batches as the lake holds them: `windows_taskscheduler` and, where a setting says so,
`windows_security` with 4698, 4699 and 4702. What a setting means stands in tasks_grid.yaml; what a server brings along,
in tasks_windows.yaml. Nothing here knows of analytics.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

SERVERS, DAYS, EVENTS = 100, 30, 224_206
START = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp())
DAY = 86_400
DOMAIN = "CORP"
SYSTEM = "NT AUTHORITY\\SYSTEM"
ADMINS = [f"{DOMAIN}\\adm_{name}" for name in ("berg", "costa", "dahl", "ito", "kaya", "lund")]
STRANGER = f"{DOMAIN}\\svc_backup2"
DEPLOYER = f"{DOMAIN}\\svc_deploy"
WORDS = ("Backup", "Export", "Rotate", "Report", "Sync", "Cleanup", "Check", "Import", "Index", "Mail", "Archive",
         "Restart", "Billing", "Orders", "Stock", "Print", "Audit", "Ledger", "Crm", "Web", "Sql", "Cache")  # fmt: skip
VENDORS = ("Adobe", "Dell", "HP", "Veeam", "Zabbix", "Tanium", "Nessus", "Rapid7", "Splunk", "Commvault", "Citrix",
           "VMware", "Qualys", "Ivanti", "Trellix", "Acronis")  # fmt: skip
LOLBINS = ("rundll32.exe", "regsvr32.exe", "mshta.exe", "msiexec.exe", "cmd.exe", "wmic.exe")


@dataclass
class Task:
    """One definition on some servers. `versions`: of each server, from when on which command and arguments hold."""

    name: str
    command: str
    arguments: str
    account: str
    rate: float
    servers: np.ndarray
    minute: float = 0.0
    since: float = START
    versions: dict[int, list[tuple[float, str, str]]] = field(default_factory=dict)

    def at(self, server: int, time: float) -> tuple[str, str]:
        """What it runs on a server at a time."""
        now = self.command, self.arguments
        for since, command, arguments in self.versions.get(server, ()):
            if since <= time:
                now = command, arguments
        return now


@dataclass(frozen=True)
class Simulated:
    """Batches by table, and where the truth lies: the task's name, and (server, first second, last second)."""

    tables: Mapping[str, pa.RecordBatch]
    task: str
    altered: tuple[tuple[str, float, float], ...]


def simulate(setting: Mapping[str, Any]) -> Simulated:
    """The company of one line of the grid."""
    return _Company(setting).whole()


def grid() -> list[dict[str, Any]]:
    """All lines of tasks_grid.yaml."""
    found: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_name("tasks_grid.yaml").read_text())["grid"]
    return found


class _Company:
    def __init__(self, setting: Mapping[str, Any]) -> None:
        self.set = setting
        self.chance = np.random.default_rng(setting["seed"])
        self.rows: list[dict[str, Any]] = []
        self.both = setting["logs"] == "both"
        self.names = [f"srv{n:03}.corp.example" for n in range(SERVERS)]
        self.role = self.chance.integers(0, setting["roles"], SERVERS)
        self.windows = self._windows()
        self.others = [*self._vendors(), *self._own()]

    def whole(self) -> Simulated:
        """All that happens in the month, then runs of Windows' own tasks until the events are as many as asked for."""
        self._updates()
        self._edits()
        self._strangers()
        self._rollouts()
        altered = self._attack()
        self._churn()
        for run in (run for task in self.others for run in self._usual(task)):
            self._run(*run)
        usual = [run for task in self.windows for run in self._usual(task, 3.0)]
        for place in self.chance.permutation(len(usual)):
            if len(self.rows) >= EVENTS:
                break
            self._run(*usual[place])
        return Simulated(self._batches(self.rows[:EVENTS]), self.task, altered)

    # -- what there is

    def _windows(self) -> list[Task]:
        listed = yaml.safe_load(Path(__file__).with_name("tasks_windows.yaml").read_text())
        every = np.arange(SERVERS)
        tasks = []
        for name, command, arguments, account, rate in listed:
            held = every if self.chance.random() < 0.8 else every[self.chance.random(SERVERS) < 0.7]
            context = f"NT AUTHORITY\\{account}" if account.isupper() else f"BUILTIN\\{account}"
            minute = float(self.chance.uniform(0, 1440))
            tasks.append(Task(f"\\Microsoft\\Windows\\{name}", command, arguments, context, rate, held, minute))
        return tasks

    def _vendors(self) -> list[Task]:
        """Agents that were there all along, on all servers or on those of a role; a task for each user's profile."""
        tasks = []
        for number, vendor in enumerate(VENDORS[:6]):
            held = np.arange(SERVERS) if number < 3 else np.flatnonzero(self.role == number % self.set["roles"])
            program = f"C:\\Program Files\\{vendor}\\Agent\\{vendor.lower()}agent.exe"
            tasks.append(Task(f"\\{vendor}\\{vendor} Agent Check", program, "/check", SYSTEM, 0.5, held))
        for server in range(SERVERS):
            if self.chance.random() < self.set["random_names"]:
                sid = f"S-1-5-21-1004336348-1177238915-682003330-{self.chance.integers(1000, 9999)}"
                program = "%localappdata%\\Microsoft\\OneDrive\\OneDriveStandaloneUpdater.exe"
                name = f"\\OneDrive Standalone Update Task-{sid}"
                tasks.append(Task(name, program, "", f"{DOMAIN}\\user{server}", 0.2, np.array([server])))
        return tasks

    def _own(self) -> list[Task]:
        tasks = []
        for server in range(SERVERS):
            for _ in range(self.chance.poisson(self.set["own"])):
                one, two = self.chance.choice(WORDS, 2, replace=False)
                name = str(self.chance.choice([f"{one}{two}", f"{one} {two}", f"Ops\\{one}-{two}"]))
                command, arguments = self._script(one, two)
                account = str(self.chance.choice([SYSTEM, *ADMINS[:2], f"{DOMAIN}\\svc_{one.lower()}"]))
                rate = float(self.chance.choice([0.03, 0.14, 0.14, 0.5, 1.0], p=[0.2, 0.3, 0.3, 0.15, 0.05]))
                tasks.append(Task("\\" + name, command, arguments, account, rate, np.array([server]),
                                  float(self.chance.uniform(0, 1440))))  # fmt: skip
        return tasks

    def _script(self, one: str, two: str) -> tuple[str, str]:
        folder = str(self.chance.choice(["D:\\Scripts", "C:\\Scripts", "C:\\Tools", f"D:\\Apps\\{one}"]))
        return [
            ("powershell.exe", f"-NoProfile -File {folder}\\{one}-{two}.ps1"),
            ("C:\\Windows\\System32\\cmd.exe", f"/c {folder}\\{one.lower()}{two.lower()}.cmd"),
            (f"{folder}\\{one.lower()}{two.lower()}.exe", "/run"),
            (f"{folder}\\{two.lower()}.bat", ""),
        ][int(self.chance.integers(0, 4))]

    # -- what happens

    def _updates(self) -> None:
        """Windows writes its tasks anew on every server; some of them run something else from then on."""
        for day in self.chance.choice(np.arange(3, DAYS - 5), self.set["updates"], replace=False):
            touched = [t for t in self.windows if self.chance.random() < 0.4]
            for task in touched:
                changes = self.chance.random() < self.set["update_changes"]
                letter = str(self.chance.choice(list("abcdefgh")))
                command = task.command.replace(".exe", f"{letter}.exe") if self.chance.random() < 0.5 else task.command
                arguments = task.arguments if command != task.command else f"{task.arguments} -v{letter}".strip()
                for server in task.servers:
                    wave = (int(server) * 7 + int(day)) % self.set["update_days"]
                    at = START + (int(day) + wave) * DAY + 3 * 3600 + float(self.chance.uniform(0, 3600))
                    if changes:
                        task.versions.setdefault(int(server), []).append((at, command, arguments))
                    self._change(140, task, int(server), at, SYSTEM)

    def _edits(self) -> None:
        """Administrators change own tasks: for good, or to try something that is taken back within minutes."""
        own = [task for task in self.others if len(task.servers) == 1 and "OneDrive" not in task.name]
        for kind, count in (("edit", self.set["edits"]), ("trial", self.set["trials"])):
            for _ in range(count if own else 0):
                task = own[int(self.chance.integers(0, len(own)))]
                server, admin = int(task.servers[0]), str(self.chance.choice(ADMINS))
                at, before = self._working_hours(), None
                before = task.at(server, at)
                one, two = self.chance.choice(WORDS, 2, replace=False)
                after = self._script(one, two) if self.chance.random() < 0.6 else (before[0], f"{before[1]} -Verbose")
                if kind == "edit" and self.chance.random() < 0.5:
                    after = before  # another trigger
                self._version(task, server, at, *after)
                self._change(140, task, server, at, admin)
                if kind == "edit":
                    continue
                self._run(task, server, at + float(self.chance.uniform(5, 60)), admin)
                back = at + float(self.chance.uniform(60, 1800))
                self._version(task, server, back, *before)
                self._change(140, task, server, back, admin)

    def _strangers(self) -> None:
        """Changes to Windows' tasks on single servers, which alter no program."""
        for _ in range(self.set["strangers"]):
            task = self.windows[int(self.chance.integers(0, len(self.windows)))]
            server = int(self.chance.choice(task.servers))
            self._change(140, task, server, self._working_hours(), str(self.chance.choice(ADMINS)))

    def _rollouts(self) -> None:
        for number in range(self.set["rollouts"]):
            vendor = VENDORS[6 + number % 10]
            held = np.flatnonzero(self.chance.random(SERVERS) < self.set["rollout_hosts"])
            begin = START + float(self.chance.uniform(2, DAYS - 8)) * DAY
            program = f"C:\\Program Files\\{vendor}\\{vendor} Agent\\{vendor.lower()}.exe"
            made = [Task(f"\\{vendor}\\{vendor} {what}", program, f"/{what.lower()}", SYSTEM, 0.3, held)
                    for what in ("Update", "Health")[: int(self.chance.integers(1, 3))]]  # fmt: skip
            for server in held:
                at = begin + float(self.chance.uniform(0, self.set["rollout_hours"] * 3600))
                for task in made:
                    self._change(106, task, int(server), at, DEPLOYER)
                    self._run(task, int(server), at + 20, DEPLOYER)
            for task in made:
                task.since = begin + self.set["rollout_hours"] * 3600
                self.others.append(task)

    def _churn(self) -> None:
        """Tasks that live for minutes: of agents that schedule what they do, and of people who try something."""
        for server in range(SERVERS):
            for _ in range(self.chance.poisson(self.set["churn"] * DAYS)):
                at = START + float(self.chance.uniform(0, DAYS * DAY))
                token = self.chance.bytes(16).hex()
                guid = f"{token[:8]}-{token[8:12]}-{token[12:16]}-{token[16:20]}-{token[20:]}"
                letters = "".join(self.chance.choice(list("abcdefghijklmnopqrstuvwxyz"), 8))
                if self.chance.random() < self.set["random_names"]:
                    name = [f"\\{{{guid}}}", f"\\Agent\\job-{guid}", f"\\{letters}"][int(self.chance.integers(0, 3))]
                else:
                    name = ["\\Agent\\Run once", "\\SoftwareCenter\\Install", "\\Reboot"][
                        int(self.chance.integers(0, 3))
                    ]
                one, two = self.chance.choice(WORDS, 2, replace=False)
                command, arguments = [
                    ("C:\\Windows\\System32\\msiexec.exe", f"/i C:\\Windows\\ccmcache\\{letters}\\setup.msi /qn"),
                    ("C:\\Windows\\System32\\shutdown.exe", "/r /t 0"),
                    ("C:\\Windows\\System32\\cmd.exe", f"/c C:\\Windows\\Temp\\{letters}.cmd"),
                    self._script(one, two),
                ][int(self.chance.integers(0, 4))]
                who = SYSTEM if self.chance.random() < 0.7 else str(self.chance.choice(ADMINS))
                task = Task(name, command, arguments, who, 0, np.array([server]))
                self._change(106, task, server, at, who)
                self._run(task, server, at + float(self.chance.uniform(1, 60)), who)
                self._change(141, task, server, at + float(self.chance.uniform(90, 900)), who)

    def _attack(self) -> tuple[tuple[str, float, float], ...]:
        usual = [t for t in self.windows if len(t.servers) == SERVERS and t.command.endswith(".exe")]
        task = usual[int(self.chance.integers(0, len(usual)))]
        self.task = task.name
        who = {"admin": ADMINS[2], "stranger": STRANGER, "system": SYSTEM}[self.set["actor"]]
        evil = self._program(task)
        night = START + int(self.chance.integers(4, DAYS - 4)) * DAY + float(self.chance.uniform(0, 22)) * 3600
        found = []
        for place, server in enumerate(self.chance.choice(SERVERS, self.set["hit"], replace=False)):
            days = place * int(self.chance.integers(1, 4)) if self.set["spread"] == "days" else 0
            at = night + days * DAY + float(self.chance.uniform(0, 3600))
            at = min(at, START + (DAYS - 1) * DAY)
            back = at + self.set["minutes"] * 60 * float(self.chance.uniform(0.7, 1.3))
            before = task.at(int(server), at)
            self._version(task, int(server), at, *evil)
            self._change(140, task, int(server), at, who)
            self._run(task, int(server), at + min(20.0, (back - at) / 2), who, by_hand=True)
            self._version(task, int(server), back, *before)
            self._change(140, task, int(server), back, who)
            found.append((self.names[int(server)], at - 1, back + 1))
        return tuple(found)

    def _program(self, task: Task) -> tuple[str, str]:
        letters = "".join(self.chance.choice(list("abcdefghijklmnopqrstuvwxyz"), 6))
        folder = task.command.rpartition("\\")[0]
        return {
            "lolbin": (
                f"C:\\Windows\\System32\\{self.chance.choice(LOLBINS)}",
                f"C:\\Windows\\{letters}.dll,Tk_{letters}",
            ),
            "windows": (f"C:\\Windows\\{letters}.exe", ""),
            "programdata": (f"C:\\ProgramData\\{letters.title()}\\{letters}.exe", "-s"),
            "sibling": (f"{folder}\\{task.command.rpartition(chr(92))[2].replace('.exe', 'svc.exe')}", ""),
            "share": (f"\\\\{self.names[0]}\\c$\\Windows\\Temp\\{letters}.exe", ""),
        }[self.set["program"]]

    # -- how it is logged

    def _working_hours(self) -> float:
        day = int(self.chance.choice([d for d in range(1, DAYS - 1) if (d + 1) % 7 < 5]))
        return START + day * DAY + float(self.chance.uniform(7, 17)) * 3600

    def _version(self, task: Task, server: int, at: float, command: str, arguments: str) -> None:
        task.versions.setdefault(server, []).append((at, command, arguments))
        task.versions[server].sort()

    def _usual(self, task: Task, more: float = 1.0) -> Iterator[tuple[Task, int, float, str]]:
        """Its usual runs: every day at its minute, or spread over the day, give or take the jitter."""
        rate = task.rate * more
        for server in task.servers:
            times = max(1, round(rate))
            days = np.flatnonzero(self.chance.random(DAYS) < rate / times)
            minute = task.minute or float(self.chance.uniform(0, 1440))
            for turn in range(times):
                at = START + days * DAY + (minute * 60 + turn * DAY / times) % DAY
                for moment in at + self.chance.normal(0, self.set["jitter"], len(days)):
                    if task.since <= moment < START + DAYS * DAY:
                        yield task, int(server), float(moment), task.account

    def _run(self, task: Task, server: int, at: float, who: str, by_hand: bool = False) -> None:
        command, _ = task.at(server, at)
        instance = "{" + f"{len(self.rows):032X}" + "}"
        handler = command.startswith("{")
        shown = command.replace("%windir%", "C:\\Windows").replace("%systemroot%", "C:\\Windows")
        took = float(self.chance.exponential(20)) + 1
        base = {"_server": server, "TaskName": task.name}
        started = {"EventID": "129", "Path": "taskhostw.exe" if handler else command, "Priority": "16384",
                   "ProcessID": str(int(self.chance.integers(500, 9000)))}  # fmt: skip
        trigger = {"EventID": "110", "UserContext": who} if by_hand else {"EventID": "107"}
        for shift, more in (
            (0.0, trigger | {"InstanceId": instance}),
            (0.1, started),
            (0.2, {"EventID": "100", "UserContext": who, "InstanceId": instance}),
            (0.3, {"EventID": "200", "ActionName": shown, "TaskInstanceId": instance, "EnginePID": "1204"}),
            (took, {"EventID": "201", "ActionName": shown, "TaskInstanceId": instance, "ResultCode": "0"}),
            (took + 0.1, {"EventID": "102", "UserContext": who, "InstanceId": instance}),
        ):
            self.rows.append({**base, "_at": at + shift, **more})

    def _change(self, event: int, task: Task, server: int, at: float, who: str) -> None:
        by = {"UserContext": who} if event == 106 else {"UserName": who}
        self.rows.append({"_server": server, "_at": at, "TaskName": task.name, "EventID": str(event), **by})
        if not self.both:
            return
        domain, _, user = who.rpartition("\\")
        if who == SYSTEM:
            domain, user = DOMAIN, self.names[server].partition(".")[0].upper() + "$"
        content = {} if event == 141 else {"TaskContent" + ("New" if event == 140 else ""): _xml(task, server, at)}
        code = {106: "4698", 140: "4702", 141: "4699"}[event]
        self.rows.append({"_server": server, "_at": at, "TaskName": task.name, "EventID": code, "_security": True,
                          "SubjectUserName": user, "SubjectDomainName": domain,
                          "SubjectLogonId": hex(int(self.chance.integers(1 << 18, 1 << 26))), **content})  # fmt: skip

    def _batches(self, rows: Sequence[dict[str, Any]]) -> dict[str, pa.RecordBatch]:
        rows = sorted(rows, key=lambda row: row["_at"])
        parts: dict[str, list[dict[str, Any]]] = {"windows_taskscheduler": [], "windows_security": []}
        for row in rows:
            parts["windows_security" if row.get("_security") else "windows_taskscheduler"].append(row)
        return {table: _batch(table, own, self.names) for table, own in parts.items() if own}


def _xml(task: Task, server: int, at: float) -> str:
    command, arguments = task.at(server, at)
    if command.startswith("{"):
        action = f"<ComHandler><ClassId>{command}</ClassId><Data>{arguments}</Data></ComHandler>"
    else:
        action = f"<Exec><Command>{command}</Command><Arguments>{_escaped(arguments)}</Arguments></Exec>"
    author = "Microsoft Corporation" if task.name.startswith("\\Microsoft") else task.account
    return (
        '<?xml version="1.0" encoding="UTF-16"?>\n<Task version="1.2" '
        'xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">\n'
        f"<RegistrationInfo><Author>{author}</Author><URI>{task.name}</URI></RegistrationInfo>\n"
        "<Triggers><CalendarTrigger><StartBoundary>2020-01-01T03:00:00</StartBoundary></CalendarTrigger></Triggers>\n"
        f'<Principals><Principal id="a"><UserId>{task.account}</UserId></Principal></Principals>\n'
        f'<Actions Context="a">{action}</Actions></Task>'
    )


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _batch(table: str, rows: Sequence[dict[str, Any]], names: Sequence[str]) -> pa.RecordBatch:
    channel, provider = {
        "windows_taskscheduler": ("Microsoft-Windows-TaskScheduler/Operational", "Microsoft-Windows-TaskScheduler"),
        "windows_security": ("Security", "Microsoft-Windows-Security-Auditing"),
    }[table]
    micros = np.array([int(row["_at"] * 1e6) for row in rows], np.int64)
    days = [datetime.fromtimestamp(m / 1e6, UTC).strftime("%Y-%m-%d") for m in micros]
    columns: dict[str, Any] = {
        "_id": [hashlib.md5(f"{table}{place}".encode()).hexdigest() for place in range(len(rows))],
        "_time": pa.array(micros, pa.timestamp("us", tz="UTC")),
        "_host": [names[row["_server"]] for row in rows],
        "_day": days,
        "_origin": [f"{table}#{place}" for place in range(len(rows))],
        "Channel": [channel] * len(rows),
        "Provider_Name": [provider] * len(rows),
        "Computer": [names[row["_server"]] for row in rows],
        "EventRecordID": [str(place) for place in range(len(rows))],
    }
    native = sorted({name for row in rows for name in row if not name.startswith("_")})
    for name in native:
        columns[name] = pa.array([row.get(name) for row in rows], pa.string())
    return pa.RecordBatch.from_pydict(columns)
