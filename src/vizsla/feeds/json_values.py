"""JSON that follows no format: the indicators among its values, each with the way to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vizsla.errors import FeedError
from vizsla.feed import LARGEST, Read
from vizsla.feeds._rows import NOTHING, role_of, type_of, value_of
from vizsla.nouns.indicator import Claim, Refused

LONGEST_LINE = 16 << 20  # bytes of a line of JSON lines
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
            if size > LARGEST:
                yield from _lines(path, feed)
                return
            data = path.read_bytes()
        except OSError as error:
            raise FeedError(
                f"the file cannot be opened: {error.strerror}", where=str(path), fix="check its path"
            ) from None
        try:
            held = json.loads(data)
        except RecursionError:
            raise FeedError("its values lie too deep", where=str(path), fix=f"{DEEPEST} levels are read") from None
        except ValueError:
            yield from _lines(path, feed)
            return
        del data
        yield from _values(held, path.name, feed)


def _lines(path: Path, feed: str) -> Iterator[Read]:
    right = 0
    with path.open("rb") as stream:
        number = 0
        while line := stream.readline(LONGEST_LINE):
            number += 1
            if not line.strip():
                continue
            place = f"{path.name}, line {number}"
            try:
                held = json.loads(line)
            except (ValueError, RecursionError) as error:
                if not right and number > 1:
                    raise FeedError(
                        f"it is no JSON: {error}", where=str(path), fix="check that the file is whole"
                    ) from None
                yield Refused(place, f"no JSON: {str(error)[:200]}")
                continue
            right += 1
            yield from _values(held, place, feed)


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
