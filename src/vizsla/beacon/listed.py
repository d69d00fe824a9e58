"""The list that people read: every pair that keeps to a period, the strongest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vizsla.beacon.bins import Floats, Ints
from vizsla.beacon.contacts import TENTHS
from vizsla.beacon.folded import behind_names, strongest, told_by_names
from vizsla.beacon.places import HOUSEKEEPING, places
from vizsla.beacon.regular import Regularity, intervals, phases, sizes
from vizsla.beacon.sketch import HOUR, SKETCH, merged, sketches
from vizsla.beacon.spread import few_visits, hours_on
from vizsla.beacon.weigh import REGULAR, Known, strength, traits
from vizsla.beacon.words import why

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.lake import Scan

AT_ONCE = 400_000  # rows of sketches that are merged at a time
MOST_PAIRS = 1_000_000  # pairs held; beyond, those with the fewest visits are let go of
LEAST_VISITS = 4
DOUBT = 4.0  # hours, of which one was active, that stand beside those seen
PHASES = 200  # pairs at most whose phase is looked for, those with most visits first
PHASE_VISITS = 16
LIST = pa.schema([
    ("source", pa.string()), ("destination", pa.string()), ("via", pa.string()), ("process", pa.string()),
    ("period_s", pa.float64()), ("jitter", pa.float64()), ("count", pa.int64()), ("events", pa.int64()),
    ("bytes_alike", pa.float64()), ("hosts", pa.int64()), ("of_hosts", pa.int64()),
    ("first", pa.timestamp("us", tz="UTC")), ("last", pa.timestamp("us", tz="UTC")),
    ("bits", pa.float64()), ("regular_bits", pa.float64()), ("why", pa.string()),
])  # fmt: skip


def beacons(engine: Engine, scans: Sequence[Scan], top: int | None = None) -> pa.Table:
    """The beacons in these scans, a table of LIST; the strongest first, in a total order."""
    return listed(gathered(engine, scans), behind_names(engine, scans), top)


def gathered(engine: Engine, scans: Sequence[Scan]) -> pa.Table:
    """All pairs' sketches, merged as they come, so that no more than MOST_PAIRS are held."""
    held, waiting, rows = SKETCH.empty_table(), list[pa.Table](), 0
    for part in sketches(engine, scans):
        waiting.append(part)
        rows += len(part)
        if rows > max(AT_ONCE, len(held)):  # so that merging again and again costs no more than sorting once more
            held, waiting, rows = bounded(merged([held, *waiting])), [], 0
    return merged([held, *waiting])


def bounded(pairs: pa.Table) -> pa.Table:
    """Not more than MOST_PAIRS pairs, those with most visits."""
    if len(pairs) <= MOST_PAIRS:
        return pairs
    order = pc.sort_indices(pairs, [("visits", "descending"), ("last", "descending")])[:MOST_PAIRS]
    return pairs.take(order)


def listed(pairs: pa.Table, behind: pa.Table, top: int | None = None) -> pa.Table:
    """Merged sketches as LIST: pairs of at least LEAST_VISITS visits with any regularity."""
    kinds = places(pairs["destination"].to_pylist())
    fleet = Fleet(pairs, behind)
    keep = (pairs["visits"].to_numpy() >= LEAST_VISITS) & (kinds != "everybody") & ~told_by_names(pairs, behind)
    chosen = np.flatnonzero(keep)
    pairs, kinds = pairs.take(pa.array(chosen)), kinds[chosen]
    regular = judged(pairs, fleet.source[chosen], fleet.hours_on)
    known = fleet.known(pairs, chosen, kinds, regular)
    parts = traits(regular.period, regular.jitter, known)
    bits = strength(regular.bits, parts)
    alone = strongest(pairs, bits) & (regular.bits > 0)
    order = _ordered(pairs, np.where(alone, bits, -1.0))[: int(alone.sum())][:top]
    return _rows(pairs, order, bits, regular, known, parts)


def judged(pairs: pa.Table, source: Ints, hours: Ints) -> Regularity:
    """The regularity of pairs: by intervals, and where those say little, by their spread while the source (a code per
    pair, with its `spread.hours_on`) is on, and by phases."""
    visits = pairs["visits"].to_numpy()
    found = few_visits(intervals(pairs["gaps"]), visits, pairs["times"], source, hours)
    open_ = np.flatnonzero((found.bits < REGULAR) & (visits >= PHASE_VISITS) & (found.period > 0))
    open_ = open_[np.lexsort((open_, -visits[open_]))[:PHASES]]
    about = np.zeros(len(pairs))
    about[open_] = found.period[open_]
    bits, period = phases(pairs["times"], about)
    better = bits - 1.0 > found.bits  # one bit for having looked in two ways
    return Regularity(
        np.where(better, bits - 1.0, found.bits), np.where(better, period, found.period), found.jitter, found.share,
        found.skew, found.spread,
    )  # fmt: skip


class Fleet:
    """What all hosts do: by how many a destination is reached, when a source was first seen, in how many hours."""

    def __init__(self, pairs: pa.Table, behind: pa.Table) -> None:
        """Of merged sketches, all of them; arrays hold one entry per pair."""
        source, destination = _codes(pairs["source"]), _codes(pairs["destination"])
        names = pairs["source"].to_pylist()
        self.outside = places(names) == "outside"
        self.source, self.hours_on = source, hours_on(source, pairs["times"])
        sources, targets = int(source.max(initial=-1)) + 1, int(destination.max(initial=-1)) + 1
        # Who comes from outside is none of our hosts, unless there is nobody else.
        ours = ~self.outside if not self.outside.all() else ~np.zeros(len(names), dtype=bool)
        once = np.unique(destination[ours] * max(sources, 1) + source[ours])
        hosts = np.bincount(once // max(sources, 1), minlength=targets)[destination]
        self.hosts = np.maximum(hosts, 1)
        self.of_hosts = max(len(np.unique(source[ours])), 1)
        began = np.full(sources, np.iinfo(np.int64).max)
        np.minimum.at(began, source, pairs["first"].to_numpy())
        busiest = np.zeros(sources, np.int64)  # hours of the pair that is active in most: the host was on as long
        np.maximum.at(busiest, source, pairs["hours"].to_numpy())
        ended = np.zeros(sources, np.int64)
        np.maximum.at(ended, source, pairs["last"].to_numpy())
        self.began, self.ended, self.hours = began[source], ended[source], busiest[source]
        self.stranger = self._strangers(pairs, names, behind)

    def _strangers(self, pairs: pa.Table, names: list[str], behind: pa.Table) -> NDArray[np.bool_]:
        """Pairs that come from outside to one of our hosts, by its address or by a name that it answers to."""
        ours = frozenset(names)
        of_names: dict[str, bool] = {}
        for source, server in zip(behind["source"].to_pylist(), behind["server"].to_pylist(), strict=True):
            of_names[source] = of_names.get(source, True) and server in ours
        named = pc.not_equal(pairs["via"], "network").to_pylist()
        return np.array(
            [out and (of_names.get(source, False) if by_name else target in ours)
             for out, source, target, by_name in zip(self.outside, names, pairs["destination"].to_pylist(), named,
                                                     strict=True)], dtype=bool,
        )  # fmt: skip

    def known(self, pairs: pa.Table, rows: Ints, kinds: NDArray[np.str_], regular: Regularity) -> Known:
        """What is known of the pairs that stand in these rows of all."""
        first = pairs["first"].to_numpy()
        own = pairs["hours"].to_numpy().astype(np.float64)
        began, ended = self.began[rows], self.ended[rows]
        left = (ended - first + HOUR) / (ended - began + HOUR)  # of the host's time, from the pair's first visit on
        possible = left * self.hours[rows] * np.minimum(1.0, HOUR / TENTHS / np.maximum(regular.period, 1.0))
        alike, _ = sizes(pairs["sizes"])
        return Known(
            hosts=self.hosts[rows],
            of_hosts=np.full(len(rows), self.of_hosts),
            late=(first - began) / TENTHS,
            lasting=lasting(own, possible),
            alike=alike,
            inside=kinds == "inside",
            common=np.isin(pairs["port"].to_numpy(), list(HOUSEKEEPING)),
            stranger=self.stranger[rows],
        )


def lasting(own: Floats, possible: Floats) -> Floats:
    """The share of possible hours in which a pair was active; of few hours little is believed."""
    return np.clip((own + 1.0) / (np.maximum(possible, 0.0) + DOUBT), 0.0, 1.0)


def _codes(column: pa.ChunkedArray) -> Ints:
    whole = column.combine_chunks().dictionary_encode()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
    return np.asarray(whole.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def _ordered(pairs: pa.Table, bits: Floats) -> Ints:
    """The strongest first; equal ones by name."""
    table = pa.table({"bits": -np.round(bits, 9), **{n: pairs[n] for n in ("source", "destination", "port", "via")}})
    return np.asarray(pc.sort_indices(table, [(n, "ascending") for n in table.column_names]).to_numpy())


def _rows(
    pairs: pa.Table, order: Ints, bits: Floats, regular: Regularity, known: Known, parts: dict[str, Floats]
) -> pa.Table:
    chosen = pairs.take(pa.array(order))
    targets = [
        target if port < 0 else f"[{target}]:{port}" if ":" in target else f"{target}:{port}"
        for target, port in zip(chosen["destination"].to_pylist(), chosen["port"].to_pylist(), strict=True)
    ]
    columns = {
        "source": chosen["source"], "destination": targets, "via": chosen["via"], "process": chosen["process"],
        "period_s": np.round(regular.period[order], 1), "jitter": np.round(regular.jitter[order], 3),
        "count": chosen["visits"], "events": chosen["events"], "bytes_alike": np.round(known.alike[order], 3),
        "hosts": known.hosts[order], "of_hosts": known.of_hosts[order],
        "first": stamps(chosen["first"]), "last": stamps(chosen["last"]), "bits": np.round(bits[order], 2),
        "regular_bits": np.round(regular.bits[order], 1),
        "why": [why(regular, known, parts, int(i), int(n)) for i, n in zip(order, chosen["visits"].to_pylist(),
                                                                          strict=True)],
    }  # fmt: skip
    return pa.table({f.name: _cast(columns[f.name], f.type) for f in LIST}, schema=LIST)


def stamps(tenths: pa.ChunkedArray) -> pa.Array:
    """Tenths of a second since 1970 as times."""
    return pa.array(tenths.to_numpy() * (1_000_000 // TENTHS), pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def _cast(values: object, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    return values.cast(kind) if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, kind)
