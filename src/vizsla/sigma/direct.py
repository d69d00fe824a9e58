"""Rules over events that are in no lake: what a source reads, matched as it comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from vizsla.hit import Look, Met
from vizsla.sigma.match import bound, matcher
from vizsla.sigma.rule import Rule

ROWS = 65_536  # events of a table that are looked at together
BYTES = 64 << 20  # or so many bytes of them


@dataclass(frozen=True, slots=True)
class Looked:
    """Events of a table, and what rules met in them; `met.row` counts within `events`."""

    table: str
    events: pa.RecordBatch
    met: Met


class Direct:
    """Looks at tables' events as they come. Those of one table are gathered first, since looking costs by the batch."""

    def __init__(
        self, rules: Iterable[Rule], wanted: Mapping[str, Sequence[str]] | None = None, *, rows: int = ROWS
    ) -> None:
        """`wanted`: see `match.matcher`. `rows`: how many events of a table are gathered at most."""
        self._rules = [rule for rule in rules if rule.condition is not None]
        self._wanted, self._rows = wanted, rows
        self._looks: dict[str, Look | None] = {}
        self._waiting: dict[str, list[pa.RecordBatch]] = {}
        self._sizes: dict[str, tuple[int, int]] = {}

    def feed(self, table: str, events: pa.RecordBatch) -> Iterator[Looked]:
        """Look at more events of a table, or keep them until there are more."""
        if table not in self._looks:
            made, _ = matcher(table, bound(self._rules, (table,)).get(table, ()), None, self._wanted)
            self._looks[table] = None if made is None else made.start()
        if self._looks[table] is None or not events.num_rows:
            return
        rows, size = self._sizes.get(table, (0, 0))
        more = events.get_total_buffer_size()
        if rows and (rows + events.num_rows > self._rows or size + more > BYTES):
            yield from self._look(table)
            rows, size = 0, 0
        self._waiting.setdefault(table, []).append(events)
        self._sizes[table] = rows + events.num_rows, size + more

    def finish(self) -> Iterator[Looked]:
        """Look at all that is left."""
        for table in sorted(self._waiting):
            yield from self._look(table)

    def _look(self, table: str) -> Iterator[Looked]:
        look = self._looks[table]
        parts = self._waiting.pop(table, [])
        self._sizes.pop(table, None)
        if look is None or not parts:
            return
        events = parts[0] if len(parts) == 1 else joined(parts)
        met = look(events)
        if len(met.row):
            yield Looked(table, events, met)


def joined(parts: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Batches of one table as one; a column that some call otherwise in case is one column, if no batch has both."""
    spelling: dict[str, str] = {}
    columns: dict[str, dict[int, pa.Array]] = {}
    for number, part in enumerate(parts):
        times = Counter(map(str.lower, part.schema.names))
        for name, column in zip(part.schema.names, part.columns, strict=True):
            own = spelling.setdefault(name.lower(), name) if times[name.lower()] == 1 else name
            columns.setdefault(own, {})[number] = column
    rows = [part.num_rows for part in parts]
    return pa.RecordBatch.from_pydict({name: _stacked(held, rows) for name, held in columns.items()})


def _stacked(held: dict[int, pa.Array], rows: Sequence[int]) -> pa.Array:
    """A column of batches of so many rows each, null where a batch lacks it."""
    kinds = {column.type for column in held.values()}
    kind = kinds.pop() if len(kinds) == 1 else pa.string()
    chunks: list[pa.Array] = []
    absent = 0
    for number, count in enumerate(rows):
        column = held.get(number)
        if column is None:
            absent += count
            continue
        if absent:
            chunks.append(pa.nulls(absent, kind))
            absent = 0
        chunks.append(column if column.type == kind else column.cast(kind))
    if absent:
        chunks.append(pa.nulls(absent, kind))
    return pa.concat_arrays(chunks)
