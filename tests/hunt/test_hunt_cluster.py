"""The same hunt on DuckDB and on a real Spark cluster: the same findings, in the same order, of the same strength."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from spark_cluster import Cluster, running
from vizsla.engine import Engine
from vizsla.engines import connect
from vizsla.hunt import hunt, learn
from vizsla.ingest import ingest
from vizsla.lake import Lake
from vizsla.nouns import HuntRequest, HuntResult
from vizsla.simulate import Company, write

pytestmark = [pytest.mark.spark, pytest.mark.slow]
MANY = 100


@pytest.fixture(scope="module")
def cluster(java: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("spark")) as started:
        yield started


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> HuntRequest:
    """Two simulated days as a baseline, the third hunted in."""
    root = tmp_path_factory.mktemp("hunted")
    days = {"before": (Company(hosts=5, days=2, seed=5, start=date(2026, 3, 2), intrusion=False)),
            "after": (Company(hosts=5, days=1, seed=6, start=date(2026, 3, 4), intrusion=True))}  # fmt: skip
    for name, company in days.items():
        write(company, root / name)
        ingest([str(root / name)], Lake.open(root / f"lake-{name}", create=True))
    baseline = learn([], Lake.open(root / "lake-before"), "quiet").baseline
    folder = root / "lake-before" / "baselines" / "quiet" / str(baseline.version)
    # What the others of our analytics ask of Spark is tested with each of them.
    return HuntRequest(lake=str(root / "lake-after"), baseline=str(folder), analytics=("rarity",), top=150)


def with_engine(engine: Engine, request: HuntRequest) -> HuntResult:
    """A hunt on an engine that is open already, and stays so."""

    @contextmanager
    def opened(name: str, master: str | None = None) -> Iterator[Engine]:
        yield engine

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["vizsla.hunt.run"], "connect", opened)
        return hunt(request)


def test_a_cluster_finds_what_one_process_finds(asked: HuntRequest, cluster: Cluster) -> None:
    from pyspark import SparkContext

    here = hunt(asked)
    if SparkContext._active_spark_context is not None:
        SparkContext._active_spark_context.stop()  # another module's, on local threads
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", str(cluster.python))
        with connect("spark", cluster.master) as engine:
            there = with_engine(engine, asked)
            tasks = tasks_by_executor()
    assert len(here.findings) > MANY
    assert [f.id for f in there.findings] == [f.id for f in here.findings]
    assert [f.title for f in there.findings] == [f.title for f in here.findings]
    assert max(abs(a.bits - b.bits) for a, b in zip(here.findings, there.findings, strict=True)) < 1e-9
    events = [[[e.id for e in line.events] for line in f.evidence] for f in here.findings]
    assert [[[e.id for e in line.events] for line in f.evidence] for f in there.findings] == events
    assert len(tasks) == 2
    assert min(tasks.values()) > 0


def tasks_by_executor() -> dict[str, int]:
    """Tasks that each executor of the running Spark application has ended; the driver is none."""
    from pyspark import SparkContext

    listed = SparkContext._active_spark_context._jsc.sc().statusStore().executorList(False)
    found = (listed.apply(i) for i in range(listed.length()))
    return {e.id(): e.completedTasks() for e in found if e.id() != "driver"}


def test_the_cluster_reads_logs_as_processes_do(cluster: Cluster, asked: HuntRequest, tmp_path: Path) -> None:
    from pyspark import SparkContext

    logs = Path(asked.lake or "").parent / "after"
    here, there = Lake.open(tmp_path / "here", create=True), Lake.open(tmp_path / "there", create=True)
    ingest([str(logs)], here)
    if SparkContext._active_spark_context is not None:
        SparkContext._active_spark_context.stop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", str(cluster.python))
        with connect("spark", cluster.master) as engine:
            report = ingest([str(logs)], there, engine=engine)
    assert all(r.records == r.stored + r.known + r.rejected for r in report.readings)
    with connect("duckdb") as engine:
        for table in here.tables():
            ids = [
                set(engine.collect(engine.table(lake.scan(table)).select("_id"))["_id"].to_pylist())
                for lake in (here, there)
            ]
            assert ids[0] == ids[1]
