"""`stack`, `events`, `query`, `views`, `coverage`: looking at the lake by hand."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.options import (
    EngineName,
    EngineOption,
    HostOption,
    LakeOption,
    MasterOption,
    OutputOption,
    SinceOption,
    UntilOption,
    UserOption,
    engine_of,
    lake_path,
    moment,
    period,
    span,
)
from vizsla.errors import UsageError

if TYPE_CHECKING:
    import pyarrow as pa

    from vizsla.nouns.coverage import Coverage


class TableFormat(StrEnum):
    """How a table is written."""

    TABLE = "table"
    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"


FormatOption = Annotated[TableFormat | None, typer.Option("--format", help="Default: table.", show_default=False)]
ViewArgument = Annotated[str, typer.Argument(metavar="VIEW", help="A view, such as process; see `vizsla views`.")]
RowsOption = Annotated[int, typer.Option("--top", metavar="N", help="At most N rows.", min=1)]


def stack(
    view: ViewArgument,
    fields: Annotated[str, typer.Argument(metavar="FIELD[,FIELD…]", help="What to count, such as process.name.")],
    by: Annotated[str | None, typer.Option(metavar="FIELD", help="Count on how many of these, such as host.")] = None,
    host: HostOption = None,
    user: UserOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    top: RowsOption = 50,
    lake: LakeOption = None,
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Count a field's values, the rarest first.

    Least frequency of occurrence, by hand.
    """
    names = [name.strip() for name in fields.split(",") if name.strip()]
    if not names:
        raise UsageError("no field was named", where="FIELD", fix="vizsla stack process process.name")
    start, end = period(since, until)
    from vizsla.faces import python

    guard.doing(f"counting {view}")
    table = python.stack(
        view, names, lake=lake_path(lake), by=by, host=host, user=user, since=start, until=end, limit=top
    )
    deliver(table, format, output, keep=names)


def events(
    view: ViewArgument,
    host: HostOption = None,
    user: UserOption = None,
    around: Annotated[
        str | None, typer.Option(metavar="T[/10m]", help="Within ten minutes (or what follows the slash) of this time.")
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            metavar="EXPR",
            help="A condition on the view's fields: comparisons, like, in, is null, and, or, not; such as "
            "\"process.name = 'cmd.exe' and not user.name like 'adm%'\".",
        ),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    top: RowsOption = 100,
    lake: LakeOption = None,
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """The events of a view, in the order of time."""
    if around is not None and (since is not None or until is not None):
        raise UsageError("--around says when already", where="--around, --since, --until", fix="leave one side out")
    start, end = around_of(around) if around is not None else period(since, until)
    from vizsla.faces import python

    guard.doing(f"reading {view}")
    table = python.events(
        view, lake=lake_path(lake), host=host, user=user, since=start, until=end, where=where, limit=top
    )
    deliver(table, format, output)


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT over tables and views, in DuckDB's words.")],
    lake: LakeOption = None,
    top: RowsOption = 1000,
    format: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Ask the lake in SQL, read-only."""
    from vizsla.faces import python

    guard.doing("asking the lake")
    deliver(python.query(sql, lake=lake_path(lake), limit=top), format, output)


def views(lake: LakeOption = None, format: FormatOption = None, output: OutputOption = None) -> None:
    """Which tables fill which views, and how far."""
    from vizsla.faces import python

    guard.doing("counting views")
    deliver(python.views(lake=lake_path(lake)), format, output)


class CoverageFormat(StrEnum):
    """How coverage is written."""

    TABLE = "table"
    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    HTML = "html"
    DETTECT = "dettect"
    NAVIGATOR = "navigator"


def coverage(
    lake: LakeOption = None,
    format: Annotated[
        CoverageFormat | None,
        typer.Option(
            "--format",
            help="Default: table, or what --output ends in. dettect: DeTT&CT's data-source administration, as YAML. "
            "navigator: a layer for the ATT&CK Navigator: techniques by rules, analytics and data at hand.",
            show_default=False,
        ),
    ] = None,
    output: OutputOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """What the logs cover, and what not: spans, gaps, silent hosts, wrong clocks, fields, analytics."""
    name, master = engine_of(engine, master)
    chosen = coverage_format(format, output)
    from vizsla.faces import coverage as face
    from vizsla.faces import python

    if chosen is CoverageFormat.NAVIGATOR:
        from vizsla.explore.coverage import navigator

        guard.doing("counting what techniques leave behind")
        console.write([navigator.dumped(python.navigator(lake=lake_path(lake), engine=name, master=master))], output)
        return
    guard.doing("counting hosts and hours")
    found = python.survey(lake=lake_path(lake), engine=name, master=master)
    if chosen is CoverageFormat.TABLE and output is None:
        console.show(*face.parts(found, console.width()))
    else:
        console.write(_coverage_chunks(found, chosen), output)


def coverage_format(format: CoverageFormat | None, output: Path | None) -> CoverageFormat:
    """The format asked for, or the one that the output file's name ends in, or the table."""
    if output is not None:
        console.check_output(output)
    if format is not None or output is None:
        return format or CoverageFormat.TABLE
    endings = {f".{f.value}": f for f in CoverageFormat} | {
        ".yaml": CoverageFormat.DETTECT,
        ".yml": CoverageFormat.DETTECT,
    }
    return endings.get(output.suffix.lower(), CoverageFormat.TABLE)


def _coverage_chunks(found: Coverage, format: CoverageFormat) -> Iterable[bytes]:
    if format is CoverageFormat.HTML:
        from vizsla.reports.coverage import page

        return [page(found).encode("utf-8", "backslashreplace")]
    if format is CoverageFormat.DETTECT:
        from datetime import UTC

        from vizsla.explore.coverage.dettect import administration

        return [administration(found, today=datetime.now(UTC).date()).encode()]
    if format is CoverageFormat.TABLE:
        from vizsla.faces.coverage import parts
        from vizsla.faces.table import render

        return [render(parts(found, 200), 200).encode()]
    from vizsla.explore.coverage.rows import table_of
    from vizsla.faces import arrow

    return arrow.chunks(table_of(found), format.value)


def around_of(text: str) -> tuple[datetime | None, datetime | None]:
    """The period that `--around T[/SPAN]` means: ten minutes to both sides where no span is given."""
    time, _, reach = text.partition("/")
    delta = span(reach, "--around") if reach else timedelta(minutes=10)
    middle = moment(time, "--around")
    assert middle is not None
    try:
        return middle - delta, middle + delta
    except OverflowError as error:
        raise UsageError("--around reaches beyond all calendars", where=f"--around {text}") from error


def deliver(table: pa.Table, format: TableFormat | None, output: Path | None, *, keep: Collection[str] = ()) -> None:
    """An Arrow table in the format asked for, or the one that the file's name ends in.

    A table for people leaves out columns that are empty, but for those to `keep`.
    """
    from vizsla.faces import arrow

    if format is None and output is not None:
        with contextlib.suppress(ValueError):
            format = TableFormat(output.suffix.lower().lstrip("."))
    chosen = format or TableFormat.TABLE
    if chosen is not TableFormat.TABLE:
        console.write(arrow.chunks(table, chosen.value), output)
        return
    if output is None:
        console.show(arrow.renderable(table, console.width(), keep))
        if table.num_rows == 0 and sys.stderr.isatty():
            console.say("no rows")
    else:
        console.write([arrow.text(table, keep=keep).encode()], output)
