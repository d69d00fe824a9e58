"""A finding as JSON, and back. The shape is `vizsla/schema/finding.schema.json`; only additions are allowed to it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, cast

from vizsla.errors import VizslaError
from vizsla.nouns import (
    SCHEMA,
    Attack,
    Context,
    Entity,
    EventRef,
    Evidence,
    Finding,
    Judged,
    Pivot,
    ProcessNode,
    Reason,
    Run,
    Shown,
    Usual,
)

Json = dict[str, Any]
_MARK = 64  # more than the mark of what was cut takes
TEXT, NATIVE = 4_096, 16_384  # characters of a text, and of a native field, that a record holds


def schema() -> Json:
    """The published JSON Schema of a finding."""
    import orjson

    text = files("vizsla").joinpath("schema/finding.schema.json").read_bytes()
    return cast(Json, orjson.loads(text))


def to_record(finding: Finding) -> Json:
    """The finding as JSON-ready data: dicts, lists, strings, numbers, None. Times are RFC 3339 in UTC.

    A text of more than TEXT characters (NATIVE of a native field) is cut, with its length: a finding repeats what its
    events hold many times over. The lake holds it whole, under the event's id and table.
    """
    record: Json = _cut(_whole_record(finding), TEXT)
    return record


def _cut(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        if len(value) <= longest + _MARK:  # what was cut before stays as it is
            return value
        return f"{value[:longest]}… (cut: {len(value):,} characters)"
    if isinstance(value, list):
        return [_cut(item, longest) for item in value]
    if isinstance(value, dict):
        return {_cut(key, TEXT): _cut(item, NATIVE if key == "native" else longest) for key, item in value.items()}
    return value


def _whole_record(finding: Finding) -> Json:
    return {
        "schema": SCHEMA,
        "rank": finding.rank,
        "id": finding.id,
        "pattern_id": finding.pattern_id,
        "instances": finding.instances,
        "instance_hosts": list(finding.instance_hosts),
        "title": finding.title,
        "tier": finding.tier,
        "bits": finding.bits,
        "surprisal": finding.surprisal,
        "expected_per_day": finding.expected_per_day,
        "ledger": [{"line": line, "bits": bits} for line, bits in finding.ledger],
        "run": _run_record(finding.run),
        "entities": [{"type": e.type, "value": e.value, "role": e.role} for e in finding.entities],
        "attack": [{"technique": a.technique, "tactic": a.tactic, "source": a.source} for a in finding.attack],
        "time": {"start": stamp(finding.start), "end": stamp(finding.end)},
        "evidence": [_evidence_record(e) for e in finding.evidence],
        "speaks_against": list(finding.speaks_against),
        "context": _context_record(finding.context),
        "shown": [{"kind": s.kind, "code": s.code, "bits": s.bits} for s in finding.shown],
        "traits": dict(finding.traits),
        "verdicts": [_judged_record(j) for j in finding.judged],
        "next": [{"what": p.what, "query": p.query, "for": p.tool} for p in finding.next],
    }


def from_record(record: Mapping[str, Any]) -> Finding:
    """The finding that `to_record` wrote.

    Raises VizslaError where the record is of another schema or lacks what the schema requires.
    """
    if record.get("schema") != SCHEMA:
        raise VizslaError(
            f"this finding is of schema {record.get('schema')!r}, and {SCHEMA!r} is what this version reads",
            where="the finding's `schema` field",
            fix="read it with the Vizsla that wrote it, or hunt again",
        )
    try:
        return _finding(record)
    except (KeyError, TypeError, ValueError) as error:
        raise VizslaError(
            f"a finding does not hold what its schema asks for: {error!r}",
            where=f"finding {str(record.get('id'))[:40]!r}",
            fix="check it against vizsla/schema/finding.schema.json",
        ) from error


def stamp(time: datetime | None) -> str | None:
    """RFC 3339 in UTC, microseconds where there are any; a time without a zone is taken as UTC."""
    if time is None:
        return None
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def moment(text: str | None) -> datetime | None:
    """The time that `stamp` wrote."""
    return None if text is None else datetime.fromisoformat(text)


def _run_record(run: Run) -> Json:
    return {
        "version": run.version,
        "baseline": run.baseline,
        "learnt": run.learnt,
        "learnt_from": stamp(run.learnt_from),
        "learnt_to": stamp(run.learnt_to),
        "hosts": run.hosts,
        "host_days": run.host_days,
        "claims": run.claims,
    }


def _evidence_record(evidence: Evidence) -> Json:
    return {
        "analytic": evidence.analytic,
        "family": evidence.family,
        "kind": evidence.kind,
        "pattern_id": evidence.pattern_id,
        "bits": evidence.bits,
        "alone_bits": evidence.alone_bits,
        "surprisal": evidence.surprisal,
        "p": evidence.p,
        "relevance": evidence.relevance,
        "count": evidence.count,
        "why": evidence.why,
        "reasons": [_reason_record(r) for r in evidence.reasons],
        "rule": None if evidence.rule is None else dict(evidence.rule),
        "indicator": None if evidence.indicator is None else dict(evidence.indicator),
        "also": [dict(one) for one in evidence.also],
        "picture": None if evidence.picture is None else dict(evidence.picture),
        "events": [_event_record(e) for e in evidence.events],
    }


def _judged_record(judged: Judged) -> Json:
    return {
        "id": judged.id,
        "verdict": judged.judgement,
        "at": stamp(judged.at),
        "by": judged.by,
        "scope": judged.reach,
        "same": judged.same,
        "reason": judged.reason,
        "until": stamp(judged.until),
    }


def _reason_record(reason: Reason) -> Json:
    return {
        "field": reason.field,
        "value": reason.value,
        "raw": reason.raw,
        "given": reason.given,
        "surprisal": reason.surprisal,
        "seen": reason.seen,
        "of": reason.of,
        "hosts": reason.hosts,
        "of_hosts": reason.of_hosts,
        "first": stamp(reason.first),
        "last": stamp(reason.last),
        "usual": [{"value": u.value, "count": u.count} for u in reason.usual],
        "text": reason.text,
    }


def _event_record(event: EventRef) -> Json:
    return {
        "id": event.id,
        "table": event.table,
        "host": event.host,
        "time": stamp(event.time),
        "channel": event.channel,
        "record_id": event.record_id,
        "file": event.file,
        "offset": event.offset,
        "native": dict(event.native),
    }


def _context_record(context: Context) -> Json:
    return {
        "first_on_host": stamp(context.first_on_host),
        "last_on_host": stamp(context.last_on_host),
        "other_hosts": list(context.other_hosts),
        "parent_chain": list(context.parent_chain),
        "logon_source": context.logon_source,
        "nearby": list(context.nearby),
        "tree": [
            {
                "key": n.key,
                "parent": n.parent,
                "image": n.image,
                "command_line": n.command_line,
                "user": n.user,
                "pid": n.pid,
                "start": stamp(n.start),
                "marked": n.marked,
            }
            for n in context.tree
        ],
    }


def _finding(record: Mapping[str, Any]) -> Finding:
    return Finding(
        rank=record["rank"],
        id=record["id"],
        pattern_id=record["pattern_id"],
        instances=record["instances"],
        title=record["title"],
        tier=record["tier"],
        bits=float(record["bits"]),
        expected_per_day=record["expected_per_day"],
        run=_run(record["run"]),
        entities=tuple(Entity(**e) for e in record["entities"]),
        attack=tuple(Attack(**a) for a in record["attack"]),
        start=moment(record["time"]["start"]),
        end=moment(record["time"]["end"]),
        evidence=tuple(_evidence(e) for e in record["evidence"]),
        speaks_against=tuple(record["speaks_against"]),
        context=_context(record["context"]),
        next=tuple(Pivot(what=p["what"], query=p["query"], tool=p["for"]) for p in record["next"]),
        surprisal=float(record.get("surprisal", 0.0)),
        ledger=tuple((entry["line"], float(entry["bits"])) for entry in record.get("ledger", ())),
        instance_hosts=tuple(record.get("instance_hosts", ())),
        shown=tuple(Shown(s["kind"], s["code"], float(s["bits"])) for s in record.get("shown", ())),
        traits={name: float(value) for name, value in record.get("traits", {}).items()},
        judged=tuple(_judged(j) for j in record.get("verdicts", ())),
    )


def _judged(record: Mapping[str, Any]) -> Judged:
    return Judged(
        id=record["id"],
        judgement=record["verdict"],
        at=datetime.fromisoformat(record["at"]),
        by=record["by"],
        reach=record["scope"],
        same=record["same"],
        reason=record["reason"],
        until=moment(record["until"]),
    )


def _run(record: Mapping[str, Any]) -> Run:
    return Run(
        version=record["version"],
        baseline=record["baseline"],
        learnt=record.get("learnt", ""),
        learnt_from=moment(record["learnt_from"]),
        learnt_to=moment(record["learnt_to"]),
        hosts=record["hosts"],
        host_days=record["host_days"],
        claims=record.get("claims", False),
    )


def _evidence(record: Mapping[str, Any]) -> Evidence:
    return Evidence(
        analytic=record["analytic"],
        family=record["family"],
        kind=record["kind"],
        bits=float(record["bits"]),
        alone_bits=float(record["alone_bits"]),
        why=record["why"],
        reasons=tuple(_reason(r) for r in record["reasons"]),
        events=tuple(_event(e) for e in record["events"]),
        count=record.get("count", 1),
        surprisal=float(record.get("surprisal", 0.0)),
        p=record.get("p"),
        relevance=float(record.get("relevance", 0.0)),
        pattern_id=record.get("pattern_id", ""),
        rule=record.get("rule"),
        indicator=record.get("indicator"),
        also=tuple(record.get("also", ())),
        picture=record.get("picture"),
    )


def _reason(record: Mapping[str, Any]) -> Reason:
    return Reason(
        field=record["field"],
        value=record["value"],
        raw=record["raw"],
        surprisal=float(record["surprisal"]),
        seen=record["seen"],
        of=record["of"],
        hosts=record["hosts"],
        of_hosts=record["of_hosts"],
        given=record.get("given", ""),
        first=moment(record["first"]),
        last=moment(record["last"]),
        usual=tuple(Usual(**u) for u in record["usual"]),
        text=record["text"],
    )


def _event(record: Mapping[str, Any]) -> EventRef:
    return EventRef(
        id=record["id"],
        table=record["table"],
        host=record["host"],
        time=moment(record["time"]),
        channel=record["channel"],
        record_id=record["record_id"],
        file=record["file"],
        offset=record["offset"],
        native=dict(record["native"]),
    )


def _context(record: Mapping[str, Any]) -> Context:
    return Context(
        first_on_host=moment(record["first_on_host"]),
        last_on_host=moment(record.get("last_on_host")),
        other_hosts=tuple(record["other_hosts"]),
        parent_chain=tuple(record["parent_chain"]),
        logon_source=record["logon_source"],
        nearby=tuple(record.get("nearby", ())),
        tree=tuple(ProcessNode(**{**n, "start": moment(n["start"])}) for n in record.get("tree", ())),
    )
