"""An event's native fields as triage reads them: whatever their case, with blanks dropped and message text opened.

Windows writes '-' or '(null)' for nothing; nxlog and winlogbeat leave some channels with a `Message` only. So
titles, techniques, context and pivots all ask a `Fields`, which hides those differences and computes nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from vizsla.analytics.rarity.fields import profile
from vizsla.nouns import EventRef, Evidence, Finding

NOTHING = frozenset({"", "-", "(null)", "(none)", "n/a", "null"})
TEXTS = ("contextinfo", "param2", "param3", "message")  # fields that may hold 'Name = value' lines
TEXT_LIMIT = 16_384  # characters of a message that are looked through
PAIR = re.compile(r"^[ \t]*([A-Za-z][A-Za-z0-9_ ]{0,39}?)[ \t]*[=:](?![\\/])[ \t]*(\S.*)$")
WORD = re.compile(r"[\s\"'=,;()]+")
MACHINE_ACCOUNTS = frozenset({"system", "local service", "network service", "anonymous logon", "dwm-1", "umfd-0"})
PROCESS_FIELDS = ("Image", "NewProcessName", "SourceImage", "ProcessName", "Application", "CallerProcessName")
USER_FIELDS = ("User", "SourceUser", "SubjectUserName", "TargetUserName", "context.User", "context.UserId", "username")


class Fields(Mapping[str, str]):
    """Read-only, case-insensitive fields of one event. A missing, empty or '-' field is absent."""

    def __init__(self, native: Mapping[str, str]) -> None:
        self._values = {
            name.lower(): text
            for name, value in native.items()
            if value is not None and (text := str(value).strip()).lower() not in NOTHING
        }
        for name in TEXTS:
            for key, value in _pairs(self._values.get(name, "")):
                self._values.setdefault(f"context.{key}", value)
                self._values.setdefault(key, value)

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def first(self, names: Iterable[str]) -> str:
        """The first of these fields that the event has; '' where it has none."""
        for name in names:
            if value := self._values.get(name.lower()):
                return value
        return ""


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    """'Name = value' and 'Name: value' of each line (or ';'-separated part) of a message; names lower, unspaced."""
    for line in text[:TEXT_LIMIT].replace("; ", "\n").splitlines():
        found = PAIR.match(line[:2048])
        if found and (value := found[2].strip().rstrip(";")).lower() not in NOTHING:
            yield found[1].replace(" ", "").lower(), value


def fields_of(event: EventRef) -> Fields:
    """The event's native fields, readable whatever their case."""
    return Fields(event.native)


def lead_event(evidence: Evidence) -> EventRef | None:
    """The first event of the evidence that is of its kind; the first of all where none is. None where it names none.

    A line that rules or indicators share holds events of other kinds, too, and one of those may be the earliest.
    """
    table, event_id = kind_of(evidence.kind)
    column = profile(table).kind
    own = [event for event in evidence.events if event.table == table]
    alike = (e for e in own if not event_id or not column or str(e.native.get(column, "")) == event_id)
    return next(alike, next(iter(own or evidence.events), None))


def lead_fields(evidence: Evidence) -> Fields:
    """The fields of the leading event of the evidence (no field at all where it names no event)."""
    lead = lead_event(evidence)
    return Fields(lead.native if lead else {})


def kind_of(kind: str) -> tuple[str, str]:
    """(table, event id) of an evidence's kind: 'windows_sysmon:1/parent' -> ('windows_sysmon', '1')."""
    table, _, event_id = kind.partition("/")[0].partition(":")
    return table, event_id


def base(path: str) -> str:
    """A path's last part; a command line's program. 'C:\\x\\a.exe -b' -> 'a.exe'."""
    text = path.strip()
    if text.startswith('"') and '"' in text[1:]:
        text = text[1 : text.index('"', 1)]
    elif " " in text and (cut := _program_end(text)):
        text = text[:cut]
    return text.rstrip("\\/").replace("/", "\\").rpartition("\\")[2] or text


def _program_end(text: str) -> int:
    """Where an unquoted program name ends: after '.exe ' (paths hold blanks), 0 where it cannot be told."""
    lower = text.lower()
    ends = [at + len(suffix) for suffix in (".exe", ".com", ".bat", ".cmd") if (at := lower.find(suffix + " ")) >= 0]
    return min(ends, default=0)


def leaf(path: str, parts: int = 2) -> str:
    """The last parts of a registry key, a task's folder or a distinguished name."""
    pieces = [p for p in path.replace("/", "\\").split("\\") if p]
    return "\\".join(pieces[-parts:]) if pieces else path


def short_host(name: str) -> str:
    """A host's first label; addresses stay whole."""
    if ":" in name or name.replace(".", "").isdigit():
        return name
    return name.partition(".")[0]


def host_name(event: EventRef, fields: Fields | None = None) -> str:
    """The host as its log wrote it, without the domain: 'WORKSTATION5'."""
    known = fields if fields is not None else fields_of(event)
    return short_host(known.get("Computer", "") or event.host or "")


def number(text: str) -> int | None:
    """A decimal or 0x-hexadecimal number, None where it is neither."""
    try:
        return int(text, 16) if text.lower().startswith("0x") else int(text)
    except ValueError:
        return None


def guid(text: str) -> str:
    """A GUID as joins compare it: braces stripped, lower case; '' for the null GUID."""
    plain = text.strip().strip("{}").lower()
    return "" if not plain.replace("-", "").strip("0") else plain


def user_name(fields: Fields) -> str:
    """Who acted, as DOMAIN\\user where the event names the domain; '' where it names nobody."""
    for name in USER_FIELDS:
        value = fields.get(name, "")
        if not value:
            continue
        domain = fields.get(name.replace("UserName", "DomainName"), "") if name.endswith("UserName") else ""
        return f"{domain}\\{value}" if domain and "\\" not in value and "@" not in value else value
    return ""


def plain_user(user: str) -> str:
    """A user's name without its domain, lower case: 'SHIRE\\Pgustavo' and 'pgustavo@shire.com' -> 'pgustavo'."""
    return user.rpartition("\\")[2].partition("@")[0].strip().lower()


def is_machine(user: str) -> bool:
    """Whether an account is the computer's own or one that Windows brings."""
    plain = plain_user(user)
    return plain.endswith("$") or plain in MACHINE_ACCOUNTS or plain.startswith(("dwm-", "umfd-"))


def strongest(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Evidence, strongest first; the order given breaks ties."""
    return sorted(evidence, key=lambda e: (-round(e.bits, 9), -round(e.alone_bits, 9), -round(e.surprisal, 9)))


def hosts_of(finding: Finding) -> tuple[str, ...]:
    """The finding's hosts: its host entities, else those of its events; lower case, in order, once."""
    named = [e.value for e in finding.entities if e.type == "host"]
    seen = named or [event.host for evidence in finding.evidence for event in evidence.events if event.host]
    return tuple(dict.fromkeys(host.lower() for host in seen))


def users_of(finding: Finding) -> tuple[str, ...]:
    """The finding's accounts: its user entities, else who acted in its events; as written, in order, once."""
    named = [e.value for e in finding.entities if e.type == "user"]
    seen = named or [user_name(fields_of(event)) for evidence in finding.evidence for event in evidence.events]
    return tuple(dict.fromkeys(user for user in seen if user))
