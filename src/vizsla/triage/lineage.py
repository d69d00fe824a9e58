"""Process lineage from rows of process creations: who started whom. No lake access here; context.py brings the rows.

Sysmon names processes by GUID; where there is none (Security 4688, other logs), a process is its host, PID and the
latest creation at or before the time in question.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vizsla.nouns import EventRef, ProcessNode
from vizsla.safe import shortened, visible
from vizsla.triage.native import PROCESS_FIELDS, Fields, base, fields_of, guid, kind_of, number, user_name

MAX_DEPTH = 12  # ancestors of a process
MAX_CHILDREN = 20  # shown of one process
MAX_NODES = 60  # of one finding's tree
LONGEST = 1000  # characters of a command line within a tree
LATE = timedelta(seconds=5)  # clocks of two logs of one host may differ by this
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
# Tables whose acting process is the one that wrote the event, known by the log's own process id.
WRITERS = frozenset({"windows_powershell"})


@dataclass(frozen=True, slots=True)
class Who:
    """A process as an event names it: by GUID, or by host, PID and the time at which it held that PID."""

    host: str
    guid: str
    pid: int | None
    at: datetime | None
    image: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """A process creation. `start` None: known only as another's parent."""

    host: str
    guid: str
    pid: int | None
    image: str
    command_line: str
    user: str
    start: datetime | None
    parent: Who
    parent_command: str = ""
    logon_id: str = ""

    @property
    def key(self) -> str:
        """Its GUID, else host, PID and start."""
        if self.guid:
            return self.guid
        began = self.start.isoformat() if self.start else "?"
        return f"{self.host}/{'?' if self.pid is None else self.pid}/{began}"


def acting(event: EventRef, kind: str) -> Who | None:
    """The process that an event tells of: the one created, else the one that acted. None where it names none."""
    fields = fields_of(event)
    table, event_id = kind_of(kind)
    if (table, event_id) == ("windows_security", "4688"):
        return Who(event.host, "", number(fields.get("NewProcessId", "")), event.time, fields.get("NewProcessName", ""))
    named = fields.first(("ProcessGuid", "SourceProcessGUID"))
    pid = number(fields.first(("ProcessId", "SourceProcessId", "CallerProcessId")))
    if pid is None and table in WRITERS:
        pid = number(fields.get("ExecutionProcessID", ""))
    who = Who(event.host, guid(named), pid, event.time, fields.first(PROCESS_FIELDS))
    return who if who.guid or (who.pid is not None and who.pid > 4) else None


def from_sysmon(row: Mapping[str, str], host: str, time: datetime | None) -> Process:
    """A Sysmon 1 row as a process."""
    fields = Fields(row)
    parent = Who(
        host,
        guid(fields.get("ParentProcessGuid", "")),
        number(fields.get("ParentProcessId", "")),
        time,
        fields.get("ParentImage", ""),
    )
    return Process(
        host, guid(fields.get("ProcessGuid", "")), number(fields.get("ProcessId", "")), fields.get("Image", ""),
        fields.get("CommandLine", ""), fields.get("User", ""), time, parent, fields.get("ParentCommandLine", ""),
        fields.get("LogonId", ""),
    )  # fmt: skip


def from_security(row: Mapping[str, str], host: str, time: datetime | None) -> Process:
    """A Security 4688 row as a process."""
    fields = Fields(row)
    parent = Who(host, "", number(fields.get("ProcessId", "")), time, fields.get("ParentProcessName", ""))
    return Process(
        host, "", number(fields.get("NewProcessId", "")), fields.get("NewProcessName", ""),
        fields.get("CommandLine", ""), user_name(fields), time, parent, "", fields.get("SubjectLogonId", ""),
    )  # fmt: skip


class Processes:
    """Process creations, by GUID and by host and PID."""

    def __init__(self) -> None:
        self._by_guid: dict[str, Process] = {}
        self._by_pid: dict[tuple[str, int], list[Process]] = {}
        self._children: dict[str, dict[str, Process]] = {}
        self._pid_children: dict[tuple[str, int], dict[str, Process]] = {}

    def add(self, found: Iterable[Process]) -> None:
        """Take processes in; a process that Sysmon and Security both tell of stays Sysmon's."""
        for process in found:
            if process.guid and process.guid in self._by_guid:
                continue
            if process.guid:
                self._by_guid[process.guid] = process
                self._children.setdefault(process.parent.guid, {})[process.key] = process
            elif process.parent.pid is not None:
                self._pid_children.setdefault((process.host, process.parent.pid), {})[process.key] = process
            if process.pid is not None:
                row = self._by_pid.setdefault((process.host, process.pid), [])
                twin = next((n for n, known in enumerate(row) if _same(known, process)), None)
                if twin is None:
                    row.append(process)
                    row.sort(key=lambda p: (p.start or BEGINNING, p.key))
                elif process.guid and not row[twin].guid:
                    row[twin] = process

    def find(self, who: Who) -> Process | None:
        """The creation of a process: by GUID, else the latest of its PID on its host until then."""
        if who.guid:
            return self._by_guid.get(who.guid)
        if who.pid is None:
            return None
        row = self._by_pid.get((who.host, who.pid), [])
        until = who.at + LATE if who.at else datetime.max.replace(tzinfo=UTC)
        place = bisect_right([p.start or BEGINNING for p in row], until)
        return row[place - 1] if place else None

    def parent(self, process: Process) -> Process | None:
        """Who started it, as far as rows are known; else what its own creation says of its parent."""
        known = self.find(process.parent)
        if known is not None and known.key != process.key:
            return known
        who = process.parent
        if not who.image or base(who.image).lower() == "-":
            return None
        nobody = Who(who.host, "", None, None)
        return Process(who.host, who.guid, who.pid, who.image, process.parent_command, "", None, nobody)

    def ancestors(self, process: Process) -> list[Process]:
        """From its parent upwards, without going round in circles."""
        chain: list[Process] = []
        seen = {process.key}
        step: Process | None = process
        while step is not None and len(chain) < MAX_DEPTH:
            step = self.parent(step)
            if step is None or step.key in seen:
                break
            seen.add(step.key)
            chain.append(step)
        return chain

    def children(self, process: Process) -> list[Process]:
        """The processes it started, by time; those that are known only by PID where it has no GUID."""
        if process.guid:
            return sorted(self._children.get(process.guid, {}).values(), key=_by_time)[:MAX_CHILDREN]
        if process.pid is None:
            return []
        found = [
            child
            for child in self._pid_children.get((process.host, process.pid), {}).values()
            if (known := self.find(child.parent)) is not None and known.key == process.key
        ]
        return sorted(found, key=_by_time)[:MAX_CHILDREN]

    def unknown(self, whos: Iterable[Who]) -> Iterator[Who]:
        """The processes among these, and their nearest unknown ancestors, whose creation is yet to be looked up."""
        for who in whos:
            process = self.find(who)
            if process is None:
                yield who
                continue
            line = [process, *self.ancestors(process)]
            top = line[-1]
            ask = top.parent if top.start is not None else Who(top.host, top.guid, top.pid, line[-2].start)
            if (ask.guid or ask.pid is not None) and self.find(ask) is None:
                yield ask


def chain(processes: Processes, who: Who) -> tuple[str, ...]:
    """Program names from the oldest ancestor known to the process itself; only itself where nothing else is known."""
    process = processes.find(who)
    if process is None:
        return (_name(who.image),) if who.image else ()
    return tuple(_name(p.image) for p in reversed([process, *processes.ancestors(process)]) if p.image)


def tree(processes: Processes, whos: Iterable[Who]) -> tuple[ProcessNode, ...]:
    """The finding's processes (marked), their ancestors and children, parents before children."""
    marked: dict[str, Process] = {}
    for who in whos:
        process = processes.find(who)
        if process is None and who.image:
            process = Process(who.host, who.guid, who.pid, who.image, "", "", None, Who(who.host, "", None, None))
        if process is not None:
            marked.setdefault(process.key, process)
    nodes: dict[str, tuple[Process, str | None]] = {}
    for process in list(marked.values())[:MAX_NODES]:
        line = [*reversed(processes.ancestors(process)), process]
        above: str | None = None
        for member in line:
            known = nodes.get(member.key)
            nodes[member.key] = (member, above if known is None or known[1] is None else known[1])
            above = member.key
    for process in list(marked.values()):
        for child in processes.children(process):
            if len(nodes) >= MAX_NODES:
                break
            nodes.setdefault(child.key, (child, process.key))
    return tuple(_node(process, parent, key in marked) for key, (process, parent) in _ordered(nodes).items())


def _ordered(nodes: Mapping[str, tuple[Process, str | None]]) -> dict[str, tuple[Process, str | None]]:
    """Parents before their children, brothers by time."""
    below: dict[str | None, list[str]] = {}
    for key, (_, parent) in nodes.items():
        below.setdefault(parent if parent in nodes else None, []).append(key)
    ordered: dict[str, tuple[Process, str | None]] = {}
    waiting = sorted(below.get(None, []), key=lambda key: _by_time(nodes[key][0]), reverse=True)
    while waiting:
        key = waiting.pop()
        if key not in ordered:
            ordered[key] = nodes[key]
            waiting += sorted(below.get(key, []), key=lambda k: _by_time(nodes[k][0]), reverse=True)
    return ordered


def _node(process: Process, parent: str | None, marked: bool) -> ProcessNode:
    pid = "" if process.pid is None else str(process.pid)
    line = process.command_line[:LONGEST]
    return ProcessNode(process.key, parent, process.image, line, process.user, pid, process.start, marked)


def _name(image: str) -> str:
    return shortened(visible(base(image)), 60)


def _by_time(process: Process) -> tuple[datetime, str]:
    return (process.start or BEGINNING, process.key)


def _same(one: Process, other: Process) -> bool:
    """Whether two creations of one host and PID are one, told by two logs."""
    if one.start is None or other.start is None or (one.guid and other.guid):
        return one.key == other.key
    return abs(one.start - other.start) <= LATE and base(one.image).lower() == base(other.image).lower()
