"""Compiled rules kept on disk, so that thousands of them load in a fraction of a second.

What a file of rules holds is kept under a hash of its content; the files of one call lie together, under a hash of all
that decides what is loaded: their contents, the placeholders and the code that compiles. Whatever changes gives other
hashes, so a cache is never out of date, and of files that changed a little only the changed ones are compiled again.

It is JSON behind a line with its own hash: one that is damaged is made again. It holds texts and numbers alone, and
what is read from it becomes tests and nothing else: a cache that somebody tampered with can run nothing.
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
from vizsla.sigma.load import Loaded, Progress, Unit, assembled, lost, unit
from vizsla.sigma.plain import from_filter, from_rule, to_filter, to_rule

FORMAT = 1
KEPT = 8  # caches in a folder; the oldest go
LARGEST = 1 << 28  # bytes
_MARK = b"vizsla-rules "
_END = ".rules.json"
_CODE = ("compile", "documents", "literals", "load", "parse", "plain", "regex", "rule", "wildcards")


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
    with _unhurried():
        read = [text for path in paths for text in texts(Path(path))]
    return of_texts_cached(read, placeholders=placeholders, folder=folder, progress=progress)


def of_texts_cached(
    read: Sequence[Text | Refused],
    *,
    placeholders: Mapping[str, Sequence[str]] | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Loaded:
    """The same, of files that were read already."""
    home = cache_folder() if folder is None else folder
    terms = _terms(placeholders)
    keys = [_key(one, terms) if isinstance(one, Text) else "" for one in read]
    kept = home / f"{hashlib.sha256(''.join(sorted(set(keys))).encode()).hexdigest()[:40]}{_END}"
    with _unhurried():
        known = _usable(_read(kept), keys)
        if known is not None:
            return _together(read, keys, known)
    raw = _older(home)
    units: dict[str, Unit] = {}
    for number, (one, key) in enumerate(zip(read, keys, strict=True), 1):
        if isinstance(one, Text) and key not in units:
            units[key] = _one(raw.get(key)) or unit(one, placeholders)
        if progress is not None:
            progress(number)
    _write(kept, units)
    return _together(read, keys, units)


def cache_folder() -> Path:
    """Where this user's compiled rules are kept."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "vizsla" / "rules"


def _key(text: Text, terms: bytes) -> str:
    hashed = hashlib.sha256(terms)
    hashed.update(b"asked" if text.asked else b"found")
    hashed.update(text.data)
    return hashed.hexdigest()[:32]


def _terms(placeholders: Mapping[str, Sequence[str]] | None) -> bytes:
    """A hash of all but a file's content that decides what comes of it: the values of placeholders, and the code."""
    known = sorted((name, list(values)) for name, values in (placeholders or {}).items())
    return hashlib.sha256(_code() + orjson.dumps(known)).digest()


@cache
def _code() -> bytes:
    """A hash of what makes rules out of files."""
    from importlib.metadata import version

    hashed = hashlib.sha256(f"{FORMAT} {__version__} {version('pysigma')} {sys.version_info[:2]}".encode())
    for name in _CODE:
        hashed.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return hashed.digest()


def _together(read: Sequence[Text | Refused], keys: Sequence[str], units: Mapping[str, Unit]) -> Loaded:
    pairs = zip(read, keys, strict=True)
    return assembled((one.name, units[key]) if isinstance(one, Text) else lost(one) for one, key in pairs)


def _read(path: Path) -> dict[str, Any]:
    """What a cache holds, by key, not yet looked at; nothing where there is none that can be used."""
    try:
        if path.stat().st_size > LARGEST:
            return {}
        head, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return {}
    if head != _MARK + hashlib.sha256(body).hexdigest().encode():
        return {}
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _usable(raw: Mapping[str, Any], keys: Iterable[str]) -> dict[str, Unit] | None:
    """The units of all these keys; None where one is missing or cannot be read."""
    found: dict[str, Unit] = {}
    for key in keys:
        if key and key not in found:
            one = _one(raw.get(key))
            if one is None:
                return None
            found[key] = one
    return found


def _older(folder: Path) -> dict[str, Any]:
    """What the caches of a folder hold together: most of it serves still where a few files changed."""
    found: dict[str, Any] = {}
    for path in _newest(folder):
        found.update(_read(path))
    return found


def _newest(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob(f"*{_END}"), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return []


def _write(path: Path, units: Mapping[str, Unit]) -> None:
    body = orjson.dumps({key: _plain(one) for key, one in units.items()})
    fresh = path.with_name(f".{uuid4().hex}.part")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.write_bytes(_MARK + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        fresh.replace(path)
        for old in _newest(path.parent)[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError:  # a cache that cannot be kept is only slower
        with suppress(OSError):
            fresh.unlink(missing_ok=True)


def _plain(one: Unit) -> dict[str, Any]:
    made: dict[str, Any] = {
        "rules": [to_rule(rule) for rule in one.rules],
        "loud": one.loud,
        "filters": [to_filter(each) for each in one.filters],
        "refused": [[each.place, each.reason] for each in one.refused],
        "told": [[each.place, each.reason] for each in one.told],
        "passed": one.passed,
    }
    return {name: value for name, value in made.items() if value}


def _one(value: Any) -> Unit | None:
    """A unit out of a cache; None where it cannot be read."""
    if not isinstance(value, dict):
        return None
    try:
        rules = tuple([from_rule(one) for one in value.get("rules", ())])
        if len(value) == 1 and rules:
            return Unit(rules)
        return Unit(
            rules,
            tuple(map(str, value.get("loud", ()))),
            tuple(map(from_filter, value.get("filters", ()))),
            tuple(Refused(str(place), str(why)) for place, why in value.get("refused", ())),
            tuple(Refused(str(place), str(why)) for place, why in value.get("told", ())),
            int(value.get("passed", 0)),
        )
    except (RuleError, TypeError, KeyError, ValueError, AttributeError, RecursionError):
        return None


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
