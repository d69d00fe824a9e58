"""Every analytic learns and finds the same on Spark as on DuckDB; whichever it is, walking the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from deviation_samples import TUESDAY, lake_of
from vizsla.analytic import Analytic, Builtin, State
from vizsla.analytics import registry
from vizsla.analytics.rarity import model as rarity
from vizsla.baseline.states import checked
from vizsla.engine import Engine
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of
from vizsla.lake import Lake, Scan

pytestmark = [pytest.mark.spark, pytest.mark.slow]

WRITTEN = [one for one in registry().values() if isinstance(one, Analytic)]
TOLERATED = 1e-9  # of a score


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lake_of(tmp_path_factory.mktemp("company"))


@pytest.fixture(autouse=True)
def places(company: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIZSLA_GEOIP", str(company.root.parent / "places.csv"))


def halves(lake: Lake, engine: Engine) -> tuple[list[Scan], list[Scan]]:
    scans = scans_of(lake, engine)
    return [replace(scan, until=TUESDAY) for scan in scans], [replace(scan, since=TUESDAY) for scan in scans]


def run(analytic: Analytic, lake: Lake, engine: Engine) -> tuple[State | None, list[dict[str, Any]]]:
    """What it learnt, and what it observed by that, in a total order in which scores count last."""
    before, after = halves(lake, engine)
    state = checked(analytic.name, analytic.learn(engine, before))
    rows = observe(engine, after, analytic, state).to_pylist()
    return state, sorted(rows, key=lambda row: (repr(row | {"score": 0.0}), row["score"]))


def tells_of(state: Mapping[str, Any] | None) -> bool:
    """Whether anything was learnt."""
    found = (state or {}).values()
    return any(len(value) if isinstance(value, pa.Table | Sequence | Mapping) else value for value in found)


@pytest.mark.parametrize("analytic", WRITTEN, ids=lambda one: one.name)
def test_the_same_from_spark(analytic: Analytic, company: Lake, duckdb_engine: Engine, spark_engine: Engine) -> None:
    (learnt, here), (learnt_there, there) = (run(analytic, company, one) for one in (duckdb_engine, spark_engine))
    assert tells_of(learnt), "it learnt nothing: nothing was compared"
    # A second sentence and a second score: something was told of, beside what is usual.
    assert min(len({row[name] for row in here}) for name in ("score", "why")) > 1, "it tells nothing apart"
    assert learnt is not None
    assert learnt_there is not None
    assert learnt.keys() == learnt_there.keys()
    for name, value in learnt.items():
        same = value.equals(learnt_there[name]) if isinstance(value, pa.Table) else value == learnt_there[name]
        assert same, f"the engines learn another {name}"
    assert [row | {"score": 0.0} for row in there] == [row | {"score": 0.0} for row in here]
    apart = np.abs(np.array([row["score"] for row in there]) - np.array([row["score"] for row in here]))
    assert apart.max() <= TOLERATED


def test_rarity_is_the_same_from_spark(company: Lake, duckdb_engine: Engine, spark_engine: Engine) -> None:
    """Units by their key, with the events behind them; what a hunt says of them is tested on a cluster."""
    scored, events = [], []
    for engine in (duckdb_engine, spark_engine):
        before, after = (rarity.tally(engine, scans) for scans in halves(company, engine))
        units = rarity.scored(after.units, rarity.learn(before).model.score)
        kind = [units.kinds[place] for place in units.kind.tolist()]
        scored.append(dict(zip(units.key.tolist(), units.surprisal.tolist(), strict=True)))
        counted = (after.units[name]["n"][row] for name, row in zip(kind, units.row.tolist(), strict=True))
        events.append(dict(zip(units.key.tolist(), map(int, counted), strict=True)))
    assert len(set(scored[0].values())) > 1000
    assert events[0] == events[1]
    assert max(abs(scored[1][key] - bits) for key, bits in scored[0].items()) <= TOLERATED


def test_no_analytic_is_left_out() -> None:
    """Those that others wrote and rarity; rules and indicators are held together where they are matched."""
    hits = {name for name, one in registry().items() if isinstance(one, Builtin) and one.hits}
    assert {one.name for one in WRITTEN} | {"rarity"} == set(registry()) - hits
