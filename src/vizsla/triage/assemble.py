"""From ranked episodes to findings: patterns collapse into instances, evidence becomes lines with reasons."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import overload

import numpy as np
import pyarrow as pa

from vizsla.analytics.rarity.encode import I64, U64, code_of, mixed
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.model import Model
from vizsla.analytics.rarity.pick import A_TIE, KEY, Pick
from vizsla.analytics.rarity.tally import SLICE, unpacked
from vizsla.engine import Engine
from vizsla.lake import Scan
from vizsla.nouns import EventRef, Evidence
from vizsla.nouns.event import HOST, ID, ORIGIN, TIME
from vizsla.triage.observed import ALIKE, analytic_of, is_hit
from vizsla.triage.reasons import reasons
from vizsla.triage.replay import Ranked
from vizsla.triage.titles import summary
from vizsla.view import TABLE

CLOSE = 0.6  # share of a line's greatest surprisal, and of its value, from which other units stand on the same line
UNITS = 20  # units shown on one line
EVENTS = 20  # events shown on one line
LINES = 40  # lines of one finding
CHANNEL, RECORD = "Channel", "EventRecordID"
ZEEK_RECORD = "uid"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Episodes that show the same: the strongest stands for all of them."""

    id: str  # of the strongest episode, from its anchor alone
    pattern_id: str
    episode: int  # place among the episodes
    instances: int
    hosts: tuple[str, ...]
    bits: float
    surprisal: float
    start: datetime
    episodes: tuple[int, ...] = ()  # all of them


class Patterns(Sequence[Pattern]):
    """All patterns, the strongest first; ties by surprisal, then by id. Numbers, of which a Pattern is made when it is
    asked for: there may be a million."""

    def __init__(self, ranked: Ranked, words: Mapping[int, str]) -> None:
        self._found, self._words = ranked.episodes, words
        found = self._found
        self._first, self._id = anchored(ranked)
        self._key = _shown(ranked)
        # Places of episodes, those of one pattern together, the strongest of each first.
        order = np.lexsort((self._id, -found.surprisal, -found.bits, self._key))
        keys = self._key[order]
        begins = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(order) else np.zeros(0, np.int64)
        counts = np.diff(np.r_[begins, len(order)])
        lead = order[begins]
        ranks = np.lexsort((self._id[lead], -found.surprisal[lead], -found.bits[lead]))
        self._places, self._begins, self._counts = order, begins[ranks], counts[ranks]
        self.bits = found.bits[lead[ranks]]

    def __len__(self) -> int:
        return len(self.bits)

    @overload
    def __getitem__(self, at: int) -> Pattern: ...
    @overload
    def __getitem__(self, at: slice) -> list[Pattern]: ...
    def __getitem__(self, at: int | slice) -> Pattern | list[Pattern]:
        if isinstance(at, slice):
            return [self._made(n) for n in range(*at.indices(len(self)))]
        return self._made(range(len(self))[at])

    @property
    def key(self) -> U64:
        """The pattern of each episode, in the order of the episodes."""
        return self._key

    def single(self, episode: int) -> Pattern:
        """An episode by itself, whatever others show the same."""
        return self._of([episode])

    def _made(self, number: int) -> Pattern:
        begin = int(self._begins[number])
        return self._of(self._places[begin : begin + int(self._counts[number])].tolist())

    def _of(self, places: list[int]) -> Pattern:
        lead, found = places[0], self._found
        return Pattern(
            id=f"{int(self._id[lead]):016x}",
            pattern_id=f"{int(self._key[lead]):016x}",
            episode=lead,
            instances=len(places),
            hosts=tuple(sorted({self._words.get(int(host), "") for host in found.host[places].tolist()})),
            bits=float(found.bits[lead]),
            surprisal=float(found.surprisal[lead]),
            start=datetime.fromtimestamp(int(self._first[lead]) / 1e6, UTC),
            episodes=tuple(places),
        )


def patterns(ranked: Ranked, words: Mapping[int, str]) -> Patterns:
    """All episodes with evidence, one per pattern, strongest first; ties by surprisal, then by id."""
    return Patterns(ranked, words)


def anchored(ranked: Ranked) -> tuple[I64, U64]:
    """When each episode began, and its id as a number: of its anchor, its host and its first ten minutes."""
    found, first = ranked.episodes, ranked.trace.began()[ranked.episodes.window]
    return first, mixed(found.anchor, found.host, (first // SLICE).astype(np.uint64))


def best(ranked: Ranked) -> I64:
    """Places in `lit` of what counts: in each episode's strongest slice, the strongest tie of each family."""
    lit, ties, found = ranked.lit, ranked.ties, ranked.episodes
    place = np.searchsorted(found.window, lit.window)
    in_slice = np.flatnonzero((ties.slice[lit.at] == found.slice[place]) & (lit.value > 0))
    family = ties.family[lit.at[in_slice]]
    order = np.lexsort((ties.unit[lit.at[in_slice]], -ties.surprisal[lit.at[in_slice]], -lit.value[in_slice], family,
                        lit.window[in_slice]))  # fmt: skip
    window, family = lit.window[in_slice][order], family[order]
    new = np.r_[True, (window[1:] != window[:-1]) | (family[1:] != family[:-1])] if len(order) else np.zeros(0, bool)
    return in_slice[order[new]]


def _shown(ranked: Ranked) -> U64:
    """Per episode, a code of what counts in it: kinds and patterns, whatever host, user or time; else its place."""
    lit, ties = ranked.lit, ranked.ties
    counting = best(ranked)
    units = ties.unit[lit.at[counting]]
    scored, columns = ranked.weigher.units, ranked.weigher.columns
    codes = np.empty(len(counting), dtype=np.uint64)
    for number, kind in enumerate(scored.kinds):
        own = scored.kind[units] == number
        if own.any():
            shown = columns[kind].get(ALIKE, columns[kind]["pattern"])
            pattern = shown[scored.row[units[own]]]
            codes[own] = mixed(np.full(len(pattern), code_of(kind), dtype=np.uint64), pattern)
    place = np.searchsorted(ranked.episodes.window, lit.window[counting])
    total = np.zeros(len(ranked.episodes.bits), dtype=np.uint64)
    np.add.at(total, place, codes)  # a sum: the order of families does not matter
    return np.where(total == 0, np.arange(len(total), dtype=np.uint64), total)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of evidence before its events are fetched: places in `lit`, the strongest first."""

    kind: str
    places: tuple[int, ...]
    bits: float  # what it adds to its finding
    count: int  # events
    also: tuple[int, ...] = ()  # of hits: places of the same in the finding's other instances
    folded: tuple[Line, ...] = ()  # of hits: others of its family, which add nothing to it


def lines(ranked: Ranked, chosen: Sequence[Pattern]) -> dict[int, list[Line]]:
    """The lines of the chosen episodes: one per family and analytic (and per rule or indicator that met some events),
    the strongest first, by value and then surprisal. What a family says twice, it says on one line: what else met
    events of a family is told on the line of its first hit."""
    lit, ties, scored = ranked.lit, ranked.ties, ranked.weigher.units
    counting = {int(p) for p in best(ranked)}
    wanted = {int(ranked.episodes.window[p.episode]): p.episode for p in chosen}
    value, surprisal = lit.value, ties.surprisal[lit.at]
    grouped: dict[int, dict[tuple[bool, int, int], list[int]]] = defaultdict(lambda: defaultdict(list))
    hit = np.array([is_hit(kind) for kind in scored.kinds], dtype=bool)

    def of(place: int) -> tuple[bool, int, int]:
        tie = lit.at[place]
        unit = int(ties.unit[tie])
        kind = int(scored.kind[unit])
        if hit[kind]:
            return True, kind, int(ranked.weigher.columns[scored.kinds[kind]][ALIKE][scored.row[unit]])
        return False, int(ties.family[tie]), int(ties.tail[tie])

    for place in np.flatnonzero(np.isin(lit.window, np.fromiter(wanted, np.int64, len(wanted)))).tolist():
        grouped[int(lit.window[place])][of(place)].append(place)
    others = _others(ranked, chosen, hit)
    made: dict[int, list[Line]] = {}
    for window, kinds in grouped.items():
        rows = []
        for own, places in kinds.items():
            places.sort(key=lambda p: (-value[p], -surprisal[p], int(ties.unit[lit.at[p]]), int(lit.at[p])))
            adds = sum(float(value[p]) for p in places if p in counting)
            lead = places[0]
            enough = float(value[lead]) - (1 - CLOSE) * abs(float(value[lead]))
            close = [p for p in places if surprisal[p] >= CLOSE * surprisal[lead] and value[p] >= enough]
            count = int(sum(ties.n[lit.at[p]] for p in close))
            shown = close if own[0] else close[:UNITS]
            also = tuple(p for p in others.get(wanted[window], ()) if of(p) == own) if own[0] else ()
            count += int(sum(ties.n[lit.at[p]] for p in also))
            row = Line(kind_at(ranked, lead), tuple(shown), adds, count, also)
            rows.append((-float(value[lead]), -float(surprisal[lead]), -adds, row.kind, row))
        rows.sort(key=lambda r: r[:4])
        kept = _folded(ranked, [row for v, _, _, _, row in rows if v < 0 or row.bits > 0] or [rows[0][4]])
        # What counts is never cut: the ledger adds up to the finding's bits. Nor is what a rule or an indicator met.
        sure = [row.bits > 0 or is_hit(row.kind) for row in kept]
        room = LINES - sum(sure)
        made[wanted[window]] = [row for row, stays in zip(kept, sure, strict=True) if stays or (room := room - 1) >= 0]
    return made


def _folded(ranked: Ranked, rows: Sequence[Line]) -> list[Line]:
    """Hits that add nothing, on the line of their family's hit of the same analytic that does, or else of the first."""

    def said(row: Line) -> tuple[str, int]:
        return analytic_of(row.kind), int(ranked.ties.family[ranked.lit.at[row.places[0]]])

    leads: dict[tuple[str, int], Line] = {}
    for row in sorted((row for row in rows if is_hit(row.kind)), key=lambda row: row.bits <= 0):
        leads.setdefault(said(row), row)
    silent: dict[int, list[Line]] = defaultdict(list)
    for row in rows:
        if is_hit(row.kind) and row.bits <= 0 and (lead := leads[said(row)]) is not row:
            silent[id(lead)].append(row)
    gone = {id(row) for folded in silent.values() for row in folded}
    return [replace(row, folded=tuple(silent.get(id(row), ()))) for row in rows if id(row) not in gone]


def kind_at(ranked: Ranked, place: int) -> str:
    """The kind of unit at a place in `lit`."""
    scored = ranked.weigher.units
    return scored.kinds[int(scored.kind[int(ranked.ties.unit[ranked.lit.at[place]])])]


def _others(ranked: Ranked, chosen: Sequence[Pattern], hit: np.ndarray) -> dict[int, list[int]]:
    """By leading episode, the places of hits in its other instances: a hit of each is to be shown."""
    lead = {int(ranked.episodes.window[e]): p.episode for p in chosen for e in p.episodes if e != p.episode}
    if not lead or not hit.any():
        return {}
    own = hit[ranked.weigher.units.kind[ranked.ties.unit[ranked.lit.at]]]
    own &= np.isin(ranked.lit.window, np.fromiter(lead, np.int64, len(lead)))
    found: dict[int, list[int]] = defaultdict(list)
    for place in np.flatnonzero(own).tolist():
        found[lead[int(ranked.lit.window[place])]].append(place)
    return found


def picked(
    engine: Engine, scans: Iterable[Scan], ranked: Ranked, found: Mapping[int, list[Line]]
) -> dict[int, list[dict[str, object]]]:
    """The native events behind the lines, by tie key; one pass over the tables concerned."""
    places = [p for rows in found.values() for line in rows for p in line.places]
    kinds = {kind_at(ranked, place) for place in places}
    if not places:
        return {}
    chosen = ranked.lit.at[np.array(places)]
    keys, where = (np.unique(codes[chosen]).tobytes() for codes in (ranked.ties.key, ranked.ties.where))
    rows: dict[int, list[dict[str, object]]] = defaultdict(list)
    for scan in scans:
        own = frozenset(kind for kind in kinds if kind.partition(":")[0] == scan.table)
        if not own:
            continue
        columns = (ID, HOST, TIME, ORIGIN, *(c for c in scan.schema.names if not c.startswith("_")))
        for _, _, table in unpacked(engine.map(scan, columns, Pick(scan.table, keys, where, own))):
            for row in _rows(table):
                rows[int(str(row[KEY]))].append({**row, TABLE: scan.table})
    for events in rows.values():
        events.sort(key=lambda r: (str(r.get(TIME)), str(r[ID])))
        del events[A_TIE:]  # of every batch came as many
    return rows


def _rows(table: pa.Table) -> Iterable[dict[str, object]]:
    for row in table.to_pylist():
        yield {name: value for name, value in row.items() if value is not None}


def evidence(
    model: Model,
    words: Mapping[int, str],
    ranked: Ranked,
    line: Line,
    events: Mapping[int, list[dict[str, object]]],
    claims: bool,
) -> Evidence:
    """A line with its reasons, strength and events. `claims`: whether its p-value may be stated."""
    lit, ties, weigher = ranked.lit, ranked.ties, ranked.weigher
    keys = ties.key[lit.at[np.array(line.places)]].tolist()
    rows = _distinct([row for key in keys for row in events.get(key, ())])[:EVENTS]
    lead = int(ties.unit[lit.at[line.places[0]]])
    surprisal = float(ties.surprisal[lit.at[line.places[0]]])
    p, alone = model.alone(line.kind, np.array([surprisal]))
    row = int(weigher.units.row[lead])
    unit = {name: values[row : row + 1] for name, values in weigher.columns[line.kind].items()}
    refs = tuple(event_ref(str(row[TABLE]), row) for row in rows)
    native = refs[0].native if refs else {}
    actors = profile(line.kind.partition(":")[0]).actor
    made = Evidence(
        analytic="rarity",
        family=ties.families[ties.family[lit.at[line.places[0]]]],
        kind=line.kind,
        bits=line.bits,
        alone_bits=max(0.0, float(alone[0])),
        why="",
        reasons=reasons(model, line.kind, unit, native, actors, words),
        events=refs,
        count=line.count,
        surprisal=surprisal,
        p=float(p[0]) if claims else None,
        relevance=float(lit.weight[line.places[0]]),
        pattern_id=f"{int(unit['pattern'][0]):016x}",
    )
    beside = _beside(ranked, line)
    said = summary(replace(made, count=max(1, line.count - beside.total())))
    also = "".join(f"; also {n:,} {'event' if n == 1 else 'events'} of {kind}" for kind, n in sorted(beside.items()))
    return replace(made, why=said + also)


def _beside(ranked: Ranked, line: Line) -> Counter[str]:
    """The other kinds of event on a line of evidence, with how many events there are of each."""
    found: Counter[str] = Counter()
    for place in line.places:
        found[kind_at(ranked, place)] += int(ranked.ties.n[ranked.lit.at[place]])
    del found[line.kind]
    return found


def _distinct(rows: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    return list({str(row[ID]): row for row in rows}.values())


def event_ref(table: str, row: Mapping[str, object]) -> EventRef:
    """An event by where it can be found, with its native fields."""
    origin = str(row.get(ORIGIN, ""))
    file, _, offset = origin.rpartition("#")
    time = row.get(TIME)
    record = row.get(RECORD, row.get(ZEEK_RECORD))
    return EventRef(
        id=str(row[ID]),
        table=table,
        host=str(row.get(HOST, "")),
        time=time if isinstance(time, datetime) else None,
        channel=str(row[CHANNEL]) if CHANNEL in row else None,
        record_id=None if record is None else str(record),
        file=file or None,
        offset=offset or None,
        native={k: str(v) for k, v in row.items() if not k.startswith("_")},
    )
