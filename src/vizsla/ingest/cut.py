"""Large files of a run, cut into pieces for several workers, and what the pieces tell put together again.

What a file's pieces tell comes in their order. Then its end is read: what may still grow, and its digest. Where a piece
cannot be read by itself (a damaged log, a file that changed), what was told is void and the file is read in one go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from vizsla.errors import SourceError
from vizsla.ingest.pool import Again
from vizsla.ingest.task import Broken, Pieced, Resumed, Same, Stamped, Task, Told, Whole, state_of
from vizsla.pieces import PIECE, Numbering, Plan, plan, worth_cutting


class _File:
    """A file that is cut."""

    def __init__(self, task: Task, plan: Plan, state: tuple[int, int]) -> None:
        self.task, self.plan, self.state = task, plan, state
        self.numbering = Numbering()
        self.failed = False
        self.key = ""  # of the mark behind its pieces


class Cut:
    """The files among `tasks` that are worth cutting, `tasks` without them, and how many pieces there are about."""

    def __init__(self, tasks: Sequence[Task], total: int, workers: int) -> None:
        self._files: dict[str, _File] = {}
        self._second = False  # the pieces were read, their files' ends are
        self.tasks: list[Task] = []
        for task in tasks:
            file = _cut(task) if worth_cutting(task.size, total, workers) else None
            if file is None:
                self.tasks.append(task)
            else:
                self._files[task.path] = file
        self.pieces = sum(file.task.size // PIECE for file in self._files.values())

    @property
    def paths(self) -> tuple[str, ...]:
        """The files that are cut."""
        return tuple(self._files)

    def groups(self) -> Iterator[tuple[Task]]:
        """The pieces, found as they are asked for."""
        for file in self._files.values():
            try:
                for piece in file.plan.pieces():
                    yield (replace(file.task, piece=piece),)
            except OSError:
                file.failed = True  # its reader will say why

    def after(self) -> Iterator[tuple[Task]]:
        """What is to be read when all pieces are."""
        self._second = True
        for file in self._files.values():
            try:
                mark = None if file.failed else file.plan.mark(file.numbering.packed())
            except OSError:
                file.failed, mark = True, None
            if file.failed or not file.plan.end:
                yield (file.task,)
                continue
            file.key = mark.key if mark is not None else ""
            yield (replace(file.task, marks=() if mark is None else (mark,), cut=file.state),)

    def told(self, stream: Iterator[Told | Again]) -> Iterator[Told | Again]:
        """What a run takes for what the workers tell."""
        for told in stream:
            yield from self._taken(told)

    def _taken(self, told: Told | Again) -> Iterator[Told | Again]:
        file = self._files.get(_path(told))
        if file is None or (self._second and not file.key):
            yield told
        elif self._second:
            key, file.key = file.key, ""
            if isinstance(told, Resumed) and told.key == key:
                return  # what was read before is counted already
            if not isinstance(told, Again):  # it is no longer the file that it was
                yield Again(file.task.path)
            yield told
        elif not file.failed:
            if isinstance(told, Broken):
                file.failed = True
                yield Again(file.task.path)
            elif isinstance(told, Stamped):
                yield replace(told, events=file.numbering.numbered(told.table, told.events))
            elif not isinstance(told, Pieced):
                yield told


def _cut(task: Task) -> _File | None:
    """A file that can be cut and was never read; another is read from where that ended, or known by its digest."""
    if task.known or task.marks:
        return None
    try:
        state = state_of(task.path)
        found = plan(task.path, task.source, grows=task.grows)
    except (OSError, SourceError):
        return None  # its reader will say why
    return None if found is None else _File(task, found, state)


def _path(told: Told | Again) -> str:
    """The file that something is told of: large logs lie in files of their own."""
    return told.path if isinstance(told, Same | Broken | Whole | Pieced | Again) else told.log
