"""Rows as `vizsla.gold.gather` gives them, and a lake of servers with tasks, both made by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from vizsla.gold.gather import TEXTS
from vizsla.lake import Lake

BEGIN = int(datetime(2026, 9, 7, tzinfo=UTC).timestamp()) * 1_000_000
MINUTE, DAY = 60_000_000, 86_400_000_000
DEFRAG = "\\Microsoft\\Windows\\Defrag\\ScheduledDefrag"


def row(host: str, at: int, act: str, name: str, **texts: str) -> dict[str, Any]:
    """One gathered row, `at` microseconds after the beginning."""
    made = {"kind": "task", "table": "windows_taskscheduler", "code": "200", **texts, "act": act, "name": name}
    first = BEGIN + at
    ident = hashlib.md5(f"{host}{at}{act}{name}{sorted(texts.items())}".encode()).hexdigest()
    return {"host": host, **{t: made.get(t) for t in TEXTS}, "slice": first // 600_000_000, "n": 1,
            "first": first, "last": first, "id": ident}  # fmt: skip


def gathered(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table, in the order that gather promises."""
    schema = pa.schema([*((t, pa.string()) for t in ("host", *TEXTS)),
                        *((n, pa.int64()) for n in ("slice", "n", "first", "last")), ("id", pa.string())])  # fmt: skip
    table = pa.Table.from_pylist([dict(r) for r in rows], schema)
    return table.sort_by([("first", "ascending"), ("id", "ascending")]).combine_chunks()


def quiet(hosts: int, days: int, begin: int = 0) -> list[dict[str, Any]]:
    """Every host runs the same two tasks once a day."""
    made = []
    for day in range(begin, begin + days):
        for host in range(hosts):
            at = day * DAY + (host + 1) * MINUTE
            made.append(row(f"srv{host}", at, "ran", DEFRAG, program="%windir%\\system32\\defrag.exe"))
            made.append(row(f"srv{host}", at + MINUTE, "ran", "\\Agent\\Check", program="C:\\Program Files\\A\\a.exe"))
    return made


def altered(
    host: str, at: int, program: str = "C:\\Windows\\Temp\\x.exe", who: str = "CORP\\eve"
) -> list[dict[str, Any]]:
    """A task of Windows altered, run and restored within ten minutes."""
    return [
        row(host, at, "updated", DEFRAG, actor=who, code="140"),
        row(host, at + MINUTE, "ran", DEFRAG, program=program),
        row(host, at + 10 * MINUTE, "updated", DEFRAG, actor=who, code="140"),
        row(host, at + 40 * MINUTE, "ran", DEFRAG, program="%windir%\\system32\\defrag.exe"),
    ]


def lake_of(root: Path, rows: Sequence[Mapping[str, Any]]) -> Lake:
    """A lake whose Task Scheduler log tells of these rows."""
    lake = Lake.open(root, create=True)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("EventID", "TaskName", "ActionName", "UserName", "UserContext")
    }
    for one in rows:
        said = {"200": "ActionName", "140": "UserName", "141": "UserName", "106": "UserContext"}[one["code"]]
        columns["EventID"].append(one["code"])
        columns["TaskName"].append(one["name"])
        for name in ("ActionName", "UserName", "UserContext"):
            columns[name].append((one["program"] or one["actor"]) if name == said else None)
    micros = [one["first"] for one in rows]
    batch = pa.RecordBatch.from_pydict({
        "_id": [one["id"] for one in rows],
        "_time": pa.array(micros, pa.timestamp("us", tz="UTC")),
        "_host": [one["host"] for one in rows],
        "_day": [datetime.fromtimestamp(m / 1e6, UTC).strftime("%Y-%m-%d") for m in micros],
        "_origin": [f"log#{place}" for place in range(len(rows))],
        **{name: pa.array(values, pa.string()) for name, values in columns.items()},
    })  # fmt: skip
    lake.append({"windows_taskscheduler": [batch]})
    return lake
