"""STIX patterns over events: comparisons on distinct values of views' fields, observations on the hits of each host.

One event is one observation: its comparisons hold where the fields of any view that reads the event do. Observations
are put together on one host, in the order of time; an event counts once in a match.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.intel.compared import Test, test_of
from vizsla.intel.moments import Event, Moments
from vizsla.intel.pattern import Comparison, Joined, Observation, Pattern, Place, Qualified, Seen, Term, fields
from vizsla.nouns.event import HOST, ID, TIME

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class PatternHit:
    """A pattern that was met on a host: the events (table, `_id`) that meet it, in the order of time."""

    by: str
    host: str
    events: tuple[tuple[str, str], ...]
    first: datetime | None
    last: datetime | None


@dataclass(slots=True)
class Evaluated:
    """What came of patterns. `unable`: why a pattern could not be evaluated, or not in full."""

    hits: list[PatternHit] = field(default_factory=list)
    unable: dict[str, str] = field(default_factory=dict)


def evaluate(engine: Engine, scans: Sequence[Scan], patterns: Mapping[str, Pattern]) -> Evaluated:
    """Which of these patterns (by id) are met in these scans, and by which events."""
    ready, unable = ready_of(patterns)
    done = Evaluated(unable=unable)
    for scan in scans:
        look(engine, scan, ready)
    for name, one in ready.items():
        hits, stopped = matched(name, one, patterns[name])
        done.hits += hits
        if stopped:
            done.unable[name] = stopped
    return done


def ready_of(patterns: Mapping[str, Pattern]) -> tuple[dict[str, Ready], dict[str, str]]:
    """Patterns made ready to look for, and why others cannot be looked for, or not in full."""
    ready: dict[str, Ready] = {}
    unable: dict[str, str] = {}
    for name, pattern in patterns.items():
        try:
            ready[name] = Ready.of(pattern)
        except ValueError as error:
            unable[name] = str(error)
            continue
        unknown = sorted({str(t.path) for seen in ready[name].seen for t in terms(seen.term) if not fields(t.path)})
        if unknown:
            unable[name] = f"no view holds {', '.join(unknown)}"
    return ready, unable


def matched(name: str, one: Ready, pattern: Pattern) -> tuple[list[PatternHit], str]:
    """What a pattern's observations make on each host; and why not all was tried, if so."""
    hits: list[PatternHit] = []
    stopped = ""
    for host, found in sorted(one.found.items()):
        moments = Moments(found)
        for match in moments.matches(pattern.root):
            told = tuple((event.table, event.id) for event in match)
            times = [event.time for event in match if event.time is not None]
            first, last = (min(times), max(times)) if times else (None, None)
            hits.append(PatternHit(name, host, told, first, last))
        if moments.stopped:
            stopped = f"on {host} its observations were too many to try all of their combinations"
    return hits, stopped


@dataclass(slots=True)
class Ready:
    """A pattern's observations, their tests, and by host which events each of them holds for."""

    seen: list[Seen]
    tests: dict[Term, Test]
    found: dict[str, dict[Seen, list[Event]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))

    @classmethod
    def of(cls, pattern: Pattern) -> Ready:
        seen = list(dict.fromkeys(observations(pattern.root)))
        return cls(seen, {term: test_of(term) for one in seen for term in terms(one.term)})


def observations(node: Observation) -> Iterator[Seen]:
    """All observations of a pattern, from left to right."""
    match node:
        case Seen():
            yield node
        case Qualified():
            yield from observations(node.observation)
        case Joined():
            for part in node.parts:
                yield from observations(part)


def terms(node: Comparison) -> Iterator[Term]:
    """All comparisons of an observation, from left to right."""
    if isinstance(node, Term):
        yield node
        return
    for part in node.parts:
        yield from terms(part)


def look(engine: Engine, scan: Scan, ready: Mapping[str, Ready]) -> None:
    """The events of a scan for which observations hold, into `found`."""
    from vizsla.view import view_of, views

    wanted = {place for one in ready.values() for term in one.tests for place in fields(term.path)}
    filled = {
        name: {f for mapping in view.of(scan.table) for f in mapping.fields}
        & {p.field for p in wanted if p.view == name}
        for name, view in views().items()
    }
    filled = {name: held for name, held in filled.items() if held}
    partly: dict[str, dict[str, _Partly]] = {}  # pattern, event: what is known of it from some of its views
    for name in sorted(filled):
        expression = view_of(engine, [scan], name, filled[name])
        for batch in engine.batches(expression):
            for by, one in ready.items():
                _take(one, batch, name, filled, partly.setdefault(by, {}), scan.table)
    for by, events in partly.items():
        one = ready[by]
        for held in events.values():
            for seen in one.seen:
                if holds(seen.term, held.true):
                    one.found[held.host][seen].append(held.event)


@dataclass(slots=True)
class _Partly:
    """An event for which an observation may hold, and the comparisons that do."""

    event: Event
    host: str
    true: set[Term] = field(default_factory=set)


def holds(node: Comparison, true: set[Term]) -> bool:
    """Whether an observation holds where these comparisons do."""
    if isinstance(node, Term):
        return node in true
    return (all if node.operator == "AND" else any)(holds(part, true) for part in node.parts)


def _take(
    one: Ready,
    batch: pa.RecordBatch,
    view: str,
    filled: Mapping[str, set[str]],
    partly: dict[str, _Partly],
    table: str,
) -> None:
    masks: dict[Term, Mask] = {}
    elsewhere: set[Term] = set()
    for term, test in one.tests.items():
        places = fields(term.path)
        mine = [p for p in places if p.view == view and p.field in filled[view]]
        if any(p.view != view and p.field in filled.get(p.view, ()) for p in places):
            elsewhere.add(term)
        if mine:
            masks[term] = _mask(batch, mine, test, negated=term.negated)
    if not masks:
        return
    possible = np.zeros(batch.num_rows, bool)
    for seen in one.seen:
        possible |= _possible(seen.term, masks, elsewhere, batch.num_rows)
    # Where nothing that this view decides holds, it has nothing to say: another view must.
    rows = np.flatnonzero(possible & np.logical_or.reduce(list(masks.values())))
    if not len(rows):
        return
    picked = batch.take(pa.array(rows))
    columns = (picked.column(name).to_pylist() for name in (ID, TIME, HOST))
    for row, (id, time, host) in zip(rows.tolist(), zip(*columns, strict=True), strict=True):
        held = partly.get(id)
        if held is None:
            held = partly[id] = _Partly(Event(time, table, id), host or "")
        held.true.update(term for term, mask in masks.items() if mask[row])


def _possible(node: Comparison, masks: Mapping[Term, Mask], elsewhere: set[Term], size: int) -> Mask:
    """The rows of which an observation may hold: a comparison that another view decides may."""
    if isinstance(node, Term):
        if node in elsewhere:
            return np.ones(size, bool)
        return masks.get(node, np.zeros(size, bool))
    parts = [_possible(part, masks, elsewhere, size) for part in node.parts]
    joined: Mask = np.logical_and.reduce(parts) if node.operator == "AND" else np.logical_or.reduce(parts)
    return joined


def _mask(batch: pa.RecordBatch, places: Sequence[Place], test: Test, *, negated: bool) -> Mask:
    """The rows that hold a value for which the test holds (or, negated, does not), in any of these fields."""
    found = np.zeros(batch.num_rows, bool)
    for place in places:
        column = batch.column(place.field)
        coded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
        verdicts = [value is not None and test(value) is not negated for value in coded.dictionary.to_pylist()]
        places_of = np.asarray(pc.fill_null(coded.indices, len(verdicts)))
        found |= np.array([*verdicts, False], dtype=bool)[places_of]
    return found
