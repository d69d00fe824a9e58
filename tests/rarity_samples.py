"""Events made by hand, and a second, plain implementation of what rarity counts: slow, and written from its words."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from vizsla.analytics.rarity.encode import Encoder, code_of
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.tally import UNIT_KEY, UNIT_SUM, Heap, unit_columns

T0 = 1_700_000_400_000_000  # 2023-11-14 22:20:00 UTC, at the beginning of ten minutes
SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
SYSMON = "windows_sysmon"
Row = Mapping[str, Any]  # native columns; _time in microseconds, _host


def batch(rows: Sequence[Row], columns: Iterable[str] | None = None, encoded: bool = False) -> pa.RecordBatch:
    """Rows as an engine hands them over; text dictionary-encoded or plain."""
    names = list(columns) if columns is not None else sorted({name for row in rows for name in row})
    arrays = []
    for name in names:
        values = [row.get(name) for row in rows]
        if name == "_time":
            arrays.append(pa.array(values, pa.timestamp("us", tz="UTC")))
        else:
            column = pa.array(values, pa.string())
            arrays.append(column.dictionary_encode() if encoded else column)
    return pa.RecordBatch.from_arrays(arrays, names=names)


def event(number: int = 1, at: int = 0, host: str | None = "ws1", **native: str | None) -> dict[str, Any]:
    return {"_time": T0 + at, "_host": host, "EventID": str(number), **native}


def units_of(rows: Sequence[Row], table: str = SYSMON) -> dict[str, dict[str, np.ndarray]]:
    """Merged units by kind, as the first pass makes them, and codes given without an engine."""
    encoder, heaps = Encoder(profile(table)), dict[str, Heap]()
    for part in encoder.rows(batch(rows)):
        heaps.setdefault(part.kind, Heap(UNIT_KEY, UNIT_SUM)).add(unit_columns(part))
    return {kind: heap.columns() for kind, heap in heaps.items()}


@dataclass
class Naive:
    """The formulas of `surprise` over dictionaries. A unit: (actor, {field: value}); '' is a field of the actor."""

    units: list[tuple[Hashable, Mapping[str, Hashable]]] = field(default_factory=list)

    def marginal(self, name: str, value: Hashable) -> float:
        seen = Counter(self._values(name))
        total, distinct = sum(seen.values()), len(seen)
        return 0.5 if not total else (seen[value] + 0.5) / (total + (distinct + 1) / 2 + 0.5)

    def conditional(self, name: str, actor: Hashable, value: Hashable) -> float:
        given = Counter(fields[name] for who, fields in self.units if who == actor and name in fields)
        n, distinct, backed = sum(given.values()), len(given), self.marginal(name, value)
        return backed if not n else (given[value] + distinct * backed) / (n + distinct)

    def part(self, name: str, actor: Hashable, value: Hashable) -> float:
        if not name:  # the actor itself, by how often it acts at all
            return -math.log2(self.marginal("", actor))
        return -math.log2(self.conditional(name, actor, value))

    def total(self, actor: Hashable, fields: Mapping[str, Hashable]) -> float:
        return self.part("", actor, actor) + sum(self.part(n, actor, v) for n, v in fields.items())

    def without(self, left_out: Iterable[int]) -> Naive:
        gone = set(left_out)
        return Naive([unit for i, unit in enumerate(self.units) if i not in gone])

    def _values(self, name: str) -> Iterator[Hashable]:
        for actor, fields in self.units:
            if not name:
                yield actor
            elif name in fields:
                yield fields[name]


def columns_of(
    units: Sequence[tuple[str, Mapping[str, str]]], hosts: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """A unit table straight from (actor, fields), one row each."""
    names = sorted({name for _, fields in units for name in fields})
    n = len(units)
    table = {
        "host": np.array([code_of(h) for h in (hosts or ["h"] * n)], dtype=np.uint64),
        "hour": np.zeros(n, dtype=np.int64), "pattern": np.arange(n).astype(np.uint64),
        "actor": np.array([code_of(a) if a else 0 for a, _ in units], dtype=np.uint64),
        "n": np.ones(n, dtype=np.int64), "first": np.full(n, T0), "last": np.full(n, T0),
    }  # fmt: skip
    for name in names:
        codes = [code_of(fields[name]) if name in fields else 0 for _, fields in units]
        table[f"f:{name}"] = np.array(codes, dtype=np.uint64)
    return table


def grouped(values: Iterable[tuple[Hashable, Any]]) -> dict[Hashable, list[Any]]:
    found: dict[Hashable, list[Any]] = defaultdict(list)
    for key, value in values:
        found[key].append(value)
    return dict(found)
