"""The analytic on logs made by hand: what it counts, what it finds, and how it says it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vizsla.analytics.volume import ANALYTIC
from vizsla.charts.pictures import draw
from vizsla.engine import Engine
from vizsla.errors import AnalyticError
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of
from vizsla.lake import Lake, Scan
from vizsla.volume.counting import cells
from vizsla.volume.measures import measures, read

MONDAY = datetime(2025, 3, 3, tzinfo=UTC)
DAYS = 10  # of history; the next one is hunted
ATTACK = MONDAY + timedelta(days=DAYS, hours=2)


def logons() -> Iterator[tuple[datetime, str, str, str, str]]:
    """Time, host, account, event and address: people at work who mistype now and then, and a night of guesses."""
    chance = np.random.default_rng(5)
    for day in range(DAYS + 1):
        for hour in range(24):
            at = MONDAY + timedelta(days=day, hours=hour)
            for who in ("ada", "ben", "cleo"):
                for n in range(int(chance.poisson(2 if 8 <= hour < 18 else 0))):
                    yield at + timedelta(minutes=3 * n), "dc01", who, "4624", "10.0.0.7"
                for n in range(int(chance.poisson(0.3 if 8 <= hour < 18 else 0))):
                    yield at + timedelta(minutes=3 * n, seconds=20), "dc01", who.upper(), "4625", "10.0.0.7"
            for n in range(6):
                yield at + timedelta(minutes=9 * n), "dc01", "svc_sql", "4625" if n == 0 else "4624", "10.0.0.9"
    for n in range(412):
        yield ATTACK + timedelta(minutes=31, seconds=n), "dc01", "svc_sql", "4625", "10.0.0.66"
    yield ATTACK + timedelta(minutes=45), "dc01", "ada", "4624", "10.0.0.66"


def system() -> Iterator[tuple[datetime, str]]:
    """Another log of the host, which never is silent but for four hours of the last day."""
    for hour in range(24 * (DAYS + 1)):
        at = MONDAY + timedelta(hours=hour)
        if not (at.date() == ATTACK.date() and 12 <= at.hour < 16):
            for n in range(5):
                yield at + timedelta(minutes=n), "dc01"


def _ours(times: list[datetime], hosts: list[str], what: str) -> dict[str, Any]:
    return {
        "_id": [f"{what}{n:031x}" for n in range(len(times))],
        "_time": pa.array(times, pa.timestamp("us", tz="UTC")),
        "_host": hosts,
        "_day": [time.strftime("%Y-%m-%d") for time in times],
        "_origin": [f"{what}#{n}" for n in range(len(times))],
    }


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake.open(tmp_path_factory.mktemp("volume") / "lake", create=True)
    time, host, who, event, source = (list(column) for column in zip(*logons(), strict=True))
    security = pa.RecordBatch.from_pydict(_ours(time, host, "a") | {
        "EventID": event, "TargetUserName": who, "LogonType": ["3"] * len(time), "IpAddress": source,
    })  # fmt: skip
    time, host = (list(column) for column in zip(*system(), strict=True))
    other = pa.RecordBatch.from_pydict(_ours(time, host, "b") | {"EventID": ["7036"] * len(time)})
    lake.append({"windows_security": [security], "windows_system": [other]})
    return lake


@pytest.fixture(scope="module")
def found(lake: Lake, duckdb_engine: Engine) -> list[dict[str, Any]]:
    """What is observed on the last day, by what was learnt on those before; the most unusual first."""
    edge = MONDAY + timedelta(days=DAYS)
    state = ANALYTIC.learn(duckdb_engine, scans_of(lake, duckdb_engine, until=edge))
    seen = observe(duckdb_engine, scans_of(lake, duckdb_engine, since=edge), ANALYTIC, state)
    return seen.sort_by([("score", "descending")]).to_pylist()


def scans(lake: Lake, engine: Engine) -> list[Scan]:
    return scans_of(lake, engine)


def test_counts_are_those_of_a_plain_loop(lake: Lake, duckdb_engine: Engine) -> None:
    naive: Counter[tuple[str, str, int]] = Counter()
    tried: dict[tuple[str, str, int], set[str]] = {}
    for time, host, who, event, source in logons():
        if event == "4625":
            hour = int(time.timestamp()) // 3600
            naive[host, who.lower(), hour] += 1
            tried.setdefault((host, source, hour), set()).add(who)
    counted = cells(duckdb_engine, scans(lake, duckdb_engine), measures()).to_pylist()
    by_user = {(r["host"], r["entity"], r["hour"]): r["value"] for r in counted
               if r["measure"] == "authentication/failed logons/user.name"}  # fmt: skip
    by_source = {(r["host"], r["entity"], r["hour"]): r["value"] for r in counted
                 if r["measure"] == "authentication/accounts that failed to log on/source.ip"}  # fmt: skip
    assert by_user == dict(naive)
    assert by_source == {key: len(names) for key, names in tried.items()}


@pytest.mark.spark
def test_spark_counts_alike(lake: Lake, duckdb_engine: Engine, spark_engine: Engine) -> None:
    ours, theirs = (cells(e, scans(lake, e), measures(), told=True) for e in (duckdb_engine, spark_engine))
    assert ours.equals(theirs)


def test_a_night_of_guesses_stands_out(found: list[dict[str, Any]]) -> None:
    guesses = [row for row in found if row["why"].startswith("failed logons of svc_sql on dc01: 413 between 02:00")]
    assert len(guesses) == 1
    assert found.index(guesses[0]) < 6
    assert guesses[0]["score"] > 30
    assert "usual then up to" in guesses[0]["why"]
    assert "(10 days)" in guesses[0]["why"]
    assert len(guesses[0]["event_ids"]) == 5
    # It stands at the ten minutes that hold it, not at the hour's first event.
    assert guesses[0]["_time"] == ATTACK + timedelta(minutes=31)
    assert guesses[0]["kind"] == "windows_security:4625"
    assert guesses[0]["n"] == 413


def test_its_day_is_drawn(found: list[dict[str, Any]]) -> None:
    row = next(row for row in found if row["why"].startswith("failed logons of svc_sql on dc01: 413"))
    shown = json.loads(row["picture"])
    assert len(shown["points"]) == 24
    assert [value for time, value, _, _ in shown["points"] if time == ATTACK.isoformat()] == [413.0]
    assert draw(shown)[0]


def test_a_logon_at_night_is_told_by_its_hour(found: list[dict[str, Any]]) -> None:
    row = next(row for row in found if row["why"].startswith("logons of ada on dc01: 1 between 02:00 and 03:00"))
    assert row["score"] > 3
    assert "at this hour" in row["why"]
    assert "on 0 of 10 days" in row["why"]


def test_a_log_that_falls_silent_is_told(found: list[dict[str, Any]]) -> None:
    silences = [row for row in found if "told of nothing" in row["why"]]
    assert [row["kind"] for row in silences] == ["windows_system"]
    assert "windows_system on dc01 told of nothing from 12:00 to 16:00" in silences[0]["why"]
    assert silences[0]["score"] > 6


def test_usual_hours_say_little(found: list[dict[str, Any]]) -> None:
    quiet = [row for row in found if row["_time"].hour not in (0, 2, 12)]
    assert len(quiet) > 50
    assert np.mean([row["score"] >= 6 for row in quiet]) < 0.03


def test_what_was_learnt_of_two_days_is_what_was_learnt_of_each(lake: Lake, duckdb_engine: Engine) -> None:
    middle = MONDAY + timedelta(days=4)
    parts = [cells(duckdb_engine, scans_of(lake, duckdb_engine, since=since, until=until), measures())
             for since, until in ((None, middle), (middle, None))]  # fmt: skip
    whole = cells(duckdb_engine, scans(lake, duckdb_engine), measures())
    keys = [(name, "ascending") for name in ("measure", "host", "entity", "hour")]
    assert pa.concat_tables(parts).sort_by(keys).combine_chunks().equals(whole)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"name": "a", "view": "dns"}, "needs name, view and why"),
        ({"name": "a", "view": "dns", "why": "b", "off": "c"}, "'off' is no key"),
        ({"name": "a", "view": "dns", "why": "b", "value": "mean x"}, "its value is"),
        ({"name": "a", "view": "dns", "why": "b", "value": "count x"}, "its value is"),
        ({"name": "a", "view": "dns", "why": "b", "of": "dns.nmae"}, "no field dns.nmae"),
    ],
)
def test_a_wrong_measure_is_named(entry: dict[str, Any], says: str) -> None:
    with pytest.raises(AnalyticError, match=says):
        read([entry])


def test_a_measure_is_told_apart_by_view_name_and_entity() -> None:
    entry = {"name": "a", "view": "dns", "why": "b"}
    with pytest.raises(AnalyticError, match="two measures"):
        read([entry, dict(entry)])


def test_brute_force_in_a_real_log(real_data: Path, tmp_path: Path, duckdb_engine: Engine) -> None:
    """An SSH server's log of one day: learnt on its quiet morning, the guesses of later hours stand out."""
    from vizsla.ingest import ingest

    lake = Lake.open(tmp_path / "lake", create=True)
    ingest([str(real_data / "syslog" / "openssh_2k.log")], lake, engine=duckdb_engine)
    table = cells(duckdb_engine, scans(lake, duckdb_engine), measures(), told=True).to_pylist()
    failed = [row for row in table if row["measure"] == "authentication/failed logons/source.ip"]
    assert max(row["value"] for row in failed) > 100
