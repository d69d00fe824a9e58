"""`vizsla intel add` and `pull`: feeds from files and servers. Nothing is fetched that was not asked for."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.options import LakeOption, existing, lake_path
from vizsla.cli.progress import ProgressBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vizsla.intel.add import Added
    from vizsla.intel.rows import Terms
    from vizsla.intel.store import Account, Store
    from vizsla.nouns.indicator import Refused

attack_app = typer.Typer(help="ATT&CK, at hand offline.", no_args_is_help=True, rich_markup_mode=None)
_TOLD = 10


class Server(StrEnum):
    """What answers at an address."""

    TAXII = "taxii"
    MISP = "misp"


class Tlp(StrEnum):
    """Who may see it."""

    CLEAR = "clear"
    GREEN = "green"
    AMBER = "amber"
    STRICT = "amber+strict"
    RED = "red"


def add(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH|URL", help="Feeds, reports, lists; folders are walked. A URL: with --kind."),
    ],
    feed: Annotated[
        str | None,
        typer.Option("--feed", metavar="NAME", help="What to call it; default: the file's or folder's name."),
    ] = None,
    confidence: Annotated[
        int | None, typer.Option("--confidence", min=0, max=100, help="Of claims that state none.")
    ] = None,
    tlp: Annotated[Tlp | None, typer.Option("--tlp", help="Of claims that state none.")] = None,
    valid_days: Annotated[
        int | None,
        typer.Option("--valid-days", min=1, max=36500, metavar="N", help="How long claims hold that set no end."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option("--format", metavar="NAME", help="Read as this format; default: what the content says."),
    ] = None,
    kind: Annotated[Server | None, typer.Option("--kind", help="What answers at the address given.")] = None,
    every: Annotated[
        float, typer.Option("--every", min=0.1, metavar="HOURS", help="How often `pull` is meant to ask a server.")
    ] = 24.0,
    lake: LakeOption = None,
) -> None:
    """Add indicators from files and folders, or a server for `pull` to ask. Adding the same again changes nothing."""
    from vizsla.intel.rows import Terms

    terms = Terms(confidence, tlp.value if tlp else "", valid_days)
    addresses = [path for path in paths if "://" in path]
    files = [path for path in paths if "://" not in path]
    existing(files)
    for address in addresses:
        _add_server(address, feed, kind, terms, every, lake)
    if files:
        _add_files(files, feed, format, terms, lake)


def _add_server(
    address: str, feed: str | None, kind: Server | None, terms: Terms, every: float, lake: str | None
) -> None:
    from datetime import UTC, datetime

    from vizsla.errors import UsageError
    from vizsla.intel import kept
    from vizsla.safe import visible

    if kind is None:
        raise UsageError("what answers at this address?", where=address, fix="add --kind taxii or --kind misp")
    name = kept.add_server(
        the_store(lake, create=True), address, kind.value, now=datetime.now(UTC), name=feed, terms=terms, every=every
    )
    print(f"{visible(name)} is known; nothing was fetched. `vizsla intel pull` asks it.")


def _add_files(paths: list[str], feed: str | None, format: str | None, terms: Terms, lake: str | None) -> None:
    from datetime import UTC, datetime

    guard.doing("starting")
    from vizsla.intel import add as adding

    with ProgressBar() as progress:
        done = adding.add(
            the_store(lake, create=True),
            paths,
            now=datetime.now(UTC),
            feed=feed,
            format=format,
            terms=terms,
            progress=progress,
        )
    _tell(done)
    raise typer.Exit(guard.DAMAGED if done.failed else guard.DONE)


def pull(
    feeds: Annotated[
        list[str] | None, typer.Argument(metavar="FEED", help="Only these; default: every server that was added.")
    ] = None,
    lake: LakeOption = None,
) -> None:
    """Ask the servers that were added for what is new since the last time."""
    from datetime import UTC, datetime

    guard.doing("starting")
    from vizsla.intel import pull as pulling
    from vizsla.safe import visible

    store = the_store(lake)
    failed = False
    for name in pulling.wanted(store, feeds or ()):
        guard.doing(f"pulling {name}")
        done = pulling.pull(store, name, datetime.now(UTC))
        print(f"{visible(name)}: {_change(done.account)}")
        for one in done.account.told[:_TOLD]:
            console.say(f"refused: {visible(name)}: {visible(one.place)}: {visible(one.reason)}")
        if done.error is not None:
            guard.tell(done.error)
            failed = True
    raise typer.Exit(guard.DAMAGED if failed else guard.DONE)


def _change(account: Account) -> str:
    from vizsla.faces.words import counted

    change = account.claims
    said = f"{counted(account.said, 'claim')}: {change.new:,} new, {change.changed:,} changed, {change.known:,} known"
    said += f", {change.older:,} older than what is held" if change.older else ""
    return said + (f"; {account.refused:,} refused" if account.refused else "") + "."


def _tell(done: Added) -> None:
    from vizsla.faces.words import counted
    from vizsla.safe import visible

    print(f"{counted(len(done.read), 'file')} read: {_change(done.account)}")
    for file in done.failed:
        console.say(f"not read to its end: {visible(file.path)}: {visible(file.why)}")
    for file in done.unknown:
        console.say(f"of unknown kind: {visible(file.path)}{f' ({file.note})' if file.note else ''}")
    _tell_refused([(Path(file.path).name, one) for file in done.read for one in file.told], done.account.refused)


def _tell_refused(told: Sequence[tuple[str, Refused]], total: int) -> None:
    """Each reason once, with the first that it holds for: of a feed with a thousand notes, the one bad line shows."""
    from vizsla.safe import visible

    by_reason: dict[str, list[tuple[str, Refused]]] = {}
    for name, one in told:
        by_reason.setdefault(one.reason, []).append((name, one))
    for reason, held in list(by_reason.items())[:_TOLD]:
        name, first = held[0]
        place = first.place if first.place.startswith(name) else f"{name}, {first.place}"
        count = f"{len(held):,}, such as " if len(held) > 1 else ""
        console.say(f"refused: {count}{visible(place)}: {visible(reason)}")
    left = total - sum(len(held) for held in list(by_reason.values())[:_TOLD])
    if left > 0:
        console.say(f"refused: {left:,} more; `vizsla intel stats` counts them")


def update(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="MITRE's STIX file: enterprise-attack.json.")],
    lake: LakeOption = None,
) -> None:
    """Read ATT&CK anew from MITRE's STIX file; it is kept beside the lake."""
    existing([str(file)])
    from vizsla.faces.words import counted
    from vizsla.intel import attack
    from vizsla.safe import visible

    found = attack.update(file, the_store(lake, create=True).lake.root / attack.FILE)
    known = counted(len(found.techniques), "technique")
    print(f"ATT&CK {visible(found.version)} with {known}: what is done with this lake uses it from now on.")


def the_store(lake: str | None, *, create: bool = False) -> Store:
    """The store of the lake that is meant."""
    from vizsla.faces.python import open_lake
    from vizsla.intel.store import Store

    return Store(open_lake(lake_path(lake), create=create))


attack_app.command("update")(guard.guarded(update))


@attack_app.callback()
def _attack() -> None:
    """ATT&CK, at hand offline."""
