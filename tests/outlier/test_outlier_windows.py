"""Windows: what stands beside a row, whatever the pieces, the entities and the order in which a table comes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import vizsla
from outlier_samples import PLAIN, QUIET, naive, planted
from vizsla.cli.main import app
from vizsla.errors import UsageError
from vizsla.outlier import order as ordering
from vizsla.outlier import score as scoring
from vizsla.outlier import windows
from vizsla.outlier.explain import rows_before
from vizsla.outlier.features import Features
from vizsla.outlier.model import Model
from vizsla.outlier.tables import Held, open_table
from vizsla.outlier.windows import Follower, Window

STEPS = 12


def hosts(n: int = 150, seed: int = 3) -> pa.Table:
    """Three hosts' rows, interleaved, with a growing number, a category and a missing value here and there."""
    chance = np.random.default_rng(seed)
    return pa.table({
        "host": chance.choice(["a", "b", None], n).tolist(),
        "tick": np.arange(n),
        "load": np.where(chance.random(n) < 0.1, None, chance.normal(size=n).round(3)).tolist(),
        "state": chance.choice(["up", "down", "idle"], n).tolist(),
    })  # fmt: skip


def scored_in_pieces(model: Model, rows: pa.Table, size: int) -> Any:
    follower = model.follower()
    return np.concatenate(
        [model.scored_piece(follower.piece(rows.slice(start, size))) for start in range(0, len(rows), size)]
    )


@settings(max_examples=20, deadline=None)
@given(
    entities=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=60),
    steps=st.integers(1, 6),
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(any),
    reach=st.integers(6, 20),
)
def test_windows_are_the_rows_before_of_the_same_entity(
    entities: list[str | None], steps: int, sizes: list[int], reach: int
) -> None:
    table = pa.table({
        "x": np.arange(len(entities), dtype=float),
        "y": [float(i % 3) for i in range(len(entities))],
        "who": pa.array(entities, pa.string()),
    })  # fmt: skip
    features = Features.learn(pa.table({"x": [0.0, 50.0], "y": [0.0, 2.0]}))
    follower = Follower(features, Window(steps, None, ("who",)))
    follower.reach = reach
    parts, start, turn = [], 0, 0
    while start < len(table):
        part = table.slice(start, sizes[turn % len(sizes)])
        piece = follower.piece(part)
        parts.append(np.concatenate([piece.windows(some) for some in piece.slices()] or [np.zeros((0, 2 * steps))]))
        start, turn = start + len(part), turn + 1
    expected = naive(features.matrix(table)[0], list(entities), steps, reach)
    assert np.array_equal(np.concatenate(parts), expected)


def test_only_rows_within_reach_are_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "REACH", 40)
    rows = pa.table({"who": [f"user{i}" for i in range(500)], "x": np.arange(500.0)})
    follower = Follower(Features.learn(rows.select(["x"])), Window(4, None, ("who",)))
    for start in range(0, 500, 50):
        piece = follower.piece(rows.slice(start, 50))
        assert piece.carried <= 40
    assert follower.cut
    found = scoring.score(Held(rows), "knn", window=4, by="who")
    assert any("more than 40 rows before" in text for text in found.said)
    near = scoring.score(Held(rows), "knn", window=4)
    assert not any("rows before" in text for text in near.said)


@pytest.mark.parametrize("name", PLAIN)
def test_every_detector_judges_windows(name: str) -> None:
    rows = hosts()
    model = Model.fit(rows, name, seed=2, window=3, along="tick", by="host")
    scores = model.score(rows)
    assert model.matrix.shape == (150, 3 * len(model.features.owner))
    assert model.features.names == ("load", "state")
    assert np.isfinite(scores).all()
    assert np.allclose(scores, model.trained)
    assert np.allclose(scored_in_pieces(model, rows, 7), scores, rtol=1e-6, atol=1e-9)
    # One host after the other, and in any order: the same.
    order = np.lexsort((np.arange(150), [str(h) for h in rows["host"].to_pylist()]))
    assert np.allclose(model.score(rows.take(pa.array(order))), scores[order], rtol=1e-6, atol=1e-9)
    shuffled = np.random.default_rng(0).permutation(150)
    assert np.allclose(model.score(rows.take(pa.array(shuffled))), scores[shuffled], rtol=1e-6, atol=1e-9)
    kept = {k: v if isinstance(v, pa.Table) else json.loads(json.dumps(v)) for k, v in model.state().items()}
    again = Model.load(kept)
    assert again.window == model.window
    assert np.allclose(again.score(rows), scores)


@settings(max_examples=6, deadline=None)
@given(size=st.integers(3, 160), window=st.integers(2, 9))
def test_scores_do_not_depend_on_the_batches(size: int, window: int) -> None:
    rows = hosts()
    model = Model.fit(rows, "histogram", window=window, by=("host", "state"))
    assert np.array_equal(scored_in_pieces(model, rows, size), model.score(rows))


@pytest.mark.parametrize(
    ("kind", "name"), [("phase", "pca"), ("phase", "knn"), ("flat", "knn"), ("lag", "pca"), ("lag", "knn")]
)
def test_what_is_odd_only_in_its_place_is_found_by_a_window_alone(kind: str, name: str) -> None:
    rows, at = planted(kind)
    alone = vizsla.outliers(rows, name)["row"].to_pylist()
    # The first rows, which have fewer before them, are odd in another way.
    together = [row for row in vizsla.outliers(rows, name, window=STEPS)["row"].to_pylist() if row >= STEPS - 1]
    shows = range(at, at + QUIET if kind == "flat" else at + 1)
    assert min(alone.index(row) for row in shows) >= 10
    assert together[0] in range(at, shows.stop + STEPS - 1), together[:5]


def test_reasons_name_the_field_and_how_many_rows_before() -> None:
    rows, at = planted("phase")
    spiked = [40.0 if i == at else v for i, v in enumerate(rows["load"].to_pylist())]
    rows = rows.set_column(0, "load", pa.array(spiked))
    found = {r["row"]: r["reasons"] for r in vizsla.outliers(rows, "pca", window=STEPS, top=STEPS).to_pylist()}
    assert set(found) == set(range(at, at + STEPS))
    for row, reasons in found.items():
        assert (reasons[0]["field"], reasons[0]["value"], reasons[0]["before"]) == ("load", "40", row - at)
        when = {0: "load is 40:", 1: "load is 40 in the row before:"}.get(row - at, f"40 {row - at} rows before:")
        assert when in reasons[0]["text"]
        assert "as high in 1 of 1,440 rows" in reasons[0]["text"]
    # Rows are counted once, though windows at the beginning hold the first row again and again.
    first = pa.table({"x": [40.0, *np.sin(np.arange(99.0)).tolist()]})
    best = {r["row"]: r["reasons"][0]["text"] for r in vizsla.outliers(first, "pca", window=3, top=3).to_pylist()}
    assert "x is 40: as high in 1 of 100 rows" in best[0]
    # A score that is a sum over columns is taken apart by step.
    model = Model.fit(rows, "histogram", window=STEPS)
    matrix = model.follower().piece(rows).windows(np.arange(at, at + STEPS))
    assert rows_before(model, matrix)[:, 0].tolist() == list(range(STEPS))


def test_a_kind_of_value_never_seen_raises_its_own_row_alone() -> None:
    model = Model.fit(pa.table({"a": ["x", "y"] * 50, "n": np.arange(100.0) % 7}), "knn", window=3)
    scores = model.score(pa.table({"a": ["x", "q", "x", "y"], "n": [1.0, 2.0, 3.0, 4.0]}))
    assert (scores > model.trained.max()).tolist() == [False, True, False, False]


def small(monkeypatch: pytest.MonkeyPatch, most: int = 100) -> None:
    """Tables of more rows than these are streamed, and sorted through files."""
    monkeypatch.setattr("vizsla.outlier.model.MOST", most)
    monkeypatch.setattr(scoring.sampled, "__defaults__", (most,))
    monkeypatch.setattr("vizsla.outlier.tables.BATCH", 300)
    monkeypatch.setattr(ordering, "AT_ONCE", 1)
    monkeypatch.setattr("vizsla.scratch.tempfile.tempdir", None)


def test_a_large_table_is_streamed_and_its_windows_are_drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    small(monkeypatch)
    rows = np.random.default_rng(1).normal(size=(2_000, 2))
    rows[1_234] = 12.0
    table = pa.table({"a": rows[:, 0], "b": rows[:, 1]})
    pq.write_table(table, tmp_path / "t.parquet")
    found = scoring.score(open_table(tmp_path / "t.parquet"), "knn", window=4, top=4)
    places = scoring.sampled(Held(table), (), 0)[2]
    expected = naive(found.model.features.matrix(table)[0], [None] * 2_000, 4, 2_000)
    assert np.array_equal(found.model.matrix, expected[places])
    assert np.allclose(found.scores, found.model.scored(expected))
    best = list(found.ranked(4))
    assert {o.row for o in best} == {1_234, 1_235, 1_236, 1_237}
    assert all(o.reasons[0].before == o.row - 1_234 for o in best)
    assert all(o.reasons[0].value == "12" for o in best)
    assert found.said == ("trained on 100 of 2,000 windows of 4 rows, drawn by chance",)


@pytest.mark.parametrize("file", ["t.parquet", "t.csv"])
def test_rows_in_no_order_are_sorted_through_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, file: str) -> None:
    small(monkeypatch)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "room"))
    (tmp_path / "room").mkdir()
    chance = np.random.default_rng(4)
    when = [f"2026-03-{1 + i // 96:02d}T{i // 4 % 24:02d}:{i % 4 * 15:02d}:00Z" for i in range(2_000)]
    straight = pa.table({"when": when, "x": np.sin(np.arange(2_000) / 9) + chance.normal(0, 0.1, 2_000)})
    shuffled = chance.permutation(2_000)
    table = straight.take(pa.array(shuffled))
    if file.endswith("csv"):
        pa.csv.write_csv(table, tmp_path / file)
        monkeypatch.setattr("vizsla.outlier.tables.csv.BLOCK", 8_192)
    else:
        pq.write_table(table, tmp_path / file)
    asked: dict[str, Any] = {"window": 5, "along": "when", "without": ["when"], "top": 30}
    written: list[int] = []
    spilt = ordering._spilt

    def counted(*given: Any) -> Any:
        made = spilt(*given)
        written.append(len(made.paths))
        return made

    monkeypatch.setattr(ordering, "_spilt", counted)
    found = scoring.score(open_table(tmp_path / file), "knn", **asked)
    assert written[0] > 2
    assert list((tmp_path / "room").iterdir()) == []
    whole = scoring.score(Held(straight), "knn", **asked)
    held = scoring.score(Held(table), "knn", **asked)
    assert len(written) == 1
    assert np.allclose(found.scores, whole.scores[shuffled])
    assert np.allclose(held.scores, found.scores)
    assert found.explained.keys() == held.explained.keys()
    assert {row: [r.field for r in reasons] for row, reasons in found.explained.items()} == {
        row: [r.field for r in reasons] for row, reasons in held.explained.items()
    }


def test_a_time_tells_the_hour_and_what_only_orders_tells_nothing() -> None:
    rows = pa.table(
        {"n": np.arange(40), "when": [f"2026-03-01T{i % 24:02d}:00:00Z" for i in range(40)], "x": [1.0, 2.0] * 20}
    )
    assert Model.fit(rows, "pca", window=2, along="n").features.names == ("when", "x")
    assert Model.fit(rows, "pca", window=2, along="when", by="n").features.names == ("when", "x")
    left = scoring.score(Held(rows), "pca", window=2, along="when", without=["when", "n"])
    assert left.model.features.names == ("x",)


def test_rows_without_a_time_stand_last_and_are_told() -> None:
    rows = pa.table({"t": [3.0, None, 1.0, 2.0] * 10, "x": np.arange(40.0)})
    found = scoring.score(Held(rows), "knn", window=2, along="t")
    assert "10 rows have no t that can be read: they stand last" in found.said
    ordered = pa.table({"t": [1.0] * 20 + [None] * 2, "x": np.arange(22.0)})
    assert "2 rows have no t" in scoring.score(Held(ordered), "knn", window=2, along="t").said[0]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"along": "tick"}, "give --window"),
        ({"by": "host"}, "give --window"),
        ({"window": 1}, "from 2 to 256"),
        ({"window": 257}, "from 2 to 256"),
        ({"window": 3, "along": "when"}, "no field 'when'"),
        ({"window": 3, "by": "who"}, "no field 'who'"),
        ({"window": 3, "along": "state"}, "neither times nor numbers"),
        ({"window": 3, "by": ["host", "tick", "load", "state"]}, "no field is left"),
        ({"model": "lstm_autoencoder"}, "give --window"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as refused:
        vizsla.outliers(hosts(), **asked)
    assert says in str(refused.value)


def test_windows_too_wide_are_refused() -> None:
    wide = pa.table({f"c{j}": np.random.default_rng(j).normal(size=30) for j in range(60)})
    with pytest.raises(UsageError, match="15,360, and 10,000 are the most"):
        vizsla.outliers(wide, window=256)


def test_wide_windows_are_trained_on_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vizsla.outlier.model.CELLS", 600)
    found = scoring.score(Held(hosts()), "knn", window=3, without=["host", "state"])
    assert len(found.model.trained) == 600 // (3 * len(found.model.features.owner))
    assert len(found.scores) == 150
    assert found.explained


def test_the_command(tmp_path: Path) -> None:
    rows, at = planted("phase")
    named = rows.append_column("who", pa.array(["x"] * len(rows))).append_column("n", pa.array(range(len(rows))))
    turned = named.take(pa.array(range(len(rows) - 1, -1, -1)))
    pa.csv.write_csv(turned, tmp_path / "t.csv")
    asked = ["--model", "pca", "--window", "12", "--along", "n", "--by", "who", "--format", "jsonl", "--top", "3"]
    ran = CliRunner().invoke(app, ["outliers", str(tmp_path / "t.csv"), *asked])
    assert ran.exit_code == 0, ran.output
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    first = len(rows) - 1 - lines[0]["row"]
    assert at <= first < at + STEPS
    assert lines[0]["reasons"][0]["field"] == "load"
    assert lines[0]["reasons"][0]["before"] == first - at
    ran = CliRunner().invoke(app, ["outliers", str(tmp_path / "t.csv"), "--along", "n"])
    assert ran.exit_code == 2
    assert "give --window" in ran.output
