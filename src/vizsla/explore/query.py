"""SQL over tables and views, read-only, in a DuckDB that can reach nothing but the lake's own files."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from vizsla.engines.duckdb import DuckDB
from vizsla.errors import UsageError
from vizsla.view import view_table, views
from vizsla.views.project import empty_schema

if TYPE_CHECKING:
    from vizsla.lake import Lake

SECONDS = 120.0
MEMORY = "2GiB"
SPILL = "8GiB"  # on disk, in a folder that is gone afterwards
ROWS = 1_000_000  # of a result, where no limit was given


def query(lake: Lake, sql: str, *, limit: int | None = None, seconds: float = SECONDS) -> pa.Table:
    """The result of one SELECT over the lake's tables and views, by their names.

    The database reads the files of the lake's present snapshot and no others, writes nothing, loads no extension,
    sees no variable of this process, and its settings are locked. Raises UsageError for anything but one SELECT,
    for what the database refuses, and where it takes longer than `seconds`.
    """
    with DuckDB() as engine:
        connection = engine.connection
        try:
            _define(engine, lake, sql.lower())
            _lock(connection, engine.files)
        except duckdb.Error as error:
            raise UsageError(f"the lake cannot be queried: {_words(error)}", where=str(lake.root)) from error
        statement = _one_select(connection, sql)
        late = threading.Event()
        with _alarm(connection, seconds, late):
            try:
                result: pa.Table = connection.sql(statement).limit(ROWS if limit is None else limit).to_arrow_table()
            except duckdb.Error as error:
                why = f"took longer than {seconds:g} seconds" if late.is_set() else _words(error)
                fix = (
                    "vizsla views names the views, vizsla coverage the tables"
                    if isinstance(error, duckdb.CatalogException)
                    else ""
                )
                raise UsageError(f"the query failed: {why}", where=sql, fix=fix) from error
        return result


def _define(engine: DuckDB, lake: Lake, sql: str) -> None:
    """The tables and views that the text names (all, where it asks which there are); an empty view is there, empty."""
    held = set(lake.tables())
    listing = any(word in sql for word in ("show", "describe", "information_schema", "duckdb_"))
    for table in sorted(held):
        if listing or table in sql:
            engine.define(table, engine.table(lake.scan(table)))
    for view in views().values():
        if view.name in held or not (listing or view.name in sql):
            continue  # a native table of that name goes first: it was there before
        if view.among(held):
            engine.define(view.name, view_table(engine, lake, view.name))
        else:
            engine.define(view.name, empty_schema(view).empty_table())


def _lock(connection: Any, files: list[str]) -> None:
    """No way back: the last setting locks all settings."""
    connection.execute("SET allowed_paths = ?", [files])
    connection.execute(f"SET memory_limit = '{MEMORY}'")
    connection.execute(f"SET max_temp_directory_size = '{SPILL}'")
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET allow_community_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _one_select(connection: Any, sql: str) -> Any:
    """The statement, where it is one and reads. COPY, ATTACH, SET, PRAGMA, INSTALL and all else are refused."""
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise UsageError(f"the query cannot be read: {_words(error)}", where=sql) from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise UsageError("only one SELECT can be asked", where=sql, fix="write one SELECT over tables and views")
    return statements[0].query


@contextlib.contextmanager
def _alarm(connection: Any, seconds: float, late: threading.Event) -> Iterator[None]:
    def ring() -> None:
        late.set()
        connection.interrupt()

    timer = threading.Timer(seconds, ring)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _words(error: duckdb.Error) -> str:
    return str(error).split("\n", 1)[0]
