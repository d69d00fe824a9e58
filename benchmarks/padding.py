"""Harmless events put into attacking processes: an intruder who tries to hide in much ordinary activity.

For every process that a labelled event names, `count` events of every type that the baseline holds and that names its
acting process are taken from the baseline, and given that process's host, GUID, process id and the times of its own
events. Starts of processes become starts of its children. Everything else in them stays as it was.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vizsla.analytics.rarity.fields import launchers, profile
from vizsla.analytics.rarity.keys import NO_PID, guid_code, pid_of
from vizsla.lake import Lake

RECORD = "EventRecordID"
FIRST_RECORD = 1_000_000_000
FRESH_PIDS = (200_000, 4_000_000)
# Where a start of a process names its child and its parent: GUID and pid of the child, then of the parent.
STARTS = {
    ("windows_sysmon", "1"): ("ProcessGuid", "ProcessId", "ParentProcessGuid", "ParentProcessId", "ParentImage"),
    ("windows_security", "4688"): ("", "NewProcessId", "", "ProcessId", "ParentProcessName"),
}


@dataclass
class Attacking:
    """A process that labelled events name."""

    host: str
    computer: str
    guid: str
    pid: int
    times: list[int]


def read(lake: Lake, table: str) -> pa.Table:
    scan = lake.scan(table)
    parts = [pq.ParquetFile(file).read() for file in scan.files]
    return pa.concat_tables(parts, promote_options="default").combine_chunks()


def attacking(lake: Lake, truth: set[int]) -> list[Attacking]:
    """The processes that labelled events name, Sysmon's and Security's names of one process as one."""
    found: dict[tuple[str, str | int], Attacking] = {}
    guids: dict[tuple[str, int], str] = {}
    for table in sorted(lake.tables(), reverse=True):  # Sysmon before Security: GUIDs are known first
        own = profile(table)
        whole = read(lake, table)
        if RECORD not in whole.column_names or not (own.guid or own.pid):
            continue
        marked = pc.is_in(pc.cast(whole[RECORD], pa.int64()), pa.array(sorted(truth), pa.int64()))
        for row in whole.filter(marked).to_pylist():
            guid = next((row[c] for c in own.guid if guid_code(row.get(c) or "")), "")
            pids = (pid_of(row.get(c) or "") for c in own.pid)
            pid = next((p for p in pids if p != NO_PID), NO_PID)
            if (not guid and pid == NO_PID) or row["_time"] is None:
                continue
            host = row["_host"]
            if guid and pid != NO_PID:
                guids[host, pid] = guid
            guid = guid or guids.get((host, pid), "")
            key = (host, guid.strip("{}").lower() or pid)
            process = found.setdefault(key, Attacking(host, row["Computer"], guid, pid, []))
            process.pid = pid if process.pid == NO_PID else process.pid
            process.times.append(int(row["_time"].timestamp() * 1e6))
    return list(found.values())


def padded(base: Lake, hunted: Lake, home: Path, truth: set[int], count: int) -> Lake:
    """A copy of the hunted lake at `home` with the padding in it."""
    shutil.copytree(hunted.root, home)
    lake = Lake.open(home)
    processes = attacking(hunted, truth)
    chance = np.random.default_rng(count)
    serial = FIRST_RECORD
    for table in base.tables():
        own = profile(table)
        names = set(base.scan(table).schema.names)
        if table not in hunted.tables() or not names & {*own.guid, *own.pid}:
            continue
        rows = read(base, table)
        for kind, places in by_kind(rows, own.kind or "", table):
            some = np.array(places)
            for begin in range(0, len(processes), 40):  # a share at a time, for the sake of memory
                share = processes[begin : begin + 40]
                taken = rows.take(pa.array(chance.choice(some, len(share) * count)))
                made = dressed(taken, (table, kind), np.repeat(np.array(share, dtype=object), count), serial, chance)
                serial += made.num_rows
                lake.append({table: made.combine_chunks().to_batches()})
    return lake


def by_kind(rows: pa.Table, column: str, table: str) -> Iterator[tuple[str, list[int]]]:
    """Per type of event, the rows that name their process; starts below a launcher only where there are no others."""
    own = profile(table)
    named = pa.array([False] * len(rows))
    for name in (*own.guid, *own.pid):
        if name in rows.column_names:
            named = pc.or_(named, pc.is_valid(rows[name]))
    places: dict[str, list[int]] = {}
    kinds = rows[column].to_pylist()
    for i in np.flatnonzero(np.asarray(named)).tolist():
        places.setdefault(kinds[i], []).append(i)
    for kind, found in sorted(places.items()):
        start = STARTS.get((table, kind))
        if start is not None:
            parents = rows[start[4]].to_pylist()
            below = [i for i in found if (parents[i] or "").rpartition("\\")[2].lower() not in launchers()]
            found = below or found
        yield kind, found


def dressed(rows: pa.Table, kind: tuple[str, str], owners: Any, serial: int, chance: np.random.Generator) -> pa.Table:
    """Rows as events of their new owners."""
    count = len(rows)
    times = np.array(
        [
            p.times[n]
            for p, n in zip(owners, chance.integers(0, 1 << 40, count) % [len(p.times) for p in owners], strict=True)
        ]
    )
    new: dict[str, Any] = {
        "_id": [uuid.UUID(int=int(serial + i) << 64 | 1).hex for i in range(count)],
        "_time": pa.array(times, pa.timestamp("us", tz="UTC")),
        "_host": [p.host for p in owners],
        "Computer": [p.computer for p in owners],
        RECORD: [str(serial + i) for i in range(count)],
    }
    new["_day"] = pc.strftime(new["_time"], "%Y-%m-%d")
    start = STARTS.get(kind)
    guid_columns, pid_columns = profile(kind[0]).guid, profile(kind[0]).pid
    if start is not None:
        child_guid, child_pid, parent_guid, parent_pid, _ = start
        fresh = [str(uuid.UUID(bytes=chance.bytes(16))) for _ in range(count)]
        pids = chance.integers(*FRESH_PIDS, count)
        new |= {child_guid: fresh} if child_guid else {}
        new[child_pid] = like(rows[child_pid], pids.tolist())
        guid_columns, pid_columns = (parent_guid,), (parent_pid,)
    for name in guid_columns:
        if name in rows.column_names:
            new[name] = [p.guid if old else None for p, old in zip(owners, rows[name].to_pylist(), strict=True)]
    for name in pid_columns:
        if name in rows.column_names:
            new[name] = like(rows[name], [p.pid for p in owners])
    for name, values in new.items():
        if name in rows.column_names:
            place = rows.column_names.index(name)
            array = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
            rows = rows.set_column(place, name, array)
        elif name == "_day":
            rows = rows.append_column(name, values)
    return rows


def like(old: pa.ChunkedArray, pids: list[int]) -> list[str | None]:
    """Process ids written as the ones they replace: hexadecimal, decimal, or not at all."""
    written = (
        hex(pid) if (text or "").startswith("0x") else str(pid) for text, pid in zip(old.to_pylist(), pids, strict=True)
    )
    return [
        new if text and pid != NO_PID else None for text, new, pid in zip(old.to_pylist(), written, pids, strict=True)
    ]
