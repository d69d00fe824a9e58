"""Fields of audit records: told apart, hexadecimal text decoded, addresses and commands made readable."""

from __future__ import annotations

import ipaddress
import re

import orjson

from vizsla.sources._rows import printable

_PAIR = re.compile(r"""([A-Za-z_][\w.\[\]-]*)=(?:"([^"]*)"|'([^']*)'|(\{[^}]*\})|(\S*))""")
# The collector that Azure's agent uses writes text with spaces bare: a value ends where the next name begins.
_LOOSE = re.compile(
    r'([A-Za-z_]\w*)=("(?:[^"\\]|\\.)*"(?=\s|$)|\[[^\]]*\](?=\s|$)|.*?)(?=\s+[A-Za-z_]\w*=|\s*$)', re.DOTALL
)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_PART = re.compile(r"a(\d+)(?:\[(\d+)\])?")
# What the kernel or a program writes as hexadecimal where it holds a space, a quote or what is no plain letter.
TEXTS = frozenset(("comm", "exe", "name", "cwd", "proctitle", "acct", "cmd", "path", "dir", "key", "data", "grp",
                   "new_group", "vm", "file", "watch", "device", "ocomm", "sw"))  # fmt: skip
FAMILIES = {1: "unix", 2: "inet", 10: "inet6", 16: "netlink", 17: "packet"}
Fields = dict[str, str]


def unhex(text: str) -> str:
    """Text that was written as hexadecimal digits; itself where it was not; NUL between its parts becomes a space."""
    if len(text) < 2 or _HEX.fullmatch(text) is None:
        return text
    raw = bytes.fromhex(text).rstrip(b"\0").replace(b"\0", b" ")
    return printable(raw.decode("utf-8", "surrogateescape"))


def fields(body: str) -> Fields:
    """Names and values of one record. What stands behind the group separator was added by auditd: `name_name`."""
    body, _, enriched = body.partition("\x1d")
    found: Fields = {}
    outer, inner = body, ""
    if (at := body.find("msg='")) >= 0 and (end := body.rfind("'")) > at + 4:
        outer, inner = body[:at] + body[end + 1 :], body[at + 5 : end]
    for text in (outer, inner) if inner else (outer,):
        for name, double, single, brace, bare in _PAIR.findall(text):
            if bare and name in TEXTS:
                bare = "" if bare in ("(null)", "?") else unhex(bare).replace("\x01", ",")
            value = double or single or brace or bare
            if name in found and found[name] != value:
                name = f"{name}_2"
            found[name] = value
    for name, double, single, brace, bare in _PAIR.findall(enriched):
        found[f"{name.lower()}_name"] = double or single or brace or bare
    return found


def loose_fields(body: str) -> Fields:
    """The same for auoms, which writes values with spaces bare and lists in brackets."""
    found: Fields = {}
    for name, value in _LOOSE.findall(body):
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = re.sub(r'\\(["\\])', r"\1", value[1:-1])
        found[name] = value
    return found


def arguments(records: list[Fields]) -> list[str]:
    """The arguments of a program from its EXECVE records: decoded, parts of long ones put together, in order."""
    parts: dict[int, dict[int, str]] = {}
    for record in records:
        for name, value in record.items():
            found = _PART.fullmatch(name)
            if found is not None:
                parts.setdefault(int(found[1]), {})[int(found[2] or 0)] = value
    return ["".join(parts[n][k] for k in sorted(parts[n])) for n in sorted(parts)]


def execve_fields(body: str) -> Fields:
    """An EXECVE record's names and values, its arguments decoded."""
    found: Fields = {}
    for name, double, single, brace, bare in _PAIR.findall(body.partition("\x1d")[0]):
        argument = bare and _PART.fullmatch(name) is not None
        found[name] = unhex(bare) if argument else double or single or brace or bare
    return found


def address(saddr: str) -> Fields:
    """A socket address as audit writes it, hexadecimal: `socket_family`, `socket_ip`, `socket_port`, `socket_path`."""
    if len(saddr) < 4 or _HEX.fullmatch(saddr) is None:
        return {}
    raw = bytes.fromhex(saddr)
    number = int.from_bytes(raw[:2], "little")
    family = FAMILIES.get(number, str(number))
    found = {"socket_family": family}
    if family == "unix":
        path = raw[2:]
        abstract = path.startswith(b"\0") and len(path) > 1
        text = path[abstract:].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        if text:
            found["socket_path"] = printable("@" * abstract + text)
    elif family == "inet" and len(raw) >= 8:
        found["socket_port"] = str(int.from_bytes(raw[2:4], "big"))
        found["socket_ip"] = str(ipaddress.IPv4Address(raw[4:8]))
    elif family == "inet6" and len(raw) >= 24:
        found["socket_port"] = str(int.from_bytes(raw[2:4], "big"))
        inner = ipaddress.IPv6Address(raw[8:24])
        found["socket_ip"] = str(inner.ipv4_mapped or inner)
    return found


def absolute(cwd: str, name: str) -> str:
    """A path as the process meant it, seen from its folder."""
    if not name or name.startswith("/") or not cwd:
        return name
    return f"{cwd.rstrip('/')}/{name.removeprefix('./')}"


def as_json(value: object) -> str:
    """JSON text."""
    return orjson.dumps(value).decode()
