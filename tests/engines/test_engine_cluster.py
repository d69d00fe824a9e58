"""A real standalone cluster on loopback: one master, two workers, whose Python holds only PySpark's own needs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest
from engine_mappers import Count
from engine_samples import rows, scan_of

from spark_cluster import Cluster, running
from vizsla.engine import Engine
from vizsla.engines import _ship, connect
from vizsla.errors import EngineError

pytestmark = [pytest.mark.spark, pytest.mark.slow]
PLACE = pa.schema([("item", pa.string()), ("folder", pa.string()), ("python", pa.string()), ("has", pa.string())])


@dataclass(frozen=True)
class Place:
    """Where an item was taken: the executor's folder and Python, and what that Python lacks but Vizsla brought."""

    schema: pa.Schema = PLACE

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import evtx
        import orjson
        import xxhash
        import yaml

        import vizsla

        time.sleep(0.5)  # so that one executor alone cannot take all
        brought = " ".join(str(m.__file__) for m in (evtx, orjson, xxhash, yaml, vizsla))
        for batch in batches:
            row = [batch.column("item")[0].as_py(), str(Path.cwd()), sys.prefix, brought]
            yield pa.RecordBatch.from_arrays([pa.array([v]) for v in row], schema=self.schema)


@pytest.fixture(scope="module")
def cluster(java: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("spark")) as started:
        yield started


@pytest.fixture(scope="module")
def engine(cluster: Cluster) -> Iterator[Engine]:
    from pyspark import SparkContext

    if SparkContext._active_spark_context is not None:
        SparkContext._active_spark_context.stop()  # another module's, on local threads
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", str(cluster.python))
        with connect("spark", cluster.master) as opened:
            yield opened


def test_the_executors_python_is_bare(cluster):
    names = ("vizsla", "orjson", "evtx", "xxhash", "yaml")
    code = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"
    assert subprocess.run([cluster.python, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_spread_reaches_both_executors_and_brings_vizsla(engine, cluster):
    found = [r for b in engine.spread([f"item{n}" for n in range(12)], Place()) for r in b.to_pylist()]
    assert sorted(r["item"] for r in found) == sorted(f"item{n}" for n in range(12))
    assert {Path(r["python"]).resolve() for r in found} == {cluster.python.parent.parent.resolve()}
    assert len({r["folder"] for r in found}) == 2
    for row in found:
        assert len(row["has"].split()) == 5
        assert all("/vizsla-" in file for file in row["has"].split())


def test_map_counts_as_duckdb_does(engine, lake_table):
    counts: Counter[str] = Counter()
    for batch in engine.map(scan_of(lake_table), ["EventID"], Count("EventID")):
        for row in batch.to_pylist():
            counts[row["key"]] += row["n"]
    assert counts == Counter(r["EventID"] for r in rows())


def test_relational_work(engine, lake_table):
    table = engine.table(scan_of(lake_table))
    counted = engine.collect(table.group_by("_day").agg(n=table.count()).order_by("_day")).to_pylist()
    assert counted[0] == {"_day": "2026-01-01", "n": 24}
    assert counted[-1] == {"_day": "unknown", "n": 1}


@pytest.mark.parametrize(("what", "value"), [("python", "3.7"), ("platform", "plan9"), ("vizsla", "99")])
def test_an_executor_that_does_not_fit_is_named(engine, monkeypatch, what, value):
    fits = _ship.made_for()
    monkeypatch.setattr(_ship, "made_for", lambda: fits | {what: value})
    with pytest.raises(EngineError, match=rf"(?s){value}.*executor"):
        list(engine.spread(["a"], Place()))


def test_another_master_is_refused_while_one_runs(engine):
    with pytest.raises(EngineError, match="already runs Spark"):
        connect("spark", "local[3]")
