"""Opening a Spark session: what must be there, quietly, and clear words where it is not."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vizsla.errors import EngineError

WAIT = 5.0  # seconds to wait for a master's port to answer
SQL = {  # of the session, whoever's server it is
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.caseSensitive": "true",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "65536",
    "spark.sql.ansi.enabled": "false",
}


def open_session(master: str) -> tuple[Any, bool, bool]:
    """A session for the master URL, whether it is a Connect session, and whether it is ours to stop."""
    try:
        import pyspark  # noqa: F401
    except ImportError as error:
        raise EngineError("PySpark is not installed", fix="pip install 'vizsla[spark]'") from error
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    kind = master.partition("://")[0]
    if kind in ("spark", "sc"):
        _answering(master)
    session, owned = _connect(master) if kind == "sc" else _classic(master)
    for key, value in SQL.items():
        session.conf.set(key, value)
    return session, kind == "sc", owned


def _answering(master: str) -> None:
    """Raises where nobody listens at the master's address: Spark itself would try for minutes."""
    first = urlsplit(master.split(",")[0])
    host, port = first.hostname or "", first.port or (15002 if first.scheme == "sc" else 7077)
    try:
        socket.create_connection((host, port), WAIT).close()
    except OSError as error:
        raise EngineError(
            f"no Spark answers at {master}: {error}", fix="start it, or give --master local[*] to run Spark here"
        ) from error


def _connect(master: str) -> tuple[Any, bool]:
    try:
        from pyspark.sql.connect.session import SparkSession
    except ImportError as error:
        raise EngineError(f"Spark Connect lacks a package: {error}", fix="pip install 'vizsla[spark]'") from error
    from pyspark.errors import PySparkException

    try:
        return SparkSession.builder.remote(master).create(), True
    except PySparkException as error:
        raise EngineError(f"Spark Connect at {master} refused: {error}") from error


def _classic(master: str) -> tuple[Any, bool]:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    running = SparkContext._active_spark_context
    if running is not None:
        if running.master != master and master != "local[*]":
            raise EngineError(
                f"this process already runs Spark on {running.master}", fix="stop that session first, or use its master"
            )
        return SparkSession(running).newSession(), False
    if not _java():
        raise EngineError(
            "Spark needs Java, and none was found", fix="install a Java runtime (17 or 21), or set JAVA_HOME to one"
        )
    if master.startswith("local"):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    return SparkSession(_context(master)), True


def _java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return bool(home and (Path(home) / "bin" / "java").exists()) or shutil.which("java") is not None


def _context(master: str) -> Any:
    from pyspark import SparkConf, SparkContext
    from pyspark.errors import PySparkException

    py4j: Any = importlib.import_module("py4j.protocol")
    java: Any = importlib.import_module("pyspark.java_gateway")

    conf = SparkConf().setAppName("vizsla").setMaster(master)
    defaults = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.driver.memory": "2g",
        "spark.driver.maxResultSize": "0",
    }
    if master.startswith("local") or urlsplit(master).hostname in ("127.0.0.1", "localhost"):
        defaults |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
        defaults |= {"spark.sql.shuffle.partitions": "16"}
    for key, value in defaults.items():
        conf.setIfMissing(key, value)
    # Java's and Spark's own words go to a file, which is shown where they could not start.
    with tempfile.NamedTemporaryFile("w+", prefix="vizsla-spark-", suffix=".log", delete=False) as log:
        try:
            if SparkContext._gateway is None:
                gateway = java.launch_gateway(conf, {"stdout": log, "stderr": log})
                return SparkContext(conf=conf, gateway=gateway)
            return SparkContext(conf=conf)
        except (PySparkException, py4j.Py4JError, OSError) as error:
            log.seek(0)
            said = "".join(log.readlines()[-5:]).strip()
            raise EngineError(
                f"Spark did not start on {master}: {str(error).splitlines()[0]}", where=log.name, fix=said
            ) from error
