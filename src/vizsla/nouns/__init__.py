"""The nouns of hunting: plain, frozen, typed data. No module here reads, writes or computes anything."""

from vizsla.nouns.event import DAY, EVENT_FIELDS, EXTRA, HOST, ID, MAX_COLUMNS, ORIGIN, TIME, UNKNOWN_DAY
from vizsla.nouns.evidence import EventRef, Evidence, Reason, Usual
from vizsla.nouns.finding import (
    SCHEMA,
    TIERS,
    Attack,
    Context,
    Entity,
    Finding,
    Pivot,
    ProcessNode,
    Run,
    Tier,
)
from vizsla.nouns.hunt import Budget, Cut, Hit, HuntRequest, HuntResult, Order
from vizsla.nouns.report import Reading, RunReport, Unable
from vizsla.nouns.verdict import JUDGEMENTS, REACHES, Condition, Judged, Judgement, Reach, Shown, Verdict

__all__ = [
    "DAY",
    "EVENT_FIELDS",
    "EXTRA",
    "HOST",
    "ID",
    "JUDGEMENTS",
    "MAX_COLUMNS",
    "ORIGIN",
    "REACHES",
    "SCHEMA",
    "TIERS",
    "TIME",
    "UNKNOWN_DAY",
    "Attack",
    "Budget",
    "Condition",
    "Context",
    "Cut",
    "Entity",
    "EventRef",
    "Evidence",
    "Finding",
    "Hit",
    "HuntRequest",
    "HuntResult",
    "Judged",
    "Judgement",
    "Order",
    "Pivot",
    "ProcessNode",
    "Reach",
    "Reading",
    "Reason",
    "Run",
    "RunReport",
    "Shown",
    "Tier",
    "Unable",
    "Usual",
    "Verdict",
]
