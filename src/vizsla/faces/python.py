"""The Python API: the same functions that the command line calls. Arrow tables in and out, findings as nouns.

`vizsla` itself offers open_lake, ingest, learn, hunt, view, stack, events, query and shown.
A lake is given as a path, as an open `Lake`, or not at all: then $VIZSLA_LAKE or ./vizsla-lake.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vizsla.errors import BaselineError, UsageError
from vizsla.lake import Lake
from vizsla.lake.folder import MARK
from vizsla.nouns import Budget, Finding, HuntRequest, HuntResult, RunReport
from vizsla.nouns.finding import Tier
from vizsla.nouns.hunt import Order

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa

    from vizsla.hunt import Learnt
    from vizsla.intel.add import Added
    from vizsla.nouns.coverage import Coverage, TechniqueSeen
    from vizsla.nouns.hypothesis import IntelHunt

Progress = Callable[[int, int, str], None]  # done, total (0: unknown), what is being worked on
AnyLake = Lake | str | Path | None
Paths = str | Path | Sequence[str | Path]


def open_lake(lake: AnyLake = None, *, create: bool = False) -> Lake:
    """The lake at a path. Raises LakeError where there is none, unless `create`."""
    if isinstance(lake, Lake):
        return lake
    return Lake.open(lake or _default(), create=create)


def _default() -> Path:
    return Path(os.environ.get("VIZSLA_LAKE") or "vizsla-lake")


def ingest(
    paths: Paths,
    lake: AnyLake = None,
    *,
    engine: str = "duckdb",
    master: str | None = None,
    source: str | None = None,
    progress: Progress | None = None,
) -> RunReport:
    """Read logs into a lake, which is made where there is none. Reading the same again adds nothing."""
    from vizsla.engines import connect
    from vizsla.ingest import ingest as read

    home, known = open_lake(lake, create=True), _paths(paths)
    with connect(engine, master=master) as computing:
        return read(known, home, engine=computing, source=source, progress=progress)


def hunt(
    paths: Paths = (),
    lake: AnyLake = None,
    *,
    baseline: str | None = None,
    analytics: Sequence[str] = (),
    rules: Sequence[str | Path] = (),
    intel: Sequence[str | Path] = (),
    known: bool = True,
    exceptions: bool = True,
    learnt: bool = True,
    view: str | None = None,
    host: str | None = None,
    user: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    by: Order = "finding",
    top: int | None = None,
    tier: Tier | None = None,
    fdr: float | None = None,
    budget: Budget | None = None,
    redact: bool = False,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> HuntResult:
    """Hunt in logs, in a lake, or in logs that are ingested into a lake first.

    Paths without a lake are read into a temporary one, gone afterwards. `rules` and `intel` are files or folders for
    this hunt; `known`: whether those that the lake keeps are used beside them. `exceptions`: whether what was judged
    benign is hidden; `learnt`: whether verdicts re-weight the list.
    """
    read = _paths(paths)
    where = None if lake is None and read else str(open_lake(lake, create=bool(read)).root)
    request = HuntRequest(
        paths=read,
        lake=where,
        baseline=baseline,
        analytics=tuple(analytics),
        rules=tuple(map(str, rules)),
        intel=tuple(map(str, intel)),
        kept=known,
        exceptions=exceptions,
        taught=learnt,
        view=view,
        host=host,
        user=user,
        since=since,
        until=until,
        by=by,
        top=top,
        tier=tier,
        fdr=fdr,
        budget=budget,
        redact=redact,
        engine=engine,
        master=master,
    )
    return run_hunt(request, progress=progress)


def run_hunt(request: HuntRequest, *, progress: Progress | None = None) -> HuntResult:
    """A hunt as a request puts it. With a lake its findings are kept there; with `redact` they come back masked."""
    from vizsla.faces.redact import redacted_result
    from vizsla.hunt import hunt as run

    result = run(replace(request, baseline=_found(request.baseline, request.lake)), progress=progress)
    return redacted_result(result) if request.redact else result


def _found(baseline: str | None, lake: str | None) -> str | None:
    """A baseline by name: of the lake hunted in, or else of the default lake, where `vizsla learn` puts it.

    So that new logs can be held against what was learnt without being mixed with it. Raises BaselineError where
    neither has it, before any log is read.
    """
    if baseline is None:
        return None
    from vizsla.baseline import BaselineStore
    from vizsla.baseline.store import placed

    folder = placed(baseline)
    if folder is not None:
        return str(folder)
    named = baseline.partition("@")[0]
    places = [Path(lake), _default()] if lake is not None else [_default()]
    known: list[str] = []
    for place in places:
        if (place / MARK).exists():
            store = BaselineStore(open_lake(place))
            if named in store.names():
                return baseline if place is places[0] and lake is not None else str(store.folder(baseline))
            known += store.names()
    raise BaselineError(
        f"there is no baseline {baseline!r}",
        where=" and ".join(dict.fromkeys(str(place.resolve()) for place in places)),
        fix=f"choose one of: {', '.join(dict.fromkeys(known))}" if known else "vizsla learn PATH makes one",
    )


def learn(
    paths: Paths = (),
    lake: AnyLake = None,
    *,
    name: str = "default",
    host: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    rules: Sequence[str | Path] = (),
    window: float | None = None,
    half_life: float | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> Learnt:
    """Learn what is normal in a lake (into which `paths` are ingested first) and save it as baseline `name`.

    `window`, `half_life`: in days, how what is old is forgotten; kept for later updates.
    """
    from vizsla.baseline.fading import Fading
    from vizsla.hunt import learn as run

    return run(
        _paths(paths),
        open_lake(lake, create=True),
        name,
        host=host,
        since=since,
        until=until,
        rules=tuple(map(str, rules)),
        fading=Fading(window, half_life),
        engine=engine,
        master=master,
        progress=progress,
    )


def view(name: str, lake: AnyLake = None) -> ir.Table:
    """A view as an Ibis table on DuckDB: ECS names and types over the native tables, lazily."""
    from vizsla.explore import view as build

    return build(open_lake(lake), name)


def stack(
    view: str,
    fields: Sequence[str],
    *,
    lake: AnyLake = None,
    by: str | None = None,
    host: str | None = None,
    user: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> pa.Table:
    """How often each combination of values stands in `fields`, the rarest first."""
    from vizsla.explore import stack as run

    return run(open_lake(lake), view, fields, by=by, host=host, user=user, since=since, until=until, limit=limit)


def events(
    view: str,
    *,
    lake: AnyLake = None,
    host: str | None = None,
    user: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    where: str | None = None,
    limit: int | None = None,
) -> pa.Table:
    """A view's events in the order of time."""
    from vizsla.explore import events as run

    return run(open_lake(lake), view, host=host, user=user, since=since, until=until, where=where, limit=limit)


def query(sql: str, *, lake: AnyLake = None, limit: int | None = None) -> pa.Table:
    """One read-only SELECT over the lake's tables and views."""
    from vizsla.explore import query as run

    return run(open_lake(lake), sql, limit=limit)


def update(
    paths: Paths = (),
    lake: AnyLake = None,
    *,
    name: str = "default",
    host: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    rules: Sequence[str | Path] = (),
    learn_all: bool = False,
    window: float | None = None,
    half_life: float | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> Learnt:
    """Add to baseline `name` what its lake got since it was learnt (`paths` are ingested first).

    Findings that stand out in it are not learnt until they are judged benign, unless `learn_all`. `window`,
    `half_life`: in days, how what is old is forgotten; where neither is given, as it was.
    """
    from vizsla.baseline.fading import Fading
    from vizsla.hunt import update as run

    return run(
        _paths(paths),
        open_lake(lake),
        name,
        host=host,
        since=since,
        until=until,
        rules=tuple(map(str, rules)),
        learn_all=learn_all,
        fading=Fading(window, half_life) if window or half_life else None,
        engine=engine,
        master=master,
        progress=progress,
    )


def views(*, lake: AnyLake = None) -> pa.Table:
    """Which tables fill which views, and with how many events."""
    from vizsla.explore import views_filled

    return views_filled(open_lake(lake))


def coverage(*, lake: AnyLake = None) -> pa.Table:
    """What each host's logs cover."""
    from vizsla.explore import coverage as run

    return run(open_lake(lake))


def survey(*, lake: AnyLake = None, quick: bool = False, engine: str = "duckdb", master: str | None = None) -> Coverage:
    """What a lake covers and lacks, as data: spans, gaps, silent hosts, clocks, fields, analytics.

    quick: hosts and hours of the newest days alone, as after an ingest.
    """
    from vizsla.engines import connect
    from vizsla.explore import survey as run

    with connect(engine, master=master) as computing:
        return run(open_lake(lake), engine=computing, quick=quick)


def techniques(*, lake: AnyLake = None, engine: str = "duckdb", master: str | None = None) -> tuple[TechniqueSeen, ...]:
    """How each technique of ATT&CK is covered in a lake: by rules, by analytics, by data at hand."""
    from vizsla.engines import connect
    from vizsla.explore.coverage.techniques import techniques as run

    with connect(engine, master=master) as computing:
        return run(open_lake(lake), engine=computing)


def navigator(*, lake: AnyLake = None, engine: str = "duckdb", master: str | None = None) -> dict[str, object]:
    """The same as a layer of the ATT&CK Navigator (format 4.5)."""
    from vizsla.explore.coverage.navigator import layer
    from vizsla.explore.coverage.techniques import attack_of

    home = open_lake(lake)
    return layer(techniques(lake=home, engine=engine, master=master), attack_of(home))


def add_intel(
    paths: Paths,
    lake: AnyLake = None,
    *,
    feed: str | None = None,
    format: str | None = None,
    confidence: int | None = None,
    tlp: str = "",
    valid_days: int | None = None,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> Added:
    """Add indicators from files and folders to a lake, which is made where there is none; each file is told of.

    Adding the same again changes nothing. `confidence` (0 to 100), `tlp` and `valid_days` are for claims
    that state none.
    """
    from vizsla.intel.add import add
    from vizsla.intel.rows import Terms
    from vizsla.intel.store import Store

    store = Store(open_lake(lake, create=True))
    terms = Terms(confidence, tlp, valid_days)
    moment = now or datetime.now(UTC)
    return add(store, _paths(paths), now=moment, feed=feed, format=format, terms=terms, progress=progress)


def hunt_intel(
    reports: Paths,
    lake: AnyLake = None,
    *,
    baseline: str | None = None,
    rules: Sequence[str | Path] = (),
    actors: bool | None = None,
    top: int | None = None,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> IntelHunt:
    """Reports turned into a hunt in all that a lake holds: hypotheses, sightings, and findings that touch them.

    `actors`: also the techniques that ATT&CK ties to the groups and software named; None: where the reports name none.
    """
    from vizsla.intel.hunting import hunt as run

    home = open_lake(lake)
    known = _found(baseline, str(home.root))
    named = tuple(map(str, rules))
    return run(
        _paths(reports), home, baseline=known, rules=named, actors=actors, top=top, engine=engine, master=master,
        progress=progress,
    )  # fmt: skip


def indicators(lake: AnyLake = None, at: datetime | None = None, *, state: str = "live") -> pa.Table:
    """The indicators of a lake as they stand (at a time; None: now), a row each, with feeds and what silences it.

    `state`: active, silenced, decayed, future, expired, context, revoked or all.
    """
    from vizsla.intel.active import standing
    from vizsla.intel.find import filtered
    from vizsla.intel.store import Store

    return filtered(standing(Store(open_lake(lake)), at or datetime.now(UTC)), state=state)


def around(lake: Lake, finding: Finding, reach: timedelta, *, limit: int = 200) -> pa.Table:
    """What else the finding's hosts did within `reach` of it."""
    from vizsla.explore import around as run
    from vizsla.faces.words import hosts

    if finding.start is None:
        raise UsageError(
            "this finding's events bear no time, so nothing lies around them",
            where=finding.id,
            fix="leave --around out",
        )
    return run(lake, hosts(finding), finding.start - reach, (finding.end or finding.start) + reach, limit=limit)


def _paths(paths: Paths) -> tuple[str, ...]:
    return (str(paths),) if isinstance(paths, str | Path) else tuple(str(p) for p in paths)


def outliers(
    table: str | Path | pa.Table | Any,
    model: str = "auto",
    *,
    top: int | None = None,
    kinds: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    array: str | None = None,
    seed: int = 0,
    window: int | None = None,
    along: str | None = None,
    by: str | Sequence[str] = (),
    **parameters: Any,
) -> pa.Table:
    """The rows of any table by how unusual they are: row (from 0), bits, p and reasons, the most unusual first.

    `table`: a CSV, Parquet, npy or npz file, an Arrow table, or a NumPy array of two dimensions. `kinds` declares what
    fields are (number, category, text, time); `without` leaves fields out; `parameters` are the model's own. `window`:
    each row is judged together with those before it, so many in all, in the order of the field `along` (else as they
    stand) and with the same values in the fields `by`.
    """
    from vizsla.faces import outliers as face
    from vizsla.outlier.score import as_table, score

    found = score(
        as_table(table, array), model, top=top, kinds=kinds, without=without, seed=seed, window=window, along=along,
        by=by, **parameters,
    )  # fmt: skip
    return face.table(found.ranked(top))


def shown(table: pa.Table, *, width: int = 120) -> str:
    """A table as text of `width` columns that is harmless to print; Arrow's own printing shows event text as it is."""
    from vizsla.faces import arrow
    from vizsla.faces.table import render

    return render([arrow.renderable(table, width)], width)
