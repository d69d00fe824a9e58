"""An intelligence-driven hunt as a Markdown document for people, and as JSON for machines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from vizsla.faces import plan as face
from vizsla.faces.record import to_record
from vizsla.faces.table import where
from vizsla.faces.words import bits, counted, when
from vizsla.nouns import Hit
from vizsla.nouns.hypothesis import Hypothesis, IntelHunt
from vizsla.safe import visible

SCHEMA = "vizsla.intel-hunt/1"
_SIGNS = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")
_LINKS = (
    (re.compile(r"(?i)\bh(?:tt|xx)p(s?)://"), r"hxxp\1[:]//"),
    (re.compile(r"(?i)\bwww\."), "www[.]"),
    (re.compile(r"@"), "[@]"),
)
_TOUCHED = 50


def markdown(plan: IntelHunt) -> Iterator[str]:
    """The document, line by line. Text of reports and events is data: it becomes neither markup nor link."""
    yield f"# Hunt for the actors of {text(plan.title)}"
    yield ""
    for line in face.about(plan):
        yield f"- {text(line)}"
    yield ""
    yield "## Hypotheses"
    yield ""
    if not plan.hypotheses:
        yield "The report names neither indicators nor techniques: there is nothing to hunt for."
    else:
        ranks = {finding.id: finding.rank for finding in plan.result.findings}
        rows = [
            (one.outcome, face.name(one), one.able, len(one.rules), len(one.analytics), _data(one),
             face.ranked([ranks[id] for id in one.findings], 6))
            for one in plan.hypotheses
        ]  # fmt: skip
        yield from _table(("outcome", "what", "can tell", "rules", "analytics", "data", "findings"), rows)
    for one in plan.hypotheses:
        yield ""
        yield f"### {text(face.name(one))}"
        yield ""
        for what, said in face.details(one, plan):
            yield f"- **{what}**: {text(said)}"
    yield from _met(plan)
    yield from _findings(plan)


def _data(one: Hypothesis) -> str:
    if one.seen is None:
        return ""
    return f"{sum(1 for c in one.seen.components if c.events)} of {len(one.seen.components)}"


def _met(plan: IntelHunt) -> Iterator[str]:
    if not plan.met:
        return
    yield ""
    yield "## Indicators of the report that were met"
    yield ""
    rows = [(hit.level, hit.said.get("type", ""), hit.name, hit.events, when(hit.first), ", ".join(hit.hosts[:5]))
            for hit in plan.met]  # fmt: skip
    yield from _table(("level", "type", "indicator", "events", "first (UTC)", "hosts"), rows)


def _findings(plan: IntelHunt) -> Iterator[str]:
    touched = [finding for finding in plan.result.findings if finding.id in plan.touches]
    yield ""
    yield "## Findings that touch the report"
    yield ""
    if touched:
        rows = [
            (f.rank, f.tier, bits(f.bits), ", ".join(plan.touches[f.id]), f.title, where(f), when(f.start), f.id)
            for f in touched[:_TOUCHED]
        ]
        yield from _table(("#", "tier", "bits", "touches", "finding", "where", "when (UTC)", "id"), rows)
        yield ""
    if len(touched) > _TOUCHED:
        yield f"- {counted(len(touched) - _TOUCHED, 'more finding')} in the JSON."
    for line in face.ending(plan, touched):
        yield f"- {text(line)}"


def _table(names: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(text(str(cell)) for cell in row)} |"


def text(said: str) -> str:
    """Text as Markdown shows it: no markup, no HTML, no links."""
    shown = visible(said)
    for pattern, instead in _LINKS:
        shown = pattern.sub(instead, shown)
    return _SIGNS.sub(r"\\\1", shown)


def record(plan: IntelHunt) -> dict[str, Any]:
    """The hunt as JSON-ready data. Findings that touch the report are whole, the others by rank, id and title."""
    return {
        "schema": SCHEMA,
        "title": plan.title,
        "reports": [
            {"name": r.name, "path": r.path, "format": r.format, "indicators": r.indicators, "context": r.context,
             "refused": r.refused, "why": r.why}
            for r in plan.reports
        ],
        "subjects": [
            {"kind": s.kind, "name": s.name, "id": s.id, "techniques": s.techniques} for s in plan.subjects
        ],
        "indicators": [{"type": s.type, "count": s.count, "tables": list(s.tables)} for s in plan.sought],
        "hunted": {"events": plan.events, "hosts": plan.hosts, "first": when(plan.first), "last": when(plan.last)},
        "silenced": [{"value": value, "by": by} for value, by in plan.silenced],
        "left_out": plan.left_out,
        "hypotheses": [_hypothesis(one) for one in plan.hypotheses],
        "met": [_hit(hit) for hit in plan.met],
        "rules_met": [_hit(hit) for hit in plan.rules_met],
        "findings": [
            {"touches": list(plan.touches[f.id]), **to_record(f)}
            if f.id in plan.touches
            else {"touches": [], "rank": f.rank, "id": f.id, "title": f.title, "tier": f.tier, "bits": f.bits}
            for f in plan.result.findings
        ],
        "says": face.ending(plan, [f for f in plan.result.findings if f.id in plan.touches]),
    }  # fmt: skip


def _hypothesis(one: Hypothesis) -> dict[str, Any]:
    lists = ("tactics", "confirm", "refute", "rules", "waiting", "analytics", "views", "missing", "hits", "findings")
    texts = ("technique", "name", "sentence", "said", "context", "source", "able", "outcome")
    made: dict[str, Any] = {name: getattr(one, name) for name in texts}
    made |= {name: list(getattr(one, name)) for name in lists}
    made["data"] = [
        {"component": c.name, "view": c.view, "events": c.events, "tables": list(c.tables), "brings": list(c.brings)}
        for c in (one.seen.components if one.seen else ())
    ]
    return made


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "id": hit.id, "name": hit.name, "level": hit.level, "bits": hit.bits, "events": hit.events,
        "hosts": list(hit.hosts), "first": when(hit.first), "last": when(hit.last),
        "techniques": list(hit.techniques), "host_days": hit.host_days, "of_host_days": hit.of_host_days,
    }  # fmt: skip
