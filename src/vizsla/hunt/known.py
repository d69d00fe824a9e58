"""Looks for what is known: rules and indicators over the tables of a hunt, kept whole, counted, and weighed.

Every hit is written to a file as it comes, so that a rule which meets each of ten million events costs no memory; what
triage needs of them is merged by episode, and by host and day. A hit's worth is what its rule's level or its
indicator's confidence say, capped by how often quiet host-days met it too.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from vizsla.analytics.rarity.encode import U64
from vizsla.analytics.rarity.model import HOURS_A_DAY
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.tally import DAY, Heap
from vizsla.baseline import Baseline
from vizsla.baseline.fired import KEY, SUM, Fired, fired_code, level_code
from vizsla.engine import Engine
from vizsla.hit import HITS, NAMED
from vizsla.hunt.scope import Progress
from vizsla.lake import Scan
from vizsla.nouns import Hit, Unable
from vizsla.nouns.event import HOST, ID, ORIGIN, TIME
from vizsla.nouns.level import GRAVEST_FIRST
from vizsla.triage.assemble import CHANNEL, EVENTS, RECORD, ZEEK_RECORD
from vizsla.triage.known import TIE, About, Gathering, Often, Row, Worth, believed, by_codes
from vizsla.triage.observed import Observed, host_codes

KEPT = HITS.append(pa.field(TIE, pa.uint64())).append(NAMED)
HOSTS, DAYS = 5, 3  # of a baseline, from which on it may say how usual a hit is
PRICE = 3.0  # bits that it costs at most that many rules are looked for
LISTED = 1_000  # events of one line of evidence that are named; `count` counts all
AT_ONCE = 5_000  # ids looked up by one query
THIN = (ID, HOST, TIME, ORIGIN, CHANNEL, RECORD, ZEEK_RECORD)


class Known(Protocol):
    """Rules, or indicators: what can be looked for."""

    @property
    def analytic(self) -> str:
        """'sigma' or 'intel'."""
        ...

    def hits(self, engine: Engine, scans: Sequence[Scan], progress: Progress | None) -> Iterator[pa.RecordBatch]:
        """What is met in these tables, of HITS (of what several events make, with NAMED)."""
        ...

    def silent(self) -> frozenset[str]:
        """What is looked for, and speaks only through what follows from it."""
        ...

    def more(self, hits: Path) -> Iterator[pa.RecordBatch]:
        """Hits that follow from hits (correlations), of HITS and NAMED; `hits`: a Parquet file of KEPT."""
        ...

    def about(self, by: Mapping[str, datetime | None]) -> Mapping[str, About]:
        """What is known of these; with each the time when it was met last."""
        ...

    def looked(self) -> U64:
        """The codes (`fired_code`) of all that is looked for."""
        ...

    def unable(self) -> Sequence[Unable]:
        """What cannot be looked for, and why."""
        ...

    def notes(self) -> Sequence[str]:
        """Sentences for the end of the run."""
        ...


@dataclass(frozen=True, slots=True)
class Quiet:
    """The host-days that tell how usual a hit is.

    `own`: they hold what is asked about, and each is held against the others. `hunted`: they are no quiet days.
    """

    host_days: int
    hosts: int
    days: int
    fired: Fired
    own: bool = False
    hunted: bool = False

    @property
    def enough(self) -> bool:
        """Whether they may say anything."""
        return self.hosts >= HOSTS and self.days >= DAYS


@dataclass(slots=True)
class Met:
    """All that one kind of knowledge met in a hunt."""

    known: Known
    path: Path
    gathering: Gathering
    days: Heap = field(default_factory=lambda: Heap(KEY, SUM))
    counts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))  # events, first, last
    hosts: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    before: U64 = field(default_factory=lambda: np.zeros(0, np.uint64))  # codes of what was looked for earlier, too
    _about: Mapping[str, About] | None = None

    @property
    def about(self) -> Mapping[str, About]:
        """What is known of all that was met, in order of id; asked once, after the last hit."""
        if self._about is None:
            self._about = self.known.about({by: _moment(self.counts[by][2]) for by in sorted(self.counts)})
        return self._about

    def add(self, batch: pa.RecordBatch, writer: pq.ParquetWriter) -> None:
        """More hits, of HITS (those of correlations with NAMED)."""
        hits = pa.Table.from_batches([batch])
        if NAMED.name not in batch.schema.names:
            hits = hits.append_column(NAMED, pa.nulls(len(hits), NAMED.type))
        spoken = pc.invert(pc.is_in(hits["by"], pa.array(sorted(self.known.silent()), pa.string())))
        timed = believed(hits)
        for told, part in (
            (True, hits.filter(pc.and_(spoken, timed))),
            (False, hits.filter(pc.invert(pc.and_(spoken, timed)))),
        ):
            ties = pa.array(self.gathering.add(part)) if told and len(part) else pa.nulls(len(part), pa.uint64())
            writer.write_table(part.append_column(TIE, ties).select(KEPT.names).cast(KEPT))
        told_of = hits.filter(spoken)
        if len(told_of):
            self._count(told_of, hits.filter(pc.and_(spoken, timed)))

    def _count(self, hits: pa.Table, timed: pa.Table) -> None:
        self.gathering.timeless += len(hits) - len(timed)
        for by, host, events in _rows(hits.group_by(["by", HOST]).aggregate([(ID, "count")])):
            self.counts[by][0] += events
            if host and len(self.hosts[by]) < LISTED:
                self.hosts[by].add(host)
        if not len(timed):
            return
        times = timed[TIME].cast(pa.int64())
        moments = pa.table({"by": timed["by"], "t": times}).group_by("by").aggregate([("t", "min"), ("t", "max")])
        for by, first, last in _rows(moments):
            own = self.counts[by]
            own[1] = min(own[1] or first, first)
            own[2] = max(own[2], last)
        self.days.add({
            "by": by_codes(timed["by"]), "host": host_codes(timed), "day": times.to_numpy() // DAY,
            "n": np.ones(len(timed), np.int64),
        })  # fmt: skip

    def on_days(self) -> dict[str, np.ndarray]:
        """by, host, day, n; `by` is the code of the id."""
        return self.days.columns() if self.days.chunks else Fired().met

    def observed(self, worth: Mapping[str, Worth], share: float = 1.0) -> Observed:
        """In triage's terms, of a share of the host-days."""
        return self.gathering.observed({by: one.bits for by, one in worth.items()}, share)

    def rows(self, ties: U64) -> dict[int, list[dict[str, object]]]:
        """The hits of these ties, by tie: by time, then id; LISTED of each at most."""
        if not len(ties):
            return {}
        wanted = pa.array(np.unique(ties), pa.uint64())
        found: dict[int, list[dict[str, object]]] = defaultdict(list)
        columns = [ID, HOST, TIME, "table", "by", "field", "value", TIE, NAMED.name]
        scanner = ds.dataset(sorted(map(str, self.path.parent.glob(f"{self.path.stem}*.parquet")))).scanner(
            columns=columns, filter=ds.field(TIE).isin(wanted)
        )
        for batch in scanner.to_batches():
            for row in batch.to_pylist():
                found[row[TIE]] += [
                    row,
                    *({**row, ID: id, "table": ""} for id in row[NAMED.name] or () if id != row[ID]),
                ]
        for listed in found.values():
            listed.sort(key=lambda row: (str(row[TIME]), str(row[ID])))
            del listed[LISTED:]
        return found


def _rows(table: pa.Table) -> Iterator[tuple]:  # type: ignore[type-arg]
    """The rows of a small table, in the order of its columns' names as asked for."""
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def met_in(known: Known, folder: Path) -> Met:
    """Nothing met yet; hits will be kept below `folder`."""
    return Met(known, folder / f"{known.analytic}.parquet", Gathering(known.analytic))


def look(engine: Engine, scans: Sequence[Scan], known: Known, folder: Path, progress: Progress | None = None) -> Met:
    """Everything that this knowledge meets in these tables."""
    met = met_in(known, folder)
    with pq.ParquetWriter(met.path, KEPT, compression="zstd") as writer:
        for batch in known.hits(engine, scans, progress):
            met.add(batch, writer)
    follow(met)
    return met


def follow(met: Met) -> None:
    """Add what follows from all that was met."""
    known, path = met.known, met.path
    with pq.ParquetWriter(path.with_name(f"{path.stem}-more.parquet"), KEPT, compression="zstd") as writer:
        for batch in known.more(path):
            met.add(batch, writer)


def fired(all_met: Sequence[Met]) -> Fired:
    """What was looked for and where it was met, for a baseline to keep."""
    codes = [code for met in all_met for code in (met.known.looked(), met.before)]
    return _fired(all_met, np.concatenate(codes) if codes else np.zeros(0, np.uint64))


def _fired(all_met: Sequence[Met], looked: U64) -> Fired:
    heap = Heap(KEY, SUM)
    for met in all_met:
        days = dict(met.on_days())
        if len(days["by"]):
            heap.add(_versioned(met, days))
    return Fired.of(looked, heap.columns() if heap.chunks else Fired().met)


def _versioned(met: Met, days: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Days by the codes of ids as those of ids and versions, with their levels."""
    about, names = met.about, met.gathering.names
    distinct, inverse = np.unique(days["by"], return_inverse=True)
    told = [about[names[code]] for code in distinct.tolist()]
    codes = np.array([fired_code(one.id, one.version) for one in told], dtype=np.uint64)
    levels = np.array([level_code(met.known.analytic, one.level) for one in told], dtype=np.int64)
    return {**days, "by": codes[inverse], "level": levels[inverse]}


def quiet_of(heard: Mapping[str, Columns], *, hunted: bool) -> Quiet:
    """The host-days of what was heard, each to be held against the others; `hunted`: as nothing else is known."""
    pairs = [
        np.stack([units["host"], (units["hour"] // HOURS_A_DAY).astype(np.uint64)])[:, units["hour"] >= 0]
        for units in heard.values()
    ]
    distinct = np.unique(np.concatenate(pairs, axis=1), axis=1) if pairs else np.zeros((2, 0), np.uint64)
    hosts, days = (len(np.unique(part)) for part in distinct)
    return Quiet(distinct.shape[1], hosts, days, Fired(), own=True, hunted=hunted)


def quiet_in(baseline: Baseline) -> Quiet:
    """The host-days of a baseline."""
    model = baseline.model
    return Quiet(model.host_days, model.hosts, -(-model.host_days // max(1, model.hosts)), baseline.fired)


def weighed(met: Met, quiet: Quiet) -> dict[str, Worth]:
    """What a hit of each is worth."""
    about = met.about
    codes = {by: fired_code(one.id, one.version) for by, one in about.items()}
    own = _fired([met], np.array(list(codes.values()), dtype=np.uint64)) if quiet.own else quiet.fired
    often, prices = own.often(), dict[tuple[int, int], int]()
    found = {}
    for by in sorted(about):
        one = about[by]
        if not own.was_looked_for(codes[by]):
            found[by] = Worth(one, one.prior, None, quiet.host_days, quiet.hosts)
            continue
        usual = often.get(codes[by], Often(0, 0, 0))
        host_days = quiet.host_days
        if quiet.own:  # of the others: what is asked about does not speak for itself
            usual, host_days = Often(max(0, usual.days - 1), usual.hosts, usual.events), max(0, host_days - 1)
        key = (level_code(met.known.analytic, one.level), usual.days)
        if key not in prices:
            prices[key] = max(0, own.as_unusual(*key) - quiet.own)
        bits = _bits(one, usual, prices[key], host_days, quiet)
        found[by] = Worth(one, bits, usual if quiet.enough else None, host_days, quiet.hosts)
    return found


@dataclass(frozen=True, slots=True)
class Weighed:
    """What was met, and what each hit of it is worth."""

    met: Met
    quiet: Quiet
    worth: Mapping[str, Worth]

    @classmethod
    def of(cls, met: Met, quiet: Quiet) -> Weighed:
        """Held against these host-days."""
        return cls(met, quiet, weighed(met, quiet))

    def observed(self, share: float = 1.0) -> Observed:
        """In triage's terms, of a share of the host-days."""
        return self.met.observed(self.worth, share)

    def summary(self) -> list[Hit]:
        """What each rule or indicator met."""
        return summary(self.met, self.worth, self.quiet)


def _bits(one: About, usual: Often, alike: int, host_days: int, quiet: Quiet) -> float:
    """The prior, capped by log2((D+1)/(d+1)) of a baseline's host-days; where it says so, by hosts if that is more.

    Thousands are looked for, and any may be the first: of that the price is log2((a+1)/(d+1)), PRICE at most, where on
    `alike` a of the host-days something of this level or above was met that is as unusual.
    Where there is no baseline, or too small a one, the few host-days there are lean on the prior: it counts as
    2^prior host-days of which one met the rule.
    """
    if one.exempt:
        return one.prior
    if quiet.hunted or not quiet.enough:
        return max(0.0, min(one.prior, math.log2((host_days + 2**one.prior) / (usual.days + 1))))
    cap = math.log2((host_days + 1) / (usual.days + 1))
    price = min(PRICE, math.log2((max(alike, usual.days) + 1) / (usual.days + 1)))
    if one.by_hosts and usual.days:
        cap = max(cap, math.log2((quiet.hosts + 1) / (usual.hosts + 1)))
    return max(0.0, min(one.prior, cap) - price)


def summary(met: Met, worth: Mapping[str, Worth], quiet: Quiet) -> list[Hit]:
    """What each rule or indicator met: by level, then by how often."""
    days = met.on_days()
    codes, counts = np.unique(days["by"], return_counts=True)
    on = {met.gathering.names[code]: n for code, n in zip(codes.tolist(), counts.tolist(), strict=True)}
    found = []
    for by, one in worth.items():
        events, first, last = met.counts[by]
        usual = None if quiet.own else one.usual
        found.append(
            Hit(
                analytic=met.known.analytic,
                id=by,
                name=one.about.name,
                level=one.about.level,
                bits=one.bits,
                events=events,
                hosts=tuple(sorted(met.hosts[by])),
                host_days_here=on.get(by, 0),
                first=_moment(first),
                last=_moment(last),
                host_days=usual.days if usual else 0,
                of_host_days=one.host_days if usual else None,
                techniques=one.about.techniques,
                said=one.about.record,
            )
        )
    return sorted(found, key=lambda hit: (GRAVEST_FIRST.index(hit.level), -hit.events, hit.name, hit.id))


def _moment(micros: int) -> datetime | None:
    return datetime.fromtimestamp(micros / 1e6, UTC) if micros else None


def fetched(
    engine: Engine, scans: Sequence[Scan], lines: Iterable[Sequence[Mapping[str, object]]]
) -> dict[str, tuple[str, Row]]:
    """The events of lines of hits, by id: (table, fields). Of each line the first few with all their fields."""
    whole: dict[str, set[str]] = defaultdict(set)
    thin: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        for place, hit in enumerate(line):
            (whole if place < EVENTS else thin)[str(hit["table"])].add(str(hit[ID]))
    found: dict[str, tuple[str, Row]] = {}
    for scan in scans:
        few = tuple(name for name in THIN if name in scan.schema.names)
        full = whole[scan.table] | whole[""]
        for wanted, columns in (((thin[scan.table] | thin[""]) - full, few), (full, ())):
            ids = sorted(wanted)
            for begin in range(0, len(ids), AT_ONCE):
                events = engine.table(scan)
                events = events.filter(events[ID].isin(ids[begin : begin + AT_ONCE]))
                for row in engine.collect(events.select(*columns) if columns else events).to_pylist():
                    found[row[ID]] = (scan.table, {name: value for name, value in row.items() if value is not None})
    return found
