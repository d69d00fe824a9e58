"""Findings as JSON: one a line, or one array. Lone surrogates and other text that UTF-8 cannot hold come escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import orjson

from vizsla.faces.record import from_record, to_record
from vizsla.nouns import Finding
from vizsla.safe import hidden

_UNUSUAL = re.compile("[^ -~]")  # only these can be hidden


def line(finding: Finding) -> bytes:
    """One finding as one line of JSON, without its line break."""
    return dumps(to_record(finding))


def lines(findings: Iterable[Finding]) -> Iterator[bytes]:
    """JSON lines, each with its line break."""
    for finding in findings:
        yield line(finding) + b"\n"


def array(findings: Iterable[Finding]) -> Iterator[bytes]:
    """One JSON array, streamed; `[]` where there is nothing."""
    opening = b"["
    for finding in findings:
        yield opening + b"\n" + line(finding)
        opening = b","
    yield b"[]\n" if opening == b"[" else b"\n]\n"


def read(line: bytes | str) -> Finding:
    """The finding that a JSON line holds. Raises VizslaError where it is none, orjson.JSONDecodeError where no JSON."""
    return from_record(orjson.loads(line))


def dumps(record: object) -> bytes:
    """`record` as compact JSON that a terminal may show: what cannot be seen is written as a JSON escape.

    Readers get the very characters back; but a lone surrogate, which logs hold and UTF-8 cannot, becomes `\\\\udXXX`.
    """
    try:
        text = orjson.dumps(record)
    except TypeError:
        text = orjson.dumps(_without_surrogates(record))
    if text.isascii() and b"\x7f" not in text:
        return text
    return _UNUSUAL.sub(lambda found: _escaped(found[0]) if hidden(found[0]) else found[0], text.decode()).encode()


def _escaped(char: str) -> str:
    """A JSON escape, a pair of them beyond the basic plane. Such characters stand within strings only."""
    return "".join(f"\\u{unit:04x}" for unit in memoryview(char.encode("utf-16-le")).cast("H"))


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_without_surrogates(k): _without_surrogates(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(v) for v in value]
    return value
