"""At which rank a hunt shows the intruder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vizsla.nouns import EventRef, Finding
from vizsla.simulate.truth import STAGES, Truth


@dataclass(frozen=True, slots=True)
class Rank:
    """Where the intruder stands. `first`: the rank of the first finding that is the intruder's, None where no
    finding is; `stages`: the same for each stage of the story; `found`: the intruder's findings."""

    first: int | None
    stages: dict[str, int | None]
    found: tuple[int, ...]
    total: int


def _key(event: EventRef) -> tuple[str, str, str] | None:
    if event.table.startswith("zeek_"):
        uid = event.native.get("uid") or event.record_id
        return ("", event.table.removeprefix("zeek_"), uid) if uid else None
    channel, record = event.channel or event.native.get("Channel"), event.record_id or event.native.get("EventRecordID")
    computer = event.native.get("Computer") or event.host
    return (computer.lower(), channel.lower(), record) if channel and record else None


def rank_of(findings: Iterable[Finding], truth: Truth) -> Rank:
    """The rank of the first finding whose events are at least half the intruder's, in all and by stage.

    A stage is found by the first such finding that holds one of its records. Events that tell neither channel
    and record id nor uid count as not the intruder's.
    """
    known = {record.key: record.stage for record in truth.records}
    stages: dict[str, int | None] = {stage: None for stage in STAGES if stage in set(known.values())}
    found: list[int] = []
    total = 0
    for finding in sorted(findings, key=lambda f: f.rank):
        total += 1
        events = {e.id: e for line in finding.evidence for e in line.events}
        hits = [known[k] for k in (_key(e) for e in events.values()) if k is not None and k in known]
        if not hits or 2 * len(hits) < len(events):
            continue
        found.append(finding.rank)
        for stage in hits:
            if stages[stage] is None:
                stages[stage] = finding.rank
    return Rank(found[0] if found else None, stages, tuple(found), total)
