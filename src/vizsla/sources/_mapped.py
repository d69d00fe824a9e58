"""Sources that are declared, not written: one YAML file each, over a reader that many formats share.

doc: One sentence.
verified: what stands behind it (a real sample, a public specification); nothing: unverified
reader: json                    # or csv, keyvalue, arrow (Parquet, Feather), layout
sniff:                          # by content; all that is said must hold (or a list of such, of which one must)
  all: [eventName, awsRegion]   # names that nearly every record (or the header) has, dotted where nested
  any: [userIdentity, userName] # at least one of them
  none: [EventID]               # none of them
  match: {eventVersion: '1\\.'}  # values, as regular expressions that match from their beginning
  confidence: 0.9
table: aws_cloudtrail           # or with a column's value: suricata_{event_type}
tables: {aws_cloudtrail: what its rows are}
time: [eventTime, {columns: [date, time], format: '%d/%m/%Y %H:%M:%S'}, {column: ts, format: epoch_ms}]
host: [recipientAccountId]      # the first that is filled; (path): a host's name among its folders; nothing: no host
columns: [eventName, …]         # those that matter most
options: {…}                    # of the reader; see `_read_json`, `_read_csv` and the others
views: {…}                      # by view and table: see views/
sample: |                       # a small record in the format, for the contract tests; made up
rarity: {…}                     # by table: see analytics/rarity/fields.yaml
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vizsla.errors import SourceError
from vizsla.source import Batch, Growth, LogFile, Rejected, TableSpec
from vizsla.sources import _read_arrow, _read_csv, _read_json, _read_keyvalue, _read_layout
from vizsla.sources._placing import WORDS, Placing

# reader: how it looks at a head (records as dictionaries), and how it reads
READERS: dict[str, Any] = {
    "arrow": _read_arrow,
    "json": _read_json,
    "csv": _read_csv,
    "keyvalue": _read_keyvalue,
    "layout": _read_layout,
}
KEYS = frozenset(("doc", "verified", "reader", "sniff", "table", "tables", "time", "host", "columns", "options",
                  "views", "rarity", "sample"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signs:
    """By what a format is recognised."""

    all: frozenset[str]
    any: frozenset[str]
    none: frozenset[str]
    match: Mapping[str, re.Pattern[str]]
    confidence: float

    @classmethod
    def of(cls, said: Mapping[str, Any], where: str) -> Signs:
        unknown = set(said) - {"all", "any", "none", "match", "confidence"}
        if unknown:
            raise SourceError(f"sniff has no {', '.join(sorted(unknown))}", where=where, fix="see sources/_mapped.py")
        try:
            match = {name: re.compile(pattern) for name, pattern in (said.get("match") or {}).items()}
        except re.error as error:
            raise SourceError(f"no regular expression: {error}", where=where) from None
        return cls(frozenset(said.get("all") or ()), frozenset(said.get("any") or ()),
                   frozenset(said.get("none") or ()), match, float(said.get("confidence", 0.9)))  # fmt: skip

    def __bool__(self) -> bool:
        return bool(self.all or self.any or self.match)

    def hold(self, names: set[str], value: Callable[[str], Any]) -> bool:
        """Whether a record shows them. `names`: of all it has; `value`: what stands under a name."""
        if not self.all <= names or self.none & names or (self.any and not self.any & names):
            return False
        for name, pattern in self.match.items():
            found = value(name)
            if found is None or not pattern.match(str(found)):
                return False
        return True


class Mapped:
    """A source made of its YAML."""

    def __init__(self, name: str, content: Mapping[str, Any], where: str = "") -> None:
        """Raises SourceError, naming the file, for what a mapping does not hold."""
        where = where or f"{name}.yaml"
        unknown = set(content) - KEYS
        if unknown:
            raise SourceError(f"a mapping has no {', '.join(sorted(map(str, unknown)))}", where=where,
                              fix=f"its keys are {', '.join(sorted(KEYS))}")  # fmt: skip
        reader = content.get("reader")
        if reader not in READERS:
            raise SourceError(f"no reader is named {reader!r}", where=where, fix=f"use one of: {', '.join(READERS)}")
        self.name = name
        self.doc = str(content.get("doc") or name)
        told = content.get("sniff") or {}
        self.signs = tuple(filter(None, (Signs.of(one, where) for one in (told if isinstance(told, list) else [told]))))
        self.placing = Placing.of(content, where)
        self.options: Mapping[str, Any] = content.get("options") or {}
        self.declared = tuple(content.get("columns") or ())
        self.reader = READERS[reader]
        self.reader.check(self.options, where)
        pattern = WORDS.sub("*", self.placing.table)
        tables = content.get("tables") or {pattern: self.doc}
        self.tables = tuple(TableSpec(table, str(doc), self.declared) for table, doc in tables.items())

    def sniff(self, head: bytes, name: str) -> float:
        """The mapping's confidence where its signs hold, 0 otherwise. Without signs it is never recognised."""
        return max((float(self.reader.sniff(head, signs, self.options)) for signs in self.signs), default=0.0)

    def growth(self, head: bytes) -> Growth | None:
        """As its reader says; None where that reads whole files only."""
        how = getattr(self.reader, "growth", None)
        found: Growth | None = how(head, self.options) if how is not None else None
        return found

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        """Events in order; see Source."""
        yield from self.reader.read(file, self.placing, self.options, self.declared)
