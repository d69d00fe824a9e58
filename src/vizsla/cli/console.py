"""Where a command writes: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from vizsla.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_NARROWEST, _WIDE = 60, 200


def width() -> int:
    """Columns to write in: the terminal's; 100 for a file or pipe, unless COLUMNS says otherwise."""
    return max(_NARROWEST, min(_WIDE, shutil.get_terminal_size((100, 24)).columns))


def stdout() -> Console:
    """A console for results: no markup, no emoji names, no highlighting, so that event text stays text."""
    from rich.console import Console

    class Output(Console):
        """A reader that went away is told to the command, which ends as other programs do, not with an error."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return Output(markup=False, emoji=False, highlight=False, width=width(), soft_wrap=False)


def stderr() -> Console:
    """A console for what is said beside the results."""
    from rich.console import Console

    return Console(stderr=True, markup=False, emoji=False, highlight=False)


def show(*parts: RenderableType) -> None:
    """Print renderables on standard output."""
    console = stdout()
    for part in parts:
        console.print(part)


def say(text: str) -> None:
    """A line on standard error, written as it is: the caller has made it safe to show."""
    print(text, file=sys.stderr)


def write(chunks: Iterable[bytes], output: Path | None) -> None:
    """Bytes to standard output, or whole and at once to `output`: a reader never sees half a file.

    Raises UsageError where `output` is a folder or cannot be written.
    """
    if output is None:
        sys.stdout.flush()
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        return
    check_output(output)
    try:
        handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.", suffix=".part")
    except OSError as error:
        raise UsageError(
            f"cannot write here: {error.strerror}", where=str(output), fix="name another place with --output FILE"
        ) from error
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
        part.chmod(0o666 & ~_umask())
        part.replace(output)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    say(f"written: {output}")


def check_output(output: Path) -> None:
    """Refuse early what could not be written at the end of a long run."""
    if output.is_dir():
        raise UsageError("--output names a folder", where=str(output), fix="name a file in it, such as report.html")
    if not output.parent.is_dir():
        raise UsageError("the folder for --output does not exist", where=str(output.parent), fix="make it first")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
