"""What the fields of an unknown file may be, guessed by the names and the look of their values: a mapping to correct.

A guess is never taken by itself: it becomes a mapping file, which a person looks at and gives with `--source`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import pyarrow as pa
import yaml

from vizsla.containers import head_of
from vizsla.declared import from_yaml
from vizsla.errors import SourceError
from vizsla.source import LogFile
from vizsla.sources import _read_arrow
from vizsla.sources._encoding import as_utf8
from vizsla.sources._heads import csv_heads, json_head
from vizsla.sources._placing import NUMBER, slug
from vizsla.sources._read_json import Flattener
from vizsla.sources._read_keyvalue import pairs
from vizsla.sources._rows import as_text
from vizsla.sources._times import NONE, micros

MOST = 0.8  # share of the values that must have a look
LEAST_ROWS = 0.5  # share of the lines that must be as wide as the header
NAME = re.compile(r"[^a-z0-9]")
WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")  # what the grammar of views takes for a column
_LOOKS: Mapping[str, str] = {
    "ip": r"(\d{1,3}\.){3}\d{1,3}|[0-9a-fA-F:]*:[0-9a-fA-F:.]*:[0-9a-fA-F.]*",
    "number": r"-?\d{1,18}",
    "md5": r"[0-9a-fA-F]{32}",
    "sha256": r"[0-9a-fA-F]{64}",
    "url": r"[a-z][a-z0-9+.-]{1,15}://\S+|/\S*",
    "domain": r"([A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?",
    "path": r"([A-Za-z]:|\\\\|%|/|\\)[^\r\n]*|[\w.-]+\.(exe|dll|sys|ps1|sh|py|com|bat)",
    "word": r"[^\s]{1,128}( [^\s]{1,64})?",
    "text": r"[\s\S]+",
}
_KINDS: Mapping[str, re.Pattern[str]] = {name: re.compile(pattern) for name, pattern in _LOOKS.items()}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file: its name, values from the head, and what it is guessed to be."""

    name: str
    values: tuple[str, ...]
    field: str = ""  # 'time', 'host', a field of views, or '' where nothing is guessed
    call: str = ""  # the function by which a view reads it


@dataclass(frozen=True, slots=True)
class Guess:
    """What an unknown file was guessed to hold."""

    reader: str
    options: Mapping[str, Any]
    columns: tuple[Column, ...]
    view: str = ""
    action: str = ""

    def of(self, field: str) -> list[str]:
        """The columns guessed to be a field."""
        return [column.name for column in self.columns if column.field == field]

    def mapping(self, table: str) -> dict[str, Any]:
        """The guess as a mapping of sources, for a table of that name."""
        names = [column.name for column in self.columns]
        rename = {
            column.name: slug(column.name)
            for column in self.columns
            if column.field in _hints()["fields"] and not WORD.fullmatch(column.name)
        }
        options = dict(self.options) | ({"rename": rename} if rename else {})
        made: dict[str, Any] = {"doc": f"Guessed: {table}", "verified": "", "reader": self.reader}
        if options:
            made["options"] = options
        made |= {"sniff": {"all": names[:20], "confidence": 0.6}, "table": table}
        made |= {"time": self.of("time")[:1], "host": self.of("host")[:1], "columns": names[:60]}
        if self.view:
            events = [{"set": {"event.action": self.action}}]
            made["views"] = {self.view: {table: {"fields": self._fields(rename), "events": events}}}
        return made

    def _fields(self, rename: Mapping[str, str]) -> dict[str, str]:
        fields = {}
        for column in self.columns:
            if column.field in _hints()["fields"]:
                name = rename.get(column.name, column.name)
                fields[column.field] = f"{column.call}({name})" if column.call else name
                if column.field == "user.name" and any("\\" in value for value in column.values):
                    fields["user.domain"] = f"domain({name})"
        return fields


@cache
def _hints() -> dict[str, Any]:
    loaded: dict[str, Any] = from_yaml((files("vizsla.sources") / "_guess.yaml").read_text("utf-8"))
    return loaded


def guess(file: LogFile) -> Guess:
    """What a file holds. Raises SourceError where it is neither JSON, nor delimited, nor key=value, nor columnar."""
    head = head_of(file)
    for look in (_columnar, _json, _delimited, _pairs):
        found = look(file, head)
        if found is not None:
            return _guessed(*found)
    raise SourceError("its content is neither JSON, CSV, key=value, Parquet nor Arrow", where=file.name,
                      fix="if it is text of another form, write a source for it: docs/read-your-logs.md")  # fmt: skip


Found = tuple[str, dict[str, Any], dict[str, list[str]]]  # reader, options, values by column


def _columnar(file: LogFile, head: bytes) -> Found | None:
    if not _read_arrow.is_columnar(head):
        return None
    return "arrow", {}, _read_arrow.first_values(file)


def _json(file: LogFile, head: bytes) -> Found | None:
    documents = json_head(head)
    if not documents:
        return None
    flat = Flattener({})
    options: dict[str, Any] = {}
    lists = [k for k, v in documents[0].items() if isinstance(v, list) and v and isinstance(v[0], dict)]
    if len(documents) == 1 and len(lists) == 1:
        options["records"] = lists[0]
        documents = tuple(record for record in documents[0][lists[0]] if isinstance(record, dict))
    values: dict[str, list[str]] = {}
    for document in documents:
        for name, value in zip(*flat(document), strict=True):
            if (text := as_text(value)) not in (None, ""):
                values.setdefault(name, []).append(str(text))
    return "json", options, values


def _delimited(file: LogFile, head: bytes) -> Found | None:
    lines = as_utf8(head).count(b"\n") or 1
    for header in csv_heads(head):
        if not header.rows or len(header.rows) < min(lines, 50) * LEAST_ROWS or len(set(header.columns)) < 2:
            continue
        if any(not name or len(name) > 80 for name in header.columns):
            continue
        columns = list(zip(*header.rows, strict=True))
        values = {n: [v for v in column if v] for n, column in zip(header.columns, columns, strict=True)}
        return "csv", {"delimiter": header.delimiter}, values
    return None


def _pairs(file: LogFile, head: bytes) -> Found | None:
    lines = [line for line in as_utf8(head).decode("utf-8", "replace").splitlines()[:50] if line.strip()]
    values: dict[str, list[str]] = {}
    held = 0
    for line in lines:
        found = pairs(line, {"least": 2})
        held += found is not None
        for name, value in zip(*found, strict=True) if found else ():
            values.setdefault(name, []).append(value)
    return ("keyvalue", {"least": 2}, values) if lines and held >= MOST * len(lines) else None


def _guessed(reader: str, options: dict[str, Any], values: Mapping[str, Sequence[str]]) -> Guess:
    hints = _hints()
    columns = [Column(name, tuple(found[:200])) for name, found in values.items()]
    taken: set[str] = set()

    def give(field: str, call: str, fits: Callable[[Column], bool]) -> None:
        for at, column in enumerate(columns):
            if not column.field and fits(column):
                columns[at] = Column(column.name, column.values, field, call)
                taken.add(field)
                return

    for pattern in hints["time"]:
        if "time" not in taken:
            give("time", "", lambda c, p=pattern: bool(re.search(p, plain(c.name))) and are(c, "time"))  # type: ignore[misc]
    if "time" not in taken:
        give("time", "", lambda c: are(c, "time") and not are(c, "number"))
    give("host", "", lambda c: bool(re.search(hints["host"], plain(c.name))))
    for field, hint in hints["fields"].items():
        give(field, hint.get("call", ""), lambda c, h=hint: _fits(c, h))  # type: ignore[misc]
    for choice in hints["views"]:
        if set(choice["needs"]) <= taken:
            return Guess(reader, options, tuple(columns), choice["view"], choice["action"])
    return Guess(reader, options, tuple(columns))


def plain(name: str) -> str:
    """A column's name for comparing: its last part's letters and digits, in lower case; all parts of short ones."""
    return NAME.sub("", name.lower())


def _fits(column: Column, hint: Mapping[str, Any]) -> bool:
    name = plain(column.name)
    last = plain(column.name.rpartition(".")[2])
    if not any(re.search(hint["name"], one) for one in (name, last)):
        return False
    if "unless" in hint and any(re.search(hint["unless"], one) for one in (name, last)):
        return False
    if "values" in hint:
        return bool(column.values) and all(
            any(re.search(p, value.lower()) for p in hint["values"].values()) for value in column.values
        )
    return are(column, hint["kind"])


def are(column: Column, kind: str) -> bool:
    """Whether nearly all values of a column have a look; not where there are none."""
    held = sum(_is(value, kind) for value in column.values)
    return bool(column.values) and held >= MOST * len(column.values)


def _is(value: str, kind: str) -> bool:
    if kind == "time":
        if NUMBER.fullmatch(value):
            whole = abs(float(value))
            return any(3e8 * unit < whole < 4e9 * unit for unit in (1, 1e3, 1e6, 1e9))
        return len(value) >= 8 and micros(value) != NONE
    if kind == "port":
        return value.isdigit() and len(value) < 6 and int(value) < 65536
    return _KINDS[kind].fullmatch(value.strip()) is not None


def shown(found: Guess) -> pa.Table:
    """The guess as a table to look at: each column, what it was taken for, and a value of it."""
    return pa.table({
        "column": [column.name for column in found.columns],
        "taken for": [column.field or None for column in found.columns],
        "example": [column.values[0][:60] if column.values else None for column in found.columns],
    })  # fmt: skip


def table_name(path: str) -> str:
    """A table's name for a file: what its name says besides dates, numbers and endings."""
    stem = re.split(r"[!/\\]", path)[-1].split(".")[0]
    return slug(re.sub(r"[\d_-]+$|\d{4}-?\d\d-?\d\d", "", stem) or stem)


def as_yaml(mapping: Mapping[str, Any], source: str) -> str:
    """The mapping as text that explains itself."""
    head = (
        f"# Guessed from {source!r}. Look at it, correct it, then read with it:\n"
        f"#   vizsla hunt PATH --source THIS_FILE\n"
        "# time and host: the columns that say when and where. views: what fields of which view the columns are\n"
        "# (vizsla views lists them).\n"
    )
    return head + yaml.safe_dump(dict(mapping), sort_keys=False, allow_unicode=True, width=110)
