"""A finding in words: its title, and the one line that each piece of evidence says. The words stand in titles.yaml."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from vizsla.declared import from_yaml
from vizsla.nouns import EventRef, Evidence, Reason
from vizsla.safe import shortened, visible
from vizsla.triage.native import base, fields_of, host_name, kind_of, lead_event, strongest
from vizsla.triage.template import Template, one_line, parse, sentence

MAX_TITLE = 140
RARE = 0.25  # the share of events up to which a title calls a value rare
WHY = 80  # characters of an analytic's own words in a title
MAX_SUMMARY = 600
VALUE = 80  # characters of a value within a summary
REASONS = 3  # reasons that a summary names
NO_EVENT = EventRef(id="", table="", host="", time=None)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|_")


@dataclass(frozen=True, slots=True)
class Words:
    """titles.yaml, parsed: templates by kind, field names in words."""

    titles: Mapping[str, tuple[Template, ...]]
    fields: Mapping[str, str]


@cache
def words() -> Words:
    """The shipped words, read once."""
    text = resources.files("vizsla.triage").joinpath("titles.yaml").read_text(encoding="utf-8")
    return load(text)


def load(text: str) -> Words:
    """Words from YAML text. Raises ValueError where a template cannot be parsed, naming its kind."""
    content = from_yaml(text)
    titles: dict[str, tuple[Template, ...]] = {}
    for kind, given in content["titles"].items():
        try:
            titles[str(kind)] = tuple(parse(one) for one in ([given] if isinstance(given, str) else given))
        except ValueError as wrong:
            raise ValueError(f"titles.yaml, {kind}: {wrong}") from wrong
    return Words(titles, {str(name).lower(): str(said) for name, said in content["words"].items()})


def subject(evidence: Evidence, width: int = MAX_TITLE) -> str:
    """What happened, in at most `width` characters: who did what to which object on which host."""
    event = lead_event(evidence) or NO_EVENT
    return describe(event, evidence.kind, width) or _fallback(evidence, event, width)


def describe(event: EventRef, kind: str, width: int = MAX_TITLE) -> str:
    """An event in words; '' where no template fits it."""
    table, event_id = kind_of(kind)
    return next((said for found in _templates(table, event_id) if (said := sentence(found, event, width))), "")


ALIKE = {"linux_sysmon": "windows_sysmon"}  # tables whose events have the same fields


def _templates(table: str, event_id: str) -> Iterator[tuple[Template, ...]]:
    """Those for this kind of event, then those for all of its table, then those for all tables that begin so."""
    known = words().titles
    for name in (table, ALIKE.get(table, table)):
        if event_id:
            yield known.get(f"{name}:{event_id}", ())
    yield known.get(table, ())
    yield from (found for name, found in known.items() if name.endswith("*") and table.startswith(name[:-1]))


def title(evidence: Sequence[Evidence], instances: int = 1) -> str:
    """A finding's title: its strongest evidence in words, and how rare that is; 140 visible characters at most."""
    if not evidence:
        return "finding without evidence"
    lead = strongest(evidence)[0]
    tail = rarity(lead)
    if instances > 1:
        tail = f"{tail}; {instances:,} instances" if tail else f"{instances:,} instances"
    ending = f"; {tail}" if tail else ""
    said = subject(lead, MAX_TITLE - len(ending))
    return shortened(said + ending, MAX_TITLE)


def summary(evidence: Evidence) -> str:
    """The one line of a piece of evidence: what happened, what of it is rare, and what is usual instead."""
    said = subject(evidence, 200)
    reasons = [reason_text(r) for r in _surprising(evidence.reasons)[:REASONS]]
    times = f" ({evidence.count:,} events alike)" if evidence.count > 1 else ""
    return shortened(f"{said}{times}{': ' if reasons else ''}{'; '.join(reasons)}", MAX_SUMMARY)


def reason_text(reason: Reason) -> str:
    """A reason in words: the field, its value, how often it was seen, and what is usual instead."""
    if reason.text:
        return visible(one_line(reason.text))
    value = shortened(visible(one_line(reason.raw or reason.value)), VALUE)
    given = f" with {shortened(visible(one_line(reason.given)), VALUE)}" if reason.given else ""
    often = "never seen" if reason.seen == 0 else f"seen {reason.seen:,} {'time' if reason.seen == 1 else 'times'}"
    hosts = f", on {reason.hosts:,} of {counted(reason.of_hosts, 'host')}" if reason.of_hosts else ""
    usual = ", ".join(f"{shortened(visible(one_line(u.value)), 40)} ({u.count:,})" for u in reason.usual[:3])
    instead = f"; usual: {usual}" if usual else ""
    return f"{field_words(reason.field)} {value}{given} {often} in {counted(reason.of, 'event')}{hosts}{instead}"


def counted(number: int, one: str) -> str:
    """A number of things in words: '1 host', '1,061 events'."""
    return f"{number:,} {one if number == 1 else one + 's'}"


def rarity(evidence: Evidence) -> str:
    """How rare the most surprising part is: 'command line never seen; 0 of 312,441'. '' where nothing of it is rare."""
    if evidence.rule or evidence.indicator:
        return shortened(what_met(evidence), WHY)
    if evidence.analytic != "rarity" and evidence.reasons:
        return shortened(visible(one_line(evidence.why)), WHY)
    rare = [r for r in _surprising(evidence.reasons) if r.seen <= RARE * r.of]
    if not rare:
        return ""
    reason = rare[0]
    given = f" with {shortened(visible(base(one_line(reason.given))), 30)}" if reason.given else ""
    field = f"{field_words(reason.field)}{given}"
    if reason.seen == 0:
        return f"{field} never seen; 0 of {reason.of:,}" if reason.of else f"{field} never seen"
    return f"{field} seen {reason.seen:,} of {reason.of:,}"


def what_met(evidence: Evidence) -> str:
    """What known thing a hit is of."""
    if evidence.rule:
        said = f"rule '{evidence.rule.get('title', '')}' ({evidence.rule.get('level', '')})"
    else:
        told = evidence.indicator or {}
        said = f"indicator {told.get('value', '')} ({told.get('type', '')})"
    return visible(one_line(said))


def field_words(field: str) -> str:
    """A field's name as people say it: 'CommandLine' -> 'command line', unknown 'QueryStatus' -> 'query status'."""
    known = words().fields.get(field.lower())
    if known:
        return known
    return shortened(visible(CAMEL.sub(" ", field).strip().lower() if field.isascii() else field), 40)


def _surprising(reasons: Sequence[Reason]) -> list[Reason]:
    return sorted(reasons, key=lambda r: -round(r.surprisal, 9))


def _fallback(evidence: Evidence, event: EventRef, width: int) -> str:
    """Where no template fits: the kind of event, its host, and the most surprising field with its value."""
    table, event_id = kind_of(evidence.kind)
    fields = fields_of(event)
    source = event.channel or fields.first(("Channel", "Provider_Name", "SourceName")) or _plain(table)
    what = visible(one_line(source))
    if event_id and _is_number(event_id, table, fields):
        what = f"{what} event ID {event_id}"
    elif event_id:
        what = f"{shortened(visible(one_line(evidence.kind.partition(':')[2])), 40)} ({what})"
    host = visible(host_name(event, fields))
    text = f"{shortened(what, 60)}{f' on {shortened(host, 30)}' if host else ''}"
    if evidence.reasons and (reason := _surprising(evidence.reasons)[0]).field.lower() != "eventid":
        raw = one_line(reason.raw or reason.value)
        value = base(raw) if "\\" in raw and " " not in raw else raw
        room = max(12, width - len(text) - len(reason.field) - 3)
        text += f": {field_words(reason.field)} {shortened(visible(value), room)}"
    return shortened(text, width)


def _plain(table: str) -> str:
    """A table's name as words; Windows' tables are named by their channels, which are names themselves."""
    return table if table.startswith("windows_") else table.replace("_", " ")


def _is_number(event_id: str, table: str, fields: Mapping[str, str]) -> bool:
    """Whether what tells the table's events apart is a Windows event id, and no word or other number."""
    return event_id.isdecimal() and (table.startswith("windows_") or fields.get("EventID") == event_id)
