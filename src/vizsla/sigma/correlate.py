"""Correlations: rules over the events that other rules met, in time windows, by values that they share.

A window slides: it ends with an event and reaches back by the timespan, both ends included, and a correlation fires
wherever its condition holds of a window. Where its condition asks that something did not happen, the window begins
with an event instead, and counts once the data reaches to its end. Windows that fire and share events are one
occurrence, told once, by its last event. A correlation over correlations sees each window that fired as one event at
the window's end, with the values that it was grouped by and, for other fields, those of its events. Events without a
time, or without a value to be grouped by, are left out. Values compare in lower case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from vizsla.analytics.rarity.encode import I64, code_of, mixed
from vizsla.errors import RuleError
from vizsla.hit import HITS, TEXTS
from vizsla.nouns.event import ID, TIME
from vizsla.sigma import gather
from vizsla.sigma.fire import fire
from vizsla.sigma.items import Fired, Items, seen
from vizsla.sigma.rule import Correlation, Rule

SHOWN = 1_000  # events of an occurrence that are named, the last ones; `count` says how many there are
MOST = 62  # rules whose presence or order one correlation asks for
MADE = pa.schema([
    *HITS,
    pa.field("began", pa.timestamp("us", tz="UTC")),  # the time of its first event
    pa.field("count", pa.int64()),  # of its events
    pa.field("events", pa.list_(pa.string())),  # their `_id`s, the last SHOWN of them
])  # fmt: skip
"""One row per occurrence of a correlation: HITS of its last event, `by` the correlation, and what it is made of.

`field` and `value` are the first that it is grouped by; `keys` all of them.
"""
SUMMED = frozenset(("value_sum", "value_avg", "value_percentile", "value_median"))


def needed(rules: Iterable[Rule]) -> dict[str, tuple[str, ...]]:
    """The fields whose values `HITS.keys` must hold for these correlations, by the id of the rule that meets events."""
    plan = _Plan.of(rules)
    return {rule: tuple(sorted(names)) for rule, names in plan.fields.items() if rule not in plan.correlations}


def unspoken(rules: Iterable[Rule]) -> frozenset[str]:
    """The ids of rules that only their correlations speak for: their own hits are not told."""
    return frozenset(rule.id for rule in rules if rule.silent)


def correlate(hits: pa.Table | ds.Dataset, rules: Sequence[Rule], until: datetime | None = None) -> pa.Table:
    """What the correlations among these rules make of the hits, as MADE, by time.

    Args:
        hits: HITS, in any order, read twice: numbers of some 50 bytes a hit are held, and of texts only what is told.
        rules: correlations and, if there are any, the rules that they speak of. Those that are silent tell nothing.
        until: how far the data reaches, for what must not have happened; by default the last of the hits.

    Raises `RuleError` for correlations that speak of themselves, or of more than MOST rules where
    their order or presence matters.
    """
    plan = _Plan.of(rules)
    if not plan.correlations:
        return MADE.empty_table()
    base = {rule: names for rule, names in plan.fields.items() if rule not in plan.correlations}
    held = gather.as_dataset(hits, base)
    met = gather.read(held, base, plan.numeric)
    horizon = _micros(until) if until else max((int(h.time.max()) for h in met.values() if len(h)), default=0)
    fired: dict[str, Fired] = {}
    for rule in plan.order:
        fired[rule.id] = fire(_items(plan, rule, met, fired), _asked(rule), horizon)
    told = [_Told(plan, rule.id, met, fired).occurrences() for rule in plan.order if not rule.silent]
    return _made(held, [one for some in told for one in some], plan)


def _micros(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(pa.scalar(aware, pa.timestamp("us", tz="UTC")).cast(pa.int64()).as_py())


@dataclass(frozen=True, slots=True)
class _Plan:
    """The correlations, those that others speak of first, and the fields that each rule's events must tell."""

    correlations: Mapping[str, Rule]
    order: tuple[Rule, ...]
    fields: Mapping[str, set[str]]
    numeric: frozenset[str]

    @classmethod
    def of(cls, rules: Iterable[Rule]) -> _Plan:
        known = {rule.id: rule for rule in rules if rule.correlation is not None}
        order: list[Rule] = []
        for rule in known.values():
            _visit(rule, known, order, ())
        fields: dict[str, set[str]] = {rule.id: set() for rule in order}
        numeric: set[str] = set()
        for rule in reversed(order):  # those above first
            asked = _asked(rule)
            wanted = {*fields[rule.id], *asked.group_by, *asked.fields}
            if asked.kind in SUMMED:
                numeric.update(asked.fields)
            for one in asked.rules:
                named = {_named(asked, one, name) for name in wanted}
                numeric.update(_named(asked, one, name) for name in wanted if name in numeric)
                below = known.get(one)
                own = set(_asked(below).group_by) if below else set()
                fields.setdefault(one, set()).update(named - own)
        return cls(known, tuple(order), fields, frozenset(numeric))


def _asked(rule: Rule) -> Correlation:
    if rule.correlation is None:
        raise RuleError("this rule is no correlation", where=rule.id)
    return rule.correlation


def _visit(rule: Rule, known: Mapping[str, Rule], order: list[Rule], above: tuple[str, ...]) -> None:
    """Put a correlation after those that it speaks of."""
    if rule.id in above:
        raise RuleError(
            f"the correlation {rule.title!r} speaks of itself",
            where=rule.file or rule.id,
            fix="let its rules name others, none of which leads back to it",
        )
    if rule in order:
        return
    asked = _asked(rule)
    if len(asked.rules) > MOST and (asked.extended or asked.kind.startswith("temporal_ordered")):
        raise RuleError(f"the correlation {rule.title!r} speaks of more than {MOST} rules", where=rule.file or rule.id)
    for one in asked.rules:
        if one in known:
            _visit(known[one], known, order, (*above, rule.id))
    order.append(rule)


def _named(asked: Correlation, rule: str, name: str) -> str:
    """What a correlation's field is called in the events of one of its rules."""
    return asked.aliases.get(name, {}).get(rule, name)


def _items(plan: _Plan, rule: Rule, met: Mapping[str, gather.Hits], fired: Mapping[str, Fired]) -> Items:
    """What a correlation looks at: the hits of its rules, and the windows that fired of its correlations."""
    asked = _asked(rule)
    names = sorted({*asked.group_by, *asked.fields, *plan.fields[rule.id]})
    parts = []
    for slot, one in enumerate(asked.rules):
        called = {name: _named(asked, one, name) for name in names}
        if one in fired:
            parts.append(_of_fired(slot, called, fired[one], plan.correlations[one]))
        elif one in met:
            hits = met[one]
            codes = {name: hits.codes[own] for name, own in called.items()}
            numbers = {name: hits.numbers[own] for name, own in called.items() if own in hits.numbers}
            slots = np.full(len(hits), slot, dtype=np.int64)
            parts.append(Items(hits.time, hits.event, slots, hits.row, codes, numbers))
    return Items.joined(parts, names)


def _of_fired(slot: int, called: Mapping[str, str], below: Fired, child: Rule) -> Items:
    """The windows of a correlation as items: one for each, or one for each combination of its events' values."""
    of_events = [name for name, own in called.items() if own not in _asked(child).group_by]
    window, place = seen(below, [called[name] for name in of_events])
    codes = {name: below.items.codes[own][place] for name, own in called.items()}
    numbers = {name: below.items.numbers[own][place] for name, own in called.items() if own in below.items.numbers}
    event = mixed(np.full(len(window), code_of(child.id), dtype=np.uint64), window.astype(np.uint64))
    return Items(below.end[window], event, np.full(len(window), slot, dtype=np.int64), window, codes, numbers)


@dataclass(frozen=True, slots=True)
class _Occurrence:
    by: str
    rows: I64  # of the hits, by time
    count: int


@dataclass(frozen=True, slots=True)
class _Told:
    """Finds the hits that one correlation's occurrences are made of."""

    plan: _Plan
    by: str
    met: Mapping[str, gather.Hits]
    fired: Mapping[str, Fired]

    def occurrences(self) -> list[_Occurrence]:
        found = []
        for begin, end in self.fired[self.by].runs():
            rows = self._rows(self.by, np.arange(begin, end))
            if len(rows):
                found.append(_Occurrence(self.by, rows[-SHOWN:], len(rows)))
        return found

    def _rows(self, by: str, windows: I64) -> I64:
        """The rows of the hits in these windows, by time."""
        fired = self.fired[by]
        items = fired.places(windows)
        slots = fired.items.slot[items]
        rows, times = [], []
        for slot, one in enumerate(_asked(self.plan.correlations[by]).rules):
            origin = np.unique(fired.items.origin[items[slots == slot]])
            if one in self.fired:
                origin = self._rows(one, origin) if len(origin) else origin
                rows.append(origin)
                times.append(self._times(one, origin))
            elif len(origin):
                rows.append(origin)
                hits = self.met[one]
                times.append(hits.time[np.searchsorted(hits.row, origin)])
        if not rows:
            return np.empty(0, dtype=np.int64)
        row, time = np.concatenate(rows), np.concatenate(times)
        order = np.lexsort((row, time))
        row = row[order]
        _, first = np.unique(row, return_index=True)
        return row[np.sort(first)]

    def _times(self, by: str, rows: I64) -> I64:
        """The times of hits beneath a correlation."""
        times = np.zeros(len(rows), dtype=np.int64)
        for one in _asked(self.plan.correlations[by]).rules:
            if one in self.fired:
                times = np.maximum(times, self._times(one, rows))
            elif one in self.met and len(self.met[one]):
                hits = self.met[one]
                place = np.minimum(np.searchsorted(hits.row, rows), len(hits) - 1)
                times = np.where(hits.row[place] == rows, hits.time[place], times)
        return times


def _made(hits: ds.Dataset, told: list[_Occurrence], plan: _Plan) -> pa.Table:
    """The occurrences with their events' texts."""
    if not told:
        return MADE.empty_table()
    wanted = np.unique(np.concatenate([one.rows for one in told]))
    ids: list[pa.Array] = []
    times: list[pa.Array] = []
    lasts = np.unique([one.rows[-1] for one in told])
    shown: list[pa.RecordBatch] = []
    begin = 0
    for batch in gather.rows(hits, wanted):
        ids.append(batch.column(ID))
        times.append(batch.column(TIME))
        here = wanted[begin : begin + batch.num_rows]
        shown.append(batch.filter(pa.array(np.isin(here, lasts))))
        begin += batch.num_rows
    told = sorted(told, key=lambda one: one.by)
    last = pa.Table.from_batches(shown).take(pa.array(np.searchsorted(lasts, [one.rows[-1] for one in told])))
    first = pa.array(np.searchsorted(wanted, [one.rows[0] for one in told]))
    places = np.searchsorted(wanted, np.concatenate([one.rows for one in told]))
    offsets = np.append(0, np.cumsum([len(one.rows) for one in told])).astype(np.int32)
    named = pa.chunked_array(ids).take(pa.array(places)).combine_chunks()
    columns = {name: last.column(name) for name in HITS.names}
    columns |= _grouped(last, told, plan)
    columns["began"] = pa.chunked_array(times).take(first)
    columns["count"] = pa.array([one.count for one in told], pa.int64())
    columns["events"] = pa.ListArray.from_arrays(pa.array(offsets), named)
    made = pa.table([columns[f.name].cast(f.type) for f in MADE], schema=MADE)
    return made.sort_by([(TIME, "ascending"), ("by", "ascending"), (ID, "ascending")])


def _grouped(last: pa.Table, told: list[_Occurrence], plan: _Plan) -> dict[str, pa.Array]:
    """Whom the occurrences are about: the values that they are grouped by, as their last events tell them."""
    fields, values, keys = [], [], []
    for one, rule, pairs in zip(told, last.column("by").to_pylist(), last.column("keys").to_pylist(), strict=True):
        texts = dict(pairs or ())
        asked = _asked(plan.correlations[one.by])
        group = {name: texts.get(_beneath(plan, asked, name, rule)) for name in asked.group_by}
        fields.append(next(iter(group), ""))
        values.append(next(iter(group.values()), "") or "")
        keys.append([(name, value) for name, value in group.items() if value is not None])
    by = pa.array([one.by for one in told], pa.string())
    return {"by": by, "field": pa.array(fields, pa.string()), "value": pa.array(values, pa.string()),
            "keys": pa.array(keys, TEXTS)}  # fmt: skip


def _beneath(plan: _Plan, asked: Correlation, name: str, rule: str) -> str:
    """What a correlation's field is called in the events of a rule at any depth below it."""
    if rule in asked.rules:
        return _named(asked, rule, name)
    for one in asked.rules:
        below = plan.correlations.get(one)
        if below is not None and _leads(plan, _asked(below), rule):
            return _beneath(plan, _asked(below), _named(asked, one, name), rule)
    return name


def _leads(plan: _Plan, asked: Correlation, rule: str) -> bool:
    below = (plan.correlations[one] for one in asked.rules if one in plan.correlations)
    return rule in asked.rules or any(_leads(plan, _asked(one), rule) for one in below)
