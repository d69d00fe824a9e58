"""From events to ranked episodes: what each analytic counted, observed or met, held against what is usual."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from vizsla import __version__
from vizsla.analytic import Analytic, Builtin
from vizsla.analytics.rarity import days
from vizsla.analytics.rarity import model as rarity
from vizsla.analytics.rarity.reference import Columns
from vizsla.analytics.rarity.share import NEAR, hours
from vizsla.analytics.rarity.tally import joined
from vizsla.baseline import Baseline
from vizsla.calibration import Floats
from vizsla.engine import Engine
from vizsla.hunt import itself, observed
from vizsla.hunt.known import Known, Weighed, look, quiet_in, quiet_of
from vizsla.hunt.observed import Seen
from vizsla.hunt.scope import Progress, steps
from vizsla.lake import Scan
from vizsla.memory import give_back
from vizsla.nouns import Run
from vizsla.triage.anchor import NO_LINEAGES, processes
from vizsla.triage.episode import FamilyTails
from vizsla.triage.observed import SCORE, Observed, learnt_with, split, with_observed
from vizsla.triage.replay import Ranked, Replay, Speaking, anchored_of, ranked, replay, speaking


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
        counted = rarity.counted([rarity.tally(engine, scans, seen=steps(progress, scans, "hunting in"))])
        quiet = quiet_of(counted.heard, hunted=True)
    else:
        quiet = quiet_in(baseline)
    met = tuple(Weighed.of(look(engine, scans, known, folder, progress), quiet) for known in looking)
    if baseline is None:
        return _against_itself(engine, scans, counted, asked, met, progress)
    return _against(baseline, engine, scans, asked, met, progress)


def _against_itself(
    engine: Engine, scans: Sequence[Scan], counted: rarity.Counted, asked: Mapping[str, Analytic | Builtin],
    met: tuple[Weighed, ...], progress: Progress | None,
) -> Stage:  # fmt: skip
    folds = itself.folds(counted.heard)
    seen = observed.learn(engine, scans, asked, counted, progress).beside([one.observed() for one in met])
    learnt = rarity.learn_from(counted, folds.group)
    if "rarity" not in asked:
        learnt = replace(learnt, sample={}, scored=rarity.scored({}, learnt.model.score))
    tallied = with_observed(_asked(counted.sample, asked), seen.observed)
    played, found = replay(tallied, learnt_with(learnt, seen.observed))
    heard = counted.heard
    run = _run(learnt.model, "", folds.says, claims=False)
    return Stage(heard, tallied.words, seen, learnt.model, played, found, run, _hosts_a_day(heard), met)


def _against(
    baseline: Baseline, engine: Engine, scans: Sequence[Scan], asked: Mapping[str, Analytic | Builtin],
    met: tuple[Weighed, ...], progress: Progress | None,
) -> Stage:  # fmt: skip
    model, tails = baseline.model, baseline.replay.tails
    seen = observed.find(engine, scans, asked, baseline.analytics, progress).beside([one.observed() for one in met])
    spoken = by_days(engine, scans, model, tails, seen.observed, asked, progress)
    says = f"baseline {baseline.name}, version {baseline.version}"
    run = _run(model, f"{baseline.name}@{baseline.version}", says, claims=True)
    found = ranked(spoken.parts, spoken.words, tails)
    give_back()
    hosts = _hosts_a_day(spoken.heard)
    return Stage(spoken.heard, spoken.words, seen, model, baseline.replay, found, run, hosts, met)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What of some events has something to say, and of all of them, how many there were and what codes stand for."""

    parts: Sequence[Speaking]
    heard: Mapping[str, Columns]
    words: Mapping[int, str]


def by_days(
    engine: Engine, scans: Sequence[Scan], model: rarity.Model, tails: FamilyTails, seen: Observed,
    asked: Container[str], progress: Progress | None = None,
) -> Spoken:  # fmt: skip
    """Some days after the others: tallied, scored, and let go but for what has something to say."""

    def score(kind: str, units: Columns) -> Floats:
        return units[SCORE] if split(kind) else model.score(kind, units)

    planned = days.plan(scans)
    heard, parts, words, lineages = defaultdict(list), [], dict(seen.words), NO_LINEAGES
    for share in days.tallied(engine, planned, steps(progress, planned.scans, "hunting in")):
        for kind, columns in rarity.heard(share.tallied.units).items():
            heard[kind].append(dict(hours(columns, share.begin, share.end)))
        around = seen.within(share.begin - NEAR, share.end + NEAR)
        near = replace(share, tallied=with_observed(_asked(share.tallied, asked), around))
        table = processes(share.tallied.starts, lineages)
        anchored = anchored_of(near.tallied, table)
        parts.append(speaking(near, anchored, rarity.scored(near.tallied.units, score), tails))
        lineages = table.lineages(share.end)
        known = share.tallied.words
        del share, near, table, anchored  # they are not to stay while the next share is tallied
    words |= known
    return Spoken(parts, {kind: joined(columns) for kind, columns in sorted(heard.items())}, words)


def _asked(counted: rarity.Tallied, asked: Container[str]) -> rarity.Tallied:
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
