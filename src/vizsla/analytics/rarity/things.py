"""Things that several logs of one host name: a file, a scheduled task. By them evidence meets that shares no process.

A file's path is brought to one writing: `.\\Users\\a.exe` of a $MFT, `\\VOLUME{…}\\USERS\\A.EXE` of a prefetch file and
`C:\\Users\\a.exe` of an event log are one file (two drives' equal paths are one, too). A host is its short name, since
a collector's folder says no more. Codes of things are odd; those of pairs of addresses are even.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import ABSENT, NOTHING, U64, code_of, dictionary, mixed, take
from vizsla.analytics.rarity.fields import Profile
from vizsla.nouns.event import HOST

LONGEST = 4096  # characters of a path or command that are looked at
THING = np.uint64(1)
FOLDERS = ((r"^(%systemroot%|%windir%|\\systemroot)", r"\\windows"), (r"^%programfiles%", r"\\program files"),
           (r"^%programdata%", r"\\programdata"), (r"^%comspec%$", r"\\windows\\system32\\cmd.exe"),
           (r"^%systemdrive%", ""), (r"^system32\\", r"\\windows\\system32\\"))  # fmt: skip
VOLUME = r"^(\\\\[?.]|\\[?][?])?\\?([a-z]:|device\\harddiskvolume[0-9]+|volume\{[^}]*\}|sysvol|\.)\\"
GONE = r"( \(\$file_name\))?( \(deleted[a-z-]*\))?$"  # what The Sleuth Kit adds to a name
NAMED = r"^\\.*[^\\]$"
ENDING = r"exe|com|scr|dll|sys|bat|cmd|ps1|vbs|js|hta|msi|pif"
PROGRAM = rf'^\s*(?:"(?P<quoted>[^"]+)"|(?P<plain>[^"]*?\.(?:{ENDING}))(?:[\s,].*)?$|(?P<first>[^\s"]+))'


def is_thing(codes: U64) -> np.ndarray:
    """Which of these codes are of things."""
    return np.asarray((codes & THING) == THING)


def of_pair(codes: U64) -> U64:
    """Codes of pairs of addresses, told from those of things."""
    return codes & ~THING


def things(batch: pa.RecordBatch, profile: Profile) -> U64:
    """Per row the code of what it is about on its host, as the profile's `about` says; NOTHING where it is unknown."""
    found = np.zeros(batch.num_rows, dtype=np.uint64)
    names = batch.schema.names
    if not profile.about or HOST not in names:
        return found
    kind = batch.column(profile.kind) if profile.kind in names else None
    for about in profile.about:
        if not set(about.columns) <= set(names) or (kind is None and about.event != "*"):
            continue
        if about.event == "*":
            at = np.arange(batch.num_rows)
        else:
            distinct, places = dictionary(kind)
            at = np.flatnonzero(np.append(np.asarray(pc.equal(distinct, about.event)), False)[places])
        if len(at):
            part = batch.select([*about.columns, HOST])
            part = part if len(at) == batch.num_rows else part.take(pa.array(at))
            own = READ[about.how](*(part.column(name) for name in about.columns))
            found[at] = on_host(part.column(HOST), own)
    return found


def on_host(hosts: pa.Array, codes: U64) -> U64:
    """The codes of things with the host that each is on; NOTHING where either is unknown."""
    distinct, places = dictionary(hosts)
    host = take(np.array([_host(text) for text in distinct.to_pylist()], dtype=np.uint64), places)
    known = (host != NOTHING) & (codes != NOTHING)
    return np.where(known, mixed(host, codes) | THING, NOTHING)


def files(path: pa.Array, name: pa.Array | None = None) -> U64:
    """The codes of files named by their paths, or by folder and name."""
    if name is not None:
        path = pc.binary_join_element_wise(path.cast(pa.string()), name.cast(pa.string()), "\\")
    return _each(path, plain_paths)


def programs(command: pa.Array) -> U64:
    """The codes of the programs of command lines that say where their program lies."""
    return _each(command, lambda values: plain_paths(_program(values)))


def services(command: pa.Array) -> U64:
    """The codes of services' programs; where it is not said where one lies, of the whole command."""
    found = programs(command)
    return np.where(found == NOTHING, _each(command, pc.utf8_lower), found)


def values(name: pa.Array, data: pa.Array) -> U64:
    """The codes of programs that registry values start. Those of services are written by the system, for whoever
    installs one: they say nothing of whose it is."""
    own = pc.match_substring(name.cast(pa.string()), "\\services\\", ignore_case=True)
    return np.where(np.asarray(pc.fill_null(own, False)), NOTHING, programs(data))


def ran(name: pa.Array, loaded: pa.Array) -> U64:
    """The codes of a prefetch file's program: the one of the files it loaded that bears the program's name."""
    both = zip(name.cast(pa.string()).to_pylist(), loaded.cast(pa.string()).to_pylist(), strict=True)
    return files(pa.array([_among(*row) for row in both], pa.string()))


def tasks(name: pa.Array) -> U64:
    """The codes of scheduled tasks by their full names."""
    return _each(name, lambda values: pc.binary_join_element_wise("task:", pc.utf8_lower(values), ""))


READ: Mapping[str, Callable[..., U64]] = {
    "file": files,
    "program": programs,
    "service": services,
    "ran": ran,
    "value": values,
    "task": tasks,
}


def plain_paths(values: pa.Array) -> pa.Array:
    """Paths in one writing: lower case, without a volume; null for what is no whole path."""
    low = pc.utf8_lower(pc.replace_substring(pc.utf8_slice_codeunits(values, 0, LONGEST), "/", "\\"))
    for pattern, folder in FOLDERS:
        low = pc.replace_substring_regex(low, pattern, folder)
    low = pc.replace_substring_regex(pc.replace_substring_regex(low, VOLUME, r"\\"), GONE, "")
    return pc.if_else(pc.match_substring_regex(low, NAMED), low, None)


def _program(values: pa.Array) -> pa.Array:
    """The first word of command lines, or what ends as programs do; null for what names no folder."""
    cut = pc.extract_regex(pc.utf8_slice_codeunits(values, 0, LONGEST), f"(?i){PROGRAM}")
    found = pc.struct_field(cut, "first")
    for name in ("plain", "quoted"):
        other = pc.struct_field(cut, name)
        found = pc.if_else(pc.equal(pc.fill_null(other, ""), ""), found, other)
    return pc.if_else(pc.match_substring_regex(found, r"[\\/%]"), found, None)


def _among(name: str | None, loaded: str | None) -> str | None:
    """The path in a list (`A, B`) whose last part is this name; None where there is none."""
    if not name or not loaded:
        return None
    upper = loaded.upper()
    end = f"{upper},".find(f"\\{name.upper()},")
    return (
        loaded[upper.rfind(", ", 0, end) + 2 if ", " in upper[:end] else 0 : end + 1 + len(name)] if end >= 0 else None
    )


def _each(values: pa.Array, written: Callable[[pa.Array], pa.Array]) -> U64:
    """A code per row; distinct values are read once."""
    distinct, places = dictionary(values)
    texts = written(distinct.cast(pa.string())).to_pylist()
    codes = np.array([NOTHING if text is None or text in ABSENT else code_of(text) for text in texts], dtype=np.uint64)
    return take(codes, places)


def _host(text: str | None) -> int:
    """The code of a host's short name; an address is a name by itself."""
    if text is None or text in ABSENT:
        return 0
    short = text.lower().partition(".")[0]
    return code_of(text.lower() if short.isdigit() or ":" in text else short)
