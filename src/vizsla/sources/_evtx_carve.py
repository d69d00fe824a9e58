"""Event records searched for in the bytes of an EVTX file: where its headers are damaged, and in what it has deleted.

A record can be read only within its chunk of 64 KiB, since it refers to names and templates by their place in there.
So the chunk around the records found is given to the parser as a file of its own: its header written anew, and the
sizes of its records set so that the parser goes from one record to the next and over what lies between.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from typing import Any, BinaryIO

import orjson

HEADER, CHUNK, FIRST = 4096, 65536, 512  # bytes: of a file's header, of a chunk, and where a chunk's records begin
CHUNK_MAGIC, MARK = b"ElfChnk\x00", b"**\x00\x00"
SMALLEST = 28  # bytes of a record: a header of 24, its size again in 4
STEP = 8192  # what a search without chunks' marks goes on by at least, so that hostile bytes cannot make it crawl
# Windows times (100 ns since 1601) of the years 1990 to 2100: a mark with another time is no record's.
_EARLIEST, _LATEST = 122_756_256_000_000_000, 157_469_184_000_000_000
_YEAR = re.compile(r"(?:19|20)\d\d-")
_TEMPLATE = 34  # bytes from a record's begin to the place of its template: header, fragment, token, version, id


@dataclass(frozen=True, slots=True)
class Frame:
    """A chunk's bytes: where they begin in the file, where its header says that its records end, and its state."""

    start: int
    data: bytes
    end: int
    sound: bool  # its header is there


@dataclass(frozen=True, slots=True)
class Found:
    """What one place of a chunk gave: a record as the parser gives it, or why there is none."""

    place: int  # in the file
    size: int
    deleted: bool
    record: dict[str, Any] | None
    reason: str = ""
    gap: bool = False  # no record's mark stood there


def frames(file: BinaryIO) -> Iterator[Frame]:
    """All chunks of a file in order, those without a header too, where records are found that were in them."""
    size = file.seek(0, SEEK_END)
    file.seek(0)
    at = HEADER if file.read(8) == b"ElfFile\x00" else 0
    while at < size:
        window = _at(file, at, CHUNK + len(CHUNK_MAGIC) - 1)
        begin, following = 0, window.find(CHUNK_MAGIC, 1)
        while following > 0 and following - begin < FIRST + SMALLEST and window.startswith(CHUNK_MAGIC, begin):
            begin, following = following, window.find(CHUNK_MAGIC, following + 1)  # no record fits in between
        if begin:
            at += begin
            continue
        if window.startswith(CHUNK_MAGIC):
            data = window[: CHUNK if following < 0 else following]
            yield _frame(at, data)
            at += len(data)
            continue
        stretch = window[: CHUNK if following < 0 else following]
        lost = _lost(file, at, stretch)
        if lost is not None:
            yield lost
            at = max(min(lost.start + CHUNK, at + len(stretch)), at + min(STEP, len(stretch)))
        else:
            at += len(stretch)


def _at(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _frame(start: int, data: bytes) -> Frame:
    end = int.from_bytes(data[48:52], "little")
    return Frame(start, data, end if FIRST <= end <= CHUNK else CHUNK, sound=True)


def _lost(file: BinaryIO, at: int, stretch: bytes) -> Frame | None:
    """The chunk that the first record of a stretch was in: as its template's place says, else it begins here."""
    if not stretch.strip(b"\0"):
        return None
    first = None
    for place, size in marks(stretch, 0, len(stretch)):
        first = place if first is None else first
        base = _base(stretch, place)
        if base is not None and place + size <= base + CHUNK and base + FIRST <= place:
            start = at + base
            data = _at(file, start, CHUNK) if start >= 0 else bytes(-start) + _at(file, 0, CHUNK + start)
            following = data.find(CHUNK_MAGIC, max(-base, 0) + 1)
            return Frame(start, data if following < 0 else data[:following], CHUNK, sound=False)
    return None if first is None else Frame(at, stretch, CHUNK, sound=False)


def _base(data: bytes, place: int) -> int | None:
    """Where the chunk of a record begins, if the record holds its template itself: that names its own place.

    A template's number is also the beginning of its GUID, which tells it from bytes that only look like one.
    """
    at = place + _TEMPLATE
    if data[place + 24 : place + 29] != b"\x0f\x01\x01\x00\x0c" or len(data) < at + 12:
        return None
    number, offset = data[at - 4 : at], int.from_bytes(data[at : at + 4], "little")
    return at + 4 - offset if data[at + 8 : at + 12] == number else None


def marks(data: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Where records begin and their sizes: a mark, a size that fits and stands at the record's end too, a time."""
    end = min(end, len(data))
    at = data.find(MARK, begin, end)
    while at >= 0:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if SMALLEST <= size <= end - at and _timely(data, at) and _closed(data, at, size):
            yield at, size
            at += size
        else:
            at += len(MARK)
        at = data.find(MARK, at, end)


def _timely(data: bytes | bytearray, at: int) -> bool:
    """Whether a record's header has a time that can be; exported logs may have none."""
    time = int.from_bytes(data[at + 16 : at + 24], "little")
    return time == 0 or _EARLIEST <= time <= _LATEST


def _closed(data: bytes, at: int, size: int) -> bool:
    end = at + size
    return data[end - 4 : end] == data[at + 4 : at + 8] or data[end : end + 4] == MARK


def records(frame: Frame, *, live: bool, deleted: bool) -> Iterator[Found]:
    """What a chunk holds, in order. `live`: what its header counts, with gaps; `deleted`: what lies behind that."""
    data = frame.data + bytes(CHUNK - len(frame.data))
    visited: list[tuple[int, int, bool]] = []  # place, size, whether it is a gap
    if live:
        done = FIRST
        last = [(frame.end, 0)] if frame.sound else []  # else nobody knows where the records ended
        for place, size in [*marks(data, FIRST, frame.end), *last]:
            if place - done >= SMALLEST and data[done:place].strip(b"\0"):
                visited.append((done, place - done, True))
            if size:
                visited.append((place, size, False))
            done = place + size
    if deleted:
        visited.extend((place, size, False) for place, size in marks(data, frame.end, CHUNK))
    if not visited:
        return
    chunk, skipped = _chained(data, visited)
    for (place, size, gap), (record, reason) in zip(visited, _parsed(chunk, skipped, len(visited)), strict=True):
        if record is not None and not _whole(record):
            record, reason = None, "what the record refers to was overwritten"
        yield Found(frame.start + place, size, place >= frame.end, record, reason, gap)


def _chained(data: bytes, visited: list[tuple[int, int, bool]]) -> tuple[bytes, int]:
    """A chunk whose records are those at the given places, and how many come before them (0 or 1)."""
    chunk = bytearray(data)
    last = visited[-1][0] + visited[-1][1]
    chunk[:FIRST] = bytes(FIRST)
    chunk[:8] = CHUNK_MAGIC
    chunk[16:24] = chunk[32:40] = b"\xff" * 8  # the parser stops at the record with the last number
    chunk[40:44] = (128).to_bytes(4, "little")
    chunk[48:52] = last.to_bytes(4, "little")
    places = [place for place, _, _ in visited]
    skipped = int(places[0] != FIRST)
    if skipped:
        places.insert(0, FIRST)
    for place, following in zip(places, [*places[1:], last], strict=True):
        chunk[place : place + 8] = MARK + (following - place).to_bytes(4, "little")
        if not _timely(chunk, place):  # a gap's: the parser would stop at a time that no calendar has
            chunk[place + 16 : place + 24] = _EARLIEST.to_bytes(8, "little")
    return bytes(chunk), skipped


def _parsed(chunk: bytes, skipped: int, count: int) -> Iterator[tuple[dict[str, Any] | None, str]]:
    """What the parser says of each record of a chunk: exactly `count` answers."""
    import evtx

    reason, given = "", -skipped
    parsed: Iterator[dict[str, Any] | None] = iter(())
    try:
        parsed = evtx.PyEvtxParser(
            BytesIO(_HEADER + chunk), number_of_threads=1, separate_json_attributes=True
        ).records_json()
    except (RuntimeError, OSError, ValueError) as error:
        reason = str(error)
    while given < count:
        record = None
        try:
            record = next(parsed)
        except StopIteration:
            break
        except (RuntimeError, OSError, ValueError) as error:
            reason = str(error)
        if record is None and not reason:
            break
        given += 1
        if given > 0:
            yield record, "" if record else " ".join(reason.split())[:300]
    for _ in range(max(given, 0), count):
        yield None, "the parser stopped before it: " + " ".join(reason.split())[:250]


def _whole(record: dict[str, Any]) -> bool:
    """Whether a record's content has what every event has: old records of a reused chunk refer to others' templates.

    Its header tells nothing of that: exported logs count their records anew, with another time or none (1601).
    """
    try:
        system = orjson.loads(record["data"])["Event"]["System"]
        number, time = str(system["EventRecordID"]), str(system["TimeCreated_attributes"]["SystemTime"])
        named = [system["Channel"], system["Computer"], system["Provider_attributes"]["Name"]]
    except (ValueError, KeyError, TypeError):
        return False
    return number.isdigit() and _YEAR.match(time) is not None and all(isinstance(n, str) and n for n in named)


def _header() -> bytes:
    """The header of a file of one chunk."""
    head = bytearray(HEADER)
    head[:8] = b"ElfFile\x00"
    for at, size, value in ((24, 8, 1), (32, 4, 128), (36, 2, 1), (38, 2, 3), (40, 2, HEADER), (42, 2, 1)):
        head[at : at + size] = value.to_bytes(size, "little")
    head[124:128] = zlib.crc32(bytes(head[:120])).to_bytes(4, "little")
    return bytes(head)


_HEADER = _header()
