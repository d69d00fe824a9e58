"""JSON of feeds, bounded: whole where it is small, object by object where it is large."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from vizsla.errors import FeedError
from vizsla.feed import LARGEST
from vizsla.nouns.indicator import Refused

WHOLE = 32 << 20  # bytes: a larger document is read object by object
OBJECT = 32 << 20  # bytes of one object in a large document
CHUNK = 1 << 20
LISTS = ("[", "{[")  # the brackets that are open where an object of the list begins
# The next bracket outside of strings, or the quote of a string that has no end yet.
_MARK = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+(["{}\[\]])', re.DOTALL)


def document(path: Path) -> Any:
    """A whole document. Raises FeedError where it is too large or no JSON."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise FeedError(
                f"the document is larger than {LARGEST >> 20} MiB", where=str(path), fix="split it into smaller files"
            )
        return loads(path.read_bytes(), str(path))
    except OSError as error:
        raise _unreadable(path, error) from error


def loads(content: bytes, where: str) -> Any:
    """The value of a JSON text. Raises FeedError where it is none."""
    try:
        return orjson.loads(content.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise FeedError(f"it is no JSON: {error}", where=where, fix="get the file again") from error


def _unreadable(path: Path, error: OSError) -> FeedError:
    return FeedError(
        f"the file cannot be read: {error.strerror or error}", where=str(path), fix="check path and rights"
    )


def objects(path: Path, key: str) -> Iterator[dict[str, Any] | Refused]:
    """The objects of a list that is the document, or that stands in it under `key`; the document itself if neither.

    Raises FeedError where it is no JSON. In a large document an object that is none is Refused, the others come.
    """
    try:
        large = path.stat().st_size > WHOLE
    except OSError as error:
        raise _unreadable(path, error) from error
    if large:
        yield from _streamed(path)
        return
    content = document(path)
    found = content.get(key, content) if isinstance(content, dict) else content
    for place, item in enumerate(found if isinstance(found, list) else [found]):
        if isinstance(item, dict):
            yield item
        else:
            yield Refused(f"{path.name}, object {place + 1}", "it is no JSON object")


def _streamed(path: Path) -> Iterator[dict[str, Any] | Refused]:
    """The objects that stand directly in a list, which is the document or stands directly in it, whatever its key."""
    count = 0
    for piece in _pieces(path):
        count += 1
        place = f"{path.name}, object {count}"
        if isinstance(piece, str):
            yield Refused(place, piece)
            continue
        try:
            item = orjson.loads(piece)
        except orjson.JSONDecodeError as error:
            yield Refused(place, f"it is no JSON: {error}")
            continue
        if isinstance(item, dict):
            yield item


def _pieces(path: Path) -> Iterator[bytes | str]:
    """The text of each object in a list at the top or directly below it; a reason where it is too large."""
    scan = _Scan(str(path))
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield from scan.more(chunk)
    if scan.stack:
        raise scan.wrong("the document ends in the middle")


class _Scan:
    """Looks for brackets outside of strings, chunk by chunk."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.held = b""  # from the object that has begun, or from what is not yet looked at
        self.at = 0  # up to where `held` is looked at
        self.start = -1  # where in `held` an object has begun
        self.skipped = False  # the object that has begun is too large
        self.stack = ""  # brackets that are open

    def wrong(self, what: str) -> FeedError:
        return FeedError(what, where=self.where, fix="get the file again")

    def more(self, chunk: bytes) -> Iterator[bytes | str]:
        self.held += chunk
        while mark := _MARK.match(self.held, self.at):
            sign = mark[1]
            if sign == b'"':  # a string that ends in a later chunk
                self.at = mark.start(1)
                break
            self.at = mark.end()
            if sign in b"{[":
                self.opened(sign.decode(), mark.start(1))
            else:
                yield from self.closed(sign.decode())
        self.forget()

    def opened(self, sign: str, at: int) -> None:
        if sign == "{" and self.stack in LISTS:
            self.start, self.skipped = at, False
        self.stack += sign
        if len(self.stack) > 1_000:
            raise self.wrong("it is nested too deeply")

    def closed(self, sign: str) -> Iterator[bytes | str]:
        if self.stack[-1:] + sign not in ("{}", "[]"):
            raise self.wrong("it is no JSON: brackets do not match")
        self.stack = self.stack[:-1]
        if sign == "}" and self.stack in LISTS:
            yield f"larger than {OBJECT >> 20} MiB" if self.skipped else self.held[self.start : self.at]
            self.start, self.skipped = -1, False

    def forget(self) -> None:
        """Lets go of what is behind."""
        if self.start >= 0 and len(self.held) - self.start > OBJECT:
            self.start, self.skipped = -1, True
        behind = self.start if self.start >= 0 else self.at
        self.held = self.held[behind:]
        self.at -= behind
        self.start = min(self.start, 0)
        if len(self.held) > 2 * OBJECT:
            raise self.wrong(f"a string of more than {OBJECT >> 20} MiB")
