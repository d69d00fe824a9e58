from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vizsla.sources._linux import _PATTERNS
from vizsla.sources._patterns import KEY, Pattern, Patterns
from vizsla.sources._syslog_times import bsd_micros, bsd_times

WRITTEN = 1_760_000_000_000_000
MADE = Patterns(Pattern("ab+c"), Pattern(r"(?P<x>.*)z"), Pattern("a very long beginning"), Pattern(r"\[x\]"))
ALL = [*_PATTERNS.values(), MADE]


@given(st.sampled_from(ALL), st.data())
def test_the_patterns_that_are_tried_are_those_whose_beginning_a_key_has(
    patterns: Patterns, data: st.DataObject
) -> None:
    begins = [pattern.begins() for pattern in patterns.patterns]
    key = data.draw(st.one_of(st.sampled_from([b[:KEY] for b in begins]), st.binary(max_size=KEY)))
    wanted = tuple(n for n, begin in enumerate(begins) if not begin or key.startswith(begin[:KEY]))
    assert patterns._tried(key) == wanted


SAID = ("", "z", "[x]", "abbc", "abz", "a very long beginning", "a very long beginning, or not", "[12.5] up",
        "(root) CMD (run)", "Started a unit.", "Failed password for root from 10.0.0.1 port 22 ssh2")  # fmt: skip


@example(MADE, list(SAID))
@given(st.sampled_from(ALL), st.lists(st.one_of(st.sampled_from(SAID), st.text(max_size=3)), max_size=9))
def test_messages_together_give_what_the_first_pattern_that_fits_each_gives(
    patterns: Patterns, messages: list[str]
) -> None:
    found = patterns.extract(pa.array(messages, pa.string()))
    for row, message in enumerate(messages):
        wanted = {}
        for whole, pattern in zip(patterns._whole, patterns.patterns, strict=True):
            if pc.match_substring_regex(message, whole).as_py():
                values = pc.extract_regex(pa.array([message]), whole)[0].as_py() if "(?P<" in whole else {}
                wanted = {name: value for name, value in {**values, **pattern.sets}.items() if value}
                break
        assert {name: c[row].as_py() for name, c in found.items() if c[row].is_valid} == wanted


TIMES = ("Mar  1 10:00:00", "Feb 29 23:59:59", "Feb 30 00:00:00", "Nov 22 12:00:60", "xyz 12 1:2:3   ")


@given(st.lists(st.sampled_from(TIMES), max_size=12))
def test_times_that_come_again_are_read_as_each_by_itself(texts: list[str]) -> None:
    data = np.frombuffer("".join(f"{text}\n" for text in texts).encode(), np.uint8)
    begins = np.arange(len(texts), dtype=np.int64) * 16
    each = [int(bsd_times(np.frombuffer(t.encode(), np.uint8), np.array([0]), WRITTEN)[0]) for t in texts]
    assert bsd_times(data, begins, WRITTEN).tolist() == each


@pytest.mark.parametrize("text", ["Mar  1 10:00:00", "Feb 29 23:59:59", "Nov 22 12:00:00"])
def test_times_at_once_are_those_one_by_one(text: str) -> None:
    at_once = bsd_times(np.frombuffer(text.encode(), np.uint8), np.array([0, 0]), WRITTEN)
    assert at_once.tolist() == [bsd_micros(text, WRITTEN)] * 2
