"""Tables in files: what is read, what is refused, and in which words; and the command that ranks their rows."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import vizsla
from vizsla.cli.main import app
from vizsla.errors import UsageError
from vizsla.outlier import score as scoring
from vizsla.outlier.model import Model
from vizsla.outlier.tables import open_table


def rows_of(path: Path, **how: Any) -> pa.Table:
    return pa.Table.from_batches(list(open_table(path, **how).batches()))


def matrix(n: int = 300) -> np.ndarray[Any, np.dtype[np.float64]]:
    rows = np.random.default_rng(6).normal(size=(n, 3))
    rows[17] = [9.0, -9.0, 9.0]
    return rows


def written(path: Path, rows: np.ndarray[Any, np.dtype[np.float64]]) -> Path:
    table = pa.table({name: rows[:, j] for j, name in enumerate(("a", "b", "c"))})
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".npz":
        np.savez_compressed(path, X=np.asfortranarray(rows) if path.stem == "turned" else rows, y=rows[:, 0] > 0)
    elif path.suffix == ".npy":
        np.save(path, rows)
    else:
        sign = ";" if path.stem == "semicolons" else ","
        lines = [sign.join("abc"), *(sign.join(map(repr, map(float, row))) for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["plain.csv", "semicolons.csv", "p.parquet", "x.npz", "turned.npz", "x.npy"])
def test_every_kind_of_file_gives_the_same(tmp_path: Path, name: str) -> None:
    found = vizsla.outliers(written(tmp_path / name, matrix()), seed=3)
    other = vizsla.outliers(matrix(), seed=3)
    assert found["row"].to_pylist() == other["row"].to_pylist()
    assert found["bits"].to_pylist() == other["bits"].to_pylist()
    assert found["row"][0].as_py() == 17
    assert found["reasons"][0].as_py()


REFUSED = {
    "ragged.csv": (b"a,b,c\n1,2,3\n1,2\n", "a line has 2 fields"),
    "empty.csv": (b"", "empty"),
    "names.csv": (b"a,b\n", "no rows"),
    "one.csv": (b"a,b\n1,2\n", "one row"),
    "twice.csv": (b"a,a\n1,2\n3,4\n", "two fields are named"),
    "latin.csv": (b"a,b\n\xff,2\n3,4\n", "UTF-8"),
    "wide.csv": ("\ufeffa,b\n1,2\n".encode("utf-16"), "UTF-16"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n\x00\x00", "neither text"),
    "text.npz": (b"not an archive", "nothing of the kind"),
    "text.parquet": (b"not a table", "nothing of the kind"),
    "torn.parquet": (b"PAR1 and no more", "damaged"),
    "torn.npz": (b"PK\x03\x04 and no more", "damaged"),
    "torn.npy": (b"\x93NUMPY\x01\x00", "no array"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused_in_words(tmp_path: Path, name: str) -> None:
    content, says = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    ran = CliRunner().invoke(app, ["outliers", str(tmp_path / name)])
    assert ran.exit_code == 2, ran.output
    assert says in ran.output
    assert "Traceback" not in ran.output


def test_the_line_of_a_ragged_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a,b,c\n1,2,3\n1,2\n", encoding="utf-8")
    with pytest.raises(UsageError) as refused:
        vizsla.outliers(tmp_path / "r.csv")
    assert "line 3" in refused.value.where


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (open, (str(tmp_path / "sprung"), "w"))

    np.savez(tmp_path / "o.npz", X=np.array([[Trap(), 1], [2, 3]], dtype=object))
    np.save(tmp_path / "o.npy", np.array([[Trap(), 1]], dtype=object))
    for name in ("o.npz", "o.npy"):
        with pytest.raises(UsageError, match="Python objects"):
            vizsla.outliers(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_arrays_of_an_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", a=matrix(), b=matrix(40))
    with pytest.raises(UsageError, match="several arrays") as refused:
        open_table(tmp_path / "two.npz")
    assert "a 300x3, b 40x3" in refused.value.fix
    assert rows_of(tmp_path / "two.npz", array="b").num_rows == 40
    with pytest.raises(UsageError, match="no array 'c'"):
        open_table(tmp_path / "two.npz", "c")
    np.savez(tmp_path / "cube.npz", np.zeros((2, 2, 2)))
    with pytest.raises(UsageError, match="3 dimensions"):
        open_table(tmp_path / "cube.npz")
    with zipfile.ZipFile(tmp_path / "none.npz", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(UsageError, match="no array"):
        open_table(tmp_path / "none.npz")
    cut = tmp_path / "cut.npz"
    with zipfile.ZipFile(tmp_path / "two.npz") as whole, zipfile.ZipFile(cut, "w") as archive:
        archive.writestr("a.npy", whole.read("a.npy")[:-100])
    with pytest.raises(UsageError, match="damaged"):
        rows_of(cut)


def test_texts_and_times_and_records_in_arrays(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", X=np.array([["a", "b"]] * 30 + [["z", "q"]]))
    assert vizsla.outliers(tmp_path / "t.npz")["row"][0].as_py() == 30
    records = np.zeros(30, dtype=[("n", "f8"), ("when", "M8[s]"), ("what", "S4")])
    records["n"][3], records["what"] = 99.0, b"same"
    np.save(tmp_path / "r.npy", records)
    found = vizsla.outliers(tmp_path / "r.npy")
    assert found["row"][0].as_py() == 3
    assert found["reasons"][0].as_py()[0]["field"] == "n"


def test_nothing_varies(tmp_path: Path) -> None:
    found = vizsla.outliers(pa.table({"a": [1.0] * 5, "b": ["x"] * 5}))
    assert len(set(found["bits"].to_pylist())) == 1
    assert found["row"].to_pylist() == [0, 1, 2, 3, 4]


def test_missing_endless_and_huge_values() -> None:
    rows = pa.table(
        {"a": [1.0, 2.0, float("nan"), float("inf"), -float("inf"), 1e308, -1e308, None] * 8, "b": range(64)}
    )
    found = vizsla.outliers(rows)
    assert len(found) == 64
    assert np.isfinite(found["bits"].to_numpy()).all()


def test_lines_of_json(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", matrix())
    ran = CliRunner().invoke(app, ["outliers", str(path), "--format", "jsonl"])
    assert ran.exit_code == 0, ran.output
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert len(lines) == 300
    assert {line["row"] for line in lines} == set(range(300))
    assert [line["bits"] for line in lines] == sorted((line["bits"] for line in lines), reverse=True)
    assert lines[0]["row"] == 17
    assert {reason["field"] for reason in lines[0]["reasons"]} <= {"a", "b", "c"}
    assert sum(reason["share"] for reason in lines[0]["reasons"]) == pytest.approx(1, abs=0.01)


def test_what_it_writes_is_harmless(tmp_path: Path) -> None:
    names = [f"user{i % 7}" for i in range(60)]
    table = pa.table({"=cmd()": [*names[:-1], "=cmd()\x1b[2J\u202e"], "n": range(60)})
    pq.write_table(table, tmp_path / "t.parquet")
    for form in ("table", "csv"):
        ran = CliRunner().invoke(app, ["outliers", str(tmp_path / "t.parquet"), "--format", form, "--top", "1"])
        assert ran.exit_code == 0, ran.output
        assert "\x1b" not in ran.stdout
        assert "\u202e" not in ran.stdout
    assert ",'=cmd()" in ran.stdout.replace('"', "")


def test_choices_that_do_not_exist(tmp_path: Path) -> None:
    path = str(written(tmp_path / "t.csv", matrix()))
    for more in (["--model", "x"], ["--without", "x"], ["--kind", "a=x"], ["--kind", "x=number"], ["--top", "0"]):
        ran = CliRunner().invoke(app, ["outliers", path, *more])
        assert ran.exit_code == 2, (more, ran.output)


def test_a_table_larger_than_the_training_rows_is_streamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vizsla.outlier.score.MOST", 100)
    monkeypatch.setattr("vizsla.outlier.model.MOST", 100)
    monkeypatch.setattr(scoring.sampled, "__defaults__", (100,))
    monkeypatch.setattr("vizsla.outlier.tables.BATCH", 300)
    rows = np.random.default_rng(1).normal(size=(2_000, 3))
    rows[1_234] = 12.0
    path = written(tmp_path / "t.parquet", rows)
    found = scoring.score(open_table(path), "isolation_forest", top=5)
    assert len(found.model.trained) == 100
    assert len(found.scores) == 2_000
    best = list(found.ranked(5))
    assert best[0].row == 1_234
    assert best[0].reasons
    assert "1e+01" not in best[0].reasons[0].text
    assert "12" in best[0].reasons[0].text
    # Which rows are drawn depends on their numbers alone.
    whole = scoring.sampled(scoring.Held(rows_of(path)), (), 0, 100)[0]
    assert whole.equals(scoring.sampled(open_table(path), (), 0, 100)[0])


def test_a_model_is_plain_data_and_the_same_once_loaded() -> None:
    from vizsla.baseline.states import checked

    rows = pa.table({"a": np.random.default_rng(1).normal(size=80), "b": ["x", "y", "z", "x"] * 20})
    for name in ("auto", "isolation_forest", "autoencoder"):
        model = Model.fit(rows, name, seed=4)
        state = checked("outlier", model.state())
        assert state is not None
        plain = {key: json.loads(json.dumps(v)) if not isinstance(v, pa.Table) else v for key, v in state.items()}
        again = Model.load(plain)
        assert np.allclose(again.score(rows), model.score(rows))
        assert np.allclose(again.bits(again.score(rows)), model.bits(model.score(rows)))


def test_a_value_never_seen_in_training_is_above_all_and_says_so() -> None:
    from vizsla.outlier.explain import reasons

    rows = pa.table({"a": ["x", "y"] * 50, "n": np.random.default_rng(2).normal(size=100)})
    model = Model.fit(rows)
    odd = pa.table({"a": ["q"], "n": [0.0]})
    assert model.score(odd)[0] > model.trained.max()
    assert reasons(model, odd)[0][0].field == "a"
    assert "0 of 100 rows" in reasons(model, odd)[0][0].text


def test_reasons_name_the_field_that_was_altered() -> None:
    chance = np.random.default_rng(8)
    rows = chance.normal(size=(400, 6))
    altered = chance.integers(6, size=20)
    rows[np.arange(20), altered] += 9.0
    found = vizsla.outliers(rows, top=20)
    named = [record["reasons"][0]["field"] == f"x{altered[record['row']]}" for record in found.to_pylist()
             if record["row"] < 20]  # fmt: skip
    assert len(named) >= 16
    assert sum(named) >= 0.9 * len(named)
