"""The words of a STIX pattern."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from vizsla.intel._pattern_tree import Constant

_TOKEN = re.compile(
    r"""(?P<space>(?:[\s\u200b\ufeff]+|/\*.*?\*/|//[^\r\n]*)+)
    |(?P<literal>[bht]?'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<number>[+-]?(?:\d*\.\d+|\d+\b))
    |(?P<word>[a-zA-Z_][a-zA-Z0-9_-]*)
    |(?P<sign><>|!=|==|<=|>=|[=<>:.,()\[\]*])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z")
SIGNS = {"==": "=", "<>": "!="}


@dataclass(frozen=True, slots=True)
class Token:
    """A word, a sign, or a constant, and where it begins (characters from the start)."""

    kind: str  # 'word', 'sign', 'constant', 'end'
    text: str
    at: int
    value: Constant | None = None


def tokens(text: str, most: int) -> Iterator[Token]:
    """The words of a pattern, `most` at most. Raises ValueError where there is something that is none."""
    at = count = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"what begins at character {at + 1} is neither a word nor a value: {text[at : at + 20]!r}")
        if found.lastgroup != "space":
            count += 1
            if count > most:
                raise ValueError(f"more than {most} words")
            yield _token(found, at)
        at = found.end()
    yield Token("end", "the end", at)


def _token(found: re.Match[str], at: int) -> Token:
    text = found[0]
    match found.lastgroup:
        case "literal":
            return Token("constant", text, at, _literal(text))
        case "number":
            if len(text) > 400:
                raise ValueError(f"a number of {len(text)} digits")
            number = float(text) if "." in text else int(text)
            if not math.isfinite(number):
                raise ValueError("a number too large")
            return Token("constant", text, at, number)
        case "word":
            return Token("word", text, at)
        case _:
            return Token("sign", SIGNS.get(text, text), at)


def _literal(text: str) -> Constant:
    kind, body = ("", text[1:-1]) if text[0] in "'\"" else (text[0], text[2:-1])
    if kind == "t":
        return moment(body)
    if kind == "h":
        try:
            return bytes.fromhex(body)
        except ValueError as error:
            raise ValueError(f"not hexadecimal digits: {body[:40]!r}") from error
    if kind == "b":
        try:
            return base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise ValueError(f"not base 64: {body[:40]!r}") from error
    return _ESCAPE.sub(r"\1", body)


def moment(text: str) -> datetime:
    """A time as STIX writes it, in UTC; beyond microseconds it is cut."""
    if not _TIME.fullmatch(text):
        raise ValueError(f"not a time: {text[:40]!r}")
    whole, _, part = text[:-1].partition(".")
    return datetime.fromisoformat(whole).replace(microsecond=int(part[:6].ljust(6, "0")) if part else 0, tzinfo=UTC)
