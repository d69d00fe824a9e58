"""`vizsla demo`: a simulated company with a hidden intruder, from logs to report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.progress import ProgressBar

_LISTED = 12


def demo(
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Where the logs, the lake and the report go.")
    ] = Path("vizsla-demo"),
    hosts: Annotated[int, typer.Option(metavar="N", help="Computers of the company.", min=2)] = 12,
    days: Annotated[int, typer.Option(metavar="D", help="Days of logs.", min=2)] = 6,
    seed: Annotated[int, typer.Option(metavar="S", help="Another company, another intruder.")] = 7,
    intruder: Annotated[bool, typer.Option("--intruder/--no-intruder", help="Whether there is one.")] = True,
) -> None:
    """A simulated company with a hidden intruder.

    From logs to report; says at which rank the intruder stands.
    """
    guard.doing("building the company")
    from vizsla.faces.demo import introduction, run
    from vizsla.faces.table import parts

    for line in introduction(hosts, days, intruder=intruder):
        console.say(line)
    with ProgressBar() as progress:
        told = run(folder, hosts=hosts, days=days, seed=seed, intruder=intruder, progress=progress)
    console.show(*parts(told.result, console.width(), ask=False, most=_LISTED, more="the report holds them all"))
    for line in told.lines:
        print(line)
