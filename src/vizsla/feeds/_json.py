"""JSON of feeds, bounded: whole where it is small and sound, object by object where it is large or damaged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from vizsla.errors import FeedError
from vizsla.feed import LARGEST
from vizsla.feeds._mended import Broken, mended
from vizsla.feeds._opened import opened
from vizsla.nouns.indicator import Refused

WHOLE = 32 << 20  # bytes: a larger document is read object by object
OBJECT = 64 << 20  # bytes of one object in a large document
CHUNK = 1 << 20
LISTS = ("[", "{[")  # the brackets that are open where an object of the list begins
# The next bracket outside of strings, or the quote of a string that has no end yet. No string goes beyond its line: one
# that lacks its end costs the object that it stands in, and not all that follow.
_MARK = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+["\n])*+(["{}\[\]])', re.DOTALL)
_LISTED = re.compile(rb'\s*(?:\xef\xbb\xbf)?\s*(?:\[|\{(?s:.*?)"objects"\s*:\s*\[)')


def document(path: Path) -> tuple[Any, list[Refused]]:
    """A whole document, and the records that it had to be read without. Raises FeedError where it is too large or no
    JSON.
    """
    content = content_of(path)
    try:
        return orjson.loads(content), []
    except orjson.JSONDecodeError as error:
        if len(content) > WHOLE:
            raise _no_json(error, str(path)) from error
        try:
            return mended(content, path.name)
        except Broken as broken:
            raise FeedError(str(broken), where=str(path), fix="get the file again") from error


def content_of(path: Path) -> bytes:
    """The bytes of a document that is read as a whole. Raises FeedError where they are too many."""
    try:
        if path.stat().st_size > LARGEST:
            raise FeedError(
                f"the document is larger than {LARGEST >> 20} MiB, the most that is read as a whole",
                where=str(path),
                fix="split it into smaller files",
            )
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise _unreadable(path, error) from error


def _no_json(error: Exception, where: str) -> FeedError:
    return FeedError(f"it is no JSON: {error}", where=where, fix="get the file again")


def _unreadable(path: Path, error: OSError) -> FeedError:
    return FeedError(
        f"the file cannot be read: {error.strerror or error}", where=str(path), fix="check path and rights"
    )


def objects(path: Path, key: str) -> Iterator[dict[str, Any] | Refused]:
    """The objects of a list that is the document, or that stands in it under `key`; the document itself if neither.

    An object that is no JSON is Refused, the others come. Raises FeedError where it is no JSON as a whole, after those
    that came before.
    """
    try:
        large = path.stat().st_size > WHOLE
    except OSError as error:
        raise _unreadable(path, error) from error
    if large:
        yield from streamed(path)
        return
    content = content_of(path)
    try:
        held = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        if not _LISTED.match(content):
            raise _no_json(error, str(path)) from error
        try:
            yield from apart([content], path.name, str(path))
        except FeedError:
            raise _no_json(error, str(path)) from error
        return
    found = held.get(key, held) if isinstance(held, dict) else held
    for place, item in enumerate(found if isinstance(found, list) else [found]):
        if isinstance(item, dict):
            yield item
        else:
            yield Refused(f"{path.name}, object {place + 1}", "it is no JSON object")


def streamed(path: Path) -> Iterator[dict[str, Any] | Refused]:
    """The objects that stand directly in a list, which is the document or stands directly in it, whatever its key."""
    with opened(path) as file:
        yield from apart(iter(lambda: file.read(CHUNK), b""), path.name, str(path))


def apart(chunks: Iterable[bytes], name: str, where: str) -> Iterator[dict[str, Any] | Refused]:
    """The objects in a document that comes in pieces, each read by itself; those that are no JSON are Refused."""
    count = 0
    for piece in _pieces(chunks, where):
        count += 1
        place = f"{name}, object {count}"
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


def _pieces(chunks: Iterable[bytes], where: str) -> Iterator[bytes | str]:
    """The text of each object in a list at the top or directly below it; a reason where it is too large."""
    scan = _Scan(where)
    for chunk in chunks:
        yield from scan.more(chunk)
    yield from scan.last()
    if scan.stack:
        raise scan.wrong("the document ends in the middle")


class _Scan:
    """Looks for brackets outside of strings, chunk by chunk."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.held = b""  # from the object that has begun, or from what is not yet looked at
        self.waiting: list[bytes] = []  # chunks that are not yet part of it
        self.missing = 0  # bytes that must come before it is worth looking on
        self.at = 0  # up to where `held` is looked at
        self.start = -1  # where in `held` an object has begun
        self.skipped = False  # the object that has begun is too large
        self.stack = ""  # brackets that are open

    def wrong(self, what: str) -> FeedError:
        return FeedError(what, where=self.where, fix="get the file again")

    def more(self, chunk: bytes) -> Iterator[bytes | str]:
        self.waiting.append(chunk)
        self.missing -= len(chunk)
        if self.missing <= 0:
            yield from self.last()

    def last(self) -> Iterator[bytes | str]:
        """Looks at all that has come."""
        self.held = b"".join((self.held, *self.waiting))
        self.waiting = []
        self.missing = 0
        while mark := _MARK.match(self.held, self.at):
            sign = mark[1]
            if sign == b'"':  # a string that ends in a later chunk
                self.at = mark.start(1)
                # It is read from its beginning again: with twice as much each time, so that no string is read often.
                self.missing = len(self.held) - self.at
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
