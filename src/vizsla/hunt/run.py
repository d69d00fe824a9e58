"""One hunt, step by step: read, learn or load, tally, rank, collapse, cut, and only then fetch and explain."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vizsla import __version__, analytics
from vizsla.analytics.rarity import model as rarity
from vizsla.baseline import Baseline, BaselineStore
from vizsla.baseline.store import read_folder
from vizsla.engine import Engine
from vizsla.engines import connect
from vizsla.errors import UsageError
from vizsla.hunt import itself, observed
from vizsla.hunt.about import account, traffic
from vizsla.hunt.observed import Seen
from vizsla.hunt.scope import Progress, scans_of, steps
from vizsla.hunt.unlearnt import narrowed
from vizsla.ingest import ingest
from vizsla.lake import Lake, Scan
from vizsla.nouns import Context, Cut, Evidence, Finding, HuntRequest, HuntResult, Run, RunReport
from vizsla.triage import assemble, assets, budget, order, telling
from vizsla.triage.against import speaks_against
from vizsla.triage.attack import attacks_of
from vizsla.triage.context import fill
from vizsla.triage.entities import entities_of
from vizsla.triage.observed import joined_scores, learnt_with, with_observed
from vizsla.triage.pivots import next_steps
from vizsla.triage.replay import Ranked, Replay, ranked_by, replay
from vizsla.triage.titles import title

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vizsla.nouns.coverage import Coverage

TOP = 200  # findings shown where nothing else was asked
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
        result = _hunt(request, lake, engine, report, progress)
        if request.coverage:
            result = replace(result, coverage=_covered(lake, engine, progress))
        if request.lake is not None:
            from vizsla.findings import save

            save(lake, result)
        return result


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


@dataclass(frozen=True, slots=True)
class _Stage:
    """What a hunt has by the time its episodes are ranked."""

    counted: rarity.Tallied  # what rarity counted
    tallied: rarity.Tallied  # what is ranked: of the analytics chosen
    seen: Seen
    model: rarity.Model
    replay: Replay
    ranked: Ranked
    run: Run
    hosts_a_day: float


def _hunt(request: HuntRequest, lake: Lake, engine: Engine, report: RunReport, progress: Progress | None) -> HuntResult:
    baseline = _baseline(request.baseline, lake)
    scans = scans_of(lake, engine, view=request.view, host=request.host, since=request.since, until=request.until)
    scans, told = narrowed(request, lake, baseline, scans)
    report.notes += told
    stage = _rank(engine, scans, baseline, request.analytics, progress)
    account(report, lake, engine, scans, stage.counted, baseline)
    report.unable += stage.seen.unable
    if stage.seen.observed.timeless:
        report.notes.append(f"{stage.seen.observed.timeless:,} observations have no time: they are in no finding")
    if not stage.run.claims:
        report.notes.append(f"{stage.run.learnt}; what was there all along cannot be seen")
    known = assets.load(lake)
    found = [_bare(stage, p) for p in assemble.patterns(stage.ranked, stage.tallied.words)]
    weighed = [_weighed(finding, known) for finding in found]
    ranked = order.rank(weighed)
    explained: dict[str, Finding] = {}
    if request.user or request.by == "user":
        explained = _explain(engine, scans, stage, ranked[:EXPLAINED], known)
        ranked = tuple(explained.get(f.id, f) for f in ranked)
        if request.user:
            ranked = tuple(f for f in ranked if f.id in explained and _of_user(f, request.user))
    ranking = order.ranking(ranked, request.by) if request.by != "finding" else ()
    ordered = order.order(ranked, request.by)
    asked = request if _asks(request) else replace(request, top=TOP)
    kept, cut = budget.cut(ordered, asked, datetime.now(UTC))
    if progress:
        progress(0, 0, "explaining findings")
    missing = [f for f in kept if f.id not in explained]
    explained |= _explain(engine, scans, stage, missing, known)
    shown = fill(engine, lake, [explained[f.id] for f in kept], scans, KEPT)
    heard = stage.model.past
    hosts = {host for finding in shown for host in finding.instance_hosts}
    past = {host: timedelta(hours=heard.get(host, 0)) for host in hosts} if stage.run.claims else {}
    final = tuple(_finished(finding, place, known, past) for place, finding in enumerate(shown, 1))
    return HuntResult(
        run=stage.run,
        findings=final,
        cut=_honest(cut, stage),
        report=report,
        scores=tuple(f.bits for f in ordered),
        traffic=traffic(engine, lake, scans),
        ranking=ranking,
    )


def _asks(request: HuntRequest) -> bool:
    return any(x is not None for x in (request.top, request.tier, request.fdr, request.budget))


def _baseline(name: str | None, lake: Lake) -> Baseline | None:
    if name is None:
        return None
    folder = Path(name)
    return read_folder(folder) if (folder / "meta.json").exists() else BaselineStore(lake).load(name)


def _rank(
    engine: Engine,
    scans: Sequence[Scan],
    baseline: Baseline | None,
    names: Sequence[str],
    progress: Progress | None,
) -> _Stage:
    asked = analytics.chosen(names)
    counted = rarity.tally(engine, scans, 1.0, steps(progress, scans, "hunting in"))
    hosts_a_day = _hosts_a_day(counted)
    # Its pass tells of processes and of what was read whoever is asked; it ranks only where it is asked itself.
    own = counted if "rarity" in asked else replace(counted, units={}, ties={})
    if baseline is None:
        folds = itself.folds(counted)
        seen = observed.learn(engine, scans, asked, counted, progress)
        tallied = with_observed(own, seen.observed)
        learnt = rarity.learn(counted, folds.group)
        if "rarity" not in asked:
            learnt = replace(learnt, sample={}, scored=rarity.scored({}, learnt.model.score))
        played, ranked = replay(tallied, learnt_with(learnt, seen.observed))
        model = learnt.model
        run = _run(model, "", folds.says, claims=False)
        return _Stage(counted, tallied, seen, model, played, ranked, run, hosts_a_day)
    model = baseline.model
    seen = observed.find(engine, scans, asked, baseline.analytics, progress)
    tallied = with_observed(own, seen.observed)
    units = joined_scores(rarity.scored(own.units, model.score), seen.observed.scored())
    ranked = ranked_by(tallied, units, tallied.units, baseline.replay.tails)
    says = f"baseline {baseline.name}, version {baseline.version}"
    run = _run(model, f"{baseline.name}@{baseline.version}", says, claims=True)
    return _Stage(counted, tallied, seen, model, baseline.replay, ranked, run, hosts_a_day)


def _run(model: rarity.Model, name: str, says: str, *, claims: bool) -> Run:
    span = [datetime.fromtimestamp(t / 1e6, UTC) if model.events else None for t in (model.first, model.last)]
    return Run(__version__, name, says, span[0], span[1], model.hosts, model.host_days, claims)


def _hosts_a_day(tallied: rarity.Tallied) -> float:
    """Hosts with events on an average day that has any."""
    days = [
        np.stack([units["hour"] // 24, units["host"].view(np.int64)])[:, units["hour"] >= 0]
        for units in tallied.units.values()
    ]
    if not days:
        return 1.0
    pairs = np.unique(np.concatenate(days, axis=1), axis=1)
    return max(1.0, float(pairs.shape[1]) / max(1, len(np.unique(pairs[0]))))


def _bare(stage: _Stage, pattern: assemble.Pattern) -> Finding:
    """A finding before its events are known: strength, place and time."""
    expected = None
    if stage.run.claims:
        expected = stage.replay.expected(pattern.bits, pattern.surprisal, stage.hosts_a_day)
    return Finding(
        rank=0,
        id=pattern.id,
        pattern_id=pattern.pattern_id,
        instances=pattern.instances,
        title="",
        tier=budget.tier(expected, pattern.bits, stage.run.claims),
        bits=pattern.bits,
        expected_per_day=expected,
        run=stage.run,
        entities=entities_of((), pattern.hosts),
        attack=(),
        start=pattern.start,
        end=pattern.start + timedelta(minutes=10),
        evidence=(),
        speaks_against=(),
        context=Context(),
        next=(),
        surprisal=pattern.surprisal,
        ledger=(),
        instance_hosts=pattern.hosts,
    )


def _weighed(finding: Finding, known: assets.Assets) -> Finding:
    """The team's own weights: the heaviest of the entities named, a line of its own in the ledger."""
    extra = max((known.weight(entity) for entity in finding.entities), default=0.0, key=abs)
    return replace(finding, bits=finding.bits + extra) if extra else finding


def _explain(
    engine: Engine, scans: Sequence[Scan], stage: _Stage, findings: Sequence[Finding], known: assets.Assets
) -> dict[str, Finding]:
    """Findings with their evidence, by id; one pass over the events for all of them."""
    if not findings:
        return {}
    wanted = {f.id for f in findings}
    chosen = [p for p in assemble.patterns(stage.ranked, stage.tallied.words) if p.id in wanted]
    rows = assemble.lines(stage.ranked, chosen)
    events = assemble.picked(engine, scans, stage.tallied, stage.ranked, rows)
    listed = [line for lines in rows.values() for line in lines]
    named = telling.fetched(engine, scans, stage.seen.observed, stage.tallied, stage.ranked, listed)
    by_id = {p.id: p for p in chosen}
    explained = {}
    for finding in findings:
        lines = rows[by_id[finding.id].episode]
        evidence = tuple(_told(stage, line, events, named) for line in lines)
        times = sorted(e.time for line in evidence for e in line.events if e.time)
        ledger = [(line.why, line.bits) for line in evidence if line.bits]
        extra = finding.bits - by_id[finding.id].bits
        if extra:
            ledger.append(("the team's own weight of its assets", extra))
        explained[finding.id] = replace(
            finding,
            title=title(evidence, finding.instances),
            entities=entities_of(evidence, finding.instance_hosts),
            attack=attacks_of(evidence),
            start=times[0] if times else finding.start,
            end=times[-1] if times else finding.end,
            evidence=evidence,
            ledger=tuple(ledger),
        )
    return explained


def _told(
    stage: _Stage,
    line: assemble.Line,
    events: Mapping[int, list[telling.Row]],
    named: Mapping[str, tuple[str, telling.Row]],
) -> Evidence:
    """A line as evidence: `events` are rarity's, by tie, `named` those that other analytics named, by id."""
    tallied, ranked, claims = stage.tallied, stage.ranked, stage.run.claims
    if telling.is_observed(line):
        return telling.evidence(stage.seen.observed, tallied, ranked, line, named, stage.seen.tails, claims)
    return assemble.evidence(stage.model, tallied, ranked, line, events, claims)


def _of_user(finding: Finding, wanted: str) -> bool:
    plain = wanted.rpartition("\\")[2].partition("@")[0].lower()
    return any(e.type == "user" and e.value.rpartition("\\")[2].lower() == plain for e in finding.entities)


def _finished(finding: Finding, place: int, known: assets.Assets, past: Mapping[str, timedelta]) -> Finding:
    placed = replace(finding, rank=place)
    return replace(placed, speaks_against=speaks_against(placed, known, past), next=next_steps(placed))


def _honest(cut: Cut, stage: _Stage) -> Cut:
    """What a cut rests on, where it may claim something."""
    if not stage.run.claims:
        return cut
    floor = stage.hosts_a_day / (1 + stage.replay.host_days)
    days = f"{stage.replay.host_days:,} host-days were replayed"
    says = f"{days}: no finding can be said to be rarer than {floor:.3g} a day."
    return replace(cut, says=(*cut.says, says))
