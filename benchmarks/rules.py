"""Two simple rules that any hunter can run, over the same events: what the rarity analytic must beat.

least frequency   patterns (all compared fields of an event, by shape) by how often the baseline holds them, the rarest
                  first; where that is equal, by how often the hunted data holds them
unseen shapes     processes by how many (type of event, field, shape) they show that the baseline never did

Both see events as rarity does: the same fields, the same shapes. Findings come as the public haystack tool reads
them: JSON lines with evidence and the record ids of its events.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vizsla.analytics.rarity.encode import Encoder, code_of, mixed
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.keys import NO_PID, keys
from vizsla.analytics.rarity.tally import SLICE
from vizsla.lake import Lake

RECORD = "EventRecordID"
SHOWN = 20  # events on a line


@dataclass
class Seen:
    """Counts of patterns, and of (type, field, shape) codes."""

    patterns: Counter[int] = field(default_factory=Counter)
    shapes: Counter[int] = field(default_factory=Counter)


@dataclass(frozen=True)
class Event:
    record: str
    kind: str
    pattern: int
    process: int
    shapes: tuple[int, ...]


def batches(lake: Lake, table: str) -> Iterator[pa.RecordBatch]:
    scan = lake.scan(table)
    wanted = {*profile(table).needed(scan.schema.names), RECORD}
    for file in scan.files:
        opened = pq.ParquetFile(file)
        columns = [name for name in opened.schema_arrow.names if name in wanted]
        yield from opened.iter_batches(65_536, columns=columns)


def seen(lake: Lake) -> Seen:
    """What a baseline holds."""
    found = Seen()
    for event in events(lake):
        found.patterns[event.pattern] += 1
        found.shapes.update(event.shapes)
    return found


def events(lake: Lake) -> Iterator[Event]:
    """Every event of a lake, as codes."""
    for table in lake.tables():
        encoder = Encoder(profile(table))
        for batch in batches(lake, table):
            tied = keys(batch, encoder.profile)
            records = batch.column(RECORD).to_pylist() if RECORD in batch.schema.names else [None] * batch.num_rows
            for rows in encoder.rows(batch):
                own = code_of(rows.kind)
                named = tied.guid[rows.at] != 0
                by_pid = mixed(tied.pid[rows.at].astype(np.uint64), tied.logon[rows.at])
                nobody = (tied.pid[rows.at] == NO_PID) & (tied.logon[rows.at] == 0)
                place = mixed(np.full(len(rows.at), own, np.uint64), (rows.time // SLICE).astype(np.uint64))
                process = mixed(rows.host, np.where(named, tied.guid[rows.at], np.where(nobody, place, by_pid)))
                pattern = mixed(np.full(len(rows.at), own, np.uint64), rows.pattern)
                columns = [("actor", rows.actor), *rows.fields.items()]
                codes = [
                    np.where(c == 0, 0, mixed(np.full(len(c), code_of(f"{rows.kind}/{n}"), np.uint64), c))
                    for n, c in columns
                ]
                shapes = np.stack(codes, axis=1).tolist()
                for i, at in enumerate(rows.at.tolist()):
                    held = tuple(s for s in shapes[i] if s)
                    yield Event(str(records[at]), rows.kind, int(pattern[i]), int(process[i]), held)


def least_frequent(hunted: list[Event], base: Seen) -> Iterator[bytes]:
    """Findings of the first rule: one per pattern."""
    grouped: dict[int, list[str]] = defaultdict(list)
    for event in hunted:
        grouped[event.pattern].append(event.record)
    order = sorted(grouped, key=lambda p: (base.patterns[p], len(grouped[p]), p))
    for pattern in order:
        yield line([grouped[pattern]])


def unseen_shapes(hunted: list[Event], base: Seen) -> Iterator[bytes]:
    """Findings of the second rule: one per process, a line per type of event, those with most that is new first."""
    fresh: dict[int, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    records: dict[tuple[int, str], list[str]] = defaultdict(list)
    for event in hunted:
        new = [s for s in event.shapes if not base.shapes[s]]
        if new:
            fresh[event.process][event.kind].update(new)
            records[event.process, event.kind].append(event.record)
    total = {process: sum(map(len, kinds.values())) for process, kinds in fresh.items()}
    for process in sorted(fresh, key=lambda p: (-total[p], p)):
        kinds = sorted(fresh[process], key=lambda k: (-len(fresh[process][k]), k))
        yield line([records[process, kind] for kind in kinds])


def line(evidence: list[list[str]]) -> bytes:
    """A finding as the public tool reads it."""
    found = [{"events": [{"record_id": r} for r in records[:SHOWN]]} for records in evidence]
    return json.dumps({"evidence": found}).encode() + b"\n"


def write(path: Path, findings: Iterator[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as out:
        out.writelines(findings)
