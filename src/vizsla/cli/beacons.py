"""`vizsla beacons`: who calls home."""

from __future__ import annotations

from typing import Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.explore import FormatOption, deliver
from vizsla.cli.hunt import lake_of
from vizsla.cli.options import (
    EngineName,
    EngineOption,
    HostOption,
    LakeOption,
    MasterOption,
    OutputOption,
    SinceOption,
    UntilOption,
    engine_of,
    existing,
    period,
)
from vizsla.cli.progress import ProgressBar

TOP = 30


def beacons(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Logs: files, folders, archives. None: the lake.")
    ] = None,
    top: Annotated[int, typer.Option("--top", metavar="N", help="At most N beacons.", min=1)] = TOP,
    host: HostOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    lake: LakeOption = None,
    format: FormatOption = None,
    output: OutputOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """Who calls home: pairs that keep to a period, the likeliest implant first.

    Connections, names asked for through TLS, HTTP and proxies, and look-ups of processes; over all days at once.
    """
    start, end = period(since, until)
    name, master = engine_of(engine, master)
    where = lake_of(existing(paths or ()), lake)
    if output is not None:
        console.check_output(output)
    guard.doing("starting")
    from vizsla.beacon.run import run

    with ProgressBar() as progress:
        table = run(
            tuple(paths or ()), where, host=host, since=start, until=end, top=top, engine=name, master=master,
            progress=progress,
        )  # fmt: skip
    deliver(table, format, output)
