"""A pass of indicators over a table: what they meet there, and what runs there were, for indicators still to come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from vizsla.analytics.rarity.encode import dictionary
from vizsla.analytics.rarity.fields import profile
from vizsla.hit import HITS, Hitting, Met, told
from vizsla.intel.match import IndicatorMatcher, Looking
from vizsla.intel.runs import I64
from vizsla.intel.seen import SEEN, Seen
from vizsla.nouns.event import DAY

SOUGHT = pa.schema([*HITS, *SEEN])
"""Rows of HITS, and rows of SEEN: the columns of the other are null."""


@dataclass(frozen=True)
class Seeking:
    """The mapper of a pass. Its batches must have `columns`."""

    matcher: IndicatorMatcher
    schema: pa.Schema = field(default=SOUGHT, compare=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that its batches must have."""
        return (*Hitting(self.matcher).columns, DAY)

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        own, seen = profile(self.matcher.table), Seen()
        looking = Looking(self.matcher, seen)
        for batch in batches:
            if not batch.num_rows:
                continue
            met = _by_day(looking, seen, batch)
            if len(met.row):
                yield _padded(told(batch, met, own))
            if seen.full:
                yield from map(_padded, seen.told())
        yield from map(_padded, seen.told())


def parted(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]:
    """What a pass yields, taken apart: (hits, None) or (None, seen)."""
    for batch in batches:
        is_seen = np.asarray(batch.column("codes").is_valid())
        if not is_seen.all():
            yield batch.filter(pa.array(~is_seen)).select(HITS.names), None
        if is_seen.any():
            rows = batch.filter(pa.array(is_seen))
            yield None, pa.RecordBatch.from_arrays([rows.column(f.name) for f in SEEN], schema=SEEN)


def _padded(batch: pa.RecordBatch) -> pa.RecordBatch:
    held = set(batch.schema.names)
    arrays = [batch.column(f.name) if f.name in held else pa.nulls(batch.num_rows, f.type) for f in SOUGHT]
    return pa.RecordBatch.from_arrays(arrays, schema=SOUGHT)


def _by_day(looking: Looking, seen: Seen, batch: pa.RecordBatch) -> Met:
    """What a batch holds, its days looked at one after another."""
    days, places = dictionary(batch.column(DAY))
    names = ["" if name is None else name for name in days.to_pylist()]
    if len(names) < 2 and (places >= 0).all():
        seen.day = names[0] if names else ""
        return looking.look(batch)
    found = []
    for place, name in enumerate([*names, ""]):
        rows = np.flatnonzero(places == (place if place < len(names) else -1))
        if len(rows):
            seen.day = name
            found.append(_moved(looking.look(batch.take(pa.array(rows))), rows))
    return _joined(found)


def _moved(met: Met, rows: I64) -> Met:
    return Met(rows[met.row], met.by, met.field, met.value, met.keys)


def _joined(found: list[Met]) -> Met:
    """Several as one, in the order of rows."""
    row = np.concatenate([met.row for met in found])
    by = pa.array(np.argsort(row, kind="stable"))
    return Met(
        row[by],
        pa.concat_arrays([met.by for met in found]).take(by),
        pa.concat_arrays([met.field for met in found]).take(by),
        pa.concat_arrays([met.value for met in found]).take(by),
        pa.concat_arrays([met.keys for met in found]).take(by),
    )
