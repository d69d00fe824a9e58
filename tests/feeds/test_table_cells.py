"""Cells told many at once are told as one by one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.feeds import _cells
from vizsla.feeds._cells import values_of
from vizsla.feeds._rows import value_of
from vizsla.intel.normal import TYPES

LABEL = st.text("abcxyzABC019-_", min_size=1, max_size=6)
LAST = st.sampled_from(
    ["com", "COM", "net", "co.uk", "zip", "exe", "sh", "pl", "py", "local", "1", "so", "xn--p1ai", "ck"]
)
HOST = st.builds(lambda labels, last: ".".join([*labels, last]), st.lists(LABEL, max_size=3), LAST)
HEX = st.builds(
    lambda size, text: (text * 128)[:size],
    st.sampled_from([8, 32, 40, 64, 128, 33]),
    st.text("0a9Ff", min_size=1, max_size=5),
)
ADDRESS = st.builds(".".join, st.lists(st.integers(0, 300).map(str), min_size=3, max_size=5))
SCHEME = st.sampled_from(["http", "hxxp", "HTTPS", "ftp"])
LOOKS = st.one_of(
    HOST,
    HEX,
    ADDRESS,
    st.builds("{}://{}/{}".format, SCHEME, HOST, st.text("aB%2?=#[ ", max_size=6)),
    st.builds("{}@{}".format, st.text("aA/%.9-", max_size=5), HOST),
    st.sampled_from(["CVE-2020-1234", "cve-2020-1.com", "AS1234", "as1.com", "-", "N/A", "", "'x.com'", '"1.2.3.4"',
                     "1.2.3.4:80", "x.com:8080", "evil[.]com", "1.2.3.4/32", "::1", "C:\\a\\b.exe", "a.exe", "hxxp.com",
                     "~/a@b.com", "/a@b.com", "-a.com", "a..com", "nan.com", "01.2.3.4", "HKLM\\a\\b", "a b@c.com"]),
    st.text(max_size=12),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(texts=st.lists(LOOKS, min_size=1, max_size=12), type=st.sampled_from(["", *TYPES]))
def test_many_as_one_by_one(texts: list[str], type: str) -> None:
    few, _cells.FEW = _cells.FEW, 0
    try:
        assert values_of(texts, type) == [value_of(text, type) for text in texts]
    finally:
        _cells.FEW = few
