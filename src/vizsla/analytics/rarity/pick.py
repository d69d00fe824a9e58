"""The second pass: the native events behind chosen ties, found again by the same codes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from vizsla import arrow
from vizsla.analytics.rarity.encode import NO_TIME, NOTHING, U64, Encoder, mixed, times
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.keys import NO_PID, Keys, keys
from vizsla.analytics.rarity.tally import PART, SLICE, TIE_KEY, packed, tie_columns
from vizsla.nouns.event import HOST, ID, TIME

KEY = "__tie"  # column of the tie each picked row belongs to
KIND = "__kind"
A_TIE = 3  # rows picked of one tie: the first few show what all of them are


def tie_key(columns: Mapping[str, np.ndarray]) -> U64:
    """What a tie is found by."""
    return mixed(*(columns[name].astype(np.uint64, copy=False) for name in TIE_KEY))


def where_key(columns: Mapping[str, np.ndarray]) -> U64:
    """The part of a tie that can be told without knowing the event's shape: host, ten minutes, process and so on."""
    return mixed(*(columns[name].astype(np.uint64, copy=False) for name in TIE_KEY[:-2]))


@dataclass(frozen=True, slots=True)
class Pick:
    """The mapper of the second pass. `wanted`: tie keys, ascending, as bytes; `where`: their `where_key`, likewise;
    `kinds`: the only kinds among them."""

    table: str
    wanted: bytes
    where: bytes
    kinds: frozenset[str]
    schema: pa.Schema = field(default=PART, compare=False)

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        encoder = Encoder(profile(self.table))
        wanted, where = (np.frombuffer(known, dtype=np.uint64) for known in (self.wanted, self.where))
        for whole in batches:
            if not whole.num_rows:
                continue
            batch, tied = _near(whole, encoder, where)
            if not batch.num_rows:
                continue
            for rows in encoder.rows(batch, set(self.kinds)):
                timed = rows.time != NO_TIME
                columns = tie_columns(rows, tied, timed)
                found = tie_key(columns)
                at = np.minimum(np.searchsorted(wanted, found), len(wanted) - 1)
                hits = np.flatnonzero(wanted[at] == found)
                places = rows.at[timed][hits]
                first = _first_few(found[hits], columns["time"][hits], _ids(batch, places))
                if len(first):
                    yield packed("row", rows.kind, plain(batch, places[first], found[hits][first], rows.kind))
            encoder.forget()


def _near(batch: pa.RecordBatch, encoder: Encoder, where: U64) -> tuple[pa.RecordBatch, Keys]:
    """The rows of a batch that may belong to a wanted tie, and their keys: shapes are made of few."""
    tied, time = keys(batch, encoder.profile), times(batch)
    known = tied.guid != NOTHING
    found = where_key({
        "host": encoder.identity(batch, HOST), "slice": time // SLICE, "guid": tied.guid,
        "pid": np.where(known, NO_PID, tied.pid), "logon": np.where(known, NOTHING, tied.logon), "pair": tied.pair,
    })  # fmt: skip
    at = np.minimum(np.searchsorted(where, found), len(where) - 1)
    rows = np.flatnonzero((where[at] == found) & (time != NO_TIME))
    return batch.take(pa.array(rows)), Keys(tied.guid[rows], tied.pid[rows], tied.logon[rows], tied.pair[rows])


def _ids(batch: pa.RecordBatch, places: np.ndarray) -> np.ndarray:
    """The event ids of these rows."""
    ids = batch.column(ID).take(pa.array(places))
    return np.array(arrow.plain(ids).to_pylist(), dtype=str)


def _first_few(codes: U64, time: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Places of the first A_TIE rows of each code, by time and id: the same however the rows were dealt."""
    order = np.lexsort((ids, time, codes))
    ordered = codes[order]
    begins = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(order) else np.zeros(0, np.int64)
    counts = np.diff(np.r_[begins, len(order)])
    rank = np.arange(len(order)) - np.repeat(begins, counts)
    return np.sort(order[rank < A_TIE])


def plain(batch: pa.RecordBatch, at: np.ndarray, ties: U64, kind: str) -> pa.Table:
    """Rows of a batch without the columns that are empty in all of them, dictionaries decoded."""
    part = pa.Table.from_batches([batch]).take(pa.array(at))
    names, columns = [], []
    for name, column in zip(part.column_names, part.columns, strict=True):
        if column.null_count == len(column) and name != TIME:
            continue
        names.append(name)
        columns.append(column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column)
    names += [KEY, KIND]
    columns += [pa.array(ties), pa.array([kind] * len(at))]
    return pa.table(columns, names=names)
