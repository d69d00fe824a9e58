"""Encoded runs within a text, decoded: base64, hexadecimal, lists of character codes; compressed or not; within bounds.

A run counts as decoded only where readable text comes out: paths and identifiers happen to be valid base64, but what
they decode to cannot be read. However hostile a text is, no more than RUNS runs of LONGEST characters are tried, no
more than ROOM bytes are inflated from any, and no more than DEPTH layers are taken off.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

RUNS, LONGEST, ROOM, DEPTH = 8, 65_536, 262_144, 3
SHORTEST, VARIED = 8, 6  # readable characters that must come out, and how many different ones
READABLE = 0.92  # share of printable ones among them
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,65536}={0,2}")
_HEX = re.compile(r"(?:(?:0x|\\x)?[0-9A-Fa-f]{2}[ ,:-]?){12,32768}")
_CODES = re.compile(r"(?:[0-9]{2,3}\s{0,2}[,;+ ]\s{0,2}){8,16384}[0-9]{2,3}")
_DIGIT_PAIR = re.compile(r"(?:0x|\\x)?([0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Decoded:
    """What came out of a run: `how`, the layers that were taken off, outermost first; `run`: its length as written."""

    text: str
    how: tuple[str, ...]
    run: int


def decoded(text: str, depth: int = DEPTH) -> list[Decoded]:
    """Everything readable that is encoded in a text, the longest result first."""
    found = []
    for how, run, layers, plain in _runs(text[: RUNS * LONGEST]):
        one = Decoded(plain, (how, *layers), len(run))
        inner = decoded(plain, depth - 1)[:1] if depth > 1 else []
        found += [Decoded(deep.text, one.how + deep.how, len(run)) for deep in inner if len(deep.text) > len(plain) / 4]
        found.append(one)
    return sorted(found, key=lambda one: (-len(one.text), one.how))


def _runs(text: str) -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """The first runs of every kind from which readable text comes; what one kind has read, no other tries."""
    spans: list[tuple[int, int]] = []
    for how, pattern, read in (("hex", _HEX, _of_hex), ("codes", _CODES, _of_codes), ("base64", _BASE64, _of_base64)):
        for match in islice(pattern.finditer(text), RUNS):
            if any(match.start() < end and begin < match.end() for begin, end in spans):
                continue
            layers, plain = _readable(read(match[0]))
            if plain:
                spans.append(match.span())
                yield how, match[0], layers, plain


def _of_base64(run: str) -> bytes:
    """The bytes of a run, whichever of the two alphabets it is in; of one cut short those that are whole."""
    plain = run.rstrip("=").replace("-", "+").replace("_", "/")
    plain = plain[: len(plain) - (len(plain) % 4 == 1)]
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _of_hex(run: str) -> bytes:
    pairs = _DIGIT_PAIR.findall(run)
    return bytes.fromhex("".join(pairs)) if len(set(pairs)) > 3 else b""


def _of_codes(run: str) -> bytes:
    codes = [int(code) for code in re.findall("[0-9]+", run)]
    return bytes(codes) if all(code < 256 for code in codes) and len(set(codes)) > 3 else b""


def _readable(data: bytes) -> tuple[tuple[str, ...], str]:
    """The readable text in bytes, and what had to be undone: decompression, two bytes a character."""
    inflated, how = _inflated(data)
    for begin, more in ((inflated, how), (data, ())):
        text, wide = _text(begin)
        if text:
            return (*more, *(("utf-16",) if wide else ())), text
    return (), ""


def _inflated(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """At most ROOM bytes of what gzip, zlib or bare deflate packed; the bytes themselves where nothing did."""
    kinds = ((b"\x1f\x8b", "gzip", 31), (b"\x78", "zlib", 15), (b"", "deflate", -15))
    for begins, how, window in kinds:
        if not data.startswith(begins):
            continue
        try:
            plain = zlib.decompressobj(window).decompress(data, ROOM)
        except zlib.error:
            continue
        if len(plain) >= SHORTEST:
            return plain, (how,)
    return data, ()


def _text(data: bytes) -> tuple[str, bool]:
    """Bytes as text, if it can be read, and whether each character took two of them."""
    data = data[:ROOM]
    wide = len(data) > 3 and data[1::2].count(0) > 0.8 * (len(data) // 2)
    text = data.decode("utf-16-le" if wide else "utf-8", "replace").strip("\x00\ufeff")
    if len(text) < SHORTEST or len(set(text)) < VARIED:
        return "", False
    good = sum(letter.isascii() and (letter.isprintable() or letter in "\r\n\t") for letter in text)
    letters = sum(letter.isalpha() and letter.isascii() for letter in text)
    return (text, wide) if good >= READABLE * len(text) and letters >= len(text) / 4 else ("", False)
