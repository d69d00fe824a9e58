"""How often columns hold a value, by the values that mappings ask for: in Arrow, since most fields are but columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from vizsla import arrow

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

ANY = "*"  # in a mapping: whatever value there is
NOTHING = ("", "-")  # what stands for no value
Keys = tuple[str | None, ...]
# By the values asked for: how many events, and of each set of columns how many fill it.
Counts = dict[Keys, tuple[int, list[int]]]


@dataclass(frozen=True, slots=True)
class Fills:
    """A mapper: events by key, and of each of `fields` (numbers of columns) how many have a value in any of them.

    keys: (number of a column, the values asked for); other values count as none.
    """

    keys: tuple[tuple[int, tuple[str, ...]], ...]
    fields: tuple[tuple[int, ...], ...]

    @property
    def schema(self) -> pa.Schema:
        """A column for each key, then `n`, then one for each field."""
        named = [(f"k{i}", pa.string()) for i in range(len(self.keys))]
        return pa.schema([*named, ("n", pa.int64()), *((f"n{i}", pa.int64()) for i in range(len(self.fields)))])

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if batch.num_rows:
                yield from summed(self._counted(batch), len(self.keys), self.schema).to_batches()

    def _counted(self, batch: pa.RecordBatch) -> pa.Table:
        columns = [pc.cast(arrow.plain(column), pa.string()) for column in batch.columns]
        held = [pc.and_(pc.is_valid(c), pc.invert(pc.is_in(c, value_set=pa.array(NOTHING)))) for c in columns]
        blank = pa.scalar(None, pa.string())
        found: list[pa.Array] = []
        for number, values in self.keys:
            column = columns[number]
            other = pc.if_else(held[number], pa.scalar(ANY), blank) if ANY in values else blank
            found.append(pc.if_else(pc.is_in(column, value_set=pa.array(values, pa.string())), column, other))
        found.append(pa.repeat(pa.scalar(1, pa.int64()), batch.num_rows))
        found += [pc.cast(reduce(pc.or_, (held[n] for n in numbers)), pa.int64()) for numbers in self.fields]
        return pa.Table.from_arrays(found, schema=self.schema)


def summed(rows: pa.Table, keys: int, schema: pa.Schema) -> pa.Table:
    """The rows of each key as one; `keys`: how many of the first columns those are."""
    names = schema.names[:keys]
    grouped = rows.group_by(names).aggregate([(name, "sum") for name in schema.names[keys:]])
    ordered = [*names, *(f"{name}_sum" for name in schema.names[keys:])]
    return grouped.select(ordered).rename_columns(schema.names).cast(schema)


def counts(engine: Engine, scan: Scan, asked: Sequence[tuple[str, Sequence[str]]], fields: Sequence[Sequence[str]],
           ) -> Counts:  # fmt: skip
    """Counts of a table. Names of columns may be spelled as they like; what the table lacks holds no value."""
    spelled = {name.lower(): name for name in scan.schema.names}
    wanted = dict.fromkeys(name.lower() for name in [*(name for name, _ in asked), *(n for f in fields for n in f)])
    columns = [name for name in wanted if name in spelled]
    place = {name: number for number, name in enumerate(columns)}
    known = [i for i, (name, _) in enumerate(asked) if name.lower() in place]
    full = [i for i, names in enumerate(fields) if any(name.lower() in place for name in names)]
    fills = Fills(
        tuple((place[asked[i][0].lower()], tuple(sorted(asked[i][1]))) for i in known),
        tuple(tuple(place[name.lower()] for name in fields[i] if name.lower() in place) for i in full),
    )
    if not columns:
        return {(None,) * len(asked): (scan.rows, [0] * len(fields))} if scan.rows else {}
    batches = list(engine.map(scan, tuple(spelled[name] for name in columns), fills))
    found: Counts = {}
    for row in summed(pa.Table.from_batches(batches, fills.schema), len(known), fills.schema).to_pylist():
        key: list[str | None] = [None] * len(asked)
        each = [0] * len(fields)
        for number, i in enumerate(known):
            key[i] = row[f"k{number}"]
        for number, i in enumerate(full):
            each[i] = row[f"n{number}"]
        found[tuple(key)] = (row["n"], each)
    return found
