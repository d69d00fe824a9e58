"""The options of `vizsla hunt` alone; those that other commands have, too, stand in `options`."""

from __future__ import annotations

from typing import Annotated

import typer

from vizsla.cli.options import By, Format, TierName, analytics_known

LogsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="PATH", help="Logs: files, folders, archives. None: what the lake holds."),
]
HuntLakeOption = Annotated[
    str | None,
    typer.Option(
        "--lake",
        metavar="DIR",
        help="Keep events and findings here. Default: a temporary lake where a PATH is given, else $VIZSLA_LAKE or "
        "./vizsla-lake.",
        show_default=False,
    ),
]
BaselineOption = Annotated[
    str | None,
    typer.Option(
        "--baseline", metavar="NAME|DIR", help="What is normal, from `vizsla learn`. Default: the data itself."
    ),
]
IntelOption = Annotated[
    list[str] | None,
    typer.Option("--intel", metavar="PATH", help="Intelligence for this hunt: STIX, MISP, lists, reports; repeatable."),
]
KnownOption = Annotated[
    bool, typer.Option("--known/--no-known", help="Use the rules and the intelligence that the lake keeps.")
]
ExceptionsOption = Annotated[
    bool, typer.Option("--exceptions/--no-exceptions", help="Hide what was judged benign, as far as that reaches.")
]
LearntOption = Annotated[
    bool, typer.Option("--learnt/--no-learnt", help="Re-weight the list by what earlier verdicts teach.")
]
AnalyticOption = Annotated[
    list[str] | None,
    typer.Option("--analytic", metavar="NAME", help=f"Only this analytic; repeatable. {analytics_known()}"),
]
ViewOption = Annotated[
    str | None,
    typer.Option("--view", metavar="NAME", help="Only the events of this view, such as process."),
]
ByOption = Annotated[By, typer.Option("--by", help="What is ranked.")]
TopOption = Annotated[int | None, typer.Option("--top", metavar="N", help="At most the N strongest findings.")]
TierOption = Annotated[TierName | None, typer.Option("--tier", help="Only this tier and above.")]
FdrOption = Annotated[
    float | None,
    typer.Option("--fdr", metavar="Q", help="Cut where at most this share of findings is expected to be noise: 0.1."),
]
AnalystsOption = Annotated[
    int | None, typer.Option("--analysts", metavar="N", help="Who reviews: with --hours and --minutes.")
]
HoursOption = Annotated[float | None, typer.Option("--hours", metavar="H", help="Hours each analyst has.")]
MinutesOption = Annotated[float | None, typer.Option("--minutes", metavar="M", help="Minutes that a finding takes.")]
FailAboveOption = Annotated[
    TierName | None, typer.Option("--fail-above", help="Exit with 1 where a finding of this tier or above stands.")
]
RedactOption = Annotated[bool, typer.Option("--redact", help="Mask passwords, tokens and keys in all that is shown.")]
FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="Default: table, or what --output ends in.", show_default=False),
]
