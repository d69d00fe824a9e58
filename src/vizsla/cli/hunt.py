"""`vizsla hunt`: logs in, one ranked list of explained findings out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vizsla.cli import console, guard
from vizsla.cli.hunt_options import (
    AnalystsOption,
    AnalyticOption,
    BaselineOption,
    ByOption,
    ExceptionsOption,
    FailAboveOption,
    FdrOption,
    FormatOption,
    HoursOption,
    HuntLakeOption,
    IntelOption,
    KnownOption,
    LearntOption,
    LogsArgument,
    MinutesOption,
    RedactOption,
    TierOption,
    TopOption,
    ViewOption,
)
from vizsla.cli.options import (
    DEFAULT_LAKE,
    By,
    EngineName,
    EngineOption,
    Format,
    HostOption,
    MasterOption,
    OutputOption,
    RulesOption,
    SinceOption,
    SourceOption,
    TierName,
    UntilOption,
    UserOption,
    engine_of,
    existing,
    period,
)
from vizsla.cli.progress import ProgressBar
from vizsla.errors import UsageError

if TYPE_CHECKING:
    from vizsla.nouns import Budget, HuntResult

_LISTED = 30  # findings on a terminal where no --top was given
_REVIEW = (
    "--analysts 3 --hours 12 --minutes 20 says how many findings three analysts can judge in twelve hours at twenty "
    "minutes each; --top 100 --hours 12 --minutes 20 says how many analysts a hundred findings need"
)


def hunt(
    paths: LogsArgument = None,
    lake: HuntLakeOption = None,
    baseline: BaselineOption = None,
    source: SourceOption = None,
    rules: RulesOption = None,
    intel: IntelOption = None,
    known: KnownOption = True,
    exceptions: ExceptionsOption = True,
    learnt: LearntOption = True,
    analytic: AnalyticOption = None,
    view: ViewOption = None,
    host: HostOption = None,
    user: UserOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    by: ByOption = By.FINDING,
    top: TopOption = None,
    tier: TierOption = None,
    fdr: FdrOption = None,
    analysts: AnalystsOption = None,
    hours: HoursOption = None,
    minutes: MinutesOption = None,
    fail_above: FailAboveOption = None,
    redact: RedactOption = False,
    format: FormatOption = None,
    output: OutputOption = None,
    engine: EngineOption = EngineName.DUCKDB,
    master: MasterOption = None,
) -> None:
    """Find what is unusual in logs, ranked, with reasons. `vizsla hunt PATH` alone is enough."""
    chosen = format_of(format, output)
    start, end = period(since, until)
    name, master = engine_of(engine, master)
    budget = budget_of(analysts, hours, minutes, top)
    _check_numbers(top, fdr)
    where = lake_of(existing(paths or ()), lake)
    guard.doing("starting")
    from vizsla.faces.python import run_hunt
    from vizsla.nouns import HuntRequest

    request = HuntRequest(
        paths=tuple(paths or ()),
        lake=where,
        source=source,
        baseline=baseline,
        analytics=tuple(analytic or ()),
        rules=existing(rules or ()),
        intel=existing(intel or ()),
        kept=known,
        exceptions=exceptions,
        taught=learnt,
        view=view,
        host=host,
        user=user,
        since=start,
        until=end,
        by=by.value,
        top=top,
        tier=tier.value if tier else None,
        fdr=fdr,
        budget=budget,
        redact=redact,
        engine=name,
        master=master,
        coverage=chosen is Format.HTML,
    )
    with ProgressBar() as progress:
        result = run_hunt(request, progress=progress)
    guard.doing("writing the findings")
    most = _LISTED if top is None and sys.stdout.isatty() else None
    deliver(result, chosen, output, kept=where is not None, most=most, lake=lake or "")
    raise typer.Exit(exit_code(result, fail_above))


def format_of(format: Format | None, output: Path | None) -> Format:
    """The format asked for, or the one that the output file's name ends in, or the table."""
    if output is not None:
        console.check_output(output)
    if format is None:
        endings = {f".{f.value}": f for f in Format if f is not Format.TABLE} | {".htm": Format.HTML}
        return endings.get(output.suffix.lower(), Format.TABLE) if output else Format.TABLE
    if format is Format.HTML and output is None and sys.stdout.isatty():
        raise UsageError(
            "a page of HTML does not read well on a terminal", where="--format html", fix="add --output report.html"
        )
    return format


def budget_of(analysts: int | None, hours: float | None, minutes: float | None, top: int | None) -> Budget | None:
    """The review's budget, where one was given whole; UsageError says how where it was not."""
    if analysts is None and hours is None and minutes is None:
        return None
    if hours is None or minutes is None:
        missing = " and ".join(o for o, v in (("--hours", hours), ("--minutes", minutes)) if v is None)
        raise UsageError(f"a review budget also needs {missing}", where="--analysts, --hours, --minutes", fix=_REVIEW)
    if analysts is None and top is None:
        raise UsageError(
            "--hours and --minutes alone ask nothing",
            where="--hours, --minutes",
            fix=f"add --analysts or --top: {_REVIEW}",
        )
    if not (0 < hours < float("inf") and 0 < minutes < float("inf")) or (analysts is not None and analysts < 1):
        raise UsageError(
            "--analysts, --hours and --minutes must be above 0", where="--analysts, --hours, --minutes", fix=_REVIEW
        )
    if minutes > hours * 60:
        raise UsageError(
            f"a finding takes {minutes:g} minutes and an analyst has {hours * 60:g}: not one would be judged",
            where="--hours, --minutes",
            fix="more hours, or fewer minutes",
        )
    from vizsla.nouns import Budget

    return Budget(hours=hours, minutes=minutes, analysts=analysts)


def lake_of(paths: tuple[str, ...], lake: str | None) -> str | None:
    """The lake to hunt in; None, a temporary one, where paths are given and no lake is."""
    if lake is not None or paths:
        return lake
    known = os.environ.get("VIZSLA_LAKE") or DEFAULT_LAKE
    if not Path(known).is_dir():
        raise UsageError(
            "nothing to hunt in: no PATH was given, and there is no lake",
            where=known,
            fix="vizsla hunt PATH for a folder of logs; or vizsla ingest PATH first",
        )
    return known


def deliver(
    result: HuntResult, format: Format, output: Path | None, *, kept: bool, most: int | None = None, lake: str = ""
) -> None:
    """The result in its format; what is said beside the findings goes to standard error but for table and page."""
    if format is Format.TABLE:
        from vizsla.faces.table import parts

        if output is None:
            console.show(*parts(result, console.width(), kept=kept, most=most, lake=lake))
        else:
            from vizsla.faces.table import text

            console.write([text(result, kept=kept, lake=lake).encode()], output)
        return
    console.write(chunks(result, format), output)
    from vizsla.faces.footer import lines

    for line in (*lines(result), *result.advice):
        console.say(line)


def chunks(result: HuntResult, format: Format) -> Iterator[bytes]:
    """The findings as bytes of a format that machines or browsers read."""
    if format is Format.CSV:
        from vizsla.faces.csv import rows

        yield from rows(result.findings)
    elif format is Format.HTML:
        from vizsla.reports.html import page

        yield page(result).encode("utf-8", "backslashreplace")
    else:
        from vizsla.faces import jsonl

        yield from jsonl.array(result.findings) if format is Format.JSON else jsonl.lines(result.findings)


def exit_code(result: HuntResult, fail_above: TierName | None) -> int:
    """1 where a finding reaches `fail_above` (asked for, so it comes first), 3 where a file was damaged, else 0."""
    from vizsla.nouns import TIERS

    if fail_above is not None:
        limit = TIERS.index(fail_above.value)
        if any(TIERS.index(f.tier) <= limit for f in result.findings):
            return guard.FOUND
    return guard.DAMAGED if result.report.damaged else guard.DONE


def _check_numbers(top: int | None, fdr: float | None) -> None:
    if top is not None and top < 1:
        raise UsageError("--top must be 1 or more", where=f"--top {top}", fix="leave it out for all findings")
    if fdr is not None and not 0 < fdr < 1:
        raise UsageError(
            "--fdr is the share of noise that you accept, between 0 and 1",
            where=f"--fdr {fdr:g}",
            fix="0.1 accepts one finding in ten as noise",
        )
