"""Progress on standard error, where that is a terminal; silence elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from vizsla.cli.guard import doing
from vizsla.safe import shortened, visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_LABEL = 44


class ProgressBar:
    """One bar per kind of work: call it as `progress(what, done, total)`; `total` None where nobody knows it.

    A context manager; the bars vanish at its end, so that a terminal keeps the results alone.
    """

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> ProgressBar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
            from rich.progress import TimeElapsedColumn as Elapsed

            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                Elapsed(),
                console=Console(stderr=True, markup=False, highlight=False),
                transient=True,
            )
            self._progress.start()
        return self

    def __call__(self, what: str, done: int = 0, total: int | None = None) -> None:
        """`done` of `total` units of `what` are done."""
        doing(what)
        if self._progress is None:
            return
        label = shortened(visible(what), _LABEL)
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(label, total=total)
        self._progress.update(self._tasks[what], completed=done, total=total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
