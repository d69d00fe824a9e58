"""Files of rules, read with care: YAML of any origin, in folders and zip archives, one document at a time.

A document is refused before anything is built of it where it is too large, nested too deep, grows out of aliases
('billion laughs'), or says the same key twice. What is wrong with one costs that one.
"""

from __future__ import annotations

import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from vizsla.errors import RuleError
from vizsla.nouns.indicator import Refused

LARGEST = 4 << 20  # bytes of one file
MOST_BYTES = 1 << 30  # of all files together
MOST_FILES = 200_000
MOST_DOCUMENTS = 10_000  # in one file
_MOST_NODES = 200_000  # values of one document, those that aliases repeat counted again
_DEEPEST = 48
_ENDINGS = (".yml", ".yaml")
_MARK = re.compile(rb"^---(?=[ \t\r\n]|\Z)", re.M)
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Text:
    """A file's bytes and its name: a path, or 'archive.zip!member'. `asked`: it was named itself, not found."""

    name: str
    data: bytes
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: where it begins ('path#line', the line left out for a file's first) and what it holds."""

    place: str
    value: Any


def texts(path: Path) -> Iterator[Text | Refused]:
    """The files at a path: itself, the YAML files in a folder and those below, the members of a zip; by name.

    Raises RuleError where there is nothing.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise RuleError(
            f"no rules are there: {error.strerror}", where=str(path), fix="name a file, a folder or a zip"
        ) from error
    if stat.S_ISDIR(mode):
        yield from _folder(path)
    elif path.suffix.lower() == ".zip":
        yield from _archive(path)
    elif stat.S_ISREG(mode):
        yield _file(str(path), asked=True)
    else:
        raise RuleError("rules are files, and this is none", where=str(path))


def _folder(path: Path) -> Iterator[Text | Refused]:
    found = total = 0
    for folder, inner, names in os.walk(path):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            if not name.lower().endswith(_ENDINGS) or name.startswith("."):
                continue
            read = _file(f"{folder}{os.sep}{name}")
            found += 1
            total += len(read.data) if isinstance(read, Text) else 0
            if found > MOST_FILES or total > MOST_BYTES:
                yield Refused(str(path), "more files than rules are read from: the others are left out")
                return
            yield read


def _file(path: str, *, asked: bool = False) -> Text | Refused:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116  (thousands of files: a path object costs as much as the file)
            return Refused(path, "not a file")
        with open(path, "rb", buffering=0) as opened:  # noqa: PTH123
            data = opened.read(LARGEST + 1)
    except OSError as error:
        return Refused(path, f"cannot be read: {error.strerror}")
    if len(data) > LARGEST:
        return Refused(path, f"larger than {LARGEST >> 20} MiB: no file of rules is")
    return Text(path, data, asked)


def _archive(path: Path) -> Iterator[Text | Refused]:
    total = 0
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted((m for m in archive.infolist() if _wanted(m)), key=lambda m: m.filename)
            for member in members[:MOST_FILES]:
                name = f"{path}!{member.filename}"
                with archive.open(member) as opened:
                    data = opened.read(LARGEST + 1)
                total += len(data)
                if total > MOST_BYTES:
                    yield Refused(str(path), "holds more than rules are read from: the others are left out")
                    return
                yield Text(name, data) if len(data) <= LARGEST else Refused(name, f"larger than {LARGEST >> 20} MiB")
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        yield Refused(str(path), f"the archive cannot be read: {error}")


def _wanted(member: zipfile.ZipInfo) -> bool:
    parts = member.filename.split("/")
    return member.filename.lower().endswith(_ENDINGS) and not any(
        part.startswith(".") and part not in (".", "..") for part in parts
    )


def documents(text: Text) -> Iterator[Document | Refused]:
    """The documents of a file, each by itself: what is wrong with one leaves the others be."""
    starts = [match.start() for match in _MARK.finditer(text.data)]
    bounds = sorted({0, *starts, len(text.data)})
    if len(bounds) > MOST_DOCUMENTS:
        yield Refused(text.name, f"more than {MOST_DOCUMENTS} documents in one file")
        return
    line = 1
    for begin, end in pairwise(bounds):
        chunk = text.data[begin:end]
        place = text.name if line == 1 else f"{text.name}#{line}"
        line += chunk.count(b"\n")
        if all(not bare or bare.startswith((b"#", b"%")) for bare in map(bytes.strip, chunk.splitlines())):
            continue
        try:
            for value in _values(chunk):
                yield Document(place, value)
        except RuleError as error:
            yield Refused(place, error.what)


def _values(chunk: bytes) -> list[Any]:
    try:
        written = chunk.decode("utf-8-sig")
        _checked(written)
        return [value for value in yaml.load_all(written, Loader=_LOADER) if value is not None]
    except UnicodeDecodeError as error:
        raise RuleError("not UTF-8") from error
    except yaml.YAMLError as error:
        raise RuleError(f"not YAML: {_said(error)}") from error
    except (ValueError, TypeError, RecursionError, OverflowError, AttributeError, KeyError) as error:
        raise RuleError(f"YAML with a value that cannot be read: {error}") from error


def _said(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).split("\n")[0]
    return f"{problem}, line {mark.line + 1}" if mark is not None else str(problem)


@dataclass(slots=True)
class _Open:
    """A list or map whose end has not come: how much it holds so far, and the keys that it has."""

    anchor: str | None
    keys: set[str] | None  # None: a list
    nodes: int = 1
    key_next: bool = True


def _checked(written: str) -> None:
    """Walk what stands there, building nothing. Raises RuleError for what must not be built."""
    opened: list[_Open] = []
    sizes: dict[str, int] = {}
    for event in yaml.parse(written, Loader=_LOADER):
        if isinstance(event, yaml.ScalarEvent):
            _key(opened, event.value)
            if event.anchor:
                sizes[event.anchor] = 1
            _grown(opened, 1)
        elif isinstance(event, yaml.AliasEvent):
            if any(one.anchor == event.anchor for one in opened):
                raise RuleError("YAML that holds itself")
            _key(opened, None)
            _grown(opened, sizes.get(event.anchor or "", 1))
        elif isinstance(event, yaml.CollectionStartEvent):
            _key(opened, None)
            opened.append(_Open(event.anchor, set() if isinstance(event, yaml.MappingStartEvent) else None))
            if len(opened) > _DEEPEST:
                raise RuleError(f"YAML nested deeper than {_DEEPEST}")
        elif isinstance(event, yaml.CollectionEndEvent):
            done = opened.pop()
            if done.anchor:
                sizes[done.anchor] = done.nodes
            _grown(opened, done.nodes)


def _key(opened: list[_Open], value: str | None) -> None:
    """Keep track of a map's keys: every other node is one. None: a node that is no text."""
    if not opened or opened[-1].keys is None:
        return
    here, keys = opened[-1], opened[-1].keys
    if here.key_next and value is not None and value != "<<":
        if value in keys:
            raise RuleError(f"the key {value[:60]!r} stands twice in one map: only one would count")
        keys.add(value)
    here.key_next = not here.key_next


def _grown(opened: list[_Open], nodes: int) -> None:
    if opened:
        opened[-1].nodes += nodes
    if nodes > _MOST_NODES or (opened and opened[-1].nodes > _MOST_NODES):
        raise RuleError("YAML that grows out of bounds (aliases within aliases, or too many values)")
