"""`where: {column: ["*"]}`: whatever value a column has."""

from __future__ import annotations

from collections import Counter

import ibis
import pyarrow as pa

from vizsla.explore.coverage.fill import _takes
from vizsla.view import named
from vizsla.views.project import project


def test_a_column_that_must_be_filled() -> None:
    native = pa.table({
        "_id": ["a", "b", "c", "d"], "_host": ["h"] * 4, "_time": pa.nulls(4, pa.timestamp("us", tz="UTC")),
        "src": ["10.0.0.1", None, "10.0.0.3", "-"], "dst": ["10.0.0.2"] * 4, "act": ["deny", "deny", "", "deny"],
    })  # fmt: skip
    rows = ibis.duckdb.connect().to_pyarrow(project(ibis.memtable(native), named("network"), "cef_wall")).to_pylist()
    assert [row["_id"] for row in rows] == ["a"]


def test_coverage_counts_them_alike() -> None:
    [mapping] = named("network").of("cef_wall")
    told = Counter(_takes(mapping, {"src": s, "dst": "*", "act": "*"}) for s in ("*", "10.0.0.1", None))
    assert told == {True: 2, False: 1}
