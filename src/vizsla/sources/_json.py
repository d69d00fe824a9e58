"""JSON records of a stream: one a line, or in an array, or over several lines."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import orjson

from vizsla.source import Growth
from vizsla.sources._lines import MAX_LINE, Lines, TooLong, full_read, line_blocks, line_growth
from vizsla.sources._objects import Objects
from vizsla.sources._rows import printable

HEAD = 64 << 10  # bytes from which it is told how records stand
PORTION = 2000  # records handed on together
MAX_OPEN = 1024  # levels of nesting: the parser takes no more


@dataclass(frozen=True, slots=True)
class Bad:
    """A stretch of the stream that holds no record: where it begins, and why."""

    place: int
    reason: str


@dataclass(frozen=True, slots=True)
class Portion:
    """Consecutive records, where each begins, and how many bytes they took."""

    places: list[int]
    records: list[dict[str, Any]]
    size: int


@contextmanager
def uncollected() -> Iterator[None]:
    """Python's search for cycles rests: records hold none, and to look through them all takes a third of the time.

    Not around a `yield`: whoever takes what is given out shall not go without.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def clean(value: Any) -> Any:
    """A JSON value whose texts any engine can hold: see `printable`."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [clean(v) for v in value]
    if isinstance(value, dict):
        return {printable(k): clean(v) for k, v in value.items()}
    return value


def loads(line: bytes) -> Any:
    """One JSON value. Raises ValueError with a reason, for JSON nested deeper than 1,024 levels too.

    What strict JSON forbids but logs hold is taken, and shown escaped: bytes that are not UTF-8, lone surrogates.
    """
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as strict:
        try:
            return clean(json.loads(line.decode("utf-8", "surrogateescape"), strict=False))
        except (ValueError, RecursionError):
            raise ValueError(f"not JSON: {strict.msg} at column {strict.colno}") from None


def records(stream: BinaryIO) -> Iterator[Portion | Bad]:
    """All JSON objects of a stream in order, and what is none."""
    head = full_read(stream, HEAD)
    rest = _Ahead(head, stream)
    if _one_a_line(head):
        yield from _by_line(rest)
    else:
        yield from _by_bracket(rest)


def json_growth(head: bytes) -> Growth | None:
    """How a log of one JSON object a line goes on; None where its objects stand otherwise."""
    if line_growth(head) is None or not _one_a_line(head, first_alone=True):
        return None
    first = len(head) - len(head.removeprefix(b"\xef\xbb\xbf").lstrip())
    end = head.find(b"\n", first) + 1
    if not end and len(head) >= HEAD:
        return None
    return Growth(prefix=head[:end], delimited=True)  # by the first line `records` tells how the others stand


class _Ahead:
    """A stream of which some was read ahead."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self.head, self.stream = head, stream

    def read(self, size: int) -> bytes:
        if self.head:
            data, self.head = self.head[:size], self.head[size:]
            return data
        return self.stream.read(size)


def head_records(head: bytes) -> list[dict[str, Any]]:
    """The records that stand whole in the head of a file, for sniffing."""
    cut = head.rfind(b"\n")
    whole = head[: cut + 1] if cut > 0 and len(head) > HEAD - 16 else head  # shorter: the whole file
    for portion in records(BytesIO(whole)):
        if isinstance(portion, Portion):
            return portion.records
    return []


def _one_a_line(head: bytes, *, first_alone: bool = False) -> bool:
    """Whether the first line that says anything is a whole object (or too long to tell).

    Where it is torn, the next two tell, unless it counts alone: one torn line must not cost all that follow.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    line, feed, rest = text.partition(b"\n")
    if not text.startswith(b"{"):
        return not text.startswith(b"[")
    if not feed or _whole(line) or (len(line.strip()) > 1 and line.rstrip().endswith(b"}")):
        return True
    following = rest.split(b"\n", 2)[:2]
    return not first_alone and len(following) == 2 and all(map(_whole, following))


def _whole(line: bytes) -> bool:
    """Whether a line is one object."""
    try:
        return line.startswith(b"{") and isinstance(loads(line), dict)
    except ValueError:
        return False


def _by_line(stream: Any) -> Iterator[Portion | Bad]:
    for block in line_blocks(stream):
        if isinstance(block, TooLong):
            yield Bad(block.start, block.reason)
            continue
        offsets = block.offsets()
        for at in range(0, len(block.lines), PORTION):
            yield from _parse(block, offsets, at)


def _parse(block: Lines, offsets: list[int], at: int) -> Iterator[Portion | Bad]:
    lines = block.lines[at : at + PORTION]
    try:  # nearly always, every line is one object
        with uncollected():
            whole = [orjson.loads(line) for line in lines]
    except orjson.JSONDecodeError:
        whole = []
    if whole and set(map(type, whole)) == {dict}:
        yield Portion(offsets[at : at + PORTION], whole, sum(map(len, lines)))
        return
    places: list[int] = []
    found: list[dict[str, Any]] = []
    for place, line in zip(offsets[at : at + PORTION], lines, strict=True):
        if line.startswith(b"\xef\xbb\xbf") and not place:
            line = line[3:]
        if not line or line.isspace():
            continue
        try:
            value = loads(line)
        except ValueError as error:
            last = not block.ended and line is block.lines[-1]
            yield Bad(place, f"the last line is cut off: {error}" if last else str(error))
            continue
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                places.append(place)
                found.append(item)
            else:
                yield Bad(place, "JSON, but not an object")
    if found:
        yield Portion(places, found, sum(map(len, lines)))


def _by_bracket(stream: Any) -> Iterator[Portion | Bad]:
    """Objects wherever they begin and end, inside one array or one after the other."""
    objects = Objects(MAX_OPEN, MAX_LINE)
    while more := full_read(stream, 1 << 20):
        whole: list[tuple[int, bytes]] = []
        for found in objects.feed(more):
            if found.why:
                yield Bad(found.start, found.why)
            else:
                whole.append((found.start, found.text))
        yield from _portions(whole)
    if rest := objects.rest():
        yield Bad(rest.start, rest.why)


def _portions(items: list[tuple[int, bytes]]) -> Iterator[Portion | Bad]:
    places: list[int] = []
    found: list[dict[str, Any]] = []
    for start, text in items:
        try:
            found.append(loads(text))
            places.append(start)
        except ValueError as error:
            yield Bad(start, str(error))
    if found:
        yield Portion(places, found, sum(len(text) for _, text in items))
