"""What a baseline grows on: the tally that it was learnt from, and how far into each table of the lake that went.

tally/units.parquet     kind, host, hour, pattern, actor, n, first, last
tally/patterns.parquet  kind, pattern, field, value: what a pattern stands for
tally/ties.parquet      episode ties on the host-days of the sample
tally/starts.parquet    process starts on them

Every version keeps what it added, and names the earlier versions whose tallies belong to it: together they are what
one pass over all the events would have counted, since a tally merges by equality of its keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vizsla.analytics.rarity.encode import NOTHING
from vizsla.analytics.rarity.model import Tallied
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.tally import (
    DAY,
    FIELD,
    START_KEY,
    START_SUM,
    TIE_KEY,
    TIE_SUM,
    UNIT_KEY,
    UNIT_SUM,
    Heap,
    sampled,
)
from vizsla.baseline.fading import NEVER, Fading
from vizsla.baseline.withheld import Withheld
from vizsla.errors import BaselineError

ROOM = "tally"
_UNIT = ("host", "hour", "pattern", "actor", "n", "first", "last")


@dataclass(frozen=True, slots=True)
class Scope:
    """Which of a lake's events a baseline is about: one host's (None: all hosts'), of [since, until)."""

    host: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Growth:
    """How far learning went: `tables` by name with their version, `parts` the versions whose tallies it rests on.

    `share` is the share of host-days that was replayed. `withheld`: findings whose events are not learnt. `fading`:
    how what is old is forgotten.
    """

    scope: Scope
    tables: Mapping[str, int]
    share: float
    parts: tuple[int, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    fading: Fading = NEVER

    def said(self) -> dict[str, Any]:
        """For saving, as JSON."""
        since, until = (None if t is None else t.isoformat() for t in (self.scope.since, self.scope.until))
        return {"host": self.scope.host, "since": since, "until": until, "tables": dict(self.tables),
                "share": self.share, "parts": list(self.parts),
                "withheld": [one.said() for one in self.withheld], "fading": self.fading.said()}  # fmt: skip

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Growth:
        """From what was saved. Raises LookupError, TypeError or ValueError where it is damaged."""
        since, until = (None if t is None else datetime.fromisoformat(t) for t in (said["since"], said["until"]))
        tables = {str(name): int(version) for name, version in said["tables"].items()}
        parts = tuple(int(part) for part in said["parts"])
        withheld = tuple(map(Withheld.of, said.get("withheld", ())))
        scope, fading = Scope(said["host"], since, until), Fading.of(said.get("fading", {}))
        return cls(scope, tables, float(said["share"]), parts, withheld, fading)


def write(folder: Path, tallied: Tallied) -> None:
    """A tally below a version's folder; its words stand in the baseline's own."""
    home = folder / ROOM
    home.mkdir()
    units = [_kinded(kind, {name: columns[name] for name in _UNIT}) for kind, columns in tallied.units.items()]
    patterns = [part for kind, columns in tallied.units.items() for part in _patterns(kind, columns)]
    for name, tables in (("units", units), ("patterns", patterns)):
        if tables:
            _save(home / f"{name}.parquet", pa.concat_tables(tables))
    for name, columns in (("ties", tallied.ties), ("starts", tallied.starts)):
        if columns:
            _save(home / f"{name}.parquet", pa.table(dict(columns)))


def read(folder: Path) -> Tallied:
    """The tally of a version, without words. Raises BaselineError where it is missing or damaged."""
    home = folder / ROOM
    try:
        if not home.is_dir():
            raise FileNotFoundError(home.name)
        fields = _fields(home / "patterns.parquet")
        units: dict[str, Columns] = {
            kind: {**columns, **_looked_up(columns["pattern"], fields.get(kind, {}))}
            for kind, columns in _blocks(_load(home / "units.parquet"), ("kind",))
        }
        ties, starts = (_columns(_load(home / f"{name}.parquet")) for name in ("ties", "starts"))
        return Tallied(units=units, ties=ties, starts=starts)
    except (OSError, pa.ArrowException, LookupError, TypeError, ValueError) as error:
        raise BaselineError(
            f"what it counted is missing or damaged: {type(error).__name__}, {error}",
            where=str(home),
            fix="vizsla learn makes a new version from all events",
        ) from None


def together(parts: Sequence[Tallied], words: Mapping[int, str], share: float, fading: Fading = NEVER) -> Tallied:
    """Tallies of different events as one pass over all of them would have made it, of `share` of the host-days.

    `fading`: what is too old is left out.
    """
    parts = fading.left(parts)
    units: dict[str, Heap] = {}
    ties, starts = Heap(TIE_KEY, TIE_SUM), Heap(START_KEY, START_SUM)
    for part in parts:
        for kind, columns in part.units.items():
            units.setdefault(kind, Heap(UNIT_KEY, UNIT_SUM)).add(dict(columns))
        for heap, found in ((ties, part.ties), (starts, part.starts)):
            if found:
                heap.add(_thinned(found, share))
    every: dict[int, str] = dict(words)
    for part in parts:
        every.update(part.words)
    return Tallied(
        units={kind: dict(sorted(heap.columns().items())) for kind, heap in sorted(units.items())},
        words=every,
        ties=ties.columns() if ties.chunks else {},
        starts=starts.columns() if starts.chunks else {},
        share=share,
    )


def _thinned(columns: Columns, share: float) -> dict[str, np.ndarray]:
    """Rows on host-days of a smaller sample, which is a part of every larger one."""
    keep = sampled(columns["host"], columns["time"] // DAY, share)
    return {name: values[keep] for name, values in columns.items()}


def _kinded(kind: str, columns: Mapping[str, Any]) -> pa.Table:
    table = pa.table(dict(columns))
    number = pa.array(np.zeros(len(table), np.int32))
    return table.append_column("kind", pa.DictionaryArray.from_arrays(number, pa.array([kind])))


def _patterns(kind: str, columns: Columns) -> Iterator[pa.Table]:
    """The values of each distinct pattern, field by field: a pattern stands for the same ones wherever it occurs."""
    pattern, first = np.unique(columns["pattern"], return_index=True)
    for name, codes in columns.items():
        if name.startswith(FIELD):
            own = codes[first]
            some = own != NOTHING
            if some.any():
                table = _kinded(kind, {"pattern": pattern[some], "value": own[some]})
                field = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(table), np.int32)), pa.array([name]))
                yield table.append_column("field", field)


def _fields(path: Path) -> dict[str, dict[str, Columns]]:
    """By kind and field, the patterns that have a value in it, ascending, and the values."""
    found: dict[str, dict[str, Columns]] = {}
    if path.exists():
        for key, columns in _blocks(_load(path), ("kind", "field")):
            kind, field = key.split("\0")
            found.setdefault(kind, {})[field] = columns
    return found


def _looked_up(patterns: np.ndarray, fields: Mapping[str, Columns]) -> dict[str, np.ndarray]:
    columns = {}
    for name, known in fields.items():
        places = np.minimum(np.searchsorted(known["pattern"], patterns), len(known["pattern"]) - 1)
        there = known["pattern"][places] == patterns
        columns[name] = np.where(there, known["value"][places], NOTHING)
    return columns


def _blocks(table: pa.Table, by: tuple[str, ...]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Runs of rows that agree in the columns `by`, with these columns' values joined by a zero byte."""
    if not len(table):
        return
    keys = [_dictionary(table[name]) for name in by]
    codes = np.array([key.indices.to_numpy() for key in keys])
    begins = np.flatnonzero(np.r_[True, (codes[:, 1:] != codes[:, :-1]).any(axis=0)]).tolist()
    arrays = _columns(table.drop_columns(list(by)))
    for begin, end in zip(begins, [*begins[1:], len(table)], strict=True):
        name = "\0".join(key[begin].as_py() for key in keys)
        yield name, {column: values[begin:end] for column, values in arrays.items()}


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    whole = column.unify_dictionaries().combine_chunks()
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole


def _columns(table: pa.Table) -> dict[str, np.ndarray]:
    return {name: table[name].to_numpy() for name in table.column_names} if len(table) else {}


def _load(path: Path) -> pa.Table:
    if not path.exists():
        return pa.table({})
    return pq.read_table(path, read_dictionary=["kind", "field"])


def _save(path: Path, table: pa.Table) -> None:
    pq.write_table(table.unify_dictionaries(), path, compression="zstd", compression_level=1)
