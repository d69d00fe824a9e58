"""What to look for: the indicators of a lake that are live and that nothing silences, whole or since a version."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.intel.lists import silencer
from vizsla.intel.store import Store
from vizsla.intel.view import COLUMNS, INDICATORS, indicators
from vizsla.lake import Lake

SILENCED = pa.schema([
    *INDICATORS,
    pa.field("silenced_by", pa.string()),  # a list's name; null: nothing silences it
    pa.field("silenced_why", pa.string()),
])  # fmt: skip
"""The indicator view, and what silences whom."""


def standing(store: Store, at: datetime | None, ids: Sequence[str] | pa.Array | None = None) -> pa.Table:
    """All indicators (or these) as they stand at a time, with what silences them: SILENCED, sorted by id.

    `at` None: whatever was valid at any time, nothing aged.
    """
    found = indicators(store.claims(ids, columns=COLUMNS), at, store.sighted())
    ready = silencer(store)
    by, why = ready.why(ready.silenced(found.column("type"), found.column("value")))
    return found.append_column("silenced_by", by).append_column("silenced_why", why)


def looked_for(found: pa.Table) -> pa.Table:
    """Of `standing` those to look for: live and not silenced. Decayed ones are among them: age weighs, never hides."""
    live = pc.and_(pc.equal(found.column("state"), "live"), pc.is_null(found.column("silenced_by")))
    return found.filter(live)


def active(lake: Lake, at: datetime | None) -> pa.Table:
    """The indicators to look for at a time (None: valid at any time), as SILENCED, sorted by id."""
    return looked_for(standing(Store(lake), at))


def since(lake: Lake, version: int, at: datetime | None) -> tuple[pa.Table, int]:
    """The indicators of which anything was said after `version`, in whatever state, and the version that is now.

    Those of them that are live and not silenced (`looked_for`) are new to look for, or changed; the others are to be
    looked for no more.
    """
    store = Store(lake)
    now = store.version
    return standing(store, at, store.changed(version)), now
