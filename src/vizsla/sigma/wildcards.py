"""Texts with wildcards as tests: `*` is any run of characters, `?` any one. What needs no pattern gets none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from vizsla.errors import RuleError
from vizsla.sigma.literals import of_pieces
from vizsla.sigma.regex import compiled
from vizsla.sigma.rule import Test

LONGEST = 32_768  # characters of a value


class Wildcard(Enum):
    """What stands for other characters."""

    ANY = "*"
    ONE = "?"


Piece = str | Wildcard


def test(field: str, pieces: list[Piece], *, cased: bool = False) -> Test:
    """The test that a text of these pieces comes to. Raises RuleError where it is longer than LONGEST."""
    if sum(len(piece) if isinstance(piece, str) else 1 for piece in pieces) > LONGEST:
        raise RuleError(f"a value of more than {LONGEST} characters")
    joined = list(_joined(pieces if cased else [p.lower() if isinstance(p, str) else p for p in pieces]))
    ahead = bool(joined) and joined[0] is Wildcard.ANY
    after = bool(joined) and joined[-1] is Wildcard.ANY
    if ahead and len(joined) == 1:
        return Test(field, "like", "(?s).*") if not field else Test(field, "exists", "true")
    inner = joined[ahead : len(joined) - after]
    if len(inner) > 1 or (inner and not isinstance(inner[0], str)):
        return _like(field, joined, cased)
    text = inner[0] if inner and isinstance(inner[0], str) else ""
    how = {(True, True): "contains", (True, False): "endswith", (False, True): "startswith"}.get(
        (ahead, after), "equals"
    )
    return Test(field, how, text, cased)


def keyword(pieces: list[Piece], *, cased: bool = False) -> Test:
    """The test of a text that is to stand anywhere in any field."""
    return test("", [Wildcard.ANY, *pieces, Wildcard.ANY], cased=cased)


def _like(field: str, pieces: list[Piece], cased: bool) -> Test:
    pattern = "".join(re.escape(p) if isinstance(p, str) else ".*" if p is Wildcard.ANY else "." for p in pieces)
    pattern = f"(?s){pattern}" if cased else f"(?is){pattern}"
    compiled(pattern)  # what is too large for RE2 is refused here
    return Test(field, "like", pattern, cased, of_pieces(p for p in pieces if isinstance(p, str)))


def _joined(pieces: list[Piece]) -> Iterator[Piece]:
    """Texts that follow each other made one, and a run of `*` too; empty texts left out."""
    run = ""
    last: Piece | None = None
    for piece in pieces:
        if isinstance(piece, str):
            run += piece
            continue
        if run:
            yield run
            run, last = "", None
        if not (piece is Wildcard.ANY and last is Wildcard.ANY):
            yield piece
        last = piece
    if run:
        yield run
