"""Large JSON is read object by object, and gives what a whole reading gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vizsla.errors import FeedError
from vizsla.feeds import _json
from vizsla.nouns.indicator import Refused

VALUES = st.recursive(
    st.one_of(st.none(), st.integers(-5, 5), st.text('a"\\{}[],é\n', max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text('a"{[', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text("abc", max_size=2), VALUES, max_size=3), max_size=5)


def streamed(path: Path) -> list[dict[str, Any] | Refused]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_json, "WHOLE", 0)
        return list(_json.objects(path, "objects"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(objects=OBJECTS, chunk=st.integers(1, 40), bare=st.booleans())
def test_streaming_gives_what_reading_whole_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objects: list[dict[str, Any]], chunk: int, bare: bool
) -> None:
    monkeypatch.setattr(_json, "CHUNK", chunk)
    path = tmp_path / "a.json"
    path.write_bytes(orjson.dumps(objects if bare else {"type": "x[{", "objects": objects, "more": {"a": [1]}}))
    assert streamed(path) == objects == list(_json.objects(path, "objects"))


def test_a_large_object_is_refused_and_the_others_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_json, "CHUNK", 64)
    monkeypatch.setattr(_json, "OBJECT", 500)
    path = tmp_path / "a.json"
    path.write_bytes(orjson.dumps({"objects": [{"a": 1}, {"b": ["x"] * 500}, {"c": 3}]}))
    assert streamed(path) == [{"a": 1}, Refused("a.json, object 2", "larger than 0 MiB"), {"c": 3}]


@pytest.mark.parametrize(
    "content", [b'{"objects": [{"a": 1}', b'{"objects": [}', b"[" * 2000, b'{"a": "' + b"x" * 5000]
)
def test_what_is_no_json_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(_json, "OBJECT", 1000)
    monkeypatch.setattr(_json, "CHUNK", 100)
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(FeedError):
        streamed(path)
    with pytest.raises(FeedError, match="no JSON"):
        list(_json.objects(path, "objects"))
    with pytest.raises(FeedError, match=r"no JSON|too deep"):
        _json.document(path)


def test_a_string_without_end_is_read_a_few_times_and_not_with_every_chunk(tmp_path: Path) -> None:
    class Counting:
        looked = 0

        def match(self, text: bytes, at: int) -> re.Match[bytes] | None:
            self.looked += len(text) - at
            return _MARK.match(text, at)

    content = b'{"objects": [{"a": 1}, {"b": "' + b"x" * 300_000
    mark, _MARK = Counting(), _json._MARK
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_json, "_MARK", mark)
        chunks = (content[at : at + 1000] for at in range(0, len(content), 1000))
        with pytest.raises(FeedError, match="ends in the middle"):
            list(_json.apart(chunks, "a.json", str(tmp_path)))
    assert len(content) <= mark.looked < 5 * len(content)


def test_too_large_a_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_json, "LARGEST", 3)
    path = tmp_path / "a.json"
    path.write_bytes(b"[1, 2]")
    with pytest.raises(FeedError, match="larger than"):
        _json.document(path)


def test_what_is_no_object_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"objects": [1, {"a": 2}]}')
    assert list(_json.objects(path, "objects")) == [Refused("a.json, object 1", "it is no JSON object"), {"a": 2}]


DAMAGE = [b'{"id": "\xff"}', b'{"id": NaN}', b'{"id": -Infinity}', b'{"id": 1,}', b'{"id" 1}', b'{"id": "\\ud800"}']


@pytest.mark.parametrize("damaged", DAMAGE)
@pytest.mark.parametrize("whole", [0, 1 << 20])
def test_one_bad_object_costs_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bytes, whole: int) -> None:
    """However large the document is."""
    monkeypatch.setattr(_json, "WHOLE", whole)
    path = tmp_path / "a.json"
    path.write_bytes(b'{"type": "bundle", "objects": [{"a": [{"b": 1}]}, ' + damaged + b', {"c": "}"}]}')
    first, refused, last = _json.objects(path, "objects")
    assert (first, last) == ({"a": [{"b": 1}]}, {"c": "}"})
    assert isinstance(refused, Refused)
    assert refused.place == "a.json, object 2"
    assert refused.reason.startswith("it is no JSON: ")


def test_a_string_without_an_end_costs_its_own_object(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'[\n {"a": 1},\n {"a": "x\n },\n {"c": "y"}\n]')
    assert [isinstance(one, Refused) for one in _json.objects(path, "objects")] == [False, True, False]


def test_what_stands_before_the_end_of_half_a_document_comes(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"objects": [{"a": 1}, {"b": 2')
    items = _json.objects(path, "objects")
    assert next(items) == {"a": 1}
    with pytest.raises(FeedError, match="it is no JSON"):
        next(items)


def test_a_document_is_read_without_its_bad_records(tmp_path: Path) -> None:
    """A record is an object in a list; values of what holds records become null, and are told."""
    path = tmp_path / "a.json"
    path.write_bytes(
        b'{"E": {"n": NaN, "A": [{"v": 1}, {"v": {"w": Infinity}}, {"v": "\xfe"}, {"v": 2}],\n"O": [{"A": [{"v": }]}]}}'
    )
    held, refused = _json.document(path)
    assert held == {"E": {"n": None, "A": [{"v": 1}, {"v": 2}], "O": [{"A": []}]}}
    assert len(refused) == 4
    assert [one.place.partition(",")[2].split(",")[0] for one in refused[:3]] == [" byte 33", " byte 57", " line 2"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    objects=st.lists(st.dictionaries(st.text("abc", max_size=2), VALUES, max_size=3), min_size=1, max_size=5),
    at=st.integers(0, 4),
)
def test_a_mended_document_is_what_it_was_without_the_bad_record(
    tmp_path: Path, objects: list[dict[str, Any]], at: int
) -> None:
    path = tmp_path / "a.json"
    at = min(at, len(objects))
    texts = [orjson.dumps(one) for one in objects]
    path.write_bytes(b'{"A": [' + b",".join([*texts[:at], b'{"x": NaN}', *texts[at:]]) + b"]}")
    held, refused = _json.document(path)
    assert held == {"A": objects}
    assert len(refused) == 1


def test_damage_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a":[' * 50_000 + b"NaN" + b"]}" * 50_000)
    with pytest.raises(FeedError, match="nested too deeply"):
        _json.document(path)
