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

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vizsla.errors import SourceError
from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources._encoding import utf8_stream
from vizsla.sources._flatten import Flattener as Flattener  # others take it from here
from vizsla.sources._heads import at, json_head, names
from vizsla.sources._json import Bad, Portion, json_growth, records, uncollected
from vizsla.sources._placing import Placing
from vizsla.sources._rows import Rows, as_text

if TYPE_CHECKING:
    from vizsla.sources._mapped import Signs

OPTIONS = frozenset(("records", "unwrap", "keep", "depth", "rename", "first", "pairs", "lift",
                     "merge"))  # fmt: skip
MOST_DEALT = 1000  # values remembered that name a table
_OBJECT = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")
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
    if not _OBJECT.match(head):
        return
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


def growth(head: bytes, options: Mapping[str, Any]) -> Growth | None:
    """See `source.Resumable`."""
    return json_growth(head)


def read(file: LogFile, placing: Placing, options: Mapping[str, Any], declared: tuple[str, ...],
         ) -> Iterator[Batch | Rejected]:  # fmt: skip
    """All records, each in its table."""
    held = _Held(file.name, placing, options, declared)
    with file.open() as stream:
        portions = records(utf8_stream(stream))
        told = True
        while told:
            with uncollected():
                told = held.gather(portions)
            yield from held.out
            held.out.clear()


class _Held:
    """The records of a file that are not yet given out, by table."""

    def __init__(self, file: str, placing: Placing, options: Mapping[str, Any], declared: tuple[str, ...]) -> None:
        self.file, self.placing, self.options, self.declared = file, placing, options, declared
        self.tables: dict[str, Rows] = {}
        self.dealt: dict[tuple[Any, ...], Rows] = {}  # by the values that name the table
        self.flat = Flattener(options)
        self.wrapped = frozenset((*_listed(options.get("records")), *_listed(options.get("unwrap"))))
        self.out: list[Batch | Rejected] = []

    def gather(self, portions: Iterator[Portion | Bad]) -> bool:
        """Goes on until there is something to give out in `out`; False at the file's end."""
        for portion in portions:
            if isinstance(portion, Bad):
                self.out.append(Rejected(f"{self.file}#{portion.place}", portion.reason))
            else:
                self._add(portion)
                for table, rows in self.tables.items():
                    if rows.full():
                        self.out.append(self.placing.given_out(table, rows, self.file))
            if self.out:
                return True
        self.out += [
            self.placing.given_out(table, rows, self.file) for table, rows in self.tables.items() if rows.places
        ]
        return False

    def _add(self, portion: Portion) -> None:
        each = portion.size // len(portion.records)
        split, flat, dealt, wrapped = self.placing.split, self.flat, self.dealt, self.wrapped
        for place, document in zip(portion.places, portion.records, strict=True):
            for record in (document,) if wrapped.isdisjoint(document) else inner(document, self.options):
                values = tuple([as_text(at(record, column)) for column in split])
                rows = dealt.get(values) or self._rows(values)
                rows.add(*flat(record), place)
                rows.bytes += each

    def _rows(self, values: tuple[str | None, ...]) -> Rows:
        """Where records go whose table is named after these values."""
        table = self.placing.table_of(values)
        rows = self.tables.get(table)
        if rows is None:
            rows = self.tables[table] = Rows(self.declared)
        if len(self.dealt) < MOST_DEALT:
            self.dealt[values] = rows
        return rows
