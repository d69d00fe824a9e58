"""Texts of which one must stand in whatever a pattern matches: what lets a search look at few values only.

They are in lower case, ASCII alone, and are to be sought in the text in lower case: engines agree on no other case.
(RE2's `(?i)s` also takes U+017F, the long s, whose lower case is itself: the one letter for which a text that matches
may hold none of them.)
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from re import _constants as c  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

SHORTEST = 2  # characters: what is shorter stands everywhere
MOST = 64  # texts that one pattern may ask for
_LONGEST = 64  # characters that are kept of one
_ODD = ("[:", "{,", "(?x", "\\Q", "\\C", "\\p", "\\P")  # what Python reads otherwise than RE2, or not at all


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of what a part of a pattern matches.

    exact: every text that it can match, in lower case; None where they are many or unknown.
    needed: texts of which one stands in every match; () where none is sure.
    """

    exact: frozenset[str] | None
    needed: tuple[str, ...] = ()


_ANYTHING = _Known(None)
_NOTHING = _Known(frozenset(("",)))


def of_pieces(pieces: Iterable[str]) -> tuple[str, ...]:
    """The longest of the texts that all stand in what is matched, as literals; () where all are too short."""
    runs = [run for piece in pieces for run in _ascii_runs(piece.lower())]
    best = max(runs, key=len, default="")[:_LONGEST]
    return (best,) if len(best) >= SHORTEST else ()


def of_regex(pattern: str) -> tuple[str, ...]:
    """The literals of an RE2 pattern that is sought anywhere in a text; () where none is sure."""
    if any(odd in pattern for odd in _ODD):
        return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            tree = parser.parse(pattern)
        known = _sequence(tree)
    except (re_error, ValueError, OverflowError, RecursionError, Warning):
        return ()  # what Python cannot read gives no literals; it is matched all the same
    return _best([known.needed, _texts(known.exact)])


re_error = parser.error


def _sequence(tree: Iterable[tuple[Any, Any]]) -> _Known:
    """Parts one after another: their texts are joined as long as they are few."""
    run: frozenset[str] | None = frozenset(("",))
    whole, candidates = True, []
    for operator, argument in tree:
        part = _part(operator, argument)
        joined = None if run is None or part.exact is None else _joined(run, part.exact)
        if joined is not None:
            run = joined
            continue
        whole = False
        candidates += [_texts(run), part.needed]
        run = part.exact if part.exact is not None else frozenset(("",))
    candidates.append(_texts(run))
    return _Known(run if whole else None, _best(candidates))


def _part(operator: Any, argument: Any) -> _Known:
    """What is known of one part of a pattern."""
    if operator is c.LITERAL:
        return _Known(frozenset((chr(argument).lower(),))) if argument < 128 else _ANYTHING
    if operator is c.IN:
        return _Known(_members(argument))
    if operator is c.AT:
        return _NOTHING
    if operator is c.SUBPATTERN:
        return _sequence(argument[3])
    if operator is c.BRANCH:
        return _branches([_sequence(branch) for branch in argument[1]])
    if operator in (c.MAX_REPEAT, c.MIN_REPEAT):
        return _repeated(*argument)
    return _ANYTHING


def _members(items: Sequence[tuple[Any, Any]]) -> frozenset[str] | None:
    """The characters of a small class, in lower case; None for others."""
    found: set[str] = set()
    for operator, argument in items:
        if operator is c.LITERAL:
            low = high = argument
        elif operator is c.RANGE:
            low, high = argument
        else:
            return None
        if high > 127 or high - low > 16:
            return None
        found.update(chr(code).lower() for code in range(low, high + 1))
    return frozenset(found) if len(found) <= 8 else None


def _branches(of: list[_Known]) -> _Known:
    """One of several: their texts together, where each is known."""
    exact: set[str] | None = set()
    needed: set[str] | None = set()
    for known in of:
        each = _best([known.needed, _texts(known.exact)])
        needed = _few(needed, each or None)
        exact = _few(exact, known.exact)
    return _Known(None if exact is None else frozenset(exact), tuple(sorted(needed or ())))


def _few(found: set[str] | None, more: Iterable[str] | None) -> set[str] | None:
    """Both together; None where either is, or where they are too many."""
    if found is None or more is None:
        return None
    found.update(more)
    return found if len(found) <= MOST else None


def _repeated(least: int, most: int, tree: Iterable[tuple[Any, Any]]) -> _Known:
    inner = _sequence(tree)
    if least == 0:
        if most == 1 and inner.exact is not None:
            return _Known(inner.exact | {""})
        return _ANYTHING
    needed = _best([inner.needed, _texts(inner.exact)])
    if least == most and inner.exact is not None:
        exact: frozenset[str] | None = frozenset(("",))
        for _ in range(min(least, _LONGEST)):
            exact = None if exact is None else _joined(exact, inner.exact)
        if exact is not None and least <= _LONGEST:
            return _Known(exact, needed)
    return _Known(None, needed)


def _joined(first: frozenset[str], then: frozenset[str]) -> frozenset[str] | None:
    if len(first) * len(then) > MOST:
        return None
    made = frozenset(a + b for a in first for b in then)
    return made if all(len(text) <= _LONGEST for text in made) else None


def _texts(exact: frozenset[str] | None) -> tuple[str, ...]:
    """Literals out of all texts that a part can match."""
    return tuple(sorted(exact)) if exact else ()


def _best(candidates: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The set whose shortest text is longest, the smaller of two alike; () where all are too short."""
    fit = [
        kept
        for texts in candidates
        if texts and len(kept := _minimal(texts)) <= MOST and min(map(len, kept)) >= SHORTEST
    ]
    return max(fit, key=lambda texts: (min(map(len, texts)), -len(texts)), default=())


def _minimal(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Without texts that hold another of them: where they stand, so does the other."""
    return tuple(a for a in texts if not any(b != a and b in a for b in texts))


def _ascii_runs(text: str) -> list[str]:
    runs: list[str] = []
    run = ""
    for char in text:
        if char.isascii():
            run += char
        else:
            runs, run = [*runs, run], ""
    return [*runs, run]
