"""`vizsla intel`: indicators kept beside the lake, their feeds, and what silences them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.intel_feeds import add, attack_app, pull, the_store
from vizsla.cli.intel_hunt import hunt
from vizsla.cli.intel_lists import allow, warninglists_app
from vizsla.cli.intel_sightings import sightings
from vizsla.cli.options import LakeOption, OutputOption, span

if TYPE_CHECKING:
    import pyarrow as pa

app = typer.Typer(
    help="Threat intelligence: indicators, their feeds, and what keeps harmless ones out.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class ListFormat(StrEnum):
    """How a list is written."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


FormatOption = Annotated[ListFormat, typer.Option("--format", help="As what.")]
TypeOption = Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Only of this type: domain, sha256, …")]
FeedOption = Annotated[str | None, typer.Option("--feed", metavar="NAME", help="Only of this feed.")]
ValueOption = Annotated[
    str | None, typer.Option("--value", metavar="PATTERN", help="Only values like this: *.evil.com")
]
StateOption = Annotated[
    str,
    typer.Option("--state", metavar="STATE", help="live, silenced, decayed, future, expired, context, revoked or all."),
]


def list_(
    type: TypeOption = None,
    feed: FeedOption = None,
    value: ValueOption = None,
    state: StateOption = "live",
    top: Annotated[int, typer.Option("--top", min=0, metavar="N", help="At most as many in a table; 0: all.")] = 50,
    format: FormatOption = ListFormat.TABLE,
    output: OutputOption = None,
    lake: LakeOption = None,
) -> None:
    """The indicators that are known, one line each, whoever says it."""
    from vizsla.faces import intel as face
    from vizsla.faces.arrow import renderable, text

    found = _found(lake, type, feed, value, state)
    if format is not ListFormat.TABLE:
        _write(found, format, output)
        return
    shown = face.brief(found.slice(0, top) if top else found)
    if output is not None:
        console.write([text(shown).encode()], output)
    else:
        console.show(renderable(shown, console.width()))
    if 0 < top < found.num_rows:
        console.say(f"{top:,} of {found.num_rows:,}; --top 0 shows all, --type, --feed and --value fewer")


def show(
    value: Annotated[str, typer.Argument(metavar="VALUE|ID", help="An indicator, defanged or not, or its id.")],
    format: FormatOption = ListFormat.TABLE,
    lake: LakeOption = None,
) -> None:
    """All that is said of an indicator: its claims, its age, what silences it."""
    from datetime import UTC, datetime

    from vizsla.errors import UsageError
    from vizsla.faces import intel as face
    from vizsla.intel import weigh
    from vizsla.intel.active import standing
    from vizsla.intel.find import ids_of

    store, now = the_store(lake), datetime.now(UTC)
    found = standing(store, now, ids_of(value))
    if not found.num_rows:
        raise UsageError(
            "nothing is known of it", where=value, fix="`vizsla intel list --value PATTERN` finds parts of values"
        )
    if format is not ListFormat.TABLE:
        _write(found, format, None)
        return
    heard = weigh.voices(store, now)
    worth = weigh.prior(found, heard).to_pylist()
    for row, weight in zip(found.to_pylist(), worth, strict=True):
        for line in face.shown(row, store.claims([row["id"]]), weight["bits"], weight["exempt"], now, heard):
            print(line)


def stats(lake: LakeOption = None) -> None:
    """How many indicators of which type stand how, and which lists drop how many."""
    from vizsla.faces import intel as face
    from vizsla.faces.arrow import renderable
    from vizsla.faces.words import counted

    found = _found(lake, None, None, None, "all")
    console.show(renderable(face.statistics(found), console.width()))
    dropped = face.silenced(found)
    if dropped.num_rows:
        console.show(renderable(dropped, console.width()))
    store = the_store(lake)
    print(
        f"{counted(found.num_rows, 'indicator')}, {counted(store.mentions().num_rows, 'mention')}, "
        f"{counted(store.refused().num_rows, 'refused part')}, version {store.version}."
    )


def feeds(format: FormatOption = ListFormat.TABLE, lake: LakeOption = None) -> None:
    """The feeds: what each brings, how often it was wrong here, and the voice that this leaves it."""
    from datetime import UTC, datetime

    from vizsla.faces import intel as face
    from vizsla.faces.arrow import renderable
    from vizsla.intel import weigh
    from vizsla.safe import visible

    table = weigh.feeds_table(the_store(lake), datetime.now(UTC))
    if format is not ListFormat.TABLE:
        _write(table, format, None)
        return
    console.show(renderable(face.feeds(table), console.width()))
    for row in table.to_pylist():
        if row["state"]:
            print(f"{visible(row['feed'])} failed: {visible(row['state'])}")


def expire(
    keep: Annotated[
        str, typer.Option("--keep", metavar="T", help="Keep what ended or was revoked no longer ago than this: 90d.")
    ] = "30d",
    decayed: Annotated[bool, typer.Option("--decayed", help="Drop what has decayed as long ago, too.")] = False,
    lake: LakeOption = None,
) -> None:
    """Drop claims that ended or were revoked a while ago."""
    from datetime import UTC, datetime

    from vizsla.faces.words import counted
    from vizsla.intel.expire import expire as run

    gone = run(the_store(lake), datetime.now(UTC), keep=span(keep, "--keep"), decayed=decayed)
    print(f"{counted(gone.claims, 'claim')} dropped, and with them {counted(gone.indicators, 'indicator')}.")


def export(
    type: TypeOption = None,
    feed: FeedOption = None,
    value: ValueOption = None,
    state: StateOption = "live",
    output: OutputOption = None,
    lake: LakeOption = None,
) -> None:
    """Write indicators for other tools, as a STIX 2.1 bundle."""
    from vizsla.faces.words import counted
    from vizsla.intel.stix_out import bundle

    found = _found(lake, type, feed, value, state)
    console.write(bundle(found), output)
    console.say(f"{counted(found.num_rows, 'indicator')} written")


def _found(lake: str | None, type: str | None, feed: str | None, value: str | None, state: str) -> pa.Table:
    from datetime import UTC, datetime

    from vizsla.intel.active import standing
    from vizsla.intel.find import filtered

    return filtered(standing(the_store(lake), datetime.now(UTC)), state=state, type=type, feed=feed, value=value)


def _write(table: pa.Table, format: ListFormat, output: Path | None) -> None:
    from vizsla.faces.arrow import chunks

    console.write(chunks(table, format.value), output)


for _name, _command in (
    ("add", add),
    ("pull", pull),
    ("hunt", hunt),
    ("list", list_),
    ("show", show),
    ("stats", stats),
    ("feeds", feeds),
    ("sightings", sightings),
    ("expire", expire),
    ("allow", allow),
    ("export", export),
):
    app.command(_name)(guard.guarded(_command))
app.add_typer(warninglists_app, name="warninglists")
app.add_typer(attack_app, name="attack")
