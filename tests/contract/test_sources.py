"""What every source must keep to, ours and third parties': walks the registry."""

from __future__ import annotations

import gzip
import pickle
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vizsla.sources as package
from vizsla.errors import SourceError
from vizsla.reading import Done, Refused, Stamped, Unknown, read_file
from vizsla.source import Batch, Rejected, Source
from vizsla.sources import _template, failures, find, recognise, registry
from vizsla.sources._declared import samples

NOW = datetime(2026, 1, 15, tzinfo=UTC)
SOURCES = [*registry().values(), _template.SOURCE]
SAMPLES = {
    **samples(),
    "keyvalue": b"time=2025-05-01T10:00:00Z host=WEB1 user=ada action=login\n",
    "evtx": b"ElfFile\x00" + bytes(4088),
}


def log_of(path: Path) -> Any:
    return SimpleNamespace(name=str(path), path=str(path), open=lambda: path.open("rb"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.name)
def test_says_what_it_is(source: Source) -> None:
    assert isinstance(source, Source)
    assert source.name.isidentifier()
    assert source.name == source.name.lower()
    assert 10 < len(source.doc) < 120
    assert source.tables
    for spec in source.tables:
        assert spec.doc
        assert spec.name.replace("*", "x").isidentifier()
        assert len({column.lower() for column in spec.columns}) == len(spec.columns)
        assert not any(column.startswith("_") for column in spec.columns)
    assert source.name in SAMPLES, "add a `sample` to the source's YAML"


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.name)
def test_knows_its_own_best(source: Source) -> None:
    sure = {other.name: other.sniff(SAMPLES[source.name], "x.log") for other in SOURCES}
    own = sure.pop(source.name)
    assert 0.3 < own <= 1
    assert own > max(sure.values()), max(sure, key=lambda name: sure[name])
    assert source.sniff(b"", "") == 0


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.name)
def test_gives_batches_as_agreed(source: Source, tmp_path: Path) -> None:
    path = tmp_path / "sample.log"
    path.write_bytes(SAMPLES[source.name])
    names = {spec.name for spec in source.tables}
    for item in source.read(log_of(path)):
        assert isinstance(item, Batch)
        schema = item.events.schema
        assert item.table in names or any(n.endswith("*") and item.table.startswith(n[:-1]) for n in names)
        assert schema.field("_time").type == pa.timestamp("us", tz="UTC")
        assert all(f.type == pa.string() for f in schema if f.name not in ("_time", "_extra"))
        assert all(o.startswith(f"{path}#") for o in item.events["_origin"].to_pylist())
        assert not {"_id", "_day"} & set(schema.names)


@pytest.mark.parametrize("source", SOURCES, ids=lambda s: s.name)
@settings(max_examples=40, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_make_it_crash_or_hang(source: Source, tmp_path: Path, data: st.DataObject) -> None:
    sample = SAMPLES[source.name]
    head = sample[: data.draw(st.integers(0, len(sample)))]
    junk = data.draw(st.one_of(st.binary(max_size=400), st.text(max_size=200).map(str.encode), st.just(sample * 3)))
    path = tmp_path / "junk"
    for content in (junk, head + junk, sample + junk + sample):
        path.write_bytes(content)
        assert 0 <= source.sniff(content, "junk") <= 1
        for item in source.read(log_of(path)):
            assert isinstance(item, (Batch, Rejected))
            if isinstance(item, Rejected):
                assert item.reason
                assert item.place.startswith(f"{path}#")


def test_reading_again_gives_the_same(tmp_path: Path) -> None:
    for name, sample in SAMPLES.items():
        if name == "keyvalue":
            continue
        (tmp_path / "a.log").write_bytes(sample * 2)
        (tmp_path / "b.gz").write_bytes(gzip.compress(sample * 2))
        found = []
        for path in (tmp_path / "a.log", tmp_path / "a.log", tmp_path / "b.gz"):
            told = list(read_file(path, NOW, name))
            assert pickle.loads(pickle.dumps(told)) == told
            found.append([i for item in told if isinstance(item, Stamped) for i in item.events["_id"].to_pylist()])
            assert sum(isinstance(item, Done) for item in told) == 1
        assert found[0] == found[1] == found[2]


def test_pictures_and_text_are_unknown(tmp_path: Path) -> None:
    contents = [
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
        b"\xff\xd8\xff\xe0" + bytes(100),
        b"",
        b"Dear diary,\n",
        b'{"a": 1}\n',
        b"[1, 2]",
        b"# a comment\nx\n",
        b"{" * 70_000,
    ]
    for number, content in enumerate(contents):
        path = tmp_path / f"{number}.png"
        path.write_bytes(content)
        assert recognise(log_of(path)) is None, content[:20]
        assert [type(item) for item in read_file(path, NOW)] == [Unknown]


def test_template_runs_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(SAMPLES["keyvalue"] + b"nothing here\n" + b"time=x user=\xff\n")
    (rejected, batch) = _template.SOURCE.read(log_of(path))
    assert isinstance(rejected, Rejected)
    assert isinstance(batch, Batch)
    first, second = batch.events.to_pylist()
    assert (first["user"], first["_host"], first["_time"].isoformat()) == ("ada", "web1", "2025-05-01T10:00:00+00:00")
    assert (second["user"], second["_host"], second["_time"]) == ("\\xff", None, None)
    assert _template.SOURCE.name not in registry()


class _Point:
    def __init__(self, value: str, loaded: object) -> None:
        self.value, self.loaded = value, loaded

    def load(self) -> object:
        if isinstance(self.loaded, Exception):
            raise self.loaded
        return self.loaded


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Any:
    def install(*found: _Point) -> None:
        monkeypatch.setattr(package, "entry_points", lambda group: list(found) if group == "vizsla.sources" else [])
        package._loaded.cache_clear()

    yield install
    monkeypatch.undo()
    package._loaded.cache_clear()


def test_third_parties_join_and_broken_ones_are_told(points: Any) -> None:
    points(_Point("other:SOURCE", _template.SOURCE), _Point("broken:SOURCE", ImportError("no such thing")),
           _Point("odd:SOURCE", object()))  # fmt: skip
    assert registry()["keyvalue"] is _template.SOURCE
    assert failures() == {
        "broken:SOURCE": "ImportError: no such thing",
        "odd:SOURCE": "its SOURCE has not all that a source needs: name, doc, tables, sniff, read",
    }
    assert {"evtx", "windows_json", "zeek_tsv", "zeek_json"} <= registry().keys()


def test_two_of_one_name_fail_loudly(points: Any) -> None:
    points(_Point("other:SOURCE", find("evtx")))
    with pytest.raises(SourceError, match="two sources are named 'evtx'"):
        registry()


def test_an_unknown_name_says_which_there_are() -> None:
    with pytest.raises(SourceError, match="windows_json"):
        list(read_file(__file__, NOW, "nonesuch"))


def test_all_that_is_refused_names_its_log(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(SAMPLES["windows_json"] * 500)[:-9])
    told = list(read_file(path, NOW))
    assert [item.log for item in told] == [str(path)] * len(told)
    refused = [item for item in told if isinstance(item, Refused)]
    assert refused[-1].rejected.reason == "the compressed data is cut off"
    assert {item.log for item in refused} == {str(path)}
