"""One Microsoft task altered for minutes on few servers, among a month of the Task Scheduler's events of a hundred.

    python -m benchmarks tasks [--only SEED …] [--work DIR] [--peers NAME …] [--hunts N]

Each line of tasks_grid.yaml is simulated, written into a lake and looked at by the analytic `gold_image` as a hunt
without a baseline does: either half of the days by what the other half holds. An attack's rank is one more than the
tasks (by full name) of which anything else scored at least as high as the attack's best. Beside it, on the same
events: least frequency of occurrence (of task and action, over servers), an isolation forest, a shallow autoencoder
and an LSTM autoencoder on label-encoded columns, by the z-score of their reconstruction error. The LSTM needs keras.
`--hunts N`: of the first N lines, the place of the first finding of the whole hunt that holds an event of the attack.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.common import Floats, Row, shown
from benchmarks.tasks_simulated import DAY, DAYS, START, grid, simulate

NAME = "tasks"
ASKED = 0.9  # share of the grid in which the attack is to be first
COLUMNS = ("Computer", "EventID", "TaskName", "UserContext", "UserName", "ActionName", "Path", "ResultCode")
TRAINED = 20_000  # events that networks learn from
STEPS, UNITS, EPOCHS = 10, 50, 5  # of the LSTM: events of one sequence, units of a layer, times that it sees them
Bools = np.ndarray


@dataclass(frozen=True)
class Month:
    """A lake with one line of the grid: its events and which of them are the attack's."""

    setting: Mapping[str, Any]
    lake: Path
    events: pa.Table
    attack: Bools

    @property
    def tasks(self) -> np.ndarray:
        return np.array(self.events["TaskName"].to_pylist(), dtype=object)


def month(setting: Mapping[str, Any], work: Path) -> Month:
    """The lake of a line; made where it is not there yet."""
    from vizsla.engines import connect
    from vizsla.lake import Lake

    root = work / str(setting["seed"])
    truth = root / "truth.json"
    if not truth.exists():
        shutil.rmtree(root, ignore_errors=True)
        made = simulate(setting)
        Lake.open(root, create=True).append({name: [batch] for name, batch in made.tables.items()})
        truth.write_text(json.dumps({"task": made.task, "altered": made.altered}))
    told = json.loads(truth.read_text())
    lake = Lake.open(root)
    with connect("duckdb") as engine:
        parts = []
        for name in lake.tables():
            seen = engine.table(lake.scan(name))
            missing = [c for c in COLUMNS if c not in seen.columns]
            parts.append(
                engine.collect(seen.select("_id", "_time", "_host", *(c for c in COLUMNS if c not in missing)))
            )
    events = pa.concat_tables(parts, promote_options="default").sort_by([("_time", "ascending"), ("_id", "ascending")])
    return Month(setting, root, events, _attack(events, told))


def _attack(events: pa.Table, truth: Mapping[str, Any]) -> Bools:
    seconds = events["_time"].cast(pa.int64()).to_numpy() / 1e6
    hosts = np.array(events["_host"].to_pylist(), dtype=object)
    own = np.array(events["TaskName"].to_pylist(), dtype=object) == truth["task"]
    found = np.zeros(len(own), np.bool_)
    for host, begin, end in truth["altered"]:
        found |= own & (hosts == host) & (seconds >= begin) & (seconds <= end)
    return found


def rank(scores: Floats, tasks: np.ndarray, attack: Bools) -> float:
    """One more than the tasks of which anything but the attack scores more; those that score the same count half."""
    known = np.isfinite(scores)
    best = scores[attack & known].max(initial=-np.inf)
    if not np.isfinite(best):
        return float("inf")
    most: dict[str, float] = {}
    for task, score in zip(tasks[known & ~attack], scores[known & ~attack], strict=True):
        most[task] = max(most.get(task, -np.inf), score)
    others = np.array(list(most.values()))
    return float(1 + (others > best).sum() + (others == best).sum() / 2)


def ours(one: Month) -> Floats:
    """Bits of the observation that each event stands for; NaN for those that stand for none."""
    from vizsla.analytics.gold_image import ANALYTIC
    from vizsla.engines import connect
    from vizsla.hunt.observed import observe
    from vizsla.hunt.scope import scans_of
    from vizsla.lake import Lake

    edge = datetime.fromtimestamp(START + DAYS * DAY // 2, UTC)
    scores: dict[str, float] = {}
    wanted = set(one.events.filter(pa.array(one.attack))["_id"].to_pylist())
    with connect("duckdb") as engine:
        scans = scans_of(Lake.open(one.lake), engine)
        halves = [replace(scan, until=edge) for scan in scans], [replace(scan, since=edge) for scan in scans]
        for half, other in (halves, halves[::-1]):
            seen = observe(engine, half, ANALYTIC, ANALYTIC.learn(engine, other))
            for ids, score in zip(seen["event_ids"].to_pylist(), seen["score"].to_pylist(), strict=True):
                for name in [name for name in ids if name in wanted] or ids:  # of one observation, the attack's own
                    scores[name] = max(scores.get(name, -np.inf), score)
    return np.array([scores.get(name, np.nan) for name in one.events["_id"].to_pylist()])


def frequency(one: Month) -> Floats:
    """Least frequency of occurrence: minus the number of servers with this task and this action."""
    rows = one.events.select(["_host", "TaskName", "ActionName"])
    counted = rows.filter(pc.is_valid(rows["ActionName"])).group_by(["TaskName", "ActionName"])
    counted = counted.aggregate([("_host", "count_distinct")])
    of = {(t, a): n for t, a, n in zip(*(counted[c].to_pylist() for c in counted.column_names), strict=True)}
    pairs = zip(rows["TaskName"].to_pylist(), rows["ActionName"].to_pylist(), strict=True)
    return np.array([-float(of[pair]) if pair in of else np.nan for pair in pairs])


def encoded(one: Month) -> tuple[Floats, np.ndarray]:
    """Distinct rows of label-encoded columns, scaled; and the row of each event.

    By mean and deviation: between 0 and 1, as the series' library has it, both autoencoders did worse.
    """
    columns = []
    for name in COLUMNS:
        values = pc.fill_null(one.events[name], "").combine_chunks().dictionary_encode()
        order = np.argsort(np.argsort(np.array(values.dictionary.to_pylist(), dtype=object)))
        columns.append(order[values.indices.to_numpy()])
    rows, of = np.unique(np.stack(columns, 1), axis=0, return_inverse=True)
    of = of.reshape(-1)
    count = np.bincount(of)
    mean = np.average(rows, axis=0, weights=count)
    spread = np.sqrt(np.average((rows - mean) ** 2, axis=0, weights=count))
    return (rows - mean) / np.maximum(spread, 1e-9), of


def forest(one: Month) -> Floats:
    """scikit-learn's isolation forest on the encoded events."""
    from sklearn.ensemble import IsolationForest

    rows, of = encoded(one)
    chance = np.random.default_rng(0)
    fitted = IsolationForest(n_estimators=100, random_state=0).fit(rows[chance.choice(of, TRAINED, replace=False)])
    return np.asarray(-fitted.score_samples(rows))[of]


def autoencoder(one: Month) -> Floats:
    """One hidden layer of half as many units as columns; the z-score of the squared error of reconstruction."""
    from sklearn.neural_network import MLPRegressor

    rows, of = encoded(one)
    sample = rows[np.random.default_rng(0).choice(of, TRAINED, replace=False)]
    fitted = MLPRegressor(hidden_layer_sizes=(len(COLUMNS) // 2,), activation="tanh", max_iter=40, random_state=0).fit(
        sample, sample
    )
    return _z(((fitted.predict(rows) - rows) ** 2).mean(axis=1)[of])


def lstm(one: Month) -> Floats:
    """Sequences of ten events of one server, through 50 units and back; the z-score of each event's squared error.

    Layers, loss and optimizer are those of the series' own library; its sequences of 200 and its training on every one
    of them are cut down to what takes a minute.
    """
    from vizsla.sequence.deep import keras as loaded

    keras = loaded()  # on jax, unless the environment names another
    rows, of = encoded(one)
    keras.utils.set_random_seed(0)
    hosts = np.array(one.events["_host"].to_pylist(), dtype=object)
    order = np.argsort(hosts, kind="stable")
    whole = order[: len(order) // STEPS * STEPS].reshape(-1, STEPS)
    size = rows.shape[1]
    model = keras.Sequential([
        keras.Input((STEPS, size)), keras.layers.LSTM(UNITS), keras.layers.RepeatVector(STEPS),
        keras.layers.LSTM(UNITS, return_sequences=True), keras.layers.TimeDistributed(keras.layers.Dense(size)),
    ])  # fmt: skip
    model.compile(optimizer="adam", loss="mae")
    data = rows[of[whole]].astype("float32")
    chosen = np.random.default_rng(0).choice(len(data), min(len(data), TRAINED // 2), replace=False)
    model.fit(data[chosen], data[chosen], epochs=EPOCHS, batch_size=128, verbose=0)
    error = ((model.predict(data, batch_size=1024, verbose=0) - data) ** 2).mean(axis=2)
    scores = np.full(len(of), np.nan)
    scores[whole.reshape(-1)] = error.reshape(-1)
    return _z(scores)


def _z(values: Floats) -> Floats:
    return (values - np.nanmean(values)) / max(float(np.nanstd(values)), 1e-12)


PEERS: Mapping[str, Callable[[Month], Floats]] = {
    "frequency": frequency, "forest": forest, "autoencoder": autoencoder, "lstm": lstm,
}  # fmt: skip


def hunted(one: Month) -> int | None:
    """The place of the first finding of a whole hunt, without a baseline, that holds an event of the attack."""
    from vizsla.hunt import hunt
    from vizsla.nouns import HuntRequest

    wanted = set(one.events.filter(pa.array(one.attack))["_id"].to_pylist())
    result = hunt(HuntRequest(lake=str(one.lake), top=1000))
    for finding in result.findings:
        if any(event.id in wanted for evidence in finding.evidence for event in evidence.events):
            return finding.rank
    return None


def run(argv: Sequence[str] | None = None) -> list[Row]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=int, nargs="*", help="seeds of lines; default: all")
    parser.add_argument("--work", type=Path, help="where lakes are kept, or were")
    parser.add_argument("--peers", nargs="*", choices=tuple(PEERS), default=tuple(PEERS))
    parser.add_argument("--hunts", type=int, default=0)
    chosen = parser.parse_args(argv)
    settings = [s for s in grid() if not chosen.only or s["seed"] in chosen.only]
    missing = importlib.util.find_spec("keras") is None
    peers = [name for name in chosen.peers if not (missing and name == "lstm")]
    ranks: dict[str, list[float]] = {name: [] for name in ("ours", *peers, "hunt")}
    with tempfile.TemporaryDirectory(prefix="vizsla-tasks-") as scratch:
        for number, setting in enumerate(settings):
            began = time.monotonic()
            one = month(setting, chosen.work or Path(scratch))
            tasks = one.tasks
            for name in ("ours", *peers):
                scores = ours(one) if name == "ours" else PEERS[name](one)
                ranks[name].append(rank(scores, tasks, one.attack))
            if number < chosen.hunts:
                ranks["hunt"].append(float(hunted(one) or np.inf))
            said = ", ".join(f"{name} {found[-1]:g}" for name, found in ranks.items() if found)
            print(f"{setting['seed']}: {said}; {time.monotonic() - began:.0f} s", flush=True)
    if missing and "lstm" in chosen.peers:
        print("the LSTM autoencoder was not run: keras is not installed (pip install 'vizsla[deep]')", flush=True)
    _worst(settings, ranks["ours"])
    return _rows(ranks, peers)


def _worst(settings: Sequence[Mapping[str, Any]], ranks: Sequence[float]) -> None:
    """The worst tenth, with their settings."""
    order = np.argsort(-np.array(ranks), kind="stable")[: max(1, len(ranks) // 10)]
    for place in order:
        print(f"worst: rank {ranks[place]:g} with {json.dumps(settings[place])}", flush=True)


def _rows(ranks: Mapping[str, Sequence[float]], peers: Sequence[str]) -> list[Row]:
    """First places and medians, ours beside each peer's."""
    mine = np.array(ranks["ours"])
    share = float((mine == 1).mean())
    rows = [
        Row(
            NAME,
            f"altered task first, of {len(mine)} companies",
            f"{share:.2f}",
            asked=f">= {ASKED}",
            ok=share >= ASKED,
        )
    ]
    for name in peers:
        theirs = np.array(ranks[name])
        rows.append(
            Row(NAME, f"the same, and median rank, beside {name}", f"{share:.2f}, {np.median(mine):g}",
                f"{(theirs == 1).mean():.2f}, {np.median(theirs):g}")
        )  # fmt: skip
    if len(ranks["hunt"]):
        places = np.array(ranks["hunt"])
        rows.append(
            Row(NAME, f"first among the findings of the whole hunt, of {len(places)}", f"{(places == 1).mean():.2f}")
        )
    return rows


if __name__ == "__main__":
    raise SystemExit(shown(run()))
