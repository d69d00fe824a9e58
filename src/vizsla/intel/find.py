"""Picking indicators: by type, feed, value and state; and by what somebody typed."""

from __future__ import annotations

import fnmatch
import re

import pyarrow as pa
import pyarrow.compute as pc

from vizsla.errors import UsageError
from vizsla.intel.normal import TYPES, guess, normal
from vizsla.intel.view import STATES
from vizsla.nouns.indicator import indicator_id

LIVE, SILENCED, DECAYED, ALL = "live", "silenced", "decayed", "all"
CHOICES = (LIVE, SILENCED, DECAYED, *STATES[1:], ALL)
_ID = re.compile(r"[0-9a-f]{32}")


def filtered(
    found: pa.Table,
    *,
    state: str = ALL,
    type: str | None = None,
    feed: str | None = None,
    value: str | None = None,
) -> pa.Table:
    """Of `standing` those of a state (CHOICES), a type, a feed, and whose value fits a pattern with * and ?.

    'live': valid, meant for detection and not silenced, decayed ones among them. Raises UsageError for what is none of
    the choices.
    """
    if state not in CHOICES:
        raise UsageError(f"no state is called {state[:40]!r}", where="--state", fix=f"use one of: {', '.join(CHOICES)}")
    if type is not None and type not in TYPES:
        raise UsageError(f"no type is called {type[:40]!r}", where="--type", fix=f"use one of: {', '.join(TYPES)}")
    if state != ALL:
        found = found.filter(_of_state(found, state))
    if type is not None:
        found = found.filter(pc.equal(found.column("type"), type))
    if feed is not None and found.num_rows:
        lists = found.column("feeds").combine_chunks()
        lists = pa.concat_arrays(lists.chunks) if isinstance(lists, pa.ChunkedArray) else lists
        rows = pc.list_parent_indices(lists).filter(pc.equal(pc.list_flatten(lists), feed))
        found = found.take(rows)
    if value is not None:
        pattern = value if any(sign in value for sign in "*?") else f"*{value}*"
        # RE2's, whole: fnmatch writes what both understand but for its own end and its atomic groups.
        expression = fnmatch.translate(pattern.lower()).replace("(?>", "(?:").removesuffix("\\Z").removesuffix("\\z")
        found = found.filter(pc.match_substring_regex(pc.utf8_lower(found.column("value")), f"^(?:{expression})$"))
    return found


def _of_state(found: pa.Table, state: str) -> pa.Array:
    silenced, live = pc.is_valid(found.column("silenced_by")), pc.equal(found.column("state"), "live")
    if state == LIVE:
        return pc.and_(live, pc.invert(silenced))
    if state == SILENCED:
        return silenced
    if state == DECAYED:
        return pc.and_(live, found.column("decayed"))
    return pc.equal(found.column("state"), state)


def ids_of(text: str) -> list[str]:
    """The ids that a value (defanged or not) or an id may mean, the likeliest first."""
    wanted = text.strip()
    found: dict[str, None] = {}
    best = guess(wanted)
    if best is not None:
        found[indicator_id(*best)] = None
    for type in TYPES:
        try:
            found[indicator_id(type, normal(type, wanted))] = None
        except ValueError:
            continue
    if _ID.fullmatch(wanted.lower()):
        found[wanted.lower()] = None
    return list(found)
