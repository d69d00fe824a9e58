"""The indicator store against the lake: what is new in either is looked for and kept as sightings; and patterns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.intel.active import active, looked_for, since
from vizsla.intel.pattern import parse
from vizsla.intel.patterns import Evaluated, evaluate
from vizsla.intel.search import Feeds, Searched, last_store, search
from vizsla.intel.store import Store
from vizsla.intel.watch import Watched, watch

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.intel.pattern import Pattern
    from vizsla.lake import Lake, Scan


def seek(engine: Engine, lake: Lake, now: datetime | None = None) -> Searched:
    """Look for the lake's indicators in its events: new ones in old events, all in new events.

    Indicators are looked for whatever the time they are valid at: when an event happened decides what a sighting is
    worth. Those that were revoked or silenced are looked for no more; what they met before stays. Raises FeedError,
    LakeError, EngineError.
    """
    moment = now or datetime.now(UTC)
    before = last_store(lake)
    store = Store(lake)
    version = store.version
    if before and before <= version:
        changed, version = since(lake, before, None)
        live = looked_for(changed)
        retired = changed.filter(pc.invert(pc.is_in(changed.column("id"), _ids(live)))).column("id").to_pylist()
    else:
        live, retired = active(lake, None), []

    return search(engine, lake, live, retired=retired, feeds=_feeds(store), now=moment, store=version)


def _feeds(store: Store) -> Feeds:
    def feeds(ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
        held = store.claims(ids, columns=["id", "feed"]).group_by("id").aggregate([("feed", "distinct")])
        return dict(zip(held.column("id").to_pylist(), held.column("feed_distinct").to_pylist(), strict=True))

    return feeds


def seek_kept_patterns(engine: Engine, lake: Lake, indicators: pa.Table, now: datetime | None = None) -> Watched:
    """The patterns among indicators (id, type, value) in the lake: new ones in old events, all in new events.

    What they meet is kept as sightings. `indicators`: all that are to be looked for, known ones among them.
    """
    ready, unable = _parsed(indicators)
    done = watch(engine, lake, ready, _feeds(Store(lake)), now or datetime.now(UTC))
    done.unable.update(unable)
    return done


def seek_patterns(engine: Engine, scans: Sequence[Scan], indicators: pa.Table) -> Evaluated:
    """Evaluate the patterns among indicators (id, type, value) over these scans, all of them: nothing is kept."""
    ready, unable = _parsed(indicators)
    done = evaluate(engine, scans, ready)
    done.unable.update(unable)
    return done


def _parsed(indicators: pa.Table) -> tuple[dict[str, Pattern], dict[str, str]]:
    """The patterns by id, and why others are none."""
    rows = indicators.filter(pc.equal(indicators.column("type"), "pattern"))
    ready: dict[str, Pattern] = {}
    unable: dict[str, str] = {}
    for name, text in zip(rows.column("id").to_pylist(), rows.column("value").to_pylist(), strict=True):
        try:
            ready[name] = parse(text)
        except ValueError as error:
            unable[name] = str(error)
    return ready, unable


def _ids(table: pa.Table) -> pa.Array:
    column = table.column("id").combine_chunks()
    return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)
