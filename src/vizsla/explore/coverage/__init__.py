"""What a lake covers: which tables fill which views, over which days and hosts, and where it is silent or wrong.

`survey` gives all of it as data (`nouns.coverage`); `coverage` and `views_filled` the same as Arrow tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from vizsla.explore.coverage.demands import Demand, lacking, register
from vizsla.explore.coverage.rows import COVERAGE, table_of
from vizsla.explore.coverage.silence import gaps
from vizsla.explore.relation import engine_or
from vizsla.nouns.coverage import Coverage
from vizsla.view import views

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from vizsla.engine import Engine
    from vizsla.lake import Lake

FILLED = pa.schema(
    [("view", pa.string()), ("table", pa.string()), ("events", pa.int64()), ("fields", pa.list_(pa.string()))]
)

__all__ = ["COVERAGE", "FILLED", "Coverage", "Demand", "coverage", "gaps", "lacking", "register", "survey",
           "views_filled"]  # fmt: skip


def views_filled(lake: Lake, *, engine: Engine | None = None) -> pa.Table:
    """Which tables fill which views: `view, table, events, fields` (the filled ones); an empty view without a table."""
    from vizsla.explore.coverage.fill import parts_of

    rows: list[dict[str, object]] = []
    with engine_or(engine) as used:
        parts = [part for name in lake.tables() for part in parts_of(used, lake.scan(name))]
    for name, view in views().items():
        of = {part.table: part for part in parts if part.name == name}
        rows += [
            {"view": name, "table": t, "events": of[t].events, "fields": [field for field, _ in of[t].filled]}
            for t in view.among(of)
        ] or [{"view": name, "table": None, "events": 0, "fields": []}]
    return pa.Table.from_pylist(rows, FILLED)


def survey(
    lake: Lake,
    *,
    engine: Engine | None = None,
    now: datetime | None = None,
    quick: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Coverage:
    """What a lake covers, as data. `now`: the present; quick: hosts, hours and clocks of the newest days alone."""
    from vizsla.explore.coverage.whole import survey as run

    with engine_or(engine) as used:
        return run(lake, used, now=now, quick=quick, progress=progress)


def coverage(lake: Lake, *, engine: Engine | None = None) -> pa.Table:
    """The survey as one Arrow table (COVERAGE): a row for each table, view, analytic, lack, silence, gap and clock."""
    return table_of(survey(lake, engine=engine))
