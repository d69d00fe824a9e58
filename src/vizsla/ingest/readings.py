"""How far growing logs were read: a mark of each, so that they are read on from there and not again.

A convenience as the ledger of whole files is, and no truth: a mark is written after its events were stored, so a run
that is killed in between reads on from the mark before, and ids add nothing; without a mark a log is read from its
start. Marks are lines of `readings.jsonl`; the ordinals that go with them lie in packs beside it, each with its hash.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import xxhash

from vizsla import __version__
from vizsla.growing import HEADS, Mark, head_digests
from vizsla.lake.folder import PACKS, READINGS_FILE

BUDGET = 256 << 20  # bytes of ordinals that are kept, 17 for a record of a growing log; the oldest go first
SAME = 8  # marks that are kept of logs with the same beginning
SPARE = 1000  # lines that are no longer true before the file is written anew


@dataclass(frozen=True, slots=True)
class Stored:
    """Ordinals in a pack on disk."""

    path: str
    start: int
    length: int
    digest: str

    @property
    def folder(self) -> str:
        """Of the pack."""
        return os.path.dirname(self.path)  # noqa: PTH120  names may hold bytes that are no text

    def load(self) -> bytes:
        """The packed ordinals. Raises OSError or ValueError where they are gone or damaged."""
        with open(self.path, "rb") as file:  # noqa: PTH123  names may hold bytes that are no text
            file.seek(self.start)
            packed = file.read(self.length)
        if xxhash.xxh3_128_hexdigest(packed) != self.digest:
            raise ValueError("the ordinals of a log are damaged")
        return packed


@dataclass(frozen=True, slots=True)
class Counts:
    """What was read of a log."""

    events: int = 0
    rejected: int = 0
    reasons: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class LogReading:
    """A mark and the account of what was read before it.

    `whole`: the same with what was read behind the mark as it stood, up to the mark's `length`.
    """

    mark: Mark
    counts: Counts
    whole: Counts
    tables: tuple[str, ...]
    asked: str  # the source that was asked for; '' for whichever fitted
    replaces: str = ""  # the key of the mark from which it was read on
    reader: str = field(default=__version__)  # another version may read more out of it


class Readings:
    """The readings below a lake's room. One counts for this version and while its tables are there."""

    def __init__(self, folder: Path, tables: Iterable[str], source: str | None) -> None:
        self._folder, self._path = folder, folder / READINGS_FILE
        self._there, self._asked = frozenset(tables), source or ""
        self._all: dict[str, LogReading] = {}  # by the mark's key, the oldest first
        self._lines = 0
        self._load()
        self._offered = dict(self._all)
        self._by_head: dict[tuple[int, str], list[Mark]] = {}
        for reading in self._all.values():
            if self._counts(reading):
                mark = reading.mark
                self._by_head.setdefault((mark.head_length, mark.head), []).append(mark)

    def __len__(self) -> int:
        return len(self._all)

    def _counts(self, reading: LogReading) -> bool:
        said = (reading.asked, reading.reader) == (self._asked, __version__)
        return said and self._there.issuperset(reading.tables)

    def marks(self, path: str) -> tuple[Mark, ...]:
        """The marks of logs that begin as the file does, compressed or not, the furthest first."""
        if not self._by_head:
            return ()
        found = [mark for name in head_digests(_head(path)) for mark in self._by_head.get(name, ())]
        return tuple(sorted(found, key=lambda mark: -mark.offset))

    def find(self, key: str) -> LogReading:
        """The reading that ended at a mark that was given out."""
        return self._offered[key]

    def add(self, readings: Sequence[LogReading]) -> None:
        """Keep readings, after their events were stored. Call with the lake's writer lock held."""
        self._load()  # what others added meanwhile
        kept = self._packed(readings)
        lines = [json.dumps(plain(reading)) for reading in kept]
        if not lines:
            return
        with self._path.open("a", encoding="ascii") as file:
            file.write("\n" + "\n".join(lines) + "\n")  # begins a line, should a killed run have left half of one
            file.flush()
            os.fsync(file.fileno())
        for reading in kept:
            self._take(reading)
        self._lines += len(lines)
        self._forget()

    def _packed(self, readings: Sequence[LogReading]) -> list[LogReading]:
        """The readings with their ordinals on disk, all in one pack."""
        packs = self._folder / PACKS
        packs.mkdir(exist_ok=True)
        number = 1 + max((int(pack.stem) for pack in packs.glob("*.pack") if pack.stem.isdecimal()), default=0)
        path, at, kept = packs / f"{number}.pack", 0, []
        with contextlib.ExitStack() as stack:
            file = None
            for reading in readings:
                ordinals = reading.mark.ordinals
                if isinstance(ordinals, bytes):
                    file = file or stack.enter_context(path.open("wb"))
                    file.write(ordinals)
                    stored = Stored(str(path), at, len(ordinals), xxhash.xxh3_128_hexdigest(ordinals))
                    at += len(ordinals)
                    reading = replace(reading, mark=replace(reading.mark, ordinals=stored))
                kept.append(reading)
        return kept

    def _take(self, reading: LogReading) -> None:
        self._all.pop(reading.replaces, None)
        self._all.pop(reading.mark.key, None)
        self._all[reading.mark.key] = reading

    def _load(self) -> None:
        self._all, self._lines = {}, 0
        if not self._path.exists():
            return
        with self._path.open(encoding="ascii", errors="replace") as file:
            for line in file:
                self._lines += 1
                with contextlib.suppress(ValueError, TypeError, KeyError):  # an empty or torn line
                    self._take(unplain(json.loads(line), str(self._folder / PACKS)))

    def _forget(self) -> None:
        """Keep within bounds: the oldest readings go, then packs that nothing names, then lines no longer true."""
        size, same = 0, dict[str, int]()
        gone = []
        for key, reading in reversed(self._all.items()):
            size += reading.mark.ordinals.length if isinstance(reading.mark.ordinals, Stored) else 0
            same[reading.mark.head] = same.get(reading.mark.head, 0) + 1
            if size > BUDGET or same[reading.mark.head] > SAME:
                gone.append(key)
        for key in gone:
            del self._all[key]
        if not gone and self._lines <= 2 * len(self._all) + SPARE:
            self._drop_packs()
            return
        fresh = self._path.with_suffix(".new")
        with fresh.open("w", encoding="ascii") as file:
            file.writelines(json.dumps(plain(reading)) + "\n" for reading in self._all.values())
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        self._lines = len(self._all)
        self._drop_packs()

    def _drop_packs(self) -> None:
        named = {r.mark.ordinals.path for r in self._all.values() if isinstance(r.mark.ordinals, Stored)}
        for pack in (self._folder / PACKS).glob("*.pack"):
            if str(pack) not in named:
                pack.unlink(missing_ok=True)  # whoever was about to read it reads the log from its start


def _head(path: str) -> bytes:
    """The first bytes of the log in a file that holds just one, compressed or not."""
    from vizsla.containers import head_of, kind_of, open_logs
    from vizsla.source import Rejected

    try:
        with open(path, "rb") as file:  # noqa: PTH123  as above
            head = file.read(HEADS[0])
        kind = kind_of(head, path.lower())
        if not kind or kind in ("zip", "tar", "7z", "rar"):
            return head if not kind else b""
        log = next(iter(open_logs(path)), None)
        return b"" if log is None or isinstance(log, Rejected) or log.name != path else head_of(log)[: HEADS[0]]
    except OSError:
        return b""  # and told when it is read


def plain(reading: LogReading) -> dict[str, Any]:
    """A reading as JSON; its ordinals by their place."""
    return {
        "mark": plain_mark(reading.mark),
        "counts": _plain_counts(reading.counts),
        "whole": _plain_counts(reading.whole),
        "tables": reading.tables,
        "asked": reading.asked,
        "replaces": reading.replaces,
        "reader": reading.reader,
    }


def unplain(said: dict[str, Any], packs: str) -> LogReading:
    """The reverse of `plain`. Raises ValueError, TypeError or KeyError where it is none."""
    return LogReading(
        mark=mark_of(said["mark"], packs),
        counts=_counts_of(said["counts"]),
        whole=_counts_of(said["whole"]),
        tables=tuple(said["tables"]),
        asked=str(said["asked"]),
        replaces=str(said["replaces"]),
        reader=str(said["reader"]),
    )


def _plain_counts(counts: Counts) -> list[Any]:
    return [counts.events, counts.rejected, counts.reasons]


def _counts_of(said: Sequence[Any]) -> Counts:
    events, rejected, reasons = said
    return Counts(int(events), int(rejected), tuple((str(why), int(n)) for why, n in reasons))


def plain_mark(mark: Mark) -> dict[str, Any]:
    """A mark as JSON; ordinals that are not on disk are left out."""
    stored = mark.ordinals
    return {
        "source": mark.source,
        "head": mark.head,
        "head_length": mark.head_length,
        "offset": mark.offset,
        "tail": mark.tail,
        "length": mark.length,
        "written": mark.written,
        "marked": [line.decode("latin-1") for line in mark.marked],
        "ordinals": [Path(stored.path).name, stored.start, stored.length, stored.digest]
        if isinstance(stored, Stored)
        else None,
    }


def mark_of(said: dict[str, Any], packs: str) -> Mark:
    """The reverse of `plain_mark`, with the folder of its ordinals."""
    ordinals: bytes | Stored = b""
    if said["ordinals"] is not None:
        name, start, length, digest = said["ordinals"]
        ordinals = Stored(os.path.join(packs, Path(str(name)).name), int(start), int(length), str(digest))  # noqa: PTH118  as above
    return Mark(
        source=str(said["source"]),
        head=str(said["head"]),
        head_length=int(said["head_length"]),
        offset=int(said["offset"]),
        tail=str(said["tail"]),
        length=int(said["length"]),
        written=int(said["written"]),
        marked=tuple(str(line).encode("latin-1") for line in said["marked"]),
        ordinals=ordinals,
    )
