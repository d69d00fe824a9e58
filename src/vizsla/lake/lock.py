"""One writer at a time: an advisory lock on a file of the lake. Readers never take it."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import IO

from vizsla.errors import LakeError

_PAUSE = 0.05  # seconds between two tries
_GUARD = 1 << 30  # on Windows a locked byte cannot be read by others: lock one far behind the pid


class WriterLock:
    """`with WriterLock(path):` around every change. Re-entrant; goes with its process, even a killed one.

    A second writer, in another process or through another `Lake` in this one, waits up to `patience` seconds.
    """

    def __init__(self, path: Path, patience: float = 60.0) -> None:
        self.path, self.patience = path, patience
        self._thread = threading.RLock()
        self._depth = 0
        self._file: IO[str] | None = None

    def __enter__(self) -> WriterLock:
        self._thread.acquire()
        try:
            if self._depth == 0:
                self._file = self._acquire()
            self._depth += 1
        except BaseException:
            self._thread.release()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self._file is not None:
            _unlock(self._file)
            self._file.close()
            self._file = None
        self._thread.release()

    def _acquire(self) -> IO[str]:
        try:
            file = self.path.open("a+", encoding="ascii")
        except OSError as error:
            raise LakeError(
                f"the lake cannot be written: {error.strerror}",
                where=str(self.path),
                fix="check the folder's permissions, or copy the lake to a place of your own",
            ) from error
        until = time.monotonic() + self.patience
        while not _try_lock(file):
            if time.monotonic() >= until:
                file.seek(0)
                owner = file.read(32).strip() or "unknown"
                file.close()
                raise LakeError(
                    f"another process is writing to this lake (process {owner})",
                    where=str(self.path.parent),
                    fix="wait until it has finished, or end it, and run this again",
                )
            time.sleep(_PAUSE)
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        return file


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[str]) -> bool:
        os.lseek(file.fileno(), _GUARD, os.SEEK_SET)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: IO[str]) -> None:
        os.lseek(file.fileno(), _GUARD, os.SEEK_SET)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: IO[str]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: IO[str]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)
