"""When each host has events in each table, in hours: what spans, gaps, silences and clocks are judged by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla import arrow
from vizsla.lake.shape import day_of
from vizsla.nouns.event import DAY, HOST, TIME, UNKNOWN_DAY

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

KEPT_DAYS = 60  # of a lake's newest days hours are told apart; before them days, so that years stay small
HOUR = 3_600_000_000  # microseconds
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cells:
    """The hours (since 1970, UTC) in which a table has events: one row a host and hour, in no order.

    host: places in `hosts`, -1 where an event names none. From the hour `fine` on hours are told apart; before it all
    events of a day stand in its first hour. first, last: of times that can be believed, in microseconds; `last_of`
    the same for each row. timeless: events without such a time.
    """

    table: str
    hosts: tuple[str, ...]
    host: Ints
    hour: Ints
    events: Ints
    last_of: Ints
    fine: int
    timeless: int
    first: int | None
    last: int | None

    @property
    def total(self) -> int:
        """All events, timeless ones too."""
        return int(self.events.sum()) + self.timeless

    def recent(self) -> npt.NDArray[np.bool_]:
        """Which rows are of hours that are told apart."""
        return self.hour >= self.fine


def newest(scans: Sequence[Scan], kept: int = KEPT_DAYS) -> str:
    """The first of the `kept` newest days of scans, by the folders of their files: nothing is read. '' without days."""
    days = [day for scan in scans for file in scan.files if (day := day_of(file)) != UNKNOWN_DAY]
    return str(date.fromisoformat(max(days)) - timedelta(days=kept - 1)) if days else ""


HOURS = pa.schema(
    [("host", pa.string()), ("hour", pa.int64()), ("n", pa.int64()), ("a", pa.int64()), ("z", pa.int64())]
)


@dataclass(frozen=True, slots=True)
class Hours:
    """A mapper: by host and hour how many events, and the first and last of their times in microseconds.

    Hours before `fine` are those in which their days begin; events without a believable time have no hour.
    """

    fine: int
    schema: pa.Schema = HOURS

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if not batch.num_rows:
                continue
            host, time, day = (arrow.plain(batch.column(i)) for i in range(3))
            micros = pc.cast(pc.cast(time, pa.timestamp("us", tz="UTC")), pa.int64())
            number = pc.fill_null(micros, 0).to_numpy(zero_copy_only=False) // HOUR
            number = np.where(number < self.fine, number - number % 24, number)
            timed = pc.and_(pc.is_valid(micros), pc.not_equal(day, UNKNOWN_DAY))
            hour = pc.if_else(timed, pa.array(number, pa.int64()), pa.scalar(None, pa.int64()))
            yield from _summed(pa.table([host, hour, pa.repeat(pa.scalar(1, pa.int64()), len(host)), micros, micros],
                                        schema=HOURS)).to_batches()  # fmt: skip


def _summed(rows: pa.Table) -> pa.Table:
    grouped = rows.group_by(["host", "hour"]).aggregate([("n", "sum"), ("a", "min"), ("z", "max")])
    return grouped.rename_columns(HOURS.names).cast(HOURS)


def cells_of(engine: Engine, scan: Scan, cut: str) -> Cells:
    """One table's cells: one pass that reads the times and the hosts alone."""
    fine = hour_of(datetime.fromisoformat(cut)) if cut else 0
    found = list(engine.map(scan, (HOST, TIME, DAY), Hours(fine))) if scan.files else []
    return _cells(scan.table, _summed(pa.Table.from_batches(found, HOURS)), fine)


def _cells(table: str, rows: pa.Table, fine: int) -> Cells:
    timed = rows.filter(pc.is_valid(rows.column("hour")))
    events = int(pc.sum(rows.column("n")).as_py() or 0)
    hosts = timed.column("host").cast(pa.string()).combine_chunks().dictionary_encode()
    codes = np.asarray(hosts.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    counts, last = _ints(timed, "n"), _ints(timed, "z")
    first = _ints(timed, "a")
    return Cells(
        table=table,
        hosts=tuple(hosts.dictionary.to_pylist()),
        host=codes,
        hour=_ints(timed, "hour"),
        events=counts,
        last_of=last,
        fine=fine,
        timeless=events - int(counts.sum()),
        first=int(first.min()) if len(first) else None,
        last=int(last.max()) if len(last) else None,
    )


def _ints(rows: pa.Table, name: str) -> Ints:
    column = rows.column(name).combine_chunks()
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
    return np.asarray(column.to_numpy(zero_copy_only=False), np.int64)


def hour_of(moment: datetime) -> int:
    """The hour since 1970 that a UTC time lies in."""
    return int(moment.replace(tzinfo=UTC).timestamp() // 3600)


def at_hour(hour: int) -> datetime:
    """When an hour since 1970 begins."""
    return datetime.fromtimestamp(hour * 3600, UTC)


def at_micros(micros: int) -> datetime:
    """A time from microseconds since 1970, UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


# First parts of IPv4 addresses some of which are not of the Internet; all others' are: ip_address is slow to say so.
_MIXED = frozenset((0, 10, 100, 127, 169, 172, 192, 198, 203, *range(240, 256)))
_PART = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_IPV4 = re.compile(rf"({_PART})\.{_PART}\.{_PART}\.{_PART}", re.ASCII)


@lru_cache(100_000)
def is_stranger(host: str) -> bool:
    """Whether a host is but an address of the Internet that a sensor saw: nobody waits for its logs."""
    if not host[-1:].isdigit() and ":" not in host:
        return False
    if (plain := _IPV4.fullmatch(host)) and int(plain[1]) not in _MIXED:
        return True
    try:
        return ip_address(host).is_global
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class HostHours:
    """The hours told apart in which each host has events: sorted, each once; its last event, in microseconds.

    Without strangers: see `is_stranger`.
    """

    hours: dict[str, Ints]
    last: dict[str, int]


def host_hours(cells: Sequence[Cells]) -> HostHours:
    """Over all these tables together."""
    hours: dict[str, list[Ints]] = {}
    last: dict[str, int] = {}
    for part in cells:
        known = np.array([not is_stranger(name) for name in part.hosts] + [False])  # -1 is the last: of no host
        kept = part.recent() & known[part.host]
        order = np.argsort(part.host[kept], kind="stable")
        codes, of, ends = part.host[kept][order], part.hour[kept][order], part.last_of[kept][order]
        edges = np.flatnonzero(np.diff(codes)) + 1
        for code, mine, end in zip(
            codes[np.r_[0, edges]] if len(codes) else [], np.split(of, edges), np.split(ends, edges), strict=False
        ):
            name = part.hosts[int(code)]
            hours.setdefault(name, []).append(mine)
            last[name] = max(last.get(name, 0), int(end.max()))
    return HostHours({name: np.unique(np.concatenate(parts)) for name, parts in hours.items()}, last)


def end_of(held: HostHours) -> int | None:
    """The last hour that the logs as a whole reach: of three hosts' the second, so that no one clock says it."""
    ends = sorted((int(hours[-1]) for hours in held.hours.values()), reverse=True)
    if not ends:
        return None
    return ends[1] if len(ends) >= 3 else ends[0]
