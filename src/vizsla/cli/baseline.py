"""`vizsla baseline` and `vizsla learn`: what was learnt to be normal."""

from __future__ import annotations

from typing import Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.options import (
    EngineName,
    EngineOption,
    HostOption,
    LakeOption,
    MasterOption,
    SinceOption,
    UntilOption,
    engine_of,
    existing,
    lake_path,
    period,
)
from vizsla.cli.progress import ProgressBar

app = typer.Typer(help="Learn, update and compare what is normal.", no_args_is_help=True, rich_markup_mode=None)

PathsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="PATH", help="Logs to ingest first. None: what the lake holds.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The baseline; see `vizsla baseline list`.")]
NameOption = Annotated[str, typer.Option("--name", metavar="NAME", help="What to call it.")]


def learn(
    paths: PathsArgument = None,
    name: NameOption = "default",
    lake: LakeOption = None,
    host: HostOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """Learn what is normal. `vizsla hunt --baseline NAME` uses it."""
    _learn(paths, name, lake, host, since, until, engine, master, update=False)


def update(
    paths: PathsArgument = None,
    name: NameOption = "default",
    lake: LakeOption = None,
    host: HostOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """Add newer events to a baseline, as its next version."""
    _learn(paths, name, lake, host, since, until, engine, master, update=True)


def _learn(
    paths: list[str] | None,
    name: str,
    lake: str | None,
    host: str | None,
    since: str | None,
    until: str | None,
    engine: EngineName,
    master: str | None,
    *,
    update: bool,
) -> None:
    start, end = period(since, until)
    computes, master = engine_of(engine, master)
    where = lake_path(lake)
    guard.doing("starting")
    from vizsla.faces import python

    with ProgressBar() as progress:
        learnt = python.learn(
            existing(paths or ()),
            where,
            name=name,
            host=host,
            since=start,
            until=end,
            engine=computes,
            master=master,
            update=update,
            progress=progress,
        )
    for line in python.learnt_lines(learnt, name):
        print(line)
    console.say(f"lake: {where}")


def list_(lake: LakeOption = None) -> None:
    """Every baseline, its versions, and what each rests on."""
    from vizsla.faces import arrow, python

    console.show(arrow.renderable(python.baselines(lake_path(lake)), console.width()))


def show(name: NameArgument, lake: LakeOption = None) -> None:
    """What a baseline holds: event types, fields, hosts and days."""
    from vizsla.faces import arrow, python

    console.show(arrow.renderable(python.baseline(name, lake_path(lake)), console.width()))


def diff(
    name: NameArgument,
    older: Annotated[
        int | None, typer.Option("--from", metavar="V", help="This version; default: the one before.")
    ] = None,
    newer: Annotated[int | None, typer.Option("--to", metavar="V", help="With this one; default: the latest.")] = None,
    lake: LakeOption = None,
) -> None:
    """What changed between two versions of a baseline."""
    from vizsla.faces import arrow, python

    console.show(arrow.renderable(python.baseline_diff(name, lake_path(lake), older, newer), console.width()))


def rollback(
    name: NameArgument,
    to: Annotated[int | None, typer.Option("--to", metavar="V", help="The version; default: the one before.")] = None,
    lake: LakeOption = None,
) -> None:
    """Go back to an earlier version of a baseline; later ones stay on disk."""
    from vizsla.faces import python

    version = python.baseline_rollback(name, lake_path(lake), to)
    print(f"baseline {name} is now at version {version}")


for _name, _command in (
    ("learn", learn),
    ("update", update),
    ("list", list_),
    ("show", show),
    ("diff", diff),
    ("rollback", rollback),
):
    app.command(_name)(guard.guarded(_command))
