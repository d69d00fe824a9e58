"""Regular expressions of rules: what RE2 takes as it is, what can be said to it in other words, and what is refused.

RE2 matches in time linear in the text, whatever the pattern, and knows neither look-around nor back-references. Two
things that rules write have an equal in it: `\\Z` for the end of the text, and look-aheads at a pattern's very start
('^(?=.*a)(?!.*b)c' asks three things of the whole text: that it matches '^(?:.*a)', not '^(?:.*b)', and '^c').
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from vizsla.errors import RuleError

LONGEST = 16_384  # characters of a pattern
_MEMORY = 8 << 20  # bytes of a compiled pattern: what would need more is refused
_FLAGS = frozenset("ims")


@dataclass(frozen=True, slots=True)
class Part:
    """One pattern of those that an expression comes to; all must hold (`wanted`), or must not."""

    pattern: str
    wanted: bool = True


def parts(pattern: str, flags: str = "") -> tuple[Part, ...]:
    """The RE2 patterns that a regular expression comes to, its `flags` (of i, m, s) written before each.

    Raises RuleError where RE2 takes neither the expression nor an equal of it, and where it is too long or would need
    too much memory.
    """
    if len(pattern) > LONGEST:
        raise RuleError(f"a regular expression of {len(pattern)} characters: {LONGEST} are the most")
    if not set(flags) <= _FLAGS:
        raise RuleError(f"unknown flags of a regular expression: {flags!r}")
    before = f"(?{''.join(sorted(flags))})" if flags else ""
    spelt = _ends(pattern)
    wrong = _fault(before + spelt)
    if not wrong:
        return (Part(before + spelt),)
    split = () if "m" in flags else _ahead(spelt)
    made = tuple(Part(f"{before}^(?:{p.pattern})", p.wanted) for p in split)
    if not made or any(_fault(part.pattern) for part in made):
        raise RuleError(f"the regular expression {_short(pattern)} cannot be matched in bounded time: {wrong}")
    return made


def compiled(pattern: str) -> Any:
    """The pattern as RE2 holds it. Raises RuleError where it cannot."""
    import re2

    try:
        return re2.compile(pattern, _options())
    except (re2.error, UnicodeEncodeError) as error:
        raise RuleError(f"not a regular expression of RE2: {_said(error)}") from error


def _fault(pattern: str) -> str:
    """Why RE2 does not take it; '' where it does."""
    try:
        compiled(pattern)
    except RuleError as error:
        return error.what.removeprefix("not a regular expression of RE2: ")
    return ""


@cache
def _options() -> Any:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    return options


def _said(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)


def _short(pattern: str) -> str:
    return repr(pattern if len(pattern) <= 80 else f"{pattern[:77]}…")


def _ends(pattern: str) -> str:
    r"""`\Z` as RE2 writes it: `\z`. Other escapes stay."""
    if "\\Z" not in pattern:
        return pattern
    made, at = [], 0
    while at < len(pattern):
        if pattern[at] == "\\":
            made.append("\\z" if pattern[at + 1 : at + 2] == "Z" else pattern[at : at + 2])
            at += 2
        else:
            made.append(pattern[at])
            at += 1
    return "".join(made)


def _ahead(pattern: str) -> tuple[Part, ...]:
    """The look-aheads that stand first in an anchored pattern, and the rest; () where there are none or an `|` splits
    the whole."""
    if not pattern.startswith("^"):
        return ()
    rest, found = pattern[1:], []
    while rest.startswith(("(?=", "(?!")):
        end = _closing(rest)
        if end < 0:
            return ()
        found.append(Part(rest[3:end], rest[2] == "="))
        rest = rest[end + 1 :]
        if rest[:1] in ("*", "+", "?", "{"):  # a repeated look-ahead is another thing
            return ()
    if not found or _splits(rest):
        return ()
    return (*found, Part(rest))


def _closing(text: str) -> int:
    """Where the bracket that `text` begins with closes; -1 where it does not."""
    return next((at for at, char, depth in _structure(text) if char == ")" and depth == 0), -1)


def _splits(text: str) -> bool:
    """Whether an `|` stands outside all brackets."""
    return any(char == "|" and depth == 0 for _, char, depth in _structure(text))


def _structure(text: str) -> list[tuple[int, str, int]]:
    """Brackets and bars that are no literals: (place, character, depth after it)."""
    found: list[tuple[int, str, int]] = []
    depth, at, inside = 0, 0, False
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 2
            continue
        if inside:
            inside = char != "]"
        elif char == "[":
            inside = True
            at += text[at + 1 : at + 2] == "^"
            at += text[at + 1 : at + 2] == "]"  # a bracket that stands first is itself
        elif char in "()|":
            depth += {"(": 1, ")": -1}.get(char, 0)
            found.append((at, char, depth))
        at += 1
    return found
