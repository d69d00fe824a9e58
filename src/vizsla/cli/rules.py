"""`vizsla rules`: Sigma rules kept beside the lake, which every hunt uses."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vizsla.cli import console, guard
from vizsla.cli.explore import FormatOption, TableFormat, deliver
from vizsla.cli.options import LakeOption, OutputOption, existing, lake_path
from vizsla.errors import RuleError

if TYPE_CHECKING:
    from vizsla.nouns.indicator import Refused
    from vizsla.sigma.book import Added, RuleBook
    from vizsla.sigma.load import Loaded

app = typer.Typer(
    help="Sigma rules kept beside the lake: every hunt uses them.", no_args_is_help=True, rich_markup_mode=None
)
WIDE = 140  # columns of a terminal from which on all of a rule is listed
_TOLD = 10  # refused rules that `add` and `update` name


class LevelName(StrEnum):
    """How grave a rule is, by its author."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class StatusName(StrEnum):
    """How ripe a rule is, by its author."""

    STABLE = "stable"
    TEST = "test"
    EXPERIMENTAL = "experimental"
    DEPRECATED = "deprecated"
    UNSUPPORTED = "unsupported"


def add(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH", help="A rule (YAML), a folder with those below it, or a zip of them.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call them; default: after the path.")
    ] = None,
    placeholders: Annotated[
        Path | None,
        typer.Option(
            "--placeholders",
            metavar="FILE",
            help="Values of placeholders such as %servers% in rules that ask for them: YAML, name: [value, …].",
        ),
    ] = None,
    lake: LakeOption = None,
) -> None:
    """Keep Sigma rules beside the lake.

    They are copied, with where they came from, when, and their licence; `vizsla rules update` reads the same paths
    again. A rule that cannot be used is named with the reason, and the others are kept. Public rules to begin with:
    https://github.com/SigmaHQ/sigma, its folder `rules`.
    """
    existing([*paths, *([str(placeholders)] if placeholders else [])])
    if name is not None and len(paths) > 1:
        raise RuleError("one name cannot stand for several paths", where="--name", fix="add them one by one")
    book = _book(lake, create=True)
    for path in paths:
        guard.doing(f"reading {path}")
        _tell(book.add(Path(path), now=datetime.now(UTC), name=name, placeholders=placeholders))


def update(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Collections; none: all. See `vizsla rules list --kept`.")
    ] = None,
    lake: LakeOption = None,
) -> None:
    """Read rules again from where they were added, such as a clone that was pulled since.

    Where that path is gone, the rules that are kept stay as they are.
    """
    book = _book(lake)
    wanted = names or [one.name for one in book.collections()]
    if not wanted:
        raise RuleError("no rules are kept here", fix="add some: vizsla rules add PATH")
    for name in wanted:
        guard.doing(f"reading {name}")
        _tell(book.update(name, now=datetime.now(UTC)))


def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Collections; see `vizsla rules list --kept`.")],
    lake: LakeOption = None,
) -> None:
    """Keep rules no longer. The files that they were copied from stay."""
    book = _book(lake)
    for name in [book.named(name).name for name in names]:
        gone = book.remove(name)
        print(f"Removed {gone.name}, which came from {_shown(gone.origin)}.")


def list_(
    level: Annotated[
        LevelName | None, typer.Option("--level", help="Rules of this level and above.", show_default=False)
    ] = None,
    status: Annotated[
        list[StatusName] | None, typer.Option("--status", help="Rules of this status; may be given again.")
    ] = None,
    tag: Annotated[
        list[str] | None,
        typer.Option(
            "--tag", metavar="TAG", help="Rules with this tag or one below it: attack.execution, T1059, cve.2021-44228."
        ),
    ] = None,
    product: Annotated[
        list[str] | None, typer.Option("--product", metavar="NAME", help="Rules for this product: windows, linux, aws.")
    ] = None,
    data: Annotated[
        bool | None,
        typer.Option("--data/--no-data", help="Only rules that this lake has, or lacks, data for.", show_default=False),
    ] = None,
    refused: Annotated[bool, typer.Option("--refused", help="Those that cannot be used, and why.")] = False,
    kept: Annotated[bool, typer.Option("--kept", help="The collections: where from, when, licence.")] = False,
    rules: Annotated[
        list[str] | None,
        typer.Option("--rules", metavar="PATH", help="Also these, though they are not kept; may be given again."),
    ] = None,
    lake: LakeOption = None,
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """The rules, and which of them this lake has data for.

    The column `lacks` says why a rule can find nothing here: which tables or columns are missing. It is empty where
    the rule can answer. A terminal of fewer than 140 columns shows it with --no-data alone, else whether there is data.
    """
    existing(rules or ())
    book = _book(lake)
    if kept:
        deliver(_table(_kept_rows(book), ("name", "files", "updated", "added", "licence", "from")), format, output)
        return
    loaded = book.load(rules or ())
    if refused:
        deliver(_table(_refused_rows((*loaded.refused, *loaded.told)), ("where", "why")), format, output)
        return
    from vizsla.sigma.choose import Wanted, chosen

    wanted = Wanted(
        level=level.value if level else "",
        statuses=tuple(one.value for one in status or ()),
        tags=tuple(tag or ()),
        products=tuple(one.lower() for one in product or ()),
    )
    rows = _rows(book, loaded, {rule.id for rule in chosen(loaded.rules, wanted) if wanted(rule)})
    shown = [row for row in rows if data is None or data == (not row["lacks"])]
    names: tuple[str, ...] = ("level", "title", "techniques", "status", "source", "lacks", "id", "file")
    if format in (None, TableFormat.TABLE) and output is None:
        names = names[:-1]
        if console.width() < WIDE:
            names = ("level", "title", "lacks" if data is False else "data", "techniques")
    deliver(_table(shown, names), format, output)
    _sum_up(loaded, shown)


def _rows(book: RuleBook, loaded: Loaded, wanted: set[str]) -> list[dict[str, Any]]:
    from vizsla.nouns.level import LEVELS
    from vizsla.sigma.choose import answerable, columns_of

    lacks = answerable(loaded.rules, columns_of(book.lake))
    ranked = sorted(loaded.rules, key=lambda rule: (-LEVELS.index(rule.level), rule.title.lower(), rule.id))
    return [
        {
            "level": rule.level,
            "title": rule.title,
            "techniques": ", ".join(rule.techniques) or None,
            "status": rule.status or None,
            "source": _source(rule.logsource) if rule.correlation is None else rule.correlation.kind,
            "lacks": lacks[rule.id] or None,
            "data": "no" if lacks[rule.id] else "yes",
            "id": rule.id,
            "file": rule.file,
        }
        for rule in ranked
        if rule.id in wanted
    ]


def _source(logsource: Any) -> str:
    return "/".join(part for part in (logsource.product, logsource.category, logsource.service) if part)


def _kept_rows(book: RuleBook) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name, "files": str(one.files), "updated": f"{one.updated:%Y-%m-%d %H:%M}",
            "added": f"{one.added:%Y-%m-%d %H:%M}", "licence": one.licence or None, "from": one.origin,
        }
        for one in book.collections()
    ]  # fmt: skip


def _refused_rows(refused: tuple[Refused, ...]) -> list[dict[str, Any]]:
    return [{"where": one.place, "why": one.reason} for one in refused]


def _table(rows: list[dict[str, Any]], names: tuple[str, ...]) -> Any:
    import pyarrow as pa

    return pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in names})


def _sum_up(loaded: Loaded, shown: list[dict[str, Any]]) -> None:
    from vizsla.faces.words import counted

    if not loaded.rules and not loaded.refused:
        console.say("no rules are kept here: vizsla rules add PATH")
        return
    here = sum(not row["lacks"] for row in shown)
    said = f"{counted(len(shown), 'rule', 'rules')} of {len(loaded.rules):,}, {here:,} with data here"
    console.say(f"{said}; {len(loaded.refused):,} cannot be used (--refused)" if loaded.refused else said)


def _tell(added: Added) -> None:
    """What came of it, to people."""
    from vizsla.faces.words import counted

    one, loaded = added.collection, added.loaded
    print(
        f"{one.name}: {counted(len(loaded.rules), 'rule', 'rules')} ({added.new:,} new, {added.changed:,} changed, "
        f"{added.gone:,} gone) from {_shown(one.origin)}"
    )
    if one.licence:
        console.say(f"licence: {_shown(one.licence)}")
    for each in loaded.refused[:_TOLD]:
        console.say(f"refused: {_shown(each.place)}: {_shown(each.reason)}")
    more = len(loaded.refused) - _TOLD
    if more > 0:
        console.say(f"… and {more} more: vizsla rules list --refused")


def _shown(text: str) -> str:
    from vizsla.safe import visible

    return visible(text)


def _book(lake: str | None, *, create: bool = False) -> RuleBook:
    from vizsla.faces.python import open_lake
    from vizsla.sigma.book import RuleBook

    return RuleBook(open_lake(lake_path(lake), create=create))


for _name, _command in (("add", add), ("update", update), ("list", list_), ("remove", remove)):
    app.command(_name)(guard.guarded(_command))
