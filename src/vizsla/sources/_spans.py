"""Lines of a fixed layout taken apart a block at a time: where each value begins and ends, by arithmetic on bytes.

A `Layout` says what stands in a line: values, and the text between them. `read_block` finds the values of all lines
of a block at once; the few lines whose values hold escapes or the text between values are matched one by one, by the
same layout as a regular expression. Which way a line went never shows in what comes out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.source import Rejected
from vizsla.sources._lines import TooLong, chunks
from vizsla.sources._rows import printable

BLOCK = 1 << 20
MAX_PADDING = 40  # spaces before a value that is written right-aligned
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
_BACKSLASH, _SPACE, _QUOTE, _RETURN, _FEED = 92, 32, 34, 13, 10


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a line, and the text behind it ('' for the last: it goes on to the line's end).

    `quoted`: it stands in quotes, may be empty, and a backslash escapes what follows it. `empty`: it may be empty.
    `padded`: spaces before it mean nothing. `request`: it is an HTTP request line, given out as method, uri and
    protocol where it is one. `text`: it may hold what begins the text behind it. `stop`: a character that it
    does not hold. Of the last value, `bare`: it does not begin with a quote.
    """

    name: str
    until: str
    quoted: bool = False
    padded: bool = False
    request: bool = False
    empty: bool = False
    text: bool = False
    stop: str = ""
    bare: bool = False


@dataclass(frozen=True)
class Layout:
    """What stands in a line: `begin`, then values each with the text behind it. `empty`: what stands for no value."""

    values: tuple[Value, ...]
    begin: str = ""
    empty: tuple[str, ...] = ("-",)
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names: list[str] = []
        for value in self.values:
            names += [*REQUEST] if value.request else [value.name]
        object.__setattr__(self, "names", tuple(dict.fromkeys(names)))

    @cached_property
    def strict(self) -> str:
        """The layout as a regular expression of RE2: a value ends where the text behind it begins."""
        return self._pattern(_strict)

    @cached_property
    def loose(self) -> str:
        """The same for lines whose values hold what should have been escaped."""
        return self._pattern(_loose)

    @cached_property
    def plain(self) -> bool:
        """Whether no value may hold the text behind it: then all lines are told apart by bytes alone."""
        return not any(value.quoted or value.text or value.padded for value in self.values)

    def could_be(self, line: str) -> bool:
        """Whether all that stands between values stands in a line, in its order: at least that must be."""
        if not line.startswith(self.begin):
            return False
        at = len(self.begin)
        for value in self.values:
            at = line.find(value.until, at)
            if at < 0:
                return False
            at += len(value.until)
        return True

    def _pattern(self, one: Callable[[Value], str]) -> str:
        parts = [
            (" *" if v.padded else "") + f"(?P<v{n}>{one(v)})" + re.escape(v.until) for n, v in enumerate(self.values)
        ]
        return rf"(?s)\A{re.escape(self.begin)}{''.join(parts)}\z"


REQUEST = ("request", "method", "uri", "protocol")


def _strict(value: Value) -> str:
    many = "*" if value.empty else "+"
    if not value.until:
        return _ending(value, many)
    end = re.escape(value.until[0] + value.stop)
    return rf"(?:[^\\{end}]|\\.)*" if value.quoted else f"[^{end}]{many}"


def _loose(value: Value) -> str:
    if value.until and (value.quoted or value.text):
        return ".*?" if value.quoted or value.empty else ".+?"
    return _strict(value)


def _ending(value: Value, many: str) -> str:
    one = f"[^{re.escape(value.stop)}]" if value.stop else "."
    return f'[^"]{one}*' if value.bare else one + many


class Block:
    """Consecutive lines as valid UTF-8 without NUL: `starts` and `ends` of each in `data`, its `places` in the log."""

    def __init__(self, data: bytes, start: int = 0) -> None:
        self.starts, self.ends = _bounds(data)
        self.places = self.starts + start
        if b"\0" in data or not _is_text(data):
            data = printable(data.decode("utf-8", "surrogateescape")).encode()
            self.starts, self.ends = _bounds(data)
        self.data = data
        self.bytes = np.frombuffer(data, np.uint8)
        if b"\r" in data:
            self.ends = self.ends - ((self.ends > self.starts) & (self.at(self.ends - 1) == _RETURN))
        self._positions: dict[int, Ints] = {}

    def at(self, positions: Ints) -> npt.NDArray[np.uint8]:
        """The bytes at these positions; the nearest, where there are none."""
        return self.bytes.take(positions, mode="clip")

    def positions(self, byte: int) -> Ints:
        """Where a byte stands, and twice the block's length at the end."""
        found = self._positions.get(byte)
        if found is None:
            found = np.append(np.flatnonzero(self.bytes == byte), [2 * len(self.bytes) + 2] * 2)
            self._positions[byte] = found
        return found

    def line(self, row: int) -> str:
        """One line's text."""
        return self.data[self.starts[row] : self.ends[row]].decode()

    def filled(self) -> Ints:
        """The lines that are not blank."""
        rows = np.flatnonzero(self.ends > self.starts)
        odd = np.flatnonzero(self.at(self.starts[rows]) <= _SPACE)
        if not len(odd):
            return rows
        blank = [i for i in odd.tolist() if not self.line(int(rows[i])).strip()]
        return np.delete(rows, blank)


def _bounds(data: bytes) -> tuple[Ints, Ints]:
    breaks = np.flatnonzero(np.frombuffer(data, np.uint8) == _FEED)
    return np.concatenate([[0], breaks + 1]), np.append(breaks, len(data))


def _is_text(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def blocks(stream: BinaryIO, name: str, block: int = BLOCK) -> Iterator[Block | Rejected]:
    """A log's lines in blocks; lines too long to be read are told."""
    for chunk in chunks(stream, block):
        if isinstance(chunk, TooLong):
            yield chunk.rejected(name)
        else:
            yield Block(chunk.data, chunk.start)


Span = tuple[Ints, Ints]


def _split(block: Block, rows: Ints, layout: Layout) -> tuple[Bools, Bools, list[Span]]:
    """Which of the lines fit, which cannot be told for an escape, and the values' spans (of those that fit, truly)."""
    cursor, limit = block.starts[rows], block.ends[rows]
    fits, escaped = np.ones(len(rows), dtype=bool), np.zeros(len(rows), dtype=bool)
    for k, byte in enumerate(layout.begin.encode()):
        fits &= block.at(cursor + k) == byte
    cursor = cursor + len(layout.begin.encode())
    found: list[Span] = []
    last, index = -1, np.empty(0, np.int64)
    for value in layout.values:
        if value.padded:
            cursor, last = _unpadded(block, cursor), -1
        until = value.until.encode()
        if until:
            positions = block.positions(until[0])
            index = index + 1 if last == until[0] else positions.searchsorted(cursor)
            end = positions.take(index, mode="clip")
            last = until[0] if len(until) == 1 and not value.quoted else -1
            if value.quoted:
                escaped |= fits & (end > cursor) & (end < limit) & (block.at(end - 1) == _BACKSLASH)
                fits &= ~escaped
            for k, byte in enumerate(until[1:], 1):
                fits &= block.at(end + k) == byte
            fits &= end + len(until) <= limit
        else:
            end = np.maximum(limit, cursor)
            fits &= cursor <= limit
            if value.bare:
                fits &= block.at(cursor) != _QUOTE
        if value.stop and value.stop != value.until[:1]:
            positions = block.positions(ord(value.stop))
            fits &= positions.take(positions.searchsorted(cursor), mode="clip") >= end
        if not value.quoted and not value.empty:
            fits &= end > cursor
        found.append((cursor, end))
        if not fits.any():
            return fits, escaped, found
        cursor = end + len(until)
    fits &= cursor == limit if layout.values[-1].until else True
    return fits, escaped, found


def _unpadded(block: Block, cursor: Ints) -> Ints:
    for _ in range(MAX_PADDING):
        space = block.at(cursor) == _SPACE
        if not space.any():
            break
        cursor = cursor + space
    return cursor


@dataclass(frozen=True, slots=True)
class _Part:
    """Columns of some of a block's lines."""

    rows: Ints
    columns: dict[str, pa.Array]


def read_block(block: Block, layouts: Sequence[Layout], rows: Ints | None = None, *,
               exact: bool = False) -> tuple[dict[str, pa.Array], Ints, Ints]:  # fmt: skip
    """The values of a block's lines, each line by the first layout that it fits.

    Returns columns of strings (those without any value left out), the lines that they are of, ascending, and the
    lines that fit no layout. `rows`: these lines alone; all that are not blank otherwise. `exact`: a line whose values
    hold the text between values fits none.
    """
    left = block.filled() if rows is None else rows
    parts: list[_Part] = []
    for layout in layouts:
        if not len(left):
            break
        fits, escaped, spans = _split(block, left, layout)
        if fits.all():
            parts.append(_Part(left, _columns(block, layout, spans)))
            left = left[:0]
            continue
        if fits.any():
            spans = [(begin[fits], end[fits]) for begin, end in spans]
            parts.append(_Part(left[fits], _columns(block, layout, spans)))
        if escaped.any():
            part, odd = _by_pattern(block, layout, layout.strict, left[escaped])
            parts += part
            fits |= np.isin(left, left[escaped]) & ~np.isin(left, odd)
        left = left[~fits]
    for layout in () if exact else layouts:
        if layout.plain or not len(left):
            continue  # what it takes, it took above
        held = np.array([layout.could_be(block.line(row)) for row in left.tolist()], dtype=bool)
        if not held.any():
            continue  # the pattern need not even be compiled
        part, odd = _by_pattern(block, layout, layout.loose, left[held])
        parts += part
        left = np.sort(np.concatenate([left[~held], odd]))
    return *_together(parts), left


def _columns(block: Block, layout: Layout, spans: Sequence[Span]) -> dict[str, pa.Array]:
    """Columns of lines that fit. The block is seen as pieces: values and what is between them; some are taken."""
    bounds: list[Ints] = []
    takes: list[tuple[str, int, Bools | None]] = []  # column, which piece of a line, where it is null
    for value, (begin, end) in zip(layout.values, spans, strict=True):
        if value.request:
            sound, inner = _request(block, begin, end)
            odd = None if sound.all() else ~sound
            empty = _nothing(block, begin, end, layout.empty)
            if odd is not None:
                takes.append(("request", len(bounds), sound | empty))
            takes += [(name, len(bounds) + 2 * k, odd) for k, name in enumerate(REQUEST[1:])]
            for span in inner:
                bounds += span
        else:
            takes.append((value.name, len(bounds), _nothing(block, begin, end, layout.empty)))
            bounds += [begin, end]
    rows, width = len(bounds[0]), len(bounds)
    offsets = np.empty(rows * width + 1, np.int32)
    for k, bound in enumerate(bounds):
        offsets[k:-1:width] = bound
    offsets[-1] = offsets[-2]
    pieces = pa.StringArray.from_buffers(rows * width, pa.py_buffer(offsets), pa.py_buffer(block.data))
    first = np.arange(0, rows * width, width, dtype=np.int32)
    found: dict[str, pa.Array] = {}
    for name, piece, null in takes:
        if null is not None and null.all():
            continue
        mask = null if null is not None and null.any() else None
        found[name] = pieces.take(pa.array(first + np.int32(piece), mask=mask))
    return found


def _request(block: Block, begin: Ints, end: Ints) -> tuple[Bools, tuple[Span, Span, Span]]:
    """Which are HTTP request lines, and their method, target and protocol; of others, the whole as the first."""
    spaces = block.positions(_SPACE)
    one = spaces.take(spaces.searchsorted(begin), mode="clip")
    two = spaces.take(np.maximum(spaces.searchsorted(end) - 1, 0))
    sound = (begin < one) & (one + 1 < two) & (two < end)
    for k, byte in enumerate(b"HTTP/", 1):
        sound &= block.at(two + k) == byte
    one, two = np.where(sound, one, end), np.where(sound, two, end)
    return sound, ((begin, one), (np.minimum(one + 1, end), two), (np.minimum(two + 1, end), end))


def _nothing(block: Block, begin: Ints, end: Ints, empty: Sequence[str]) -> Bools:
    """Which values stand for none: empty ones, and those of `empty`."""
    found = end <= begin
    for text in empty:
        same = end - begin == len(text)
        for k, byte in enumerate(text.encode()):
            same &= block.at(begin + k) == byte
        found |= same
    return found


def _by_pattern(block: Block, layout: Layout, pattern: str, rows: Ints) -> tuple[list[_Part], Ints]:
    """Those of the lines that a layout's pattern matches, and the others."""
    if not len(rows):
        return [], rows
    lines = pa.array([block.line(row) for row in rows.tolist()], pa.string())
    matched = pc.extract_regex(lines, pattern)
    held = matched.is_valid().to_numpy(zero_copy_only=False)
    if not held.any():
        return [], rows
    values = [column.to_pylist() for column in matched.drop_null().flatten()]
    cells = [_named(layout, row) for row in zip(*values, strict=True)]
    columns = zip(layout.names, map(list, zip(*cells, strict=True)), strict=True)
    arrays = {name: pa.array(column, pa.string()) for name, column in columns}
    return [_Part(rows[held], {n: a for n, a in arrays.items() if a.null_count < len(a)})], rows[~held]


def _named(layout: Layout, values: Sequence[str | None]) -> list[str | None]:
    """One line's values by the names of the layout's columns."""
    cells: dict[str, str | None] = dict.fromkeys(layout.names)
    for value, text in zip(layout.values, values, strict=True):
        kept = None if not text or text in layout.empty else text
        if value.request and kept is not None:
            method, _, rest = kept.partition(" ")
            uri, _, protocol = rest.rpartition(" ")
            if method and uri and protocol.startswith("HTTP/"):
                cells.update(method=method, uri=uri, protocol=protocol)
            else:
                cells["request"] = kept
        elif not value.request:
            cells[value.name] = kept
    return list(cells.values())


def _together(parts: Sequence[_Part]) -> tuple[dict[str, pa.Array], Ints]:
    """Columns of all parts, in the order of lines."""
    if len(parts) == 1:
        return dict(parts[0].columns), parts[0].rows
    if not parts:
        return {}, np.empty(0, np.int64)
    rows = np.concatenate([part.rows for part in parts])
    order = rows.argsort(kind="stable")
    take = pa.array(order)
    names = dict.fromkeys(name for part in parts for name in part.columns)
    found = {}
    for name in names:
        arrays = [part.columns.get(name, pa.nulls(len(part.rows), pa.string())) for part in parts]
        found[name] = pa.concat_arrays(arrays).take(take)
    return found, rows[order]
