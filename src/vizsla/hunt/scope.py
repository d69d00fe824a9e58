"""Which tables and rows a hunt is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from vizsla.engine import Engine
from vizsla.errors import UsageError
from vizsla.lake import Lake, Scan
from vizsla.nouns.event import HOST

if TYPE_CHECKING:
    from vizsla.view import View

Progress = Callable[[int, int, str], None]  # done, total (0: unknown), what is being worked on


def scans_of(
    lake: Lake,
    engine: Engine,
    *,
    view: str | None = None,
    host: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Scan]:
    """A scan of every table concerned, in order of name; of a view, of the events that it holds.

    A host may be given short or with its domain.
    """
    chosen = None if view is None else _view(view)
    tables = lake.tables() if chosen is None else sorted(chosen.among(lake.tables()))
    hosts = _hosts(lake, engine, tables, host) if host else None
    found = [lake.scan(table, since=since, until=until, hosts=hosts) for table in tables]
    if chosen is not None:
        found = [replace(scan, taken=chosen.taken(scan.table, scan.schema.names)) for scan in found]
    return [scan for scan in found if scan.files]


def _view(name: str) -> View:
    from vizsla.view import views

    known = views()
    if name not in known:
        raise UsageError(f"there is no view {name!r}", fix=f"choose one of: {', '.join(sorted(known))}")
    return known[name]


def _hosts(lake: Lake, engine: Engine, tables: Iterable[str], wanted: str) -> list[str]:
    """The hosts that a name may mean: itself, or with any domain."""
    found: set[str] = set()
    for scan in (lake.scan(table) for table in tables):
        if scan.files:
            hosts = engine.collect(engine.table(scan).select(HOST).distinct())[HOST].to_pylist()
            found |= {host for host in hosts if host}
    low = wanted.lower()
    meant = sorted(host for host in found if host == low or host.partition(".")[0] == low)
    if not meant:
        raise UsageError(f"no event is of host {wanted!r}", where=str(lake.root), fix="vizsla coverage lists the hosts")
    return meant


def steps(progress: Progress | None, scans: Iterable[Scan], what: str) -> Callable[[str], None]:
    """Tells `progress` of each table as its pass begins, in rows."""
    rows = [scan.rows for scan in scans]
    total, done, ahead = sum(rows), 0, iter(rows)

    def step(table: str) -> None:
        nonlocal done
        if progress:
            progress(done, total, f"{what} {table}")
        done += next(ahead)

    return step
