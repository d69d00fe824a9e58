"""The indicator view: all that is said of an indicator as one row. What five feeds name is one row with five feeds.

Only claims that stand count: where any is live, the live ones alone; where none is, those that explain why. Confidence
is combined so that feeds which say the same add less each time: the strongest counts in full, each further feed takes
half of its confidence from the doubt that is left, since feeds copy from each other.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vizsla import arrow
from vizsla.intel import decay
from vizsla.intel.rows import LISTS
from vizsla.lake.known import order, words

_TIME = pa.timestamp("us", tz="UTC")
_TEXTS = pa.list_(pa.string())
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

STATES = ("live", "future", "expired", "context", "revoked")
"""How a claim, and by its best claim an indicator, stands; `context`: not meant for detection."""
TLPS = ("", "clear", "green", "amber", "amber+strict", "red")  # from the least strict
COLUMNS = (
    "id", "type", "value", "feed", "confidence", "tlp", "valid_from", "valid_until", "first_seen", "last_seen",
    "created", "modified", "added", "revoked", "to_ids", *LISTS,
)  # fmt: skip
"""The claims' columns that the view is made of."""

INDICATORS = pa.schema([
    pa.field("id", pa.string()),
    pa.field("type", pa.string()),
    pa.field("value", pa.string()),
    pa.field("state", pa.string()),
    pa.field("feeds", _TEXTS),  # sorted
    pa.field("by_feed", pa.list_(pa.float32())),  # in the order of feeds: the confidence that each states, or null
    pa.field("claims", pa.int32()),
    pa.field("confidence", pa.float32()),  # 0 to 100; null where nobody says
    pa.field("base", pa.float32()),  # the decay's base score, 0 to 100
    pa.field("score", pa.float32()),  # and what is left of it
    pa.field("decayed", pa.bool_()),
    pa.field("tlp", pa.string()),  # the strictest
    *(pa.field(name, _TIME) for name in ("valid_from", "valid_until", "first_seen", "last_seen", "added", "confirmed")),
    *(pa.field(name, _TEXTS) for name in LISTS),
])  # fmt: skip
"""One row per indicator, sorted by id. `valid_until` null: a claim sets no end. `confirmed`: decay counts from it."""

_FIRST, _LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


def indicators(claims: pa.Table, at: datetime | None, sightings: pa.Table | None = None) -> pa.Table:
    """The INDICATORS that claims make, as they stand at a time; None: whatever the time, nothing aged.

    `sightings`: id and last (UTC) of the indicators that were seen here, which refreshes them.
    """
    if not claims.num_rows:
        return INDICATORS.empty_table()
    high, low = words(arrow.whole(claims.column("id")))
    by = order(high, low)
    high, low = high[by], low[by]
    starts = np.flatnonzero(np.append(True, (high[1:] != high[:-1]) | (low[1:] != low[:-1])))
    group = np.zeros(len(by), np.int64)
    group[starts[1:]] = 1
    group = np.cumsum(group)
    state = _states(claims, at)[by]
    best = np.minimum.reduceat(state, starts)
    keep = state == best[group]
    # Whole: many times as fast. One after the other, so that no more than two copies are held.
    claims = claims.select(COLUMNS).combine_chunks()
    claims = claims.take(pa.array(by[keep]))
    return _Grouped(claims, group[keep], len(best)).table(best, at, sightings)


def _states(claims: pa.Table, at: datetime | None) -> Ints:
    """The place in STATES of each claim."""
    state = np.zeros(len(claims), np.int64)
    if at is not None:
        now = _micros(at)
        state[_times(claims, "valid_from", _FIRST) > now] = STATES.index("future")
        state[_times(claims, "valid_until", _LAST) <= now] = STATES.index("expired")
    state[~np.asarray(claims.column("to_ids"))] = STATES.index("context")
    state[np.asarray(claims.column("revoked"))] = STATES.index("revoked")
    return state


class _Grouped:
    """Claims in the order of their indicators: `group` (n,) ascending, every number from 0 to `groups` - 1 in it."""

    def __init__(self, claims: pa.Table, group: Ints, groups: int) -> None:
        self._claims, self._group, self._groups = claims, group, groups
        self._starts = np.searchsorted(group, np.arange(groups))

    def table(self, best: Ints, at: datetime | None, sightings: pa.Table | None) -> pa.Table:
        first = pa.array(self._starts)
        single = self._groups == len(self._group)
        columns: dict[str, pa.Array] = {}
        for name in ("id", "type", "value"):
            whole = arrow.whole(self._claims.column(name))
            columns[name] = whole if single else whole.take(first)
        columns["state"] = pa.array(STATES).take(pa.array(best))
        columns["feeds"] = self._texts("feed")
        columns["claims"] = pa.array(np.diff(np.append(self._starts, len(self._group))), pa.int32())
        stated, based = self._stated()
        pairs, groups = self._by_feed(stated)
        offsets = np.searchsorted(groups, np.arange(self._groups + 1)).astype(np.int32)
        columns["by_feed"] = pa.ListArray.from_arrays(pa.array(offsets), _floats(pairs).cast(pa.float32()))
        columns["confidence"] = _floats(combined(pairs, groups, self._groups))
        pairs, groups = self._by_feed(based)
        base = combined(pairs, groups, self._groups)
        columns["base"] = _floats(base)
        columns["tlp"] = self._strictest()
        columns["valid_from"] = self._edge("valid_from", np.minimum, _LAST)
        columns["valid_until"] = self._until()
        columns["first_seen"] = self._edge("first_seen", np.minimum, _LAST)
        columns["last_seen"] = self._edge("last_seen", np.maximum, _FIRST)
        columns["added"] = self._edge("added", np.minimum, _LAST)
        confirmed = self._confirmed(columns["id"], sightings)
        columns["confirmed"] = pa.array(confirmed).cast(_TIME)
        left = self._left(columns["type"], confirmed, at)
        columns["score"] = _floats(base * left)
        columns["decayed"] = pa.array((base * left < decay.parameters().threshold) & (left < 1))
        for name in LISTS:
            columns[name] = self._union(name)
        return pa.Table.from_arrays([columns[field.name].cast(field.type) for field in INDICATORS], schema=INDICATORS)

    def _edge(self, name: str, how: np.ufunc, none: int) -> pa.Array:
        found = how.reduceat(_times(self._claims, name, none), self._starts)
        return pa.array(found, mask=found == none).cast(_TIME)

    def _until(self) -> pa.Array:
        """The latest end; none where some claim has none."""
        return self._edge("valid_until", np.maximum, _LAST)

    def _confirmed(self, ids: pa.Array, sightings: pa.Table | None) -> Ints:
        told = np.full(len(self._group), _FIRST)
        for name in ("last_seen", "modified", "created"):
            told = np.maximum(told, _times(self._claims, name, _FIRST))
        added = _times(self._claims, "added", 0)
        found = np.maximum.reduceat(np.where(told == _FIRST, added, told), self._starts)
        if sightings is not None and sightings.num_rows:
            places = pc.index_in(sightings.column("id").combine_chunks(), value_set=ids)
            there = np.asarray(places.is_valid())
            seen = np.asarray(sightings.column("last").cast(_TIME).cast(pa.int64()))[there]
            np.maximum.at(found, np.asarray(places.drop_null()).astype(np.int64), seen)
        return found

    def _left(self, types: pa.Array, confirmed: Ints, at: datetime | None) -> Floats:
        if at is None:
            return np.ones(self._groups)
        kinds = pc.dictionary_encode(types)
        return decay.share(kinds.dictionary.to_pylist(), np.asarray(kinds.indices), _micros(at) - confirmed)

    def _stated(self) -> tuple[Floats, Floats]:
        """Confidence of each claim, stated or by its tags (nan: none); and the decay's base."""
        said = np.array(self._claims.column("confidence").cast(pa.float64()).fill_null(np.nan)).copy()
        tagged = self._tagged(np.isnan(said))
        told = self._claims.column("tags").take(pa.array(tagged)).to_pylist() if len(tagged) else []
        by_tags: dict[tuple[str, ...], float] = {}
        for row, tags in zip(tagged.tolist(), told, strict=True):
            known = tuple(tags)
            if known not in by_tags:
                found = decay.confidence_of(known)
                by_tags[known] = np.nan if found is None else found
            said[row] = by_tags[known]
        return said, np.where(np.isnan(said), decay.parameters().base, said)

    def _tagged(self, silent: npt.NDArray[np.bool_]) -> Ints:
        """Of the claims that state nothing those with a tag that says something of confidence."""
        lists = arrow.whole(self._claims.column("tags"))
        tags = pc.dictionary_encode(pc.list_flatten(lists))
        telling = np.array([decay.confidence_of([tag]) is not None for tag in tags.dictionary.to_pylist()], np.bool_)
        if not telling.any():
            return np.zeros(0, np.int64)
        rows = np.unique(np.asarray(pc.list_parent_indices(lists))[telling[np.asarray(tags.indices)]])
        return np.asarray(rows[silent[rows]], np.int64)

    def _by_feed(self, said: Floats) -> tuple[Floats, Ints]:
        """What each feed says most confidently (nan: nothing), sorted by indicator and feed; and the indicators."""
        codes, names = _ranked(arrow.whole(self._claims.column("feed")))
        pair = self._group * max(1, len(names)) + codes
        if bool((pair[1:] > pair[:-1]).all()):
            return said, self._group
        by = np.lexsort((np.where(np.isnan(said), -1, said), pair))
        last = np.append(pair[by][1:] != pair[by][:-1], True)
        return said[by][last], self._group[by][last]

    def _strictest(self) -> pa.Array:
        ranks = pc.index_in(arrow.whole(self._claims.column("tlp")), value_set=pa.array(TLPS)).fill_null(0)
        return pa.array(TLPS).take(pa.array(np.maximum.reduceat(np.asarray(ranks).astype(np.int64), self._starts)))

    def _texts(self, name: str) -> pa.Array:
        return self._lists(self._group, arrow.whole(self._claims.column(name)))

    def _union(self, name: str) -> pa.Array:
        lists = arrow.whole(self._claims.column(name))
        return self._lists(self._group[np.asarray(pc.list_parent_indices(lists))], pc.list_flatten(lists))

    def _lists(self, group: Ints, texts: pa.Array) -> pa.Array:
        """Per indicator the distinct texts, sorted."""
        codes, names = _ranked(texts)
        width = max(1, len(names))
        pairs = group * width + codes
        if not bool((pairs[1:] > pairs[:-1]).all()):
            pairs = np.sort(pairs, kind="stable")  # nearly sorted: much faster than to hash it
            pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])]
        offsets = np.searchsorted(pairs // width, np.arange(self._groups + 1)).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), names.take(pa.array(pairs % width)))


def combined(said: Floats, groups: Ints, number: int) -> Floats:
    """Confidences (0 to 100; nan: none) of the feeds of each of `number` groups, as one; nan where there is none."""
    result = np.full(number, np.nan)
    there = ~np.isnan(said)
    if not there.any():
        return result
    found, starts = np.unique(groups[there], return_index=True)
    sure = np.clip(said[there] / 100, 0, 1)
    strongest = np.maximum.reduceat(sure, starts)
    doubt = np.add.reduceat(np.log1p(-sure / 2), starts) - np.log1p(-strongest / 2)
    result[found] = 100 * (1 - (1 - strongest) * np.exp(doubt))
    return result


def _ranked(texts: pa.Array) -> tuple[Ints, pa.Array]:
    """Each text's place among the distinct ones, and these, sorted."""
    known = pc.dictionary_encode(texts)
    places = np.asarray(pc.sort_indices(known.dictionary))
    rank = np.empty(len(places), np.int64)
    rank[places] = np.arange(len(places))
    return rank[np.asarray(known.indices).astype(np.int64)], known.dictionary.take(pa.array(places))


def _times(table: pa.Table, name: str, none: int) -> Ints:
    """A column of times in microseconds."""
    return np.asarray(table.column(name).cast(pa.int64()).fill_null(none))


def _micros(time: datetime) -> int:
    return int(pa.scalar(time if time.tzinfo else time.replace(tzinfo=UTC), _TIME).cast(pa.int64()).as_py())


def _floats(values: Floats) -> pa.Array:
    return pa.array(values, mask=np.isnan(values))
