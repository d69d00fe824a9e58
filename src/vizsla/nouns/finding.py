"""A finding: the evidence of one episode, ranked, explained, and ready to be judged as one thing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from vizsla.nouns.evidence import Evidence
from vizsla.nouns.verdict import Judged, Shown

SCHEMA = "vizsla.finding/1"
Tier = Literal["critical", "high", "medium", "low", "informational"]
TIERS: tuple[Tier, ...] = ("critical", "high", "medium", "low", "informational")


@dataclass(frozen=True, slots=True)
class Entity:
    """A host, user, process, address, service, … and its role in the finding: actor, target, parent, account."""

    type: str
    value: str
    role: str


@dataclass(frozen=True, slots=True)
class Attack:
    """An ATT&CK technique that the evidence implies; `source` says which table row, rule or report says so."""

    technique: str
    tactic: str
    source: str


@dataclass(frozen=True, slots=True)
class ProcessNode:
    """A process of the finding's lineage. `key` and `parent` are process keys; `marked`: it bears evidence."""

    key: str
    parent: str | None
    image: str
    command_line: str
    user: str
    pid: str
    start: datetime | None
    marked: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What an analyst asks next: lineage, logon, neighbours, and who else does this."""

    first_on_host: datetime | None = None
    last_on_host: datetime | None = None
    other_hosts: tuple[str, ...] = ()
    parent_chain: tuple[str, ...] = ()  # from the oldest ancestor known to the acting process
    logon_source: str | None = None
    nearby: tuple[str, ...] = ()  # what else this user and host did within minutes
    tree: tuple[ProcessNode, ...] = ()


@dataclass(frozen=True, slots=True)
class Pivot:
    """A ready query: `what` it answers, the `query` text, and `for` which tool (vizsla, spl, kql, vql)."""

    what: str
    query: str
    tool: str


@dataclass(frozen=True, slots=True)
class Run:
    """What the ranking rests on. `learnt` says in words how: a baseline, folds by host, time blocks, in-sample."""

    version: str
    baseline: str
    learnt: str
    learnt_from: datetime | None
    learnt_to: datetime | None
    hosts: int
    host_days: int
    claims: bool  # whether p-values and expected_per_day may be stated


@dataclass(frozen=True, slots=True)
class Finding:
    """Evidence that belongs together. `id` hashes the anchor (host, lineage root, first event), never bits or rank."""

    rank: int
    id: str
    pattern_id: str
    instances: int
    title: str
    tier: Tier
    bits: float
    expected_per_day: float | None
    run: Run
    entities: tuple[Entity, ...]
    attack: tuple[Attack, ...]
    start: datetime | None
    end: datetime | None
    evidence: tuple[Evidence, ...]
    speaks_against: tuple[str, ...]
    context: Context
    next: tuple[Pivot, ...]
    surprisal: float = 0.0  # orders findings beyond the calibration's floor
    ledger: tuple[tuple[str, float], ...] = ()  # every line that adds or takes bits; sums to `bits`
    instance_hosts: tuple[str, ...] = ()
    shown: tuple[Shown, ...] = ()  # what makes its evidence the same elsewhere, the strongest first
    traits: Mapping[str, float] = field(default_factory=dict)  # what verdicts on it teach; no entity's name
    judged: tuple[Judged, ...] = ()  # earlier verdicts on it or its pattern, the latest first
