"""Spark Connect: the same engine through a server of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_mappers import Count, Where
from engine_samples import moment, rows, scan_of

from vizsla.engine import Engine
from vizsla.engines import connect
from vizsla.errors import EngineError

pytestmark = [pytest.mark.spark, pytest.mark.slow]


@pytest.fixture(scope="module")
def engine(java: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    import pyspark

    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    root = tmp_path_factory.mktemp("connect")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SPARK"))}
    env |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    settings = {"spark.connect.grpc.binding.port": port, "spark.ui.enabled": "false", "spark.driver.memory": "1g"}
    command = [str(Path(pyspark.__file__).parent / "bin" / "spark-submit")]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "--master", "local[2]"]
    command += [part for key, value in settings.items() for part in ("--conf", f"{key}={value}")]
    with (root / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "spark-internal"], env=env, stdout=log, stderr=log, cwd=root, start_new_session=True
        )
        try:
            await_port(port, server, root / "log")
            with connect("spark", f"sc://127.0.0.1:{port}") as opened:
                yield opened
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(timeout=30)


def await_port(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.5)
    pytest.fail(f"the Spark Connect server did not start: {log.read_text()[-2000:]}")


def test_relational_work(engine, lake_table):
    table = engine.table(scan_of(lake_table, since=moment(1, 12)))
    counted = engine.collect(table.group_by("_day").agg(n=table.count()).order_by("_day")).to_pylist()
    assert counted == [{"_day": f"2026-01-0{d}", "n": n} for d, n in ((1, 12), (2, 24), (3, 24))]
    assert sum(b.num_rows for b in engine.batches(table)) == 60


def test_map_and_spread(engine, lake_table):
    counts: Counter[str] = Counter()
    for batch in engine.map(scan_of(lake_table), ["EventID"], Count("EventID")):
        for row in batch.to_pylist():
            counts[row["key"]] += row["n"]
    assert counts == Counter(r["EventID"] for r in rows())
    found = [r for b in engine.spread(list("abcdef"), Where()) for r in b.to_pylist()]
    assert sorted(r["item"] for r in found) == list("abcdef")
    assert os.getpid() not in {r["pid"] for r in found}


def test_nobody_listens():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with pytest.raises(EngineError, match="no Spark answers"):
        connect("spark", f"sc://127.0.0.1:{port}")
