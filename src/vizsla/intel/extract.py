"""Indicators out of prose: refanged, told from file names and code, each with the sentence it stood in.

Linear in the text however hostile it is, and in bounded memory: a text comes in pieces of any size, is cut into
sentences, items, rows and lines of code (`_units`), and each is looked through once for each kind of indicator
(`_passes`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from vizsla.intel._defused import defused, is_defused
from vizsla.intel._passes import look
from vizsla.intel._units import Unit, lines_of, units
from vizsla.nouns.indicator import IndicatorType

REMEMBERED = 500_000  # indicators of a text that are told once; of more, some are told again
HEAD = 1 << 20  # characters by which it is known whether a text defuses its indicators
_NETWORK = re.compile(r"[\w\]]\.[a-z]|\[\.|hxx|\[:", re.I)


@dataclass(frozen=True, slots=True)
class Found:
    """An indicator in a text.

    value: its normal form (`intel.normal`). raw: as it stood there, refanged. context: the sentence, item or row, as
    it is written. reference: it is told of rather than hunted: a link to a blog, a vendor's page or a system's own
    file. Nothing that is a reference should be matched.
    """

    type: IndicatorType
    value: str
    raw: str
    context: str
    place: str = ""
    heading: str = ""
    reference: bool = False


def extract(text: str | Iterable[str]) -> Iterator[Found]:
    """The indicators of a text, or of its pieces, in order, each value once (twice where first told, then meant)."""
    pieces = iter((text,) if isinstance(text, str) else text)
    head: list[str] = []
    size = 0
    for piece in pieces:
        head.append(piece)
        size += len(piece)
        if size >= HEAD:
            break
    return in_units(units(lines_of(chain(head, pieces))), defuses=defuses(head))


def in_units(of: Iterable[Unit], *, defuses: bool = False) -> Iterator[Found]:
    """The indicators of units. defuses: the text defuses what it means, so that live names in prose are told of."""
    seen: dict[tuple[str, str], bool] = {}
    for unit in of:
        for found in in_unit(unit, defuses=defuses):
            key = found.type, found.value
            known = seen.get(key)
            if known is False or (known is True and found.reference):
                continue
            if len(seen) >= REMEMBERED:
                for old in list(islice(seen, REMEMBERED // 2)):
                    del seen[old]
            seen[key] = found.reference
            yield found


def in_unit(unit: Unit, *, defuses: bool = False) -> Iterator[Found]:
    """The indicators of one unit."""
    for label, text in unit.cells:
        words = f"{unit.heading} {label} {text[:2000]}"
        for hit in look(text, label, words, unit.kind, document_defuses=defuses):
            yield Found(hit.type, hit.value, hit.raw, unit.context, unit.place, unit.heading, hit.reference)


def defuses(pieces: Iterable[str]) -> bool:
    """Whether a text writes indicators so that nobody follows them: at least two are defused."""
    count = 0
    left = HEAD
    for piece in pieces:
        for line in piece[:left].split("\n"):
            if is_defused(defused(line[:4096])):
                count += 1
                if count >= 2:
                    return True
        left -= len(piece)
        if left <= 0:
            break
    return False
