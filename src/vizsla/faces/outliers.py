"""The rows of a table, the most unusual first, for people and for pipes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa

from vizsla.faces import csv
from vizsla.faces.jsonl import dumps
from vizsla.outlier.explain import Reason, texts
from vizsla.outlier.score import Outlier

REASON = pa.struct([
    pa.field("field", pa.string()), pa.field("value", pa.string()), pa.field("share", pa.float64()),
    pa.field("text", pa.string()), pa.field("before", pa.int64()),
])  # fmt: skip
SCHEMA = pa.schema([
    pa.field("row", pa.int64()), pa.field("bits", pa.float64()), pa.field("p", pa.float64()),
    pa.field("reasons", pa.list_(REASON)),
])  # fmt: skip
MANY = 100_000  # lines made into a table at once


def table(found: Iterable[Outlier]) -> pa.Table:
    """As Arrow: row (from 0), bits, p, and reasons with field, value, share, text and before."""
    rows = list(found)
    return pa.table({
        "row": [o.row for o in rows], "bits": [o.bits for o in rows], "p": [o.p for o in rows],
        "reasons": [[_record(r) for r in o.reasons] for o in rows],
    }, schema=SCHEMA)  # fmt: skip


def short(found: Iterable[Outlier]) -> pa.Table:
    """For a terminal: row, bits and one text of the reasons."""
    rows = list(found)
    return pa.table({
        "row": pa.array([str(o.row) for o in rows]), "bits": pa.array([o.bits for o in rows], pa.float64()),
        "reasons": pa.array([texts(o.reasons) for o in rows], pa.string()),
    })  # fmt: skip


def lines(found: Iterable[Outlier]) -> Iterator[bytes]:
    """A JSON line each: `row`, `bits`, `p`, `reasons`."""
    for outlier in found:
        reasons = [_record(r) for r in outlier.reasons]
        yield dumps({"row": outlier.row, "bits": outlier.bits, "p": outlier.p, "reasons": reasons}) + b"\n"


def rows(found: Iterable[Outlier]) -> Iterator[bytes]:
    """CSV, safe against formulas: `row`, `bits`, `p`, `reasons` as one text."""
    yield csv.row(("row", "bits", "p", "reasons"))
    for outlier in found:
        yield csv.row((outlier.row, outlier.bits, outlier.p, texts(outlier.reasons)))


def _record(reason: Reason) -> dict[str, object]:
    return {
        "field": reason.field, "value": reason.value, "share": reason.share, "text": reason.text,
        "before": reason.before,
    }  # fmt: skip
