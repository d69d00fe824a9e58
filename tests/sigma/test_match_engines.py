"""The same hits, whichever engine brings the rows and however it deals them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from naive_match import a_rule, met

from lake_samples import events
from vizsla.engine import Engine
from vizsla.hit import HITS, Hitting
from vizsla.lake import Lake
from vizsla.sigma.match import matchers
from vizsla.sigma.rule import And, LogSource, Not, Or, Rule, Test

PROCESS, NETWORK = LogSource("process_creation", "windows"), LogSource("network_connection", "windows")
COUNT = 120


def rules() -> list[Rule]:
    asked = {
        "shell": And((Test("Image", "endswith", "\\cmd.exe"), Not(Test("CommandLine", "contains", "7")))),
        "words": Test("", "contains", "number 11"),
        "regex": Test("CommandLine", "re", "(?i)NUMBER [0-9]*3$", True, ("number ",)),
        "many": And((Test("Image", "exists", "true"), Or((Test("N", "number", "5"), Test("N", "gt", "117"))))),
        "same": Test("N", "field", "M"),
        "lost": Test("Nowhere", "equals", "x"),
    }
    return [replace(a_rule(name, condition), logsource=PROCESS) for name, condition in asked.items()]


def filled(lake: Lake) -> list[dict[str, str | None]]:
    numbers = range(COUNT)
    columns: dict[str, list[str | None]] = {
        "EventID": ["3" if n % 10 == 9 else "1" for n in numbers],
        "Image": [None if n % 7 == 0 else f"C:\\Windows\\{'CMD' if n % 2 else 'x'}.exe" for n in numbers],
        "CommandLine": [f"Number {n}" for n in numbers],
        "N": [str(n) for n in numbers],
        "M": [f"{n // 2 * 2}" for n in numbers],
    }
    for start in range(0, COUNT, 40):
        part = {name: values[start : start + 40] for name, values in columns.items()}
        lake.append({"windows_sysmon": [events(range(start, start + 40), **part)]})
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def test_each_engine_finds_what_plain_evaluation_finds(tmp_path: Path, each_engine: Engine) -> None:
    lake = Lake.open(tmp_path / "lake", create=True)
    rows = filled(lake)
    scan = lake.scan("windows_sysmon")
    made, unmatched = matchers(rules(), [scan], {"shell": ("N",)})
    assert [one.rule.id for one in unmatched] == ["lost"]
    assert [one.table for one in made] == ["windows_sysmon"]
    mapper = Hitting(made[0])
    found = pa.Table.from_batches(each_engine.map(scan, mapper.columns, mapper), HITS)
    place = {ident: number for number, ident in enumerate(events(range(COUNT)).column("_id").to_pylist())}
    wanted = {(by, n) for by, n in met(rules(), rows) if rows[n]["EventID"] == "1"}
    assert {(hit["by"], place[hit["_id"]]) for hit in found.to_pylist()} == wanted
    assert len(found) == len(wanted) > 40
    for hit in found.to_pylist():
        row = rows[place[hit["_id"]]]
        assert hit["kind"] == "windows_sysmon:1"
        assert hit["value"] == row[hit["field"]]
        assert hit["keys"] == ([("N", row["N"])] if hit["by"] == "shell" else None)
