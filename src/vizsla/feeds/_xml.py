"""XML of feeds: no declarations, no entities but the five, bounded depth and size, read as a stream.

Prefixes of names are dropped and not resolved: exports are found in the wild whose namespaces are malformed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from vizsla.errors import FeedError
from vizsla.feeds._opened import opened

DEPTH = 200
NODES = 200_000  # elements in one wanted element
TEXT = 1 << 20  # characters of one element
TAG = 16 << 20  # bytes of one tag, its attributes included
CHUNK = 1 << 16


@dataclass(slots=True)
class Node:
    """An element: its name without prefix, its attributes likewise, its own text, what stands in it."""

    name: str
    attributes: dict[str, str]
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, *names: str) -> Iterator[Node]:
        """All elements in it of these names, in order."""
        for child in self.children:
            if child.name in names:
                yield child
            yield from child.all(*names)

    def first(self, *names: str) -> str:
        """The text of the first element in it of these names that has one."""
        return next((node.text for node in self.all(*names) if node.text), "")

    def child(self, name: str) -> Node | None:
        """The first element directly in it of a name."""
        return next((child for child in self.children if child.name == name), None)


def elements(path: Path, wanted: Collection[str]) -> Iterator[Node]:
    """The outermost elements of these names, in order. Raises FeedError where the file is no XML or not harmless."""
    reader = _Reader(path, frozenset(wanted))
    try:
        with opened(path) as file:
            while chunk := file.read(CHUNK):
                reader.more(chunk)
                yield from reader.taken()
            reader.parser.Parse(b"", True)
            yield from reader.taken()
    except expat.ExpatError as error:
        place = f"{path}, line {error.lineno}"
        raise FeedError(
            f"it is no XML: {expat.errors.messages.get(error.code, error)}", where=place, fix="get the file again"
        ) from error
    except OSError as error:
        raise FeedError(
            f"the file cannot be read: {error.strerror or error}", where=str(path), fix="check its path and rights"
        ) from error


class _Reader:
    """What expat calls: it keeps the wanted elements that are open, and gives those that are closed."""

    def __init__(self, path: Path, wanted: frozenset[str]) -> None:
        self.path, self.wanted = path, wanted
        self.depth = self.count = self.read = 0
        self.open: list[Node] = []
        self.done: list[Node] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.data
        self.parser.StartDoctypeDeclHandler = self.declared
        self.parser.EntityDeclHandler = self.declared
        self.parser.ExternalEntityRefHandler = self.declared

    def more(self, chunk: bytes) -> None:
        """Parses on; expat holds a tag until it ends."""
        self.parser.Parse(chunk, False)
        self.read += len(chunk)
        if self.read - self.parser.CurrentByteIndex > TAG:
            self.refuse(f"a tag of more than {TAG >> 20} MiB")

    def taken(self) -> list[Node]:
        done, self.done = self.done, []
        return done

    def refuse(self, what: str) -> NoReturn:
        raise FeedError(
            what, where=f"{self.path}, line {self.parser.CurrentLineNumber}", fix="do not use this file: it is hostile"
        )

    def declared(self, *_: object) -> NoReturn:
        self.refuse("it declares a document type or entities")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > DEPTH:
            self.refuse(f"elements lie more than {DEPTH} deep")
        short = name.rpartition(":")[2]
        if not self.open and short not in self.wanted:
            return
        self.count += 1
        if self.count > NODES:
            self.refuse(f"more than {NODES} elements in one")
        self.open.append(Node(short, {key.rpartition(":")[2]: value for key, value in attributes.items()}))

    def end(self, _: str) -> None:
        self.depth -= 1
        if not self.open:
            return
        node = self.open.pop()
        node.text = node.text.strip()
        if self.open:
            self.open[-1].children.append(node)
        else:
            self.count = 0
            self.done.append(node)

    def data(self, text: str) -> None:
        if self.open:
            node = self.open[-1]
            node.text += text
            if len(node.text) > TEXT:
                self.refuse(f"an element holds more than {TEXT} characters")
