"""The host that a collected file is of, where the collector's folders say so and the file itself does not."""

from __future__ import annotations

import re
from functools import lru_cache

# Folders that collectors make for what a module wrote: the folder above is the host's, unless it is one of NO_HOST.
CATEGORY = re.compile(
    "(?i)^(?:EventLogs|FileSystem|ProgramExecution|Registry|FileFolderAccess|FileDeletion|SystemActivity|Browsing|"
    "SQLDatabases|LiveResponse|Memory|SUMDatabase|FileSystemLogs|USBDevices|Antivirus)$"
)
NO_HOST = re.compile(
    "(?i)^(?:kape|modules?|targets?|m(?:out|dest)|t(?:out|dest)|outputs?|out|results?|exports?|collections?|triage|"
    "evidence|cases?|data|logs?|csv|files|uploads|parsed|processed|home|te?mp|users?|mnt|media|root|work|desktop|"
    "documents|downloads|var|opt|srv|auto|ntfs|file|[a-z])$"
)
VELOCIRAPTOR = re.compile(r"(?i)^collection-(?P<host>[a-z0-9][a-z0-9._-]*?)-\d{4}-\d\d-\d\d")
DRIVE = re.compile(r"^[A-Za-z](?::|%3A|_)?$")
NAME = re.compile(r"^(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9._-]{1,62}$")
WINDOWS = frozenset({"windows", "users", "programdata", "$extend", "program files", "$recycle.bin"})


@lru_cache(maxsize=4096)
def host_of(path: str) -> str | None:
    """The host in a path, lower case; None where no folder names one.

    Known: Velociraptor's `Collection-HOST-2024-05-01…`, a drive's copy below a host's folder (`HOST/C/Windows/…`, as
    KAPE's targets lie), and module output below one (`HOST/EventLogs/…`).
    """
    parts = [part for part in re.split(r"[\\/!]", path) if part]
    for part in parts:
        if found := VELOCIRAPTOR.match(part):
            return found["host"].lower()
    for above, part, below in zip(parts, parts[1:], [*parts[2:], ""], strict=False):
        drive = DRIVE.match(part) is not None and (below.lower() in WINDOWS or below.startswith("$"))
        category = CATEGORY.match(part) is not None and part != parts[-1]
        if (drive or category) and NAME.match(above) and not NO_HOST.match(above):
            return above.lower()
    return None
