"""Claims, mentions and refusals as rows of Arrow tables, with their keys and digests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from vizsla.feed import Claims
from vizsla.intel.index import ENTRY, Rows
from vizsla.intel.keyed import OWN
from vizsla.nouns.indicator import Claim, Mention, Refused, indicator_id

_TIME = pa.timestamp("us", tz="UTC")
_TEXTS = pa.list_(pa.string())
TIMES = ("valid_from", "valid_until", "first_seen", "last_seen", "created", "modified")
LISTS = ("kill_chain", "techniques", "malware", "actors", "tags")
_TEXT = ("type", "value", "feed", "raw", "source", "context", "tlp")

CLAIMS = pa.schema([
    pa.field("id", pa.string()),  # the indicator's: 32 hex digits
    *(pa.field(name, pa.string()) for name in _TEXT),
    pa.field("confidence", pa.int16()),
    *(pa.field(name, _TIME) for name in TIMES),
    pa.field("revoked", pa.bool_()),
    pa.field("to_ids", pa.bool_()),
    *(pa.field(name, _TEXTS) for name in LISTS),
])  # fmt: skip
"""One row per feed, source object and indicator; beside it stand the columns of `keyed.OWN`."""
MENTIONS = pa.schema([
    *(pa.field(name, pa.string()) for name in ("kind", "name", "feed", "source", "context")),
    pa.field("named", pa.bool_()),
])  # fmt: skip
REFUSED = pa.schema([pa.field(name, pa.string()) for name in ("feed", "place", "reason")])

_CONTENT = ("raw", "context", "confidence", "tlp", *TIMES, "to_ids", *LISTS)
_APART = np.uint64(0x9E3779B97F4A7C15)
_MANY = 15  # things that one file says of one indicator, beyond the first, that are kept apart
_REVOKED = 1 << 63
_HALF = (1 << 63) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = pa.scalar(datetime(9999, 12, 31, tzinfo=UTC), _TIME)
_OBJECT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_PACK = orjson.OPT_NAIVE_UTC


@dataclass(frozen=True, slots=True)
class Terms:
    """What is said for all claims of a feed, where the claims do not say it themselves.

    `confidence` 0 to 100; `tlp`; `valid_days`: days from a claim's own time (valid_from, modified, created, or when it
    was added) after which it is no longer valid.
    """

    confidence: int | None = None
    tlp: str = ""
    valid_days: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """Rows of a keyed table, and what its index says of each."""

    rows: pa.RecordBatch
    entries: Rows
    loose: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    """Of claims: which have no object's id, so that one key may say several things (see `apart`)."""


def claims(said: Sequence[Claim], terms: Terms, now: datetime, place: str = "") -> tuple[Draft, list[Refused]]:
    """Claims as rows; those that cannot be kept are refused. `place`: the file, where a feed is many files.

    An object with an id of its own (a STIX or MISP one) is the same object in whichever file and line it stands. What
    has none is known by its feed, file and indicator: a list to which a line was added above is not a new list.
    """
    columns = {name: [getattr(claim, name) for claim in said] for name in CLAIMS.names if name != "id"}
    return _claimed(columns, terms, now, place)


def in_bulk(said: Claims, terms: Terms, now: datetime, place: str = "") -> tuple[Draft, list[Refused]]:
    """`claims` of many at once."""
    size = len(said)
    silent = Claim("domain", "", "")
    columns = {
        name: said.columns[name] if name in said.columns else [getattr(silent, name)] * size
        for name in CLAIMS.names
        if name not in ("id", "feed")
    }
    return _claimed({**columns, "feed": [said.feed] * size}, terms, now, place)


def _claimed(
    columns: Mapping[str, Sequence[Any]], terms: Terms, now: datetime, place: str
) -> tuple[Draft, list[Refused]]:
    told: list[str] = []
    owned: list[bool] = []
    for source in columns["source"]:
        text = source if source.isascii() else _safe(source)
        own = "-" in text and _OBJECT.search(text) is not None
        owned.append(own)
        told.append(text if own or not place else f"{place}: {text}" if text else place)
    refused: list[Refused] = []
    keep: list[int] = []
    ids: list[str] = []
    keys: list[bytes] = []
    digests: list[int] = []
    rider = orjson.dumps((terms.confidence, terms.tlp, terms.valid_days))
    contents = zip(*(columns[name] for name in _CONTENT), strict=True)
    known = zip(columns["feed"], columns["type"], columns["value"], columns["revoked"], strict=True)
    for row, (content, (feed, type, value, revoked)) in enumerate(zip(contents, known, strict=True)):
        try:
            packed = orjson.dumps(content, option=_PACK)
            key = f"{feed}\0{told[row] if owned[row] else place}\0{type}\0{value}".encode()
        except (TypeError, UnicodeEncodeError):
            refused.append(Refused(_safe(columns["source"][row]), "holds characters that are no text"))
            continue
        keep.append(row)
        ids.append(indicator_id(type, value))
        keys.append(blake2b(key, digest_size=16).digest())
        # The highest bit is the revocation's: of two that are as old as each other, it wins.
        digest = int.from_bytes(blake2b(packed + rider, digest_size=8).digest(), "big") & _HALF
        digests.append(digest | _REVOKED if revoked else digest)
    columns = {**columns, "source": told}
    if refused:
        columns = {name: [values[row] for row in keep] for name, values in columns.items()}
        owned = [owned[row] for row in keep]
    arrays: dict[str, pa.Array] = {"id": pa.array(ids, pa.string())}
    for name in _TEXT:
        arrays[name] = pa.array(columns[name], pa.string())
    for name in TIMES:
        said = any(columns[name])  # lists say no times
        arrays[name] = pa.array([_utc(time) for time in columns[name]], _TIME) if said else pa.nulls(len(keys), _TIME)
    for name in LISTS:
        arrays[name] = pa.array(columns[name], _TEXTS)
    arrays["confidence"] = pa.array([_percent(one) for one in columns["confidence"]], pa.int16())
    arrays["revoked"] = pa.array(columns["revoked"], pa.bool_())
    arrays["to_ids"] = pa.array(columns["to_ids"], pa.bool_())
    _apply(arrays, terms, now)
    order = [0] * len(keys)
    if any(columns["modified"]) or any(columns["created"]):
        order = [_micros(one or other) for one, other in zip(columns["modified"], columns["created"], strict=True)]
    draft = _draft(CLAIMS, arrays, keys, digests, order, now)
    return replace(draft, loose=~np.array(owned, np.bool_)), refused


def apart(entries: Rows, loose: npt.NDArray[np.bool_]) -> Rows:
    """Entries in which what one file says of one indicator in different words has keys of its own.

    Numbered by content, not by place: in whatever order a file says the same, it is the same.
    """
    rows = np.flatnonzero(loose)
    part = entries[rows]
    by = np.lexsort((part["digest"], part["low"], part["high"]))
    part = part[by]
    again = (part["high"][1:] == part["high"][:-1]) & (part["low"][1:] == part["low"][:-1])
    if not again.any():
        return entries
    other = again & (part["digest"][1:] != part["digest"][:-1])
    count = np.concatenate([[0], np.cumsum(other)])
    starts = np.concatenate([[True], ~again])
    number = count - np.maximum.accumulate(np.where(starts, count, 0))
    changed = entries.copy()
    changed["low"][rows[by]] += np.minimum(number, _MANY).astype(np.uint64) * _APART
    return changed


def mentions(said: Sequence[Mention], now: datetime) -> Draft:
    """Mentions as rows; their key is all that they say."""
    columns = {
        field.name: pa.array([_text(getattr(mention, field.name)) for mention in said], field.type)
        for field in MENTIONS
    }
    texts = [f"{m.kind}\0{m.name}\0{m.feed}\0{m.source}\0{m.context}\0{m.named}" for m in said]
    return _known_by_all(MENTIONS, columns, texts, now)


def refused(said: Sequence[Refused], feed: str, now: datetime) -> Draft:
    """Refusals as rows; their key is all that they say."""
    columns = {
        "feed": pa.array([feed] * len(said), pa.string()),
        "place": pa.array([_safe(one.place) for one in said], pa.string()),
        "reason": pa.array([_safe(one.reason) for one in said], pa.string()),
    }
    return _known_by_all(REFUSED, columns, [f"{feed}\0{one.place}\0{one.reason}" for one in said], now)


def _known_by_all(schema: pa.Schema, columns: dict[str, pa.Array], texts: Sequence[str], now: datetime) -> Draft:
    keys = [blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
    return _draft(schema, columns, keys, [0] * len(keys), [0] * len(keys), now)


def _draft(
    schema: pa.Schema,
    columns: dict[str, pa.Array],
    keys: Sequence[bytes],
    digests: Sequence[int],
    order: Sequence[int],
    now: datetime,
) -> Draft:
    entries = np.zeros(len(keys), ENTRY)
    words = np.frombuffer(b"".join(keys), ">u8").reshape(-1, 2)
    entries["high"], entries["low"] = words[:, 0], words[:, 1]
    entries["digest"] = np.array(digests, np.uint64)
    entries["order"] = np.array(order, np.int64)
    entries["added"] = _micros(now)
    own = {
        "key": pa.array(keys, pa.binary()),
        "digest": pa.array(entries["digest"].view(np.int64)),
        "order": pa.array(entries["order"]),
        "added": pa.array(entries["added"]).cast(_TIME),
        "version": pa.array(np.zeros(len(keys), np.int64)),
    }
    whole = pa.schema([*OWN, *schema])
    arrays = [own[field.name] if field.name in own else columns[field.name] for field in whole]
    return Draft(pa.RecordBatch.from_arrays(arrays, schema=whole), entries)


def _apply(columns: dict[str, pa.Array], terms: Terms, now: datetime) -> None:
    """What the feed's terms say, where its claims say nothing."""
    import pyarrow.compute as pc

    if terms.confidence is not None:
        columns["confidence"] = columns["confidence"].fill_null(terms.confidence)
    if terms.tlp:
        columns["tlp"] = pc.if_else(pc.equal(columns["tlp"], ""), terms.tlp, columns["tlp"])
    if terms.valid_days is not None:
        own = pc.coalesce(columns["valid_from"], columns["modified"], columns["created"], pa.scalar(now, _TIME))
        ends = pc.add(own, pa.scalar(terms.valid_days * 86_400_000_000, pa.duration("us")))
        columns["valid_until"] = pc.coalesce(columns["valid_until"], pc.if_else(pc.less(ends, _LAST), ends, _LAST))


def _utc(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time is not None and time.tzinfo is None else time


def _micros(time: datetime | None) -> int:
    if time is None:
        return 0
    gone = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    return (gone.days * 86_400 + gone.seconds) * 1_000_000 + gone.microseconds


def _percent(confidence: int | None) -> int | None:
    return None if confidence is None else max(0, min(100, confidence))


def _text(value: object) -> object:
    return _safe(value) if isinstance(value, str) else value


def _safe(text: str) -> str:
    """The text without what cannot be encoded."""
    return text.encode("utf-8", "backslashreplace").decode()
