"""Reader of mapped JSON: lines, arrays, or documents that hold their records under a name.

Options:
  records: Records      the name under which a document holds its records (or several such names, of which the first
                        that is there counts); those beside it are repeated on each
  unwrap: [_source]     names of envelopes: a record that has one is what is inside
  keep: [requestBody]   objects that stay one column of JSON text; others become columns with dotted names
  lift: [requestBody.user]  fields of such objects that are columns too
  depth: 6              levels of objects that become columns; below it they stay JSON text
  first: [resources]    lists that stay JSON text, and whose first item (an object's fields) makes columns too:
                        resources.0.name
  merge: [properties]   objects whose fields are columns without the object's name; what the record says itself counts
  pairs: {Parameters: [Name, Value]}  lists of objects of just a name and a value, which become columns: Parameters.To
  rename: {a.b: c}      columns of other names
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vizsla.errors import SourceError
from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._heads import at, json_head, names
from vizsla.sources._json import Bad, json_growth, records
from vizsla.sources._placing import Placing
from vizsla.sources._rows import Rows, as_text

if TYPE_CHECKING:
    from vizsla.sources._mapped import Signs

OPTIONS = frozenset(("records", "unwrap", "keep", "depth", "rename", "first", "pairs", "lift",
                     "merge"))  # fmt: skip
DEPTH = 8
MOST = 0.8  # share of the head's records that must show the signs


def check(options: Mapping[str, Any], where: str) -> None:
    """Raises SourceError for options that this reader does not have."""
    if unknown := set(options) - OPTIONS:
        raise SourceError(f"the JSON reader has no option {', '.join(sorted(unknown))}", where=where,
                          fix=f"its options are {', '.join(sorted(OPTIONS))}")  # fmt: skip
    for path in options.get("lift") or ():
        if not any(path.startswith(f"{name}.") for name in options.get("keep") or ()):
            raise SourceError(f"{path} is lifted out of nothing that is kept", where=where, fix="name it under `keep`")


def sniff(head: bytes, signs: Signs, options: Mapping[str, Any]) -> float:
    """The signs' confidence where nearly all records of the head show them."""
    found = [record for document in json_head(head) for record in inner(document, options)]
    for name in _listed(options.get("records")) if not found else ():
        found = found or list(_begun(head, name))
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
    for name in _listed(options.get("records")):
        if isinstance(held := document.get(name), list):
            break
    else:
        yield document
        return
    beside = {key: value for key, value in document.items() if key != name}
    for record in held:
        if isinstance(record, dict):
            yield {**beside, **record} if beside else record


def _listed(value: Any) -> list[str]:
    return [] if not value else list(map(str, value)) if isinstance(value, list) else [str(value)]


class Flattener:
    """Records as names and values, dotted where they nest. Names of a nesting are made once."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.keep = frozenset(options.get("keep") or ())
        self.depth = int(options.get("depth") or DEPTH)
        self.rename: Mapping[str, str] = options.get("rename") or {}
        self.first = frozenset(options.get("first") or ())
        self.pairs: Mapping[str, list[str]] = options.get("pairs") or {}
        self.merge = frozenset(options.get("merge") or ())
        self.lifted: dict[str, frozenset[str]] = {}
        for path in options.get("lift") or ():
            kept = next(name for name in self.keep if path.startswith(name + "."))
            self.lifted[kept] = self.lifted.get(kept, frozenset()) | {path.removeprefix(kept + ".")}
        self.lists = self.first | set(self.pairs)
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
            if name in self.merge and type(value) is dict:
                self._merge(value, depth, found, values)
                continue
            if type(value) is dict and value and depth < self.depth and name not in self.keep:
                self._walk(value, name + ".", depth + 1, found, values)
                continue
            if type(value) is dict and name in self.lifted:
                for field in self.lifted[name] & value.keys():
                    found.append(self.rename.get(f"{name}.{field}", f"{name}.{field}"))
                    values.append(value[field])
            elif type(value) is list and name in self.lists:
                if name in self.pairs and (fields := _paired(value, *self.pairs[name])) is not None:
                    self._walk(fields, name + ".", depth + 1, found, values)
                    continue
                if name in self.first and value:
                    self._walk({"0": value[0]}, name + ".", depth, found, values)
            found.append(name)
            values.append(value)

    def _merge(self, record: dict[str, Any], depth: int, found: list[str], values: list[Any]) -> None:
        """Fields without a prefix; one that says what is said already is left out."""
        own: list[str] = []
        told: list[Any] = []
        self._walk(record, "", depth + 1, own, told)
        said = dict(zip(found, values, strict=True))
        for name, value in zip(own, told, strict=True):
            if name not in said or said[name] != value:
                found.append(name)
                values.append(value)


def _paired(items: list[Any], name: str, value: str) -> dict[str, Any] | None:
    """Objects of a name and a value as one; None where that would lose something."""
    fields: dict[str, Any] = {}
    for item in items:
        if type(item) is not dict or not isinstance(key := item.get(name), str) or not key or key in fields:
            return None
        if len(item) != 1 + (value in item):
            return None
        fields[key] = item.get(value)
    return fields or None


def growth(head: bytes, options: Mapping[str, Any]) -> Growth | None:
    """See `source.Resumable`."""
    return json_growth(head)


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
