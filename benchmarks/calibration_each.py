"""Do the p-values of every analytic hold? On events without an attack, of a made-up company and of real captures.

    python -m benchmarks calibration_each [CAPTURES] [--tool FILE] [--folds DIR] [--work DIR]
                                          [--hosts N] [--days N] [--seed S] [--analytics A,…]
                                          [--only simulated|captures]

A unit is what the analytic says it is (docs/reference/analytics.md), on a host in an hour. Calibration is the hunt's
own: each half of the baseline's days judged by what was learnt on the other.
  simulated   the first half of a stationary company's days is learnt from, the second judged. Of its units the share
              with p <= 0.01 (and <= 0.001 where there are 25,000 units or more), and its interval by whole host-days.
  captures    what the folds of the haystack hunt, without all that rests on a labelled event, by each fold's baseline:
              other weeks, other doings. The same share, and the mean e-value, which on what is usual stays at 1.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.calibration import LEVELS, MOST_E
from benchmarks.common import Floats, Row, block_bootstrap, shown
from benchmarks.cost import stamped
from benchmarks.haystack import Haystack, opened, parser
from benchmarks.padding import RECORD
from vizsla import analytics
from vizsla.analytic import Builtin
from vizsla.analytics.rarity.encode import mixed
from vizsla.baseline import BaselineStore
from vizsla.baseline.states import Calibrated
from vizsla.calibration import e_value
from vizsla.engines import connect
from vizsla.hunt import learn
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of
from vizsla.lake import Lake
from vizsla.simulate import Company
from vizsla.simulate.company import START
from vizsla.triage.observed import SCORE, believable, units_of

NAME = "calibration_each"
ENOUGH = 25_000  # units from which 0.001 is looked at, too
FEW = 30  # units below which nothing is said
HOURS = 24


@dataclass(frozen=True)
class Judged:
    """Units of one analytic: p-value and host-day of each."""

    p: Floats
    day: np.ndarray

    @classmethod
    def of(cls, name: str, known: Calibrated, found: pa.Table) -> Judged:
        timed, _ = believable(found)
        if not len(timed):
            return cls(np.zeros(0), np.zeros(0, np.uint64))
        units = list(units_of(name, timed).values())
        score, host, hour = (np.concatenate([one[column] for one in units]) for column in (SCORE, "host", "hour"))
        return cls(known.tail.p(score), mixed(host, (hour // HOURS).astype(np.uint64)))

    def rate(self, level: float) -> tuple[float, float, float, int]:
        """The share of units with p at most `level`, its interval by host-days, and on how many of these they lie."""
        _, place = np.unique(self.day, return_inverse=True)
        below = np.bincount(place, self.p <= level)
        return *block_bootstrap(below, np.bincount(place).astype(np.float64)), int((below > 0).sum())


def asked(chosen: str | None) -> list[str]:
    """The analytics whose scores are their own, and of these the chosen ones."""
    own = [name for name, one in analytics.registry().items() if not isinstance(one, Builtin)]
    return [name for name in own if chosen is None or name in chosen.split(",")]


def judged(
    lake: Lake, known: dict[str, Calibrated], names: Sequence[str], spared: set[str], since: datetime | None = None
) -> Iterator[tuple[str, Judged]]:
    """What each analytic says of a lake, without what rests on one of the spared events."""
    registry = analytics.registry()
    with connect("duckdb") as engine:
        scans = scans_of(lake, engine, since=since)
        for name in names:
            one = registry[name]
            if name not in known or isinstance(one, Builtin):
                continue
            found = observe(engine, scans, one, known[name].state)
            resting = [not spared.isdisjoint(ids or ()) for ids in found["event_ids"].to_pylist()]
            yield name, Judged.of(name, known[name], found.filter(pc.invert(pa.array(resting, pa.bool_()))))


def labelled(lake: Lake, fold: Path) -> set[str]:
    """The ids of a fold's labelled events."""
    truth = pa.array(sorted(int(k) for k in json.loads((fold / "truth.json").read_text())), pa.int64())
    ids: set[str] = set()
    for name in lake.tables():
        scan = lake.scan(name)
        for part in scan.files:
            rows = pq.read_table(part, columns=["_id", RECORD]) if RECORD in scan.schema.names else None
            if rows is not None:
                ids |= set(rows.filter(pc.is_in(pc.cast(rows[RECORD], pa.int64()), truth))["_id"].to_pylist())
    return ids


def captures(stack: Haystack, names: Sequence[str]) -> dict[str, Judged]:
    """Every analytic on the folds' events that no label names."""
    parts: dict[str, list[Judged]] = {}
    for fold in stack.built("clean"):
        base, hunted = stack.lake("clean", fold, "baseline"), stack.lake("clean", fold, "hunt")
        store = BaselineStore(base)
        if NAME not in store.names():
            learn([], base, NAME)
        known = dict(store.load(NAME).analytics)
        for name, part in judged(hunted, known, names, labelled(hunted, fold)):
            parts.setdefault(name, []).append(part)
            print(f"{fold.name}, {name}: {len(part.p):,} units", flush=True)
    return {
        n: Judged(*(np.concatenate([getattr(p, c) for p in own]) for c in ("p", "day"))) for n, own in parts.items()
    }


def company(home: Path, hosts: int, days: int, seed: int) -> Lake:
    """A lake of a quiet company, made where it is missing."""
    lake = Lake.open(home, create=True)
    if not (home / "whole").exists():
        for part in stamped(Company(hosts, days, seed, intrusion=False, stationary=True)):
            lake.append(part)
        lake.compact()
        (home / "whole").touch()
    return lake


def simulated(work: Path, names: Sequence[str], hosts: int, days: int, seed: int) -> dict[str, Judged]:
    """Every analytic on the second half of a company's days, by the first."""
    lake = company(work / "company" / f"{hosts}-{days}-{seed}", hosts, days, seed)
    edge = datetime.combine(START + timedelta(days=days // 2), time(), UTC)
    store = BaselineStore(lake)
    if NAME not in store.names():
        learn([], lake, NAME, until=edge)
    return dict(judged(lake, dict(store.load(NAME).analytics), names, set(), since=edge))


def rows_of(what: str, found: dict[str, Judged]) -> Iterator[Row]:
    for name, one in found.items():
        if len(one.p) < FEW:
            yield Row(NAME, f"{name}, {what}: {len(one.p)} units", "too few to say")
            continue
        days = len(np.unique(one.day))
        for level in LEVELS if len(one.p) >= ENOUGH else LEVELS[:1]:
            rate, low, high, on = one.rate(level)
            says = f"{rate:.5f} ({low:.5f} to {high:.5f}), on {on}"
            which = f"rate of p <= {level:g}, {len(one.p):,} units on {days} host-days"
            yield Row(NAME, f"{name}, {what}: {which}", says, f"{level:g}", f"{rate / level:.2f}",
                      "level in the interval, or above it", low <= level)  # fmt: skip
        if what == "captures":
            mean = float(e_value(one.p).mean())
            yield Row(
                NAME, f"{name}, {what}: mean e-value", f"{mean:.3f}", "1", f"{mean:.2f}", f"<= {MOST_E}", mean <= MOST_E
            )


def run(argv: Sequence[str] | None = None) -> list[Row]:
    arguments = parser(__doc__)
    arguments.add_argument("--hosts", type=int, default=12)
    arguments.add_argument("--days", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=5)
    arguments.add_argument("--analytics")
    arguments.add_argument("--only", choices=("simulated", "captures"))
    chosen = arguments.parse_args(argv)
    names = asked(chosen.analytics)
    rows: list[Row] = []
    with opened(chosen) as stack:
        if chosen.only != "captures":
            rows += rows_of("simulated", simulated(stack.work, names, chosen.hosts, chosen.days, chosen.seed))
        if chosen.only != "simulated":
            rows += rows_of("captures", captures(stack, names))
    return rows


if __name__ == "__main__":
    raise SystemExit(shown(run()))
