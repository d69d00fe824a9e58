"""Indicators against events: a million of them looked up in the distinct values of a table's columns.

`prepare` turns a table of indicators into files that workers map into memory; `matchers` gives for each scan of a lake
what looks for them there. What is found is exact: the numbers that runs are looked up by only say where to look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.analytics.rarity.encode import dictionary
from vizsla.hit import TEXTS, Look, Met
from vizsla.intel.apart import SIGNS, Apart, fours, signed, sixes
from vizsla.intel.columns import Looked, looked, parted, rare, texts
from vizsla.intel.fragments import fragments
from vizsla.intel.runs import I64, Runs, runs, shares
from vizsla.intel.seen import Seen
from vizsla.intel.wanted import Wanted, build, load
from vizsla.intel.wild import standing
from vizsla.intel.wordwise import Words, rows_of
from vizsla.nouns.event import EXTRA

if TYPE_CHECKING:
    from vizsla.lake import Scan

_NONE = np.zeros(0, np.int64)
Flags = npt.NDArray[np.bool_]
MOST_FIELDS = 100_000  # rare fields of which is remembered what they can hold
FEW = 4_096  # values of a column that are cut up together with those of others
WITHIN = "within"
"""The key of a hit's `keys` under which stands what was met, where it is but a part of the value."""


def prepare(indicators: pa.Table, into: Path) -> str:
    """Indicators (columns id, type, value) as files below `into`; the folder to give `matchers`. Raises FeedError."""
    return str(build(indicators, into))


def matchers(folders: Sequence[str], scans: Sequence[Scan]) -> list[IndicatorMatcher]:
    """A matcher for each scan whose table has columns that can hold one of these indicators."""
    types = frozenset(name for folder in folders for name in load(folder).types)
    made = []
    for scan in scans:
        columns = looked(scan.table, texts(scan.schema), types)
        if columns:
            made.append(IndicatorMatcher(scan.table, columns, tuple(folders)))
    return made


@dataclass(frozen=True)
class IndicatorMatcher:
    """Indicators prepared for one table. `by` of what it finds is an indicator's id, `keys` holds WITHIN where what was
    met is a part of the value."""

    table: str
    looked: tuple[Looked, ...]
    folders: tuple[str, ...]  # of `prepare`: where workers can read them

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it looks at."""
        return tuple(column.name for column in self.looked)

    def start(self) -> Look:
        """The function that looks at a worker's batches."""
        return Looking(self).look


@dataclass(frozen=True, slots=True)
class Part:
    """A column's distinct values, none null, and where they stand."""

    looked: Looked
    values: pa.Array
    places: I64 | None  # of each row its value, -1 for none; None: value n stands in row n of `rows`
    rows: I64 | None = None

    def spread(self, places: I64) -> tuple[I64, I64]:
        """The rows in which these values stand: (rows, which of `places`)."""
        if self.places is None:
            return (places if self.rows is None else self.rows[places]), np.arange(len(places))
        return rows_of(self.places, len(self.values), places)


@dataclass(frozen=True, slots=True)
class Hit:
    """A value that an indicator met."""

    place: int  # of the value in its part
    set: int  # which `Wanted`
    number: int  # of the indicator in it
    text: str  # what stood there


class Looking:
    """A worker's look at one batch after another. `seen`: where what runs there were is kept, if at all."""

    def __init__(self, matcher: IndicatorMatcher, seen: Seen | None = None) -> None:
        self.matcher, self.seen = matcher, seen
        self.wanted: list[Wanted] = [load(folder) for folder in matcher.folders]
        self.pair = parted(matcher.table)
        self._fields: dict[str, Looked | None] = {}
        self._fours = seen is not None or any(wanted.prefixes for wanted in self.wanted)

    @cached_property
    def apart(self) -> list[Apart]:
        """Of each set what is looked for value by value."""
        return [Apart.of(wanted) for wanted in self.wanted]

    def _rare(self, field: str, types: frozenset[str]) -> Looked | None:
        if field not in self._fields:
            if len(self._fields) > MOST_FIELDS:
                self._fields.clear()
            self._fields[field] = rare(self.matcher.table, field, types)
        return self._fields[field]

    def look(self, batch: pa.RecordBatch) -> Met:
        """What stands in a batch, each row and indicator once, by the first column in order of name."""
        parts = _parts(batch, self.matcher.looked, self._rare)
        found = Found()
        small = [part for part in parts if len(part.values) <= FEW]
        for group in ([small] if small else []) + [[part] for part in parts if len(part.values) > FEW]:
            for part, hits in self._hits(group, batch):
                found.add(part, hits)
        return found.met(self.matcher.columns, self.wanted)

    def _hits(self, group: list[Part], batch: pa.RecordBatch) -> Iterator[tuple[Part, list[Hit]]]:
        """What the values of some parts hold, all of them cut up as one."""
        bounds = np.cumsum([0] + [len(part.values) for part in group])
        hits: list[list[Hit]] = [[] for _ in group]
        asked: list[list[tuple[I64, I64]]] = [[] for _ in self.wanted]
        near: dict[str, list[I64]] = {type: [_NONE] for type in self._signed(group)}
        words = Words.of(group[0].values) if len(group) == 1 and len(group[0].values) > FEW else None
        if words is not None:
            self._cut(group, words.texts, np.array([0, len(words.texts)]), hits, asked, near)
            hits, asked, near = _by_value(words, hits, asked, near)
        else:
            values = group[0].values if len(group) == 1 else pa.concat_arrays([part.values for part in group])
            self._cut(group, values, bounds, hits, asked, near)
        waiting: dict[int, list[tuple[int, int]]] = {}
        for number, mine in enumerate(asked):
            for of, place, held, type, value in self._possible(number, mine, group, bounds):
                if type == "url" and self.pair is not None and group[of].looked.name == self.pair[0]:
                    waiting.setdefault(place, []).append((number, held))
                    continue
                stood = _stood(type, value, group[of].values[place].as_py(), type not in group[of].looked.whole)
                if stood is not None:
                    hits[of].append(Hit(place, number, held, stood))
        signs = {type: np.concatenate(places) for type, places in near.items()}
        for of, (part, own) in enumerate(zip(group, hits, strict=True)):
            inner = {type: at[(at >= bounds[of]) & (at < bounds[of + 1])] - bounds[of] for type, at in signs.items()}
            for number, apart in enumerate(self.apart):
                met = apart.met(part.looked, part.values, inner) if apart.types else ()
                own += [Hit(place, number, held, text) for place, held, text in met]
            if own:
                yield part, own
        if waiting and self.pair is not None and self.pair[1] in batch.schema.names:
            host = next(part for part in group if part.looked.name == self.pair[0])
            yield from self._apart_urls(host, waiting, batch)

    def _cut(
        self,
        group: list[Part],
        texts: pa.Array,
        bounds: I64,
        hits: list[list[Hit]],
        asked: list[list[tuple[I64, I64]]],
        near: dict[str, list[I64]],
    ) -> None:
        """Cut texts into runs and look these up. Filled are, all by the texts' places: `hits` with addresses, `asked`
        with what may stand where, `near` with where signs are. `bounds`: where each part's texts begin."""
        for begin, share in shares(texts):
            cut = runs(share)
            four = fours(cut.text, cut.start, cut.length, cut.code) if self._fours else (_NONE, _NONE)
            if self.seen is not None:
                self._keep(group, bounds, begin, cut, four)
            for mine, wanted in zip(asked, self.wanted, strict=True):
                holding = self._holding(wanted, group)
                mine += [(at + begin, by) for at, by in _candidates(wanted, cut, four, bounds - begin, holding)]
            self._sixes(group, bounds, begin, cut, share, hits)
            for type, places in near.items():
                places.append(signed(cut.text, cut.ends, SIGNS[type]) + begin)

    def _possible(
        self, number: int, found: list[tuple[I64, I64]], group: list[Part], bounds: I64
    ) -> Iterator[tuple[int, int, int, str, str]]:
        """Of values and indicators that share a run those whose column can hold that type, each pair once: the part,
        the value's place in it, the indicator's number, type and value."""
        if not found:
            return
        wanted = self.wanted[number]
        pairs = _once(np.concatenate([at.astype(np.int64) << 32 | by for at, by in found]))
        places, numbers = pairs >> 32, pairs & 0xFFFFFFFF
        of = np.searchsorted(bounds, places, side="right") - 1
        kept = np.flatnonzero(self._holding(wanted, group)[of, wanted.kinds[numbers]])
        named = {held: wanted.named(held) for held in np.unique(numbers[kept]).tolist()}
        inner = places[kept] - bounds[of[kept]]
        for part, place, held in zip(of[kept].tolist(), inner.tolist(), numbers[kept].tolist(), strict=True):
            yield part, place, held, *named[held]

    def _signed(self, group: list[Part]) -> list[str]:
        """The types looked for value by value that one of these parts holds in text, and that SIGNS tell."""
        types = frozenset(type for apart in self.apart for type in apart.types & SIGNS.keys())
        return [type for type in sorted(types) if any(type in p.looked.within - p.looked.whole for p in group)]

    def _holding(self, wanted: Wanted, group: list[Part]) -> Flags:
        """For each part and type of these indicators, whether the one can hold the other."""
        held = [[self._looks(part.looked, type) for type in wanted.types] for part in group]
        return np.array(held, dtype=bool).reshape(len(group), len(wanted.types))

    def _looks(self, column: Looked, type: str) -> bool:
        return column.holds(type) or (type == "url" and self.pair is not None and column.name == self.pair[0])

    def _sixes(
        self, group: list[Part], bounds: I64, begin: int, cut: Runs, share: pa.Array, hits: list[list[Hit]]
    ) -> None:
        """IPv6 addresses are written in too many ways to be looked up as they stand."""
        for place in sixes(cut.text, cut.ends).tolist():
            of = int(np.searchsorted(bounds, place + begin, side="right")) - 1
            column = group[of].looked
            given = share[place].as_py()
            if self.seen is not None:
                self.seen.addresses(column.column, fragments("ipv6", given, True))
            for number, apart in enumerate(self.apart):
                for held, text in apart.addresses(given):
                    if column.holds(self.wanted[number].named(held)[0]):
                        hits[of].append(Hit(place + begin - int(bounds[of]), number, held, text))

    def _keep(self, group: list[Part], bounds: I64, begin: int, cut: Runs, four: tuple[I64, I64]) -> None:
        assert self.seen is not None
        if len(group) == 1:
            self.seen.add(group[0].looked.column, cut.code, four[1])
            return
        of = np.searchsorted(bounds, cut.values(np.arange(len(cut.code))) + begin, side="right") - 1
        for number in np.unique(of).tolist():
            own = four[1][of[four[0]] == number]
            self.seen.add(group[number].looked.column, cut.code[of == number], own)

    def _apart_urls(
        self, host: Part, waiting: dict[int, list[tuple[int, int]]], batch: pa.RecordBatch
    ) -> Iterator[tuple[Part, list[Hit]]]:
        """URLs whose host and target stand in two columns."""
        assert self.pair is not None
        rows, which = host.spread(np.fromiter(waiting, np.int64, len(waiting)))
        targets = batch.column(self.pair[1]).take(pa.array(rows))
        names = list(waiting)
        hits: list[Hit] = []
        held: list[tuple[int, str]] = []
        for place, target in enumerate(targets.to_pylist()):
            key = names[int(which[place])]
            name = host.values[key].as_py()
            for number, one in waiting[key]:
                _, value = self.wanted[number].named(one)
                whole = f"{name}{target or '/'}"
                if "://" not in (target or "") and _stood("url", value, whole, False) is not None:
                    hits.append(Hit(len(held), number, one, whole))
                    held.append((int(rows[place]), target))
        if hits:
            values = pa.array([target for _, target in held], pa.string())
            at = np.array([row for row, _ in held], dtype=np.int64)
            yield Part(Looked(self.pair[1], frozenset(), frozenset()), values, None, at), hits


class Found:
    """What a batch was found to hold: told once by value, and by rows as numbers."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None, Hit]] = []  # column, value, hit
        self.rows: list[I64] = []
        self.which: list[I64] = []  # of `told`

    def add(self, part: Part, hits: list[Hit]) -> None:
        """The hits of a part."""
        rows, which = part.spread(np.fromiter((hit.place for hit in hits), np.int64, len(hits)))
        self.rows.append(rows)
        self.which.append(which + len(self.told))
        self.told += [(part.looked.name, part.values[hit.place].as_py(), hit) for hit in hits]

    def met(self, columns: Sequence[str], wanted: Sequence[Wanted]) -> Met:
        """Each row and indicator once, by the first column in the order of `columns`."""
        rows = np.concatenate([np.zeros(0, np.int64), *self.rows])
        which = np.concatenate([np.zeros(0, np.int64), *self.which])
        order = {name: place for place, name in enumerate(columns)}
        column = np.array([order.get(name, len(order)) for name, _, _ in self.told], dtype=np.int64)[which]
        of = np.array([hit.set for _, _, hit in self.told], dtype=np.int64)[which]
        number = np.array([hit.number for _, _, hit in self.told], dtype=np.int64)[which]
        by = np.lexsort((which, column, number, of, rows))
        same = (np.diff(rows[by]) == 0) & (np.diff(of[by]) == 0) & (np.diff(number[by]) == 0)
        by = by[np.concatenate([np.ones(min(1, len(by)), bool), ~same])]
        at = pa.array(which[by])
        keys = [None if hit.text == value else [(WITHIN, hit.text)] for _, value, hit in self.told]
        return Met(
            row=rows[by],
            by=pa.array([wanted[hit.set].id(hit.number) for _, _, hit in self.told], pa.string()).take(at),
            field=pa.array([name for name, _, _ in self.told], pa.string()).take(at),
            value=pa.array([value or "" for _, value, _ in self.told], pa.string()).take(at),
            keys=pa.array(keys, TEXTS).take(at),
        )


Rare = Callable[[str, frozenset[str]], Looked | None]


def _parts(batch: pa.RecordBatch, columns: Sequence[Looked], rare_: Rare) -> list[Part]:
    """The distinct values of each column, and of each of the rare fields that share one."""
    parts: list[Part] = []
    for column in columns:
        if column.name not in batch.schema.names:
            continue
        if column.name == EXTRA:
            parts += _rare_parts(batch.column(EXTRA), column.whole, rare_)
            continue
        values = batch.column(column.name)
        if values.null_count == len(values) and not pa.types.is_dictionary(values.type):
            continue
        distinct, places = dictionary(values)
        distinct = distinct.cast(pa.string())
        if distinct.null_count:  # a dictionary may hold one
            distinct = pc.fill_null(distinct, "")
        if len(distinct):
            parts.append(Part(column, distinct, places))
    return parts


def _rare_parts(column: pa.Array, types: frozenset[str], rare_: Rare) -> Iterator[Part]:
    """The fields of a column of maps, each as a part of its own."""
    if not pa.types.is_map(column.type) or column.null_count == len(column):
        return
    offsets = column.offsets.to_numpy()
    begin, size = int(offsets[0]), int(offsets[-1] - offsets[0])
    rows = np.repeat(np.arange(len(column)), np.diff(offsets))
    names = pc.dictionary_encode(column.keys.slice(begin, size))
    items = column.items.slice(begin, size)
    which = np.asarray(names.indices)
    filled = np.asarray(items.is_valid())
    by = np.argsort(which, kind="stable")
    bounds = np.searchsorted(which[by], np.arange(len(names.dictionary) + 1))
    for number, name in enumerate(names.dictionary.to_pylist()):
        held = rare_(name, types)
        own = by[bounds[number] : bounds[number + 1]]
        own = own[filled[own]]
        if held is not None and len(own):
            yield Part(held, items.take(pa.array(own)).cast(pa.string()), None, rows[own].astype(np.int64))


@lru_cache(65_536)
def _stood(type: str, value: str, given: str, within: bool) -> str | None:
    return standing(type, value, fragments(type, given, within))


def _candidates(
    wanted: Wanted, cut: Runs, four: tuple[I64, I64], bounds: I64, holding: Flags
) -> Iterator[tuple[I64, I64]]:
    """Values that may hold an indicator: (the values' places, the indicators' numbers). `bounds`: where the values of
    each part begin; `holding`: which types each part can hold."""
    at, begins = wanted.led(cut.code)
    if len(at):
        yield from _owned(wanted, cut.values(at), begins, bounds, holding)
    if wanted.prefixes:
        which, addresses = four
        near, by = wanted.networks(addresses.astype(np.uint64))
        if len(near):
            yield cut.values(which[near]), by


def _owned(wanted: Wanted, places: I64, begins: I64, bounds: I64, holding: Flags) -> Iterator[tuple[I64, I64]]:
    """The same of runs that lead to indicators. Very many may share a run that is everywhere: only those are spread out
    over values that these may hold."""
    pairs = _once(places << 32 | begins)
    places, begins = pairs >> 32, pairs & 0xFFFFFFFF
    keys, key = np.unique(begins, return_inverse=True)
    owner, numbers = wanted.owned(keys)
    of = np.searchsorted(bounds, places, side="right") - 1
    for part in _once(of).tolist():
        held = np.flatnonzero(holding[part, wanted.kinds[numbers]])
        if not len(held):
            continue
        count = np.bincount(owner[held], minlength=len(keys))  # held owners stand in the order of their keys
        first = np.cumsum(count) - count
        mine = np.flatnonzero((of == part) & (count[key] > 0))
        each = count[key[mine]]
        within = np.arange(int(each.sum())) - np.repeat(np.cumsum(each) - each, each)
        yield np.repeat(places[mine], each), numbers[held[np.repeat(first[key[mine]], each) + within]]


def _by_value(
    words: Words, hits: list[list[Hit]], asked: list[list[tuple[I64, I64]]], near: dict[str, list[I64]]
) -> tuple[list[list[Hit]], list[list[tuple[I64, I64]]], dict[str, list[I64]]]:
    """What `Looking._cut` found in the words of a part, by its values."""
    told = []
    for own in hits:
        places, which = words.values(np.fromiter((hit.place for hit in own), np.int64, len(own)))
        told.append([replace(own[of], place=place) for place, of in zip(places.tolist(), which.tolist(), strict=True)])
    spread = []
    for found in asked:
        mine = []
        for at, by in found:
            places, which = words.values(at)
            mine.append((places, by[which]))
        spread.append(mine)
    return told, spread, {type: [_once(words.values(np.concatenate(at))[0])] for type, at in near.items()}


def _once(numbers: I64) -> I64:
    """Sorted, each once."""
    ranked: I64 = np.sort(numbers)
    kept: I64 = ranked[np.concatenate([np.ones(min(1, len(ranked)), bool), ranked[1:] != ranked[:-1]])]
    return kept
