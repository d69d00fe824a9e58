"""Hits, what rules and indicators met, as the units and ties that triage already knows; and their evidence.

A kind of hit is named 'sigma/kind of event' or 'intel/kind of event'. Its pattern is the rule or the indicator, and its
surprisal is its strength in bits: what its level or its confidence say, capped by how usual it is here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import EARLIEST, HOUR, LATEST, NOTHING, U64, code_of, dictionary, take
from vizsla.analytics.rarity.keys import LOGON_KINDS, NO_PID
from vizsla.analytics.rarity.pick import tie_key
from vizsla.analytics.rarity.tally import DAY, SLICE, TIE_KEY, TIE_SUM, Heap, chosen_of, merge_rows, sampled
from vizsla.nouns import Evidence, Reason
from vizsla.nouns.event import HOST, TIME
from vizsla.safe import shortened, visible
from vizsla.triage.assemble import Line, event_ref
from vizsla.triage.observed import ALIKE, SCORE, SPLIT, UNIT_SUM, Observed, host_codes, native
from vizsla.triage.replay import Ranked
from vizsla.triage.template import one_line
from vizsla.triage.titles import MAX_SUMMARY, what_met

Row = dict[str, object]
VALUE = 120  # characters of a value that a sentence repeats
NAMED = 3  # others that a line names
TIE = "tie"  # the column of kept hits that says which tie each belongs to


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a rule or an indicator before anything is met."""

    id: str
    version: str  # changes when what it meets may change
    name: str  # for a reader: the rule's title, the indicator's value
    phrase: str  # what it is, to begin a sentence with: "rule 'Title' (high)"
    level: str  # critical, high, medium, low, informational
    prior: float  # bits of a hit where nobody knows how usual it is
    techniques: tuple[str, ...] = ()
    record: Mapping[str, object] = field(default_factory=dict)  # as a finding's JSON has it
    exempt: bool = False  # nothing that is usual takes its voice: the hash of known malware
    by_hosts: bool = False  # few hosts that met it often are few


@dataclass(frozen=True, slots=True)
class Often:
    """How often something was met: on `days` host-days, `hosts` hosts, `events` times."""

    days: int
    hosts: int
    events: int


@dataclass(frozen=True, slots=True)
class Worth:
    """What a hit is worth, and what that rests on: `usual` of `host_days` quiet ones (None: not looked for there)."""

    about: About
    bits: float
    usual: Often | None
    host_days: int
    hosts: int

    def quiet(self) -> dict[str, int] | None:
        """The same as a finding's JSON has it; None where it was not looked for on quiet days."""
        if self.usual is None:
            return None
        return {"host_days": self.usual.days, "of_host_days": self.host_days, "hosts": self.usual.hosts,
                "of_hosts": self.hosts}  # fmt: skip

    @property
    def says(self) -> str:
        """How usual it is, in words; '' where nobody knows."""
        if self.usual is None:
            return ""
        if not self.usual.days:
            return f"met on none of {self.host_days:,} quiet host-days"
        hosts = f"{self.usual.hosts:,} of {self.hosts:,} hosts"
        return f"met on {self.usual.days:,} of {self.host_days:,} quiet host-days too, {hosts}"


def ties_of(analytic: str, hits: pa.Table) -> dict[str, np.ndarray]:
    """One row per hit (a table of HITS whose times can be believed), with its episode keys; not merged."""
    distinct, places = dictionary(hits["kind"].combine_chunks())
    kinds = distinct.to_pylist()
    event = _codes_of(kinds)[places]
    hitting = _codes_of([analytic + SPLIT + kind for kind in kinds])[places]
    logon = _numbers(hits["logon"])
    logs_on = np.array([kind in LOGON_KINDS for kind in kinds], dtype=bool)[places] & (logon != NOTHING)
    guid = np.where(logs_on, NOTHING, _numbers(hits["guid"]))
    known = guid != NOTHING
    times = hits[TIME].cast(pa.int64()).to_numpy()
    return {
        "host": host_codes(hits),
        "slice": times // SLICE,
        "guid": guid,
        "pid": np.where(known | logs_on, NO_PID, _numbers(hits["pid"])),
        "logon": np.where(known, NOTHING, logon),
        "pair": _numbers(hits["pair"]),
        "kind": hitting,
        "pattern": by_codes(hits["by"]),
        "time": times,
        "n": np.ones(len(hits), dtype=np.int64),
        "event": event,
    }


def by_codes(column: pa.ChunkedArray) -> U64:
    """The code of each hit's rule or indicator."""
    distinct, places = dictionary(column.combine_chunks())
    return take(_codes_of(distinct.to_pylist()), places)


def _codes_of(texts: Sequence[str]) -> U64:
    return np.array([code_of(text) for text in texts], dtype=np.uint64)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    found: np.ndarray = column.combine_chunks().to_numpy(zero_copy_only=False)
    return found


def believed(hits: pa.Table) -> pa.ChunkedArray:
    """Which hits have a time that can be believed; the others are in no episode."""
    times = hits[TIME].cast(pa.int64())
    good = pc.and_(pc.greater_equal(times, int(EARLIEST)), pc.less(times, int(LATEST)))
    return pc.fill_null(good, False)


@dataclass(slots=True)
class Gathering:
    """Hits on their way to triage: merged by episode, ten minutes and what met them; and counted by host and day."""

    analytic: str
    ties: Heap = field(default_factory=lambda: Heap(TIE_KEY, TIE_SUM))
    names: dict[int, str] = field(default_factory=dict)  # kinds, hosts and ids by their codes
    kinds: set[str] = field(default_factory=set)
    timeless: int = 0

    def add(self, hits: pa.Table) -> U64:
        """More hits (of HITS, all with believable times); returns each one's tie."""
        columns = ties_of(self.analytic, hits)
        key = tie_key(columns)
        self.kinds.update(hits["kind"].unique().to_pylist())
        for name in (HOST, "by"):
            self.names.update((code_of(text), text) for text in hits[name].unique().to_pylist() if text)
        self.ties.add(columns)
        return key

    def observed(self, bits: Mapping[str, float], share: float = 1.0) -> Observed:
        """All of it in triage's terms. `bits`: what a hit of each rule or indicator is worth; `share` of host-days."""
        if not self.ties.chunks:
            return Observed(timeless=self.timeless)
        ties = self.ties.columns()
        if share < 1:
            ties = chosen_of(ties, np.flatnonzero(sampled(ties["host"], ties["time"] // DAY, share)))
        worth = {code: bits.get(name, 0.0) for code, name in self.names.items()}
        distinct, inverse = np.unique(ties["pattern"], return_inverse=True)
        strength = np.array([worth[code] for code in distinct.tolist()])[inverse]
        units = {}
        for kind in sorted(self.kinds):
            own = np.flatnonzero(ties["kind"] == np.uint64(code_of(self.analytic + SPLIT + kind)))
            if not len(own):
                continue
            host, times, pattern = ties["host"][own], ties["time"][own], ties["pattern"][own]
            units[self.analytic + SPLIT + kind] = merge_rows(
                {
                    "host": host,
                    "hour": times // HOUR,
                    "pattern": pattern,
                    "actor": np.zeros(len(own), np.uint64),
                    ALIKE: pattern,
                    "n": ties["n"][own],
                    "first": times,
                    "last": times,
                    SCORE: strength[own],
                },
                ("host", "hour", "pattern"),
                UNIT_SUM,
            )
        return Observed(units, dict(self.names), ties, timeless=self.timeless)


def wanted_ties(ranked: Ranked, lines: Sequence[Line]) -> U64:
    """The ties behind lines of hits, as kept hits name them."""
    places = [p for line in lines for p in (*line.places, *line.also)]
    if not places:
        return np.zeros(0, dtype=np.uint64)
    found: U64 = ranked.ties.key[ranked.lit.at[np.array(places)]]
    return found


def evidence(
    worth: Worth,
    ranked: Ranked,
    line: Line,
    hits: Sequence[Mapping[str, object]],
    events: Mapping[str, tuple[str, Row]],
) -> Evidence:
    """A line with what met it and its events: `hits` in order of time, `events` those that were fetched, by id."""
    ties, about = ranked.ties, worth.about
    lead = ranked.lit.at[line.places[0]]
    analytic = line.kind.partition(SPLIT)[0]
    first = hits[0] if hits else {}
    named, value = (str(first.get(name) or "") for name in ("field", "value"))
    met = f" met {named} {shortened(visible(one_line(value)), VALUE)}" if named else " met it"
    why = shortened(visible(one_line(about.phrase)) + met, MAX_SUMMARY)
    # Its counts are of host-days, not of events: they stand in words, and in the record.
    reason = Reason(named, value, value, 0.0, seen=0, of=0, hosts=0, of_hosts=0,
                    text=f"{why}; {worth.says}" if worth.says else why)  # fmt: skip
    record = {**about.record, "quiet": worth.quiet()}
    return Evidence(
        analytic=analytic,
        family=ties.families[ties.family[lead]],
        kind=native(line.kind),
        bits=line.bits,
        alone_bits=max(0.0, worth.bits),
        why=why,
        reasons=(reason,),
        events=tuple(event_ref(*events[str(h["_id"])]) for h in hits if str(h["_id"]) in events),
        count=line.count,
        surprisal=float(ties.surprisal[lead]),
        pattern_id=f"{code_of(about.id):016x}",
        rule=record if analytic == "sigma" else None,
        indicator=record if analytic == "intel" else None,
    )


def beside(line: Evidence, others: Sequence[Evidence]) -> Evidence:
    """A line of hits with other hits of its family, which add nothing: it names them, and its events are theirs too."""
    if not others:
        return line
    listed = {event.id: event for one in (line, *others) for event in one.events}
    twice = sum(len(one.events) for one in (line, *others)) - len(listed)
    names = [n for n in dict.fromkeys(shortened(what_met(one), VALUE) for one in others) if n != what_met(line)]
    rest = f" and {len(names) - NAMED:,} more" if len(names) > NAMED else ""
    said = f"; also met by {', '.join(names[:NAMED])}{rest}" if names else ""
    return replace(
        line,
        why=shortened(line.why, MAX_SUMMARY - len(said)) + said,
        reasons=tuple(reason for one in (line, *others) for reason in one.reasons),
        events=tuple(sorted(listed.values(), key=lambda event: (event.time is None, event.time, event.id))),
        count=sum(one.count for one in (line, *others)) - twice,
        also=tuple(record for one in others if (record := one.rule or one.indicator)),
    )
