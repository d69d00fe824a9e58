"""A template for a new source. Copy it to `sources/<your format>.py`, and change what the comments point at.

It reads `key=value` lines such as

    time=2024-05-01T10:00:00Z host=WEB1 user=ada action=login

and is complete: a test runs it. Modules whose names begin with an underscore are not registered; yours is, by being
there. Nothing else need be touched: `vizsla hunt`, `vizsla doctor` and the contract tests find it by themselves.
A package of your own does the same through an entry point in the group `vizsla.sources` that names its SOURCE.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Batch, Growth, LogFile, Rejected, TableSpec
from vizsla.sources._lines import TooLong, line_blocks, line_growth
from vizsla.sources._rows import Rows, batch_of, printable
from vizsla.sources._times import parse_iso, timestamps

TABLE = "keyvalue_log"  # what the events are called in the lake: lower case, the product first
PAIR = re.compile(r"(\w+)=(\S*)")


class KeyValue:
    """One log format. It holds no state: reading is a pure function of the file."""

    name = "keyvalue"  # how a user names it: `vizsla ingest --source keyvalue`
    doc = "Lines of key=value pairs"  # shown by `vizsla doctor` and in the docs
    # Every table that it fills, with the columns that matter most. Others are kept too.
    tables = (TableSpec(TABLE, "Events of key=value lines", ("time", "host", "user", "action")),)

    def sniff(self, head: bytes, name: str) -> float:
        """How sure it is, 0 to 1, from the first 64 KiB. Let the content decide, and be strict: others sniff too."""
        first = head.split(b"\n", 1)[0]
        return 0.5 if first.startswith(b"time=") and b" host=" in first else 0.0

    def growth(self, head: bytes) -> Growth | None:
        """How such a log goes on, so that what is added to it is read by itself: see `source.Growth`.

        Only where each line is read by itself (and by what `Growth` names), and places are byte offsets. Leave it
        out otherwise: grown logs are then read again, and what was known adds nothing.
        """
        return line_growth(head)

    def read(self, file: LogFile) -> Iterator[Batch | Rejected]:
        """Events in order, in batches; what cannot be read as `Rejected`, with its place and a plain reason."""
        rows = Rows(self.tables[0].columns)
        with file.open() as stream:  # already uncompressed
            for block in line_blocks(stream):  # never more than a block in memory, however long the file is
                if isinstance(block, TooLong):
                    yield block.rejected(file.name)
                    continue
                for place, line in zip(block.offsets(), block.lines, strict=True):
                    pairs = PAIR.findall(printable(line.decode("utf-8", "surrogateescape")))
                    if pairs:
                        rows.add(tuple(k for k, _ in pairs), [v for _, v in pairs], place)
                    elif line.strip():
                        yield Rejected(f"{file.name}#{place}", "no key=value pair in the line")
                if rows.full():
                    yield _batch(rows, file.name)
        if rows.places:
            yield _batch(rows, file.name)


def _batch(rows: Rows, file: str) -> Batch:
    """All native columns as strings, and three of ours: `_time` in UTC, `_host` in lower case, `_origin`."""
    count, columns = len(rows.places), rows.columns()
    missing = pa.nulls(count, pa.string())
    times = timestamps(parse_iso(columns.get("time", missing)))
    hosts = pc.utf8_lower(columns.get("host", missing))
    batch = batch_of(columns, times, hosts, rows.origins(file))
    rows.clear()
    return Batch(TABLE, batch)


SOURCE = KeyValue()
