"""Lines of a byte stream in blocks, with their offsets, in bounded memory whatever a line's length.

A source whose records are lines says how its logs grow with `line_growth`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from vizsla.source import Growth, Rejected

BLOCK = 256 << 10
MAX_LINE = 64 << 20


@dataclass(frozen=True, slots=True)
class Lines:
    """Consecutive lines without their line feeds; the first begins `start` bytes into the stream.

    `ended` is false where the last line is the stream's last and no line feed follows it.
    """

    start: int
    lines: list[bytes]
    ended: bool = True

    def offsets(self) -> list[int]:
        """The byte offset at which each line begins."""
        offsets, at = [], self.start
        for line in self.lines:
            offsets.append(at)
            at += len(line) + 1
        return offsets


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line longer than `MAX_LINE`: passed over without being held."""

    start: int
    length: int

    @property
    def reason(self) -> str:
        """Why it is not read."""
        return f"a line of {self.length} bytes; more than {MAX_LINE} are not read"

    def rejected(self, name: str) -> Rejected:
        """It, in the log of that name."""
        return Rejected(f"{name}#{self.start}", self.reason)


def full_read(stream: BinaryIO, size: int) -> bytes:
    """`size` bytes, fewer only at the end: so that blocks do not depend on how a stream is compressed."""
    data = stream.read(size)
    if len(data) == size or not data:
        return data
    parts, held = [data], len(data)
    while held < size:
        data = stream.read(size - held)
        if not data:
            break
        parts.append(data)
        held += len(data)
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive whole lines as they lie in the stream, without the last one's line feed; see `Lines`."""

    start: int
    data: bytes
    ended: bool = True


def line_growth(head: bytes, above: int = 0) -> Growth | None:
    """How a log of lines goes on, each of which is read by itself and by the first `above` lines.

    None where those first lines are not whole, or where places may be no offsets: in UTF-16, behind a byte order mark.
    """
    if head.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")) or b"\0" in head[:4]:
        return None
    end = 0
    for _ in range(above):
        end = head.find(b"\n", end) + 1
        if not end:
            return None
    return Growth(prefix=head[:end])


def line_blocks(stream: BinaryIO, block: int = BLOCK, max_line: int = MAX_LINE) -> Iterator[Lines | TooLong]:
    """All lines of a stream in order. Memory: a block and at most one line of `max_line` bytes."""
    for chunk in chunks(stream, block, max_line):
        yield chunk if isinstance(chunk, TooLong) else Lines(chunk.start, chunk.data.split(b"\n"), chunk.ended)


def chunks(stream: BinaryIO, block: int = BLOCK, max_line: int = MAX_LINE) -> Iterator[Chunk | TooLong]:
    """The same in blocks that are not yet split."""
    at = 0  # where the bytes held begin
    held: list[bytes] = []  # the beginning of a line whose end is not yet seen
    held_bytes = 0
    skipping = False  # within a line that is too long
    while data := full_read(stream, block):
        first, cut = data.find(b"\n"), data.rfind(b"\n")
        if first < 0:
            held_bytes += len(data)
            if skipping or held_bytes > max_line:
                skipping, held = True, []
            else:
                held.append(data)
            continue
        begin = 0  # of the lines in `data` that are whole
        if skipping or held_bytes + first > max_line:
            yield TooLong(at, held_bytes + first)
            at, begin, held, skipping = at + held_bytes + first + 1, first + 1, [], False
        if cut >= begin:
            whole = b"".join([*held, data[begin:cut]])
            yield Chunk(at, whole)
            at += len(whole) + 1
        held = [data[cut + 1 :]]
        held_bytes = len(held[0])
    if skipping:
        yield TooLong(at, held_bytes)
    elif held_bytes:
        yield Chunk(at, b"".join(held), ended=False)
