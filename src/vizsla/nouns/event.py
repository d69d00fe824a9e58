"""The columns of ours that every event has, beside its native ones.

They begin with an underscore, since real logs have `time`, `host` and `origin` columns of their own.
"""

from __future__ import annotations

import pyarrow as pa

ID = "_id"  # 32 hex digits: who this event is, wherever and however often it was read
TIME = "_time"  # UTC, microseconds; null where the log gives none that can be believed
HOST = "_host"  # lower case; the computer that the event tells of, or the sensor that saw it
DAY = "_day"  # the partition: 'YYYY-MM-DD' of _time, or UNKNOWN_DAY
ORIGIN = "_origin"  # 'path#place': byte offset or record number; 'archive.zip!member#place' within archives
EXTRA = "_extra"  # map<string, string>: what did not fit in a table's thousand columns
UNKNOWN_DAY = "unknown"
MAX_COLUMNS = 1000

EVENT_FIELDS = pa.schema(
    [
        pa.field(ID, pa.string(), nullable=False),
        pa.field(TIME, pa.timestamp("us", tz="UTC")),
        pa.field(HOST, pa.string()),
        pa.field(DAY, pa.string(), nullable=False),
        pa.field(ORIGIN, pa.string()),
    ]
)
