"""`vizsla intel hunt`: a report turned into a hunt."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from vizsla.cli import console, guard
from vizsla.cli.options import (
    EngineName,
    EngineOption,
    LakeOption,
    MasterOption,
    OutputOption,
    RulesOption,
    engine_of,
    existing,
    lake_path,
)
from vizsla.cli.progress import ProgressBar

if TYPE_CHECKING:
    from vizsla.nouns.hypothesis import IntelHunt


class PlanFormat(StrEnum):
    """How such a hunt is written."""

    TABLE = "table"
    MARKDOWN = "markdown"
    JSON = "json"


_ENDINGS = {".md": PlanFormat.MARKDOWN, ".markdown": PlanFormat.MARKDOWN, ".json": PlanFormat.JSON}


def hunt(
    reports: Annotated[
        list[str],
        typer.Argument(metavar="REPORT|BUNDLE", help="Reports (text, Markdown, HTML, PDF), STIX bundles, MISP, lists."),
    ],
    lake: LakeOption = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="NAME|DIR", help="What is normal, from `vizsla learn`. Default: the data."),
    ] = None,
    rules: RulesOption = None,
    actors: Annotated[
        bool | None,
        typer.Option(
            "--actors/--no-actors",
            help="Also the techniques that ATT&CK ties to the groups and software named. Default: where the report "
            "names no technique.",
            show_default=False,
        ),
    ] = None,
    top: Annotated[int | None, typer.Option("--top", min=1, metavar="N", help="At most N findings.")] = None,
    format: Annotated[
        PlanFormat | None,
        typer.Option("--format", help="Default: table, or what --output ends in: .md, .json.", show_default=False),
    ] = None,
    output: OutputOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """Turn reports into a hunt in all that the lake holds.

    Their indicators are matched, their techniques become hypotheses: what would confirm or refute each, which rules and
    analytics answer, and whether the data at hand can. Findings that touch the report are marked. Nothing is kept of
    the report; `vizsla intel add` does that.
    """
    if output is not None:
        console.check_output(output)
    chosen = format or (_ENDINGS.get(output.suffix.lower(), PlanFormat.TABLE) if output else PlanFormat.TABLE)
    name, master = engine_of(engine, master)
    named = existing(rules or ())
    existing(reports)
    guard.doing("starting")
    from vizsla.faces.python import hunt_intel

    with ProgressBar() as progress:
        plan = hunt_intel(
            reports, lake_path(lake), baseline=baseline, rules=named, actors=actors, top=top, engine=name,
            master=master, progress=progress,
        )  # fmt: skip
    guard.doing("writing the hunt")
    if chosen is PlanFormat.TABLE and output is None:
        from vizsla.faces.plan import parts

        console.show(*parts(plan, console.width(), lake=lake or ""))
    else:
        console.write(_chunks(plan, chosen), output)
    raise typer.Exit(guard.DAMAGED if any(report.why for report in plan.reports) else guard.DONE)


def _chunks(plan: IntelHunt, format: PlanFormat) -> Iterable[bytes]:
    if format is PlanFormat.JSON:
        from vizsla.faces.jsonl import dumps
        from vizsla.faces.plan_text import record

        return [dumps(record(plan)), b"\n"]
    if format is PlanFormat.MARKDOWN:
        from vizsla.faces.plan_text import markdown

        return (f"{line}\n".encode("utf-8", "backslashreplace") for line in markdown(plan))
    from vizsla.faces.plan import parts
    from vizsla.faces.table import render

    return [render(parts(plan, 140), 140).encode()]
