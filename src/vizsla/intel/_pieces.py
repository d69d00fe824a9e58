"""A piece of text while it is looked through: what was found in it, and what of it is taken."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from vizsla.intel import _patterns as p
from vizsla.intel._defused import is_defused, plain
from vizsla.intel.normal import normal
from vizsla.nouns.indicator import IndicatorType

TAKEN = "\ue00f"


@dataclass(frozen=True, slots=True)
class Hit:
    """An indicator in a piece of text: where it begins, and whether it was written to be followed, not hunted."""

    type: IndicatorType
    value: str
    raw: str
    at: int
    reference: bool = False


@dataclass(slots=True)
class Pieces:
    """The text under work. words: the sentence and its heading. live_is_told: live names are told of, not hunted."""

    text: str
    label: str
    words: str
    kind: str
    live_is_told: bool
    published: bool
    bystander: bool
    hits: list[Hit] = field(default_factory=list)

    def take(self, type: IndicatorType, raw: str, at: int, *, reference: bool = False) -> bool:
        """Keeps it where it has a normal form."""
        try:
            value = normal(type, plain(raw))
        except ValueError:
            return False
        self.hits.append(Hit(type, value, plain(raw), at, reference))
        return True

    def told(self, marked: str, at: int) -> bool:
        """Whether a name of the net is a reference: live in prose that defuses the others, or a link to reading."""
        if p.INNOCENT.search(self.text[max(0, at - 40) : at]):
            return True
        return not is_defused(marked) and (self.live_is_told or self.published or self.bystander)

    def run(self, pattern: re.Pattern[str], handle: Callable[[re.Match[str]], int | None]) -> None:
        """Each match: `handle` gives how many of its characters it took, None for none."""

        def replaced(found: re.Match[str]) -> str:
            took = handle(found)
            return found[0] if not took else TAKEN * took + found[0][took:]

        self.text = pattern.sub(replaced, self.text)


def run_long(s: Pieces, pattern: re.Pattern[str], handle: Callable[[re.Match[str]], int | None]) -> None:
    """As `run`, where what is taken may be longer than the match."""
    parts, done = [], 0
    for found in pattern.finditer(s.text):
        if found.start() < done:
            continue
        took = handle(found)
        if took:
            parts += [s.text[done : found.start()], TAKEN * took]
            done = found.start() + took
    if parts:
        s.text = "".join([*parts, s.text[done:]])
