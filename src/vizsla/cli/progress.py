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
    """One bar: call it as `progress(done, total, what)`; `total` 0 where nobody knows it.

    A context manager; the bar vanishes at its end, so that a terminal keeps the results alone.
    """

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> ProgressBar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
            from rich.progress import TimeElapsedColumn as Elapsed

            self._progress = Progress(
                SpinnerColumn(),
                BarColumn(bar_width=24),
                TaskProgressColumn(text_format="{task.percentage:>3.0f}%", markup=False),
                Elapsed(),
                TextColumn("{task.description}", markup=False),
                console=Console(stderr=True, markup=False, highlight=False),
                transient=True,
            )
            self._progress.start()
            self._task = self._progress.add_task("", total=None)
        return self

    def __call__(self, done: int, total: int, what: str) -> None:
        """`done` of `total` are done, and `what` is being worked on."""
        doing(what)
        if self._progress is not None and self._task is not None:
            label = shortened(visible(what), _LABEL)
            self._progress.update(self._task, description=label, completed=done, total=total or None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
