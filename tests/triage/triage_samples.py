"""Hand-made findings for the tests of triage."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from vizsla.nouns import Context, Entity, EventRef, Evidence, Finding, Reason, Run

T0 = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)  # a Tuesday
SYSTEM32 = "C:\\Windows\\System32\\"


def run(**given: Any) -> Run:
    values = {
        "version": "0", "baseline": "b", "learnt": "a baseline", "learnt_from": None, "learnt_to": None, "hosts": 10,
        "host_days": 300, "claims": True,
    }  # fmt: skip
    return Run(**{**values, **given})


def event(kind: str, *, on: str = "ws5.corp.example", time: datetime | None = T0, **native: str) -> EventRef:
    table, _, event_id = kind.partition(":")
    fields = {**({"EventID": event_id} if event_id else {}), **native}
    return EventRef(id=f"{kind}{time}", table=table, host=on, time=time, native=fields)


def reason(field: str = "CommandLine", raw: str = "x", surprisal: float = 9.0, **given: Any) -> Reason:
    values = {"seen": 0, "of": 312_441, "hosts": 0, "of_hosts": 5}
    return Reason(field=field, value=raw, raw=raw, surprisal=surprisal, **{**values, **given})


def evidence(
    kind: str, *reasons: Reason, bits: float = 5.0, events: tuple[EventRef, ...] = (), **native: str
) -> Evidence:
    found = events or (event(kind, **native),)
    return Evidence("rarity", "rarity", kind, bits, bits, "", reasons, found)


def finding(*pieces: Evidence, **given: Any) -> Finding:
    values: dict[str, Any] = {
        "rank": 1, "id": "0badc0de", "pattern_id": "p", "instances": 1, "title": "t", "tier": "low", "bits": 5.0,
        "expected_per_day": 0.5, "run": run(), "entities": (), "attack": (), "start": T0, "end": T0,
        "evidence": pieces, "speaks_against": (), "context": Context(), "next": (),
    }  # fmt: skip
    return Finding(**{**values, **given})


def hosted(host: str, bits: float, id: str, **given: Any) -> Finding:
    return finding(bits=bits, id=id, entities=(Entity("host", host, "actor"),), **given)
