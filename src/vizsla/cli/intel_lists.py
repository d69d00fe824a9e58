"""`vizsla intel allow` and `vizsla intel warninglists`: what is no indicator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.intel_feeds import the_store
from vizsla.cli.options import LakeOption, existing

warninglists_app = typer.Typer(
    help="Lists of what is no indicator, as MISP keeps them.", no_args_is_help=True, rich_markup_mode=None
)
_TOLD = 10


def allow(
    what: Annotated[
        str, typer.Argument(metavar="FILE|VALUE", help="A list (text or CSV: value, reason), or one value of your own.")
    ],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it is shown where it silences.")] = "",
    lake: LakeOption = None,
) -> None:
    """Silence indicators that are your own or known to be harmless: addresses, networks, domains and all below them."""
    from datetime import UTC, datetime

    from vizsla.errors import UsageError
    from vizsla.faces.words import counted
    from vizsla.intel import lists
    from vizsla.safe import visible

    store, now = the_store(lake, create=True), datetime.now(UTC)
    if _is_file(what):
        made, refused = lists.allow_file(store, Path(what), now)
        print(f"{counted(sum(len(one.entries) for one in made), 'entry', 'entries')} allowed.")
        _told([f"{one.place}: {one.reason}" for one in refused])
        raise typer.Exit(guard.DAMAGED if refused else guard.DONE)
    if refused := lists.allow_value(store, what, reason, now):
        raise UsageError(f"this cannot be allowed: {refused[0].reason}", where=what)
    print(f"{visible(what)} is allowed from now on.")


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def add(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Warning lists (JSON); folders are walked.")],
    lake: LakeOption = None,
) -> None:
    """Keep warning lists: from now on what they name is no indicator. One of the same name is replaced."""
    existing(paths)
    from vizsla.errors import FeedError
    from vizsla.faces.words import counted
    from vizsla.ingest.walk import walk
    from vizsla.intel import lists
    from vizsla.safe import visible

    store = the_store(lake, create=True)
    bad = 0
    for found in walk(paths):
        path = Path(found.path)
        if found.why:
            console.say(f"not read: {visible(found.path)}: {visible(found.why)}")
            bad += 1
        elif not lists.may_be(path):
            console.say(f"of unknown kind: {visible(found.path)}")
        else:
            try:
                made, refused = lists.add(store, path)
            except FeedError as error:
                console.say(f"refused: {visible(found.path)}: {visible(error.what)}")
                bad += 1
                continue
            print(f"{visible(made.name)}: {counted(len(made.entries), 'entry', 'entries')}")
            _told([f"{one.place}: {one.reason}" for one in refused])
    raise typer.Exit(guard.DAMAGED if bad else guard.DONE)


def list_(lake: LakeOption = None) -> None:
    """The lists that silence indicators: the team's, the general ones, and warning lists, in the order they speak."""
    import pyarrow as pa

    from vizsla.faces.arrow import renderable
    from vizsla.intel import lists

    rows = [
        {
            "name": one.name,
            "of": {"allow": "the team", "general": "Vizsla"}.get(one.origin, "added"),
            "kind": one.kind,
            "entries": f"{len(one.entries):,}",
            "about": ", ".join(one.types) or "all types",
            "version": one.version or None,
        }
        for one in lists.kept(the_store(lake))
    ]
    console.show(renderable(pa.Table.from_pylist(rows), console.width()))


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `warninglists list` shows it.")],
    lake: LakeOption = None,
) -> None:
    """Keep a warning or allow list no longer."""
    from vizsla.errors import UsageError
    from vizsla.intel import lists
    from vizsla.safe import visible

    if not lists.remove(the_store(lake), name):
        raise UsageError("no list that was added has this name", where=name, fix="`vizsla intel warninglists list`")
    print(f"{visible(name)} is kept no longer.")


def _told(lines: list[str]) -> None:
    from vizsla.safe import visible

    for line in lines[:_TOLD]:
        console.say(f"refused: {visible(line)}")
    if len(lines) > _TOLD:
        console.say(f"refused: and {len(lines) - _TOLD:,} more")


warninglists_app.command("add")(guard.guarded(add))
warninglists_app.command("list")(guard.guarded(list_))
warninglists_app.command("remove")(guard.guarded(remove))
