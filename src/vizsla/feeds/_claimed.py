"""Rows of a table as claims, column by column: each distinct date, tag or type is read once, values by kernels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from vizsla.feed import Claims
from vizsla.feeds._cells import Value, values_of
from vizsla.feeds._rows import NOTHING, Columns, Role, confidence_of, said_type, time_of
from vizsla.feeds._said import CONTEXT, names, techniques, tlp
from vizsla.nouns.indicator import Mention, Refused

AT_ONCE = 8_192  # rows
REFUSALS = 1_000  # that are told one by one; the others are counted
Rows = list[tuple[int, list[str]]]
Asked = tuple[int, int, str, str, str]  # row, its column among those of values, type, text, the cell
T = TypeVar("T")


def told(
    rows: Iterable[tuple[int, list[str]] | Refused], columns: Columns, document: str, feed: str
) -> Iterator[Claims | Mention | Refused]:
    """What rows (each with its line's number) claim; cells of a value's column that are none come as Refused."""
    refused = 0
    for part in _parts(rows):
        if isinstance(part, Refused):
            yield part
            continue
        claims, unusable = _Part(part, columns, document).told(feed)
        yield from unusable[: max(0, REFUSALS - refused)]
        refused += len(unusable)
        if len(claims):
            yield claims
    if refused > REFUSALS:
        yield Refused(document, f"{refused - REFUSALS} more cells are no indicators")


def _parts(rows: Iterable[tuple[int, list[str]] | Refused]) -> Iterator[Rows | Refused]:
    part: Rows = []
    for row in rows:
        if isinstance(row, Refused):
            yield row
            continue
        part.append(row)
        if len(part) >= AT_ONCE:
            yield part
            part = []
    if part:
        yield part


class _Part:
    """Some rows."""

    def __init__(self, rows: Rows, columns: Columns, document: str) -> None:
        self.numbers = [number for number, _ in rows]
        self.rows = [row for _, row in rows]
        self.columns, self.document = columns, document
        self._roles: dict[Role, list[int]] = defaultdict(list)
        for at, role in columns.roles.items():
            self._roles[role].append(at)

    def told(self, feed: str) -> tuple[Claims, list[Refused]]:
        """The claims, and the cells that are no indicators."""
        asked = self._asked()
        found = _found(asked)
        places = [f"{self.document}, line {number}" for number in self.numbers]
        unusable = [
            Refused(places[row], _reason(cell, type))
            for (row, _, type, _, cell), value in zip(asked, found, strict=True)
            if value is None
        ]
        good = [(one[0], one[3], value) for one, value in zip(asked, found, strict=True) if value is not None]
        rows = [row for row, _, _ in good]
        said = {name: [values[row] for row in rows] for name, values in self._said().items()} if rows else {}
        own: dict[str, Sequence[Any]] = {
            "type": [value[0] for _, _, value in good],
            "value": [value[1] for _, _, value in good],
            "raw": [text for _, text, _ in good],
            "source": [places[row] for row in rows],
        }
        return Claims(feed, {**own, **said}), unusable

    def _asked(self) -> list[Asked]:
        """The texts that may be indicators, row by row."""
        asked: list[Asked] = []
        types = self._cells(self.columns.type_column)
        for order, (at, named) in enumerate(self.columns.values):
            for row, cell in enumerate(self._cells(at)):
                if cell.lower() in NOTHING:
                    continue
                if types is None:
                    asked.append((row, order, named, cell, cell))
                    continue
                for type, text in _typed(types[row], cell):
                    if type != "skip":
                        asked.append((row, order, type, text, cell))
        if len(self.columns.values) > 1:
            asked.sort(key=lambda one: one[:2])
        return asked

    def _cells(self, at: int | None) -> list[str] | Any:
        if at is None:
            return None
        return [row[at].strip() if at < len(row) else "" for row in self.rows]

    def _texts(self, role: Role) -> list[list[str]]:
        """The columns of a role, '' for what says nothing."""
        return [["" if cell.lower() in NOTHING else cell for cell in self._cells(at)] for at in self._roles[role]]

    def _first(self, role: Role, read: Callable[[str], T]) -> list[T]:
        """Of each row what the first cell of a role says that says anything."""
        found = self._texts(role)
        if not found:
            return [read("")] * len(self.rows)
        firsts = found[0] if len(found) == 1 else [next(filter(None, cells), "") for cells in zip(*found, strict=True)]
        known = {text: read(text) for text in set(firsts)}
        return [known[text] for text in firsts]

    def _all(self, role: Role, read: Callable[[tuple[str, ...]], T]) -> list[T]:
        """Of each row what the cells of a role say together."""
        found = self._texts(role)
        if not found:
            return [read(())] * len(self.rows)
        texts = [tuple(filter(None, cells)) for cells in zip(*found, strict=True)]
        known = {cells: read(cells) for cells in set(texts)}
        return [known[cells] for cells in texts]

    def _said(self) -> dict[str, Sequence[Any]]:
        """What each row says of all its indicators, by the fields of `Claim`."""
        date = self._first("date", time_of)
        first_seen = self._first("first_seen", time_of)
        from_ = self._first("valid_from", time_of)
        return {
            "context": self._context(),
            "confidence": self._first("confidence", confidence_of),
            "tlp": self._first("tlp", tlp),
            "valid_from": [_one(*times) for times in zip(from_, date, first_seen, strict=True)],
            "valid_until": self._first("valid_until", time_of),
            "first_seen": first_seen,
            "last_seen": self._first("last_seen", time_of),
            "created": date,
            "to_ids": self._first("to_ids", lambda text: text.lower() not in ("0", "false", "no")),
            "kill_chain": self._all("kill_chain", names),
            "techniques": self._all("technique", lambda cells: names(techniques(" ".join(cells)))),
            "malware": self._all("malware", names),
            "actors": self._all("actor", names),
            "tags": self._all("tags", _tags),
        }

    def _context(self) -> list[str]:
        """The comment of each row; where it has none, what stands in the columns that say nothing else."""
        told = self._all("context", "; ".join)
        values = {at for at, _ in self.columns.values}
        named = self.columns.names
        beside = [
            (at, f"{named[at]}: " if at < len(named) and named[at] else "")
            for at in range(max(map(len, self.rows), default=0))
            if (at not in values or len(values) > 1) and at not in self.columns.roles
        ]
        return [
            text[:CONTEXT] if text else "; ".join(_beside(row, beside))[:CONTEXT]
            for text, row in zip(told, self.rows, strict=True)
        ]


def _beside(row: list[str], beside: list[tuple[int, str]]) -> Iterator[str]:
    for at, name in beside:
        cell = row[at].strip() if at < len(row) else ""
        if cell and cell.lower() not in NOTHING:
            yield name + cell


def _one(*times: datetime | None) -> datetime | None:
    return next(filter(None, times), None)


def _tags(cells: tuple[str, ...]) -> tuple[str, ...]:
    return names(tag.strip() for text in cells for tag in text.replace(";", ",").split(","))


def _found(asked: Sequence[Asked]) -> list[Value | None]:
    """What is asked, by type and all at once."""
    found: list[Value | None] = [None] * len(asked)
    by_type: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(asked):
        if one[2] != "!":
            by_type[one[2]].append(place)
    for type, places in by_type.items():
        for place, value in zip(places, values_of([asked[place][3] for place in places], type), strict=True):
            found[place] = value
    return found


def _reason(cell: str, type: str) -> str:
    shown = cell if len(cell) < 120 else cell[:120] + "…"
    if type == "!":
        return f"{shown!r} is of no type that can be matched"
    return f"{shown!r} is no indicator" + (f" ({type.replace('_', ' ')})" if type else "")


@lru_cache(maxsize=4096)
def _kinds(said: str) -> tuple[tuple[str, ...], bool]:
    """The types that a type's cell names, and whether they are of so many values."""
    if "|" in said:
        return tuple(
            "skip" if kind in ("port", "value", "size-in-bytes") else said_type(kind) or "!" for kind in said.split("|")
        ), True
    known = said_type(said)
    if "|" in known:
        return tuple(known.split("|")), True
    return ("" if known == "?" else known if known or not said else "!",), False


def _typed(said: str, cell: str) -> Iterable[tuple[str, str]]:
    """A cell's values with their types: two where the type is of two ('domain|ip'). '!': a type that is none."""
    kinds, several = _kinds(said.lower())
    return zip(kinds, cell.split("|"), strict=False) if several else ((kinds[0], cell),)
