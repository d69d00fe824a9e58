"""Events as Parquet files of their days, and what Delta's log says of each: fast what comes in, `delta` commits it.

delta-rs can write Parquet by itself, but takes twice as long for text, copies what it parts by day, and cannot leave
ids alone, which no compression makes smaller.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vizsla.nouns import DAY, HOST, ID, ORIGIN, TIME

GROUP = 1 << 18  # rows of a row group: engines share a file out by them
SAMPLE = 4096  # rows by which it is told whether a column's values repeat
LONGEST = 64  # characters of a host in statistics
YEAR_1, YEAR_10000 = -62_135_596_800_000_000, 253_402_300_800_000_000  # microseconds since 1970
_EPOCH = datetime(1970, 1, 1)
_UNLIKE = frozenset((ID, ORIGIN, TIME))  # hardly two rows have the same: a dictionary would be looked up for nothing


@dataclass(frozen=True, slots=True)
class Written:
    """A file that a commit will add: its path below the table's folder, its day, bytes, and statistics as JSON."""

    path: str
    day: str
    size: int
    stats: str


def write_files(root: Path, events: pa.Table, rows: Mapping[str, np.ndarray[Any, Any]]) -> list[Written]:
    """Write each day's events, given by their row numbers in order, as a file of its own. Raises OSError."""
    return [_write(root, _taken(events, numbers), day) for day, numbers in rows.items()]


def _taken(events: pa.Table, numbers: Any) -> pa.Table:
    """Rows in ascending order; where they stand together nothing is copied."""
    first, last = int(numbers[0]), int(numbers[-1])
    together = last - first + 1 == len(numbers)
    events = events.drop_columns([DAY])
    return events.slice(first, len(numbers)) if together else events.take(pa.array(numbers))


def _write(root: Path, events: pa.Table, day: str) -> Written:
    path = f"{DAY}={day}/part-00000-{uuid.uuid4()}-c000.snappy.parquet"
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    names = events.column_names
    pq.write_table(
        events,
        root / path,
        row_group_size=GROUP,
        compression={name: "none" if name == ID else "snappy" for name in names},
        use_dictionary=[name for name in names if name not in _UNLIKE and _repeats(events.column(name))],
        write_statistics=[TIME, HOST],  # by which a scan leaves files out
        store_schema=False,
    )
    return Written(path, day, (root / path).stat().st_size, _statistics(events))


def _repeats(column: pa.ChunkedArray) -> bool:
    """Whether a column's values come again, as its beginning shows it."""
    if not pa.types.is_string(column.type) or len(column) < SAMPLE:
        return True
    sample = column.slice(0, SAMPLE)
    return bool(2 * pc.count_distinct(sample).as_py() <= len(sample) - sample.null_count)


def _statistics(events: pa.Table) -> str:
    """What Delta's log says of a file; a range that it cannot say is left out."""
    said: dict[str, dict[str, Any]] = {"minValues": {}, "maxValues": {}, "nullCount": {}}
    for name, ends in ((TIME, _times(events.column(TIME))), (HOST, _hosts(events.column(HOST)))):
        said["nullCount"][name] = events.column(name).null_count
        if ends is not None:
            said["minValues"][name], said["maxValues"][name] = ends
    return orjson.dumps({"numRecords": len(events), **said}).decode()


def _times(column: pa.ChunkedArray) -> tuple[str, str] | None:
    """First and last, cut to milliseconds as Delta's protocol has them."""
    ends = pc.min_max(column.cast(pa.int64())).as_py().values()
    if any(end is None or not YEAR_1 <= end < YEAR_10000 for end in ends):
        return None
    first, last = ((_EPOCH + timedelta(microseconds=end)).isoformat(timespec="milliseconds") for end in ends)
    return f"{first}Z", f"{last}Z"


def _hosts(column: pa.ChunkedArray) -> tuple[str, str] | None:
    ends = pc.min_max(column).as_py().values()
    if any(end is None or len(end) > LONGEST for end in ends):
        return None
    first, last = ends
    return first, last
