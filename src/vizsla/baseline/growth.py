"""What a baseline grows on: the tally that it was learnt from, and how far into each table of the lake that went.

tally/units.parquet     kind, host, hour, pattern, actor, n, first, last
tally/patterns.parquet  kind, pattern, field, value: what a pattern stands for
tally/ties.parquet      episode ties on the host-days of the sample
tally/starts.parquet    process starts on them

Every version keeps what it added, and names the earlier versions whose tallies belong to it: together they are what
one pass over all the events would have counted, since a tally merges by equality of its keys.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vizsla.analytics.rarity.encode import NOTHING, U64
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
    chosen_of,
    joined,
    sampled,
)
from vizsla.baseline.fading import NEVER, Fading
from vizsla.baseline.withheld import Withheld
from vizsla.errors import BaselineError
from vizsla.scratch import Scratch

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


class Part:
    """What a version adds, as it is counted: tallies of different days, each written as it comes, into a folder of
    its own until the version is saved. Their words stand in the baseline's own. Use as a context manager."""

    def __init__(self) -> None:
        self._scratch = Scratch("tally")
        self._home = self._scratch.path / ROOM
        self._home.mkdir()
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._patterns: dict[str, U64] = {}  # those written, by kind

    def add(self, tallied: Tallied) -> None:
        """One more tally."""
        for kind, columns in tallied.units.items():
            self._write("units", _kinded(kind, {name: columns[name] for name in _UNIT}))
            for table in _patterns(kind, self._fresh(kind, columns)):
                self._write("patterns", table)
        for name, rows in (("ties", tallied.ties), ("starts", tallied.starts)):
            if rows:
                self._write(name, pa.table(dict(rows)))

    def _fresh(self, kind: str, columns: Columns) -> Columns:
        """One row of each pattern that was not written yet."""
        pattern, first = np.unique(columns["pattern"], return_index=True)
        known = self._patterns.get(kind, pattern[:0])
        new = ~np.isin(pattern, known)
        self._patterns[kind] = np.union1d(known, pattern[new])
        return chosen_of(columns, first[new])

    def _write(self, name: str, table: pa.Table) -> None:
        if name not in self._writers:
            path = self._home / f"{name}.parquet"
            self._writers[name] = pq.ParquetWriter(path, table.schema, compression="zstd", compression_level=1)
        self._writers[name].write_table(table)

    def place(self, folder: Path) -> None:
        """All of it below a version's folder; nothing can be added any more."""
        self._close()
        shutil.move(self._home, folder / ROOM)

    def _close(self) -> None:
        while self._writers:
            self._writers.popitem()[1].close()

    def __enter__(self) -> Part:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()
        self._scratch.close()


def read(folder: Path) -> Tallied:
    """The tally of a version, without words. Raises BaselineError where it is missing or damaged."""
    home = folder / ROOM
    try:
        if not home.is_dir():
            raise FileNotFoundError(home.name)
        fields = _fields(home / "patterns.parquet")
        units: dict[str, Columns] = {
            kind: {**columns, **_looked_up(columns["pattern"], fields.get(kind, {}))}
            for kind, columns in _together(_blocks(_load(home / "units.parquet"), ("kind",)))
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
    """The values of each of these patterns, field by field: one stands for the same ones wherever it occurs."""
    for name, codes in columns.items():
        if name.startswith(FIELD):
            some = codes != NOTHING
            if some.any():
                table = _kinded(kind, {"pattern": columns["pattern"][some], "value": codes[some]})
                field = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(table), np.int32)), pa.array([name]))
                yield table.append_column("field", field)


def _fields(path: Path) -> dict[str, dict[str, Columns]]:
    """By kind and field, the patterns that have a value in it, ascending, and the values."""
    found: dict[str, dict[str, Columns]] = {}
    if path.exists():
        for key, columns in _together(_blocks(_load(path), ("kind", "field"))):
            kind, field = key.split("\0")
            order = np.argsort(columns["pattern"])
            found.setdefault(kind, {})[field] = {name: values[order] for name, values in columns.items()}
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


def _together(blocks: Iterator[tuple[str, dict[str, np.ndarray]]]) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Blocks of one name as one, in order of name: each tally of a part brought its own."""
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    for name, columns in blocks:
        found.setdefault(name, []).append(columns)
    for name in sorted(found):
        yield name, joined(found.pop(name))


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    whole = column.unify_dictionaries().combine_chunks()
    return whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole


def _columns(table: pa.Table) -> dict[str, np.ndarray]:
    return {name: table[name].to_numpy() for name in table.column_names} if len(table) else {}


def _load(path: Path) -> pa.Table:
    if not path.exists():
        return pa.table({})
    return pq.read_table(path, read_dictionary=["kind", "field"])
