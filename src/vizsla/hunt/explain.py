"""Findings of ranked episodes: bare ones, that have a place and a strength, and explained ones, with their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from vizsla.engine import Engine
from vizsla.hunt.known import LISTED, fetched
from vizsla.hunt.rank import Stage
from vizsla.lake import Scan
from vizsla.nouns import Context, Evidence, Finding
from vizsla.nouns.event import ID, TIME
from vizsla.triage import assemble, assets, budget, telling
from vizsla.triage.attack import attacks_of
from vizsla.triage.entities import entities_of
from vizsla.triage.known import beside, wanted_ties
from vizsla.triage.known import evidence as evidence_of_hits
from vizsla.triage.observed import analytic_of, is_hit
from vizsla.triage.titles import title

ROUNDING = 1e-9  # bits


@dataclass(frozen=True, slots=True)
class Gain:
    """What verdicts taught of a finding: bits that it gains or loses, and why."""

    bits: float
    why: str


def bare(stage: Stage, pattern: assemble.Pattern) -> Finding:
    """A finding before its events are known: strength, place and time."""
    expected = None
    if stage.run.claims:
        expected = stage.replay.expected(pattern.bits, pattern.surprisal, stage.hosts_a_day)
    return Finding(
        rank=0,
        id=pattern.id,
        pattern_id=pattern.pattern_id,
        instances=pattern.instances,
        title="",
        tier=budget.tier(expected, pattern.bits, stage.run.claims),
        bits=pattern.bits,
        expected_per_day=expected,
        run=stage.run,
        entities=entities_of((), pattern.hosts),
        attack=(),
        start=pattern.start,
        end=pattern.start + timedelta(minutes=10),
        evidence=(),
        speaks_against=(),
        context=Context(),
        next=(),
        surprisal=pattern.surprisal,
        ledger=(),
        instance_hosts=pattern.hosts,
    )


def weighed(finding: Finding, known: assets.Assets, gain: Gain | None = None) -> Finding:
    """The team's own weights: the heaviest of the entities named, and what verdicts taught; lines of the ledger."""
    extra = max((known.weight(entity) for entity in finding.entities), default=0.0, key=abs)
    extra += gain.bits if gain else 0.0
    return replace(finding, bits=finding.bits + extra) if extra else finding


def explain(
    engine: Engine,
    scans: Sequence[Scan],
    stage: Stage,
    findings: Sequence[Finding],
    by_id: Mapping[str, assemble.Pattern],
    gains: Mapping[str, Gain] | None = None,
) -> dict[str, Finding]:
    """Findings with their evidence, by id; one pass over the events for all of them. `by_id`: their patterns.

    `gains`: by id, what verdicts taught of them.
    """
    if not findings:
        return {}
    chosen = [by_id[finding.id] for finding in findings]
    rows = assemble.lines(stage.ranked, chosen)
    events = assemble.picked(engine, scans, stage.ranked, rows)
    listed = [one for lines in rows.values() for line in lines for one in (line, *line.folded)]
    named = telling.fetched(engine, scans, stage.seen.observed, stage.ranked, listed)
    met = _hits(engine, scans, stage, listed)
    explained = {}
    for finding in findings:
        lines = rows[by_id[finding.id].episode]
        evidence = tuple(_of_hits(met, line) or _told(stage, line, events, named) for line in lines)
        times = sorted(e.time for line in evidence for e in line.events if e.time)
        ledger = [(line.why, line.bits) for line in evidence if line.bits]
        gain = (gains or {}).get(finding.id)
        extra = finding.bits - by_id[finding.id].bits - (gain.bits if gain else 0.0)
        if abs(extra) > ROUNDING:
            ledger.append(("the team's own weight of its assets", extra))
        if gain and gain.bits:
            ledger.append((gain.why, gain.bits))
        explained[finding.id] = replace(
            finding,
            title=title(evidence, finding.instances),
            entities=entities_of(evidence, finding.instance_hosts),
            attack=attacks_of(evidence),
            start=times[0] if times else finding.start,
            end=times[-1] if times else finding.end,
            evidence=evidence,
            ledger=tuple(ledger),
        )
    return explained


def _told(
    stage: Stage,
    line: assemble.Line,
    events: Mapping[int, list[telling.Row]],
    named: Mapping[str, tuple[str, telling.Row]],
) -> Evidence:
    """A line as evidence: `events` are rarity's, by tie, `named` those that other analytics named, by id."""
    ranked, claims = stage.ranked, stage.run.claims
    if telling.is_observed(line):
        return telling.evidence(stage.seen.observed, ranked, line, named, stage.seen.tails, claims)
    return assemble.evidence(stage.model, stage.words, ranked, line, events, claims)


def _hits(engine: Engine, scans: Sequence[Scan], stage: Stage, listed: Sequence[assemble.Line]) -> dict[int, Evidence]:
    """The evidence of lines of hits, by the line's `id()`."""
    made: dict[int, Evidence] = {}
    for one in stage.met:
        lines = [line for line in listed if is_hit(line.kind) and analytic_of(line.kind) == one.met.known.analytic]
        ties = [wanted_ties(stage.ranked, [line]) for line in lines]
        kept = one.met.rows(np.concatenate(ties) if ties else np.zeros(0, np.uint64))
        rows = [_in_time([row for tie in own.tolist() for row in kept.get(tie, ())]) for own in ties]
        events = fetched(engine, scans, rows)
        for line, own in zip(lines, rows, strict=True):
            if own:
                worth = one.worth[str(own[0]["by"])]
                made[id(line)] = evidence_of_hits(worth, stage.ranked, line, own, events)
    return made


def _of_hits(met: Mapping[int, Evidence], line: assemble.Line) -> Evidence | None:
    """A line of hits with those folded into it; None where it is of no hits."""
    made = met.get(id(line))
    return beside(made, [met[id(one)] for one in line.folded if id(one) in met]) if made else None


def _in_time(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """The first hits of a line, each event once."""
    distinct = {str(row[ID]): row for row in rows}
    return sorted(distinct.values(), key=lambda row: (str(row[TIME]), str(row[ID])))[:LISTED]
