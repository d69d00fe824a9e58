"""Looks for rules while a baseline is learnt or grows: what they met before is known, so only new events are looked at.

A rule that came or changed since is looked for in all events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from vizsla.analytics.rarity.encode import U64
from vizsla.analytics.rarity.tally import DAY
from vizsla.baseline.rule_hits import RuleHits
from vizsla.engine import Engine
from vizsla.hit import HITS
from vizsla.hunt.known import KEPT, Known, Met, follow, look, met_in
from vizsla.hunt.scope import Progress
from vizsla.lake import Scan
from vizsla.nouns.event import TIME


@runtime_checkable
class Lasting(Known, Protocol):
    """Knowledge whose hits in an event stay what they are, and are kept with the baseline."""

    def asked(self) -> Mapping[str, str]:
        """By id of what looks at single events, all that decides what is kept of its hits."""
        ...

    def hits_of(
        self, only: Collection[str], engine: Engine, scans: Sequence[Scan], progress: Progress | None
    ) -> Iterator[pa.RecordBatch]:
        """`hits` of these alone."""
        ...

    def answered(self) -> Set[str]:
        """Those of `asked` that some table could answer when they were looked for."""
        ...

    def codes(self, only: Collection[str]) -> U64:
        """Their codes (`fired_code`)."""
        ...

    def parts(self) -> Collection[str]:
        """The ids of those whose hits `more` reads."""
        ...


@dataclass(frozen=True, slots=True)
class Grown:
    """What events are looked at: `new` ones where a rule's hits `before` are known, else the `whole`.

    since: what is before is forgotten. held: the hosts and ten minutes that are withheld.
    """

    whole: Sequence[Scan]
    new: Sequence[Scan] = ()
    before: RuleHits = field(default_factory=RuleHits)
    since: datetime | None = None
    held: Collection[tuple[str, int]] = ()

    def known(self) -> RuleHits:
        """What is known of hits; nothing where it begins later than what is asked."""
        begun = self.before.since
        return RuleHits() if begun and (self.since is None or self.since < begun) else self.before


def look_in(
    engine: Engine, grown: Grown, looking: Sequence[Known], folder: Path, progress: Progress | None = None
) -> tuple[list[Met], RuleHits]:
    """All that is met in a baseline's events, and what to keep of it for the next update."""
    every: list[Met] = []
    kept = RuleHits(since=grown.since)
    for known in looking:
        if isinstance(known, Lasting):
            met, kept = _look(engine, grown, known, folder, progress)
        else:
            met = look(engine, grown.whole, known, folder, progress)
        every.append(met)
    return every, kept


def _look(
    engine: Engine, grown: Grown, known: Lasting, folder: Path, progress: Progress | None
) -> tuple[Met, RuleHits]:
    asked, had = known.asked(), grown.known()
    # What no table could answer was met by no event: it, too, need only be looked for in new ones.
    same = {rule for rule, told in asked.items() if had.asked.get(rule) == told}
    met = met_in(known, folder)
    met.before = known.codes(same & had.answered)
    with pq.ParquetWriter(met.path, KEPT, compression="zstd") as writer:
        _restore(met, had.left(same, grown.since, grown.held), writer)
        for rules, scans in ((same, grown.new), (asked.keys() - same, grown.whole)):
            for batch in known.hits_of(rules, engine, scans, progress):
                met.add(batch, writer)
    answered = frozenset(known.answered() | (same & had.answered))
    kept = _kept(met, RuleHits(asked, answered, grown.since, parts=_parts(met, known.parts())))
    follow(met)
    return met, kept


def _restore(met: Met, had: RuleHits, writer: pq.ParquetWriter) -> None:
    """What was met before, as if it had been met now."""
    if len(had.parts):
        rows = had.parts
        for name in KEPT.names[len(HITS) :]:
            rows = rows.append_column(KEPT.field(name), pa.nulls(len(rows), KEPT.field(name).type))
        writer.write_table(rows.select(KEPT.names).cast(KEPT))
    if not had.ties or not len(had.ties["host"]):
        return
    ties, gathering = dict(had.ties), met.gathering
    gathering.ties.add(ties)
    gathering.names.update(had.names)
    gathering.kinds.update(had.kinds)
    met.days.add({"by": ties["pattern"], "host": ties["host"], "day": ties["time"] // DAY, "n": ties["n"]})
    rules, place = np.unique(ties["pattern"], return_inverse=True)
    for number, rule in enumerate(rules.tolist()):
        own = place == number
        times = ties["time"][own]
        met.counts[had.names[rule]] = [int(ties["n"][own].sum()), int(times.min()), int(times.max())]


def _kept(met: Met, hits: RuleHits) -> RuleHits:
    """With what was met so far."""
    gathering = met.gathering
    if not gathering.ties.chunks:
        return hits
    ties = gathering.ties.columns()
    used = set(np.unique(np.concatenate([ties["host"], ties["pattern"]])).tolist())
    names = {code: text for code, text in gathering.names.items() if code in used}
    return replace(hits, ties=dict(ties), names=names, kinds=frozenset(gathering.kinds))


def _parts(met: Met, rules: Collection[str]) -> pa.Table:
    """The hits of these rules that have a time: what correlations read."""
    if not rules:
        return HITS.empty_table()
    wanted = ds.field("by").isin(sorted(rules)) & ds.field(TIME).is_valid()
    return ds.dataset(met.path).to_table(columns=HITS.names, filter=wanted).cast(HITS)
