"""From events to ranked episodes: what each analytic counted, observed or met, held against what is usual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from vizsla import __version__
from vizsla.analytic import Analytic, Builtin
from vizsla.analytics.rarity import days
from vizsla.analytics.rarity import model as rarity
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.tally import joined
from vizsla.baseline import Baseline
from vizsla.calibration import Floats
from vizsla.engine import Engine
from vizsla.hunt import itself, observed
from vizsla.hunt.known import Known, Weighed, look, quiet_in, quiet_of
from vizsla.hunt.observed import Seen
from vizsla.hunt.scope import Progress, steps
from vizsla.lake import Scan
from vizsla.nouns import Run
from vizsla.triage.observed import SCORE, learnt_with, split, with_observed
from vizsla.triage.replay import Ranked, Replay, ranked, replay, speaking


@dataclass(frozen=True, slots=True)
class Stage:
    """What a hunt has by the time its episodes are ranked."""

    heard: Mapping[str, Columns]  # by kind of event, how many of which host in which hour
    words: Mapping[int, str]  # what codes stand for
    seen: Seen
    model: rarity.Model
    replay: Replay
    ranked: Ranked
    run: Run
    hosts_a_day: float
    met: tuple[Weighed, ...] = ()


def staged(
    engine: Engine,
    scans: Sequence[Scan],
    baseline: Baseline | None,
    asked: Mapping[str, Analytic | Builtin],
    looking: Sequence[Known],
    folder: Path,
    progress: Progress | None,
) -> Stage:
    """The episodes of these scans, ranked. `folder`: where hits are kept for the time of the hunt."""
    if baseline is None:
        counted = rarity.tally(engine, scans, seen=steps(progress, scans, "hunting in"))
        quiet = quiet_of(counted, hunted=True)
    else:
        quiet = quiet_in(baseline)
    met = tuple(Weighed.of(look(engine, scans, known, folder, progress), quiet) for known in looking)
    if baseline is None:
        return _against_itself(engine, scans, counted, asked, met, progress)
    return _against(baseline, engine, scans, asked, met, progress)


def _against_itself(
    engine: Engine, scans: Sequence[Scan], counted: rarity.Tallied, asked: Mapping[str, Analytic | Builtin],
    met: tuple[Weighed, ...], progress: Progress | None,
) -> Stage:  # fmt: skip
    folds = itself.folds(counted)
    seen = observed.learn(engine, scans, asked, counted, progress).beside([one.observed() for one in met])
    learnt = rarity.learn(counted, folds.group)
    if "rarity" not in asked:
        learnt = replace(learnt, sample={}, scored=rarity.scored({}, learnt.model.score))
    tallied = with_observed(_asked(counted, asked), seen.observed)
    played, found = replay(tallied, learnt_with(learnt, seen.observed))
    heard = rarity.heard(counted.units)
    run = _run(learnt.model, "", folds.says, claims=False)
    return Stage(heard, tallied.words, seen, learnt.model, played, found, run, _hosts_a_day(heard), met)


def _against(
    baseline: Baseline, engine: Engine, scans: Sequence[Scan], asked: Mapping[str, Analytic | Builtin],
    met: tuple[Weighed, ...], progress: Progress | None,
) -> Stage:  # fmt: skip
    """Some days after the others: of each, what has something to say is kept."""
    model, tails = baseline.model, baseline.replay.tails
    seen = observed.find(engine, scans, asked, baseline.analytics, progress).beside([one.observed() for one in met])

    def score(kind: str, units: Columns) -> Floats:
        return units[SCORE] if split(kind) else model.score(kind, units)

    planned = days.plan(scans)
    heard, parts, words = defaultdict(list), [], dict(seen.observed.words)
    for share in days.tallied(engine, planned, steps(progress, planned.scans, "hunting in")):
        for kind, columns in rarity.heard(share.tallied.units).items():
            heard[kind].append(dict(days.hours(columns, share.begin, share.end)))
        around = seen.observed.within(share.begin - days.NEAR, share.end + days.NEAR)
        near = replace(share, tallied=with_observed(_asked(share.tallied, asked), around))
        parts.append(speaking(near, rarity.scored(near.tallied.units, score), tails))
    words |= share.tallied.words
    counted = {kind: joined(columns) for kind, columns in sorted(heard.items())}
    says = f"baseline {baseline.name}, version {baseline.version}"
    run = _run(model, f"{baseline.name}@{baseline.version}", says, claims=True)
    found = ranked(parts, words, tails)
    return Stage(counted, words, seen, model, baseline.replay, found, run, _hosts_a_day(counted), met)


def _asked(counted: rarity.Tallied, asked: Mapping[str, Analytic | Builtin]) -> rarity.Tallied:
    """Rarity's pass tells of processes and of what was read whoever is asked; it ranks only where it is asked."""
    return counted if "rarity" in asked else replace(counted, units={}, ties={})


def _run(model: rarity.Model, name: str, says: str, *, claims: bool) -> Run:
    span = [datetime.fromtimestamp(t / 1e6, UTC) if model.events else None for t in (model.first, model.last)]
    return Run(__version__, name, says, span[0], span[1], model.hosts, model.host_days, claims)


def _hosts_a_day(heard: Mapping[str, Columns]) -> float:
    """Hosts with events on an average day that has any."""
    timed = [{name: columns[name][columns["hour"] >= 0] for name in ("host", "hour")} for columns in heard.values()]
    if not timed:
        return 1.0
    every = np.unique(np.concatenate([columns["hour"] // rarity.HOURS_A_DAY for columns in timed]))
    return max(1.0, rarity.host_days(heard) / max(1, len(every)))
