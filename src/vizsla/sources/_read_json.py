"""Reader of mapped JSON: lines, arrays, or documents that hold their records under a name.

Options:
  records: Records      the name under which a document holds its records; those beside it are repeated on each
  unwrap: [_source]     names of envelopes: a record that has one is what is inside
  keep: [requestBody]   objects that stay one column of JSON text; others become columns with dotted names
  depth: 6              levels of objects that become columns; below it they stay JSON text
  rename: {a.b: c}      columns of other names
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vizsla.errors import SourceError
from vizsla.source import Batch, LogFile, Rejected
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._heads import at, json_head, names
from vizsla.sources._json import Bad, records
from vizsla.sources._placing import Placing
from vizsla.sources._rows import Rows, as_text

if TYPE_CHECKING:
    from vizsla.sources._mapped import Signs

OPTIONS = frozenset(("records", "unwrap", "keep", "depth", "rename"))
DEPTH = 8
MOST = 0.8  # share of the head's records that must show the signs


def check(options: Mapping[str, Any], where: str) -> None:
    """Raises SourceError for options that this reader does not have."""
    if unknown := set(options) - OPTIONS:
        raise SourceError(f"the JSON reader has no option {', '.join(sorted(unknown))}", where=where,
                          fix=f"its options are {', '.join(sorted(OPTIONS))}")  # fmt: skip


def sniff(head: bytes, signs: Signs, options: Mapping[str, Any]) -> float:
    """The signs' confidence where nearly all records of the head show them."""
    found = [record for document in json_head(head) for record in inner(document, options)]
    if not found and (name := options.get("records")):
        found = list(_begun(head, str(name)))
    if not found:
        return 0.0
    held = sum(1 for record in found if signs.hold(names(record), lambda name, r=record: at(r, name)))  # type: ignore[misc]
    return signs.confidence if held >= MOST * len(found) else 0.0


def _begun(head: bytes, name: str) -> Iterator[dict[str, Any]]:
    """The whole records of a document that is longer than the head."""
    mark = head.find(b'"' + name.encode() + b'"')
    start = head.find(b"[", mark)
    if 0 <= mark < start:
        yield from json_head(head[start:])


def inner(document: dict[str, Any], options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The records of a document, out of their envelopes."""
    for envelope in options.get("unwrap") or ():
        if isinstance(document.get(envelope), dict):
            document = document[envelope]
    name = options.get("records")
    held = document.get(name) if name else None
    if not isinstance(held, list):
        yield document
        return
    beside = {key: value for key, value in document.items() if key != name}
    for record in held:
        if isinstance(record, dict):
            yield {**beside, **record} if beside else record


class Flattener:
    """Records as names and values, dotted where they nest. Names of a nesting are made once."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.keep = frozenset(options.get("keep") or ())
        self.depth = int(options.get("depth") or DEPTH)
        self.rename: Mapping[str, str] = options.get("rename") or {}
        self.known: dict[str, dict[str, str]] = {}  # by prefix: key to whole name

    def __call__(self, record: dict[str, Any]) -> tuple[tuple[str, ...], list[Any]]:
        found: list[str] = []
        values: list[Any] = []
        self._walk(record, "", 1, found, values)
        return tuple(found), values

    def _walk(self, record: dict[str, Any], prefix: str, depth: int, found: list[str], values: list[Any]) -> None:
        known = self.known.get(prefix)
        if known is None:
            known = self.known[prefix] = {}
        for key, value in record.items():
            name = known.get(key)
            if name is None:
                if len(known) > 10_000:  # keys that are data
                    known.clear()
                whole = prefix + key
                name = known[key] = self.rename.get(whole, whole)
            if type(value) is dict and value and depth < self.depth and name not in self.keep:
                self._walk(value, name + ".", depth + 1, found, values)
            else:
                found.append(name)
                values.append(value)


def read(file: LogFile, placing: Placing, options: Mapping[str, Any], declared: tuple[str, ...],
         ) -> Iterator[Batch | Rejected]:  # fmt: skip
    """All records, each in its table."""
    tables: dict[str, Rows] = {}
    flat, plain = Flattener(options), not (options.get("records") or options.get("unwrap"))
    with file.open() as stream:
        for portion in records(utf8_stream(stream)):
            if isinstance(portion, Bad):
                yield Rejected(f"{file.name}#{portion.place}", portion.reason)
                continue
            each = portion.size // len(portion.records)
            for place, document in zip(portion.places, portion.records, strict=True):
                for record in (document,) if plain else inner(document, options):
                    found, values = flat(record)
                    split = tuple(as_text(at(record, column)) for column in placing.split)
                    table = placing.table_of(split) if split else placing.table
                    rows = tables.get(table)
                    if rows is None:
                        rows = tables[table] = Rows(declared)
                    rows.add(found, values, place)
                    rows.bytes += each
            for table, rows in tables.items():
                if rows.full():
                    yield _batch(table, rows, placing, file.name)
    for table, rows in tables.items():
        if rows.places:
            yield _batch(table, rows, placing, file.name)


def _batch(table: str, rows: Rows, placing: Placing, file: str) -> Batch:
    batch = placing.batch(rows.columns(), len(rows.places), rows.origins(file))
    rows.clear()
    return Batch(table, batch)
