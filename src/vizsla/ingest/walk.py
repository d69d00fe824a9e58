"""Which files a run reads: paths, and folders to their depth, in a stable order."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vizsla.errors import UsageError
from vizsla.lake.folder import MARK


@dataclass(frozen=True, slots=True)
class Found:
    """A file to read, and its size in bytes; or, with `why`, one that cannot be."""

    path: str
    size: int
    why: str = ""


def walk(paths: Sequence[str | os.PathLike[str]]) -> list[Found]:
    """The files at and below `paths`, each path once, folders sorted by name.

    Below a folder, hidden files and folders are left out, and so are lakes. A folder that is reached twice,
    as by a symbolic link to one above it, is walked once. A file whose name is also that of a member of an archive
    beside it gets a path of its own. Raises UsageError where a path does not exist.
    """
    found: dict[str, Found] = {}
    folders: set[tuple[int, int]] = set()
    for given in paths:
        path = os.fspath(given)
        if not Path(path).exists():
            raise UsageError(f"there is no {path!r}", fix="name a log file or a folder that exists")
        for file in _below(path, folders) if Path(path).is_dir() else [_file(path)]:
            found.setdefault(file.path, file)
    return [_apart(file, found) for file in found.values()]


def _apart(file: Found, found: dict[str, Found]) -> Found:
    """The file by a path that can be no member's name: './a!b' where there is a file 'a', which may be an archive."""
    path = file.path
    while (at := next((n for n, letter in enumerate(path) if letter == "!" and path[:n] in found), None)) is not None:
        start = path.rfind("/", 0, at) + 1
        path = f"{path[:start]}./{path[start:]}"
    return replace(file, path=path)


def _below(folder: str, seen: set[tuple[int, int]]) -> Iterator[Found]:
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        try:
            status = os.stat(path)  # noqa: PTH116  names may hold bytes that are no text
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield Found(path, 0, f"cannot be read: {error.strerror}")
            continue
        if any(entry.name == MARK for entry in entries):
            continue
        inner = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                inner.append(entry.path)
            else:
                yield _file(entry.path)
        waiting += reversed(inner)


def _file(path: str) -> Found:
    try:
        status = os.stat(path)  # noqa: PTH116  as above
    except OSError as error:
        return Found(path, 0, f"cannot be read: {error.strerror}")
    if not stat.S_ISREG(status.st_mode):
        return Found(path, 0, "not a regular file")
    return Found(path, status.st_size)
