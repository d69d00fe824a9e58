"""Rules kept beside a lake: copies of files and folders, with where they came from, when, and under which licence.

Every collection has a folder of its own in the lake's room `rules`:

    about.json        where it was added from, when, what it is called
    files/            the rules, as they lay there
    placeholders.yaml the values of %names%, where some were given
    LICENSE           the licence's text, where one lay beside them

Nothing in it is ever run or fetched: an update reads again from the path that was added.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from uuid import uuid4

import orjson

from vizsla.errors import RuleError
from vizsla.nouns.indicator import Refused
from vizsla.sigma.cache import load_cached, of_texts_cached
from vizsla.sigma.documents import Text, texts
from vizsla.sigma.load import Loaded, Progress, read_placeholders

if TYPE_CHECKING:
    from vizsla.lake import Lake

ROOM = "rules"
_ABOUT, _FILES, _PLACEHOLDERS, _LICENCE = "about.json", "files", "placeholders.yaml", "LICENSE"
_LICENCES = re.compile(r"(?:licen[cs]e|copying)(?:[.-].*)?", re.I)
_LARGEST_LICENCE = 1 << 18  # bytes
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Collection:
    """What was added at once: its name, the path that it came from, when it was added and last read, its licence."""

    name: str
    origin: str
    added: datetime
    updated: datetime
    files: int
    licence: str  # the first line of its text; '' where there is none
    digest: str  # of all files, by name and content


@dataclass(frozen=True, slots=True)
class Added:
    """What came of adding or updating a collection.

    rules, refused, told: as `load` found them in it. new, changed, gone: how many rules those are, by id.
    """

    collection: Collection
    loaded: Loaded
    new: int
    changed: int
    gone: int


class RuleBook:
    """The rules of a lake."""

    def __init__(self, lake: Lake) -> None:
        self.folder = lake.root / ROOM
        self.lake = lake

    def collections(self) -> tuple[Collection, ...]:
        """What is kept, by name. Raises RuleError where something there was not written by this class."""
        if not self.folder.is_dir():
            return ()
        found = (path for path in self.folder.iterdir() if (path / _ABOUT).is_file() and path.name[0] != ".")
        return tuple(_read(path) for path in sorted(found))

    def add(
        self,
        path: Path,
        *,
        now: datetime,
        name: str | None = None,
        placeholders: Path | None = None,
        progress: Progress | None = None,
    ) -> Added:
        """Keep the rules at a path: a file, a folder with those below, a zip. From a path that was added, an update.

        `name`: what to call it; default: after the path. `placeholders`: a file of values of %names%. Raises RuleError
        where there is no rule that can be used, and nothing is kept then.
        """
        origin = str(path.expanduser().absolute())
        known = {one.name: one for one in self.collections()}
        same = next((one for one in known.values() if one.origin == origin and name in (None, one.name)), None)
        if same is not None:
            return self._keep(same.name, origin, now, same, placeholders, progress)
        if name is not None and not _NAME.fullmatch(name):
            raise RuleError(
                f"no collection of rules can be called {name[:80]!r}",
                fix="use lower-case letters, digits, hyphens and underscores, a letter or digit first, 64 at most",
            )
        if name in known:
            raise RuleError(
                f"{name!r} was added from elsewhere", where=known[name].origin, fix="choose another name, or remove it"
            )
        return self._keep(name or _free(path, known), origin, now, None, placeholders, progress)

    def update(self, name: str, *, now: datetime, progress: Progress | None = None) -> Added:
        """Read a collection again from where it was added. Raises RuleError where that is gone; what is kept stays."""
        known = self.named(name)
        return self._keep(name, known.origin, now, known, None, progress)

    def remove(self, name: str) -> Collection:
        """Keep a collection no longer; what it came from stays as it is. Raises RuleError where there is none."""
        known = self.named(name)
        gone = self.folder / f".{uuid4().hex}.gone"
        (self.folder / name).rename(gone)
        shutil.rmtree(gone)
        return known

    def named(self, name: str) -> Collection:
        """A collection by its name. Raises RuleError where there is none."""
        found = {one.name: one for one in self.collections()}
        if name not in found:
            there = ", ".join(found) or "none yet: `vizsla rules add PATH` adds some"
            raise RuleError(f"no rules are kept as {name[:80]!r}", fix=f"what is kept: {there}")
        return found[name]

    def paths(self) -> tuple[Path, ...]:
        """The folders of rules that are kept, for `load`."""
        return tuple(self.folder / one.name / _FILES for one in self.collections())

    def placeholders(self) -> dict[str, tuple[str, ...]]:
        """The values of placeholders that were given with the collections, together."""
        made: dict[str, tuple[str, ...]] = {}
        for one in self.collections():
            path = self.folder / one.name / _PLACEHOLDERS
            if path.is_file():
                for name, values in read_placeholders(path).items():
                    made[name] = tuple(dict.fromkeys((*made.get(name, ()), *values)))
        return made

    def load(
        self,
        more: Sequence[str | Path] = (),
        *,
        placeholders: Mapping[str, Sequence[str]] | None = None,
        progress: Progress | None = None,
    ) -> Loaded:
        """All rules that are kept, and those at `more` paths; compiled ones are kept beside them."""
        paths = (*self.paths(), *more)
        if not paths:
            return Loaded()
        values: dict[str, Sequence[str]] = {**self.placeholders(), **(placeholders or {})}
        return load_cached(paths, placeholders=values, folder=self._compiled(), progress=progress)

    def _compiled(self) -> Path | None:
        return self.folder / ".compiled" if self.folder.is_dir() else None

    def _keep(
        self,
        name: str,
        origin: str,
        now: datetime,
        before: Collection | None,
        placeholders: Path | None,
        progress: Progress | None,
    ) -> Added:
        room = self.lake.room(ROOM)
        home, fresh = room / name, room / f".{uuid4().hex}.part"
        old_values = home / _PLACEHOLDERS
        given = placeholders if placeholders is not None else old_values if old_values.is_file() else None
        values = read_placeholders(given) if given is not None else {}
        read = list(texts(Path(origin)))
        compiled = self._compiled()
        loaded = of_texts_cached(read, placeholders=values, folder=compiled, progress=progress)
        if not loaded.rules and not loaded.filters:
            why = f": {loaded.refused[0].reason}" if loaded.refused else ""
            raise RuleError(
                f"no rule that can be used is there{why}",
                where=origin,
                fix="name a Sigma rule, or a folder or zip of some",
            )
        kept_before = (home / _FILES,) if before is not None else ()
        earlier = load_cached(kept_before, placeholders=values, folder=compiled).rules
        try:
            files = _copied(read, Path(origin), fresh / _FILES)
            licence = _licence(Path(origin), fresh)
            if given is not None:
                shutil.copyfile(given, fresh / _PLACEHOLDERS)
            added = before.added if before is not None else now
            kept = Collection(name, origin, added, now, files, licence, _digest(read))
            (fresh / _ABOUT).write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2))
            _swap(fresh, home)
        except OSError as error:
            raise RuleError(
                f"the rules cannot be kept: {error.strerror}", where=str(home), fix="check permissions and free space"
            ) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return _compared(kept, loaded, {rule.id: rule.version for rule in earlier})


def _compared(kept: Collection, loaded: Loaded, earlier: Mapping[str, str]) -> Added:
    own = {rule.id: rule.version for rule in loaded.rules}
    return Added(
        kept,
        loaded,
        new=len(own.keys() - earlier.keys()),
        changed=sum(own[one] != earlier[one] for one in own.keys() & earlier.keys()),
        gone=len(earlier.keys() - own.keys()),
    )


def _read(path: Path) -> Collection:
    try:
        said = orjson.loads((path / _ABOUT).read_bytes())
        return Collection(
            name=path.name,
            origin=str(said["origin"]),
            added=datetime.fromisoformat(said["added"]),
            updated=datetime.fromisoformat(said["updated"]),
            files=int(said["files"]),
            licence=str(said["licence"]),
            digest=str(said["digest"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RuleError(
            f"what was kept of these rules cannot be read: {error}",
            where=str(path),
            fix="remove the folder, add them again",
        ) from error


def _free(path: Path, known: Mapping[str, Collection]) -> str:
    """A name after the path that no collection bears."""
    stem = path.stem if path.suffix.lower() in (".yml", ".yaml", ".zip") else path.name
    base = re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:56] or "rules"
    return next(name for n in range(1, 10_000) if (name := base if n == 1 else f"{base}-{n}") not in known)


def _copied(read: Sequence[Text | Refused], origin: Path, into: Path) -> int:
    """Write the files as they lay below the origin, and say how many. Names that would lead elsewhere are made flat."""
    count = 0
    into.mkdir(parents=True)
    for one in read:
        if not isinstance(one, Text):
            continue
        target = into.joinpath(*_below(one.name, origin))
        if target.exists():
            target = target.with_name(
                f"{hashlib.sha256(one.name.encode('utf-8', 'replace')).hexdigest()[:12]}-{target.name}"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(one.data)
        count += 1
    return count


def _below(name: str, origin: Path) -> tuple[str, ...]:
    """A file's name below the folder or archive that it came from."""
    whole = str(origin)
    inner = name[len(whole) :].lstrip("!/\\") if name != whole and name.startswith(whole) else Path(name).name
    parts = PurePosixPath(inner.replace("\\", "/")).parts
    safe = tuple(re.sub(r"[^\w .()+,@=-]", "_", part)[:120] for part in parts if part not in ("..", ".", "/"))
    kept = safe[-12:] or ("rule.yml",)
    last = kept[-1] if kept[-1].lower().endswith((".yml", ".yaml")) else f"{kept[-1]}.yml"
    return (*(part.lstrip(".") or "_" for part in kept[:-1]), last.lstrip("."))


def _licence(origin: Path, fresh: Path) -> str:
    """Copy the licence that lies beside the rules, or one folder up, and give its first line."""
    folder = origin if origin.is_dir() else origin.parent
    for place in (folder, folder.parent):
        try:
            found = sorted(p for p in place.iterdir() if _LICENCES.fullmatch(p.name) and p.is_file())
            data = found[0].read_bytes() if found and found[0].stat().st_size <= _LARGEST_LICENCE else b""
        except OSError:  # what may not be read is no licence to keep
            continue
        if data:
            (fresh / _LICENCE).write_bytes(data)
            return _titled(data.decode("utf-8", "replace"))
    return ""


def _titled(text: str) -> str:
    """The line of a licence's text that names it: the first that is more than a heading."""
    lines = [line.strip("#=-*> ").strip() for line in text.splitlines()]
    named = (line for line in lines if len(line.split()) > 1 and re.search(r"licen[cs]e|public domain", line, re.I))
    said = next((m[0] for line in lines if (m := re.search(r"[\w ]*License \([A-Z]+\) [\d.]+", line))), "")
    return (said or next(named, "") or next(filter(None, lines), ""))[:120].strip()


def _digest(read: Sequence[Text | Refused]) -> str:
    hashed = hashlib.sha256()
    for one in read:
        if isinstance(one, Text):
            hashed.update(hashlib.sha256(one.name.encode("utf-8", "surrogateescape")).digest())
            hashed.update(hashlib.sha256(one.data).digest())
    return hashed.hexdigest()[:32]


def _swap(fresh: Path, home: Path) -> None:
    """Put the new folder where the old one is: a reader finds the one or the other."""
    if not home.exists():
        fresh.rename(home)
        return
    old = home.with_name(f".{uuid4().hex}.old")
    home.rename(old)
    try:
        fresh.rename(home)
    except OSError:
        old.rename(home)
        raise
    shutil.rmtree(old, ignore_errors=True)
