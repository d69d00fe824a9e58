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
    span,
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
    str | None, typer.Option("--version", metavar="V", help="This version, or its name; default: the one in use.")
]
WindowOption = Annotated[
    str | None, typer.Option("--window", metavar="SPAN", help="Forget what is older, from the newest day on: 90d.")
]
HalfLifeOption = Annotated[
    str | None,
    typer.Option("--half-life", metavar="SPAN", help="Forget little by little: of days so old half are left: 30d."),
]
AsOption = Annotated[str | None, typer.Option("--as", metavar="TAG", help="Name this version: NAME@TAG means it.")]
NameOption = Annotated[str, typer.Option("--name", metavar="NAME", help="What to call it.")]


def learn(
    paths: PathsArgument = None,
    name: NameOption = "default",
    lake: LakeOption = None,
    host: HostOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    rules: RulesOption = None,
    window: WindowOption = None,
    half_life: HalfLifeOption = None,
    tag: AsOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """Learn what is normal. `vizsla hunt --baseline NAME` uses it."""
    forgets = _forgets(window, half_life)
    _learn(paths, name, lake, host, since, until, rules, engine, master, forgets, tag=tag, update=False)


def update(
    paths: PathsArgument = None,
    name: NameOption = "default",
    lake: LakeOption = None,
    host: HostOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    rules: RulesOption = None,
    learn_all: Annotated[
        bool,
        typer.Option("--learn-all", help="Learn what stands out, too, and all that was withheld from earlier updates."),
    ] = False,
    window: WindowOption = None,
    half_life: HalfLifeOption = None,
    tag: AsOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """Add what is new to a baseline, as its next version.

    Logs named are read first; then what the lake got since the baseline was learnt is added to its counts, without
    reading again what it knows. It stays about its host and times; a later --until takes in what lies between, any
    other --host, --since or --until learns from all events again.

    What stands out among the new is not learnt until you say that it is benign: so nobody teaches the baseline an
    intrusion.
    """
    forgets = _forgets(window, half_life)
    _learn(
        paths, name, lake, host, since, until, rules, engine, master, forgets, tag=tag, update=True, learn_all=learn_all
    )


def _forgets(window: str | None, half_life: str | None) -> tuple[float | None, float | None]:
    """`--window` and `--half-life` in days."""
    asked = ((window, "--window"), (half_life, "--half-life"))
    found = [None if text is None else span(text, option).total_seconds() / 86_400 for text, option in asked]
    return found[0], found[1]


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
    forgets: tuple[float | None, float | None],
    *,
    tag: str | None,
    update: bool,
    learn_all: bool = False,
) -> None:
    start, end = period(since, until)
    computes, master = engine_of(engine, master)
    where = lake_path(lake)
    existing(paths or ())
    guard.doing("starting")
    from vizsla.faces import python
    from vizsla.faces.footer import report_lines
    from vizsla.safe import visible

    more = {"learn_all": learn_all} if update else {}
    with ProgressBar() as progress:
        learnt = (python.update if update else python.learn)(
            paths or (),
            where,
            name=name,
            host=host,
            since=start,
            until=end,
            rules=existing(rules or ()),
            window=forgets[0],
            half_life=forgets[1],
            engine=computes,
            master=master,
            progress=progress,
            **more,
        )
    if tag is not None:
        _store(where).tag(name, tag, learnt.baseline.version)
    print(f"Baseline {learnt.baseline.name}, version {learnt.baseline.version}.")
    for line in (*map(visible, learnt.says), *report_lines(learnt.report)):
        print(line)
    console.say(f"lake: {visible(where)}")
    raise typer.Exit(guard.DAMAGED if learnt.report.damaged else guard.DONE)


def list_(lake: LakeOption = None) -> None:
    """Every baseline, its versions, and what each rests on."""
    _print(_store(lake).table())


def show(name: NameArgument, version: VersionOption = None, lake: LakeOption = None) -> None:
    """What a baseline holds: event types, fields, hosts; what it has not learnt, and what drifted."""
    from vizsla.baseline.store import about, describe
    from vizsla.safe import visible

    store = _store(lake)
    chosen = store.load(name, None if version is None else store.version_of(name, version))
    _print(describe(chosen))
    for line in about(store, chosen):
        print(visible(line))


def diff(
    name: NameArgument,
    older: Annotated[
        str | None, typer.Option("--from", metavar="V", help="This version; default: the one before.")
    ] = None,
    newer: Annotated[
        str | None, typer.Option("--to", metavar="V", help="With this one; default: the one in use.")
    ] = None,
    lake: LakeOption = None,
) -> None:
    """What changed between two versions of a baseline."""
    from vizsla.baseline.store import diff as compare

    store = _store(lake)
    after = store.current(name) if newer is None else store.version_of(name, newer)
    earlier = [v for v in store.versions(name) if v < after]
    if older is None and not earlier:
        raise UsageError(
            f"version {after} of {name!r} has none before it", fix="`vizsla learn` again makes the next version"
        )
    before = earlier[-1] if older is None else store.version_of(name, older)
    _print(compare(store.load(name, before), store.load(name, after)))


def rollback(
    name: NameArgument,
    to: Annotated[
        str | None, typer.Option("--to", metavar="V", help="The version, or its name; default: the one before.")
    ] = None,
    lake: LakeOption = None,
) -> None:
    """Go back to an earlier version; later ones stay."""
    store = _store(lake)
    back = store.rollback(name, None if to is None else store.version_of(name, to))
    print(f"Baseline {name} is now at version {back}.")


def tag(
    name: NameArgument,
    tag: Annotated[str, typer.Argument(metavar="TAG", help="What to call the version.")],
    version: VersionOption = None,
    lake: LakeOption = None,
) -> None:
    """Name a version: NAME@TAG means it from then on."""
    store = _store(lake)
    chosen = store.tag(name, tag, None if version is None else store.version_of(name, version))
    print(f"Version {chosen} of {name} is now {name}@{tag}.")


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
    ("tag", tag),
):
    app.command(_name)(guard.guarded(_command))
