"""JSON records of a stream: one a line, or in an array, or over several lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO

import orjson

from vizsla.sources._lines import MAX_LINE, Lines, TooLong, full_read, line_blocks
from vizsla.sources._rows import printable

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
    head = full_read(stream, 65536)
    rest = _Ahead(head, stream)
    if _one_a_line(head):
        yield from _by_line(rest)
    else:
        yield from _by_bracket(rest)


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
    whole = head[: cut + 1] if cut > 0 else head
    for portion in records(BytesIO(whole)):
        if isinstance(portion, Portion):
            return portion.records
    return []


def _one_a_line(head: bytes) -> bool:
    """Whether the first line that says anything is a whole object (or too long to tell)."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    line, feed, _ = text.partition(b"\n")
    if not text.startswith(b"{"):
        return not text.startswith(b"[")
    if not feed:
        return True
    try:
        return isinstance(loads(line), dict)
    except ValueError:
        return len(line.strip()) > 1 and line.rstrip().endswith(b"}")


def _by_line(stream: Any) -> Iterator[Portion | Bad]:
    for block in line_blocks(stream):
        if isinstance(block, TooLong):
            yield Bad(block.start, f"a line of {block.length} bytes; more than {MAX_LINE} are not read")
            continue
        offsets = block.offsets()
        for at in range(0, len(block.lines), PORTION):
            yield from _parse(block, offsets, at)


def _parse(block: Lines, offsets: list[int], at: int) -> Iterator[Portion | Bad]:
    lines = block.lines[at : at + PORTION]
    try:  # nearly always, every line is one object
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


_SIGN = re.compile(rb'["{}\[\]]')
_QUOTE = re.compile(rb'["\\]')


def _by_bracket(stream: Any) -> Iterator[Portion | Bad]:
    """Objects wherever they begin and end, inside one array or one after the other."""
    at, data = 0, b""  # where `data` begins
    scan = _Scan()
    while more := full_read(stream, 1 << 20):
        data += more
        done, items, deep = scan.objects(data)
        yield from _portions(items, at)
        for start in deep:
            yield Bad(at + start, f"an object nested deeper than {MAX_OPEN} levels is not read")
        at, data = at + done, data[done:]
        if len(data) > MAX_LINE:
            yield Bad(at, f"an object of more than {MAX_LINE} bytes is not read")
            at, data = at + len(data), b""
            scan = _Scan()
    if data.strip(b" \t\r\n,[]\xef\xbb\xbf"):
        yield Bad(at, "the last object is cut off, or no JSON at all")


class _Scan:
    """Where the objects of a stream begin and end. Goes on where it stopped: no byte is looked at twice."""

    def __init__(self) -> None:
        self.start = -1  # of the object that is open; -1: none is
        self.at = self.depth = 0
        self.quoted = False

    def objects(self, data: bytes) -> tuple[int, list[tuple[int, bytes]], list[int]]:
        """How many bytes are done with, the whole objects with their offsets, and where too deep ones begin.

        The next call's `data` goes on from the bytes that are done with.
        """
        items: list[tuple[int, bytes]] = []
        deep: list[int] = []
        done = 0
        while self.start >= 0 or (start := data.find(b"{", done)) >= 0:
            if self.start < 0:
                self.start = self.at = start
            end = self._end(data)
            if end is None:
                done, self.at, self.start = self.start, self.at - self.start, 0
                return done, items, deep
            if self.depth:
                deep.append(self.start)
            else:
                items.append((self.start, data[self.start : end]))
            done, self.start, self.depth = end, -1, 0
        return (done if done or data.strip(b" \t\r\n,[]\xef\xbb\xbf") else len(data)), items, deep

    def _end(self, data: bytes) -> int | None:
        """Where the open object ends, or grows too deep (then `depth` is not 0); None: not within `data`."""
        while True:
            if self.quoted:
                quote = _QUOTE.search(data, self.at)
                if quote is None:
                    self.at = max(self.at, len(data))
                    return None
                self.quoted = quote.group() != b'"'
                self.at = quote.end() + self.quoted  # what follows a backslash says nothing
                continue
            sign = _SIGN.search(data, self.at)
            if sign is None:
                self.at = max(self.at, len(data))
                return None
            self.at = sign.end()
            char = sign.group()
            if char == b'"':
                self.quoted = True
                continue
            self.depth += 1 if char in b"{[" else -1
            if self.depth == 0 or self.depth > MAX_OPEN:
                return self.at


def _portions(items: list[tuple[int, bytes]], at: int) -> Iterator[Portion | Bad]:
    places: list[int] = []
    found: list[dict[str, Any]] = []
    for start, text in items:
        try:
            found.append(loads(text))
            places.append(at + start)
        except ValueError as error:
            yield Bad(at + start, str(error))
    if found:
        yield Portion(places, found, sum(len(text) for _, text in items))
