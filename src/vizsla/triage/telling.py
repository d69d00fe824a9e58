"""Lines of evidence that analytics observed: their events fetched by id, their reason in the author's own words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from vizsla.calibration import Tail, bits, e_value
from vizsla.engine import Engine
from vizsla.lake import Scan
from vizsla.nouns import Evidence, Reason
from vizsla.nouns.event import ID
from vizsla.safe import shortened, visible
from vizsla.triage.assemble import EVENTS, Line, event_ref
from vizsla.triage.observed import ALIKE, Observed, analytic_of, is_hit, native, split
from vizsla.triage.replay import Ranked
from vizsla.triage.template import one_line
from vizsla.triage.titles import MAX_SUMMARY

AT_ONCE = 5_000  # ids looked up by one query
MAX_PICTURE = 20_000  # characters of a picture's data
Row = dict[str, object]


def is_observed(line: Line) -> bool:
    """Whether an analytic observed it: rarity counts for itself, and hits are told by what met them."""
    return split(line.kind) and not is_hit(line.kind)


def fetched(
    engine: Engine, scans: Sequence[Scan], seen: Observed, ranked: Ranked, lines: Iterable[Line]
) -> dict[str, tuple[str, Row]]:
    """The native events that these lines name, by id: (table, fields). Each in the table of its kind, or any."""
    wanted: dict[str, set[str]] = {}
    tables = {scan.table for scan in scans}
    for line in lines:
        if is_observed(line):
            table = native(line.kind).partition(":")[0]
            named = wanted.setdefault(table if table in tables else "", set())
            named.update(id for row in _said(seen, ranked, line) for id in _ids(row))
    found: dict[str, tuple[str, Row]] = {}
    for scan in scans:
        ids = sorted(wanted.get(scan.table, set()) | wanted.get("", set()))
        for begin in range(0, len(ids), AT_ONCE):
            events = engine.table(scan)
            for row in engine.collect(events.filter(events[ID].isin(ids[begin : begin + AT_ONCE]))).to_pylist():
                found[row[ID]] = (scan.table, {name: value for name, value in row.items() if value is not None})
    return found


def evidence(
    seen: Observed,
    ranked: Ranked,
    line: Line,
    events: Mapping[str, tuple[str, Row]],
    tails: Mapping[str, Tail],
    claims: bool,
) -> Evidence:
    """A line with its strength, its author's words and its events. `tails`: scores of each analytic's reference."""
    ties = ranked.ties
    lead = ranked.lit.at[line.places[0]]
    name, unit = analytic_of(line.kind), int(ties.unit[lead])
    columns, place = ranked.weigher.columns[line.kind], int(ranked.weigher.units.row[unit])
    said = _said(seen, ranked, line)
    p = tails[name].p(np.array([float(str(said[0]["score"]))]))
    refs = [event_ref(*events[id]) for id in dict.fromkeys(id for row in said for id in _ids(row)) if id in events]
    why = shortened(visible(one_line(str(said[0]["why"]))), MAX_SUMMARY)  # it may quote an event
    alike = int(columns[ALIKE][place])
    pattern = seen.words.get(alike, "")
    surprisal = float(ties.surprisal[lead])
    return Evidence(
        analytic=name,
        family=ties.families[ties.family[lead]],
        kind=native(line.kind),
        bits=line.bits,
        alone_bits=max(0.0, float(bits(e_value(p))[0])),
        why=why,
        reasons=(Reason(name, pattern, pattern, surprisal, seen=0, of=0, hosts=0, of_hosts=0, text=why),),
        events=tuple(refs[:EVENTS]),
        count=line.count,
        surprisal=surprisal,
        p=float(p[0]) if claims else None,
        relevance=float(ranked.lit.weight[line.places[0]]),
        pattern_id=f"{alike:016x}",
        picture=_picture(said[0]["picture"]),
    )


def _picture(text: object) -> Mapping[str, object] | None:
    """What an analytic wants drawn; nothing where it is too long, or no JSON object."""
    if not isinstance(text, str) or len(text) > MAX_PICTURE:
        return None
    try:
        shown = json.loads(text)
    except ValueError:
        return None
    return shown if isinstance(shown, dict) else None


def _said(seen: Observed, ranked: Ranked, line: Line) -> list[Mapping[str, object]]:
    """What the observations behind a line say, the strongest first."""
    return [seen.row(key) for key in ranked.ties.key[ranked.lit.at[np.array(line.places)]].tolist()]


def _ids(row: Mapping[str, object]) -> list[str]:
    ids = row["event_ids"]
    return [str(id) for id in ids] if isinstance(ids, list) else []
