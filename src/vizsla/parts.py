"""A part of a log read as a log of its own, and what is watched of it while it goes by."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import BinaryIO, cast

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.errors import SourceError
from vizsla.nouns.event import ORIGIN
from vizsla.source import Batch, Growth, Rejected

TAIL = 4096  # bytes before the place where reading ended by which the log is known again
MAX_MARKED = 64 << 10  # bytes of lines that rule later ones
BLOCK = 256 << 10


class Marked:
    """Watches lines go by for those that rule later ones, and remembers the last of each kind."""

    def __init__(self, mark: bytes, lines: Sequence[bytes] = ()) -> None:
        self._mark = mark
        self._lines: dict[bytes, bytes] = {}
        self._held = b""  # the beginning of a line that may be a marked one
        self._within = False  # a line that is none
        self._size = 0
        for line in lines:
            self._take(line)

    @property
    def lines(self) -> tuple[bytes, ...]:
        """The lines so far, without their line feeds."""
        return tuple(self._lines.values())

    @property
    def too_many(self) -> bool:
        """Whether there are more than can be kept."""
        return self._size > MAX_MARKED

    def feed(self, data: bytes) -> None:
        """The next bytes of the log."""
        if not self._mark or self.too_many:
            return
        at = 0
        if self._within:
            at = data.find(b"\n") + 1
            if not at:
                return
            self._within = False
        elif self._held:
            data, self._held = self._held + data, b""
        while True:
            if data.startswith(self._mark, at):
                end = data.find(b"\n", at)
                if end < 0:
                    break
                self._take(data[at:end])
                at = end + 1
            elif (found := data.find(b"\n" + self._mark, at)) >= 0:
                at = found + 1
            else:
                at = max(at, data.rfind(b"\n") + 1)
                break
        rest = data[at : at + MAX_MARKED + 1]
        if rest.startswith(self._mark) or self._mark.startswith(rest):
            self._held = rest
            self._size += len(rest) * (len(rest) > MAX_MARKED)
        else:
            self._within = True

    def _take(self, line: bytes) -> None:
        found = re.match(rb"[^\s:=]*", line)
        word = found.group() if found else b""
        self._size += len(line) - len(self._lines.pop(word, b""))
        self._lines[word] = line


class Watch:
    """What of a log went by: `at` is where in the log it stands, `last` the bytes before that."""

    def __init__(self, at: int, stop: int | None, last: bytes, marked: Marked) -> None:
        self.at, self.stop, self.last, self.marked = at, stop, last, marked

    def feed(self, data: bytes) -> None:
        """The next bytes of the log."""
        self.at += len(data)
        self.last = (self.last + data)[-TAIL:] if len(data) < TAIL else data[-TAIL:]
        self.marked.feed(data)


class Part:
    """A log's bytes from `start` to `stop` (None: its end) below what its lines are read by.

    Args:
        name: the log's.
        marked: the lines before `start` that rule later ones.
        opener: gives a stream that stands at `start`.
        before: up to `TAIL` bytes before `start`.

    `path` is None, as of any log that must be streamed.
    """

    def __init__(self, name: str, growth: Growth, marked: Sequence[bytes], start: int, stop: int | None,
                 opener: Callable[[], BinaryIO], before: bytes = b"") -> None:  # fmt: skip
        self.name = name
        self.path: str | None = None
        self.start, self.stop = start, stop
        self.prefix = b"".join([growth.prefix, *(line + b"\n" for line in marked)]) if start else b""
        self._sign, self._marked, self._opener, self._before = growth.marked, tuple(marked), opener, before
        self.watched = self._watch()

    def open(self) -> BinaryIO:
        """The part from its beginning; `watched` is what of it went by since."""
        self.watched = self._watch()
        return cast(BinaryIO, io.BufferedReader(_Watched(self._opener(), self.prefix, self.watched), BLOCK))

    def _watch(self) -> Watch:
        return Watch(self.start, self.stop, self._before, Marked(self._sign, self._marked))


class _Watched(io.RawIOBase):
    """The prefix, then the log, as far as it is to be read."""

    def __init__(self, stream: BinaryIO, prefix: bytes, watched: Watch) -> None:
        self._stream, self._prefix, self._watched = stream, prefix, watched

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        if self._prefix:
            data, self._prefix = self._prefix[: len(buffer)], self._prefix[len(buffer) :]
        else:
            left = len(buffer) if self._watched.stop is None else self._watched.stop - self._watched.at
            data = self._stream.read(min(len(buffer), left)) if left > 0 else b""
            self._watched.feed(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


def in_log(item: Batch | Rejected, part: Part) -> Batch | Rejected | None:
    """What was read of a part, with its places in the log; None for what stands in the repeated lines.

    Raises SourceError where a place is no byte offset.
    """
    if not part.start:
        return item
    if isinstance(item, Rejected):
        name, _, place = item.place.rpartition("#")
        if not place.isdecimal():
            raise _no_offset(item.place)
        at = int(place) - len(part.prefix)
        return Rejected(f"{name}#{part.start + at}", item.reason) if at >= 0 else None
    events = item.events
    if not events.num_rows:
        return None
    origins = events.column(ORIGIN)
    one = origins[0].as_py() or ""
    begin = one.rfind("#") + 1
    skipped = len(one[:begin].encode())
    try:
        told = pc.binary_slice(pc.cast(origins, pa.binary()), skipped, skipped + 20)  # no int64 is as long
        places = pc.cast(pc.cast(told, pa.string()), pa.int64())
    except pa.ArrowInvalid as error:
        raise _no_offset(one) from error
    shifted = pc.cast(pc.add(places, part.start - len(part.prefix)), pa.string())
    named = pc.binary_join_element_wise(pa.scalar(one[:begin]), shifted, "")
    events = events.set_column(events.schema.get_field_index(ORIGIN), ORIGIN, named)
    if part.prefix and not pc.all(own := pc.greater_equal(places, len(part.prefix))).as_py():
        events = events.filter(own)
    return replace(item, events=events) if events.num_rows else None


def _no_offset(place: str) -> SourceError:
    return SourceError(
        "its source says that it can read on in a grown log, but its places are no byte offsets",
        where=place,
        fix="report this source",
    )
