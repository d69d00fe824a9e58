"""The nouns of hunting: plain, frozen, typed data. No module here reads, writes or computes anything."""

from vizsla.nouns.event import EVENT_FIELDS, ID, DAY, HOST, ORIGIN, TIME, UNKNOWN_DAY
from vizsla.nouns.evidence import Evidence, EventRef, Reason, Usual
from vizsla.nouns.finding import Attack, Context, Entity, Finding, Pivot, Run, SCHEMA, Tier
from vizsla.nouns.report import Reading, RunReport, Unable

__all__ = [
    "DAY", "EVENT_FIELDS", "HOST", "ID", "ORIGIN", "SCHEMA", "TIME", "UNKNOWN_DAY",
    "Attack", "Context", "Entity", "EventRef", "Evidence", "Finding", "Pivot", "Reading", "Reason",
    "Run", "RunReport", "Tier", "Unable", "Usual",
]  # fmt: skip
