from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fake_stores import Elastic, serving

from vizsla.faces.python import ingest, open_lake
from vizsla.stores._lines import json_line
from vizsla.stores._search import Progress
from vizsla.stores.splunk import LATE, _after

DEEP: list[Any] = []
for _ in range(3000):
    DEEP = [DEEP]


@pytest.mark.parametrize("value", [1 << 70, -(1 << 200), "\ud800", "a\udfffb", "\0\n", [[{"x": "é"}]], 1.5, None, True])
def test_whatever_a_document_holds_is_a_line_of_json(value: object) -> None:
    line = json_line({"a": value})
    assert b"\n" not in line
    assert json.loads(line) == {"a": value}


def test_a_document_nested_without_end_is_a_line_too() -> None:
    line = json_line({"a": DEEP})
    assert line.startswith(b'{"a":[[[')
    assert line.count(b"[") == line.count(b"]") == 3001


def test_one_document_that_orjson_cannot_write_ends_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("elasticsearch")
    for name in ("VIZSLA_TOKEN", "VIZSLA_USER", "VIZSLA_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    documents = [
        {"_index": "i", "_id": str(n), "_source": {"@timestamp": f"2026-05-01T10:00:0{n}+00:00", "ecs": {"version": "8.0"},  # noqa: E501  (as a store sends it)
                                                   "event": {"action": "x"}, "host": {"name": "h"}, "odd": odd}}
        for n, odd in enumerate(["plain", 1 << 70, "\ud800"])
    ]  # fmt: skip
    with serving(Elastic, documents) as fake:
        lake = open_lake(tmp_path / "lake", create=True)
        report = ingest([f"elasticsearch+http://{fake.url}/i"], lake)
    assert sum(reading.stored for reading in report.readings) == 3


@pytest.mark.parametrize("cursor", [{"other": 1}, {"pit": 5}, {"slices": "x"}, {}, None])
def test_a_cursor_that_is_none_of_ours_begins_anew(cursor: dict[str, Any] | None) -> None:
    assert Progress.of(cursor) == Progress()
    assert _after(cursor) is None


def test_a_kept_cursor_is_gone_on_with() -> None:
    assert Progress.of({"pit": "a", "slices": {"0": None}, "last": 1, "since": None}).pit == "a"
    assert _after({"next": 10_000.0, "whole": False}) == 10_000.0
    assert _after({"next": 10_000.0, "whole": True}) == 10_000.0 - LATE
