"""Sentences about an event: templates with fields, filters and parts that are left out (see titles.yaml).

A template is parsed once; filling it is a walk over its parts. Values are made visible and shortened in the middle;
a filter gives '' for a value that it cannot say, which counts as missing.
"""

from __future__ import annotations

import html
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vizsla.nouns import EventRef
from vizsla.safe import shortened, visible
from vizsla.triage.native import Fields, base, fields_of, host_name, leaf, number, user_name

LONGEST = 4096  # characters of a value that are looked at
LOGONS = {
    "2": "interactive", "3": "network", "4": "batch", "5": "service", "7": "unlock", "8": "cleartext network",
    "9": "new credentials", "10": "remote desktop", "11": "cached", "12": "cached remote", "13": "cached unlock",
}  # fmt: skip
CHANGES = {
    "createkey": "created", "deletekey": "deleted", "deletevalue": "deleted a value of", "setvalue": "set",
    "renamekey": "renamed", "renamevalue": "renamed a value of",
}  # fmt: skip
AUDIT = {
    "%%8448": "success auditing removed", "%%8449": "success auditing added", "%%8450": "failure auditing removed",
    "%%8451": "failure auditing added", "%%8452": "success auditing included", "%%8453": "success auditing excluded",
}  # fmt: skip
# The last byte of an audit subcategory's GUID, 0cce92XX-69ae-11d9-bed3-505054503030, counted from 0x10.
SUBCATEGORIES = (
    "Security State Change", "Security System Extension", "System Integrity", "IPsec Driver", "Other System Events",
    "Logon", "Logoff", "Account Lockout", "IPsec Main Mode", "IPsec Quick Mode", "IPsec Extended Mode",
    "Special Logon", "Other Logon/Logoff Events", "File System", "Registry", "Kernel Object", "SAM",
    "Certification Services", "Application Generated", "Handle Manipulation", "File Share",
    "Filtering Platform Packet Drop", "Filtering Platform Connection", "Other Object Access Events",
    "Sensitive Privilege Use", "Non Sensitive Privilege Use", "Other Privilege Use Events", "Process Creation",
    "Process Termination", "DPAPI Activity", "RPC Events", "Audit Policy Change", "Authentication Policy Change",
    "Authorization Policy Change", "MPSSVC Rule-Level Policy Change", "Filtering Platform Policy Change",
    "Other Policy Change Events", "User Account Management", "Computer Account Management",
    "Security Group Management", "Distribution Group Management", "Application Group Management",
    "Other Account Management Events", "Directory Service Access", "Directory Service Changes",
    "Directory Service Replication", "Detailed Directory Service Replication", "Credential Validation",
    "Kerberos Service Ticket Operations", "Other Account Logon Events", "Kerberos Authentication Service",
    "Network Policy Server", "Detailed File Share", "Removable Storage", "Central Policy Staging",
    "User/Device Claims", "Plug and Play Events", "Group Membership", "Token Right Adjusted Events",
)  # fmt: skip
SUBCATEGORY = re.compile(r"\{?0cce92([0-9a-f]{2})-69ae-11d9-bed3-505054503030\}?", re.IGNORECASE)
GUID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
COMMAND = re.compile(r"<Command>([^<]{1,1000})</Command>(?:\s*<Arguments>([^<]{1,2000})</Arguments>)?", re.IGNORECASE)
LOGINS = {
    "sshd": "SSH", "ftpd": "FTP", "vsftpd": "FTP", "proftpd": "FTP", "in.telnetd": "Telnet", "telnetd": "Telnet",
    "login": "console", "gdm": "desktop", "lightdm": "desktop", "sddm": "desktop", "dropbear": "SSH",
}  # fmt: skip
PIPELINE = re.compile(r"Pipeline execution details for command line:\s*(.{1,1000})")


def one_line(text: str) -> str:
    """Blanks and line breaks joined to single blanks."""
    return " ".join(text.split())


def _folder(text: str) -> str:
    return text.replace("/", "\\").rpartition("\\")[0]


def _args(text: str) -> str:
    """A command line with its program's base name in the place of the path; '' where it has no arguments."""
    program = base(text)
    at = text.find(program) if program else -1
    rest = text[at + len(program) :].strip().lstrip('"').strip() if at >= 0 else text
    return one_line(f"{program} {rest}") if rest else ""


def _remote(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    mapped = getattr(address, "ipv4_mapped", None) or address
    return "" if mapped.is_loopback or mapped.is_unspecified else str(mapped)


def _cn(text: str) -> str:
    return text.partition(",")[0].partition("=")[2] or text


def _number(text: str) -> str:
    value = number(text)
    return text if value is None else str(value)


def _command(text: str) -> str:
    """What a task's XML runs."""
    plain = html.unescape(text) if "&lt;" in text else text
    found = COMMAND.search(plain)
    return one_line(html.unescape(f"{found[1]} {found[2] or ''}")) if found else ""


def _bytes(text: str) -> str:
    size = float(number(text) or 0)
    if not size:
        return ""
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"


def _subcategory(text: str) -> str:
    found = SUBCATEGORY.fullmatch(text)
    place = int(found[1], 16) - 0x10 if found else -1
    return f"'{SUBCATEGORIES[place]}'" if 0 <= place < len(SUBCATEGORIES) else text


def _seconds(text: str) -> str:
    try:
        return f"{float(text):.3g} s"
    except ValueError:
        return ""


def _pipeline(text: str) -> str:
    found = PIPELINE.search(text)
    return one_line(found[1]) if found else ""


FILTERS: Mapping[str, Callable[[str], str]] = {
    "base": base,
    "folder": _folder,
    "leaf": leaf,
    "line": one_line,
    "args": _args,
    "number": _number,
    "logon": lambda text: LOGONS.get(text, ""),
    "change": lambda text: CHANGES.get(text.lower(), ""),
    "audit": lambda text: ", ".join(said for code, said in AUDIT.items() if code in text),
    "remote": _remote,
    "start": lambda text: one_line(text.partition(". ")[0]),
    "subcategory": _subcategory,
    "cn": _cn,
    "guid": lambda text: found[0] if (found := GUID.search(text)) else text,
    "guids": lambda text: ", ".join(dict.fromkeys(GUID.findall(text))),
    "command": _command,
    "pipeline": _pipeline,
    "bytes": _bytes,
    "seconds": _seconds,
    "login": lambda text: LOGINS.get(text.partition("(")[0].lower(), text.partition("(")[0]),
    "words": lambda text: one_line(text.replace("-", " ").replace("_", " ")),
}


@dataclass(frozen=True, slots=True)
class Slot:
    """A placeholder: the fields to try, each with its filter ('' for none)."""

    choices: tuple[tuple[str, str], ...]

    def value(self, fields: Fields, event: EventRef) -> str:
        for name, filtered in self.choices:
            raw = _look_up(name, fields, event)[:LONGEST]
            shown = (FILTERS[filtered](raw) if filtered else raw).strip() if raw else ""
            if shown:
                return visible(shown)
        return ""


def _look_up(name: str, fields: Fields, event: EventRef) -> str:
    if name == "host":
        return host_name(event, fields)
    if name == "user":
        return user_name(fields)
    return fields.get(name.removeprefix("."), "")


Part = str | Slot


@dataclass(frozen=True, slots=True)
class Template:
    """A sentence: pieces that must be there, and optional ones. `needs`: (field, value) of the events it is for."""

    pieces: tuple[tuple[bool, tuple[Part, ...]], ...]  # (optional, parts)
    needs: tuple[str, str] | None = None

    def fill(self, event: EventRef, fields: Fields, width: int, limit: int) -> str:
        """The sentence in at most `width` characters where its values, shortened to `limit` at first, let it.

        '' where a field it cannot do without is missing.
        """
        if self.needs and fields.get(self.needs[0], "") != self.needs[1]:
            return ""
        filled: list[list[str | None]] = []  # alternating text and value, None for text parts that are dropped
        for optional, parts in self.pieces:
            row = [part if isinstance(part, str) else part.value(fields, event) for part in parts]
            missing = any(isinstance(part, Slot) and not value for part, value in zip(parts, row, strict=True))
            if missing and not optional:
                return ""
            filled.append([] if missing else list(row))
        text = self._join(filled, limit)
        while len(text) > width and limit > 8:
            limit = limit * 4 // 5
            text = self._join(filled, limit)
        return shortened(text, width)

    def _join(self, filled: list[list[str | None]], limit: int) -> str:
        out: list[str] = []
        for (_, parts), row in zip(self.pieces, filled, strict=True):
            for part, value in zip(parts, row, strict=False):
                out.append(part if isinstance(part, str) else shortened(value or "", limit))
        return "".join(out)


def parse(text: str) -> Template:
    """A template from its text. Raises ValueError with what is wrong: an unknown filter, an open bracket."""
    found = re.fullmatch(r"(.*?)(?:@([\w.]+)=(\S+))?", text, re.DOTALL)
    body, needs = (found[1], (found[2], found[3]) if found[2] else None) if found else (text, None)
    pieces = []
    for number_, piece in enumerate(re.split(r"[\[\]]", body)):
        if piece:
            pieces.append((bool(number_ % 2), tuple(_parts(piece))))
    if body.count("[") != body.count("]"):
        raise ValueError(f"a bracket is left open in {text!r}")
    return Template(tuple(pieces), needs)


def _parts(text: str) -> list[Part]:
    parts: list[Part] = []
    for number_, part in enumerate(re.split(r"\{([^{}]*)\}", text)):
        if number_ % 2 == 0:
            if part:
                parts.append(part)
            continue
        choices = []
        for choice in part.split(","):
            name, _, filtered = choice.strip().partition("|")
            if not name or (filtered and filtered not in FILTERS):
                raise ValueError(f"{{{part}}}: filters are {', '.join(sorted(FILTERS))}")
            choices.append((name, filtered))
        parts.append(Slot(tuple(choices)))
    return parts


def sentence(templates: tuple[Template, ...], event: EventRef, width: int, limit: int = 72) -> str:
    """The first of the templates that the event can fill, in at most `width` characters; '' where none can."""
    fields = fields_of(event)
    for template in templates:
        if text := template.fill(event, fields, width, limit):
            return text
    return ""
