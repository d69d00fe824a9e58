"""Process starts as sequences: upwards to who started whom, and along what one parent started in turn.

Nothing reaches over midnight: a start is looked up among those of its own host and day, so that a day looked at alone
gives what it gives among others.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import I64, NOTHING, U64, code_of, dictionary, mixed, take
from vizsla.lake.days import of_days
from vizsla.nouns.event import HOST, ID, TIME
from vizsla.shape import shapes
from vizsla.view import TABLE, view_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Scan

VIEW = "process"
FIELDS = ("event.action", "event.code", "process.executable", "process.entity_id", "process.pid",
          "process.parent.executable", "process.parent.entity_id", "process.parent.pid")  # fmt: skip
DAY = 86_400_000_000  # microseconds
AT_ONCE = 500_000  # starts that are held in memory
# Windows starts one with every program of the console: it is no step of whoever started that.
CONSOLE = frozenset(("conhost.exe",))


@dataclass(frozen=True, slots=True)
class Starts:
    """Process starts by host and time. Images are codes of shapes of paths, NOTHING where unknown.

    `table`: `_id`, `_host`, `_time`, `kind`, `guid`, `pid`; `names`: the shape of each code; `up`: the row of the
    parent's own start, -1 where it was not that day; `where`: one code per host, table and day; `session`: one code for
    all that one parent started that day, NOTHING where the parent cannot be told, and for a CONSOLE; `before`: the row
    that came before in it, -1 for the first.
    """

    table: pa.Table
    names: dict[int, str]
    image: U64
    parent: U64
    up: I64
    where: U64
    session: U64
    before: I64

    def __len__(self) -> int:
        return len(self.image)


def starts_of(engine: Engine, scans: Sequence[Scan]) -> Iterator[Starts]:
    """All starts in these scans, whole host-days together and about AT_ONCE at a time; nothing where there are none."""
    events = _events(engine, scans)
    for days, hosts in _parts(engine.collect(events.group_by("day", "host").agg(n=events.count())).to_pylist()):
        some = _events(engine, of_days(scans, days))  # a day's files alone: parts are many where events are
        some = some.filter(some["day"].isin(days))
        if hosts:
            some = some.filter(some["host"] >= hosts[0], some["host"] <= hosts[-1])
        yield _numbered(engine.collect(some.drop("day", "host")))


def _events(engine: Engine, scans: Sequence[Scan]) -> ir.Table:
    events = view_of(engine, scans, VIEW, FIELDS)
    asked = events.filter(events["event.action"] == "process-started", events[TIME].notnull())
    return asked.select(
        ID, HOST, TIME, TABLE,
        day=asked[TIME].date().cast("string"),
        host=asked[HOST].fill_null(""),
        code=asked["event.code"],
        image=asked["process.executable"],
        parent=asked["process.parent.executable"],
        guid=asked["process.entity_id"],
        pid=asked["process.pid"].cast("string"),
        parent_guid=asked["process.parent.entity_id"],
        parent_pid=asked["process.parent.pid"].cast("string"),
    )  # fmt: skip


def _parts(counted: Sequence[Mapping[str, Any]]) -> list[tuple[list[str], list[str]]]:
    """Days that are read together, or a part of the hosts of one day that is too large for that."""
    by_day: dict[str, list[tuple[str, int]]] = {}
    for row in sorted(counted, key=lambda row: (row["day"], row["host"])):
        by_day.setdefault(row["day"], []).append((row["host"], row["n"]))
    parts: list[tuple[list[str], list[str]]] = []
    room = 0
    for day, hosts in by_day.items():
        size = sum(n for _, n in hosts)
        if size > AT_ONCE:
            room, own = 0, 0
            for host, n in hosts:
                if not own or own + n > AT_ONCE:
                    parts.append(([day], []))
                    own = 0
                parts[-1][1].append(host)
                own += n
        elif size <= room:
            parts[-1][0].append(day)
            room -= size
        else:
            parts.append(([day], []))
            room = AT_ONCE - size
    return parts


def _numbered(found: pa.Table) -> Starts:
    """The starts of whole host-days as numbers."""
    found = found.sort_by([(HOST, "ascending"), (TIME, "ascending"), (ID, "ascending")]).combine_chunks()
    names: dict[int, str] = {}
    image, parent = (_images(found[name], names) for name in ("image", "parent"))
    day = found[TIME].cast(pa.int64()).to_numpy() // DAY
    where = mixed(_codes(found[HOST]), _codes(found[TABLE]), day.astype(np.uint64))
    up = _parents(found, where, parent, image)
    by_guid, by_pid = _codes(found["parent_guid"]), _codes(found["parent_pid"])
    named = np.where(by_guid != NOTHING, by_guid, by_pid)
    step = (named != NOTHING) & ~np.isin(image, called(names, CONSOLE))
    session = np.where(step, mixed(where, named, parent), NOTHING)
    coded = pc.if_else(pc.is_valid(found["code"]), pc.binary_join_element_wise(found[TABLE], found["code"], ":"), None)
    kind = pc.coalesce(coded, found[TABLE])
    table = pa.table({ID: found[ID], HOST: found[HOST], TIME: found[TIME], "kind": kind, "guid": found["guid"],
                      "pid": found["pid"]})  # fmt: skip
    return Starts(table, names, image, parent, up, where, session, _before(session))


def called(names: Mapping[int, str], wanted: Container[str]) -> U64:
    """The codes of the images whose files are called so."""
    last = ((code, path.replace("\\", "/").rpartition("/")[2]) for code, path in names.items())
    return np.array([code for code, name in last if name in wanted], np.uint64)


def _codes(column: pa.ChunkedArray) -> U64:
    """A code for each value, NOTHING where it is null or empty."""
    distinct, places = dictionary(column.combine_chunks().cast(pa.string()))
    codes = np.array([code_of(text) if text else 0 for text in distinct.to_pylist()], np.uint64)
    return take(codes, places)


def _images(column: pa.ChunkedArray, names: dict[int, str]) -> U64:
    """The codes of the shapes of paths, and what they stand for."""
    distinct, places = dictionary(column.combine_chunks().cast(pa.string()))
    texts = shapes(distinct.cast(pa.string())).to_pylist()
    known = {text: code_of(text) for text in texts if text and text != "-"}
    names.update({code: text for text, code in known.items()})
    return take(np.array([known.get(text, 0) for text in texts], np.uint64), places)


def _parents(found: pa.Table, where: U64, parent: U64, image: U64) -> I64:
    """The row of each row's parent: by GUID, else the last start with its process id and its image before it."""
    up = np.full(len(where), -1, np.int64)
    for own_name, of_name in (("pid", "parent_pid"), ("guid", "parent_guid")):
        own, of = _codes(found[own_name]), _codes(found[of_name])
        place = _last(mixed(where, own), np.where(of != NOTHING, mixed(where, of), NOTHING))
        other = (place >= 0) & (parent != NOTHING) & (image[place] != NOTHING) & (image[place] != parent)
        up = np.where((place >= 0) & ~other, place, up)
    return up


def _last(filed: U64, asked: U64) -> I64:
    """For every row the last row before it that is filed under what it asks for; -1 where there is none."""
    size = len(filed)
    if not size:
        return np.zeros(0, np.int64)
    ranks = np.unique(np.concatenate([filed, asked]), return_inverse=True)[1].astype(np.int64)
    ordered = np.sort(ranks[:size] * size + np.arange(size))
    at = np.searchsorted(ordered, ranks[size:] * size + np.arange(size)) - 1
    found = ordered[np.maximum(at, 0)]
    return np.where((at >= 0) & (found // size == ranks[size:]) & (asked != NOTHING), found % size, -1)


def _before(session: U64) -> I64:
    """The row before each row in its session; -1 for the first, and without a session."""
    order = np.lexsort((np.arange(len(session)), session))
    before = np.full(len(session), -1, np.int64)
    alike = np.flatnonzero((session[order][1:] == session[order][:-1]) & (session[order][1:] != NOTHING)) + 1
    before[order[alike]] = order[alike - 1]
    return before
