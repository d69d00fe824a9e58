"""`vizsla guess`: what the fields of an unknown log may be, as a mapping to correct and read with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.options import existing


def guess(
    path: Annotated[str, typer.Argument(metavar="LOG", help="A log that no source recognises.")],
    output: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the mapping here; default: the log's name with .yaml.")
    ] = None,
) -> None:
    """Guess what the fields of an unknown log are, and write a mapping file to correct.

    Works for CSV, TSV, JSON, key=value, Parquet and Arrow. Read with it by `vizsla hunt LOG --source FILE.yaml`.
    """
    existing([path])
    guard.doing("guessing")
    from vizsla.containers import open_logs
    from vizsla.errors import SourceError, UsageError
    from vizsla.faces import arrow
    from vizsla.source import Rejected
    from vizsla.sources._guess import as_yaml, shown, table_name
    from vizsla.sources._guess import guess as guessed

    if Path(path).is_dir():
        raise UsageError("one log at a time can be guessed, and this is a folder", where=path, fix="name a file in it")
    log = next(iter(open_logs(path)), None)
    if log is None or isinstance(log, Rejected):
        why = log.reason if log is not None else "it is empty"
        raise SourceError(f"it cannot be opened: {why}", where=path)
    found = guessed(log)
    table = table_name(log.name)
    target = Path(output or f"{table}.yaml")
    if output is None and target.exists():
        raise UsageError("a file of that name is there already", where=str(target), fix="name another with --output")
    target.write_text(as_yaml(found.mapping(table), path), "utf-8")
    console.show(arrow.renderable(shown(found), console.width()))
    console.say(f"mapping: {target}; look at it, correct it, then: vizsla hunt {path} --source {target}")
