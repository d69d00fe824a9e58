"""`vizsla validate`: harmless imitations of techniques among your own events: at which rank would each stand?"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.options import (
    EngineName,
    EngineOption,
    LakeOption,
    MasterOption,
    OutputOption,
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


class MapFormat(StrEnum):
    """How the map is written."""

    TABLE = "table"
    JSONL = "jsonl"


def validate(
    lake: LakeOption = None,
    baseline: Annotated[str, typer.Option(metavar="NAME|DIR", help="What is normal, from `vizsla learn`.")] = "default",
    technique: Annotated[
        list[str] | None,
        typer.Option("--technique", metavar="T", help="Only this technique (T1003), tactic or file; repeatable."),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    rules: RulesOption = None,
    top: Annotated[int, typer.Option(metavar="N", help="Look for imitations among the N strongest findings.")] = 500,
    seed: Annotated[
        str, typer.Option(metavar="TEXT", help="Chooses the hosts, accounts and times that carry the imitations.")
    ] = "1",
    format: Annotated[MapFormat, typer.Option("--format", help="How the map is written.")] = MapFormat.TABLE,
    output: OutputOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """What would be seen? Imitates techniques among your own events, and says at which rank each would stand.

    Only events are imitated, beside the lake and never in it: nothing is run, and nothing is written into its tables.
    """
    if top < 1:
        raise UsageError("--top must be 1 or more", where=f"--top {top}")
    start, end = period(since, until)
    computes, master = engine_of(engine, master)
    if output is not None:
        console.check_output(output)
    guard.doing("imitating techniques")
    from vizsla.faces import feedback
    from vizsla.faces.arrow import renderable
    from vizsla.faces.table import render
    from vizsla.faces.validation import lines, records, table
    from vizsla.safe import visible

    with ProgressBar() as progress:
        found = feedback.validate(
            lake_path(lake), baseline=baseline, techniques=technique or (), since=start, until=end,
            rules=existing(rules or ()), top=top, seed=seed, engine=computes, master=master, progress=progress,
        )  # fmt: skip
    if format is MapFormat.JSONL:
        console.write(records(found), output)
        for line in lines(found):
            console.say(visible(line))
        return
    if output is not None:
        text = render([renderable(table(found), 160)], 160) + "\n".join(map(visible, lines(found))) + "\n"
        console.write([text.encode()], output)
        return
    console.show(renderable(table(found), console.width()))
    for line in lines(found):
        print(visible(line))
