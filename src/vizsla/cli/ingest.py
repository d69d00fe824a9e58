"""`vizsla ingest`: logs into the lake."""

from __future__ import annotations

from typing import Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.options import (
    EngineName,
    EngineOption,
    LakeOption,
    MasterOption,
    SourceOption,
    engine_of,
    existing,
    lake_path,
)
from vizsla.cli.progress import ProgressBar


def ingest(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Logs: files, folders, archives.")],
    lake: LakeOption = None,
    source: SourceOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """Read logs into the lake. Reading the same logs again adds nothing."""
    name, master = engine_of(engine, master)
    where = lake_path(lake)
    existing(paths)
    guard.doing("starting")
    from vizsla.faces import python
    from vizsla.faces.footer import report_lines

    with ProgressBar() as progress:
        report = python.ingest(paths, where, engine=name, master=master, source=source, progress=progress)
    for line in report_lines(report):
        print(line)
    console.say(f"lake: {where}")
    raise typer.Exit(guard.DAMAGED if report.damaged else guard.DONE)
