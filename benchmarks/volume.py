"""Is what volume claims true, and does it find bursts, slow rises and silences sooner than what a hunter would take?

  python -m benchmarks volume [DATA] [--hosts N] [--days N] [--seed S] [--only calibration|power|real]

calibration  a stationary company without an intruder, learnt on its first days and hunted on its last: the share of
             hours with p <= 0.01 and 0.001, where p = 2^-bits (the model's own claim), and where p is the share of
             quiet hours at least as unusual, as a hunt takes it. Intervals by a bootstrap over whole host-days.
power        counts drawn from entities of many rhythms and rates, with bursts, rises and silences put in. A line is
             an entity's day, strongest unit first; found: among as many lines as were put in. Beside it a z-score by
             hour of day, a Poisson tail by hour of day, and an exponentially weighted moving average. With three
             days of history and with ninety, and with each burst left in the baseline once.
real         six weeks of a Linux server's log: learnt on the first half, hunted in the second. The lines that volume
             ranks first, and how many failed logons they hold beside the usual.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.stats import poisson

from benchmarks.common import Floats, Row, block_bootstrap, data, exit_code, hosted, table
from vizsla.calibration import Tail
from vizsla.simulate import Company
from vizsla.volume.counting import cells
from vizsla.volume.hours import habits
from vizsla.volume.known import Known, calendar_of, known
from vizsla.volume.measures import measures
from vizsla.volume.models import DAY, Cells, fitted, zeros
from vizsla.volume.silence import at_risk, quiet
from vizsla.volume.tails import both

NAME = "volume"
LEVELS = (0.01, 0.001)
AT_ONCE = 4  # days of the company counted together
ENTITIES, HUNTED, PUT_IN = 60, 7, 20
FIRST = 20_003  # a Monday


# ---------------------------------------------------------------- calibration


def counted(hosts: int, days: int, seed: int) -> pa.Table:
    """The hours of a quiet company, counted a few days at a time."""
    parts: list[pa.Table] = []
    held: dict[str, list[pa.RecordBatch]] = {}

    def count() -> None:
        tables = {name: pa.Table.from_batches(batches) for name, batches in held.items()}
        parts.append(cells(_Engine(tables), _scans(tables), measures(), told=True))  # type: ignore[arg-type]
        held.clear()

    last = 0
    for chunk in Company(hosts, days, seed, intrusion=False, stationary=True).chunks():
        if chunk.day != last and chunk.day % AT_ONCE == 0:
            count()
        last = chunk.day
        held.setdefault(chunk.table, []).append(_stamped(chunk.events, chunk.host.fqdn.lower()))
    count()
    return pa.concat_tables(parts)


def _stamped(events: pa.RecordBatch, host: str) -> pa.RecordBatch:
    """Events with the columns of ours that counting asks for."""
    events = hosted(events, host)
    return events.append_column("_id", pa.repeat(pa.scalar("0" * 32), events.num_rows))


def _scans(tables: dict[str, pa.Table]) -> list[Any]:
    from vizsla.lake import Scan

    return [Scan(name, (name,), held.schema, 0, len(held)) for name, held in sorted(tables.items())]


class _Engine:
    """DuckDB over tables in memory."""

    def __init__(self, tables: dict[str, pa.Table]) -> None:
        from vizsla.engines.duckdb import DuckDB

        self.engine = DuckDB()
        for name, held in tables.items():
            self.engine.define(name, held)

    def table(self, scan: Any) -> Any:
        return self.engine._ibis.table(scan.table).select(*scan.schema.names)

    def collect(self, expression: Any) -> pa.Table:
        return self.engine.collect(expression)


def _bits(before: Known, own: pa.Table) -> Floats:
    """What the analytic makes of hours: the stronger of how much and when."""
    these = before.cells(own)
    much, when = before.bits_hourly(these), before.bits_habits(these)
    return much if when is None else both(much, when)


def _judged(learn: pa.Table, judge: pa.Table) -> Iterator[tuple[str, Floats, pa.Table]]:
    calendar = calendar_of(learn)
    for measure in measures():
        own = judge.filter(pc.equal(judge["measure"], measure.key)).combine_chunks()
        if len(own):
            before = learn.filter(pc.equal(learn["measure"], measure.key))
            yield measure.key, _bits(known(before, measure, calendar), own), own


def calibration(hosts: int, days: int, seed: int) -> list[Row]:
    whole = counted(hosts, days, seed)
    day = whole["hour"].to_numpy() // DAY
    cut, middle = day.min() + days * 2 // 3, day.min() + days // 3
    base, hunted = whole.filter(pa.array(day < cut)), whole.filter(pa.array(day >= cut))
    early, late = whole.filter(pa.array(day < middle)), whole.filter(pa.array((day >= middle) & (day < cut)))
    reference = Tail.of(
        np.concatenate([bits for a, b in ((early, late), (late, early)) for _, bits, _ in _judged(a, b)])
    )
    parts = list(_judged(base, hunted))
    bits = np.concatenate([part for _, part, _ in parts])
    place = _host_days(pa.concat_tables([own for _, _, own in parts]))
    rows = []
    for level in LEVELS:
        for what, below in (
            ("its own claim", bits >= -np.log2(level)),
            ("as a hunt claims", reference.p(bits) <= level),
        ):
            rate, low, high = block_bootstrap(np.bincount(place, below), np.bincount(place).astype(np.float64))
            says = f"{rate:.5f} ({low:.5f} to {high:.5f})"
            units = f"{len(bits):,} hours on {place.max() + 1} host-days"
            held = low <= level
            rows.append(Row(NAME, f"rate of p <= {level:g}, {what}, {units}", says, f"{level:g}", f"{rate / level:.2f}",
                            "not above, within the interval", bool(held)))  # fmt: skip
        worst = sorted(parts, key=lambda part: -float((part[1] >= -np.log2(level)).sum()))[:5]
        print(
            f"{level:g}: " + ", ".join(f"{n} {(b >= -np.log2(level)).sum()} of {len(b)}" for n, b, _ in worst),
            flush=True,
        )
    return rows


def _host_days(own: pa.Table) -> np.ndarray:
    host = own["host"].combine_chunks().dictionary_encode().indices.to_numpy()
    _, place = np.unique(host * 2**24 + own["hour"].to_numpy() // DAY, return_inverse=True)
    return np.asarray(place)


# ---------------------------------------------------------------------- power


@dataclass(frozen=True)
class Made:
    """Counts by entity, day and hour; `truth`: entity and day of what was put in."""

    history: np.ndarray
    hunted: np.ndarray
    truth: np.ndarray


def rhythms(chance: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """By entity and hour the mean, and by entity the overdispersion: people, services, nightly jobs, rare things."""
    rate = chance.lognormal(1.5, 1.3, ENTITIES)
    hour = np.arange(24)
    kinds = [np.where((hour >= 8) & (hour < 18), 2.0, 0.05), np.ones(24), np.where(hour == 2, 20.0, 0.3),
             np.full(24, 0.05)]  # fmt: skip
    shape = np.stack([kinds[k] for k in chance.choice(4, ENTITIES, p=[0.5, 0.25, 0.15, 0.1])])
    return rate[:, None] * shape, chance.choice([0.05, 0.3, 1.0], ENTITIES)


def drawn(mean: np.ndarray, spread: np.ndarray, days: int, chance: np.random.Generator) -> np.ndarray:
    """Counts of so many days, each hour overdispersed by itself, each day a little."""
    level = chance.lognormal(0, 0.2, (len(mean), days, 1))
    shaken = chance.gamma(1 / spread[:, None, None], spread[:, None, None], (len(mean), days, 24))
    return chance.poisson(mean[:, None, :] * level * shaken).astype(np.float64)


def burst(counts: np.ndarray, mean: np.ndarray, at: np.ndarray, chance: np.random.Generator) -> None:
    """Six times an active hour's count and ten more, in one hour of the day."""
    for entity, day in at:
        hour = chance.integers(24)
        counts[entity, day, hour] += np.ceil(6 * mean[entity].mean()) + 10


def small_burst(counts: np.ndarray, mean: np.ndarray, at: np.ndarray, chance: np.random.Generator) -> None:
    """What is usual at the busiest hour, and three more, at the quietest."""
    for entity, day in at:
        counts[entity, day, np.argmin(mean[entity])] += np.ceil(mean[entity].max()) + 3


def rise(counts: np.ndarray, mean: np.ndarray, at: np.ndarray, chance: np.random.Generator) -> None:
    """The whole day twice as much, and one more every hour."""
    for entity, day in at:
        counts[entity, day] += chance.poisson(mean[entity] + 1)


Put = Callable[[np.ndarray, np.ndarray, np.ndarray, np.random.Generator], None]


def made(put: Put, days: int, seed: int, dirty: bool = False) -> Made:
    chance = np.random.default_rng(seed)
    mean, spread = rhythms(chance)
    history, hunted = (drawn(mean, spread, n, chance) for n in (days, HUNTED))
    at = np.stack([chance.permutation(ENTITIES)[:PUT_IN], chance.integers(0, HUNTED, PUT_IN)], axis=1)
    put(hunted, mean, at, chance)
    if dirty:
        put(history, mean, np.stack([at[:, 0], chance.integers(0, days, PUT_IN)], axis=1), chance)
    truth = np.zeros((ENTITIES, HUNTED), dtype=bool)
    truth[at[:, 0], at[:, 1]] = True
    return Made(history, hunted, truth)


def as_cells(counts: np.ndarray, first: int) -> Cells:
    entity, day, hour = (axis.ravel() for axis in np.indices(counts.shape))
    some = counts.ravel() > 0
    return Cells(entity, entity * 0, (first + day) * DAY + hour, counts.ravel()).at(some)


def by_day(bits: Floats, these: Cells) -> np.ndarray:
    best = np.zeros((ENTITIES, HUNTED))
    np.maximum.at(best, (these.entity, these.hour // DAY - FIRST), bits)
    return best


def ours(data: Made) -> np.ndarray:
    before, now = as_cells(data.history, FIRST - data.history.shape[1]), as_cells(data.hunted, FIRST)
    days = np.repeat(np.bincount((np.arange(FIRST - data.history.shape[1], FIRST) + 3) % 7, minlength=7)[None] * 1.0,
                     ENTITIES, axis=0)  # fmt: skip
    peers = np.zeros(ENTITIES, np.int64)
    much = fitted(before, ENTITIES, without=zeros(before, peers, days)).bits(now)
    when = habits(before, ENTITIES).bits(now)
    hourly = by_day(both(much, when), now)
    sums, past = now.by_day(), before.by_day()
    model = fitted(past, ENTITIES, daily=True, without=zeros(past, peers, days, daily=True))
    daily = by_day(model.bits(sums), sums)
    return np.maximum(hourly, daily)


def z_score(data: Made) -> np.ndarray:
    mean, sd = data.history.mean(axis=1), np.maximum(data.history.std(axis=1), 0.5)
    return np.asarray(((data.hunted - mean[:, None]) / sd[:, None]).max(axis=2))


def poisson_tail(data: Made) -> np.ndarray:
    mean = np.maximum(data.history.mean(axis=1), 1 / data.history.shape[1])
    return np.asarray((-poisson.logsf(data.hunted - 1, mean[:, None, :])).max(axis=2))


def ewma(data: Made, share: float = 0.3) -> np.ndarray:
    flat, now = (counts.reshape(ENTITIES, -1) for counts in (data.history, data.hunted))

    def smooth(values: np.ndarray) -> np.ndarray:
        found, level = np.zeros_like(values), values[:, 0]
        for i in range(values.shape[1]):
            level = share * values[:, i] + (1 - share) * level
            found[:, i] = level
        return found

    before = smooth(flat)
    away = (smooth(now) - before.mean(axis=1, keepdims=True)) / np.maximum(before.std(axis=1, keepdims=True), 0.5)
    return np.asarray(away.reshape(ENTITIES, HUNTED, 24).max(axis=2))


def found(score: np.ndarray, truth: np.ndarray) -> float:
    """The share of what was put in among as many lines as were put in; ties at their worst."""
    order = np.lexsort((truth.ravel(), -np.round(score.ravel(), 9)))
    return float(truth.ravel()[order[: int(truth.sum())]].mean())


RANKERS: dict[str, Callable[[Made], np.ndarray]] = {
    "ours": ours, "z-score by hour": z_score, "Poisson by hour": poisson_tail, "EWMA": ewma,
}  # fmt: skip


def power(seeds: int = 10) -> list[Row]:
    rows = []
    puts: tuple[tuple[str, Put, bool], ...] = (
        ("bursts", burst, False), ("the busy hour's count at the quietest", small_burst, False),
        ("a day twice as much", rise, False), ("bursts, each once in the baseline", burst, True),
    )  # fmt: skip
    for what, put, dirty in puts:
        for days in (3, 14, 90):
            shares = {name: [] for name in RANKERS}  # type: dict[str, list[float]]
            for seed in range(seeds):
                data = made(put, days, seed, dirty)
                for name, ranker in RANKERS.items():
                    shares[name].append(found(ranker(data), data.truth))
            mean = {name: float(np.mean(values)) for name, values in shares.items()}
            best = max(value for name, value in mean.items() if name != "ours")
            others = ", ".join(f"{name} {value:.2f}" for name, value in mean.items() if name != "ours")
            says, ratio = f"{mean['ours']:.2f}", f"{mean['ours'] / max(best, 1e-9):.2f}"
            holds = mean["ours"] >= best
            title = f"{what}: found, {days} days of history"
            rows.append(Row(NAME, title, says, others, ratio, "not below the best", holds))
    return rows + [silences(days, seeds) for days in (3, 14, 90)]


def silences(days: int, seeds: int) -> Row:
    """Tables of hosts that fall silent for three hours of a day, among many that are silent often."""
    ours_, peers = [], []
    for seed in range(seeds):
        chance = np.random.default_rng(seed)
        hosts, tables = 12, 5
        entities = hosts * tables
        rate = chance.choice([0.3, 2.0, 20.0], entities)
        mean = np.repeat(rate[:, None], 24, axis=1)
        history, hunted = (drawn(mean, np.full(entities, 0.3), n, chance) for n in (days, HUNTED))
        chatty = np.flatnonzero(rate > 2)
        at = np.stack([chance.permutation(chatty)[:8], chance.integers(0, HUNTED, 8)], axis=1)
        for entity, day in at:
            begin = chance.integers(2, 19)
            hunted[entity, day, begin : begin + 3] = 0
        truth = np.zeros((entities, HUNTED), dtype=bool)
        truth[at[:, 0], at[:, 1]] = True
        own_host, peer = np.arange(entities) // tables, np.arange(entities) % tables
        before, now = as_cells(history, FIRST - days), as_cells(hunted, FIRST)
        learnt = quiet(before, own_host[before.entity], own_host, peer)
        silent, _ = at_risk(now, own_host[now.entity], own_host, learnt.begun)
        score = np.zeros((entities, HUNTED))
        np.maximum.at(score, (silent.entity, silent.hour // DAY - FIRST), learnt.bits(silent.entity, silent.hour))
        ours_.append(found(score, truth))
        centre, sd = history.mean(axis=1), np.maximum(history.std(axis=1), 0.5)
        inner = np.s_[:, :, 1:-1]
        peers.append(found(((centre[:, None] - hunted) / sd[:, None])[inner].max(axis=2), truth))
    one, other = float(np.mean(ours_)), float(np.mean(peers))
    return Row(NAME, f"logs silent for three hours: found, {days} days of history", f"{one:.2f}",
               f"z-score by hour {other:.2f}", f"{one / max(other, 1e-9):.2f}", "not below", one >= other)  # fmt: skip


# ----------------------------------------------------------------------- real


def real(folder: Path) -> list[Row]:
    from vizsla.analytics.volume import ANALYTIC
    from vizsla.engines import connect
    from vizsla.hunt.observed import observe
    from vizsla.hunt.scope import scans_of
    from vizsla.ingest import ingest
    from vizsla.lake import Lake

    with tempfile.TemporaryDirectory(prefix="vizsla-volume-") as scratch, connect("duckdb") as engine:
        lake = Lake.open(Path(scratch) / "lake", create=True)
        ingest([str(folder / "syslog" / "linux_2k.log")], lake, engine=engine)
        whole = ANALYTIC.learn(engine, scans_of(lake, engine))
        assert whole is not None
        hours = whole["cells"]["hour"].to_numpy()
        edge = datetime.fromtimestamp(int(np.unique(hours // DAY)[len(np.unique(hours // DAY)) // 2]) * 86400, UTC)
        state = ANALYTIC.learn(engine, scans_of(lake, engine, until=edge))
        seen = observe(engine, scans_of(lake, engine, since=edge), ANALYTIC, state).sort_by([("score", "descending")])
        top = seen.slice(0, 10).to_pylist()
        for row in top:
            print(f"{row['score']:.1f} {row['_time']:%Y-%m-%d %H:%M} {row['why']}")
        failed = sum("failed" in row["why"] for row in top)
        bits = seen["score"].to_numpy()
        return [
            Row(NAME, f"a Linux server's log, second half: of the first ten of {len(seen):,} lines, failed logons",
                str(failed), "", "", "reported"),
            Row(NAME, "its rate of p <= 0.01, its own claim", f"{(bits >= -np.log2(0.01)).mean():.4f}", "0.01"),
        ]  # fmt: skip


def run(argv: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?", default=data())
    parser.add_argument("--hosts", type=int, default=16)
    parser.add_argument("--days", type=int, default=18)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--only", choices=("calibration", "power", "real"))
    chosen = parser.parse_args(argv)
    rows = power() if chosen.only in (None, "power") else []
    rows += real(chosen.data) if chosen.only in (None, "real") else []
    return rows + (calibration(chosen.hosts, chosen.days, chosen.seed) if chosen.only in (None, "calibration") else [])


def main(argv: Sequence[str] | None = None) -> int:
    rows = run(argv)
    print(table(rows))
    return exit_code(rows)
