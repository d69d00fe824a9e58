"""What surrounds a finding: its logon, its minutes, and who else does the same. Words and patterns, no lake access."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vizsla.nouns import EventRef, Evidence, Finding
from vizsla.safe import shortened, visible
from vizsla.triage.native import (
    Fields,
    base,
    fields_of,
    is_machine,
    kind_of,
    lead_event,
    number,
    plain_user,
    short_host,
)
from vizsla.triage.template import LOGONS

MARGIN = timedelta(minutes=10)
MAX_LINES = 6
SYSTEM_LOGONS = {0x3E7: "LocalSystem", 0x3E4: "NetworkService", 0x3E5: "LocalService"}
SERVICE_LOGON = "{} (0x{:x}): a service or Windows itself, no logon of a person"
LOGON_FIELDS = ("LogonId", "SubjectLogonId", "TargetLogonId", "LogonID")
NOTHING_IDS = frozenset({None, 0})

# What an event of a kind is called when it is counted. Kinds that mark a start of Windows share their words.
LABELS: Mapping[str, str] = {
    "windows_sysmon:1": "process started", "windows_security:4688": "process started",
    "windows_sysmon:3": "network connection", "windows_security:5156": "network connection",
    "windows_sysmon:6": "driver loaded", "windows_sysmon:7": "library loaded", "windows_sysmon:8": "remote thread",
    "windows_sysmon:9": "raw disk read", "windows_sysmon:10": "process opened", "windows_sysmon:11": "file written",
    "windows_sysmon:2": "creation time changed", "windows_sysmon:14": "registry key renamed",
    "windows_security:4662": "directory object accessed", "windows_security:4670": "permissions changed",
    "windows_security:4735": "group changed", "windows_security:5157": "connection blocked",
    "windows_security:4661": "account database asked", "windows_system:7040": "start type of a service changed",
    "windows_powershell:40961": "PowerShell console started", "windows_wmi_activity:5858": "WMI operation failed",
    "windows_wmi_activity:5857": "WMI provider loaded", "windows_wmi_activity:5860": "WMI subscription",
    "windows_wmi_activity:5861": "WMI subscription",
    "windows_sysmon:12": "registry key added or deleted", "windows_sysmon:13": "registry value set",
    "windows_sysmon:15": "stream written", "windows_sysmon:17": "pipe created", "windows_sysmon:18": "pipe opened",
    "windows_sysmon:19": "WMI filter", "windows_sysmon:20": "WMI consumer", "windows_sysmon:21": "WMI binding",
    "windows_sysmon:22": "name looked up", "windows_sysmon:23": "file deleted", "windows_sysmon:25": "process tampered",
    "windows_sysmon:26": "file deleted", "windows_sysmon:5": "process ended", "windows_security:4689": "process ended",
    "windows_security:1102": "log cleared", "windows_system:104": "log cleared", "windows_security:4624": "logon",
    "windows_security:4625": "failed logon", "windows_security:4634": "logoff", "windows_security:4648":
    "credentials of another account used", "windows_security:4656": "object asked for",
    "windows_security:4658": "handle closed", "windows_security:4663": "object accessed",
    "windows_security:4672": "special privileges", "windows_security:4673": "privilege used",
    "windows_security:4697": "service installed", "windows_system:7045": "service installed",
    "windows_security:4698": "scheduled task created", "windows_taskscheduler:106": "scheduled task created",
    "windows_security:4702": "scheduled task changed", "windows_security:4719": "audit policy changed",
    "windows_security:4720": "account created", "windows_security:4768": "Kerberos ticket (TGT)",
    "windows_security:4769": "Kerberos service ticket", "windows_security:4776": "NTLM check",
    "windows_security:5140": "share opened", "windows_security:5145": "file on a share opened",
    "windows_powershell:4103": "PowerShell command", "windows_powershell:4104": "PowerShell script block",
    "windows_powershell_classic:800": "PowerShell command", "windows_system:7036": "service started or stopped",
    "windows_system:12": "Windows started", "windows_system:6005": "Windows started",
    "windows_system:6009": "Windows started", "windows_security:4608": "Windows started",
    "zeek_conn": "network connection", "zeek_dns": "name looked up", "zeek_http": "HTTP request",
    "zeek_ssl": "TLS connection", "zeek_smb_files": "file on a share", "zeek_smb_mapping": "share opened",
    "zeek_dce_rpc": "remote procedure call", "zeek_kerberos": "Kerberos ticket", "zeek_ntlm": "NTLM logon",
}  # fmt: skip


# What an analyst wants to see before all else; of other kinds the rarest come first.
TELLING = frozenset({
    "process started", "remote thread", "driver loaded", "WMI filter", "WMI consumer", "WMI binding",
    "WMI subscription", "process tampered", "log cleared", "logon", "failed logon", "service installed",
    "credentials of another account used", "scheduled task created", "scheduled task changed", "account created",
    "audit policy changed", "share opened", "file on a share opened", "network connection", "Windows started",
    "PowerShell command", "PowerShell script block", "remote procedure call", "NTLM logon", "HTTP request",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pattern:
    """What makes two events alike: fields that are equal, and one more whose shape is (or '')."""

    fields: tuple[str, ...]
    shaped: str = ""

    @property
    def all(self) -> tuple[str, ...]:
        return (*self.fields, self.shaped) if self.shaped else self.fields


PATTERNS: Mapping[str, Pattern] = {
    "windows_sysmon:1": Pattern(("Image",), "CommandLine"),
    "windows_sysmon:3": Pattern(("Image", "DestinationIp", "DestinationPort")),
    "windows_sysmon:6": Pattern(("ImageLoaded",)),
    "windows_sysmon:7": Pattern(("Image", "ImageLoaded")),
    "windows_sysmon:8": Pattern(("SourceImage", "TargetImage")),
    "windows_sysmon:9": Pattern(("Image",)),
    "windows_sysmon:10": Pattern(("SourceImage", "TargetImage", "GrantedAccess")),
    "windows_sysmon:11": Pattern(("Image",), "TargetFilename"),
    "windows_sysmon:12": Pattern(("Image",), "TargetObject"),
    "windows_sysmon:13": Pattern(("Image",), "TargetObject"),
    "windows_sysmon:14": Pattern(("Image",), "TargetObject"),
    "windows_sysmon:15": Pattern(("Image",), "TargetFilename"),
    "windows_sysmon:17": Pattern(("Image",), "PipeName"),
    "windows_sysmon:18": Pattern(("Image",), "PipeName"),
    "windows_sysmon:22": Pattern(("Image", "QueryName")),
    "windows_sysmon:23": Pattern(("Image",), "TargetFilename"),
    "windows_security:4624": Pattern(("TargetUserName", "LogonType", "IpAddress")),
    "windows_security:4625": Pattern(("TargetUserName", "LogonType", "IpAddress")),
    "windows_security:4648": Pattern(("SubjectUserName", "TargetUserName", "TargetServerName")),
    "windows_security:4656": Pattern(("ProcessName",), "ObjectName"),
    "windows_security:4657": Pattern(("ProcessName", "ObjectValueName"), "ObjectName"),
    "windows_security:4662": Pattern(("SubjectUserName", "ObjectType", "AccessMask")),
    "windows_security:4663": Pattern(("ProcessName",), "ObjectName"),
    "windows_security:4673": Pattern(("ProcessName", "PrivilegeList")),
    "windows_security:4688": Pattern(("NewProcessName",), "CommandLine"),
    "windows_security:4697": Pattern(("ServiceName",), "ServiceFileName"),
    "windows_security:4698": Pattern((), "TaskName"),
    "windows_security:4702": Pattern((), "TaskName"),
    "windows_security:4719": Pattern(("SubcategoryGuid",)),
    "windows_security:4720": Pattern(("TargetUserName",)),
    "windows_security:4769": Pattern(("TargetUserName", "ServiceName")),
    "windows_security:5140": Pattern(("SubjectUserName", "ShareName")),
    "windows_security:5145": Pattern(("SubjectUserName", "ShareName"), "RelativeTargetName"),
    "windows_security:5156": Pattern(("Application", "DestAddress", "DestPort")),
    "windows_system:7045": Pattern(("ServiceName",), "ImagePath"),
    "windows_system:7040": Pattern(("param1", "param3")),
    "windows_taskscheduler:106": Pattern((), "TaskName"),
    "windows_powershell:4104": Pattern((), "ScriptBlockText"),
    "zeek_conn": Pattern(("id.resp_h", "id.resp_p")),
    "zeek_dns": Pattern(("query",)),
    "zeek_http": Pattern(("host",), "uri"),
    "zeek_ssl": Pattern(("server_name", "id.resp_h")),
    "zeek_smb_files": Pattern(("name",)),
    "zeek_dce_rpc": Pattern(("endpoint", "operation")),
}


def pattern_of(evidence: Evidence) -> Pattern | None:
    """The pattern of an evidence's kind, else its most surprising native field; None where there is neither."""
    table, event_id = kind_of(evidence.kind)
    known = PATTERNS.get(f"{table}:{event_id}" if event_id else table)
    if known or (lead := lead_event(evidence)) is None:
        return known
    native = lead.native
    for reason in sorted(evidence.reasons, key=lambda r: -r.surprisal):
        if reason.field in native and reason.field != "EventID":
            return Pattern((), reason.field)
    return None


def logon_ids(event: EventRef, extra: str = "") -> list[int]:
    """The logon sessions that an event names, the acting one first; `extra`: its process's own."""
    fields = fields_of(event)
    named = [number(fields.get(name, "")) for name in LOGON_FIELDS]
    ids = [number(extra) if extra else None, *named]
    return [one for one in dict.fromkeys(ids) if one is not None and one not in NOTHING_IDS]


def logon_words(row: Fields, time: datetime | None) -> str:
    """A 4624 in words: 'network logon (type 3) of SHIRE\\ann from 10.0.0.5 (WS5), NTLM, at 2026-01-02 10:00:01 UTC'."""
    kind = row.get("LogonType", "")
    user = row.get("TargetUserName", "?")
    domain = row.get("TargetDomainName", "")
    address, station = row.get("IpAddress", "").removeprefix("::ffff:"), row.get("WorkstationName", "")
    where = " from the host itself" if address in ("127.0.0.1", "::1") else f" from {address}" if address else ""
    name = f" ({station})" if station and where else f" from {station}" if station else ""
    how = f", {row['AuthenticationPackageName']}" if "AuthenticationPackageName" in row else ""
    at = f", at {time.strftime('%Y-%m-%d %H:%M:%S UTC')}" if time else ""
    account = f"{domain}\\{user}" if domain else user
    text = f"{LOGONS.get(kind, 'unknown')} logon (type {kind or '?'}) of {account}{where}{name}{how}{at}"
    return shortened(visible(text), 240)


def system_logon(logon_id: int) -> str | None:
    """What a logon of Windows' own services is called; None for others."""
    name = SYSTEM_LOGONS.get(logon_id)
    return SERVICE_LOGON.format(name, logon_id) if name else None


@dataclass(frozen=True, slots=True)
class Minute:
    """So many events of one kind by one actor in one minute on one host."""

    host: str
    minute: datetime
    kind: str
    actor: str
    user: str
    count: int


def nearby_lines(
    finding: Finding, window: tuple[datetime, datetime], hosts: Sequence[str], users: Sequence[str],
    minutes: Iterable[Minute], common: Mapping[str, int],
) -> tuple[str, ...]:  # fmt: skip
    """What else its hosts and its users did within the window: telling kinds, its own users, what is rare first.

    `common`: how many events of each kind the lake holds.
    """
    first, last = window
    forms = user_forms(users)
    own = {(_label(e.kind), _actor(event)) for e in finding.evidence for event in e.events}
    people = {plain_user(user) for user in users if not is_machine(user)}
    counts: Counter[tuple[str, str, str, str]] = Counter()
    began: dict[tuple[str, str, str, str], datetime] = {}
    for row in minutes:
        if not first <= row.minute < last or (row.host not in hosts and row.user not in forms):
            continue
        label = _label(row.kind)
        if (label, base(row.actor).lower()) in own:
            continue
        key = (label, base(row.actor), plain_user(row.user), row.host)
        counts[key] += row.count
        began[key] = min(began.get(key, row.minute), row.minute)
    rare = {_label(kind): n for kind, n in sorted(common.items(), key=lambda item: -item[1])}
    order = sorted(
        counts,
        key=lambda key: (
            key[0] not in TELLING, key[2] not in people, rare.get(key[0], 0), counts[key], began[key], key,
        ),
    )  # fmt: skip
    return tuple(_line(key, counts[key], began[key], hosts) for key in _varied(order))


def user_forms(users: Iterable[str]) -> frozenset[str]:
    """How the events of other hosts may write these people; the accounts of machines are everywhere, and left out."""
    return frozenset(form for user in users if not is_machine(user) for form in (user, user.lower(), user.upper()))


def _label(kind: str) -> str:
    """What an event is called; the same for one thing told by two logs. The kind itself where it has no name."""
    plain = kind.partition("/")[0]
    return LABELS.get(plain, plain)


def _varied(order: Sequence[tuple[str, str, str, str]]) -> list[tuple[str, str, str, str]]:
    """At most two lines of one label, so that a burst of one kind does not hide the others."""
    seen: Counter[str] = Counter()
    kept: list[tuple[str, str, str, str]] = []
    for key in order:
        seen[key[0]] += 1
        if seen[key[0]] <= 2 and len(kept) < MAX_LINES:
            kept.append(key)
    return kept


def _line(key: tuple[str, str, str, str], count: int, began: datetime, hosts: Sequence[str]) -> str:
    label, actor, user, host = key
    table, event_id = kind_of(label)
    what = f"{table} event {event_id}" if event_id else label
    text = f"{began.strftime('%H:%M')} {count:,} × {what}{f': {actor}' if actor else ''}{f' ({user})' if user else ''}"
    return shortened(visible(text if host in hosts else f"{text} on {short_host(host)}"), 160)


def _actor(event: EventRef) -> str:
    return base(fields_of(event).first(ACTORS)).lower()


ACTORS = (
    "Image", "NewProcessName", "SourceImage", "ProcessName", "Application", "CallerProcessName", "ServiceName",
    "TaskName", "id.resp_h", "query",
)  # fmt: skip
USERS = ("User", "SourceUser", "SubjectUserName", "TargetUserName")
