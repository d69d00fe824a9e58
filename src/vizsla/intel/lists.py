"""The warning and allow lists of a store, and what they say of indicators."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

import orjson

from vizsla.errors import FeedError
from vizsla.intel.silence import Silencer
from vizsla.intel.store import Store
from vizsla.intel.warninglists import LARGEST, WarningList, allowed, general, is_list, read
from vizsla.nouns.indicator import Refused

WARNINGS, ALLOW = "warninglists", "allow"
BY_HAND = "by hand"  # the allow list of values that were allowed one by one


def silencer(store: Store) -> Silencer:
    """All lists of a store, made ready: the team's own first, then the general ones, then those of others."""
    return Silencer([*_kept(store, ALLOW), *general(), *_kept(store, WARNINGS)])


def kept(store: Store) -> tuple[WarningList, ...]:
    """The lists of a store, the general ones too."""
    return silencer(store).lists


def add(store: Store, path: Path) -> tuple[WarningList, list[Refused]]:
    """Keep a MISP warning list; one of the same name is replaced. Raises FeedError where the file is none."""
    made, refused = read(path)
    with store.lake.writing():
        _keep(store, WARNINGS, made.name, [made])
    return made, refused


def may_be(path: Path) -> bool:
    """Whether a file looks like a warning list."""
    with path.open("rb") as file:
        return is_list(file.read(1 << 16)) or (path.suffix == ".json" and _named(path))


def _named(path: Path) -> bool:
    """Whether its last bytes name it: a list's own names come after its entries."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 4096))
        return b'"matching_attributes"' in file.read()


def allow_file(store: Store, path: Path, now: datetime) -> tuple[list[WarningList], list[Refused]]:
    """Keep an allow list: plain text or CSV. Adding a file of the same name again replaces what it said."""
    try:
        if path.stat().st_size > LARGEST:
            raise FeedError("larger than any allow list", where=str(path), fix=f"at most {LARGEST >> 20} MiB")
        text = path.read_text(encoding="utf-8-sig", errors="backslashreplace")
    except OSError as error:
        raise FeedError(f"cannot be read: {error.strerror}", where=str(path), fix="check its path") from error
    lists, refused = allowed(text, path.name, f"added {now.date().isoformat()}")
    with store.lake.writing():
        _keep(store, ALLOW, path.name, lists)
    return lists, refused


def allow_value(store: Store, value: str, reason: str, now: datetime) -> list[Refused]:
    """Allow one value from now on; what was allowed before stays."""
    with store.lake.writing():
        before = [one for one in _kept(store, ALLOW) if one.name == BY_HAND]
        lists, refused = allowed(value, BY_HAND, reason or f"added {now.date().isoformat()}")
        if lists:
            _keep(store, ALLOW, BY_HAND, [*lists, *before])
    return refused


def remove(store: Store, name: str) -> bool:
    """Keep a warning or allow list no longer; whether there was one."""
    with store.lake.writing():
        gone = [path for room in (WARNINGS, ALLOW) if (path := _path(store, room, name)).exists()]
        for path in gone:
            path.unlink()
    return bool(gone)


def _folder(store: Store, room: str) -> Path:
    folder = store.folder / room
    folder.mkdir(exist_ok=True)
    return folder


def _keep(store: Store, room: str, name: str, lists: Sequence[WarningList]) -> None:
    path = _path(store, room, name)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_bytes(orjson.dumps(list(lists)))
    part.replace(path)


def _path(store: Store, room: str, name: str) -> Path:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
    mark = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return _folder(store, room) / f"{slug}-{mark}.json"


def _kept(store: Store, room: str) -> list[WarningList]:
    found: list[WarningList] = []
    folder = store.folder / room
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            for one in orjson.loads(path.read_bytes()):
                found.append(WarningList(**{**one, "entries": tuple(one["entries"]), "types": tuple(one["types"])}))
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise FeedError(
                f"a list of the store is damaged: {error}", where=str(path), fix="delete it, and add it again"
            ) from error
    return found
