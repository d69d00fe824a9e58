"""Compiled rules kept on disk, so that thousands of them load in a fraction of a second.

A cache is JSON behind a line that says what it was made of: a hash of every file's name and content, of the
placeholders and of the code that compiles. Whatever changes gives another name, so a cache is never out of date. Its
content is checked as it is read; one that is damaged is made again. It holds texts and numbers alone, and what is read
from it becomes tests and nothing else: a cache that somebody tampered with can run nothing.
"""

from __future__ import annotations

import gc
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from vizsla import __version__
from vizsla.errors import RuleError
from vizsla.nouns.indicator import Refused
from vizsla.sigma.documents import Text, texts
from vizsla.sigma.load import Loaded, Progress, of_texts
from vizsla.sigma.plain import from_rule, to_rule

FORMAT = 1
KEPT = 8  # caches in a folder; the oldest go
LARGEST = 1 << 28  # bytes
_MARK = b"vizsla-rules "
_END = ".rules.json"
_CODE = ("compile", "documents", "link", "literals", "load", "plain", "regex", "rule", "wildcards")


def load_cached(
    paths: Sequence[str | Path],
    *,
    placeholders: Mapping[str, Sequence[str]] | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """The rules at these paths, as `load` gives them; from the cache in `folder` where it has them, else into it.

    `folder`: None for the user's own cache folder. A folder that cannot be written costs the time, nothing else.
    Raises RuleError where a path is not there.
    """
    read = [text for path in paths for text in texts(Path(path))]
    kept = (cache_folder() if folder is None else folder) / f"{key(read, placeholders)}{_END}"
    found = _read(kept)
    if found is None:
        found = of_texts(read, placeholders=placeholders, progress=progress)
        _write(kept, found)
    return found


def cache_folder() -> Path:
    """Where this user's compiled rules are kept."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "vizsla" / "rules"


def key(read: Iterable[Text | Refused], placeholders: Mapping[str, Sequence[str]] | None = None) -> str:
    """A hash of all that decides what is loaded: files by name and content, placeholders, and the code."""
    hashed = hashlib.sha256(_code())
    for one in read:
        name, data = (one.name, one.data) if isinstance(one, Text) else (one.place, one.reason.encode())
        told = name.encode("utf-8", "surrogateescape")
        hashed.update(b"%d %d %d\n" % (len(told), len(data), isinstance(one, Text) and one.asked))
        hashed.update(told)
        hashed.update(data)
    known = sorted((name, list(values)) for name, values in (placeholders or {}).items())
    hashed.update(orjson.dumps(known))
    return hashed.hexdigest()[:40]


@cache
def _code() -> bytes:
    """A hash of what makes rules out of files."""
    from importlib.metadata import version

    hashed = hashlib.sha256(f"{FORMAT} {__version__} {version('pysigma')} {sys.version_info[:2]}".encode())
    for name in _CODE:
        hashed.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return hashed.digest()


def _read(path: Path) -> Loaded | None:
    """What a cache holds; None where there is none that can be used."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        head, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if head != _MARK + hashlib.sha256(body).hexdigest().encode():
        return None
    try:
        with _unhurried():
            return _loaded(orjson.loads(body))
    except (orjson.JSONDecodeError, RuleError, TypeError, KeyError, ValueError, AttributeError, RecursionError):
        return None


def _write(path: Path, loaded: Loaded) -> None:
    body = orjson.dumps({
        "rules": [to_rule(rule) for rule in loaded.rules],
        "refused": [[one.place, one.reason] for one in loaded.refused],
        "told": [[one.place, one.reason] for one in loaded.told],
        "passed": loaded.passed,
    })  # fmt: skip
    fresh = path.with_name(f".{uuid4().hex}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.write_bytes(_MARK + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        fresh.replace(path)
        _prune(path.parent)
    except OSError:  # a cache that cannot be kept is only slower
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def _prune(folder: Path) -> None:
    found = sorted(folder.glob(f"*{_END}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[KEPT:]:
        path.unlink(missing_ok=True)


def _loaded(value: Any) -> Loaded:
    refused, told = ([Refused(str(place), str(why)) for place, why in value[name]] for name in ("refused", "told"))
    rules = tuple([from_rule(one) for one in value["rules"]])
    return Loaded(rules, tuple(refused), tuple(told), int(value["passed"]))


@contextmanager
def _unhurried() -> Iterator[None]:
    """Without looking for garbage, of which building a hundred thousand small things makes none."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
