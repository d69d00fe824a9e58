"""What is asked of a hunt, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import pyarrow as pa

from vizsla.nouns.coverage import Coverage
from vizsla.nouns.finding import Finding, Run, Tier
from vizsla.nouns.report import RunReport

Order = Literal["finding", "host", "user"]


@dataclass(frozen=True, slots=True)
class Budget:
    """The review's hours. `analysts` None: how many are needed for `top` findings in `hours`."""

    hours: float
    minutes: float  # per finding
    analysts: int | None = None


@dataclass(frozen=True, slots=True)
class HuntRequest:
    """A hunt, as the command line, the Python API and (later) the REST API put it."""

    paths: Sequence[str] = ()
    lake: str | None = None  # None: a temporary one, gone after the run
    baseline: str | None = None  # None: learn from the data itself
    analytics: Sequence[str] = ()  # none named: all
    rules: Sequence[str] = ()  # files or folders of Sigma rules, beside those kept in the lake
    intel: Sequence[str] = ()  # files or folders of intelligence, likewise
    kept: bool = True  # whether the rules and the intelligence that the lake keeps are used
    view: str | None = None  # only the tables that this view reads, all their events, and what is met in them
    host: str | None = None
    user: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    by: Order = "finding"
    top: int | None = None
    tier: Tier | None = None  # keep this tier and above
    fdr: float | None = None
    budget: Budget | None = None
    redact: bool = False
    engine: str = "duckdb"
    master: str | None = None
    source: str | None = None
    coverage: bool = False  # whether the result tells what the lake covers, too
    exceptions: bool = True  # whether what was judged benign is hidden, as far as the verdicts reach
    taught: bool = True  # whether the list is re-weighted by what verdicts teach


@dataclass(frozen=True, slots=True)
class Cut:
    """How many findings are shown of how many, and the sentences that say why (budget, fdr, top)."""

    shown: int
    total: int
    lowest_bits: float | None  # the weakest finding shown
    says: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """What one rule, or one indicator, met in a hunt: all of it, whatever it is worth.

    `bits`: what one hit is worth, after `host_days` of quiet ones (`of_host_days`, None: it was not looked for there)
    on which it was met too. `host_days_here`: on how many it was met in what was hunted.
    """

    analytic: str
    id: str
    name: str
    level: str
    bits: float
    events: int
    hosts: tuple[str, ...]
    host_days_here: int
    first: datetime | None
    last: datetime | None
    host_days: int = 0
    of_host_days: int | None = None
    techniques: tuple[str, ...] = ()
    said: Mapping[str, object] = field(default_factory=dict)  # what is known of the rule or the indicator
    timeless: int = 0  # events without a time that can be believed: in no finding


@dataclass(frozen=True, slots=True)
class HuntResult:
    """Findings, best first, with all that a face needs to show them honestly.

    `scores`: bits of every finding before the cut. `traffic`: columns `time` (hour), `peer`, `connections`,
    `bytes` (null where unknown); None where the lake holds no network events.
    """

    run: Run
    findings: tuple[Finding, ...]
    cut: Cut
    report: RunReport
    scores: tuple[float, ...] = ()
    traffic: pa.Table | None = None
    ranking: tuple[tuple[str, float, int], ...] = field(default=())  # (host or user, bits, findings) with --by
    coverage: Coverage | None = None  # what the lake covers, where the request asked for it
    hits: tuple[Hit, ...] = ()  # of rules and indicators, by level, then by how often
    hidden: tuple[tuple[str, int], ...] = ()  # (verdict, findings that it hid), where it hid any
    advice: tuple[str, ...] = ()  # what would make the next hunt better: shown last
