"""Learning what is normal: one pass over the events, then the replay of what was left out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from vizsla import analytics
from vizsla.analytics.rarity import days
from vizsla.analytics.rarity import model as rarity
from vizsla.analytics.rarity.share import Share
from vizsla.baseline import Baseline, BaselineStore
from vizsla.baseline.fading import NEVER, Fading
from vizsla.baseline.growth import Growth, Part, Scope
from vizsla.baseline.withheld import places, slots
from vizsla.engine import Engine
from vizsla.engines import connect
from vizsla.errors import BaselineError
from vizsla.hunt import observed
from vizsla.hunt.guarding import judged
from vizsla.hunt.knowledge import knowledge
from vizsla.hunt.known import Met, Weighed, fired, quiet_of
from vizsla.hunt.lasting import Grown, look_in
from vizsla.hunt.observed import Seen
from vizsla.hunt.scope import Progress, scans_of, steps
from vizsla.ingest import ingest
from vizsla.lake import Lake, Scan
from vizsla.nouns import RunReport
from vizsla.triage.observed import learnt_with, with_observed
from vizsla.triage.replay import Replay, replay
from vizsla.verdicts import VerdictStore

FEW_HOST_DAYS = 15


@dataclass(frozen=True, slots=True)
class Learnt:
    """A baseline, what was read for it, and what it can and cannot say, in sentences."""

    baseline: Baseline
    report: RunReport
    says: tuple[str, ...]


def share_of(scans: Sequence[Scan]) -> float:
    """The share of host-days to replay: all of them, until they hold too many events."""
    rows = sum(scan.rows for scan in scans)
    return min(1.0, rarity.REPLAYED / rows) if rows else 1.0


def learn(
    paths: Sequence[str],
    lake: Lake,
    name: str = "default",
    *,
    host: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    rules: Sequence[str] = (),
    fading: Fading = NEVER,
    engine: str = "duckdb",
    master: str | None = None,
    progress: Progress | None = None,
) -> Learnt:
    """Learn what is normal in a lake (into which `paths` are read first) and save it as the next version of `name`.

    Rules and indicators that the lake keeps, and `rules`, are looked for, so that a hunt knows how usual they are.
    What was judged malicious in the lake is not learnt. `fading`: how what is old is forgotten.

    Raises BaselineError where there is nothing to learn from.
    """
    with connect(engine, master) as computing:
        report = ingest(paths, lake, engine=computing, progress=progress) if paths else RunReport()
        scans = scans_of(lake, computing, host=host, since=since, until=until)
        held = tuple(judged(lake, VerdictStore(lake).standing()))
        tables = {scan.table: scan.version for scan in scans}
        grows = Growth(Scope(host, since, until), tables, share_of(scans), withheld=held, fading=fading)
        scans = [replace(scan, without=slots(places(held))) for scan in scans]
        with Part() as part, tempfile.TemporaryDirectory(prefix="vizsla-hits-") as folder:
            found, begins = _counted(computing, scans, grows, part, progress)
            if begins is not None:
                scans = [replace(scan, since=max(scan.since or begins, begins)) for scan in scans]
            looking = knowledge(lake, analytics.chosen(), Path(folder), rules=rules)
            met, hits = look_in(computing, Grown(scans, since=begins), looking, Path(folder), progress)
            model, played, seen = modelled(computing, scans, found, met, progress)
            report.unable += seen.unable
            if not model.events:
                raise BaselineError(
                    "no events to learn from", where=str(lake.root), fix="vizsla learn PATH reads logs first"
                )
            saved = BaselineStore(lake).save(name, model, played, seen.learnt, (grows, part), fired(met), hits)
    told = [f"not learnt: {len(held):,} findings judged malicious in this lake"] if held else []
    return Learnt(saved, report, (*told, *says(saved)))


def _counted(
    engine: Engine, scans: Sequence[Scan], grows: Growth, part: Part, progress: Progress | None
) -> tuple[rarity.Counted, datetime | None]:
    """What is learnt from, and where its window begins; all that was tallied goes to `part`. Some days after the
    others, but where they fade: of which days little is left, the newest says."""
    if grows.fading:
        whole = rarity.tally(engine, scans, grows.share, steps(progress, scans, "learning"))
        part.add(whole)
        return rarity.counted(grows.fading.left([whole])), grows.fading.since([whole])
    planned = days.plan(scans)

    def added(share: Share) -> rarity.Tallied:
        part.add(share.tallied)
        return share.tallied

    told = steps(progress, planned.scans, "learning")
    return rarity.counted(map(added, days.tallies(engine, planned, grows.share, told))), None


def modelled(
    engine: Engine,
    scans: Sequence[Scan],
    found: rarity.Counted,
    met: Sequence[Met] = (),
    progress: Progress | None = None,
) -> tuple[rarity.Model, Replay, Seen]:
    """The model and the replay of what these scans were counted to, and what analytics learnt and observed.

    `met`: what rules and indicators met in them.
    """
    learnt = rarity.learn_from(found)
    quiet = quiet_of(found.heard, hunted=False)
    hits = [Weighed.of(one, quiet).observed(found.sample.share) for one in met]
    seen = observed.learn(engine, scans, analytics.chosen(), found, progress).beside(hits)
    played, _ = replay(with_observed(found.sample, seen.observed), learnt_with(learnt, seen.observed))
    return learnt.model, played, seen


def says(baseline: Baseline) -> list[str]:
    """What a baseline rests on, what it can state and what it cannot, in sentences."""
    model = baseline.model
    first, last = baseline.span
    told = [
        f"baseline {baseline.name}, version {baseline.version}: {model.events:,} events, {len(model.kinds):,} types of "
        f"event, {model.hosts:,} hosts, {model.host_days:,} host-days, {first:%Y-%m-%d} to {last:%Y-%m-%d}",
        f"the rarest p-value it can state is 1 in {model.pool.n + 1:,} units; of findings, 1 in "
        f"{baseline.replay.host_days + 1:,} host-days",
    ]
    told += [
        f"analytic {name}: its own scores on days left out, {found.tail.n:,} units, are what a hunt is held against"
        for name, found in baseline.analytics.items()
    ]
    if model.host_days < FEW_HOST_DAYS:
        told.append(
            f"only {model.host_days} host-days: too few to tell one quiet day from another; {FEW_HOST_DAYS} and more "
            "would do"
        )
    told.append("what was there all along, an intruder too, counts as normal")
    return told
