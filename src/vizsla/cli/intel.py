"""`vizsla intel`: indicators kept beside the lake, their feeds, and what silences them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.options import LakeOption, existing, lake_path
from vizsla.cli.progress import ProgressBar

if TYPE_CHECKING:
    from vizsla.intel.add import Added
    from vizsla.intel.store import Store

app = typer.Typer(
    help="Indicators: add feeds, list what is known, keep what is harmless out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
_TOLD = 10


def add(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Feeds, reports, lists; folders are walked.")],
    feed: Annotated[
        str | None,
        typer.Option("--feed", metavar="NAME", help="What to call it; default: the file's or folder's name."),
    ] = None,
    confidence: Annotated[
        int | None, typer.Option("--confidence", min=0, max=100, help="Of claims that state none.")
    ] = None,
    tlp: Annotated[str | None, typer.Option("--tlp", metavar="COLOUR", help="Of claims that state none.")] = None,
    valid_days: Annotated[
        int | None, typer.Option("--valid-days", min=1, max=36500, help="How long claims hold that set no end.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="Read as this format; default: what the content says."),
    ] = None,
    lake: LakeOption = None,
) -> None:
    """Add indicators from files and folders. Adding the same again changes nothing."""
    existing(paths)
    from datetime import UTC, datetime

    from vizsla.intel import add as adding

    with ProgressBar() as progress:
        done = adding.add(
            _store(lake, create=True),
            paths,
            now=datetime.now(UTC),
            feed=feed,
            format=format,
            terms=_terms(confidence, tlp, valid_days),
            progress=progress,
        )
    _tell(done)
    raise typer.Exit(guard.DAMAGED if done.failed else guard.DONE)


def _terms(confidence: int | None, tlp: str | None, valid_days: int | None):  # type: ignore[no-untyped-def]
    from vizsla.intel.rows import Terms

    return Terms(confidence, tlp or "", valid_days)


def _tell(done: Added) -> None:
    from vizsla.faces.words import counted
    from vizsla.safe import visible

    change = done.account.claims
    print(
        f"{counted(done.account.said, 'claim')} in {counted(len(done.read), 'file')}: {change.new:,} new, "
        f"{change.changed:,} changed, {change.known:,} known, {change.older:,} older than what is held."
    )
    for file in done.failed:
        console.say(f"not read to its end: {visible(file.path)}: {visible(file.why)}")
    for file in done.unknown:
        console.say(f"of unknown kind: {visible(file.path)}")
    for file in done.read:
        for one in file.told[:_TOLD]:
            console.say(f"refused: {visible(file.path)}: {visible(one.place)}: {visible(one.reason)}")


def list_(lake: LakeOption = None) -> None:
    """The indicators that are known."""
    from datetime import UTC, datetime

    from vizsla.faces.arrow import renderable
    from vizsla.intel.active import standing

    console.show(renderable(standing(_store(lake), datetime.now(UTC)), console.width()))


def _store(lake: str | None, *, create: bool = False) -> Store:
    from vizsla.faces.python import open_lake
    from vizsla.intel.store import Store

    return Store(open_lake(lake_path(lake), create=create))


app.command("add")(guard.guarded(add))
app.command("list")(guard.guarded(list_))
