"""What an indicator's sighting is worth, in bits, before it is known how many hosts saw it; and what a feed's voice is.

    bits = most(type) * belief

belief: how sure the feeds are (0 to 1), each feed's confidence times its voice here, combined as in the view (the
strongest in full, every further feed takes half of its belief from the doubt that is left), times what age has left of
the indicator (`decay`). The voice of a feed:

    voice = (1 - benign share) / (1 - benign share before anything was judged) * freshness, at most 1

The benign share of its sightings, by the lake's verdicts (`record`), is the mean of Beta(a + benign, b + judged -
benign). A feed that cries wolf loses its voice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from vizsla import arrow
from vizsla.intel import decay, kept
from vizsla.intel.record import Record, records
from vizsla.intel.store import Store
from vizsla.intel.view import combined

DAY = 86_400.0  # seconds
HUSHED = 0.995  # a voice below it counts less than 100 % in words


@dataclass(frozen=True, slots=True)
class Voice:
    """What a feed's word counts: 1 as it stands, 0 nothing; and what that rests on."""

    voice: float
    benign_share: float  # with the prior
    overlap: float  # share of its indicators that other feeds name too
    stale_days: float  # days for which it has been overdue; 0: it is not


def hushed(feeds: Iterable[str], heard: Mapping[str, Voice]) -> dict[str, float]:
    """Of these feeds the voice of those whose word counts visibly less than as it stands."""
    return {feed: heard[feed].voice for feed in feeds if feed in heard and heard[feed].voice < HUSHED}


@lru_cache(1)
def parameters() -> dict[str, Any]:
    """Those of weigh.yaml."""
    said: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("weigh.yaml").read_text(encoding="utf-8"))
    return said


def prior(found: pa.Table, voices: Mapping[str, Voice] | None = None, times: pa.Array | None = None) -> pa.Table:
    """`id`, prior `bits` (0 to 12) and `exempt` (from the cap by host-days) of indicators as `active` gives them.

    `times`: one a row, of the event that met it (UTC): the indicator is as old as it was then, so that a log of the
    report's own year is held against what was fresh that year. Without: as old as at the time that `active` is of.
    """
    own = parameters()
    belief = _belief(found, voices or {}) * (_left(found) if times is None else _left_at(found, times))
    kinds = pc.dictionary_encode(arrow.whole(found.column("type")))
    most = np.array([float(own["most"].get(type, 0)) for type in kinds.dictionary.to_pylist()])
    worth = most[np.asarray(kinds.indices)] if len(found) else most
    sure = pc.fill_null(pc.greater_equal(found.column("confidence"), float(own["exempt"]["confidence"])), False)
    hashes = pc.is_in(found.column("type"), value_set=pa.array(own["exempt"]["types"]))
    return pa.table({"id": found.column("id"), "bits": pa.array(worth * belief), "exempt": pc.and_(sure, hashes)})


def _belief(found: pa.Table, voices: Mapping[str, Voice]) -> np.ndarray[Any, np.dtype[np.float64]]:
    feeds, said = arrow.whole(found.column("feeds")), arrow.whole(found.column("by_feed"))
    names = pc.dictionary_encode(pc.list_flatten(feeds))
    loud = np.array([voices[name].voice if name in voices else 1.0 for name in names.dictionary.to_pylist()] or [1.0])
    stated = np.asarray(pc.list_flatten(said).fill_null(float(parameters()["unsaid"])), np.float64)
    sure = stated * loud[np.asarray(names.indices)] if len(stated) else stated
    whole = combined(sure, np.asarray(pc.list_parent_indices(feeds)).astype(np.int64), len(found))
    return np.asarray(np.nan_to_num(whole) / 100)


def _left(found: pa.Table) -> decay.Floats:
    """What age has left of each, at the time that the view is of: 0 to 1."""
    base = np.asarray(found.column("base"), np.float64)
    left = np.divide(np.asarray(found.column("score"), np.float64), base, out=np.zeros_like(base), where=base > 0)
    return np.asarray(np.clip(left, 0, 1))


def _left_at(found: pa.Table, times: pa.Array) -> decay.Floats:
    """The same at a time of its own for each; an unknown time ages nothing."""
    kinds = pc.dictionary_encode(arrow.whole(found.column("type")))
    gone = pc.subtract(times.cast(pa.timestamp("us", tz="UTC")), found.column("confirmed").combine_chunks())
    spent = np.asarray(gone.cast(pa.int64()).fill_null(0))
    return decay.share(kinds.dictionary.to_pylist(), np.asarray(kinds.indices), spent)


def voice(record: Record, overlap: float, stale_days: float) -> Voice:
    """A feed's voice from its record, its overlap with others (0 to 1), and the days for which it has been overdue."""
    own, stale = parameters()["prior"], parameters()["stale"]
    benign, other = float(own["benign"]), float(own["other"]) + float(own["overlap"]) * overlap
    share = (benign + record.benign) / (benign + other + record.of)
    before = benign / (benign + other)
    fresh = max(float(stale["least"]), 0.5 ** (stale_days / float(stale["half"])))
    return Voice(min(1.0, (1 - share) / (1 - before)) * fresh, share, overlap, stale_days)


def voices(store: Store, now: datetime, told: Mapping[str, Record] | None = None) -> dict[str, Voice]:
    """The voice of each feed that has indicators; `told` as in `feeds_table`."""
    return {row["feed"]: _voice_of(row) for row in feeds_table(store, now, told).to_pylist()}


def _voice_of(row: Mapping[str, Any]) -> Voice:
    return Voice(row["voice"], row["benign share"], row["overlap"], row["stale days"])


def feeds_table(store: Store, now: datetime, told: Mapping[str, Record] | None = None) -> pa.Table:
    """One row a feed: what it brings, its record here, overlap with others, staleness, and the voice that it has.

    `told`: by feed its record; without, as the sightings and the verdicts of the store's own lake have it.
    """
    counts = _counts(store)
    told = records(store.lake, now) if told is None else told
    known = kept.load(store)
    rows = []
    for name in sorted({*counts, *known}):
        own, record = known.get(name, kept.Kept(name)), told.get(name, Record())
        claims, ids, shared, changed = counts.get(name, (0, 0, 0, None))
        overlap = shared / ids if ids else 0.0
        heard = voice(record, overlap, overdue(own, now))
        rows.append({
            "feed": name, "kind": own.kind, "formats": ", ".join(own.formats), "claims": claims, "indicators": ids,
            "overlap": overlap, "sightings": record.sightings, "judged": record.of, "benign": record.benign,
            "benign share": heard.benign_share, "stale days": heard.stale_days, "voice": heard.voice,
            "changed": changed, "pulled": own.pulled, "next": own.next, "state": own.state,
        })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=FEEDS)


FEEDS = pa.schema([
    *(pa.field(name, pa.string()) for name in ("feed", "kind", "formats")),
    *(pa.field(name, pa.int64()) for name in ("claims", "indicators")),
    pa.field("overlap", pa.float64()),
    *(pa.field(name, pa.int64()) for name in ("sightings", "judged", "benign")),
    *(pa.field(name, pa.float64()) for name in ("benign share", "stale days", "voice")),
    pa.field("changed", pa.timestamp("us", tz="UTC")),
    *(pa.field(name, pa.string()) for name in ("pulled", "next", "state")),
])  # fmt: skip


def _counts(store: Store) -> dict[str, tuple[int, int, int, datetime | None]]:
    """By feed: claims, indicators, those of them that other feeds name too, and when the newest claim came."""
    table = store.claims(columns=("feed", "id", "added", "revoked"))
    table = table.filter(pc.invert(table.column("revoked")))
    if not table.num_rows:
        return {}
    feeds, ids = (pc.dictionary_encode(arrow.whole(table.column(name))) for name in ("feed", "id"))
    width = len(feeds.dictionary)
    codes = np.asarray(feeds.indices).astype(np.int64)
    pairs = np.unique(np.asarray(ids.indices).astype(np.int64) * width + codes)
    group, own = pairs // width, pairs % width
    many = np.bincount(group)[group] > 1
    newest = np.full(width, np.iinfo(np.int64).min)
    np.maximum.at(newest, codes, np.asarray(table.column("added").cast(pa.int64())))
    times = pa.array(newest).cast(pa.timestamp("us", tz="UTC")).to_pylist()
    claims, distinct, shared = (np.bincount(part, minlength=width) for part in (codes, own, own[many]))
    return {
        name: (int(claims[at]), int(distinct[at]), int(shared[at]), times[at])
        for at, name in enumerate(feeds.dictionary.to_pylist())
    }


def overdue(feed: kept.Kept, now: datetime) -> float:
    """For how many days a feed that is to be pulled has not been, beyond four of its intervals; 0 for files."""
    if feed.kind == "file" or not feed.pulled:
        return 0.0
    gone = (now - datetime.fromisoformat(feed.pulled)).total_seconds() / DAY
    return max(0.0, gone - float(parameters()["stale"]["after"]) * feed.every_hours / 24)
