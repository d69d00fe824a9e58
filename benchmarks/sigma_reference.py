"""Sigma by other means: pySigma's SQLite backend over the same events, one query per rule, as Zircolite does it.

The events of a table lie in a SQLite table of the same columns (text, compared without case); columns that rules name
and the table lacks are empty. Where a log source means one kind of event, the query says so first, by an index.
What the backend cannot say, or says otherwise than Sigma, `sigma_naive` decides.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from sigma.backends.sqlite import sqliteBackend
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import FieldMappingTransformation
from sigma.rule import SigmaRule

from vizsla.errors import ViewError
from vizsla.lake import Lake
from vizsla.nouns.event import ID
from vizsla.sigma.logsource import asked, places_of
from vizsla.sigma.rule import Rule
from vizsla.views import grammar

ALL = "_all"  # the column of all of an event's texts, for keywords
ROWS = 20_000
Pair = tuple[str, str]  # a rule's id and an event's


@dataclass(frozen=True)
class Look:
    """Where a rule looks: a table, what its events must be (column, values), and other names of fields."""

    rule: str
    table: str
    kinds: tuple[tuple[str, tuple[str, ...]], ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass
class Found:
    """What the backend found, and the rules that it could not express, with its words."""

    pairs: set[Pair] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)


def looks(rules: Iterable[Rule], lake: Lake) -> list[Look]:
    """Where these rules look in a lake: the product's own answer, since what is compared is matching."""
    found = []
    for rule in rules:
        for place in places_of(rule, lake.tables()):
            assert rule.condition is not None
            other = {name: place.column(name) for name in asked(rule.condition) if place.column(name) != name}
            found.append(Look(rule.id, place.table, tuple(place.where.items()), other))
    return found


def rules_at(folders: Iterable[Path]) -> dict[str, dict[str, object]]:
    """The documents of plain rules (no correlations) below these folders, by id."""
    found = {}
    for folder in folders:
        for file in sorted(folder.rglob("*.yml")):
            for document in yaml.load_all(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
                if isinstance(document, dict) and "detection" in document:
                    found[str(document["id"]).lower()] = document
    return found


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _regexp(pattern: str, text: str | None) -> bool:
    return text is not None and _compiled(pattern).search(str(text)) is not None


def parsed(document: Mapping[str, object], fields: Mapping[str, str]) -> SigmaRule:
    """A rule as pySigma reads it, its fields by the names that a table has for them."""
    rule = SigmaRule.from_dict(dict(document))
    if fields:
        ProcessingPipeline([ProcessingItem(FieldMappingTransformation(dict(fields)))]).apply(rule)
    return rule


@dataclass
class Query:
    """One query of a rule over a table."""

    rule: str
    table: str
    sql: str
    columns: tuple[str, ...]
    keywords: bool


def queries(documents: Mapping[str, Mapping[str, object]], looks: Iterable[Look]) -> tuple[list[Query], dict[str, str]]:
    """The queries of rules, and those that cannot be expressed, with the reason."""
    made: list[Query] = []
    failed: dict[str, str] = {}
    for look in looks:
        backend = sqliteBackend(table=look.table, fulltext_field=ALL)
        try:
            rule = parsed(documents[look.rule], look.fields)
            backend.init_processing_pipeline("default")
            for text in backend.convert_rule(rule):
                _, _, where = text.partition(" WHERE ")
                kinds = [f"{_quoted(name)} IN ({', '.join(map(_literal, values))})" for name, values in look.kinds]
                conditions = " AND ".join([*kinds, f"({where})"])
                sql = f"SELECT {_quoted(ID)} FROM {_quoted(look.table)} WHERE {conditions}"
                named = tuple(backend.required_fields(rule))
                columns = tuple(name for name in (*named, *(kind for kind, _ in look.kinds)) if name != ALL)
                made.append(Query(look.rule, look.table, sql, columns, ALL in named))
        except (SigmaError, NotImplementedError, TypeError) as error:
            failed[look.rule] = f"{type(error).__name__}: {' '.join(str(error).split())}"
    return made, failed


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


class Store:
    """Events in SQLite, in memory."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(":memory:")
        self.connection.create_function("REGEXP", 2, _regexp, deterministic=True)
        self.rows = 0

    def load(self, table: str, batches: Iterable[pa.RecordBatch], asked: Iterable[Query]) -> None:
        """The events of a table, with the columns that these queries name, and an index of what kinds they tell."""
        wanted = list(asked)
        named = {name.lower(): name for query in wanted for name in query.columns}
        keywords = any(query.keywords for query in wanted)
        columns = [ID, *named.values(), *([ALL] if keywords else [])]
        shape = ", ".join(f"{_quoted(name)} TEXT COLLATE NOCASE" for name in columns)
        self.connection.execute(f"CREATE TABLE {_quoted(table)} ({shape})")
        insert = f"INSERT INTO {_quoted(table)} VALUES ({', '.join('?' * len(columns))})"
        for batch in batches:
            self.connection.executemany(insert, _rows(batch, [*named.values()], keywords))
            self.rows += batch.num_rows
        if "eventid" in named:
            index = f"CREATE INDEX {_quoted(table + '_kinds')} ON {_quoted(table)} ({_quoted(named['eventid'])})"
            self.connection.execute(index)
        self.connection.commit()

    def run(self, asked: Iterable[Query]) -> Found:
        """What these queries find."""
        found = Found()
        for query in asked:
            try:
                found.pairs |= {(query.rule, event) for (event,) in self.connection.execute(query.sql)}
            except sqlite3.Error as error:
                found.failed[query.rule] = f"{type(error).__name__}: {error}"
        return found


Texts = list[str | None]


def worked_out(text: str, texts: Callable[[str], Texts]) -> Texts | None:
    """The values of an expression over columns (`first`, `join`, `lookup`); None where it is the name of a column."""
    try:
        tree = grammar.parse(text, "a field")
    except ViewError:
        return None
    return None if isinstance(tree, grammar.Column) and tree.name == text else _worked_out(tree, texts)


def _worked_out(tree: grammar.Expression, texts: Callable[[str], Texts]) -> Texts:
    if isinstance(tree, grammar.Column):
        return texts(tree.name)
    assert isinstance(tree, grammar.Call), tree
    rows = zip(*(_worked_out(one, texts) for one in tree.arguments), strict=True)
    if tree.function == "lookup":
        table = lookups()[tree.words[0]]
        return [None if value is None else table.get(value) for (value,) in rows]
    if tree.function == "first":
        return [next((value for value in row if value is not None), None) for row in rows]
    assert tree.function == "join", tree
    return [None if row[0] is None else "\\".join(value for value in row if value is not None) for row in rows]


@lru_cache
def lookups() -> Mapping[str, Mapping[str, str]]:
    """The tables that `lookup` names."""
    text = (files("vizsla.views") / "_lookups.yaml").read_text("utf-8")
    return {name: {str(k): str(v) for k, v in table.items()} for name, table in yaml.safe_load(text).items()}


def native_names(named: Iterable[str]) -> set[str]:
    """The native columns of names and expressions."""
    found = set()
    for text in named:
        try:
            found.update(grammar.columns(grammar.parse(text, "a field")))
        except ViewError:
            found.add(text)
    return found


def _rows(batch: pa.RecordBatch, named: Sequence[str], keywords: bool) -> Iterator[tuple[str | None, ...]]:
    folded = {name.lower(): name for name in batch.schema.names}
    empty: Texts = [None] * batch.num_rows

    def texts(name: str) -> Texts:
        own = folded.get(name.lower())
        if own is not None:
            return batch.column(own).to_pylist()
        made = worked_out(name, texts)
        return empty if made is None else made

    columns = [texts(ID), *map(texts, named)]
    if keywords:
        native = [texts(name) for name in batch.schema.names if not name.startswith("_")]
        columns.append(["\n".join(t for t in row if t is not None) for row in zip(*native, strict=True)])
    return zip(*columns, strict=True)


def events(lake: Lake, table: str, columns: Iterable[str] | None = None) -> Iterator[pa.RecordBatch]:
    """A table's events, with all its columns, or those of these names (whatever their case) alone."""
    wanted = None if columns is None else {name.lower() for name in (ID, *columns)}
    for file in lake.scan(table).files:
        opened = pq.ParquetFile(file)
        names = [n for n in opened.schema_arrow.names if wanted is None or n.lower() in wanted]
        yield from opened.iter_batches(ROWS, columns=names)


def found(lake: Lake, documents: Mapping[str, Mapping[str, object]], looks: Sequence[Look]) -> Found:
    """What the backend finds in a lake."""
    whole, failed = queries(documents, looks)
    result = answered(lake, whole)
    result.failed |= failed
    return result


def answered(lake: Lake, whole: Sequence[Query]) -> Found:
    """What these queries find in a lake: one after another, table by table."""
    result = Found()
    for table in lake.tables():
        here = [query for query in whole if query.table == table]
        if not here:
            continue
        store = Store()
        keywords = any(query.keywords for query in here)
        columns = None if keywords else native_names(name for query in here for name in query.columns)
        store.load(table, events(lake, table, columns), here)
        part = store.run(here)
        store.connection.close()
        result.pairs |= part.pairs
        result.failed |= part.failed
    return result


def matched(lake: Lake, rules: Sequence[Rule]) -> set[Pair]:
    """What Vizsla finds in a lake."""
    from vizsla.engines import connect
    from vizsla.hit import Hitting
    from vizsla.sigma.match import matchers

    scans = {table: lake.scan(table) for table in lake.tables()}
    pairs: set[Pair] = set()
    with connect("duckdb") as engine:
        for one in matchers(rules, scans.values())[0]:
            mapper = Hitting(one)
            for batch in engine.map(scans[one.table], mapper.columns, mapper):
                pairs.update(zip(batch.column("by").to_pylist(), batch.column(ID).to_pylist(), strict=True))
    return pairs
