"""Validation: imitations among own events, hunted in as any events are; at which rank would each stand?"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from vizsla.baseline import BaselineStore
from vizsla.engine import Engine
from vizsla.engines import connect
from vizsla.errors import LakeError, UsageError
from vizsla.hunt.run import within
from vizsla.hunt.scope import Progress, scans_of
from vizsla.lake import Lake
from vizsla.lake.shape import day_of
from vizsla.nouns import Finding, HuntRequest, HuntResult
from vizsla.nouns.event import ID, TIME, UNKNOWN_DAY
from vizsla.source import Batch
from vizsla.stamp import Stamper
from vizsla.validate.carriers import Own, Row
from vizsla.validate.imitate import Imitated, imitate
from vizsla.validate.kept import keep
from vizsla.validate.library import Technique, chosen
from vizsla.validate.overlay import Overlay

TOP = 500
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where an imitation stands: `rank` among own findings (None: not among the first `looked`, or it cannot be seen).

    `events`: how many were written. `unlogged`: kinds of event that the technique leaves, and these logs have not.
    `seen_by`: the analytics whose evidence counts.
    """

    technique: Technique
    rank: int | None
    finding: Finding | None
    host: str
    user: str
    at: datetime | None
    events: int
    unlogged: tuple[str, ...] = ()
    seen_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Validation:
    """A map of what would be seen. `own`: findings of the own events, whatever their rank; `says`: what it rests on."""

    outcomes: tuple[Outcome, ...]
    own: int
    looked: int
    since: datetime | None
    until: datetime | None
    says: tuple[str, ...] = field(default=())


def validate(
    lake: Lake,
    baseline: str = "default",
    *,
    techniques: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    rules: Sequence[str] = (),
    top: int = TOP,
    seed: str = "1",
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> Validation:
    """Imitate techniques among this lake's own events, hunt with the baseline, and say where each imitation stands.

    Nothing is written into the lake's tables. `since`, `until`: whose days; the newest day where neither is given.
    `seed` chooses the own events that carry the imitations. Raises BaselineError where there is no such baseline.
    """
    wanted = chosen(tuple(techniques))
    known = BaselineStore(lake).load(baseline)
    with connect(engine, master) as computing, tempfile.TemporaryDirectory(prefix="vizsla-validate-") as scratch:
        told: list[str] = []
        if since is None and until is None:
            since, until = _newest(computing, lake)
        if since is not None and since <= known.span[1]:
            told.append(
                f"the baseline was learnt from these days, too (to {known.span[1]:%Y-%m-%d}): their own findings are "
                "fewer than a new day's, and ranks flatter; --since with later days tells more"
            )
        own = Own(computing, lake, since, until)
        imitated = [imitate(own, technique, seed) for technique in wanted]
        more, ids = _written(Path(scratch) / "imitated", imitated)
        request = HuntRequest(lake=str(lake.root), baseline=baseline, since=since, until=_later(until, imitated),
                              rules=tuple(rules), top=top, engine=engine, master=master)  # fmt: skip
        result = within(request, Overlay(lake, more), computing, Path(scratch), progress)
    outcomes = _ranked(imitated, ids, result)
    try:
        keep(lake, [replace(o.finding, title=f"{o.technique.technique} {o.technique.title}")
                    for o in outcomes if o.finding is not None])  # fmt: skip
    except LakeError as error:  # a lake may be only for reading: only previews of exceptions will not know of it
        told.append(f"not kept for the preview of exceptions: {error.what}")
    theirs = len({o.finding.id for o in outcomes if o.finding is not None})
    return Validation(outcomes, result.cut.total - theirs, top, since, until, tuple(told))


def _newest(engine: Engine, lake: Lake) -> tuple[datetime | None, datetime | None]:
    """The newest day with events, whole."""
    last: datetime | None = None
    for scan in scans_of(lake, engine):
        days = {day_of(file) for file in scan.files} - {UNKNOWN_DAY}
        if days:
            newest = datetime.fromisoformat(max(days)).replace(tzinfo=UTC)
            last = newest if last is None else max(last, newest)
    if last is None:
        raise UsageError("this lake has no events with a time", where=str(lake.root), fix="vizsla ingest PATH first")
    return last, last + DAY


def _later(until: datetime | None, imitated: Sequence[Imitated]) -> datetime | None:
    """An end that leaves no imitation out: one begun in the last minute goes on beyond it."""
    times = [row[TIME] for one in imitated for rows in one.events.values() for row in rows]
    last = max((time for time in times if isinstance(time, datetime)), default=None)
    return until if until is None or last is None else max(until, last + timedelta(seconds=1))


def _written(folder: Path, imitated: Sequence[Imitated]) -> tuple[Lake, dict[str, int]]:
    """A lake of the imitations' events alone, and by event id whose each is (its place among the imitations)."""
    lake = Lake.open(folder, create=True)
    stamper = Stamper(datetime.now(UTC) + timedelta(days=365))
    ids: dict[str, int] = {}
    for place, one in enumerate(imitated):
        for table, rows in one.events.items():
            stamped = stamper.stamp(Batch(table, _batch(rows)))
            ids |= dict.fromkeys(stamped.column(ID).to_pylist(), place)
            lake.append({table: [stamped]})
    return lake, ids


def _batch(rows: Sequence[Row]) -> pa.RecordBatch:
    names = sorted({name for row in rows for name in row})
    arrays = [
        pa.array([row.get(name) for row in rows], pa.timestamp("us", tz="UTC"))
        if name == TIME
        else pa.array([None if row.get(name) is None else str(row[name]) for row in rows], pa.string())
        for name in names
    ]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _ranked(imitated: Sequence[Imitated], ids: dict[str, int], result: HuntResult) -> tuple[Outcome, ...]:
    """Each imitation's first finding, its rank counted among own findings alone."""
    first: dict[int, tuple[int, Finding]] = {}
    above = 0
    for finding in result.findings:
        theirs = {ids[e.id] for line in finding.evidence if line.bits > 0 for e in line.events if e.id in ids}
        for place in theirs:
            first.setdefault(place, (above + 1, finding))
        above += not theirs
    return tuple(_outcome(one, first.get(place)) for place, one in enumerate(imitated))


def _outcome(one: Imitated, found: tuple[int, Finding] | None) -> Outcome:
    rank, finding = found or (None, None)
    by = dict.fromkeys(line.analytic for line in finding.evidence if line.bits > 0) if finding else ()
    carrier = one.carrier
    return Outcome(
        one.technique, rank, finding, carrier.host if carrier else "", carrier.user if carrier else "",
        carrier.time if carrier else None, one.count, tuple(one.unlogged), tuple(by),
    )  # fmt: skip
