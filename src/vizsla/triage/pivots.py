"""Ready queries for what an analyst asks next: our own commands, Splunk SPL, KQL (Defender, Sentinel), VQL.

Values come from events, so they are hostile: each language gets them quoted by its own rules, and no value can end
its literal, add a command, or hide a character. What a language cannot write is widened (SPL: a wildcard in its
place), never passed through raw.
"""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from vizsla.nouns import Evidence, Finding, Pivot
from vizsla.safe import hidden
from vizsla.triage.native import (
    PROCESS_FIELDS,
    Fields,
    base,
    guid,
    hosts_of,
    kind_of,
    lead_fields,
    plain_user,
    short_host,
    strongest,
    users_of,
)

MARGIN = timedelta(minutes=10)
LONGEST = 500  # characters of a value that goes into a query
CHANNELS = {
    "windows_sysmon": "Microsoft-Windows-Sysmon/Operational",
    "windows_security": "Security",
    "windows_system": "System",
    "windows_application": "Application",
    "windows_powershell": "Microsoft-Windows-PowerShell/Operational",
    "windows_powershell_classic": "Windows PowerShell",
    "windows_wmi_activity": "Microsoft-Windows-WMI-Activity/Operational",
    "windows_taskscheduler": "Microsoft-Windows-TaskScheduler/Operational",
    "windows_bits_client": "Microsoft-Windows-Bits-Client/Operational",
    "windows_winrm": "Microsoft-Windows-WinRM/Operational",
}
VIEWS = {
    "windows_sysmon:1": "process", "windows_sysmon:5": "process", "windows_security:4688": "process",
    "windows_security:4689": "process", "windows_sysmon:3": "network", "windows_security:5156": "network",
    "windows_sysmon:22": "dns", "windows_sysmon:11": "file", "windows_sysmon:23": "file", "windows_sysmon:26": "file",
    "windows_sysmon:12": "registry", "windows_sysmon:13": "registry", "windows_sysmon:14": "registry",
    "windows_security:4657": "registry", "windows_sysmon:7": "library", "windows_sysmon:6": "driver",
    "windows_security:4624": "authentication", "windows_security:4625": "authentication",
    "windows_security:4634": "authentication", "windows_security:4648": "authentication",
    "windows_security:4768": "authentication", "windows_security:4769": "authentication",
    "windows_security:4776": "authentication", "windows_system:7045": "service", "windows_system:7040": "service",
    "windows_security:4697": "service", "windows_security:4698": "scheduled_task",
    "windows_security:4702": "scheduled_task", "windows_taskscheduler:106": "scheduled_task",
    "windows_powershell:4103": "script", "windows_powershell:4104": "script",
    "windows_powershell_classic:800": "script", "windows_sysmon:17": "pipe", "windows_sysmon:18": "pipe",
    "windows_security:5140": "share", "windows_security:5145": "share", "zeek_conn": "network", "zeek_dns": "dns",
    "zeek_http": "http", "zeek_ssl": "tls", "zeek_smb_files": "share", "zeek_smb_mapping": "share",
}  # fmt: skip
# The field that tells most of a kind of event, for queries that look for its like elsewhere.
TELLING = (
    "ServiceName", "TaskName", "QueryName", "DestinationIp", "PipeName", "TargetObject", "TargetFilename",
    "ImageLoaded", "TargetImage", "CommandLine", "Image", "NewProcessName", "RelativeTargetName", "ShareName",
    "TargetUserName", "ObjectName", "SourceImage", "ProcessName", "Application", "ScriptBlockText",
)  # fmt: skip


def shell(value: str) -> str:
    """A word for a POSIX shell. Values with hidden characters are written as $'...' with escapes (bash, zsh)."""
    if not any(unseen(c) for c in value):
        return shlex.quote(value)
    return "$'" + "".join(_ansi_c(c) for c in value) + "'"


def spl(value: str) -> str:
    """A quoted value of Splunk's search command; what it cannot hold (control characters, '`') becomes a wildcard."""
    return '"' + "".join("*" if c == "`" or unseen(c) else f"\\{c}" if c in '\\"' else c for c in value) + '"'


def kql(value: str) -> str:
    """A KQL string literal."""
    return '"' + "".join(f"\\{c}" if c in '\\"' else _utf16(c) if unseen(c) else c for c in value) + '"'


def vql(value: str) -> str:
    """A VQL string literal; hidden characters as the escaped bytes of their UTF-8."""
    return '"' + "".join(f"\\{c}" if c in '\\"' else _bytes(c) if unseen(c) else c for c in value) + '"'


def needle(value: str) -> str:
    """The longest part of a value that is written alike in XML, JSON and plain text; the value where it has none."""
    parts = re.split(r"[^A-Za-z0-9_.:/ -]+", value[:LONGEST])
    return max(parts, key=len).strip() or value[:60]


def sql(value: str) -> str:
    """An SQL string literal, for `--where`."""
    return "'" + value.replace("'", "''").replace("\x00", "") + "'"


def unseen(char: str) -> bool:
    """Whether a character must not stand in a query as it is: it cannot be seen, or stacks upon others."""
    return hidden(char) or unicodedata.category(char) in ("Mn", "Me")


def _utf16(char: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char)
    if named:
        return named
    data = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{data[i]:02x}{data[i + 1]:02x}" for i in range(0, len(data), 2))


def _bytes(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))


def _ansi_c(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    return _bytes(char) if unseen(char) else char


@dataclass(frozen=True, slots=True)
class Clue:
    """What the queries of a finding are made from."""

    finding: Finding
    evidence: Evidence
    fields: Fields
    kind: str
    table: str
    event_id: str
    host: str
    user: str
    start: datetime | None
    end: datetime | None

    @property
    def process(self) -> str:
        return self.fields.first(PROCESS_FIELDS)

    @property
    def telling(self) -> tuple[str, str]:
        """(field, value) to look for elsewhere, whole; ('', '') where the event has none that is short enough."""
        for name in TELLING:
            if 0 < len(value := self.fields.get(name, "")) <= LONGEST:
                return name, value
        return "", ""


def next_steps(finding: Finding) -> tuple[Pivot, ...]:
    """Queries ready to paste, most useful first; empty only for a finding without evidence."""
    if not finding.evidence:
        return ()
    lead = strongest(finding.evidence)[0]
    table, event_id = kind_of(lead.kind)
    times = [event.time for one in finding.evidence for event in one.events if event.time]
    start, end = finding.start or min(times, default=None), finding.end or max(times, default=None)
    host = (lead.events[0].host if lead.events else "") or next(iter(hosts_of(finding)), "")
    user = next(iter(users_of(finding)), "")
    kind = f"{table}:{event_id}" if event_id else table
    clue = Clue(finding, lead, lead_fields(lead), kind, table, event_id, host, user, start, end)
    makers: tuple[Callable[[Clue], Iterator[Pivot]], ...] = (_own, _splunk, _defender, _velociraptor)
    return tuple(pivot for maker in makers for pivot in maker(clue))


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _option(name: str, value: str) -> str:
    """An option and its value; '=' between them where the value could be taken for an option of its own."""
    return f"--{name}{'=' if value.startswith('-') else ' '}{shell(value)}"


def _own(clue: Clue) -> Iterator[Pivot]:
    yield Pivot(
        "the finding in full, with its neighbours in time",
        f"vizsla show {shell(clue.finding.id)} --around 10m",
        "vizsla",
    )
    around = f" --around {_stamp(clue.start)}" if clue.start else ""
    views = dict.fromkeys((VIEWS.get(clue.kind) or VIEWS.get(clue.table) or "process", "process"))
    if clue.host:
        for view in views:
            what = f"{view} events of this host at that time"
            yield Pivot(what, f"vizsla events {view} {_option('host', clue.host)}{around}", "vizsla")
    if person := plain_user(clue.user):
        query = f"vizsla events authentication {_option('user', person)}{around}"
        yield Pivot("logons of this user at that time", query, "vizsla")
    if program := base(clue.process)[:LONGEST]:
        query = f"vizsla events process --where {shell(f'process.name = {sql(program)}')}"
        yield Pivot("who else runs this program", query, "vizsla")


def _splunk(clue: Clue) -> Iterator[Pivot]:
    channel = CHANNELS.get(clue.table)
    if clue.table.startswith("zeek_"):
        yield from _splunk_zeek(clue)
        return
    if not channel:
        channel = clue.fields.get("Channel", "")
    span = f" {_splunk_span(clue)}" if clue.start and clue.end else ""
    source = f" source={spl(f'XmlWinEventLog:{channel}')}" if channel else ""
    code = f" EventCode={spl(clue.event_id)}" if clue.event_id else ""
    if clue.host:
        host = f" host={spl(short_host(clue.host) + '*')}"
        yield Pivot("this kind of event on this host, then", f"search index=*{source}{host}{code}{span}", "spl")
    name, value = clue.telling
    if name:
        query = f"search index=*{source}{code} {name}={spl(value)} | stats count min(_time) max(_time) by host"
        yield Pivot(f"the same {name} on every host", query, "spl")
    process = clue.fields.first(("ProcessGuid", "SourceProcessGUID"))
    if guid(process) and (sysmon := CHANNELS["windows_sysmon"]):
        source = f"source={spl(f'XmlWinEventLog:{sysmon}')}"
        either = f"(ProcessGuid={spl(process)} OR ParentProcessGuid={spl(process)} OR SourceProcessGUID={spl(process)})"
        query = f"search index=* {source} {either} | sort 0 _time"
        yield Pivot("all that this process and its children did", query, "spl")


def _splunk_zeek(clue: Clue) -> Iterator[Pivot]:
    peer = clue.fields.get("id.resp_h", "")
    if peer:
        kind = spl(f"bro:{clue.table.removeprefix('zeek_')}:json")
        query = f"search index=* sourcetype={kind} id.resp_h={spl(peer)} | stats count sum(orig_bytes) by id.orig_h"
        yield Pivot("who else talks to this address", query, "spl")


def _splunk_span(clue: Clue) -> str:
    assert clue.start and clue.end
    first, last = clue.start - MARGIN, clue.end + MARGIN
    return f"earliest={first.timestamp():.0f} latest={last.timestamp():.0f}"


def _defender(clue: Clue) -> Iterator[Pivot]:
    device = f"DeviceName startswith {kql(short_host(clue.host))}" if clue.host else ""
    span = ""
    if clue.start and clue.end:
        first, last = _stamp(clue.start - MARGIN), _stamp(clue.end + MARGIN)
        span = f"Timestamp between (datetime({first}) .. datetime({last}))"
    peer = clue.fields.first(("DestinationIp", "DestAddress", "id.resp_h"))
    if program := base(clue.process)[:LONGEST]:
        parts = [span, device, f"(FileName =~ {kql(program)} or InitiatingProcessFileName =~ {kql(program)})"]
        where = " and ".join(part for part in parts if part)
        query = f"DeviceProcessEvents | where {where} | sort by Timestamp asc"
        yield Pivot("this program and its children on this host, then", query, "kql")
    if peer:
        query = f"DeviceNetworkEvents | where RemoteIP == {kql(peer)} | summarize count() by DeviceName, RemotePort"
        yield Pivot("which devices talk to this address", query, "kql")
    if clue.event_id and not clue.table.startswith("zeek_"):
        name, value = clue.telling
        has = f" and tostring(EventData) contains {kql(needle(value))}" if name else ""
        table = "SecurityEvent" if clue.table == "windows_security" else "Event"
        number = int(clue.event_id) if clue.event_id.isdecimal() and clue.event_id.isascii() else 0
        query = f"{table} | where EventID == {number}{has} | summarize count(), min(TimeGenerated) by Computer"
        yield Pivot("the same in Sentinel, by computer", query, "kql")


def _velociraptor(clue: Clue) -> Iterator[Pivot]:
    channel = CHANNELS.get(clue.table)
    name, value = clue.telling
    if channel and clue.event_id.isdecimal() and clue.event_id.isascii():
        file = f"C:/Windows/System32/winevt/Logs/{channel.replace('/', '%4')}.evtx"
        same = f" AND EventData.{name} = {vql(value)}" if name else ""
        query = (
            f"SELECT System.TimeCreated.SystemTime AS Time, EventData "  # noqa: S608 - VQL; values quoted by vql()
            f"FROM parse_evtx(filename={vql(file)}) "
            f"WHERE System.EventID.Value = {int(clue.event_id)}{same}"
        )
        yield Pivot("the same events in the host's own log", query, "vql")
    if program := base(clue.process)[:LONGEST]:
        columns = "Pid, Ppid, Name, Exe, CommandLine, Username, CreateTime"
        query = f"SELECT {columns} FROM pslist() WHERE Name = {vql(program)}"  # noqa: S608 - VQL; quoted by vql()
        yield Pivot("whether this program still runs", query, "vql")
    peer = clue.fields.first(("DestinationIp", "DestAddress", "id.resp_h"))
    if peer:
        query = f"SELECT Pid, Family, Status, Laddr, Raddr FROM netstat() WHERE Raddr.IP = {vql(peer)}"  # noqa: S608 - as above
        yield Pivot("whether the connection still stands", query, "vql")
