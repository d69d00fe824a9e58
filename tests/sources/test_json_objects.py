"""Objects of a stream: found as a reader byte by byte finds them, in any blocks, in linear time and bounded memory."""

from __future__ import annotations

import json
import time
import tracemalloc
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.sources._json import Bad, records
from vizsla.sources._objects import Found, Objects

DEEPEST = 5


def plainly(data: bytes) -> list[tuple[int, bytes]]:
    """Byte by byte: start and text of each whole object, an empty text for one that is too deep."""
    found: list[tuple[int, bytes]] = []
    at = 0
    while (start := data.find(b"{", at)) >= 0:
        depth = deepest = 0
        quoted = escaped = False
        for at in range(start, len(data)):
            char = data[at : at + 1]
            backslash = char == b"\\" and not escaped
            if char == b'"' and not escaped:
                quoted = not quoted
            elif not quoted and char in (b"{", b"["):
                depth += 1
                deepest = max(depth, deepest)
            elif not quoted and char in (b"}", b"]"):
                depth -= 1
            escaped = backslash
            if depth == 0:
                break
        if depth:
            break
        found.append((start, b"" if deepest > DEEPEST else data[start : at + 1]))
        at += 1
    return found


def by_blocks(data: bytes, sizes: list[int], longest: int = 1 << 30) -> tuple[list[tuple[int, bytes]], Found | None]:
    objects, found, at = Objects(DEEPEST, longest), [], 0
    while at < len(data):
        size = sizes.pop(0) if sizes else len(data)
        found += [(one.start, one.text) for one in objects.feed(data[at : at + size])]
        at += size
    return found, objects.rest()


noise = st.text(alphabet='{}[]"\\a, \n', max_size=60).map(str.encode)
values = st.recursive(
    st.none() | st.text(alphabet='ab{}[]"\\\n\u00e4', max_size=6) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=600, deadline=None)
@given(noise | st.lists(noise, max_size=4).map(b"{".join), st.lists(st.integers(1, 9), max_size=70))
def test_noise_is_cut_as_byte_by_byte(data: bytes, sizes: list[int]) -> None:
    assert by_blocks(data, sizes)[0] == plainly(data)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(max_size=3), values, max_size=3)), st.integers(0, 3), st.lists(st.integers(1, 40))
)
def test_every_object_is_found_whole(objects: list[object], indent: int, sizes: list[int]) -> None:
    for text in (json.dumps(objects, indent=indent), "\n".join(json.dumps(o, indent=indent) for o in objects)):
        found, rest = by_blocks(text.encode(), list(sizes))
        assert rest is None
        assert len(found) == len(objects)
        for (_, cut), one in zip(found, objects, strict=True):
            assert cut == b"" or json.loads(cut) == one


def test_what_is_cut_off_and_what_is_none() -> None:
    assert by_blocks(b'[{"a":1},\n{"b":', [3])[1] == Found(10, b"", "the last object is cut off")
    assert by_blocks(b'{"a":1} and so on', [])[1] == Found(7, b"", "what stands here is no JSON object")
    assert by_blocks(b'[{"a":1}]\n', [])[1] is None
    assert by_blocks(b"\xef\xbb\xbf[ ]", [])[1] is None


def test_a_long_object_is_given_up_and_the_next_ones_are_read() -> None:
    data = b'[{"a":"' + b"x" * 100 + b'"},\n' + b'{"b":1},' * 20
    found, _ = by_blocks(data, [10] * 100, longest=50)
    assert found[0] == (1, b"")
    assert found[-1][1] == b'{"b":1}'
    assert len(found) == 21


@pytest.mark.parametrize(
    "piece",
    [b'{"a":', b'{"a":\n', b"{", b"[{", b'{"a":"x', b'"', b'{"\\', b'{"a":[]},', b'{"a":1}}', b"{}\n[", b'{"a":{}}{'],
    ids=ascii,
)
def test_no_input_is_slow(piece: bytes) -> None:
    """Four megabytes of it: a second or two on an idle machine."""
    data = b'[\n{"EventID":1},\n' + piece * ((4 << 20) // len(piece))
    began = time.process_time()
    seen = sum(1 for _ in records(BytesIO(data)))
    assert time.process_time() - began < 20, seen


def test_what_is_too_deep_or_too_long_is_not_kept() -> None:
    objects, block = Objects(DEEPEST, 10 << 20), b'{"a":' * (1 << 18)
    tracemalloc.start()
    given_up = sum(len(list(objects.feed(block))) for _ in range(40))
    assert given_up == 4  # of fifty megabytes, somewhat more than ten each
    peak = tracemalloc.get_traced_memory()[1]
    objects = Objects(DEEPEST, 10 << 20)
    assert sum(len(list(objects.feed(b'{"a":"' + b"x" * (1 << 20)))) for _ in range(45)) == 4
    assert max(peak, tracemalloc.get_traced_memory()[1]) < 150 << 20
    tracemalloc.stop()


def test_a_string_that_never_ends_is_given_up_after_the_longest_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from vizsla.sources import _json

    monkeypatch.setattr(_json, "MAX_LINE", 4 << 20)
    data = b'[\n{"EventID":1},\n{"a":"' + b"x" * (9 << 20) + b'"},\n{"EventID":2}]'
    found = list(records(BytesIO(data)))
    bad = [one for one in found if isinstance(one, Bad)]
    assert [one.place for one in bad] == [17]
    assert "more than" in bad[0].reason
    assert [one.records for one in found if not isinstance(one, Bad)] == [[{"EventID": 1}], [{"EventID": 2}]]
