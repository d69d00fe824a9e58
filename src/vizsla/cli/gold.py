"""`vizsla gold`: what is new, missing or altered on hosts, against a gold image."""

from __future__ import annotations

from typing import Annotated

import typer

from vizsla.cli import guard
from vizsla.cli.explore import FormatOption, RowsOption, deliver
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
    lake_path,
    period,
)


def gold(
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="Only these: services, tasks, autoruns, drivers, software, shares, accounts, ports, …"
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="HOST|FOLDER", help="The gold image: a host, another lake, or a folder of logs and snapshots."
        ),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="G", help="Only hosts of this group; the column group names them."),
    ] = None,
    host: HostOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    top: RowsOption = 50,
    lake: LakeOption = None,
    format: FormatOption = None,
    output: OutputOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """What is new, missing or altered on hosts, against a gold image.

    Where none is given, it is what most hosts of a group hold.
    """
    from vizsla.gold.look import kinds_named, looked

    start, end = period(since, until)
    kinds = kinds_named(kind)
    name, master = engine_of(engine, master)
    from vizsla.engines import connect
    from vizsla.lake import Lake

    guard.doing("comparing hosts")
    with connect(name, master) as computing:
        table = looked(Lake.open(lake_path(lake)), computing, kinds=kinds, group=group, image=image, host=host,
                       since=start, until=end)  # fmt: skip
    deliver(table.slice(0, top), format, output)
