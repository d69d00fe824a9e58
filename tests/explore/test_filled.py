"""Asking whether a field is filled gives the same as working its value out, for every expression of every view."""

from __future__ import annotations

import ibis
import pyarrow as pa
import pytest

from vizsla.view import lookups, views
from vizsla.views.compile import Compiler
from vizsla.views.filled import filled
from vizsla.views.grammar import columns

VALUES = [
    None, "", "-", "0", "7", "007", "0x1f", "0X1F", "0x", "0xg", "1" * 18, "1" * 19, "-3", "1.5", "1e5", "a", "A",
    "CORP\\ann", "CORP\\", "\\ann", "ann@corp", "@", "C:\\x\\y.exe", "C:\\x\\", "/usr/bin/x", "/", "10.0.0.1", "::1",
    "fe80::1%eth0", "FE80::ABCD", "::ffff:1.2.3.4", "1.2.3.4:80", "[::1]:443", "host.name", "a.b:8080",
    "MD5=AB,SHA256=CD",
    "SHA256=", "{AB-CD}", "true", "F", "http://u@h:80/p?q=1", "/p?q", "?", "h:443", "%eth0", ":", ".", "1:g", "3",
]  # fmt: skip


@pytest.fixture(scope="module")
def trees():
    found = {t for view in views().values() for ms in view.mappings.values() for m in ms for t in m.fields.values()}
    shapes = {}
    for tree in sorted(found, key=str):  # one of each shape: names of columns do not matter
        names = list(dict.fromkeys(columns(tree)))
        shape = repr(tree)
        for number, name in enumerate(names):
            shape = shape.replace(f"Column(name={name!r})", f"#{number}")
        shapes.setdefault(shape, tree)
    assert len(shapes) > 40
    return list(shapes.values())


def test_filled_is_what_the_value_says(trees, duckdb_engine):
    for start in range(0, len(trees), 40):
        share = trees[start : start + 40]
        names = sorted({name.lower(): name for tree in share for name in columns(tree)}.values())
        size = len(VALUES)
        # Columns hold the same values, moved, so that expressions of several meet every pair of some.
        rows = {
            name: [VALUES[(i * (1 + place % 5) + place) % size] for i in range(size)]
            for place, name in enumerate(names)
        }
        table = ibis.memtable(pa.table({**{n: pa.array(v, pa.string()) for n, v in rows.items()}, "_": [0] * size}))
        compiler = Compiler(table, lookups())
        asked = {f"a{i}": filled(compiler, tree).fill_null(False) for i, tree in enumerate(share)}
        told = {f"b{i}": compiler(tree).notnull() for i, tree in enumerate(share)}
        found = duckdb_engine.collect(table.select(**asked, **told)).to_pydict()
        for i, tree in enumerate(share):
            wrong = [
                [rows[next(n for n in names if n.lower() == c.lower())][at] for c in columns(tree)]
                for at in range(size)
                if found[f"a{i}"][at] != found[f"b{i}"][at]
            ]
            assert not wrong, f"{tree}: {wrong}"
