"""Files read to their end, wherever that happens: in this process, in another, on another machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from vizsla.errors import SourceError, VizslaError
from vizsla.growing import Follow, Mark, goes_on
from vizsla.pieces import Piece, read_piece
from vizsla.reading import (
    WAITING,
    Alone,
    Done,
    Item,
    Reached,
    Refused,
    Resumed,
    Stamped,
    Unknown,
    read_file,
    read_files,
)

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Task:
    """A file to read.

    `known`: digests of logs of this size that the lake has in whole; None: no ledger is kept. `grows`: whether the
    file may grow; `marks`: where readings of logs that begin like it ended. `piece`: what of it to read, the whole
    file where None; `cut`: the file was read in pieces up to the mark, or in whole where there is none; its size
    and the time of its last change, in nanoseconds since 1970, before that.
    """

    path: str
    now: datetime
    source: str | None = None
    known: tuple[str, ...] | None = None
    size: int = 0  # bytes
    grows: bool = False
    marks: tuple[Mark, ...] = ()
    piece: Piece | None = None
    cut: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Same:
    """The file's content is in the lake already, under this digest."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Broken:
    """Reading stopped before the file's end."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Whole:
    """The file was read to its end. `digest` of its content; '' where it changed meanwhile or no ledger is kept."""

    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class Pieced:
    """A piece of the file was read to its end."""

    path: str


Told = Item | Same | Broken | Whole | Pieced
Reader = Callable[..., Iterator[Item]]  # as `read_file`
ManyReader = Callable[[Sequence[str], datetime, str | None], Iterator[Item | Alone]]
MANY = 256  # files read together, at the most


def groups(tasks: Sequence[Task], size: int) -> list[tuple[Task, ...]]:
    """Tasks in groups of at most `size` bytes or a single file, in order."""
    found: list[tuple[Task, ...]] = []
    group: list[Task] = []
    held = 0
    for task in tasks:
        if group and (held + task.size > size or len(group) == MANY):
            found.append(tuple(group))
            group, held = [], 0
        group.append(task)
        held += task.size
    return [*found, tuple(group)] if group else found


def perform(tasks: Sequence[Task], reader: Reader = read_file, many_reader: ManyReader = read_files) -> Iterator[Told]:
    """What is in the files; for each of them `Same`, `Broken` or `Whole`. What a file does to its reader is told.

    Several files are read together; where that fails for whatever cause, each is read by itself.
    """
    if len(tasks) == 1:
        yield from _one(tasks[0], reader) if tasks[0].piece is None else _piece(tasks[0], tasks[0].piece)
        return
    ready: dict[str, tuple[Task, str, tuple[int, int]]] = {}
    alone: list[Task] = []
    for task in tasks:
        if task.marks:
            alone.append(task)
            continue
        try:
            state, digest = state_of(task.path), digest_of(task.path) if task.known is not None else ""
        except OSError:
            alone.append(task)  # and told why
            continue
        if task.known is not None and digest in task.known:
            yield Same(task.path, digest)
        else:
            ready[task.path] = (task, digest, state)
    try:
        told = list(many_reader(list(ready), tasks[0].now, tasks[0].source)) if ready else []
    except BaseException as error:  # noqa: BLE001  `_cause` raises again what is no failure of reading
        _cause(error)
        alone += [task for task, _, _ in ready.values()]
        ready = {}
    else:
        for item in told:
            if isinstance(item, Alone):
                alone.append(ready.pop(item.path)[0])
            else:
                yield item
    for path, (_, digest, state) in ready.items():
        yield Whole(path, digest if _unchanged(path, state) else "")
    for task in alone:
        yield from _one(task, reader)


def _one(task: Task, reader: Reader) -> Iterator[Told]:
    digest = ""
    try:
        before = task.cut or state_of(task.path)
        if task.known is not None and (task.cut or not any(goes_on(task.path, mark) for mark in task.marks)):
            digest = digest_of(task.path)
            if digest in task.known:
                yield Same(task.path, digest)
                return
        if task.cut and not task.marks:  # all of it was read
            if not _unchanged(task.path, before):
                raise SourceError("the file was changed while it was read", where=task.path, fix="read it again")
            yield Whole(task.path, digest)
            return
        more = (Follow(task.marks),) if task.grows else ()
        for item in reader(task.path, task.now, task.source, *more):
            if isinstance(item, Done) and WAITING in dict(item.notes):
                digest = ""  # there is more of it than was read
            yield item
    except BaseException as error:  # noqa: BLE001  as above
        yield Broken(task.path, _cause(error))
    else:
        yield Whole(task.path, digest if _unchanged(task.path, before) else "")


def _piece(task: Task, piece: Piece) -> Iterator[Told]:
    try:
        yield from read_piece(task.path, piece, task.now)
    except BaseException as error:  # noqa: BLE001  as above
        yield Broken(task.path, _cause(error))
    else:
        yield Pieced(task.path)


def _cause(error: BaseException) -> str:
    """An error of reading in words; what is no such error is raised again."""
    if isinstance(error, VizslaError):
        return error.what
    if isinstance(error, MemoryError):
        return "the reader ran out of memory"
    if isinstance(error, Exception):
        return f"{type(error).__name__}: {error}"
    if type(error).__name__ == "PanicException":  # how a parser written in Rust gives up; a BaseException
        return f"its parser gave up: {error}"
    raise error


def _unchanged(path: str, state: tuple[int, int]) -> bool:
    try:
        return state_of(path) == state
    except OSError:
        return False


def digest_of(path: str) -> str:
    """SHA-256 of a file: nobody can make a file that passes for another."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  names may hold bytes that are no text
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


def state_of(path: str) -> tuple[int, int]:
    """A file's size and the time of its last change, in nanoseconds since 1970."""
    status = os.stat(path)  # noqa: PTH116  as above
    return status.st_size, status.st_mtime_ns


__all__ = [
    "Broken",
    "Done",
    "Pieced",
    "Reached",
    "Reader",
    "Refused",
    "Resumed",
    "Same",
    "Stamped",
    "Task",
    "Told",
    "Unknown",
    "Whole",
    "groups",
    "perform",
    "state_of",
]
