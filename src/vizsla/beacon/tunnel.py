"""What names that are asked for could carry: per host, registered domain and day, over distinct names.

A tunnel through DNS says what it has to say in the names that it asks for, each new, since a cache would answer what
was asked before. What a name can carry is at most its length times the entropy of its characters; summed over
distinct names that is the most that left with them. A thousand names of one pattern carry little, though they are
many; three hundred names of random letters carry kilobytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vizsla.beacon.bins import Floats, Ints
from vizsla.beacon.contacts import TENTHS, moment
from vizsla.intel.suffix import registrable
from vizsla.nouns.event import HOST, ID, TIME
from vizsla.view import TABLE, view_of

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Scan

DAY = 86_400 * TENTHS
ODD = ("TXT", "NULL", "CNAME", "MX", "KEY", "PRIVATE", "16", "10", "5", "15")  # records that hold what one likes
LOCAL = (".arpa", ".local", ".localdomain", ".home", ".lan", ".internal", ".localhost")
AT_ONCE = 8_192  # names whose characters are counted at a time
UNITS = pa.schema([
    ("host", pa.string()), ("source", pa.string()), ("domain", pa.string()), ("day", pa.int64()),
    ("names", pa.int64()), ("queries", pa.int64()), ("odd", pa.int64()), ("carried", pa.int64()),  # bits, whole
    ("letters", pa.int64()), ("first", pa.int64()), ("id", pa.string()), ("id_last", pa.string()),
    ("guid", pa.string()), ("kind", pa.string()), ("example", pa.string()),
])  # fmt: skip
_KEYS = ("host", "source", "domain", "day")
_SUMS = ("names", "queries", "odd", "carried", "letters")


def units(engine: Engine, scans: Sequence[Scan]) -> pa.Table:
    """Per host, source, registered domain and day: a table of UNITS, by key."""
    held, waiting, rows = UNITS.empty_table(), list[pa.Table](), 0
    for batch in engine.batches(_asked(engine, scans)):
        waiting.append(_counted(batch))
        rows += len(waiting[-1])
        if rows > 500_000:
            held, waiting, rows = _merged([held, *waiting]), [], 0
    return _merged([held, *waiting])


def _asked(engine: Engine, scans: Sequence[Scan]) -> ir.Table:
    """Distinct names of each host and day, with their type."""
    fields = ("event.code", "source.ip", "process.entity_id", "dns.question.name", "dns.question.type")
    seen = view_of(engine, scans, "dns", fields)
    import ibis

    seen = seen.filter(seen[HOST].notnull(), seen[TIME].notnull(), seen["dns.question.name"].contains("."))
    rows = seen.select(
        host=seen[HOST], source=ibis.coalesce(seen["source.ip"], seen[HOST]), at=moment(seen[TIME]),
        name=seen["dns.question.name"].lower(), type=seen["dns.question.type"].fill_null(""), id=seen[ID],
        guid=seen["process.entity_id"], table=seen[TABLE], code=seen["event.code"],
    )  # fmt: skip
    rows = rows.mutate(day=rows["at"] // DAY)
    return rows.group_by(["host", "source", "day", "name", "type"]).agg(
        queries=rows.count(), first=rows["at"].min(), id=rows["id"].min(), guid=rows["guid"].min(),
        table=rows["table"].min(), code=rows["code"].min(),
    )  # fmt: skip


def _counted(batch: pa.RecordBatch) -> pa.Table:
    """A batch of distinct names as units of its own."""
    names = pc.utf8_rtrim(batch["name"], characters=".")
    distinct = names.dictionary_encode()
    domains = [domain_of(name) for name in distinct.dictionary.to_pylist()]
    place = distinct.indices.to_numpy(zero_copy_only=False)
    domain = pa.array(domains, pa.string()).take(pa.array(place))
    below = [name[: -len(d) - 1] if d else "" for name, d in zip(distinct.dictionary.to_pylist(), domains, strict=True)]
    held, letters = carried(below)
    odd = pc.is_in(pc.utf8_upper(batch["type"]), value_set=pa.array(ODD)).to_numpy(zero_copy_only=False)
    queries = batch["queries"].to_numpy()
    kind = pc.coalesce(pc.binary_join_element_wise(batch["table"], batch["code"], ":"), batch["table"])
    table = pa.table({
        "host": batch["host"], "source": batch["source"], "domain": domain, "day": batch["day"],
        "names": np.ones(len(batch), np.int64), "queries": queries, "odd": np.where(odd, queries, 0),
        "carried": np.round(held[place]).astype(np.int64), "letters": letters[place], "first": batch["first"],
        "id": batch["id"], "id_last": batch["id"], "guid": batch["guid"], "kind": kind, "example": names,
    }, schema=UNITS)  # fmt: skip
    return _merged([table.filter(pc.is_valid(table["domain"]))])


def _merged(parts: Sequence[pa.Table]) -> pa.Table:
    table = pa.concat_tables([UNITS.empty_table(), *parts])
    wanted = [(name, "sum") for name in _SUMS]
    wanted += [(name, "min") for name in ("first", "id", "guid", "kind")] + [(n, "max") for n in ("id_last", "example")]
    found = table.group_by(list(_KEYS)).aggregate(wanted)
    found = found.rename_columns([name.removesuffix("_sum").removesuffix("_min").removesuffix("_max")
                                  for name in found.column_names])  # fmt: skip
    return found.select(UNITS.names).cast(UNITS).sort_by([(n, "ascending") for n in _KEYS]).combine_chunks()


@lru_cache(maxsize=1 << 17)
def domain_of(name: str) -> str | None:
    """The registered domain of a name; None of names that are none of the Internet's, or are a suffix themselves."""
    if name.endswith(LOCAL):
        return None
    return registrable(name)


def carried(texts: Sequence[str]) -> tuple[Floats, Ints]:
    """Per text the bits that it can carry, its length times the entropy of its characters, and its length."""
    bits, lengths = np.zeros(len(texts)), np.zeros(len(texts), np.int64)
    for begin in range(0, len(texts), AT_ONCE):
        part = [text.encode("utf-8", "replace") for text in texts[begin : begin + AT_ONCE]]
        size = np.array([len(text) for text in part], np.int64)
        characters = np.frombuffer(b"".join(part), np.uint8)
        row = np.repeat(np.arange(len(part)), size)
        counts = np.bincount(row * 256 + characters, minlength=256 * len(part)).reshape(len(part), 256)
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(counts > 0, counts * np.log2(size[:, None] / np.maximum(counts, 1)), 0.0)
        bits[begin : begin + AT_ONCE] = each.sum(axis=1)
        lengths[begin : begin + AT_ONCE] = size
    return bits, lengths


def batches(table: pa.Table, at_once: int = 50_000) -> Iterator[tuple[int, pa.Table]]:
    """A table in slices, each with where it begins."""
    for begin in range(0, len(table), at_once):
        yield begin, table.slice(begin, at_once)
