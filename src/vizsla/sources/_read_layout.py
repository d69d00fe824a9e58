r"""Reader of mapped lines of a fixed layout: access logs, and whatever else a server writes a line a time.

Options:
  layouts: ['…', …]   what stands in a line, as `_layouts` has it; a line is of the first that it fits
  apache: '…'         the same as Apache's LogFormat has it, such as '%h %l %u %t "%r" %>s %b'
  nginx: '…'          the same as nginx's log_format has it, such as '$remote_addr - $remote_user [$time_local]'
  before: ['', '…']   what may stand before each of them: a syslog header
  empty: ['-']        what stands for no value
  comments: '#'       lines that begin so are no records
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from vizsla.errors import SourceError
from vizsla.source import Batch, Growth, LogFile, Rejected
from vizsla.sources._encoding import as_utf8, utf8_stream
from vizsla.sources._layouts import layouts_of
from vizsla.sources._lines import line_growth
from vizsla.sources._placing import Placing
from vizsla.sources._rows import placed
from vizsla.sources._spans import Block, Layout, blocks, read_block

if TYPE_CHECKING:
    from vizsla.sources._mapped import Signs

OPTIONS = frozenset(("layouts", "apache", "nginx", "before", "empty", "comments"))
LINES, MOST = 50, 0.8


def check(options: Mapping[str, Any], where: str) -> None:
    """Raises SourceError for options that this reader does not have, and layouts that cannot be."""
    if unknown := set(options) - OPTIONS:
        raise SourceError(f"the layout reader has no option {', '.join(sorted(unknown))}", where=where,
                          fix=f"its options are {', '.join(sorted(OPTIONS))}")  # fmt: skip
    layouts_of(options, where)


def sniff(head: bytes, signs: Signs, options: Mapping[str, Any]) -> float:
    """The signs' confidence where nearly all lines of the head fit and show them."""
    return signs.confidence if held(head, signs, layouts_of(options, ""), options.get("comments")) >= MOST else 0.0


def held(head: bytes, signs: Signs, layouts: tuple[Layout, ...], comments: str | None = None) -> float:
    """The share of a head's lines that fit a layout and show the signs."""
    lines = _first_lines(head)
    if comments:
        lines = tuple(line for line in lines if not line.startswith(comments.encode()))
    layouts = _possible(lines, layouts)
    if not lines or not layouts:
        return 0.0
    columns, rows, bad = read_block(Block(b"\n".join(lines)), layouts)
    if not len(rows):
        return 0.0
    records = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns)).to_pylist()
    names = set(columns)
    return sum(signs.hold(names, record.get) for record in records) / (len(rows) + len(bad))


def _possible(lines: tuple[bytes, ...], layouts: tuple[Layout, ...]) -> tuple[Layout, ...]:
    """The layouts that any of the lines could have; none where too few lines could have any, as in nearly all logs."""
    found: set[int] = set()
    odd = 0
    for line in lines:
        text = line.decode("utf-8", "replace")
        may = [number for number, layout in enumerate(layouts) if layout.could_be(text)]
        found.update(may)
        odd += not may
        if odd > (1 - MOST) * len(lines):
            return ()
    return tuple(layouts[number] for number in sorted(found))


@lru_cache(maxsize=4)
def _first_lines(head: bytes) -> tuple[bytes, ...]:
    text = as_utf8(head).removeprefix(b"\xef\xbb\xbf")
    if text.lstrip()[:1] in (b"{", b"") or b"\0\0" in text[:4096]:
        return ()
    lines = text.split(b"\n")
    if len(lines) > 1:
        lines.pop()  # cut off where the head ends, or empty
    return tuple(line for line in lines[:LINES] if line.strip())


def growth(head: bytes, options: Mapping[str, Any]) -> Growth | None:
    """See `source.Resumable`."""
    return line_growth(head)


def read(file: LogFile, placing: Placing, options: Mapping[str, Any], declared: tuple[str, ...],
         ) -> Iterator[Batch | Rejected]:  # fmt: skip
    """All lines, in order."""
    layouts = layouts_of(options, "")
    comments = str(options.get("comments") or "")
    with file.open() as stream:
        for block in blocks(utf8_stream(stream), file.name):
            if isinstance(block, Rejected):
                yield block
                continue
            rows = block.filled()
            if comments and comments.encode() in block.data:
                mark = np.array([not block.line(row).startswith(comments) for row in rows.tolist()], dtype=bool)
                rows = rows[mark]
            columns, rows, bad = read_block(block, layouts, rows)
            for row in bad.tolist():
                yield Rejected(f"{file.name}#{block.places[row]}", "the line has not the layout of this format")
            if len(rows):
                origins = placed(file.name, pa.array(block.places[rows]))
                yield from _batches(placing, placing.batch(columns, len(rows), origins))


def _batches(placing: Placing, events: pa.RecordBatch) -> Iterator[Batch]:
    """The events in their tables."""
    if not placing.split:
        yield Batch(placing.table, events)
        return
    none = [None] * events.num_rows
    split = [events.column(c).to_pylist() if c in events.schema.names else none for c in placing.split]
    tables: dict[str, list[int]] = {}
    for at, values in enumerate(zip(*split, strict=True)):
        tables.setdefault(placing.table_of(values), []).append(at)
    for table, rows in tables.items():
        yield Batch(table, events.take(pa.array(rows)))
