"""What an analytic must keep to, as one check that its author can run: `check_analytic(ANALYTIC, engine, scans)`.

Give it scans that hold events which the analytic looks at, of several hosts and days. It raises AnalyticError at
the first promise broken, and returns how many observations it saw (0: give it other events, or nothing was shown).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from vizsla.analytic import Analytic, State, lacking
from vizsla.baseline.states import Calibrated, checked, read, write
from vizsla.calibration import Tail
from vizsla.engine import Engine
from vizsla.errors import AnalyticError
from vizsla.hunt.observed import observe
from vizsla.lake import Scan
from vizsla.nouns.event import EVENT_FIELDS, HOST, TIME
from vizsla.view import views

LONGEST = 120  # characters of `doc`
NEVER = datetime(1985, 1, 1, tzinfo=UTC)


def check_analytic(analytic: Analytic, engine: Engine, scans: Sequence[Scan]) -> int:
    """Everything below, in turn; how many observations the scans gave."""
    check_words(analytic)
    check_needs(analytic)
    if lacking(analytic.needs, scans):
        return 0
    state = check_learning(analytic, engine, scans)
    whole = check_finding(analytic, engine, scans, state)
    check_parts(analytic, engine, scans, state, whole)
    check_nothing(analytic, engine, scans, state)
    return len(whole)


def check_words(analytic: Analytic) -> None:
    """It says what it is, and what its two functions do."""
    _must(isinstance(analytic, Analytic), analytic, "it lacks a part of the contract")
    _must(analytic.name.isidentifier() and analytic.name.islower(), analytic, "its name is no identifier in lower case")
    _must("/" not in analytic.family and bool(analytic.family.strip()), analytic, "its family is no plain word")
    _must(10 < len(analytic.doc) <= LONGEST, analytic, f"its doc is no sentence of at most {LONGEST} characters")
    _must(bool(analytic.unit), analytic, "it does not say what its unit is")
    for part in (type(analytic), type(analytic).learn, type(analytic).find):
        _must(bool(part.__doc__), analytic, f"{part.__name__} has no docstring")


def check_needs(analytic: Analytic) -> None:
    """What it needs exists: views with these fields, or tables that a source fills; and a bare table is too little."""
    from vizsla.view import OURS

    _must(bool(analytic.needs), analytic, "it says nothing of what it needs")
    for need in analytic.needs:
        for name in need.any_of:
            known = {field.name for field in views()[name].fields} | set(OURS) if name in views() else None
            _must(known is not None or name in _tables(), analytic, f"there is no view and no table {name!r}")
            missing = set(need.fields) - known if known is not None else set()
            _must(not missing, analytic, f"view {name} has no field {', '.join(sorted(missing))}")
        tables = {t for name in need.any_of for t in (views()[name].tables if name in views() else (name,))}
        bare = [Scan(table, (), EVENT_FIELDS, 0, 0) for table in sorted(tables)]
        _must(bool(lacking([need], [])), analytic, f"an empty lake meets its need of {need}")
        _must(not need.fields or bool(lacking([need], bare)), analytic, f"a table without fields meets {need}")


def check_learning(analytic: Analytic, engine: Engine, scans: Sequence[Scan]) -> State | None:
    """Learning twice, and in another order of scans, is learning once; what it learnt is kept as it was."""
    state = checked(analytic.name, analytic.learn(engine, scans))
    again = checked(analytic.name, analytic.learn(engine, list(reversed(scans))))
    _must(_same(state, again), analytic, "learning twice is not learning once")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), {analytic.name: Calibrated(analytic.family, state, Tail.of(np.arange(3.0)))})
        loaded = read(Path(folder))[analytic.name]
    _must(_same(state, loaded.state), analytic, "what it learnt is not the same once saved and loaded")
    return state


def check_finding(analytic: Analytic, engine: Engine, scans: Sequence[Scan], state: State | None) -> pa.Table:
    """Finding keeps the schema, changes no state, and gives the same whatever the order of scans."""
    before = _copied(state)
    whole = observe(engine, scans, analytic, state)
    _must(_same(before, state), analytic, "finding changed its state")
    _must(_rows(whole) == _rows(observe(engine, list(reversed(scans)), analytic, state)), analytic,
          "another order of scans gives other observations")  # fmt: skip
    _must(all(whole["n"].to_numpy() >= 1), analytic, "an observation of no event")
    return whole


def check_parts(
    analytic: Analytic, engine: Engine, scans: Sequence[Scan], state: State | None, whole: pa.Table
) -> None:
    """Whole units apart score as they do together: cut by host, unless a unit spans hosts, and by day."""
    rows = _rows(whole)
    hosts = sorted({host for host in whole[HOST].to_pylist() if host})
    hosts = [] if getattr(analytic, "across_hosts", False) else hosts
    times = [time for time in whole[TIME].to_pylist() if time is not None]
    for host in hosts[:3]:
        found = _rows(observe(engine, [replace(scan, hosts=(host,)) for scan in scans], analytic, state))
        own = [row for row in rows if row[0] == host]
        _must(found == own, analytic, f"host {host} alone gives other observations than among others")
    for day in sorted({time.date() for time in times})[:3]:
        since = datetime(day.year, day.month, day.day, tzinfo=UTC)
        until = since + timedelta(days=1)
        found = _rows(observe(engine, [replace(s, since=since, until=until) for s in scans], analytic, state))
        own = [row for row in rows if row[1] is not None and since <= row[1] < until]
        _must(found == own, analytic, f"{day} alone gives other observations than among other days")


def check_nothing(analytic: Analytic, engine: Engine, scans: Sequence[Scan], state: State | None) -> None:
    """Scans without an event are learnt from and looked through, and give nothing."""
    empty = [replace(scan, until=NEVER) for scan in scans]
    nothing = checked(analytic.name, analytic.learn(engine, empty))
    _must(not len(observe(engine, empty, analytic, state)), analytic, "it observes something in no event")
    observe(engine, scans, analytic, nothing)  # all is new to it; it must not fail


def _must(holds: bool, analytic: Analytic, broken: str) -> None:
    if not holds:
        raise AnalyticError(broken, where=str(getattr(analytic, "name", analytic)), fix="docs/analytics.md has it all")


def _tables() -> set[str]:
    from vizsla.sources import registry

    declared = {spec.name for source in registry().values() for spec in source.tables}
    return declared | {table for view in views().values() for table in view.tables}


def _rows(table: pa.Table) -> list[tuple[Any, ...]]:
    """Observations in a total order, event ids in theirs; host and time first."""
    rows = [tuple(row.values()) for row in table.to_pylist()]
    return sorted(rows, key=repr)


def _same(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.keys() == other.keys() and all(
        value.equals(other[key]) if isinstance(value, pa.Table) else bool(value == other[key])
        for key, value in one.items()
    )


def _copied(state: State | None) -> State | None:
    """A deep copy; tables cannot change, but the dict may get others."""
    from copy import deepcopy

    if state is None:
        return None
    return {key: value if isinstance(value, pa.Table) else deepcopy(value) for key, value in state.items()}
