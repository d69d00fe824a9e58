"""Is what is claimed true? Rates of claimed p-values, and the mean of e-values, on events that held no attack.

    python -m benchmarks calibration [CAPTURES] [--tool FILE] [--folds DIR] [--work DIR] [--units N] [--seed S]

A unit is a distinct shape of event on a host in an hour. Two checks:
  simulated   a stationary company without an intruder; its host-days are dealt by chance into a baseline and a hunt.
              Of the hunt's units, the share with p <= 0.01 (and 0.001) must be what it says, within the interval that
              a bootstrap over whole host-days of both halves gives. `stated` is the level that the model's own
              p-values reach: they go in steps, and short tails have a floor.
  captures    the benign events that the folds of the haystack hunt, against each fold's baseline: other weeks, other
              doings. The mean e-value, the share with p <= 0.01, and on how many host-days those lie.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.common import Floats, Row, block_bootstrap, data, exit_code, hosted, shared, table
from benchmarks.haystack import Haystack
from benchmarks.padding import RECORD, read
from vizsla.analytics.rarity import model as rarity
from vizsla.analytics.rarity.model import Tallied, day_groups
from vizsla.simulate import Company

NAME = "calibration"
LEVELS = (0.01, 0.001)
DRAWS = 200  # of host-days, for an interval
TAIL = 8  # times as many of the highest reference scores are looked at as a level asks for
HOSTS, DAYS = 20, 12  # of the simulated company, to begin with
MOST_E, MOST_RATE = 1.1, 0.02


@dataclass(frozen=True)
class Held:
    """Batches in memory that a tally reads as if they were a scan."""

    table: str
    batches: tuple[pa.RecordBatch, ...]

    @property
    def schema(self) -> pa.Schema:
        return self.batches[0].schema


class InMemory:
    """As much of an engine as a tally needs."""

    def map(self, scan: Held, columns: Sequence[str], mapper: Any) -> Iterator[pa.RecordBatch]:
        wanted = [name for name in columns if name in scan.schema.names]
        yield from mapper(batch.select(wanted) for batch in scan.batches)


def tallied(held: Sequence[Held]) -> Tallied:
    return rarity.tally(InMemory(), held)  # type: ignore[arg-type]


def dealt(whole: Tallied, seed: int) -> tuple[Tallied, Tallied]:
    """Host-days by chance into two halves."""
    days = np.unique(np.concatenate([day_groups(units) for units in whole.units.values()]))
    first = days[np.random.default_rng(seed).random(len(days)) < 0.5]
    halves: list[dict[str, Any]] = [{}, {}]
    for kind, units in whole.units.items():
        own = np.isin(day_groups(units), first)
        for half, rows in zip(halves, (own, ~own), strict=True):
            if rows.any():
                half[kind] = {name: values[rows] for name, values in units.items()}
    return replace(whole, units=halves[0], ties={}, starts={}), replace(whole, units=halves[1], ties={}, starts={})


@dataclass(frozen=True)
class Scores:
    """Of every hunted unit: its p-value, its e-value, its host-day, its kind."""

    p: Floats
    e: Floats
    day: np.ndarray
    kind: np.ndarray

    @classmethod
    def of(cls, model: rarity.Model, hunted: Tallied) -> Scores:
        parts = []
        for kind, units in hunted.units.items():
            p, bits = model.alone(kind, model.score(kind, units))
            parts.append((p, 2.0**bits, day_groups(units), np.full(len(p), kind)))
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def rate(self, level: float) -> tuple[float, float, float]:
        """The share of units with p at most `level`, and its interval by whole host-days."""
        _, place = np.unique(self.day, return_inverse=True)
        below = np.bincount(place, self.p <= level)
        return block_bootstrap(below, np.bincount(place).astype(np.float64))

    def worst(self, level: float, count: int = 6) -> str:
        """The kinds that hold most of the exceedances, for whoever asks why."""
        kinds, own = np.unique(self.kind, return_inverse=True)
        hits, units = np.bincount(own, self.p <= level), np.bincount(own)
        order = np.argsort(-(hits - level * units))[:count]
        return ", ".join(f"{kinds[i]} {hits[i]:.0f} of {units[i]}" for i in order)


def stated(model: rarity.Model, hunted: Tallied, level: float) -> float:
    """The share of units that the model itself says have p at most `level`: the largest step of a kind's p-values that
    is at most `level`, 0 where its floor is above. Short tails cannot say less than their floor, and equal scores make
    large steps, so that it is less than `level`."""
    expected = total = 0.0
    for kind, units in hunted.units.items():
        count = float(len(units["host"]))
        tail = model.tails.get(kind)
        if tail is not None and tail.n:
            steps = (1.0 + np.append(tail.at_least, 0.0)) / (1.0 + tail.n)
            expected += count * float(steps[steps <= level].max(initial=0.0))
        total += count
    return expected / total


def interval(learnt: rarity.Learnt, hunted: Tallied, level: float, seed: int) -> tuple[float, float]:
    """95 % of the rate of p at most `level`, were other host-days dealt into the baseline and into the hunt.

    Whole host-days are drawn again in both halves, and p-values taken anew: what is rarest lies on few host-days, and
    whether one of them fell among the reference matters as much as whether it is among those that are counted.
    """
    chance = np.random.default_rng(seed)
    model, drawn = learnt.model, {}
    for half, whole in (("base", learnt.sample), ("hunt", hunted.units)):
        days = np.unique(np.concatenate([day_groups(units) for units in whole.values()]))
        drawn[half] = days, chance.multinomial(len(days), np.full(len(days), 1 / len(days)), size=DRAWS)
    (base_days, base_times), (hunt_days, hunt_times) = drawn["base"], drawn["hunt"]
    hits, total = np.zeros(DRAWS), np.zeros(DRAWS)
    for kind, units in hunted.units.items():
        score, day = model.score(kind, units), np.searchsorted(hunt_days, day_groups(units))
        total += hunt_times[:, day].sum(axis=1)
        tail = model.tails.get(kind)
        if tail is None or not tail.n:
            hits += hunt_times[:, day].sum(axis=1) * (model.new(kind).p <= level)
            continue
        own = learnt.scored.kind == learnt.scored.kinds.index(kind)
        reference = learnt.scored.surprisal[own]
        rows = learnt.scored.row[own]
        their_day = np.searchsorted(base_days, day_groups(learnt.sample[kind]))[rows]
        highest = np.argsort(-reference, kind="stable")[: max(200, int(TAIL * level * len(reference)))]
        exceeding = np.cumsum(base_times[:, their_day[highest]], axis=1)
        of = np.bincount(their_day, minlength=len(base_days)) @ base_times.T
        among = (
            np.flatnonzero(score >= reference[highest[-1]]) if len(highest) < len(reference) else np.arange(len(day))
        )
        above = np.searchsorted(-reference[highest], -score[among], side="right")
        p = (1.0 + np.where(above > 0, exceeding[:, above - 1], 0)) / (1.0 + of[:, None])
        hits += (hunt_times[:, day[among]] * (p <= level)).sum(axis=1)
    low, high = np.quantile(hits / total, (0.025, 0.975))
    return float(low), float(high)


def company(units: int, seed: int) -> Tallied:
    """The tally of a company with at least twice that many units."""
    days = DAYS
    while True:
        batches: dict[str, list[pa.RecordBatch]] = {}
        made = Tallied()
        for chunk in Company(HOSTS, days, seed, intrusion=False, stationary=True).chunks():
            batches.setdefault(chunk.table, []).append(hosted(chunk.events, chunk.host.fqdn.lower()))
        made = tallied([Held(name, tuple(parts)) for name, parts in batches.items()])
        if sum(len(u["host"]) for u in made.units.values()) >= units:
            return made
        days *= 2


def simulated(units: int, seed: int) -> list[Row]:
    whole = company(units, seed)
    base, hunted = dealt(whole, seed)
    learnt = rarity.learn(base)
    model = learnt.model
    scores = Scores.of(model, hunted)
    rows = []
    for level in LEVELS:
        rate, *alone = scores.rate(level)
        low, high = interval(learnt, hunted, level, seed)
        print(f"{level:g}: {rate:.5f}; by the hunt's host-days alone {alone[0]:.5f} to {alone[1]:.5f}", flush=True)
        what = f"rate of p <= {level:g}, {len(scores.p):,} simulated units on {len(np.unique(scores.day)):,} host-days"
        says = f"{rate:.5f} ({low:.5f} to {high:.5f})"
        claimed = f"{level:g}, stated {stated(model, hunted, level):.5f}"
        rows.append(Row(NAME, what, says, claimed, f"{rate / level:.2f}", "in the interval", low <= level <= high))
        print(f"{level:g}: {scores.worst(level)}", flush=True)
    return rows


def benign(stack: Haystack, fold: Path) -> Tallied:
    """The tally of a fold's hunted events without the labelled ones."""
    truth = pa.array(sorted(int(k) for k in json.loads((fold / "truth.json").read_text())), pa.int64())
    lake, held = stack.lake("clean", fold, "hunt"), []
    for name in lake.tables():
        whole = read(lake, name)
        marked = pc.is_in(pc.cast(whole[RECORD], pa.int64()), truth)
        quiet = whole.filter(pc.invert(marked)).combine_chunks()
        if len(quiet):
            held.append(Held(name, tuple(quiet.to_batches())))
    return tallied(held)


def captures(stack: Haystack) -> list[Row]:
    parts = []
    for fold in stack.built("clean"):
        lake = stack.lake("clean", fold, "baseline")
        model = rarity.learn(tallied([Held(t, tuple(read(lake, t).to_batches())) for t in lake.tables()])).model
        scores = Scores.of(model, benign(stack, fold))
        print(f"{fold.name}: mean e {scores.e.mean():.3f}, rate {np.mean(scores.p <= 0.01):.4f}; {scores.worst(0.01)}")
        parts.append(scores)
    whole = Scores(*(np.concatenate([getattr(s, n) for s in parts]) for n in ("p", "e", "day", "kind")))
    hits = whole.p <= 0.01
    days = f"on {len(np.unique(whole.day[hits]))} of {len(np.unique(whole.day))} host-days"
    mean, rate = float(whole.e.mean()), float(hits.mean())
    return [
        Row(NAME, f"mean e-value of {len(hits):,} unseen benign units", f"{mean:.3f}", "1", f"{mean:.2f}",
            f"<= {MOST_E}", mean <= MOST_E),
        Row(NAME, f"rate of p <= 0.01 among them, {days}", f"{rate:.4f}", "0.01", f"{rate / 0.01:.2f}",
            f"<= {MOST_RATE}", rate <= MOST_RATE),
    ]  # fmt: skip


def run(argv: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", type=Path, nargs="?", default=data("mordor"))
    parser.add_argument("--tool", type=Path, default=shared("bench", "haystack", "haystack.py"))
    parser.add_argument("--folds", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--units", type=int, default=400_000, help="units simulated: half learnt from, half hunted")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--only", choices=("simulated", "captures"))
    chosen = parser.parse_args(argv)
    rows = simulated(chosen.units, chosen.seed) if chosen.only != "captures" else []
    if chosen.only != "simulated":
        with tempfile.TemporaryDirectory(prefix="vizsla-calibration-") as scratch:
            work = (chosen.work or Path(scratch)).absolute()
            rows += captures(Haystack(chosen.captures, chosen.tool, chosen.folds or work / "folds", work))
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    found = run(argv)
    print(table(found))
    return exit_code(found)
