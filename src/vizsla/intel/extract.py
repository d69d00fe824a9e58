"""Indicators out of prose: refanged, told from file names and code, each with the sentence it stood in.

Linear in the text however hostile it is, and in bounded memory: a text comes in pieces of any size, is cut into
sentences, items, rows and lines of code (`_units`), and each is looked through once for each kind of indicator
(`_passes`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from vizsla.intel._defused import defused, is_defused
from vizsla.intel._passes import look
from vizsla.intel._units import Unit, lines_of, units
from vizsla.nouns.indicator import IndicatorType

REMEMBERED = 500_000  # indicators of a text that are told once; of more, some are told again
AHEAD = 2_000  # units by which it is known whether a text defuses its indicators


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


class Marked:
    """What is known of a text while it is read: whether it defuses its indicators, and which it has told already."""

    def __init__(self) -> None:
        self._defused = 0
        self._seen: dict[tuple[str, str], bool] = {}

    @property
    def defuses(self) -> bool:
        """Whether it writes indicators so that nobody follows them: then live names in prose are only told of."""
        return self._defused >= 2

    def see(self, unit: Unit) -> None:
        """Looks ahead at a unit."""
        if not self.defuses and is_defused(defused(unit.text[:4096])):
            self._defused += 1

    def fresh(self, found: Iterable[Found]) -> Iterator[Found]:
        """Those not told before; again where one was only told of and is now meant."""
        for one in found:
            key = one.type, one.value
            known = self._seen.get(key)
            if known is False or (known is True and one.reference):
                continue
            if len(self._seen) >= REMEMBERED:
                for old in list(islice(self._seen, REMEMBERED // 2)):
                    del self._seen[old]
            self._seen[key] = one.reference
            yield one


def extract(text: str | Iterable[str]) -> Iterator[Found]:
    """The indicators of a text, or of its pieces, in order, each value once (twice where first told, then meant)."""
    parts = units(lines_of((text,) if isinstance(text, str) else text))
    ahead = list(islice(parts, AHEAD))
    marked = Marked()
    for unit in ahead:
        marked.see(unit)
    for unit in chain(ahead, parts):
        yield from marked.fresh(in_unit(unit, defuses=marked.defuses))


def in_unit(unit: Unit, *, defuses: bool = False) -> Iterator[Found]:
    """The indicators of one unit."""
    for label, text in unit.cells:
        for hit in look(text, label, unit.heading, unit.kind, document_defuses=defuses):
            yield Found(hit.type, hit.value, hit.raw, unit.around(hit.at), unit.place, unit.heading, hit.reference)
