"""Rules over events that are in no lake: what a source reads, matched as it comes."""

from __future__ import annotations

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
        if rows and (rows + events.num_rows > self._rows or size + events.nbytes > BYTES):
            yield from self._look(table)
            rows, size = 0, 0
        self._waiting.setdefault(table, []).append(events)
        self._sizes[table] = rows + events.num_rows, size + events.nbytes

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
    """Batches of one table as one; a column that some call otherwise in case is one column."""
    spelling: dict[str, str] = {}
    for part in parts:
        for name in part.schema.names:
            spelling.setdefault(name.lower(), name)
    tables = []
    for part in parts:
        names = [spelling[name.lower()] for name in part.schema.names]
        if len(set(names)) == len(names):  # else both spellings stand in this one batch, and stay
            part = part.rename_columns(names)
        tables.append(pa.Table.from_batches([part]))
    whole = pa.concat_tables(tables, promote_options="permissive").combine_chunks()
    batches = whole.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], whole.schema)
