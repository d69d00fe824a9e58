"""What correlations know of hits: numbers, read in one pass; the texts of the few that are told, in another."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from vizsla.analytics.rarity.encode import I64, U64, code_of, dictionary
from vizsla.hit import HITS
from vizsla.nouns.event import ID, TIME
from vizsla.sigma.windows import F64

_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*")
ABSENT = np.uint64(0)


@dataclass(frozen=True, slots=True)
class Hits:
    """What one rule met, as arrays of one length: rows of the whole, times in microseconds, codes of events.

    `codes`: of each field's values in lower case, 0 where an event lacks it. `numbers`: of fields that are summed, NaN
    where the value is no number.
    """

    row: I64
    time: I64
    event: U64
    codes: Mapping[str, U64]
    numbers: Mapping[str, F64]

    def __len__(self) -> int:
        return len(self.row)


def as_dataset(hits: pa.Table | ds.Dataset, by: Collection[str]) -> ds.Dataset:
    """The hits of these rules that have a time, in an order that stays."""
    whole = ds.dataset(hits) if isinstance(hits, pa.Table) else hits
    return whole.filter(ds.field("by").isin(sorted(by)) & ds.field(TIME).is_valid())


def read(hits: ds.Dataset, fields: Mapping[str, Collection[str]], numeric: Collection[str]) -> dict[str, Hits]:
    """The hits of each rule that `fields` names, with the codes of those fields; `numeric` ones as numbers, too."""
    parts: dict[str, list[Hits]] = {rule: [] for rule in fields}
    begin = 0
    for batch in hits.to_batches(columns=[ID, TIME, "by", "keys"]):
        rules, places = dictionary(batch.column("by"))
        for number, rule in enumerate(rules.to_pylist()):
            at = np.flatnonzero(places == number)
            if len(at):
                parts[rule].append(_part(batch.take(pa.array(at)), at + begin, fields[rule], numeric))
        begin += batch.num_rows
    return {rule: _joined(found, fields[rule], numeric) for rule, found in parts.items()}


def _part(batch: pa.RecordBatch, row: I64, fields: Collection[str], numeric: Collection[str]) -> Hits:
    columns = {name: dictionary(value_of(batch.column("keys"), name)) for name in fields}
    return Hits(
        row=row,
        time=batch.column(TIME).cast(pa.int64()).to_numpy(zero_copy_only=False),
        event=np.fromiter(map(code_of, batch.column(ID).to_pylist()), dtype=np.uint64, count=batch.num_rows),
        codes={name: _codes(*column) for name, column in columns.items()},
        numbers={name: _numbers(*columns[name]) for name in columns if name in numeric},
    )


def _joined(parts: list[Hits], fields: Collection[str], numeric: Collection[str]) -> Hits:
    def whole(arrays: list[np.ndarray], kind: type) -> np.ndarray:
        return np.concatenate(arrays) if arrays else np.empty(0, dtype=kind)

    return Hits(
        whole([p.row for p in parts], np.int64),
        whole([p.time for p in parts], np.int64),
        whole([p.event for p in parts], np.uint64),
        {name: whole([p.codes[name] for p in parts], np.uint64) for name in fields},
        {name: whole([p.numbers[name] for p in parts], np.float64) for name in fields if name in numeric},
    )


def value_of(maps: pa.Array, name: str) -> pa.Array:
    """The values of one key of a column of maps; null where a row has none."""
    offsets = maps.offsets.to_numpy()
    lengths = np.where(maps.is_valid().to_numpy(zero_copy_only=False), np.diff(offsets), 0)
    begin = int(offsets[0]) if len(offsets) else 0
    names = maps.keys.slice(begin, int(offsets[-1]) - begin) if len(offsets) else maps.keys
    found = np.flatnonzero(pc.equal(names, name).to_numpy(zero_copy_only=False))
    starts = offsets[:-1] - begin
    row = np.searchsorted(starts + np.diff(offsets), found, "right")
    place = np.full(len(maps), -1, dtype=np.int64)
    place[row] = found + begin
    place[lengths == 0] = -1
    return maps.items.take(pa.array(place, mask=place < 0))


def _codes(distinct: pa.Array, places: I64) -> U64:
    lowered = pc.utf8_lower(distinct.cast(pa.string())).to_pylist()
    codes = np.fromiter((0 if text is None else code_of(text) for text in lowered), np.uint64, count=len(lowered))
    return np.append(codes, ABSENT)[places]


def _numbers(distinct: pa.Array, places: I64) -> F64:
    numbers = np.fromiter(map(number_of, distinct.to_pylist()), np.float64, count=len(distinct))
    return np.append(numbers, np.nan)[places]


def number_of(text: str | None) -> float:
    """The number that a text is; NaN where it is none, or too large for one."""
    if text is None or not text.isascii() or not _NUMBER.fullmatch(text):
        return float("nan")
    number = float(text)
    return number if abs(number) != float("inf") else float("nan")


def rows(hits: ds.Dataset, wanted: I64) -> Iterator[pa.RecordBatch]:
    """These rows of the hits (sorted, none twice), with all columns of HITS."""
    begin = 0
    for batch in hits.to_batches(columns=HITS.names):
        low, high = np.searchsorted(wanted, [begin, begin + batch.num_rows])
        if low < high:
            yield batch.take(pa.array(wanted[low:high] - begin))
        begin += batch.num_rows
