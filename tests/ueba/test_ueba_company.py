"""The simulated company's intruder: the logons with the stolen account rank, without anything else being looked at."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from vizsla.analytic import Analytic
from vizsla.analytics import registry
from vizsla.engine import Engine
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of
from vizsla.lake import Lake
from vizsla.simulate import Company

HOSTS, DAYS, SEED = 20, 12, 3
START = datetime(2026, 3, 2, tzinfo=UTC)
TABLE = "windows_security"


@pytest.fixture(scope="module")
def intruder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lake, set[str]]:
    """The security logs of a company in whose last two days an intruder acts, and the ids of the stolen logons."""
    lake = Lake.open(tmp_path_factory.mktemp("company") / "lake", create=True)
    batches, stolen = [], set()
    for chunk in Company(HOSTS, DAYS, SEED, intrusion_days=(DAYS - 2, DAYS - 1)).chunks():
        if chunk.table != TABLE:
            continue
        events, host = chunk.events, chunk.host.fqdn.lower()
        records = events.column("EventRecordID").to_pylist()
        ids = [hashlib.md5(f"{host}/{record}".encode()).hexdigest() for record in records]
        if "_host" not in events.schema.names:
            events = events.append_column("_host", pa.repeat(pa.scalar(host), events.num_rows))
        days = [f"{time:%Y-%m-%d}" for time in events.column("_time").to_pylist()]
        batches.append(events.append_column("_id", pa.array(ids)).append_column("_day", pa.array(days)))
        acts = {record.record_id for record in chunk.truth}
        stolen |= {id for id, record in zip(ids, records, strict=True) if record in acts}
    lake.append({TABLE: batches})
    return lake, stolen


@pytest.mark.slow
@pytest.mark.parametrize(("name", "within"), [("access_edge", 10), ("logon_path", 3)])
def test_the_intruders_logons_rank(
    name: str, within: int, intruder: tuple[Lake, set[str]], duckdb_engine: Engine
) -> None:
    lake, stolen = intruder
    analytic = registry()[name]
    assert isinstance(analytic, Analytic)
    edge = START + timedelta(days=DAYS - 2)
    state = analytic.learn(duckdb_engine, scans_of(lake, duckdb_engine, until=edge))
    seen = observe(duckdb_engine, scans_of(lake, duckdb_engine, since=edge), analytic, state)
    rows = seen.sort_by([("score", "descending")]).to_pylist()
    assert len(rows) > 200
    assert any(stolen & set(row["event_ids"]) for row in rows[:within])
