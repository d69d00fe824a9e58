"""The events of an imitation: own ones of the same kind, with what the technique would change. Nothing is run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from vizsla.nouns.event import HOST, ORIGIN, TIME
from vizsla.validate.carriers import STARTS, Carrier, Own, Row, carrier
from vizsla.validate.library import Process, Step, Technique

MARK = "vizsla-validate"  # how the origin of an imitated event begins
LATER = timedelta(seconds=5)  # after the own event
_SYSTEM = ("_host", "Channel", "Provider_Name", "ProviderGuid", "Computer", "EventRecordID", "SystemTime", "Level")
_OURS = ("_id", "_day", "_extra")
# What says whose binary it is: not copied from another program's start.
_BINARY = ("Hashes", "Company", "Description", "Product", "OriginalFileName", "FileVersion")
_GUIDS = ("ProcessGuid", "SourceProcessGuid", "SourceProcessGUID")
_TIMES = ("SystemTime", "UtcTime", "TimeCreated", "EventTime", "EventReceivedTime", "CreationUtcTime", "ts")


@dataclass(slots=True)
class Imitated:
    """The events of one imitation, by table; and which kinds of event these logs do not have."""

    technique: Technique
    carrier: Carrier | None
    events: dict[str, list[Row]] = field(default_factory=dict)
    unlogged: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many events there are."""
        return sum(map(len, self.events.values()))


def imitate(own: Own, technique: Technique, seed: str) -> Imitated:
    """A technique as these logs would have recorded it. `seed` chooses the own events that carry it."""
    tables = [(step.table, step.event) for step in technique.steps if step.table]
    starts = any(step.start for step in technique.steps)
    kinds = [*STARTS, *tables] if starts else [*tables, *((table, "") for table, _ in tables), *STARTS]
    found = Imitated(technique, carrier(own, kinds, technique.below, f"{seed} {technique.name}"))
    for number, step in enumerate(technique.steps):
        for table, event in STARTS if step.start else ((step.table, step.event),):
            _add(own, found, step, table, event, f"{seed} {technique.name} {number}")
    return found


def _add(own: Own, found: Imitated, step: Step, table: str, event: str, seed: str) -> None:
    name = f"{table} {event}".strip()
    rows = own.kind(table, event) or (own.kind(table, "") if step.always else [])
    if not rows or found.carrier is None:
        if name not in found.unlogged:
            found.unlogged.append(name)
        return
    maker = _Maker(own, found.technique, found.carrier, seed)
    for n in range(step.count):
        found.events.setdefault(table, []).append(maker.event(step, table, event, n))


@dataclass(slots=True)
class _Maker:
    own: Own
    technique: Technique
    carrier: Carrier
    seed: str

    def event(self, step: Step, table: str, event: str, n: int) -> Row:
        """One event of a step."""
        at = self.carrier.time + LATER + timedelta(seconds=step.after + n * step.every)
        started = self.technique.processes.get(step.start)
        row = self._copied(table, event, started)
        row |= self._placed(row, table, at, n)
        if started is not None:
            row |= self._start(row, step.start, started, n)
        elif step.of:
            row |= self._acting(row, step.of, n)
        row |= {name: self._filled(value, n) for name, value in step.set.items()}
        row[ORIGIN] = f"{MARK}#{self.technique.technique}"
        return row

    def _copied(self, table: str, event: str, started: Process | None) -> Row:
        """An own event of the kind: of the same program, of the same host, or any."""
        rows = self.own.kind(table, event)
        if not rows:  # never seen here, but recorded by default
            bare = self.own.kind(table, "")[0]
            return {name: bare[name] for name in _SYSTEM if name in bare} | {"EventID": event}
        alike = self.own.of_image((table, event), started.image) if started else []
        here = [row for row in rows if row[HOST] == self.carrier.host]
        row = {name: value for name, value in (alike or here or rows)[0].items() if name not in _OURS}
        if started and not alike:
            row |= {name: "-" for name in _BINARY if name in row}
            if "Hashes" in row:
                row["Hashes"] = "SHA256=" + hashlib.sha256(started.image.encode()).hexdigest().upper()
        return row

    def _placed(self, row: Mapping[str, object], table: str, at: datetime, n: int) -> Row:
        """On the carrier's host, at the time."""
        placed: Row = {TIME: at, HOST: self.carrier.host}
        placed |= {name: _written(str(row[name]), at) for name in _TIMES if name in row}
        if "Computer" in row:
            placed["Computer"] = self.carrier.computer
        if "EventRecordID" in row:
            placed["EventRecordID"] = str(9_000_000_000 + int(self._hex("record", n)[:6], 16) * 100 + n)
        # Whose process the copied event was: not what an imitation belongs to.
        placed |= {name: self._guid("other") for name in _GUIDS if name in row}
        placed |= {name: self._session() for name in ("SubjectLogonId", "LogonId") if name in row}
        if table.startswith("zeek_"):
            ends = {name: self.carrier.row[name] for name in ("id.orig_h",) if name in self.carrier.row and name in row}
            placed |= {**ends, "uid": "C" + self._hex("uid", n)[:17]}
        return placed

    def _start(self, row: Mapping[str, object], name: str, process: Process, n: int) -> Row:
        """A process's start, as Sysmon or the security log records it."""
        image, command = self._filled(process.image, n), self._filled(process.command, n)
        above = self.technique.processes.get(process.parent)
        # Below another process of the carrying program, that began before the logs did: below the very one that the
        # logs know, all imitations that it carries would be one episode, and one with what it really did.
        parent: dict[str, str] = {
            "image": self._filled(above.image, n) if above else self.carrier.get("Image", "NewProcessName"),
            "command": self._filled(above.command, n) if above else self.carrier.get("CommandLine"),
            "guid": self._guid(process.parent),
            "pid": str(self._pid(process.parent)),
        }
        made: Row = {
            "Image": image,
            "NewProcessName": image,
            "CommandLine": command,
            "ProcessCommandLine": command,
            "ProcessGuid": self._guid(name),
            "ParentImage": parent["image"],
            "ParentProcessName": parent["image"],
            "ParentCommandLine": parent["command"],
            "ParentProcessGuid": parent["guid"],
            "ParentProcessId": parent["pid"],
            "User": self._who(),
            "SubjectUserName": self.carrier.user,
            "SubjectDomainName": self.carrier.domain,
            "LogonId": self._session(),
            "SubjectLogonId": self._session(),
            "LogonGuid": self._guid("session"),
        }
        if "NewProcessId" in row:  # the security log: ProcessId is the parent's there
            made |= {"NewProcessId": hex(self._pid(name)), "ProcessId": hex(int(parent["pid"]))}
        else:
            made["ProcessId"] = str(self._pid(name))
        return {key: value for key, value in made.items() if key in row and value}

    def _acting(self, row: Mapping[str, object], name: str, n: int) -> Row:
        """What an event says of the process that acts in it."""
        image, guid, pid = self._filled(self.technique.processes[name].image, n), self._guid(name), str(self._pid(name))
        made: Row = {"User": self._who()}
        if "SourceImage" in row:
            made |= {"SourceImage": image, "SourceProcessGuid": guid, "SourceProcessGUID": guid,
                     "SourceProcessId": pid, "SourceUser": self._who()}  # fmt: skip
        else:
            made |= {"Image": image, "ProcessGuid": guid, "ProcessId": pid}
        return {key: value for key, value in made.items() if key in row}

    def _who(self) -> str:
        return f"{self.carrier.domain}\\{self.carrier.user}" if self.carrier.domain else self.carrier.user

    def _filled(self, text: str, n: int) -> str:
        known = {
            "user": self.carrier.user or "user",
            "domain": self.carrier.domain or "WORKGROUP",
            "host": self.carrier.host.partition(".")[0].upper(),
            "computer": self.carrier.computer,
            "peer": self._peer(),
            "ip": str(self.carrier.row.get("id.orig_h") or "10.9.8.7"),
            "n": str(n + 1),
            "hex8": self._hex("value", n)[:8],
            "session": self._session(),
        }
        return text.format_map(known) if "{" in text else text

    def _session(self) -> str:
        return "0x" + hashlib.blake2b(self._own().encode(), digest_size=4).hexdigest().lstrip("0")

    def _peer(self) -> str:
        rows = self.own.kind(*self.carrier.kind)
        others = sorted({str(row[HOST]) for row in rows} - {self.carrier.host})
        return (others[0] if others else self.carrier.host).partition(".")[0].upper()

    def _hex(self, what: str, n: int) -> str:
        return hashlib.blake2b(f"{self.seed}\0{what}\0{n}".encode(), digest_size=16).hexdigest()

    def _guid(self, name: str) -> str:
        digits = hashlib.blake2b(f"{self._own()}\0{name}".encode(), digest_size=16).hexdigest()
        return "{" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])) + "}"

    def _pid(self, name: str) -> int:
        return 4 * (
            int(hashlib.blake2b(f"{self._own()}\0{name}\0pid".encode(), digest_size=4).hexdigest(), 16) % 16_000 + 1
        )

    def _own(self) -> str:
        """What all events of one imitation share."""
        return f"{self.seed.rpartition(' ')[0]}\0{self.carrier.row['_id']}"


def _written(old: str, at: datetime) -> str:
    """A time in the way the log writes its own."""
    utc = at.astimezone(UTC)
    if old.replace(".", "", 1).isdigit():
        return f"{at.timestamp():.6f}"
    if "T" in old:
        return utc.isoformat().replace("+00:00", "Z")
    return utc.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
