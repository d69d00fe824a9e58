"""Why a unit is surprising, field by field: counts from the reference, and what is usual instead."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np

from vizsla.analytics.rarity.encode import code_of, mixed
from vizsla.analytics.rarity.model import Model
from vizsla.analytics.rarity.reference import ACTOR, Columns, FieldCounts
from vizsla.analytics.rarity.surprise import parts
from vizsla.analytics.rarity.tally import FIELD
from vizsla.nouns import Reason, Usual

MOST = 4  # reasons given for a line of evidence
LEAST = 3.0  # bits of surprisal from which a field is a reason
INSTEAD = 3  # usual values named
NEVER = np.iinfo(np.int64).max


def reasons(
    model: Model,
    kind: str,
    unit: Columns,
    native: Mapping[str, str],
    actor_fields: tuple[str, ...],
    words: Mapping[int, str],
) -> tuple[Reason, ...]:
    """The strongest reasons for one unit (columns of one row), the most surprising first.

    `native`: an event that shows the unit, for the raw values; `words`: what the hunt's codes stand for.
    """
    counts = model.kinds.get(kind)
    if counts is None:
        return (_new_kind(model, kind, native),)
    found = sorted(((float(s[0]), name) for name, s in parts(unit, counts)), key=lambda x: (-x[0], x[1]))
    actor = int(unit["actor"][0])
    given = words.get(actor, "") if actor else ""
    made: list[Reason] = []
    for surprisal, name in found[:MOST]:
        if made and surprisal < LEAST:
            break
        code = actor if name == ACTOR else int(unit[FIELD + name][0])
        if not code:
            continue
        value = words.get(code, "")
        field = _acting(native, actor_fields, name)
        raw = native.get(field, value)
        made.append(_reason(model, counts.fields.get(name), field, value, raw, surprisal, actor, given, name == ACTOR))
    return tuple(made)


def _acting(native: Mapping[str, str], actor_fields: tuple[str, ...], name: str) -> str:
    """The column a reason speaks of: for the actor, the one that it came from."""
    if name != ACTOR:
        return name
    return next((f for f in actor_fields if native.get(f) not in (None, "", "-")), "actor")


def _reason(
    model: Model,
    counts: FieldCounts | None,
    field: str,
    value: str,
    raw: str,
    surprisal: float,
    actor: int,
    given: str,
    acting: bool,
) -> Reason:
    if counts is None:
        return Reason(field, value, raw, surprisal, 0, 0, 0, 0)
    code = np.uint64(code_of(value))
    who = np.uint64(0 if acting else actor)
    among = counts.actor == who
    if not acting and not among.any():  # nothing was seen of this actor: the marginal spoke
        given, among = "", np.ones(len(counts.actor), dtype=bool)
        own = counts.value == code
    else:
        own = counts.pair == mixed(np.array([who]), np.array([code]))[0]
    hosts, of_hosts = _hosts(counts, own), _hosts(counts, among)
    first, last = counts.first[own], counts.last[own]
    top = np.argsort(-counts.events[among], kind="stable")[: INSTEAD + 1]
    values = counts.value[among][top]
    if given == "" or acting:  # the same value stands under many actors
        values, events = _summed(counts.value[among], counts.events[among])
    else:
        events = counts.events[among][top]
    usual = [Usual(model.words.get(int(v), "?"), int(n)) for v, n in zip(values, events, strict=True) if v != code]
    return Reason(
        field=field,
        value=value,
        raw=raw,
        surprisal=surprisal,
        seen=int(counts.events[own].sum()),
        of=int(counts.events[among].sum()),
        hosts=hosts,
        of_hosts=of_hosts,
        given="" if acting else given,
        first=_time(first.min() if len(first) else NEVER),
        last=_time(last.max() if len(last) else NEVER),
        usual=tuple(usual[:INSTEAD]),
    )


def _summed(values: np.ndarray, events: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    codes, inverse = np.unique(values, return_inverse=True)
    totals = np.bincount(inverse, events, len(codes)).astype(np.int64)
    top = np.argsort(-totals, kind="stable")[: INSTEAD + 1]
    return codes[top], totals[top]


def _hosts(counts: FieldCounts, rows: np.ndarray) -> int:
    places = np.flatnonzero(rows)
    return len(counts.hosts.take(places).flatten().unique()) if len(places) else 0


def _time(micros: int) -> datetime | None:
    return None if micros in (NEVER, -NEVER - 1) else datetime.fromtimestamp(int(micros) / 1e6, UTC)


def _new_kind(model: Model, kind: str, native: Mapping[str, str]) -> Reason:
    table, _, event = kind.partition(":")
    alike = [c for name, c in model.kinds.items() if name.partition(":")[0] == table]
    events = sum(c.events for c in alike)
    hosts = len(np.unique(np.concatenate([c.hosts for c in alike]))) if alike else 0
    common = sorted(alike, key=lambda c: (-c.events, c.kind))[:INSTEAD]
    usual = tuple(Usual(c.kind.partition(":")[2] or c.kind, c.events) for c in common)
    name = event or table
    of = f"{events:,} events of {table}" if events else f"{model.events:,} events: {table} is new altogether"
    return Reason(
        field="EventID" if event else "table",
        value=name,
        raw=native.get("EventID", name),
        surprisal=-float(np.log2(model.new(kind).p)),
        seen=0,
        of=events,
        hosts=0,
        of_hosts=hosts,
        usual=usual,
        text=f"events of type {name} were never seen in {of}",
    )
