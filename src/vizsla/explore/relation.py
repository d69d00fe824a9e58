"""A view or a native table by its name, narrowed to hosts, users, times and a condition."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from vizsla.engines import connect
from vizsla.errors import UsageError, ViewError
from vizsla.explore.where import condition, mentioned
from vizsla.nouns.event import HOST
from vizsla.view import view_table, views

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Lake

USERS = ("user.name", "user.effective.name", "user.target.name")
NATIVE_USERS = (
    "User",
    "SubjectUserName",
    "TargetUserName",
    "SourceUser",
    "TargetUser",
    "UserName",
    "username",
    "client",
)


@contextmanager
def engine_or(engine: Engine | None) -> Iterator[Engine]:
    """The engine given, or DuckDB for as long as this takes."""
    if engine is not None:
        yield engine
        return
    with connect("duckdb") as own:
        yield own


def view(lake: Lake, name: str, engine: Engine | None = None) -> ir.Table:
    """A view as an Ibis table. Without an engine it lies on a DuckDB of its own, which lives as long as it is used."""
    return view_table(engine or connect("duckdb"), lake, name)


def relation(
    engine: Engine,
    lake: Lake,
    name: str,
    *,
    host: str | None = None,
    user: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    where: str | None = None,
    fields: Collection[str] | None = None,
) -> ir.Table:
    """A view or table, narrowed; of a view, no more than `fields` and what narrows it.

    Raises ViewError for an unknown name, UsageError for a condition that cannot be.
    """
    if name in views():
        if fields is not None:
            fields = {*fields, *(USERS if user is not None else ()), *mentioned(where or "")}
        table = view_table(engine, lake, name, since, until, fields=fields)
    elif name in lake.tables():
        table = engine.table(lake.scan(name, since, until))
    else:
        raise ViewError(
            f"there is no view or table {name!r}",
            fix=f"views: {', '.join(views())}; tables: {', '.join(lake.tables()) or 'none yet'}",
        )
    if host is not None:
        table = table.filter(_host_is(table, host))
    if user is not None:
        table = table.filter(_user_is(table, name, user))
    if where is not None and where.strip():
        table = table.filter(condition(where, table))
    return table


def _host_is(table: ir.Table, host: str) -> ir.BooleanValue:
    """By its whole name, or by its name without the domain."""
    return (table[HOST] == host.lower()) | table[HOST].startswith(f"{host.lower()}.")


def _user_is(table: ir.Table, name: str, user: str) -> ir.BooleanValue:
    import ibis

    from vizsla.views.compile import Compiler, lower
    from vizsla.views.grammar import Call, Column

    held = [c for c in (USERS if name in views() else NATIVE_USERS) if c in table.columns]
    if not held:
        raise UsageError(f"{name} says nothing of users", where="--user", fix="leave it out")
    compiler = Compiler(table, {})
    wanted = user.rpartition("\\")[2].lower()
    return ibis.or_(*(lower(compiler(Call("user", (Column(c),)))) == wanted for c in held))
