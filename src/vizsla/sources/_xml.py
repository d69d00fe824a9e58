"""XML elements of a stream, one after the other, in bounded memory, each parsed by itself.

Only an element and what stands within it reaches the parser: a document type declaration, the one place where XML can
define entities, stands before it. So no entity is ever expanded, no file and no address is ever opened; what refers to
an entity that is not XML's own is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError, XMLParser

from vizsla.sources._lines import full_read
from vizsla.sources._rows import printable

MAX_ELEMENT = 16 << 20  # bytes
MAX_LEVELS = 64  # of nesting
BLOCK = 1 << 20
LONGEST = 4096  # bytes of an opening
UNDEFINED = 11  # expat's code of a reference to an entity that nobody defined
HARMLESS = re.compile(rb"<\?.*?\?>|<!--.*?-->|</?[A-Za-z]+(?:\s[^<>]*)?>|\s+", re.DOTALL)
DECLARES = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
# Characters that XML 1.0 cannot hold, raw or as a reference; exporters write them all the same.
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|&#(x[0-9a-fA-F]{1,6}|[0-9]{1,7});")


@dataclass(frozen=True, slots=True)
class Piece:
    """The bytes of an element with its tags, and where they begin in the stream."""

    place: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Strange:
    """What is no whole element: where it begins, and why."""

    place: int
    reason: str


def pieces(stream: BinaryIO, opening: re.Pattern[bytes], closing: bytes) -> Iterator[Piece | Strange]:
    """All elements of a stream of UTF-8 that begin with `opening` and end with `closing`, in order.

    An element ends at the last `closing` before the next `opening`: one that is cut off costs only itself.
    """
    at, data, scanned = 0, b"", 0  # where `data` begins in the stream, and up to where it was looked through
    opened = False  # `data` begins with an element
    while more := full_read(stream, BLOCK):
        data += more
        begin = 0
        while (found := opening.search(data, scanned)) is not None:
            yield from _piece(data[begin : found.start()], at + begin, closing, opened=opened)
            begin, scanned, opened = found.start(), found.end(), True
        at, data = at + begin, data[begin:]
        if len(data) > MAX_ELEMENT:
            yield Strange(at, f"an element of more than {MAX_ELEMENT} bytes is not read")
            at, data, opened = at + len(data), b"", False
        scanned = max(min(scanned - begin, len(data)), len(data) - LONGEST)
    yield from _piece(data, at, closing, opened=opened)


def _piece(data: bytes, at: int, closing: bytes, *, opened: bool) -> Iterator[Piece | Strange]:
    """The element that `data` begins with, where one is open; and what is odd in the rest."""
    if opened:
        end = data.rfind(closing)
        if end < 0:
            yield Strange(at, f"cut off: there is no {closing.decode()}")
            return
        end += len(closing)
        yield Piece(at, data[:end])
        at, data = at + end, data[end:]
    if DECLARES.search(data):
        yield Strange(at, "a document type declaration: its entities are not expanded")
    elif HARMLESS.sub(b"", data).strip(b"\xef\xbb\xbf"):
        yield Strange(at, f"{len(data)} bytes that are no element")


def parsed(text: bytes) -> Element:
    """An element. Raises ValueError with a reason for what is no XML, and for nesting beyond 64 levels."""
    element = _parsed(text)
    level, depth = [element], 0
    while level := [inner for outer in level for inner in outer]:
        depth += 1
        if depth > MAX_LEVELS:
            raise ValueError(f"elements nested deeper than {MAX_LEVELS} levels are not read")
    return element


def _parsed(text: bytes) -> Element:
    """The element of text as it is; else with what XML forbids, but exporters write, shown as escapes."""
    try:
        return _with_returns(text)
    except ParseError as error:
        if error.code != UNDEFINED:
            try:
                return _with_returns(FORBIDDEN.sub(_shown, printable(text.decode("utf-8", "surrogateescape"))).encode())
            except ParseError:
                pass  # the first reason tells more
        raise ValueError(f"not XML: {error}") from None


def _with_returns(text: bytes) -> Element:
    """Carriage returns are the event's own, though XML would make line feeds of them."""
    if b"\r" in text:
        try:
            return _parse(text.replace(b"\r", b"&#13;"))
        except ParseError:
            pass  # they stand between attributes, or something else is wrong
    return _parse(text)


def _parse(text: bytes) -> Element:
    parser = XMLParser(encoding="utf-8")  # noqa: S314  (no declaration reaches it: see above)
    parser.feed(text)
    found: Element = parser.close()
    return found


def _shown(found: re.Match[str]) -> str:
    """A character that XML cannot hold as a backslash escape; a reference to one that it can hold stays."""
    number = found.group(1)
    code = ord(found.group()) if number is None else int(number[1:], 16) if number[0] == "x" else int(number)
    if number is not None and (code in (9, 10, 13) or 32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE
                               or 0x10000 <= code <= 0x10FFFF):  # fmt: skip
        return found.group()
    return f"\\x{code:02x}"


def local(tag: str) -> str:
    """A tag's or an attribute's name without its namespace."""
    return tag.rpartition("}")[2]
