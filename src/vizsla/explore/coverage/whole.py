"""The survey of a lake: what it covers, and what it does not. Two queries a table, three where records are numbered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from vizsla.explore.coverage import clocks, demands, fill, grid, silence, zones
from vizsla.nouns.coverage import Coverage, ViewSeen
from vizsla.view import OURS, views

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Lake

Progress = Callable[[int, int, str], None]


def survey(
    lake: Lake, engine: Engine, *, now: datetime | None = None, quick: bool = False, progress: Progress | None = None
) -> Coverage:
    """What a lake covers. `now`: the present, after which no event can be.

    quick: when hosts have events alone, of the newest days: no fields of views, nothing that reads more columns.
    """
    names = lake.tables()
    scans = {name: lake.scan(name) for name in names}
    cut = grid.newest(list(scans.values()))
    cells: list[grid.Cells] = []
    parts: list[ViewSeen] = []
    wrong = []
    columns: dict[str, set[str]] = {}
    for done, name in enumerate(names):
        if progress:
            progress(done, len(names), name)
        scan = scans[name]
        columns[name] = set(scan.schema.names)
        late = datetime.fromisoformat(cut).replace(tzinfo=UTC) if quick and cut else None
        cells.append(grid.cells_of(engine, lake.scan(name, since=late) if quick else scan, cut))
        if not quick:
            parts += fill.parts_of(engine, scan)
            wrong += clocks.second(engine, scan)
            wrong += clocks.set_back(engine, scan)
    held = grid.host_hours(cells)
    end = grid.end_of(held)
    wrong = clocks.ahead(cells, held, now or datetime.now(UTC)) + wrong + zones.zones(cells)
    seen = [] if quick else _views(parts, names)
    filled: dict[str, set[str] | None] = {**columns}
    for view in seen:
        filled[view.name] = {field for field, _ in view.filled} | set(OURS) if view.events else None
    asked = [] if quick else demands.demands()
    return Coverage(
        tables=tuple(silence.table_seen(part) for part in cells),
        views=tuple(seen),
        parts=tuple(parts),
        demands=tuple(demands.seen(demand, filled) for demand in asked),
        missing=() if quick else tuple(demands.missing(asked, filled, names)),
        silences=tuple(silence.silences(cells, held, end)),
        host_gaps=tuple(silence.host_gaps(held)),
        clocks=tuple(wrong),
        hosts=len({host for part in cells for host in part.hosts}),
        end=None if end is None else grid.at_hour(end),
        hosts_of={part.table: frozenset(part.hosts) for part in cells},
    )


def _views(parts: list[ViewSeen], names: tuple[str, ...]) -> list[ViewSeen]:
    by_view: dict[str, list[ViewSeen]] = {}
    for part in parts:
        by_view.setdefault(part.name, []).append(part)
    told = []
    for name, view in views().items():
        of = {part.table: part for part in by_view.get(name, ())}
        told.append(fill.whole(view, [of[table] for table in view.among(names) if table in of], view.tables))
    return told
