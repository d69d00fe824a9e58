"""Features: declared, learnt on training rows alone, plain data; whatever a table holds."""

from __future__ import annotations

import json
import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vizsla.errors import UsageError
from vizsla.outlier.encoders import Category, Number, Text, Time
from vizsla.outlier.features import Features, declared


def table(n: int = 200) -> pa.Table:
    chance = np.random.default_rng(4)
    return pa.table({
        "amount": [f"{v:.3f}" for v in chance.normal(100, 5, n)],
        "colour": chance.choice(["red", "green", "blue"], n).tolist(),
        "when": [f"2026-03-{1 + i % 28:02d}T{8 + i % 9:02d}:00:00Z" for i in range(n)],
        "path": [f"/home/user{i}/file{i * 7}.txt" for i in range(n)],
        "gap": [None if i % 4 == 0 else float(i) for i in range(n)],
        "same": ["x"] * n,
    })  # fmt: skip


def test_what_values_say_they_are() -> None:
    kinds = {n: type(e) for n, e in zip(Features.learn(table()).names, Features.learn(table()).encoders, strict=True)}
    assert kinds == {"amount": Number, "colour": Category, "when": Time, "path": Text, "gap": Number, "same": Category}


def test_columns_are_standardised_by_field() -> None:
    features = Features.learn(table())
    matrix, new = features.matrix(table())
    assert not new.any()
    assert np.allclose(matrix.mean(axis=0), 0, atol=0.1)
    for field in np.unique(features.owner):
        assert matrix[:, features.owner == field].var(axis=0).sum() <= 1.05


def test_no_row_that_is_scored_changes_what_was_learnt() -> None:
    train = table()
    odd = pa.table({name: train[name].slice(0, 3) for name in train.column_names})
    features = Features.learn(train)
    alone, among = features.matrix(odd)[0], features.matrix(train)[0][:3]
    assert np.allclose(alone, among)


def test_what_was_never_seen_is_told() -> None:
    train = pa.table({"a": ["x", "y"] * 20, "b": [1.0, 2.0] * 20, "c": [5.0] * 40})
    features = Features.learn(train)
    rows = pa.table({"a": ["z", "x", "x", "x"], "b": [1.0, None, 2.0, 2.0], "c": [5.0, 5.0, 6.0, 5.0]})
    assert features.matrix(rows)[1].tolist() == [
        [True, False, False], [False, True, False], [False, False, True], [False, False, False]
    ]  # fmt: skip


def test_features_are_plain_data() -> None:
    features = Features.learn(table())
    again = Features.from_plain(json.loads(json.dumps(features.plain())))
    assert np.array_equal(features.matrix(table())[0], again.matrix(table())[0])


def test_kinds_can_be_declared() -> None:
    rows = pa.table({"port": [80, 443, 8080, 22] * 10})
    assert isinstance(Features.learn(rows).encoders[0], Number)
    assert isinstance(Features.learn(rows, {"port": "category"}).encoders[0], Category)
    assert declared(["a=b=category"]) == {"a=b": "category"}
    for wrong in (["port"], ["port=colour"], ["=number"]):
        with pytest.raises(UsageError):
            declared(wrong)
    with pytest.raises(UsageError, match="no field 'prot'"):
        Features.learn(rows, {"prot": "category"})


def test_one_absurd_number_does_not_make_the_others_alike() -> None:
    rows = pa.table({"a": [*np.linspace(0, 1, 100).tolist(), 1e308]})
    matrix = Features.learn(rows).matrix(rows)[0][:, 0]
    assert np.isfinite(matrix).all()
    assert matrix[100] == matrix.max()
    assert np.ptp(matrix[:100]) > 0.01
    assert (np.diff(matrix) > 0).all()


def test_a_text_of_unusual_letters_stands_out() -> None:
    names = [f"{a}{b}.example.com" for a in ("mail", "www", "shop", "news", "login") for b in range(40)]
    rows = pa.table({"name": [*names, "xqzkvjwq7h3kzz.example.com"]})
    matrix = Features.learn(rows, {"name": "text"}).matrix(rows)[0]
    assert np.abs(matrix[-1]).max() > np.abs(matrix[:-1]).max()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(), st.just(1e308), st.just(-1e308)),
            st.one_of(st.none(), st.text(max_size=20)),
            st.one_of(st.none(), st.datetimes()),
        ),
        min_size=2,
        max_size=30,
    )
)
@example([(None, None, None), (math.inf, None, None)])
@example([(5.0, None, None), (5.0, None, None), (-math.inf, None, None)])
@example([(1e308, None, None), (1e308, None, None)])
def test_whatever_a_table_holds_the_matrix_is_finite(rows: list[tuple[object, object, object]]) -> None:
    held = pa.table({
        "number": pa.array([r[0] for r in rows], pa.float64()),
        "text": pa.array([None if r[1] is None else str(r[1]).encode("utf-8", "replace").decode() for r in rows]),
        "time": pa.array([r[2] for r in rows], pa.timestamp("us")),
    })  # fmt: skip
    for kind in ("category", "text"):
        features = Features.learn(held, {"text": kind})
        matrix, new = features.matrix(held)
        assert np.isfinite(matrix).all()
        assert not new[:, 0].any()
