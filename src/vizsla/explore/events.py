"""Events in the order of time: of one view or table, or all that some hosts did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from vizsla.explore.relation import engine_or, relation
from vizsla.nouns.event import HOST, ID, TIME
from vizsla.view import OURS, TABLE, View, view_table, views

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Lake

SHORT = ("event.action", "user.name", "process.name")
# What tells most of an event of a view, in a line; the first that is not null.
TELLING: dict[str, tuple[str, ...]] = {
    "alert": ("rule.name",),
    "authentication": ("winlog.logon.type", "winlog.kerberos.service", "winlog.logon.package", "event.reason"),
    "cloud": ("cloud.resource.name", "event.provider"),
    "dns": ("dns.question.name",),
    "driver": ("file.path",),
    "email": ("email.subject", "email.rule.name", "email.mailbox"),
    "execution": ("process.executable", "file.path"),
    "file": ("file.path",),
    "http": ("url.original", "url.domain"),
    "iam": ("user.target.name", "group.name"),
    "inventory": ("service.name", "scheduled_task.name", "file.path"),
    "library": ("file.path",),
    "metric": ("metric.name",),
    "mutex": ("mutex.name",),
    "network": ("destination.domain", "destination.ip"),
    "pipe": ("pipe.name", "pipe.operation"),
    "process": ("process.target.executable", "process.command_line", "process.executable"),
    "registry": ("registry.path",),
    "scheduled_task": ("scheduled_task.name",),
    "script": ("script.content", "script.id"),
    "service": ("service.executable", "service.name"),
    "share": ("share.target", "share.name"),
    "web": ("url.original", "url.path"),
    "tls": ("tls.client.server_name", "tls.server.subject"),
}


def events(
    lake: Lake,
    view: str,
    *,
    host: str | None = None,
    user: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    where: str | None = None,
    limit: int | None = None,
    engine: Engine | None = None,
) -> pa.Table:
    """The events of a view or native table, the oldest first, those without a time last.

    `where` is a condition such as `process.name = 'cmd.exe' and not user.name like 'svc%'`. Fields that none of
    the events fill are left out, but for `_id`, `_time`, `_host` and `_table`.
    Raises ViewError for an unknown view, UsageError for a condition that cannot be.
    """
    with engine_or(engine) as used:
        table = relation(used, lake, view, host=host, user=user, since=since, until=until, where=where)
        return _filled(used.collect(_in_order(table, limit)))


def around(
    lake: Lake,
    hosts: Sequence[str],
    since: datetime,
    until: datetime,
    *,
    limit: int | None = None,
    engine: Engine | None = None,
) -> pa.Table:
    """All that hosts did in [since, until), whatever the view, the oldest first.

    Columns: `_time, _host, view, event.action, user.name, process.name, what, _table, _id`.
    """
    import ibis

    with engine_or(engine) as used:
        held = set(lake.tables())
        scope = tuple(host.lower() for host in hosts)
        parts = [
            _in_short(view_table(used, lake, view.name, since, until, scope, {*SHORT, *TELLING[view.name]}), view)
            for view in views().values()
            if view.among(held)
        ]
        if not parts:
            return _SHORT.empty_table()
        table = ibis.union(*parts) if len(parts) > 1 else parts[0]
        return used.collect(_in_order(table, limit))


_SHORT = pa.schema(
    [
        (TIME, pa.timestamp("us", tz="UTC")),
        *(
            (name, pa.string())
            for name in (HOST, "view", "event.action", "user.name", "process.name", "what", TABLE, ID)
        ),
    ]
)


def _in_short(table: ir.Table, view: View) -> ir.Table:
    import ibis

    def held(name: str) -> ir.Value:
        return table[name] if name in table.columns else ibis.null("string")

    columns: dict[str, ir.Value] = {TIME: table[TIME], HOST: table[HOST], "view": ibis.literal(view.name)}
    columns |= {name: held(name) for name in SHORT}
    columns["what"] = ibis.coalesce(*(held(name) for name in TELLING[view.name]))
    return table.select(**columns, **{TABLE: table[TABLE], ID: table[ID]})


def _in_order(table: ir.Table, limit: int | None) -> ir.Table:
    ordered = table.order_by([table[TIME].asc(nulls_first=False), table[ID]])
    return ordered if limit is None else ordered.limit(limit)


def _filled(table: pa.Table) -> pa.Table:
    kept = [n for n in table.column_names if n in OURS or table.column(n).null_count < table.num_rows]
    return table.select(kept)
