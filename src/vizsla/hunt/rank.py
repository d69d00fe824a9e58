"""From events to ranked episodes: what each analytic counted, observed or met, held against what is usual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from vizsla import __version__
from vizsla.analytic import Analytic, Builtin
from vizsla.analytics.rarity import model as rarity
from vizsla.baseline import Baseline
from vizsla.engine import Engine
from vizsla.hunt import itself, observed
from vizsla.hunt.known import Known, Weighed, look, quiet_in, quiet_of
from vizsla.hunt.observed import Seen
from vizsla.hunt.scope import Progress, steps
from vizsla.lake import Scan
from vizsla.nouns import Run
from vizsla.triage.observed import joined_scores, learnt_with, with_observed
from vizsla.triage.replay import Ranked, Replay, ranked_by, replay


@dataclass(frozen=True, slots=True)
class Stage:
    """What a hunt has by the time its episodes are ranked."""

    counted: rarity.Tallied  # what rarity counted
    tallied: rarity.Tallied  # what is ranked: of the analytics chosen
    seen: Seen
    model: rarity.Model
    replay: Replay
    ranked: Ranked
    run: Run
    hosts_a_day: float
    met: tuple[Weighed, ...] = ()


def _stage(
    counted: rarity.Tallied, tallied: rarity.Tallied, seen: Seen, model: rarity.Model, played: Replay, found: Ranked,
    run: Run, hosts_a_day: float, met: tuple[Weighed, ...],
) -> Stage:  # fmt: skip
    """Without what only ranking needed: of ten million processes, a gigabyte."""
    counted, tallied = replace(counted, ties={}, starts={}), replace(tallied, starts={})
    return Stage(counted, tallied, seen, model, played, found, run, hosts_a_day, met)


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
    counted = rarity.tally(engine, scans, 1.0, steps(progress, scans, "hunting in"))
    hosts_a_day = _hosts_a_day(counted)
    quiet = quiet_of(counted, hunted=True) if baseline is None else quiet_in(baseline)
    met = tuple(Weighed.of(look(engine, scans, known, folder, progress), quiet) for known in looking)
    hits = [one.observed() for one in met]
    # Its pass tells of processes and of what was read whoever is asked; it ranks only where it is asked itself.
    own = counted if "rarity" in asked else replace(counted, units={}, ties={})
    if baseline is None:
        folds = itself.folds(counted)
        seen = observed.learn(engine, scans, asked, counted, progress).beside(hits)
        tallied = with_observed(own, seen.observed)
        learnt = rarity.learn(counted, folds.group)
        if "rarity" not in asked:
            learnt = replace(learnt, sample={}, scored=rarity.scored({}, learnt.model.score))
        played, found = replay(tallied, learnt_with(learnt, seen.observed))
        model = learnt.model
        run = _run(model, "", folds.says, claims=False)
        return _stage(counted, tallied, seen, model, played, found, run, hosts_a_day, met)
    model = baseline.model
    seen = observed.find(engine, scans, asked, baseline.analytics, progress).beside(hits)
    tallied = with_observed(own, seen.observed)
    units = joined_scores(rarity.scored(own.units, model.score), seen.observed.scored())
    found = ranked_by(tallied, units, tallied.units, baseline.replay.tails)
    says = f"baseline {baseline.name}, version {baseline.version}"
    run = _run(model, f"{baseline.name}@{baseline.version}", says, claims=True)
    return _stage(counted, tallied, seen, model, baseline.replay, found, run, hosts_a_day, met)


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
