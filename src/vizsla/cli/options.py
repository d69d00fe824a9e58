"""The options that commands share, and what their texts mean. No heavy import: `vizsla --help` must be quick."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from vizsla.errors import UsageError

DEFAULT_LAKE = "vizsla-lake"
_ANALYTICS = Path(__file__).resolve().parents[1] / "analytics"


class Format(StrEnum):
    """How findings are written."""

    TABLE = "table"
    JSONL = "jsonl"
    JSON = "json"
    CSV = "csv"
    HTML = "html"


class TierName(StrEnum):
    """How rare a finding this strong is, strongest first."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFORMATIONAL = "informational"


class By(StrEnum):
    """What is ranked."""

    FINDING = "finding"
    HOST = "host"
    USER = "user"


class EngineName(StrEnum):
    """What computes."""

    DUCKDB = "duckdb"
    SPARK = "spark"


SourceOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE", help="Read as this format, or by this mapping (*.yaml); default: what the content says."
    ),
]
LakeOption = Annotated[
    str | None,
    typer.Option(
        "--lake", metavar="DIR", help="The lake. Default: $VIZSLA_LAKE, or ./vizsla-lake.", show_default=False
    ),
]
EngineOption = Annotated[EngineName, typer.Option("--engine", help="What computes over the lake.")]
MasterOption = Annotated[
    str | None,
    typer.Option("--master", metavar="URL", help="Spark master: local[*], spark://host:7077, sc://host:15002."),
]
HostOption = Annotated[str | None, typer.Option("--host", metavar="H", help="Only this host.")]
UserOption = Annotated[str | None, typer.Option("--user", metavar="U", help="Only this user.")]
SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="T", help="From this time on: 2026-11-01, 2026-11-01T08:00Z, or 7d, 12h, 30m ago."),
]
UntilOption = Annotated[str | None, typer.Option("--until", metavar="T", help="Before this time; same forms.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here, not to standard output.")
]
RulesOption = Annotated[
    list[str] | None,
    typer.Option("--rules", metavar="PATH", help="Sigma rules for this run: a file or a folder; repeatable."),
]

_AGO = re.compile(r"(\d{1,6}(?:\.\d+)?)\s*(s|m|h|d|w)", re.IGNORECASE)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def analytics_known() -> str:
    """The analytics that ship with Vizsla, by the names of their files: help must not wait for them to load."""
    from pkgutil import iter_modules

    own = sorted(found.name for found in iter_modules([str(_ANALYTICS)]) if not found.name.startswith("_"))
    return f"Shipped: {', '.join(own)}; `vizsla doctor` lists those installed beside."


def lake_path(lake: str | None) -> str:
    """The lake that is meant: the option, else VIZSLA_LAKE, else ./vizsla-lake."""
    return lake or os.environ.get("VIZSLA_LAKE") or DEFAULT_LAKE


def span(text: str, option: str) -> timedelta:
    """A length of time: 90s, 10m, 12h, 7d, 2w. Raises UsageError."""
    match = _AGO.fullmatch(text.strip())
    if not match:
        raise UsageError(
            f"{option} takes a length of time, and {text!r} is none", where=option, fix="write 90s, 10m, 12h, 7d or 2w"
        )
    try:
        return timedelta(**{_UNITS[match.group(2).lower()]: float(match.group(1))})
    except OverflowError as error:
        raise UsageError(f"{option} {text} is longer than can be counted", where=option) from error


def moment(text: str | None, option: str, *, now: datetime | None = None) -> datetime | None:
    """A point in time, UTC where no zone is written; or a length of time before `now`. Raises UsageError."""
    if text is None:
        return None
    if _AGO.fullmatch(text.strip()):
        try:
            return (now or datetime.now(UTC)) - span(text, option)
        except OverflowError as error:
            raise UsageError(f"{option} {text} lies before all calendars", where=option) from error
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(
            f"{option} takes a time, and {text!r} is none",
            where=option,
            fix="write 2026-11-01, 2026-11-01T08:00, 2026-11-01T08:00+02:00 (UTC where no zone stands), "
            "or how long ago: 7d, 12h, 30m",
        ) from error
    return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)


def period(since: str | None, until: str | None) -> tuple[datetime | None, datetime | None]:
    """`--since` and `--until`, which must leave some time between them."""
    start, end = moment(since, "--since"), moment(until, "--until")
    if start and end and start >= end:
        raise UsageError(
            "--since is not before --until, so that no event can lie between them",
            where=f"--since {start.isoformat()} --until {end.isoformat()}",
            fix="swap them, or leave one out",
        )
    return start, end


def existing(paths: Sequence[str]) -> tuple[str, ...]:
    """Paths that are there, and addresses of stores; UsageError names the first file that is not."""
    from vizsla.store import is_address

    for path in paths:
        if is_address(path):
            continue
        try:
            there = bool(path) and Path(path).exists()
        except (OSError, ValueError):
            there = False
        if not there:
            raise UsageError(
                "there is no such file or folder", where=path, fix="check the path; quote names with spaces"
            )
    return tuple(paths)


def engine_of(engine: EngineName, master: str | None) -> tuple[str, str | None]:
    """The engine's name and master; a master is Spark's alone."""
    if master and engine is not EngineName.SPARK:
        raise UsageError("--master is for Spark alone", where="--master", fix="add --engine spark, or leave it out")
    return engine.value, master
