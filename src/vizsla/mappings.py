"""Mapping files of a user's own: how to read a format that Vizsla does not know, kept with the lake of its events.

A mapping travels as text to wherever files are read, so that other processes and machines need not have its file.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from vizsla.declared import from_yaml
from vizsla.errors import SourceError
from vizsla.sources._declared import declared
from vizsla.sources._mapped import Mapped

if TYPE_CHECKING:
    from vizsla.lake import Lake

MARK = "mapping:"  # what a source's name begins with where a mapping's text follows
ROOM = "mappings"
ENDINGS = (".yaml", ".yml")
LARGEST = 1 << 20  # bytes


def is_file(source: str) -> bool:
    """Whether a source is given as a mapping file."""
    return source.lower().endswith(ENDINGS)


def given(source: str, lake: Lake) -> str:
    """A source as readers take it: a name as it is, a mapping file as its text, of which the lake keeps a copy.

    Raises SourceError, naming the file, where there is none or it is no mapping.
    """
    if source.startswith(MARK):
        text, where = source.partition("\n")[2], source.partition("\n")[0]
    elif is_file(source):
        text, where = text_of(Path(source)), source
    else:
        return source
    mapping = parsed(text, where)
    kept = lake.room(ROOM) / f"{mapping.name}.yaml"
    kept.write_text(text, "utf-8")
    adopt(lake.root)
    return f"{MARK}{mapping.name}\n{text}"


def text_of(path: Path) -> str:
    """A mapping file's text. Raises SourceError, naming the file, where it cannot be read."""
    try:
        if path.stat().st_size > LARGEST:
            raise SourceError("a mapping of more than 1 MiB is not read", where=str(path))
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"the mapping cannot be read: {error}", where=str(path),
                          fix="vizsla guess LOG --output FILE.yaml writes one") from None  # fmt: skip


def parsed(text: str, where: str) -> Mapped:
    """The source that a mapping's text declares. Raises SourceError where it is none, ViewError where its views are."""
    content = _content(text, where)
    table = str(content.get("table") or "mapping")
    name = re.sub(r"[^a-z0-9_]", "", table.lower()) or "mapping"
    try:
        made = Mapped(name, content, where)
        _check_views(content, where)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # a list where names belong, and the like
        raise SourceError(f"a value is of the wrong kind: {error}", where=where,
                          fix="compare it with what vizsla guess LOG writes") from None  # fmt: skip
    return made


@lru_cache(maxsize=16)
def find(source: str) -> Mapped:
    """The source of a text that `given` made."""
    name, _, text = source.removeprefix(MARK).partition("\n")
    return parsed(text, f"{name}.yaml")


def short(source: str) -> str:
    """A source's name as records keep it: a mapping's text by its hash."""
    if not source.startswith(MARK):
        return source
    name, _, text = source.partition("\n")
    return f"{name}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def adopt(root: Path) -> None:
    """Makes known what views the mappings kept with a lake fill. One that can no longer be read is passed over."""
    folder = root / ROOM
    for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
        content = _content(path.read_text("utf-8"), str(path))
        name = f"{ROOM}/{path.stem}"
        if declared().get(name) != content:
            from vizsla.view import views

            declared()[name] = {"views": content.get("views") or {}}
            views.cache_clear()


def forget() -> None:
    """Forgets what lakes made known here: their tables fill no views until a lake is opened again."""
    from vizsla.view import views

    known = [name for name in declared() if name.startswith(f"{ROOM}/")]
    for name in known:
        del declared()[name]
    if known:
        views.cache_clear()


def _content(text: str, where: str) -> dict[str, Any]:
    try:
        content = from_yaml(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # a date that cannot be is a ValueError
        raise SourceError(f"no YAML: {error}", where=where) from None
    if not isinstance(content, dict):
        raise SourceError("no mapping of keys to values", where=where, fix="vizsla guess LOG writes one to start from")
    return content


def _check_views(content: dict[str, Any], where: str) -> None:
    """Raises ViewError or SourceError for views that the mapping fills in a way they cannot be."""
    from vizsla.view import named, read

    for view, tables in _named(content.get("views"), "views", where).items():
        named(view)
        for table, spec in _named(tables, f"views: {view}", where).items():
            place = f"views: {view}: {table}"
            events = _named(spec or "", place, where).get("events") or []
            if not isinstance(events, list):
                raise SourceError(f"{place}: events is no list", where=where)
            for part in (spec, *events):
                for key in ("fields", "set", "where"):
                    _named(_named(part, place, where).get(key), f"{place}: {key}", where)
                if any(not isinstance(text, str) for text in (part.get("fields") or {}).values()):
                    raise SourceError(f"{place}: fields are texts such as ip(src)", where=where)
                if any(not isinstance(values, list) for values in (part.get("where") or {}).values()):
                    raise SourceError(f"{place}: where gives a list of values to each column", where=where)
        read(view, {"doc": "", "tables": tables})


def _named(value: object, place: str, where: str) -> dict[str, Any]:
    """What must be a mapping of names, or be left out. Raises SourceError where it is anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise SourceError(f"{place}: no mapping of names to values", where=where)
    return value
