"""Rarity's state: what was usual, and how surprising quiet host-days were to a model that had not learnt from them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from vizsla.analytics.rarity.encode import I64, U64, code_of, mixed
from vizsla.analytics.rarity.fields import profile
from vizsla.analytics.rarity.reference import Columns, KindCounts, count
from vizsla.analytics.rarity.surprise import surprisals
from vizsla.analytics.rarity.tally import (
    SLICE,
    START_KEY,
    START_SUM,
    TIE_KEY,
    TIE_SUM,
    UNIT_KEY,
    UNIT_SUM,
    Gathered,
    Heap,
    Tally,
    chosen_of,
    groups,
    joined,
    located,
    merge_rows,
    sampled,
    stacked,
    unpacked,
)
from vizsla.calibration import Floats, Tail, bits, pooled_e
from vizsla.engine import Engine
from vizsla.lake import Scan

REPLAYED = 2_000_000  # events whose host-days are replayed, at most about
HOURS_A_DAY = 24
HEARD = ("host", "hour", "n", "first", "last")


@dataclass(slots=True)
class Tallied:
    """What the first pass brought: units by kind, the words of their codes, episode ties and process starts.

    Ties and starts of one process may come in several rows of one key, in any order: `merge_rows` makes them one.
    """

    units: dict[str, Columns] = field(default_factory=dict)
    words: dict[int, str] = field(default_factory=dict)
    ties: Columns = field(default_factory=dict)
    starts: Columns = field(default_factory=dict)
    share: float = 1.0

    @property
    def events(self) -> int:
        return sum(int(u["n"].sum()) for u in self.units.values())


def tally(
    engine: Engine, scans: Sequence[Scan], share: float = 1.0, seen: Callable[[str], None] | None = None
) -> Tallied:
    """One pass over the scans; `seen` is told of each table as it begins."""
    result = Tallied(share=share)
    heaps: dict[str, Heap] = {}
    ties, starts = Gathered(TIE_KEY, TIE_SUM), Gathered(START_KEY, START_SUM)
    for scan in scans:
        if seen:
            seen(scan.table)
        columns = profile(scan.table).needed(scan.schema.names)
        for part, kind, table in unpacked(engine.map(scan, columns, Tally(scan.table, share))):
            rows = {name: table[name].to_numpy() for name in table.schema.names} if part != "word" else {}
            if part == "unit":
                heaps.setdefault(kind, Heap(UNIT_KEY, UNIT_SUM)).add(rows)
            elif part == "word":
                result.words.update(zip(table["code"].to_pylist(), table["word"].to_pylist(), strict=True))
            else:
                (ties if part == "tie" else starts).add(rows)
    # Fields in order of name: the order of adding up must not depend on who read what first.
    for kind in sorted(heaps):
        result.units[kind] = dict(sorted(heaps.pop(kind).columns().items()))
    result.ties, result.starts = ties.columns(), starts.columns()
    return result


def heard(units: Mapping[str, Columns]) -> dict[str, Columns]:
    """By kind, how many events (`n`) of which `host` in which `hour`, from `first` to `last`: what is left of units
    without what they were."""
    return {
        kind: merge_rows({name: columns[name] for name in HEARD}, HEARD[:2], UNIT_SUM)
        for kind, columns in units.items()
    }


@dataclass(frozen=True, slots=True)
class Newness:
    """How often a table's host-days bring a type of event that no other host-day had: `new` of `units` units."""

    new: int
    units: int

    @property
    def p(self) -> float:
        """(1 + new) / (1 + units): the p-value of a type never seen, with its floor."""
        return (1 + self.new) / (1 + self.units)


@dataclass(frozen=True, slots=True)
class Model:
    """What was usual (`kinds`), and the surprisals of units left out by whole host-days (`tails`, `pool`)."""

    kinds: Mapping[str, KindCounts]
    words: Mapping[int, str]
    tails: Mapping[str, Tail]
    pool: Tail
    newness: Mapping[str, Newness]  # by table; '' for all tables together
    host_days: int
    hosts: int
    first: int  # microseconds since 1970
    last: int
    events: int
    past: Mapping[str, int] = field(default_factory=dict)  # by host: the hours in which it was heard of

    def alone(self, kind: str, surprisal: Floats) -> tuple[Floats, Floats]:
        """(p, bits) of units of one kind by their surprisal: the kind's own tail, with the pool where it is short."""
        tail = self.tails.get(kind)
        if tail is None or kind not in self.kinds:
            p = np.full(len(surprisal), self.new(kind).p)
            return p, bits(pooled_e(p, np.zeros(len(p)), p))
        own = tail.p(surprisal)
        e = pooled_e(own, np.full(len(own), float(tail.n)), self.pool.p(surprisal))
        return own, bits(e)

    def new(self, kind: str) -> Newness:
        """How unusual a type of event never seen is in this kind's table."""
        return self.newness.get(kind.partition(":")[0], self.newness[""])

    def score(self, kind: str, units: Columns, group: I64 | None = None) -> Floats:
        """Surprisal of each unit; of a type never seen, what the pool holds at the same p-value."""
        counts = self.kinds.get(kind)
        if counts is None:
            return np.full(len(units["host"]), self._quantile(self.new(kind).p))
        return surprisals(units, counts, group)

    def _quantile(self, p: float) -> float:
        """The surprisal that a share `p` of the pool reaches."""
        if not len(self.pool.scores):
            return -float(np.log2(p))
        return float(self.pool.scores[np.searchsorted(-self.pool.at_least, -p * self.pool.n, side="right") - 1])


@dataclass(frozen=True, slots=True)
class ScoredUnits:
    """Units of all kinds with their surprisal, found again by `key` (see `unit_key`), ascending."""

    key: U64
    surprisal: Floats
    kind: npt.NDArray[np.int32]  # place in `kinds`
    row: I64  # place in that kind's unit table
    kinds: tuple[str, ...]

    def find(self, keys: U64) -> I64:
        """The place of each key, -1 where there is none."""
        return located(self.key, keys)


def unit_key(kind: U64, pattern: U64, host: U64, hour: I64) -> U64:
    """What a unit is found by: its kind's code, pattern, host and hour."""
    return mixed(kind, pattern, host, hour.astype(np.uint64))


def day_groups(units: Columns) -> I64:
    """A number per unit row that is the same for one host on one day: what is left out together."""
    return mixed(units["host"], (units["hour"] // HOURS_A_DAY).astype(np.uint64)).view(np.int64)


def scored(units: Mapping[str, Columns], score: Callable[[str, Columns], Floats]) -> ScoredUnits:
    """All units with the surprisal that `score(kind, units)` gives them."""
    kinds = tuple(units)
    made = [
        (unit_key(np.full(1, code_of(kind), np.uint64), u["pattern"], u["host"], u["hour"]), score(kind, u))
        for kind, u in units.items()
    ]
    if not made:
        return ScoredUnits(np.zeros(0, np.uint64), np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.int64), ())
    key = np.concatenate([k for k, _ in made])
    order = np.argsort(key)
    number = np.concatenate([np.full(len(k), i, np.int32) for i, (k, _) in enumerate(made)])
    row = np.concatenate([np.arange(len(k)) for k, _ in made])
    return ScoredUnits(key[order], np.concatenate([s for _, s in made])[order], number[order], row[order], kinds)


def _counts(units: Mapping[str, Columns]) -> dict[str, KindCounts]:
    """The reference of these units, kinds side by side on two threads (sorting lets go of the interpreter)."""
    with ThreadPoolExecutor(2) as threads:
        return dict(zip(units, threads.map(lambda item: count(*item), units.items()), strict=True))


@dataclass(frozen=True, slots=True)
class Learnt:
    """A model, and the sample's units (by kind) scored as if their own group had never been seen."""

    model: Model
    sample: Mapping[str, Columns]
    scored: ScoredUnits

    @property
    def host_days(self) -> int:
        """Host-days of the sample."""
        return host_days(self.sample)


@dataclass(frozen=True, slots=True)
class Counted:
    """What is learnt from: the counts of all units, and of the sample the units themselves, their ties and starts."""

    kinds: Mapping[str, KindCounts]
    sample: Tallied
    heard: Mapping[str, Columns]  # of all units; see `heard`


def counted(tallies: Iterable[Tallied]) -> Counted:
    """The counts of tallies that share no unit: of several days. One after the other is asked for, and let go."""
    kinds: dict[str, KindCounts] = {}
    units, hours = defaultdict(list), defaultdict(list)
    words: dict[int, str] = {}
    ties, starts, share = [], [], 1.0
    for tallied in tallies:
        for kind, counts in _counts(tallied.units).items():
            kinds[kind] = kinds[kind].merged(counts) if kind in kinds else counts
        for kind, columns in tallied.units.items():
            units[kind].append(dict(_sample(columns, tallied.share)))
        for kind, columns in heard(tallied.units).items():
            hours[kind].append(dict(columns))
        ties.append(tallied.ties)
        starts.append(tallied.starts)
        words |= tallied.words
        share = tallied.share
        del tallied  # it is not to stay while the next one is made
    chosen: dict[str, Columns] = {kind: joined(parts) for kind, parts in sorted(units.items())}
    sample = Tallied(chosen, words, stacked(ties), stacked(starts), share)
    return Counted(dict(sorted(kinds.items())), sample, {kind: joined(parts) for kind, parts in sorted(hours.items())})


def learn(tallied: Tallied, group: Callable[[Columns], I64] = day_groups) -> Learnt:
    """The model of a tally; units of one group (a host-day, unless told otherwise) are left out together."""
    return learn_from(counted([tallied]), group)


def learn_from(found: Counted, group: Callable[[Columns], I64] = day_groups) -> Learnt:
    """The model of what was counted, as `learn`."""
    kinds, chosen = found.kinds, found.sample.units
    bare = Model(kinds, found.sample.words, {}, Tail.of(np.zeros(0)), {"": Newness(0, 0)}, *_extent(found.heard))
    left_out = {k: surprisals(u, kinds[k], group(u)) for k, u in chosen.items()}
    alone = {kind: _alone(units, kinds[kind], group) for kind, units in chosen.items()}
    pool = Tail.of(np.concatenate([s[~alone[k]] for k, s in left_out.items()]) if left_out else np.zeros(0))
    model = replace(
        bare,
        pool=pool,
        tails={kind: Tail.of(s[~alone[kind]]) for kind, s in left_out.items()},
        newness=_newness(chosen, alone),
        past=_past(found),
    )

    def score(kind: str, units: Columns) -> Floats:
        return np.where(alone[kind], model._quantile(model.new(kind).p), left_out[kind])

    return Learnt(model, chosen, scored(chosen, score))


def _sample(units: Columns, share: float) -> Columns:
    if share >= 1:
        return units
    keep = sampled(units["host"], units["hour"] // HOURS_A_DAY, share)
    return {name: values[keep] for name, values in units.items()}


def _alone(units: Columns, counts: KindCounts, group: Callable[[Columns], I64]) -> npt.NDArray[np.bool_]:
    """Units whose type of event no other group had: to the others it would be new."""
    groups = group(units)
    _, inverse, own = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(own[inverse] == counts.units)


def _newness(units: Mapping[str, Columns], alone: Mapping[str, npt.NDArray[np.bool_]]) -> dict[str, Newness]:
    totals: dict[str, list[int]] = {"": [0, 0]}
    for kind, flags in alone.items():
        for name in ("", kind.partition(":")[0]):
            entry = totals.setdefault(name, [0, 0])
            entry[0] += int(flags.sum())
            entry[1] += len(flags)
    return {name: Newness(*entry) for name, entry in totals.items()}


def _past(found: Counted) -> dict[str, int]:
    """The hours in which each host was heard of."""
    timed = [chosen_of(columns, columns["hour"] >= 0) for columns in found.heard.values()]
    if not timed:
        return {}
    hosts, hours = (np.concatenate([columns[name] for columns in timed]) for name in ("host", "hour"))
    order, begins = groups(mixed(hosts, hours.view(np.uint64)))
    distinct, counts = np.unique(hosts[order[begins]], return_counts=True)
    words = found.sample.words
    return {words.get(int(host), ""): int(n) for host, n in zip(distinct, counts, strict=True)}


def host_days(units: Mapping[str, Columns]) -> int:
    """The host-days of these units (by kind)."""
    return len(_union([np.unique(day_groups(u)[u["hour"] >= 0]) for u in units.values()]))


def _extent(units: Mapping[str, Columns]) -> tuple[int, int, int, int, int]:
    """Host-days, hosts, first and last time, events."""
    hosts = [np.unique(u["host"]) for u in units.values()]
    timed = [(u, u["hour"] >= 0) for u in units.values() if (u["hour"] >= 0).any()]
    first = min((int(u["first"][known].min()) for u, known in timed), default=0)
    last = max((int(u["last"][known].max()) for u, known in timed), default=0)
    return host_days(units), len(_union(hosts)), first, last, sum(int(u["n"].sum()) for u in units.values())


def _union(arrays: Iterable[np.ndarray]) -> np.ndarray:
    listed = list(arrays)
    return np.unique(np.concatenate(listed)) if listed else np.zeros(0)


def hour_of_slice(slices: I64) -> I64:
    """The hour that a ten-minute slice lies in."""
    return slices // (3_600_000_000 // SLICE)
