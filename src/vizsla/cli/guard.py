"""What every command does about errors: says them in words, never as a traceback, and leaves by the right exit code."""

from __future__ import annotations

import errno
import functools
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import typer

from vizsla.cli import console
from vizsla.errors import VizslaError
from vizsla.safe import visible

FULL = (errno.ENOSPC, errno.EDQUOT)
DONE, FOUND, USAGE, DAMAGED, BROKEN, STOPPED, PIPE = 0, 1, 2, 3, 70, 130, 141

P = ParamSpec("P")
R = TypeVar("R")

_where = ["starting"]


def doing(what: str) -> None:
    """Remember what is being done, so that Ctrl-C can say where it stopped."""
    _where[0] = what


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """A command whose errors are told as what, where and what to do."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except VizslaError as error:
            tell(error)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            console.say(
                f"\nstopped while at: {visible(_where[0])}\n"
                "What had been stored is kept: the same command goes on from there."
            )
            raise typer.Exit(STOPPED) from error
        except BrokenPipeError as error:
            silence()
            raise typer.Exit(PIPE) from error
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if type(error).__module__.startswith(("typer", "click")):
                raise  # a usage error of the command-line parser, which says it well itself
            if isinstance(error, OSError) and error.errno in FULL:
                tell(full(error))
                raise typer.Exit(USAGE) from error
            unexpected(error)
            raise typer.Exit(BROKEN) from error

    return run


def full(error: OSError) -> VizslaError:
    """A disk without space, in words."""
    where = f"temporary files: {tempfile.gettempdir()}" if error.filename is None else str(error.filename)
    advice = "free some, or name a folder with more for temporary files in TMPDIR; then run it again"
    return VizslaError("no space is left on the disk", where=where, fix=advice)


def tell(error: VizslaError) -> None:
    """What, where and what to do, on standard error."""
    console.say(f"vizsla: {visible(error.what)}")
    if error.where:
        console.say(f"  where: {visible(error.where)}")
    if error.fix:
        console.say(f"  what to do: {visible(error.fix)}")


def unexpected(error: BaseException) -> None:
    """An error that nobody foresaw: one line that asks for a report; the traceback only under VIZSLA_DEBUG=1."""
    if os.environ.get("VIZSLA_DEBUG") == "1":
        traceback.print_exception(error)
        return
    text = visible(str(error))[:300]
    console.say(
        f"vizsla: a defect in Vizsla, not in your logs: {type(error).__name__}: {text} (while {visible(_where[0])}). "
        "Please report it with what VIZSLA_DEBUG=1 prints."
    )


def unread() -> bool:
    """Whether the reader of standard output went away, as `head` does; what is left then goes nowhere."""
    # The parser of the command line swaps the streams for ones that hide it, and leaves with 1.
    hidden = any(type(stream).__name__ == "PacifyFlushWrapper" for stream in (sys.stdout, sys.stderr))
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        hidden = True
    if hidden:
        silence()
    return hidden


def silence() -> None:
    """Nobody reads standard output any more: send what is left to nowhere, so that Python's exit says nothing."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.__stdout__.fileno() if sys.__stdout__ else 1)
    os.close(nowhere)
