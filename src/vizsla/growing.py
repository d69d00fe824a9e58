"""Logs that grow: how far one was read, and whether a file is that log and goes on from there.

A log is known by its first bytes and by those before the place where its reading ended, not by its name: so it is
found again renamed, copied or compressed. Only whole records are read on from; a last line without a line feed waits
until it has one, or until its file has not been written to for a minute.
"""

from __future__ import annotations

import hashlib
import os
import time
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from vizsla.parts import BLOCK, TAIL, Watch
from vizsla.source import Growth

HEADS = (4096, 1024, 256, 64)  # bytes that a log is known by: the most that it has
LOOK = 1 << 20  # bytes at a log's end among which its last whole record is looked for
QUIET = 60.0  # seconds without a write after which a last line is taken as it is


class Kept(Protocol):
    """Ordinals that lie elsewhere until they are needed."""

    @property
    def folder(self) -> str:
        """Where they lie."""
        ...

    def load(self) -> bytes:
        """The packed ordinals. Raises OSError or ValueError where they are gone or damaged."""
        ...


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a log was read. All before `offset` are whole records; up to `length` the rest was read as it stood."""

    source: str
    head: str  # SHA-256 of the first `head_length` bytes
    head_length: int
    offset: int
    tail: str  # SHA-256 of up to `TAIL` bytes before `offset`
    length: int
    written: int  # when the file was last written, in nanoseconds since 1970
    marked: tuple[bytes, ...] = ()  # lines that rule those from `offset` on; see `Growth`
    ordinals: bytes | Kept = field(default=b"", compare=False, repr=False)

    @property
    def key(self) -> str:
        """What tells it from other marks."""
        return f"{self.head[:32]}-{self.tail[:32]}-{self.offset}"

    def state(self) -> bytes:
        """The packed ordinals. Raises OSError or ValueError where they are gone or damaged."""
        return self.ordinals if isinstance(self.ordinals, bytes) else self.ordinals.load()


@dataclass(frozen=True, slots=True)
class Follow:
    """That a log may grow, and where readings of logs that begin like it ended."""

    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a plain file there is to read now, whatever is added meanwhile."""

    size: int
    written: int  # nanoseconds since 1970

    @classmethod
    def of(cls, stream: BinaryIO) -> Extent:
        status = os.fstat(stream.fileno())
        return cls(status.st_size, status.st_mtime_ns)

    def quiet(self) -> bool:
        """Whether nobody has written to the file for a while."""
        return time.time() - self.written / 1e9 >= QUIET

    def read_by(self, mark: Mark) -> bool:
        """Whether all of it was read when the mark was made."""
        return (self.size, self.written) == (mark.length, mark.written)

    def may_follow(self, mark: Mark) -> bool:
        """Whether it may go on from there. Written to and no longer than it was: something in it was changed."""
        return self.size >= mark.offset and (self.size != mark.length or self.written == mark.written)


def head_digests(head: bytes) -> list[tuple[int, str]]:
    """The names that a log which begins so may be known by: how many bytes, and their SHA-256; the longest first."""
    return [(size, _digest(head[:size])) for size in HEADS if size <= len(head)]


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def entered(stream: BinaryIO, mark: Mark) -> bytes | None:
    """Puts a log's stream, which stands at its start, to the place of the mark; the up to `TAIL` bytes before it.

    None where it is another log, or shorter.
    """
    head = hashlib.sha256()
    last, at = b"", 0
    if stream.seekable():
        head.update(stream.read(mark.head_length))
        at = max(0, mark.offset - TAIL)
        stream.seek(at)
    while at < mark.offset and (data := stream.read(min(BLOCK, mark.offset - at))):
        if at < mark.head_length and not stream.seekable():
            head.update(data[: mark.head_length - at])
        last, at = (last + data)[-TAIL:], at + len(data)
    same = at == mark.offset and head.hexdigest() == mark.head and _digest(last) == mark.tail
    return last if same else None


def goes_on(path: str, mark: Mark) -> bool:
    """Whether the plain file at `path` is the log of that mark."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123  names may hold bytes that are no text
            return Extent.of(stream).may_follow(mark) and entered(stream, mark) is not None
    except OSError:
        return False


def whole_records(stream: BinaryIO, start: int, limit: int, growth: Growth) -> int | None:
    """Where, from `start` on, the last surely whole record of a log's first `limit` bytes ends.

    `start` where there is none; None where it cannot be told. Moves the stream, which must be seekable.
    """
    if growth.quoted:
        stream.seek(start)
        cut = _outside_quotes(stream, start, limit)
        return cut if limit - cut <= LOOK else None
    begin = max(start, limit - LOOK)
    stream.seek(begin)
    last = stream.read(limit - begin)
    if begin > start:
        skipped = last.find(b"\n") + 1
        begin, last = begin + skipped, last[skipped:]
        if not skipped:
            return None
    cut = growth.cut(last) if growth.cut is not None else last.rfind(b"\n") + 1
    return begin + cut if cut or begin == start else None


def _outside_quotes(stream: BinaryIO, start: int, limit: int) -> int:
    """Where the last line feed outside of double quotes ends; `start` where there is none."""
    at, cut, inside = start, start, False
    while at < limit and (data := stream.read(min(BLOCK, limit - at))):
        odd = data.count(b'"') % 2 == 1
        feed, end, within = data.rfind(b"\n"), len(data), inside ^ odd
        while feed >= 0:
            within ^= data.count(b'"', feed, end) % 2 == 1
            if not within:
                cut = at + feed + 1
                break
            quote = data.rfind(b'"', 0, feed)  # it opens what this feed stands in: so do all feeds behind it
            feed, end = (data.rfind(b"\n", 0, quote), feed) if quote >= 0 else (-1, feed)
        inside ^= odd
        at += len(data)
    return cut


def mark_at(watched: Watch, head: bytes, growth: Growth, source: str, extent: Extent, ordinals: bytes) -> Mark | None:
    """The mark at the end of what was read; None where nothing could be read on from it."""
    names = head_digests(head[: watched.at])
    if watched.at != watched.stop or watched.marked.too_many or not names or watched.at < len(growth.prefix):
        return None
    (size, digest), offset = names[0], watched.at
    return Mark(
        source=source,
        head=digest,
        head_length=size,
        offset=offset,
        tail=_digest(watched.last),
        length=offset,
        written=extent.written,
        marked=watched.marked.lines,
        ordinals=ordinals,
    )
