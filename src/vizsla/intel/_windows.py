"""The normal form of what lies on a host: paths and names of files, registry keys, mutexes, pipes."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps

PROFILE = "%userprofile%"
_LONGEST = 4_096
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUOTES = "\"'`“”‘’"
_SLASHES = re.compile(r"\\{2,}")
_ROAMING, _LOCAL = PROFILE + r"\appdata\roaming", PROFILE + r"\appdata\local"
_FOLDERS = {
    "systemdrive": "c:",
    "homedrive": "c:",
    "systemroot": r"c:\windows",
    "windir": r"c:\windows",
    "csidl_windows": r"c:\windows",
    "system": r"c:\windows\system32",
    "csidl_system": r"c:\windows\system32",
    "comspec": r"c:\windows\system32\cmd.exe",
    "programfiles": r"c:\program files",
    "programfiles(x86)": r"c:\program files (x86)",
    "programw6432": r"c:\program files",
    "csidl_program_files": r"c:\program files",
    "commonprogramfiles": r"c:\program files\common files",
    "commonprogramfiles(x86)": r"c:\program files (x86)\common files",
    "programdata": r"c:\programdata",
    "allusersprofile": r"c:\programdata",
    "commonappdata": r"c:\programdata",
    "csidl_common_appdata": r"c:\programdata",
    "public": r"c:\users\public",
    "userprofile": PROFILE,
    "csidl_profile": PROFILE,
    "homepath": PROFILE,
    "appdata": _ROAMING,
    "csidl_appdata": _ROAMING,
    "localappdata": _LOCAL,
    "csidl_local_appdata": _LOCAL,
    "temp": _LOCAL + r"\temp",
    "tmp": _LOCAL + r"\temp",
    "startup": _ROAMING + r"\microsoft\windows\start menu\programs\startup",
    "desktop": PROFILE + r"\desktop",
}
_VARIABLE = re.compile(r"%([a-z0-9_()]{1,40})%")
_DEVICE = re.compile(
    r"^(?:\\\\[?.]\\(?:globalroot\\)?|\\\?\?\\|file:\\+)?(?:\\?device\\harddisk(?:volume\d+|\d+\\partition\d+)(?=\\))?"
)
_ADMIN_SHARE = re.compile(r"^\\\\[^\\]+\\([a-z])\$(?=\\)")
_USER = re.compile(
    r"^(?:[a-z]:\\(?:users|documents and settings)\\(?!(?:public|all users|default|default user)(?:\\|$))[^\\]+"
    r"|c:\\windows\\(?:system32|syswow64)\\config\\systemprofile|c:\\windows\\serviceprofiles\\[^\\]+)(?=\\|$)"
)
_SHARED = (
    (re.compile(r"^[a-z]:\\documents and settings\\all users\\application data(?=\\|$)"), r"c:\\programdata"),
    (re.compile(r"^[a-z]:\\(?:documents and settings|users)\\all users(?=\\|$)"), r"c:\\programdata"),
)
_OLD = (  # folders of Windows XP, below a user's
    (r"\local settings\application data", r"\appdata\local"),
    (r"\local settings", r"\appdata\local"),
    (r"\application data", r"\appdata\roaming"),
    (r"\start menu", r"\appdata\roaming\microsoft\windows\start menu"),
)
_UNIX_USER = re.compile(
    r"^(?:/home/[^/]+|/users/(?!shared(?:/|$))[^/]+|(?:/var)?/root|~[^/]*|\$home|\$\{home\})(?=/|$)"
)
_TURNS = 8


def _stable(once: Callable[[str], str]) -> Callable[[str], str]:
    """`once` until nothing changes: what lay under quotes, blanks and prefixes may itself be dressed so."""

    @wraps(once)
    def form(text: str) -> str:
        value = once(text)
        for _ in range(_TURNS):
            again = once(value)
            if again == value:
                return value
            value = again
        raise ValueError("written in too many layers")

    return form


def _plain(text: str) -> str:
    text = text.strip().strip(_QUOTES).strip()
    if len(text) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} characters")
    if _CONTROL.search(text):
        raise ValueError("it holds control characters")
    return text.lower()


@_stable
def file_path(text: str) -> str:
    r"""A path in lower case; a user's folder is %userprofile% (Windows) or ~ (Unix), whoever the user.

    Windows: backslashes, variables resolved as on a usual installation, device names as c:, a path without a root
    begins with '*\'. Raises ValueError for a name alone, and for a root or a user's folder itself.
    """
    low = _plain(text)
    if "\\" not in low and "/" not in low:
        raise ValueError("a name, not a path: it has no folder")
    return _unix(low) if low.startswith(("/", "~/", "$home/", "${home}/")) and "\\" not in low else _windows(low)


def _unix(low: str) -> str:
    path = re.sub("/{2,}", "/", low).rstrip("/")
    path = _UNIX_USER.sub("~", path)
    if not path.strip("/~"):
        raise ValueError("a root or a user's folder, not a file")
    return path


def _windows(low: str) -> str:
    path = low.replace("/", "\\")
    path = _DEVICE.sub(lambda found: "c:" if "device" in found[0] else "", path, count=1)
    path = _ADMIN_SHARE.sub(r"\1:", path)
    if path.startswith("\\systemroot\\"):
        path = "c:\\windows" + path[11:]
    path = _variables(path)
    network = path.startswith("\\\\")
    path = _SLASHES.sub(r"\\", path).rstrip("\\")
    if network:
        path = "\\" + path
    elif path.startswith("\\"):
        path = "*" + path
    for pattern, instead in _SHARED:
        path = pattern.sub(instead, path)
    path = _USER.sub(PROFILE, path)
    if path.startswith(PROFILE):
        for old, new in _OLD:
            if path[len(PROFILE) :].startswith(old) and path[len(PROFILE) + len(old) :][:1] in ("", "\\"):
                path = PROFILE + new + path[len(PROFILE) + len(old) :]
                break
    elif not (network or path.startswith("*") or path[1:2] == ":"):
        path = "*\\" + path
    if "\\" not in path or not path.strip("*\\"):
        raise ValueError("a root or a user's folder, not a file")
    return path


def _variables(path: str) -> str:
    if "%" not in path:
        return path
    if path.startswith("%homedrive%"):
        path = path[11:].lstrip("\\")
    start = _VARIABLE.match(path)
    if start:
        path = _FOLDERS.get(start[1], "*") + path[start.end() :]
    head = PROFILE if path.startswith(PROFILE) else ""
    return head + _VARIABLE.sub("*", path[len(head) :])


@_stable
def file_name(text: str) -> str:
    """A file's name in lower case, without folders. Raises ValueError where there are."""
    low = _plain(text)
    if "\\" in low or "/" in low:
        raise ValueError("a path, not a name")
    if not low.strip("*. ?"):
        raise ValueError("no name")
    return low


_HIVE = re.compile(
    r"^\\?(?:computer\\)?(?P<hive>registry\\machine|registry\\user|hkey_local_machine|hklm|hkey_current_user|hkcu|"
    r"hkey_users|hku|hkey_classes_root|hkcr|hkey_current_config|hkcc):?(?=\\|$)"
)
_HIVES = {
    "registry\\machine": "hklm",
    "hkey_local_machine": "hklm",
    "registry\\user": "hku",
    "hkey_users": "hku",
    "hkey_current_user": "hkcu",
    "hkey_classes_root": r"hklm\software\classes",
    "hkcr": r"hklm\software\classes",
    "hkey_current_config": r"hklm\system\currentcontrolset\hardware profiles\current",
    "hkcc": r"hklm\system\currentcontrolset\hardware profiles\current",
}
_SID = re.compile(
    r"^hku\\(?:s-1-(?:5-21|12-1)-[0-9-]+|\*|[\[<{%(]?(?:user[ _-]?)?sid[\]>}%)]?)(?P<classes>_classes)?(?=\\)"
)
_CONTROL_SET = re.compile(r"^hklm\\system\\(?:controlset\d{3}|controlset\*|currentcontrolset)(?=\\|$)")


@_stable
def registry_key(text: str) -> str:
    r"""A key (or key and value's name) in lower case: hklm\…, hkcu\… for any user's, hku\s-1-5-18 for the system's.

    ControlSet001 is CurrentControlSet, and what 32-bit programs see (Wow6432Node) is what it stands for. A key
    without a hive begins with '*\'.
    """
    low = _plain(text)
    if "\\" not in low:
        low = low.replace("/", "\\")
    key = _SLASHES.sub(r"\\", low).rstrip("\\")
    found = _HIVE.match(key)
    if found:
        key = _HIVES.get(found["hive"], found["hive"]) + key[found.end() :]
    elif not key.startswith("*"):
        key = "*\\" + key.lstrip("\\")
    if key.startswith("hku\\.default\\"):
        key = "hku\\s-1-5-18" + key[12:]
    sid = _SID.match(key)
    if sid:
        key = ("hkcu\\software\\classes" if sid["classes"] else "hkcu") + key[sid.end() :]
    key = _CONTROL_SET.sub(r"hklm\\system\\currentcontrolset", key)
    key = key.replace("\\wow6432node\\", "\\").removesuffix("\\wow6432node")
    if "\\" not in key or not key.partition("\\")[2].strip("*\\"):
        raise ValueError("no registry key: it names nothing below a hive")
    return key


_OBJECTS = re.compile(r"^(?:\\+|sessions\\\d+\\|basenamedobjects\\|(?:global|local|session\\\d+)\\)*")
_PIPE = re.compile(r"^(?:\\+(?:[^\\]+\\pipe\\|device\\namedpipe\\|\?\?\\pipe\\)?|pipe\\|device\\namedpipe\\)*")


@_stable
def mutex(text: str) -> str:
    r"""A named object in lower case, without its namespace (Global\, \BaseNamedObjects\)."""
    return _rest(_OBJECTS, _plain(text))


@_stable
def pipe(text: str) -> str:
    r"""A pipe's name in lower case, without \\.\pipe\ or \Device\NamedPipe\ before it."""
    return _rest(_PIPE, _plain(text).replace("/", "\\"))


def _rest(head: re.Pattern[str], text: str) -> str:
    name = _plain(head.sub("", text, count=1))
    if not name.strip("\\*"):
        raise ValueError("no name is left")
    return name
