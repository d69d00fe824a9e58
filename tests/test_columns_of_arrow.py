"""Columns in one piece and without a dictionary."""

from __future__ import annotations

import pyarrow as pa

from vizsla import arrow


def test_whole_is_one_array_whatever_it_was():
    for column in (pa.chunked_array([["a"], [None, "b"]]), pa.array(["a", None, "b"])):
        assert arrow.whole(column).equals(pa.array(["a", None, "b"]))
    assert arrow.whole(pa.chunked_array([], pa.string())).equals(pa.array([], pa.string()))


def test_plain_has_no_dictionary():
    texts = pa.array(["a", None, "a"])
    assert arrow.plain(texts.dictionary_encode()).equals(texts)
    assert arrow.plain(texts) is texts
