"""One finding in full, on a terminal: what an analyst needs to judge it as one thing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vizsla.faces import words
from vizsla.faces.lineage import Row, tree_rows
from vizsla.faces.table import COLOURS, JUDGED, render
from vizsla.nouns import EventRef, Evidence, Finding, Reason
from vizsla.safe import shortened, visible

if TYPE_CHECKING:
    import pyarrow as pa
    from rich.console import RenderableType
    from rich.text import Text

_VALUE = 400  # of a native field
_EVENTS = 30  # of the timeline
_LINES = 40  # of evidence that are shown though they add nothing
_REASONS = 12  # of one line of evidence
_SAID = 600  # of what an author says
_FEW = 8  # entries of a list that an author gave
_LEDGER = 120  # of a line of the ledger: "Why" has told it in full
_TOLD = {
    "id": "id",
    "description": "says",
    "falsepositives": "harmless where",
    "context": "stood in",
    "feeds": "feeds",
    "confidence": "confidence",
    "malware": "malware",
    "actors": "actors",
    "tags": "tags",
    "status": "status",
    "references": "see",
    "author": "author",
    "file": "file",
}
_INDENT = "  "


def parts(finding: Finding, width: int, *, nearby: pa.Table | None = None) -> list[RenderableType]:
    """What to print, in order: head, reasons, ledger, lineage, context, timeline, against, next."""
    told: list[RenderableType] = [_head(finding), *_why(finding), *_ledger(finding), *_lineage(finding)]
    told += [*_context(finding), *_timeline(finding), *_against(finding), *_next(finding)]
    if nearby is not None:
        from vizsla.faces.arrow import renderable

        told += [_title("What else happened around it"), renderable(nearby, width)]
    return told


def text(finding: Finding, width: int = 140, *, nearby: pa.Table | None = None) -> str:
    """The same as plain text, for a file."""
    return render(parts(finding, width, nearby=nearby), width)


def _title(words: str) -> Text:
    from rich.text import Text

    return Text(f"\n{words}", style="bold")


def _head(finding: Finding) -> Text:
    from rich.text import Text

    head = Text()
    head.append(visible(finding.title) + "\n", style="bold")
    head.append(finding.tier, style=COLOURS[finding.tier])
    head.append(f" · {words.bits(finding.bits)} bits")
    often = words.how_often(finding.expected_per_day)
    if often:
        head.append(f" · {often} here")
    head.append(f" · rank {finding.rank} · id {visible(finding.id)}\n")
    head.append(f"{words.period(finding.start, finding.end)} UTC", style="")
    if finding.instances > 1:
        head.append(
            f" · {words.counted(finding.instances, 'instance')} of the same pattern ({visible(finding.pattern_id)})"
        )
    for entity in finding.entities:
        head.append(f"\n{visible(entity.type)}: ", style="dim").append(visible(entity.value))
        head.append(f" ({visible(entity.role)})" if entity.role else "", style="dim")
    if len(finding.instance_hosts) > 1:
        head.append("\nalso on: ", style="dim").append(", ".join(visible(h) for h in finding.instance_hosts))
    for judged in finding.judged:
        head.append("\nverdict: ", style="dim").append(visible(words.earlier(judged)), style=JUDGED[judged.judgement])
    for attack in finding.attack:
        head.append("\nATT&CK: ", style="dim").append(f"{visible(attack.technique)} {visible(attack.tactic)}")
        head.append(f" (says {visible(attack.source)})", style="dim")
    return head


def _why(finding: Finding) -> Iterator[Text]:
    from rich.text import Text

    yield _title("Why")
    left = 0
    for number, evidence in enumerate(finding.evidence, start=1):
        if number <= _LINES or evidence.bits:
            yield _evidence(number, evidence)
        else:
            left += 1
    if left:
        lines = words.counted(left, "more line", "more lines")
        yield Text(f"{lines} of evidence, each worth nothing beside these: `vizsla show {finding.id} --json` has them.")


def _evidence(number: int, evidence: Evidence) -> Text:
    from rich.text import Text

    told = Text(f"{number}. ")
    told.append(visible(evidence.why), style="bold")
    extra = [
        f"{words.signed(evidence.bits)} bits",
        f"{words.bits(evidence.alone_bits)} alone",
        visible(evidence.analytic),
    ]
    if evidence.kind:
        extra.append(visible(evidence.kind))
    if evidence.count > 1:
        extra.append(words.counted(evidence.count, "event"))
    if evidence.p is not None:
        extra.append(f"p {evidence.p:.2g}")
    told.append("\n   " + " · ".join(extra), style="dim")
    for reason in evidence.reasons[:_REASONS]:
        told.append("\n").append_text(_reason(reason))
    if (left := len(evidence.reasons) - _REASONS) > 0:
        told.append(f"\n{_INDENT} - {words.counted(left, 'more reason', 'more reasons')}: `--json` has them")
    for name, value in said(evidence):
        told.append(f"\n{_INDENT} - {name}: ", style="dim").append(shortened(visible(value), _SAID))
    return told


def said(evidence: Evidence) -> Iterator[tuple[str, str]]:
    """What the author of a rule, or the feeds of an indicator, say beside its name: (what, text)."""
    record = evidence.rule or evidence.indicator or {}
    for key, name in _TOLD.items():
        value = record.get(key)
        if isinstance(value, list | tuple):
            more = f" and {words.number(len(value) - _FEW)} more" if len(value) > _FEW else ""
            value = "; ".join(str(one) for one in value[:_FEW]) + more
        if value not in (None, ""):
            yield name, str(value)


def _reason(reason: Reason) -> Text:
    from rich.text import Text

    told = Text(_INDENT + " - ")
    if reason.text:
        told.append(visible(reason.text))
    else:
        told.append(visible(reason.field), style="cyan").append(" = ").append(shortened(visible(reason.raw), _VALUE))
    if words.compares(reason):
        told.append(
            f"\n{_INDENT}   {words.prevalence(reason)}, {words.bits(reason.surprisal)} bits of surprisal", style="dim"
        )
    if reason.given:
        told.append(f", given {visible(reason.given)}", style="dim")
    if reason.seen and reason.first:
        told.append(f"\n{_INDENT}   seen {words.period(reason.first, reason.last)}", style="dim")
    if reason.text and reason.raw:
        told.append(f"\n{_INDENT}   {visible(reason.field)}: ", style="dim").append(
            shortened(visible(reason.raw), _VALUE)
        )
    if reason.usual:
        usual = ", ".join(f"{shortened(visible(u.value), 80)} ({words.number(u.count)})" for u in reason.usual)
        told.append(f"\n{_INDENT}   usual instead: {usual}", style="dim")
    return told


def _ledger(finding: Finding) -> Iterator[Text]:
    if not finding.ledger:
        return
    yield _title("Ledger, in bits")
    from rich.text import Text

    for line, value in finding.ledger:
        yield Text(f"{words.signed(value):>9}  {shortened(visible(line), _LEDGER)}")
    yield Text(f"{words.bits(finding.bits):>9}  together", style="bold")


def _lineage(finding: Finding) -> Iterator[Text]:
    from rich.text import Text

    rows = tree_rows(finding.context.tree)
    if rows:
        yield _title("Process tree")
        yield from (_node(row) for row in rows)
    elif finding.context.parent_chain:
        yield _title("Parent chain")
        yield Text(" → ".join(visible(p) for p in finding.context.parent_chain))


def _node(row: Row) -> Text:
    from rich.text import Text

    node = row.node
    told = Text(row.prefix, style="dim")
    told.append(visible(node.image) or "unknown image", style="bold red" if node.marked else "bold")
    told.append(f" [{visible(node.pid)}]" if node.pid else "", style="dim")
    told.append(f" {visible(node.user)}" if node.user else "", style="dim")
    told.append(f" {words.when(node.start)}" if node.start else "", style="dim")
    if node.command_line:
        told.append(f"\n{row.below}  {shortened(visible(node.command_line), _VALUE)}", style="")
    return told


def _context(finding: Finding) -> Iterator[Text]:
    from rich.text import Text

    context = finding.context
    facts = []
    if context.first_on_host:
        facts.append(f"on this host: {words.period(context.first_on_host, context.last_on_host)}")
    if context.other_hosts:
        facts.append("also done on: " + ", ".join(visible(h) for h in context.other_hosts))
    if context.logon_source:
        facts.append(f"logon: {visible(context.logon_source)}")
    facts += [f"nearby: {visible(n)}" for n in context.nearby]
    if facts:
        yield _title("Context")
        yield from (Text(_INDENT + fact) for fact in facts)


def _timeline(finding: Finding) -> Iterator[Text]:
    from rich.text import Text

    events = timeline(finding)
    if not events:
        return
    yield _title("Timeline (UTC), with the native fields")
    yield from (_event(event) for event in events[:_EVENTS])
    if len(events) > _EVENTS:
        yield Text(
            f"{words.counted(len(events) - _EVENTS, 'more event')}: `vizsla show {finding.id} --json` has them all."
        )


def timeline(finding: Finding) -> list[EventRef]:
    """The finding's events by time, each once; those without a time come last."""
    unique = {e.id: e for evidence in finding.evidence for e in evidence.events}
    return sorted(unique.values(), key=lambda e: (e.time is None, words.clock(e.time), e.id))


def _event(event: EventRef) -> Text:
    from rich.text import Text

    told = Text(words.clock(event.time), style="cyan")
    told.append(f"  {visible(event.host)}  {visible(event.channel or event.table)}", style="bold")
    places = [f"record {visible(event.record_id)}"] if event.record_id else []
    if event.file:
        places.append(visible(event.file) + (f"#{visible(event.offset)}" if event.offset else ""))
    told.append("\n" + _INDENT + ", ".join(places) if places else "", style="dim")
    for name, value in event.native.items():
        if not name.startswith("_") and value is not None and value != "":
            told.append(f"\n{_INDENT}{visible(name)}: ", style="dim").append(shortened(visible(str(value)), _VALUE))
    return told


def _against(finding: Finding) -> Iterator[Text]:
    from rich.text import Text

    yield _title("What speaks against it")
    for line in finding.speaks_against or ("nothing that the data shows",):
        yield Text(f"{_INDENT}- {visible(line)}")


def _next(finding: Finding) -> Iterator[Text]:
    from rich.text import Text

    if not finding.next:
        return
    yield _title("What to ask next")
    for pivot in finding.next:
        yield Text.assemble((f"{_INDENT}{visible(pivot.what)} ", ""), (f"({visible(pivot.tool)})", "dim"))
        yield Text(f"{_INDENT}  {visible(pivot.query)}", style="green")
