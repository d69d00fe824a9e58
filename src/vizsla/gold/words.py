"""Names and values brought to what is comparable across hosts: paths, accounts, definitions of tasks, names with GUIDs.

Everything here works on distinct values: a row costs a look-up.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import numpy as np
import pyarrow as pa

from vizsla.analytics.rarity.encode import I64, dictionary
from vizsla.shape import shapes

LONGEST = 400  # characters of a value that are kept
SYSTEM = "<system>"
_SYSTEMS = frozenset((
    "system", "nt authority\\system", "s-1-5-18", "localsystem", ".\\localsystem", "nt authority\\local service",
    "nt authority\\network service", "local service", "network service", "s-1-5-19", "s-1-5-20",
    "nt authority\\localservice", "nt authority\\networkservice", "nt service\\trustedinstaller", "trustedinstaller",
))  # fmt: skip
_FOLDERS = (
    ("%systemroot%", "c:\\windows"), ("%windir%", "c:\\windows"), ("\\systemroot", "c:\\windows"),
    ("%programfiles(x86)%", "c:\\program files (x86)"), ("%programfiles%", "c:\\program files"),
    ("%programw6432%", "c:\\program files"), ("%commonprogramfiles%", "c:\\program files\\common files"),
    ("%programdata%", "c:\\programdata"), ("%allusersprofile%", "c:\\programdata"),
    ("%localappdata%", "c:\\users\\<user>\\appdata\\local"), ("%appdata%", "c:\\users\\<user>\\appdata\\roaming"),
    ("%userprofile%", "c:\\users\\<user>"), ("%public%", "c:\\users\\public"), ("%systemdrive%", "c:"),
    ("%comspec%", "c:\\windows\\system32\\cmd.exe"), ("%temp%", "c:\\users\\<user>\\appdata\\local\\temp"),
)  # fmt: skip
_PROGRAM = re.compile(
    r"^(?:\"([^\"]+)\"|(.+?\.(?:exe|dll|sys|com|bat|cmd|ps1|vbs|js|msc|scr|ocx|cpl))(?=[\s,\"]|$)|(\S+))(.*)$",
    re.IGNORECASE | re.DOTALL,
)
_TRIGGER = re.compile(r"<(\w+)Trigger\b")
_EVERY = re.compile(r"<(?:Interval|DaysInterval|WeeksInterval)>([^<]{1,20})<")


def each(values: pa.Array, spoken: Callable[[str], str]) -> pa.Array:
    """`spoken` of each value, each distinct one asked once; null and '' are null."""
    distinct, places = dictionary(values)
    made = pa.array([spoken(text) or None for text in distinct.to_pylist()], pa.string())
    return made.take(pa.array(places, mask=places < 0))


def shaped(values: pa.Array) -> pa.Array:
    """Shapes: GUIDs, SIDs, numbers and folders of users generalised; null stays null."""
    distinct, places = dictionary(values)
    return shapes(distinct.cast(pa.string())).take(pa.array(places, mask=places < 0))


def path(text: str) -> str:
    """A program's path with what stands for folders written out: lower case, no quotes."""
    plain = text.strip().strip('"').lower()[:LONGEST]
    plain = plain.removeprefix("\\??\\").removeprefix("\\\\?\\")
    for short, whole in _FOLDERS:
        if short in plain:
            plain = plain.replace(short, whole)
    if plain.startswith(("system32\\", "syswow64\\")):
        plain = f"c:\\windows\\{plain}"
    return re.sub(r"^\\device\\harddiskvolume\d+", "c:", plain)


def program(text: str) -> str:
    """The program of a command."""
    return command(text)[0]


def command(text: str) -> tuple[str, str]:
    """A command's program and its arguments."""
    plain = path(text) if '"' not in text[1:] else text.strip().lower()[:LONGEST]
    found = _PROGRAM.match(plain)
    if not found:
        return path(plain), ""
    return path(found[1] or found[2] or found[3]), found[4].strip()


def account(text: str) -> str:
    """Who: accounts of computers and of Windows itself are one."""
    plain = text.strip().lower()
    return SYSTEM if plain in _SYSTEMS or plain.endswith("$") else plain.removeprefix(".\\")


def place(text: str) -> str:
    """The kind of folder that a program lies in: two folders deep, one where each software has its own."""
    if text.startswith("\\\\"):
        return "a share"
    folder = text.rpartition("\\")[0]
    parts = folder.split("\\")
    if not folder:
        return "no folder"
    deep = 2 if len(parts) > 1 and parts[1] in ("program files", "program files (x86)", "programdata") else 3
    return "\\".join(parts[:deep])


def leaf(text: str) -> str:
    """The name of a file, of a task or of a key, without what it lies in."""
    return text.rpartition("\\")[2]


def scope(kind: str, name: str) -> str:
    """What an item is one of: tasks by their first two folders, all others by their kind."""
    folders = name.split("\\")[1:-1][:2] if kind == "task" else []
    return "\\".join([kind, *folders])


class Definition:
    """What the XML of a task says."""

    def __init__(self, xml: str) -> None:
        self._xml = xml

    def said(self, tag: str) -> str:
        """The text of the first element of a name, '' where there is none."""
        found = re.search(rf"<{tag}\b[^>]*>([^<]{{0,2000}})</{tag}>", self._xml)
        return unescape(found[1]).strip() if found else ""

    @property
    def program(self) -> str:
        return self.said("Command") or self.said("ClassId")

    @property
    def arguments(self) -> str:
        return self.said("Arguments") or self.said("Data")

    @property
    def author(self) -> str:
        return account(self.said("Author"))

    @property
    def account(self) -> str:
        return " ".join(filter(None, (account(self.said("UserId") or self.said("GroupId")), self.said("RunLevel"))))

    @property
    def trigger(self) -> str:
        """What starts it, without dates: kinds of triggers and their intervals."""
        begin, _, rest = self._xml.partition("<Triggers")
        inside = rest.partition("</Triggers>")[0] if rest else begin
        return " ".join([*_TRIGGER.findall(inside), *_EVERY.findall(inside)]).lower()


DEFINED = ("program", "arguments", "author", "account", "trigger")


def defined(values: pa.Array, name: str) -> pa.Array:
    """One of DEFINED of each definition."""
    return each(values, lambda text: str(getattr(Definition(text), name)))


def codes(values: pa.Array) -> tuple[list[str], I64]:
    """Distinct values and each row's place among them; null is ''."""
    distinct, places = dictionary(values.cast(pa.string()))
    texts = [*distinct.to_pylist(), ""]
    return texts, np.where(places < 0, len(texts) - 1, places)
