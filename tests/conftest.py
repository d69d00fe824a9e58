"""What all tests share."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from analytic_samples import Install
    from vizsla.engine import Engine

# The same examples at every run: a change is not red for what another one broke. `HYPOTHESIS_PROFILE=explore` draws new
# ones; what it finds becomes an `@example`.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The public data sets: VIZSLA_REAL_DATA, or `../shared/data` beside the project.

    Skips where they are missing; fails instead where VIZSLA_REQUIRE_REAL_DATA=1.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("VIZSLA_REAL_DATA") or beside)
    if folder.is_dir():
        return folder
    message = f"the public data sets are not in {folder}: set VIZSLA_REAL_DATA to where they are"
    if os.environ.get("VIZSLA_REQUIRE_REAL_DATA") == "1":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(autouse=True)
def nothing_of_other_tests() -> Iterator[None]:
    """What a test's lake made known of its mappings, or of ATT&CK, the next test does not know."""
    yield
    for name in ("vizsla.mappings", "vizsla.intel.attack"):
        if name in sys.modules:
            sys.modules[name].forget()


@pytest.fixture(scope="session")
def java() -> None:
    """Skips where Java or PySpark is missing; fails instead where VIZSLA_REQUIRE_SPARK=1."""
    pytest.importorskip("pyspark", reason="PySpark is not installed: pip install 'vizsla[spark]'")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        message = "Java is missing: the Spark tests need a Java runtime"
        if os.environ.get("VIZSLA_REQUIRE_SPARK") == "1":
            pytest.fail(message)
        pytest.skip(message)


@pytest.fixture(scope="session")
def duckdb_engine() -> Iterator[Engine]:
    """DuckDB in this process."""
    from vizsla.engines import connect

    with connect("duckdb") as engine:
        yield engine


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`installed(analytic, …)`: from now on these and rarity are all the analytics that there are."""
    from analytic_samples import installing

    yield from installing(monkeypatch)


@pytest.fixture(scope="module")
def rarity_alone() -> Iterator[None]:
    """For modules in which it does not matter which analytics look: rarity alone."""
    from analytic_samples import alone

    with alone("rarity"):
        yield


_SPARK: list[Engine] = []


@pytest.fixture
def spark_engine(java: None) -> Engine:
    """Spark in this process, on two threads; opened once, and again where a test's own Spark took its place."""
    from pyspark import SparkContext

    from vizsla.engines import connect

    if SparkContext._active_spark_context is None:
        _SPARK[:] = [connect("spark", "local[2]")]
    return _SPARK[0]


@pytest.fixture(params=["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def each_engine(request: pytest.FixtureRequest) -> Engine:
    """Every engine in turn: what a test says holds on all of them."""
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    return engine
