"""One file read to its end, wherever that happens: in this process, in another, on another machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from vizsla.errors import VizslaError
from vizsla.reading import Done, Item, Refused, Stamped, Unknown, read_file

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Task:
    """A file to read. `known`: digests of logs of this size that the lake has in whole; None: no ledger is kept."""

    path: str
    now: datetime
    source: str | None = None
    known: tuple[str, ...] | None = None


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


Told = Item | Same | Broken | Whole
Reader = Callable[[str, datetime, str | None], Iterator[Item]]


def perform(task: Task, reader: Reader = read_file) -> Iterator[Told]:
    """What is in the file; `Same`, `Broken` or `Whole` comes last. What a file does to its reader is told."""
    digest = ""
    try:
        before = _state(task.path)
        if task.known is not None:
            digest = digest_of(task.path)
            if digest in task.known:
                yield Same(task.path, digest)
                return
        yield from reader(task.path, task.now, task.source)
        whole = digest if _state(task.path) == before else ""
    except VizslaError as error:
        yield Broken(task.path, error.what)
    except MemoryError:
        yield Broken(task.path, "the reader ran out of memory")
    except Exception as error:  # noqa: BLE001  told in the run's report, with the file's name
        yield Broken(task.path, f"{type(error).__name__}: {error}")
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # how a parser written in Rust gives up; a BaseException
            raise
        yield Broken(task.path, f"its parser gave up: {error}")
    else:
        yield Whole(task.path, whole)


def digest_of(path: str) -> str:
    """SHA-256 of a file: nobody can make a file that passes for another."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123  names may hold bytes that are no text
        while data := file.read(_CHUNK):
            digest.update(data)
    return digest.hexdigest()


def _state(path: str) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116  as above
    return status.st_size, status.st_mtime_ns


__all__ = ["Broken", "Done", "Reader", "Refused", "Same", "Stamped", "Task", "Told", "Unknown", "Whole", "perform"]
