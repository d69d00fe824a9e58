"""What passes for something else, from events to sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hunt_samples import DAY, HOUR, START, SYSTEM32, Event, guid, lake_of, process, sysmon
from vizsla.analytics.masquerade import ANALYTIC, QUIET
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of

AGENT = "C:\\Program Files\\Agent\\agent.exe"


def loads(at: int, host: str, image: str, path: str, signer: str | None, key: object) -> Event:
    signed = {"Signed": str(signer is not None).lower(), "Signature": signer or "-"}
    return sysmon(7, at, host, Image=image, ImageLoaded=path, ProcessGuid=guid(key), **signed)


def quiet(days: range) -> list[Event]:
    events = []
    for day in days:
        for host in ("ws1", "ws2"):
            at = START + day * DAY + 9 * HOUR
            events.append(process(at, host, AGENT, SYSTEM32 + "services.exe", key=(host, day)))
            events.append(process(at, host, SYSTEM32 + "svchost.exe", SYSTEM32 + "services.exe", key=(host, day, 1)))
            events.append(loads(at + 1, host, AGENT, "C:\\Program Files\\Agent\\core.dll", "Agent Inc", (host, day)))
            events.append(loads(at + 2, host, AGENT, "C:\\Program Files\\Agent\\free.dll", None, (host, day)))
    return events


def found(tmp_path: Path, engine: Any, hunted: list[Event]) -> list[dict[str, Any]]:
    baseline, hunt = lake_of(tmp_path / "baseline", quiet(range(8))), lake_of(tmp_path / "hunt", hunted)
    state = ANALYTIC.learn(engine, scans_of(baseline, engine))
    return observe(engine, scans_of(hunt, engine), ANALYTIC, state).sort_by([("score", "descending")]).to_pylist()


def test_what_is_as_always_is_quiet(tmp_path: Path, duckdb_engine) -> None:
    rows = found(tmp_path, duckdb_engine, quiet(range(20, 21)))
    assert [row["n"] for row in rows] == [2, 2, 2, 2]  # programs and libraries of two hosts
    assert {row["why"] for row in rows} == {QUIET[0]}
    assert max(row["score"] for row in rows) < 1


def test_an_agent_from_a_folder_of_temporary_files(tmp_path: Path, duckdb_engine) -> None:
    at = START + 20 * DAY
    rows = found(
        tmp_path, duckdb_engine, [process(at, "ws1", "C:\\Temp\\agent.exe", key="evil"), *quiet(range(20, 21))]
    )
    assert rows[0]["why"] == "agent.exe lies in \\temp: 0 of 16 times before; usual: \\program files\\agent"
    assert rows[0]["process_guid"] == guid("evil").strip("{}")
    assert rows[0]["score"] > 3 > rows[1]["score"]


def test_a_library_side_loaded_from_another_place_and_unsigned(tmp_path: Path, duckdb_engine) -> None:
    at = START + 20 * DAY + 10 * HOUR
    evil = loads(at, "ws1", AGENT, "C:\\Users\\ada\\core.dll", None, "evil")
    rows = found(tmp_path, duckdb_engine, [evil, *quiet(range(20, 21))])
    first = rows[0]
    assert first["why"] == "core.dll is signed by nobody: 0 of 16 times before; usual: Agent Inc" or (
        first["why"] == "core.dll lies in \\users\\<user>: 0 of 16 times before; usual: \\program files\\agent"
    )
    assert first["n"] == 1
    assert first["process_guid"] == guid("evil").strip("{}")
    assert first["kind"] == "windows_sysmon:7"
    assert rows[1]["score"] < 1


def test_without_a_baseline_the_facts_of_windows_hold(tmp_path: Path, duckdb_engine) -> None:
    lake = lake_of(tmp_path / "lake", [process(START, "ws1", "C:\\Perf\\lsass.exe", key=1)])
    rows = observe(duckdb_engine, scans_of(lake, duckdb_engine), ANALYTIC, None).to_pylist()
    assert "not so on any Windows" in rows[0]["why"]
