"""`vizsla baseline` and `vizsla learn`: what was learnt to be normal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.options import (
    EngineName,
    EngineOption,
    HostOption,
    LakeOption,
    MasterOption,
    RulesOption,
    SinceOption,
    UntilOption,
    engine_of,
    existing,
    lake_path,
    period,
)
from vizsla.cli.progress import ProgressBar
from vizsla.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from vizsla.baseline import BaselineStore

app = typer.Typer(help="Learn, update and compare what is normal.", no_args_is_help=True, rich_markup_mode=None)

PathsArgument = Annotated[
    list[str] | None, typer.Argument(metavar="PATH", help="Logs to ingest first. None: what the lake holds.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The baseline; see `vizsla baseline list`.")]
VersionOption = Annotated[
    int | None, typer.Option("--version", metavar="V", help="This version; default: the one in use.")
]
NameOption = Annotated[str, typer.Option("--name", metavar="NAME", help="What to call it.")]


def learn(
    paths: PathsArgument = None,
    name: NameOption = "default",
    lake: LakeOption = None,
    host: HostOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    rules: RulesOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """Learn what is normal. `vizsla hunt --baseline NAME` uses it."""
    _learn(paths, name, lake, host, since, until, rules, engine, master, update=False)


def update(
    paths: PathsArgument = None,
    name: NameOption = "default",
    lake: LakeOption = None,
    host: HostOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    rules: RulesOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """Add what is new to a baseline, as its next version.

    Logs named are read first; then what the lake got since the baseline was learnt is added to its counts, without
    reading again what it knows. It stays about its host and times; a later --until takes in what lies between, any
    other --host, --since or --until learns from all events again.
    """
    _learn(paths, name, lake, host, since, until, rules, engine, master, update=True)


def _learn(
    paths: list[str] | None,
    name: str,
    lake: str | None,
    host: str | None,
    since: str | None,
    until: str | None,
    rules: list[str] | None,
    engine: EngineName,
    master: str | None,
    *,
    update: bool,
) -> None:
    start, end = period(since, until)
    computes, master = engine_of(engine, master)
    where = lake_path(lake)
    existing(paths or ())
    guard.doing("starting")
    from vizsla.faces import python
    from vizsla.faces.footer import report_lines
    from vizsla.safe import visible

    with ProgressBar() as progress:
        learnt = (python.update if update else python.learn)(
            paths or (),
            where,
            name=name,
            host=host,
            since=start,
            until=end,
            rules=existing(rules or ()),
            engine=computes,
            master=master,
            progress=progress,
        )
    print(f"Baseline {learnt.baseline.name}, version {learnt.baseline.version}.")
    for line in (*map(visible, learnt.says), *report_lines(learnt.report)):
        print(line)
    console.say(f"lake: {visible(where)}")
    raise typer.Exit(guard.DAMAGED if learnt.report.damaged else guard.DONE)


def list_(lake: LakeOption = None) -> None:
    """Every baseline, its versions, and what each rests on."""
    _print(_store(lake).table())


def show(name: NameArgument, version: VersionOption = None, lake: LakeOption = None) -> None:
    """What a baseline holds: event types, fields, hosts."""
    from vizsla.baseline.store import describe

    _print(describe(_store(lake).load(name, version)))


def diff(
    name: NameArgument,
    older: Annotated[
        int | None, typer.Option("--from", metavar="V", help="This version; default: the one before.")
    ] = None,
    newer: Annotated[
        int | None, typer.Option("--to", metavar="V", help="With this one; default: the one in use.")
    ] = None,
    lake: LakeOption = None,
) -> None:
    """What changed between two versions of a baseline."""
    from vizsla.baseline.store import diff as compare

    store = _store(lake)
    after = store.current(name) if newer is None else newer
    earlier = [v for v in store.versions(name) if v < after]
    if older is None and not earlier:
        raise UsageError(
            f"version {after} of {name!r} has none before it", fix="`vizsla learn` again makes the next version"
        )
    _print(compare(store.load(name, earlier[-1] if older is None else older), store.load(name, after)))


def rollback(
    name: NameArgument,
    to: Annotated[int | None, typer.Option("--to", metavar="V", help="The version; default: the one before.")] = None,
    lake: LakeOption = None,
) -> None:
    """Go back to an earlier version; later ones stay."""
    print(f"Baseline {name} is now at version {_store(lake).rollback(name, to)}.")


def _store(lake: str | None) -> BaselineStore:
    from vizsla.baseline import BaselineStore
    from vizsla.faces.python import open_lake

    return BaselineStore(open_lake(lake_path(lake)))


def _print(table: pa.Table) -> None:
    from vizsla.faces.arrow import renderable

    console.show(renderable(table, console.width()))


for _name, _command in (
    ("learn", learn),
    ("update", update),
    ("list", list_),
    ("show", show),
    ("diff", diff),
    ("rollback", rollback),
):
    app.command(_name)(guard.guarded(_command))
