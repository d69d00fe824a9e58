"""`vizsla show`: one finding, with all that an analyst asks next."""

from __future__ import annotations

from typing import Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.options import LakeOption, OutputOption, lake_path, span
from vizsla.errors import UsageError


def show(
    id: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="A finding's id, its first digits, or its rank. None: the runs."),
    ] = None,
    around: Annotated[
        str | None, typer.Option(metavar="SPAN", help="Also what else its hosts did this long before and after: 10m.")
    ] = None,
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="Of this run; default: the latest that has it.")
    ] = None,
    redact: Annotated[bool, typer.Option("--redact", help="Mask passwords, tokens and keys.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As one line of JSON.")] = False,
    output: OutputOption = None,
    lake: LakeOption = None,
) -> None:
    """One finding in full, with its events.

    Its reasons, ledger, process tree, timeline and native fields, what speaks against it, and what to ask next.
    """
    reach = span(around, "--around") if around else None
    if json and reach is not None:
        raise UsageError("--json writes the finding alone", where="--json, --around", fix="leave --around out")
    guard.doing("looking up the finding")
    from vizsla import findings
    from vizsla.faces import arrow, feedback, python
    from vizsla.faces.detail import parts, text
    from vizsla.faces.redact import redacted

    home = python.open_lake(lake_path(lake))
    if id is None:
        console.show(arrow.renderable(findings.runs(home), console.width()))
        return
    finding = feedback.judged(home, findings.load(home, id, run=run))
    if redact:
        finding = redacted(finding)
    if json:
        from vizsla.faces import jsonl

        console.write(jsonl.lines([finding]), output)
        return
    nearby = python.around(home, finding, reach) if reach is not None else None
    if output is None:
        console.show(*parts(finding, console.width(), nearby=nearby))
    else:
        console.write([text(finding, nearby=nearby).encode()], output)
