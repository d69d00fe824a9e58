"""Hosts' hours judged by all that was counted in them together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from logon_samples import MONDAY, lake_of, working_days
from vizsla.analytics.outlier import ANALYTIC
from vizsla.engine import Engine
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of
from vizsla.outlier.hours import COLUMNS, HOURS, SEEN, hours, observations


def of_hours(rows: list[tuple[str, int, dict[int, int]]]) -> pa.Table:
    """Hours as they are counted: host, hour, and counts by the feature's place."""
    listed = []
    for host, hour, counts in rows:
        row = {"host": host, "hour": hour, "n": 1 + sum(counts.values()), "first": hour * 3_600_000_000}
        row |= {name: counts.get(place, 0) for place, name in enumerate(COLUMNS)}
        for place, name in enumerate(COLUMNS):
            row |= {f"{name}_id": f"id{place}", f"{name}_table": "windows_sysmon"} if place in counts else {}
        listed.append(row)
    return pa.Table.from_pylist(listed, schema=SEEN)


def usual(host: str, days: int = 10, seed: int = 0) -> list[tuple[str, int, dict[int, int]]]:
    chance = np.random.default_rng(seed)
    return [(host, h, {0: int(chance.integers(2, 9)), 5: int(chance.integers(1, 6))}) for h in range(24 * days)]


def test_counts_are_those_of_the_lake(tmp_path: Path, duckdb_engine: Engine) -> None:
    lake = lake_of(tmp_path / "lake", working_days(MONDAY, 3))
    counted = hours(duckdb_engine, scans_of(lake, duckdb_engine))
    place = COLUMNS[2]  # accounts that log on
    assert counted.schema == HOURS
    assert set(counted[place].to_pylist()) == {1}
    assert len(counted) == len({(host, when.replace(minute=0)) for when, host, _ in working_days(MONDAY, 3)})


def test_much_of_everything_at_once_is_the_most_unusual_hour() -> None:
    learnt = of_hours(usual("a") + usual("b", seed=1)).select(HOURS.names)
    seen = of_hours([("a", 500, {0: 9, 5: 6}), ("a", 501, {0: 40, 5: 90, 2: 12}), ("b", 500, {0: 3, 5: 2})])
    found = observations(learnt, seen).to_pylist()
    scores = [row["score"] for row in found]
    assert int(np.argmax(scores)) == 1
    assert "12 accounts that log on (usual 0)" in found[1]["why"]
    assert found[1]["event_ids"] == ["id0", "id2", "id5"]
    assert found[1]["kind"] == "windows_sysmon"
    assert found[2]["event_ids"] == []


def test_less_than_usual_is_never_unusual() -> None:
    learnt = of_hours(usual("a") + usual("b", seed=1)).select(HOURS.names)
    seen = of_hours([("a", 500, {0: 1}), ("a", 501, {0: 5, 5: 3})])
    found = observations(learnt, seen).to_pylist()
    assert found[0]["score"] == 0.0
    assert found[0]["score"] <= found[1]["score"]


def test_a_new_host_is_held_against_all_others() -> None:
    learnt = of_hours(usual("a") + usual("b", seed=1)).select(HOURS.names)
    seen = of_hours([("new", 500, {0: 5, 5: 3}), ("new", 501, {0: 60, 5: 80})])
    found = observations(learnt, seen).to_pylist()
    assert found[1]["score"] > found[0]["score"]


def test_nothing_is_said_of_a_baseline_of_a_few_hours(tmp_path: Path, duckdb_engine: Engine) -> None:
    lake = lake_of(tmp_path / "lake", working_days(MONDAY, 1))
    scans = scans_of(lake, duckdb_engine)
    state = ANALYTIC.learn(duckdb_engine, scans[:0])
    found = observe(duckdb_engine, scans, ANALYTIC, state)
    assert len(found)
    assert set(found["score"].to_pylist()) == {0.0}


def test_scores_depend_on_no_other_hour() -> None:
    learnt = of_hours(usual("a") + usual("b", seed=1)).select(HOURS.names)
    rows = [*usual("a", 2, seed=3), ("a", 900, {0: 70, 5: 70})]
    whole = observations(learnt, of_hours(rows))["score"].to_pylist()
    alone = [observations(learnt, of_hours([row]))["score"][0].as_py() for row in rows]
    assert whole == alone
