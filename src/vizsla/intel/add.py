"""Intelligence from files and folders into the store: each file is read, refused with a reason, or of unknown kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from vizsla import feeds
from vizsla.errors import FeedError
from vizsla.feed import Feed, InBulk
from vizsla.feeds._documents import binary
from vizsla.feeds._opened import telling
from vizsla.ingest.walk import walk
from vizsla.intel import kept
from vizsla.intel.rows import Terms
from vizsla.intel.store import Account, Load, Store
from vizsla.nouns.indicator import Refused

Progress = Callable[[int, int, str], None]
_PACKED = (b"\x1f\x8b", b"PK\x03\x04", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!")


@dataclass(frozen=True, slots=True)
class FileRead:
    """What came of one file. `format` '': of unknown kind; `why`: for what it could not be read to its end."""

    path: str
    feed: str
    format: str = ""
    claims: int = 0
    refused: int = 0
    told: tuple[Refused, ...] = ()
    why: str = ""
    note: str = ""  # of an unknown kind: what it looks like


@dataclass(frozen=True, slots=True)
class Added:
    """What an addition did: each file, and what of it was new to the store."""

    files: tuple[FileRead, ...] = ()
    account: Account = field(default_factory=Account)

    @property
    def read(self) -> tuple[FileRead, ...]:
        """Files of a known format."""
        return tuple(file for file in self.files if file.format)

    @property
    def unknown(self) -> tuple[FileRead, ...]:
        """Files of no known format."""
        return tuple(file for file in self.files if not file.format and not file.why)

    @property
    def failed(self) -> tuple[FileRead, ...]:
        """Files that could not be read to their end."""
        return tuple(file for file in self.files if file.why)


@dataclass(frozen=True, slots=True)
class _Work:
    path: Path
    feed: str
    place: str  # within a feed of many files
    why: str = ""


def add(
    store: Store,
    paths: Sequence[str],
    *,
    now: datetime,
    feed: str | None = None,
    format: str | None = None,
    terms: Terms | None = None,
    progress: Progress | None = None,
) -> Added:
    """Read files and folders into the store, in one load.

    A feed's name is `feed`, else that of the file or folder that was given. `format` (else what the content says) is
    taken for files that are named, and asked of those below folders. Raises UsageError where a path does not exist.
    """
    wanted = feeds.find(format) if format else None
    own = terms or Terms()
    work = [one for given in paths for one in _work(given, feed, feed is not None and len(paths) > 1)]
    done: list[FileRead] = []
    with store.load(now) as load:
        for number, one in enumerate(work):
            with telling(_far(progress, number, len(work), one.path)):
                done.append(_read(load, one, wanted, own))
    before = kept.load(store)
    with store.lake.writing():
        kept.save(store, [_kept(before.get(name), name, done, own, now) for name in _names(done)])
    return Added(tuple(done), load.account)


def _far(progress: Progress | None, number: int, files: int, path: Path) -> Callable[[int], None]:
    """Says how far a file is: one may take minutes."""
    size = path.stat().st_size if path.is_file() else 0

    def told(read: int) -> None:
        if progress is not None:
            part = f"{read >> 20:,} of {size >> 20:,} MiB of " if size >> 20 else ""
            progress(number, files, f"{part}{path}")

    told(0)
    return told


def _names(done: Sequence[FileRead]) -> list[str]:
    return list(dict.fromkeys(file.feed for file in done if file.format))


def _kept(before: kept.Kept | None, name: str, done: Sequence[FileRead], terms: Terms, now: datetime) -> kept.Kept:
    own = [file for file in done if file.feed == name and file.format]
    paths = [str(Path(file.path).absolute()) for file in own]
    return kept.read_now(before, name, addresses=paths, formats={file.format for file in own}, terms=terms, now=now)


def _work(given: str, feed: str | None, several: bool) -> Iterator[_Work]:
    """The files at and below a path; a folder that is one feed counts as one file."""
    root = Path(given)
    name = kept.feed_name(feed) if feed else kept.default_name(root)
    if not root.is_dir():
        for found in walk([given]):
            yield _Work(root, name, kept.default_name(root) if several else "", found.why)
        return
    whole: set[Path] = set()
    for found in walk([given]):
        path = Path(found.path)
        above = path.parent
        if not found.why and above not in whole and (above / feeds.MANIFEST).is_file() and feeds.sniffed(above):
            whole.add(above)
            yield _Work(above, name, _within(above, root))
        if above not in whole:
            yield _Work(path, name, _within(path, root), found.why)


def _within(path: Path, root: Path) -> str:
    text = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name
    return text.encode("utf-8", "backslashreplace").decode()


def _read(load: Load, one: _Work, wanted: Feed | None, terms: Terms) -> FileRead:
    path = str(one.path)
    if one.why:
        return FileRead(path, one.feed, why=one.why)
    format: Feed | None = None
    before = (load.account.said, load.account.refused, len(load.account.told))
    why = ""
    try:
        format = wanted or feeds.sniffed(one.path)
        if format is not None:
            read = format.in_bulk if isinstance(format, InBulk) else format.read
            load.take(read(one.path, one.feed), one.feed, terms, one.place)
    except FeedError as error:  # what came before it is kept
        why = f"{error.what}; {error.fix}" if error.fix else error.what
    now = load.account
    note = "" if format is not None or why else _looks_like(one.path)
    return FileRead(
        path,
        one.feed,
        format.name if format is not None else "",
        now.said - before[0],
        now.refused - before[1],
        tuple(now.told[before[2] :]),
        why,
        note,
    )


def _looks_like(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return ""
    if head.startswith(_PACKED):
        return "it is compressed: unpack it first"
    return "" if head and not binary(head) else "it holds NUL bytes, so it is no text" if head else "it is empty"
