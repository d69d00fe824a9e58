"""Observations of one measure: every hour and day that has any, and every silence, with bits, words and events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytic import observed
from vizsla.calibration import Floats
from vizsla.volume import silence, words
from vizsla.volume.counting import HOUR
from vizsla.volume.events import First, first_events, tie_of
from vizsla.volume.known import BETWEEN, Known
from vizsla.volume.models import DAY, Cells, rest
from vizsla.volume.pooling import I64, Nodes
from vizsla.volume.tails import both

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

SAID = 3.0  # bits from which on an hour is told of in a sentence of its own
SHOWN = 8.0  # bits from which on its events are fetched and its day is drawn
A_DAY = 20  # of a host's day, hours whose events are fetched, at most
MICRO = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Hours:
    """The hours of one measure that are looked at: as they were counted (`table`, of SEEN), in codes, and scored."""

    table: pa.Table
    cells: Cells
    much: Floats
    when: Floats | None

    @property
    def bits(self) -> Floats:
        """How much and when, together where both were asked."""
        return both(self.much, self.when) if self.when is not None else self.much


def observations(engine: Engine, scans: Sequence[Scan], known: Known, table: pa.Table) -> Iterator[pa.RecordBatch]:
    """What there is to observe of one measure in these counted hours (rows of SEEN of this measure)."""
    if not len(table):
        return
    cells = known.cells(table)
    hours = Hours(table, cells, known.bits_hourly(cells), known.bits_habits(cells))
    yield _hourly(engine, scans, known, hours)
    if known.daily is not None:
        yield from _daily(engine, scans, known, table)
    if known.silences is not None:
        yield from _silent(known, table)


def _hourly(engine: Engine, scans: Sequence[Scan], known: Known, hours: Hours) -> pa.RecordBatch:
    table, bits = hours.table, hours.bits
    shown = _shown(table, bits)
    said = np.flatnonzero(bits >= SAID)
    rows = dict(zip(said.tolist(), table.take(pa.array(said)).to_pylist(), strict=True))
    wanted = [(rows[i]["host"], rows[i]["entity"], rows[i]["hour"]) for i in shown]
    found = first_events(engine, scans, known.measure, wanted) if wanted else {}
    why = _plain(known, table)
    for (i, row), high in zip(rows.items(), words.usual(known, known.hourly, hours.cells.at(said)), strict=True):
        why[i] = _why(known, hours, i, row, float(high))
    told = [(i, found[cell]) for i, cell in zip(shown, wanted, strict=True) if cell in found]
    time = table["first"].to_numpy().copy()
    ids: list[Sequence[str]] = [()] * len(table)
    for i, first in told:
        time[i], ids[i] = first.time, first.ids
    late = np.zeros(len(bits), dtype=bool) if hours.when is None else hours.when > hours.much
    return observed({
        "_host": table["host"], "_time": pa.array(time, pa.int64()).cast(MICRO), "kind": table["kind"],
        "pattern": _patterns(known, table, np.where(late, "hour", "much")), "score": bits, "n": table["n"],
        "why": pa.array(why, pa.string()), "event_ids": pa.array(ids, pa.list_(pa.string())),
        "picture": _pictures(known, hours, rows, shown), **_ties(known, table, told),
    })  # fmt: skip


def _shown(table: pa.Table, bits: Floats) -> list[int]:
    """The hours whose events are fetched: the most unusual ones of each host's day. Of equals, the first by name."""
    some = np.flatnonzero(bits >= SHOWN)
    if not len(some):
        return []
    host = pc.rank(table["host"].combine_chunks(), tiebreaker="dense").to_numpy().astype(np.int64)[some]
    day = Nodes.of(host * 2**24 + table["hour"].to_numpy()[some] // DAY).node
    order = np.lexsort((some, -bits[some], day))
    place = np.arange(len(order)) - np.searchsorted(day[order], day[order], side="left")
    return sorted(int(i) for i in some[order][place < A_DAY])


def _plain(known: Known, table: pa.Table, when: str = "in an hour") -> np.ndarray:
    """What there is to say of hours that are hardly unusual, without a loop over them."""
    value = pc.cast(pc.round(pc.abs(table["value"]), 2), pa.string())
    parts = [pa.scalar(f"{known.measure.name}:"), value, pa.scalar(when)]
    if known.measure.of:
        parts += [pa.scalar("of"), table["entity"]]
    joined = pc.binary_join_element_wise(*parts, pa.scalar("(hardly unusual)"), " ")
    return np.asarray(joined.to_numpy(zero_copy_only=False) if isinstance(joined, pa.Array) else joined.to_numpy())


def _why(known: Known, hours: Hours, i: int, row: dict[str, Any], high: float) -> str:
    one = hours.cells.at(np.array([i]))
    of, entity = words.subject(known, row["entity"], row["host"]), int(one.entity[0])
    if hours.when is not None and hours.when[i] > hours.much[i]:
        return words.unusual_hour(known, of, row["value"], entity, one)
    return words.much(known, of, row["value"], high, entity, row["hour"], daily=False)


def _patterns(known: Known, table: pa.Table, what: Any) -> pa.Array:
    """What is alike wherever it happens: the measure, what is unusual of it, and who, where names mean something on
    other hosts, too."""
    measure = known.measure
    named = measure.same or measure.of[:1] == ("user.name",)
    parts = [pa.array(np.broadcast_to(what, len(table)).astype(object), pa.string())]
    parts = [pc.binary_join_element_wise(pa.scalar(measure.key), parts[0], ": ")]
    return pc.binary_join_element_wise(*parts, table["entity"].combine_chunks(), " ") if named else parts[0]


def _pictures(known: Known, hours: Hours, rows: dict[int, dict[str, Any]], shown: Sequence[int]) -> pa.Array:
    """The day of each shown hour, of its own entity."""
    pictures = np.full(len(hours.table), None, dtype=object)
    days: dict[tuple[str, str, int], dict[int, float]] = {}
    wanted = {(rows[i]["host"], rows[i]["entity"], rows[i]["hour"] // DAY) for i in shown}
    if wanted:
        near = pc.is_in(hours.table["host"], pa.array(sorted({host for host, _, _ in wanted})))
        for row in hours.table.filter(near).select(["host", "entity", "hour", "value"]).to_pylist():
            if (key := (row["host"], row["entity"], row["hour"] // DAY)) in wanted:
                days.setdefault(key, {})[row["hour"]] = row["value"]
    for i in shown:
        row = rows[i]
        of = words.subject(known, row["entity"], row["host"])
        raw = days[row["host"], row["entity"], row["hour"] // DAY]
        pictures[i] = words.picture(known, hours.cells.at(np.array([i])), raw, of)
    return pa.array(pictures, pa.string())


def _ties(known: Known, table: pa.Table, told: Sequence[tuple[int, First]]) -> dict[str, Any]:
    """What ties shown hours to their episodes: a process, or a pair of addresses."""
    name = tie_of(known.measure)
    if name is None:
        return {}
    values = np.full(len(table), None, dtype=object)
    for i, first in told:
        values[i] = first.tie
    tied = pa.array(values, pa.string())
    if name == "process.entity_id":
        return {"process_guid": tied}
    return {"destination": tied, "source": pc.if_else(pc.is_valid(tied), table["entity"].combine_chunks(), None)}


def _daily(engine: Engine, scans: Sequence[Scan], known: Known, table: pa.Table) -> Iterator[pa.RecordBatch]:
    """Days with unusually much beside their highest hour: what rises slowly stands out in no hour."""
    assert known.daily is not None
    hour, value = table["hour"].to_numpy(), table["value"].to_numpy()
    codes = pc.rank(pc.binary_join_element_wise(table["host"], table["entity"], BETWEEN).combine_chunks(),
                    tiebreaker="dense").to_numpy().astype(np.int64)  # fmt: skip
    nodes = Nodes.of(codes * 2**24 + hour // DAY)
    sums = rest(nodes, value)
    highest = np.zeros(len(nodes.key), dtype=np.int64)
    order = np.lexsort((-hour, value))
    highest[nodes.node[order]] = order  # the last one written holds: the highest value, of equals the first hour
    some = np.flatnonzero(sums > 0)
    if not len(some):
        return
    own, sums = table.take(pa.array(highest[some])).combine_chunks(), sums[some]
    cells = known.entities.cells(own, known.measure)
    days = Cells(cells.entity, cells.peers, cells.hour // DAY * DAY, sums)
    bits = known.bits_daily(days)
    why = _plain(
        known, own.set_column(own.column_names.index("value"), "value", pa.array(sums)), "in a day's other hours"
    )
    told = np.flatnonzero(bits >= SAID)
    high = words.usual(known, known.daily, days.at(told))
    rows = own.take(pa.array(told)).to_pylist()
    for i, row, top in zip(told.tolist(), rows, high.tolist(), strict=True):
        of = words.subject(known, row["entity"], row["host"])
        why[i] = words.much(known, of, float(sums[i]), float(top), int(days.entity[i]), int(days.hour[i]), daily=True)
    shown = [(i, row) for i, row in zip(told.tolist(), rows, strict=True) if i in set(_shown(own, bits))]
    wanted = [(row["host"], row["entity"], row["hour"]) for _, row in shown]
    found = first_events(engine, scans, known.measure, wanted) if wanted else {}
    ids: list[Sequence[str]] = [()] * len(sums)
    for (i, _), cell in zip(shown, wanted, strict=True):
        ids[i] = found[cell].ids if cell in found else ()
    n = nodes.sum(table["n"].to_numpy().astype(np.float64))[some]
    yield observed({
        "_host": own["host"], "_time": own["first"].cast(MICRO), "kind": own["kind"],
        "pattern": _patterns(known, own, "day"), "score": bits, "n": pa.array(n.astype(np.int64)),
        "why": pa.array(why, pa.string()), "event_ids": pa.array(ids, pa.list_(pa.string())),
    })  # fmt: skip


def _silent(known: Known, table: pa.Table) -> Iterator[pa.RecordBatch]:
    """Runs of hours in which a table of a host told of nothing while the host did."""
    assert known.silences is not None
    hosts = known.entities.hosts
    host = pc.index_in(table["host"].combine_chunks(), hosts)
    cells = known.entities.cells(table, known.measure)
    kept = pc.is_valid(host).to_numpy(zero_copy_only=False)  # of a host never seen nothing was to be expected
    codes: I64 = pc.fill_null(host, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    silent, _ = silence.at_risk(cells.at(kept), codes[kept], known.entities.host, known.silences.begun)
    bits = known.silences.bits(silent.entity, silent.hour)
    likely = bits >= silence.UNLIKELY
    order = np.lexsort((silent.hour, silent.entity))
    order = order[likely[order]]
    entity, hour, beside, bits = silent.entity[order], silent.hour[order], silent.beside[order], bits[order]
    if not len(entity):
        return
    new = np.r_[True, (entity[1:] != entity[:-1]) | (hour[1:] != hour[:-1] + 1) | (hour[1:] % DAY == 0)]
    run = np.cumsum(new) - 1
    begin, end = np.flatnonzero(new), np.r_[np.flatnonzero(new)[1:], len(new)] - 1
    strongest = np.zeros(len(begin))
    np.maximum.at(strongest, run, bits)
    names = [name.as_py().split(BETWEEN, 1) for name in known.entities.names.take(pa.array(entity[begin]))]
    yield observed({
        "_host": [host for host, _ in names], "_time": pa.array(hour[begin] * HOUR, pa.int64()).cast(MICRO),
        "kind": [name for _, name in names], "pattern": [f"{known.measure.key}: silence {name}" for _, name in names],
        "score": strongest, "n": np.maximum(1, np.bincount(run, beside)).astype(np.int64),
        "why": [words.silent(name, host, int(hour[a]), int(hour[b]), float(known.silences.hours[entity[a]]), float(n))
                for (host, name), a, b, n in zip(names, begin, end, np.bincount(run, beside), strict=True)],
        "event_ids": [[] for _ in names],
    })  # fmt: skip
