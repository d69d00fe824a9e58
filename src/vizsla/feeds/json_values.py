"""JSON that follows no format: the indicators among its values, each with the way to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from vizsla.errors import FeedError
from vizsla.feed import Read
from vizsla.feeds._json import WHOLE, document, streamed
from vizsla.feeds._opened import opened
from vizsla.feeds._rows import NOTHING, role_of, type_of, value_of
from vizsla.nouns.indicator import Claim, Refused

LONGEST_LINE = 16 << 20  # bytes of a line of JSON lines
FIRST = 10  # lines by which JSON lines are told
REFUSALS = 1_000  # that are told one by one; the others are counted
DEEPEST = 100
_NEVER = ("uuid", "id", "reference", "references", "source", "version", "schema", "$schema", "link", "links")


class _JsonValues:
    """The format."""

    name = "json_values"
    doc = "JSON or JSON lines of any shape: values that are indicators by their looks or by the name of their field."

    def sniff(self, head: bytes, name: str) -> float:
        """Low for any JSON: every format that knows its fields comes before it."""
        start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if start not in (b"{", b"["):
            return 0.0
        return 0.3 if name.lower().endswith((".json", ".jsonl", ".ndjson")) else 0.15

    def read(self, path: Path, feed: str) -> Iterator[Read]:
        """A claim for each value, its context being the fields that lead to it and the strings beside it."""
        try:
            size = path.stat().st_size
            lines = _is_lines(path)
        except OSError as error:
            raise FeedError(
                f"the file cannot be opened: {error.strerror}", where=str(path), fix="check its path"
            ) from None
        if lines:
            yield from _lines(path, feed)
        elif size > WHOLE:
            yield from _large(path, feed)
        else:
            held, refused = document(path)
            yield from refused
            yield from _values(held, path.name, feed)


def _is_lines(path: Path) -> bool:
    """Whether one of the first lines that say anything is an object or a list by itself, and others follow."""
    with path.open("rb") as stream:
        first = [line for line in (stream.readline(LONGEST_LINE) for _ in range(FIRST)) if line.strip()]
    for line in first if len(first) > 1 else ():
        try:
            held = orjson.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except orjson.JSONDecodeError:
            continue
        if isinstance(held, dict) and held:
            return True
    return False


def _large(path: Path, feed: str) -> Iterator[Read]:
    """The objects of a large document's lists one by one; as a whole where it has none and is not too large for it."""
    count = 0
    for item in streamed(path):
        count += 1
        if isinstance(item, Refused):
            yield item
        else:
            yield from _values(item, f"{path.name}, object {count}", feed)
    if count:
        return
    held, refused = document(path)
    yield from refused
    yield from _values(held, path.name, feed)


def _lines(path: Path, feed: str) -> Iterator[Read]:
    with opened(path) as stream:
        number = 0
        told = 0
        while line := stream.readline(LONGEST_LINE):
            number += 1
            if not line.strip():
                continue
            place = f"{path.name}, line {number}"
            try:
                held = orjson.loads(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
            except orjson.JSONDecodeError as error:
                told += 1
                if told <= REFUSALS:
                    yield Refused(place, f"no JSON: {str(error)[:200]}")
                continue
            yield from _values(held, place, feed)
        if told > REFUSALS:
            yield Refused(path.name, f"{told - REFUSALS} more lines are no JSON")


def _values(held: Any, place: str, feed: str) -> Iterator[Read]:
    """Goes through nested values without recursion."""
    stack: list[tuple[Any, tuple[str, ...], str]] = [(held, (), "")]
    while stack:
        one, way, beside = stack.pop()
        if isinstance(one, dict):
            said = _said(one)
            items = [(value, (*way, str(key)), said) for key, value in one.items() if str(key).lower() not in _NEVER]
        elif isinstance(one, list):
            items = [(value, way, beside) for value in one]
        else:
            if isinstance(one, str) and one.strip().lower() not in NOTHING:
                yield from _value(one, way, beside, place, feed)
            continue
        if len(way) > DEEPEST:
            yield Refused(f"{place}, {'.'.join(way[:10])}…", f"deeper than {DEEPEST} levels")
            continue
        stack.extend(reversed(items))


def _said(row: dict[str, Any]) -> str:
    texts = (str(v) for k, v in row.items() if isinstance(v, str) and role_of(str(k)) in ("context", "malware", "tags"))
    return "; ".join(text.strip()[:300] for text in texts if text.strip())[:1000]


def _value(text: str, way: tuple[str, ...], beside: str, place: str, feed: str) -> Iterator[Read]:
    named = type_of(way[-1]) if way else ""
    found = value_of(text, named) or (value_of(text, "") if named else None)
    if found is not None:
        path = ".".join(way)[:300]
        yield Claim(
            found[0], found[1], feed, raw=text, source=f"{place}, {path}" if path else place, context=beside or path
        )


FORMAT = _JsonValues()
