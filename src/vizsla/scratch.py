"""Folders for what does not fit into memory: gone with their process, or swept by the next one if it was killed.

A folder is named by its process and holds a file that its process has locked. Only where that process is no more and
the lock is free is it swept: numbers of processes come again, and containers may share one folder for temporary files.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

if sys.platform != "win32":
    import fcntl

LOCK = ".in-use"
_NAME = re.compile(r"vizsla-[a-z]+-([0-9]{1,10})-[a-z0-9_]{8}")


class Scratch:
    """A folder of its own; `close` deletes it."""

    def __init__(self, kind: str) -> None:
        """`kind`: what it is for, in lower-case letters."""
        sweep()
        self.path = Path(tempfile.mkdtemp(prefix=f"vizsla-{kind}-{os.getpid()}-"))
        self._lock = os.open(self.path / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        if sys.platform != "win32":
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def close(self) -> None:
        """Delete the folder with all that is in it; closing again does nothing."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
            shutil.rmtree(self.path, ignore_errors=True)


@lru_cache(1)
def sweep() -> int:
    """Delete the folders that killed processes of this user left, once a process; says how many."""
    gone = 0
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as found:
        for entry in found:
            name = _NAME.fullmatch(entry.name)
            if name is not None and not _alive(int(name[1])) and _left(Path(entry.path)):
                shutil.rmtree(entry.path, ignore_errors=True)
                gone += 1
    return gone


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is another user's
        return True
    return True


def _left(folder: Path) -> bool:
    """Whether a folder is ours and nobody has locked its file; what is no folder of that kind is left alone."""
    if sys.platform == "win32":  # such locks, and sweeping with them, are of Unix
        return False
    try:
        held = folder.lstat()
        if not stat.S_ISDIR(held.st_mode) or held.st_uid != os.getuid():
            return False
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True
