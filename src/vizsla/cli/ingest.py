"""`vizsla ingest`: logs into the lake."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from vizsla.nouns import RunReport


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

    tables = _tables(where)
    with ProgressBar() as progress:
        report = python.ingest(paths, where, engine=name, master=master, source=source, progress=progress)
    for line in [*report_lines(report), *_seen(report, where, tables)]:
        print(line)
    console.say(f"lake: {where}")
    raise typer.Exit(guard.DAMAGED if report.damaged else guard.DONE)


def _tables(where: str) -> tuple[str, ...]:
    """The lake's tables before the ingest; none where the lake is yet to be made."""
    from vizsla.faces import python

    return python.open_lake(where).tables() if Path(where).expanduser().is_dir() and any(Path(where).iterdir()) else ()


def _seen(report: RunReport, where: str, before: tuple[str, ...]) -> list[str]:
    """What the lake's hosts and hours look like now; nothing where nothing was stored."""
    if not any(reading.stored for reading in report.readings):
        return []
    from vizsla.faces import python
    from vizsla.faces.coverage import after_ingest

    guard.doing("looking at hosts and hours")
    return after_ingest(python.survey(lake=where, quick=True), before)
