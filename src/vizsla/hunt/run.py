"""One hunt, step by step: read, learn or load, tally, rank, collapse, cut, and only then fetch and explain."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vizsla import analytics
from vizsla.analytic import Analytic, Builtin
from vizsla.baseline import BaselineStore
from vizsla.engine import Engine
from vizsla.engines import connect
from vizsla.errors import LakeError, UsageError
from vizsla.hunt.about import account, traffic
from vizsla.hunt.excepting import excepting
from vizsla.hunt.explain import bare, explain, weighed
from vizsla.hunt.feedback import Feedback, feedback
from vizsla.hunt.knowledge import advice, knowledge
from vizsla.hunt.rank import Stage, staged
from vizsla.hunt.scope import Progress, scans_of
from vizsla.hunt.unlearnt import narrowed
from vizsla.ingest import ingest
from vizsla.lake import Lake
from vizsla.nouns import Cut, Finding, HuntRequest, HuntResult, RunReport
from vizsla.triage import assemble, assets, budget, order
from vizsla.triage.against import speaks_against
from vizsla.triage.context import fill
from vizsla.triage.pivots import next_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vizsla.nouns.coverage import Coverage

TOP = 200  # findings shown where nothing else was asked
ALL_HITS = 10_000  # and where only rules or indicators were asked: what they meet is not to be cut
EXPLAINED = 1_000  # findings that `--by user` and `--user` look into: users stand in events
KEPT = 2_000  # findings whose context is filled at most


def hunt(request: HuntRequest, progress: Progress | None = None) -> HuntResult:
    """Hunt as asked. Paths are ingested first, into a temporary lake where none is named."""
    _check(request)
    with _home(request) as lake, connect(request.engine, request.master) as engine:
        report = RunReport()
        if request.paths:
            lasts = request.lake is not None
            report = ingest(
                list(request.paths), lake, engine=engine, source=request.source, progress=progress, growing=lasts
            )
        with tempfile.TemporaryDirectory(prefix="vizsla-hits-") as folder:
            result = _hunt(request, lake, engine, report, Path(folder), progress)
        if request.coverage:
            result = replace(result, coverage=_covered(lake, engine, progress))
        if request.lake is not None:
            from vizsla.findings import save

            try:
                save(lake, result)
            except LakeError as error:  # evidence may be only for reading: what was found is told all the same
                result.report.notes.append(f"findings not kept, `vizsla show` will not know them: {error.what}")
        return result


def within(
    request: HuntRequest, lake: Lake, engine: Engine, folder: Path, progress: Progress | None = None
) -> HuntResult:
    """A hunt in a lake that is open, of which nothing is kept. `folder`: where hits lie for the time of the hunt."""
    return _hunt(request, lake, engine, RunReport(), folder, progress)


def _covered(lake: Lake, engine: Engine, progress: Progress | None) -> Coverage:
    from vizsla.explore import survey

    if progress:
        progress(0, 0, "what the logs cover")
    return survey(lake, engine=engine)


def _check(request: HuntRequest) -> None:
    analytics.chosen(request.analytics)
    if not request.paths and request.lake is None:
        raise UsageError("nothing to hunt in", fix="name logs (vizsla hunt PATH) or a lake (--lake DIR)")


@contextmanager
def _home(request: HuntRequest) -> Iterator[Lake]:
    if request.lake is not None:
        yield Lake.open(request.lake, create=bool(request.paths))
        return
    with tempfile.TemporaryDirectory(prefix="vizsla-") as folder:
        yield Lake.open(Path(folder) / "lake", create=True)


def _hunt(
    request: HuntRequest, lake: Lake, engine: Engine, report: RunReport, folder: Path, progress: Progress | None
) -> HuntResult:
    baseline = None if request.baseline is None else BaselineStore(lake).load(request.baseline)
    scans = scans_of(lake, engine, view=request.view, host=request.host, since=request.since, until=request.until)
    scans, told = narrowed(request, lake, baseline, scans)
    report.notes += told
    asked = analytics.chosen(request.analytics)
    looking = knowledge(lake, asked, folder, rules=request.rules, intel=request.intel, kept=request.kept)
    stage = staged(engine, scans, baseline, asked, looking, folder, progress)
    taught = feedback(lake, request)
    stage, excepted = excepting(engine, scans, stage, taught.exceptions)
    account(report, lake, engine, scans, stage.heard, baseline)
    report.unable += (*stage.seen.unable, *(lack for known in looking for lack in known.unable()))
    report.notes += [note for known in looking for note in known.notes()]
    if stage.seen.observed.timeless:
        report.notes.append(f"{stage.seen.observed.timeless:,} observations have no time: they are in no finding")
    if not stage.run.claims:
        report.notes.append(f"{stage.run.learnt}; what was there all along cannot be seen")
    report.notes += [*taught.says(excepted)]
    known = assets.load(lake)
    every = assemble.patterns(stage.ranked, stage.words)
    request = request if _asks(request) else replace(request, top=TOP if _ranks(asked) else ALL_HITS)
    within = _within_reach(request, every, known, taught)
    gains = taught.gains(stage, within)
    ranked = order.rank(weighed(bare(stage, p), known, gains.get(p.id)) for p in within)
    by_id = {p.id: p for p in within}
    explained: dict[str, Finding] = {}
    if request.user or request.by == "user":
        explained = explain(engine, scans, stage, ranked[:EXPLAINED], by_id, gains)
        ranked = tuple(explained.get(f.id, f) for f in ranked)
        if request.user:
            ranked = tuple(f for f in ranked if f.id in explained and _of_user(f, request.user))
    ranking = order.ranking(ranked, request.by) if request.by != "finding" else ()
    ordered = order.order(ranked, request.by) if request.by != "finding" else ranked
    total = len(ordered) + len(every) - len(within)
    kept, cut = budget.cut(ordered, request, datetime.now(UTC), total=total)
    if progress:
        progress(0, 0, "explaining findings")
    missing = [f for f in kept if f.id not in explained]
    explained |= explain(engine, scans, stage, missing, by_id, gains)
    shown = fill(engine, lake, [explained[f.id] for f in kept], scans, KEPT)
    shown = taught.told(stage, shown, by_id, excepted)
    heard = stage.model.past
    hosts = {host for finding in shown for host in finding.instance_hosts}
    past = {host: timedelta(hours=heard.get(host, 0)) for host in hosts} if stage.run.claims else {}
    final = tuple(_finished(finding, place, known, past) for place, finding in enumerate(shown, 1))
    return HuntResult(
        run=stage.run,
        findings=final,
        cut=_honest(cut, stage),
        report=report,
        scores=tuple(f.bits for f in ordered) + tuple(every.bits[len(within) :].tolist()),
        traffic=traffic(engine, lake, scans),
        ranking=ranking,
        hits=tuple(hit for one in stage.met for hit in one.summary()),
        hidden=excepted.by,
        advice=advice(lake, asked, looking) if request.kept else (),
    )


def _ranks(asked: Mapping[str, Analytic | Builtin]) -> bool:
    """Whether anything is ranked that only the strongest of need be shown: what rules meet is shown whole."""
    return any(not (isinstance(one, Builtin) and one.hits) for one in asked.values())


def _within_reach(
    request: HuntRequest, every: assemble.Patterns, known: assets.Assets, taught: Feedback
) -> Sequence[assemble.Pattern]:
    """The patterns that can be among those shown: where nothing but `top` cuts, the strongest and their equals."""
    plain = request.by == "finding" and not request.user and not known and request.tier is None and request.fdr is None
    if not plain or request.budget is not None or request.top is None or request.top >= len(every):
        return every
    # What verdicts teach may lift one finding and lower another, each by so much at most.
    least = every.bits[request.top - 1] - 2 * taught.most - 10**-order.DIGITS
    return every[: int(np.searchsorted(-every.bits, -least, side="right"))]


def _asks(request: HuntRequest) -> bool:
    return any(x is not None for x in (request.top, request.tier, request.fdr, request.budget))


def _of_user(finding: Finding, wanted: str) -> bool:
    plain = wanted.rpartition("\\")[2].partition("@")[0].lower()
    return any(e.type == "user" and e.value.rpartition("\\")[2].lower() == plain for e in finding.entities)


def _finished(finding: Finding, place: int, known: assets.Assets, past: Mapping[str, timedelta]) -> Finding:
    placed = replace(finding, rank=place)
    against = (*placed.speaks_against, *speaks_against(placed, known, past))
    return replace(placed, speaks_against=against, next=next_steps(placed))


def _honest(cut: Cut, stage: Stage) -> Cut:
    """What a cut rests on, where it may claim something."""
    if not stage.run.claims:
        return cut
    floor = stage.hosts_a_day / (1 + stage.replay.host_days)
    days = f"{stage.replay.host_days:,} host-days were replayed"
    says = f"{days}: no finding can be said to be rarer than {floor:.3g} a day."
    return replace(cut, says=(*cut.says, says))
