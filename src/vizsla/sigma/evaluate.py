"""Rules over a batch: distinct values are searched for anchors, and rules are asked only of rows that hold one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vizsla.sigma.atoms import PAIRS, Atom, Predicate, number, pair, predicate
from vizsla.sigma.column import I64, NO, UNKNOWN, YES, Column, Texts, lower
from vizsla.sigma.program import Bound, Program, Seeker, Tree
from vizsla.sigma.reading import Reading

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a batch that a rule met."""

    rule: Bound
    rows: I64


class Evaluation:
    """Runs a program over batches, one after another; one a thread."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.reading = Reading()
        self._predicates: dict[int, Predicate] = {}
        self._searched: dict[str, Searched] = {}
        self._allowed = [[(c, frozenset(lower(list(v)))) for c, v in where] for where in program.wheres]
        self._passing: dict[int, Bools | None] = {}

    def batch(self, batch: pa.RecordBatch) -> Iterator[Found]:
        """What the rules meet in a batch."""
        self.reading.turn(batch)
        self._passing.clear()
        candidates: dict[int, list[I64]] = defaultdict(list)
        for column, seeker in self.program.seekers.items():
            found = self._anchored(column, seeker) if column else self._anchored_anywhere(seeker)
            for atom, rows in found:
                for rule in self.program.rules_of[atom]:
                    candidates[rule].append(rows)
        for place, parts in sorted(candidates.items()):
            yield from self._asked(place, parts[0] if len(parts) == 1 else np.unique(np.concatenate(parts)))
        everything = np.arange(batch.num_rows)
        for place in self.program.everywhere:
            yield from self._asked(place, everything)

    def _asked(self, place: int, rows: I64) -> Iterator[Found]:
        rule = self.program.rules[place]
        passing = self._where(rule.where)
        if passing is not None:
            rows = rows[passing[rows]]
        if len(rows):
            rows = rows[self.holds(rule.tree, rows)]
        if len(rows):
            yield Found(rule, rows)

    def _where(self, place: int) -> Bools | None:
        """Which rows pass; None for all."""
        if place not in self._passing:
            passing: Bools | None = None
            for name, values in self._allowed[place]:
                column = self.reading.column(name)
                one = column.texts.among(values)[column.codes]
                passing = one if passing is None else passing & one
            self._passing[place] = passing
        return self._passing[place]

    def holds(self, tree: Tree, rows: I64) -> Bools:
        """Whether a tree holds in each of these rows."""
        kind, of = tree
        if kind == "is":
            return self.atom(of, rows)
        if kind == "not":
            return ~self.holds(of, rows)
        # What is still open: of an `and` rows where all held so far, of an `or` those where none did.
        answer = np.full(len(rows), kind == "and")
        still = np.arange(len(rows))
        for child in of:
            held = self.holds(child, rows if len(still) == len(rows) else rows[still])
            gone = ~held if kind == "and" else held
            answer[still[gone]] = kind == "or"
            still = still[~gone]
            if not len(still):
                break
        return answer

    def atom(self, place: int, rows: I64) -> Bools:
        """Whether an atom holds in each of these rows."""
        atom = self.program.atoms[place]
        if not atom.column:
            return self._anywhere(place, rows)
        column = self.reading.column(atom.column)
        if atom.how in PAIRS:
            return self._paired(atom, column, self.reading.column(atom.values[0]), rows)
        return self._known(place, column.texts, column.codes[rows])

    def told(self, place: int, rows: I64) -> tuple[Bools, list[str], list[str | None]]:
        """Whether an atom holds in each row; and for those where it does, the column and what stands there."""
        atom = self.program.atoms[place]
        if atom.column:
            held = self.atom(place, rows)
            return held, *self.reading.native(atom.column, rows[held])
        held = np.zeros(len(rows), bool)
        names = [""] * len(rows)
        texts: list[str | None] = [None] * len(rows)
        for column in self.reading.every():
            own = np.flatnonzero(~held)
            own = own[self._held(place, column, rows[own])]
            held[own] = True
            said = column.at(rows[own]) if column.rows is None else self._entries(place, column, rows[own])
            for at, text in zip(own.tolist(), said, strict=True):
                names[at], texts[at] = column.name, text
        return (
            held,
            [n for n, h in zip(names, held, strict=True) if h],
            [t for t, h in zip(texts, held, strict=True) if h],
        )

    def _entries(self, place: int, column: Column, rows: I64) -> list[str | None]:
        """By row, the first entry of a map that meets an atom."""
        assert column.rows is not None
        entries = np.flatnonzero(np.isin(column.rows, rows))
        entries = entries[self._known(place, column.texts, column.codes[entries])]
        first = dict(zip(column.rows[entries][::-1].tolist(), column.at(entries)[::-1], strict=True))
        return [first.get(row) for row in rows.tolist()]

    def _anywhere(self, place: int, rows: I64) -> Bools:
        """Of an atom that asks any column."""
        answer = np.zeros(len(rows), bool)
        still = np.arange(len(rows))
        for column in self.reading.every():
            if not len(column.texts.raw):
                continue
            held = self._held(place, column, rows[still])
            answer[still[held]] = True
            still = still[~held]
            if not len(still):
                break
        return answer

    def _held(self, place: int, column: Column, rows: I64) -> Bools:
        """Whether a column (of a map: any entry) meets an atom."""
        if column.rows is None:
            return self._known(place, column.texts, column.codes[rows])
        wanted = np.zeros(self.reading.rows, bool)
        wanted[rows] = True
        entries = np.flatnonzero(wanted[column.rows])
        met = np.zeros(self.reading.rows, bool)
        met[column.rows[entries[self._known(place, column.texts, column.codes[entries])]]] = True
        return met[rows]

    def _known(self, place: int, texts: Texts, codes: npt.NDArray[np.int32]) -> Bools:
        """What values say to an atom, by place + 1; those that were not asked before are asked now, each once."""
        if not len(texts.raw):
            return np.full(len(codes), self.program.atoms[place].of_absent)
        known = texts.verdict(place)
        got = known[codes]
        unknown = got == UNKNOWN
        if unknown.any():
            atom = self.program.atoms[place]
            known[0] = YES if atom.of_absent else NO
            asked = np.unique(codes[unknown]).astype(np.int64) - 1
            asked = asked[1:] if len(asked) and asked[0] < 0 else asked
            if len(asked):
                known[asked + 1] = np.where(texts.ask(asked, self._predicate(place), atom.raw), YES, NO)
            got = known[codes]
        held: Bools = got == YES
        return held

    def _predicate(self, place: int) -> Predicate:
        found = self._predicates.get(place)
        if found is None:
            found = self._predicates[place] = predicate(self.program.atoms[place])
        return found

    def _paired(self, atom: Atom, one: Column, other: Column, rows: I64) -> Bools:
        """Of an atom that compares two columns: asked once of each pair of values."""
        width = len(other.texts.raw) + 1
        codes = one.codes[rows].astype(np.int64) * width + other.codes[rows]
        _, first, back = np.unique(codes, return_index=True, return_inverse=True)
        stand = pair(atom.how)
        texts = [one.at(rows[first]), other.at(rows[first])]
        if not atom.cased:
            texts = [[None if t is None else low for t, low in zip(side, lower([t or "" for t in side]), strict=True)]
                     for side in texts]  # fmt: skip
        held = np.array(
            [a is not None and b is not None and stand(a, b) for a, b in zip(*texts, strict=True)], dtype=bool
        )
        answer: Bools = held[back]
        return answer

    def _anchored(self, name: str, seeker: Seeker) -> Iterator[tuple[int, I64]]:
        """The anchors that a column's values hold, and their rows in the batch."""
        column = self.reading.column(name)
        found = self._searched_in(name, column.texts, seeker)
        if not found.atoms:
            return
        rows = np.flatnonzero(found.any[column.codes])
        codes = column.codes[rows]
        for atom, held in found.atoms:
            own = rows[held[codes]]
            if len(own):
                yield atom, own

    def _anchored_anywhere(self, seeker: Seeker) -> Iterator[tuple[int, I64]]:
        """The same of anchors that may stand in any column: the values of all are searched in one go."""
        texts, columns = self.reading.whole()
        found = self._searched_in("", texts, seeker)
        for atom, held in found.atoms:
            for column, begin in columns:
                own = held[begin : begin + len(column.texts.raw) + 1]  # its first, of another column, is of null here
                if own[1:].any():
                    rows = np.flatnonzero(own[column.codes] & (column.codes > 0))
                    if len(rows):
                        yield atom, rows if column.rows is None else np.unique(column.rows[rows])

    def _searched_in(self, name: str, texts: Texts, seeker: Seeker) -> Searched:
        known = self._searched.get(name)
        if known is None or known.texts is not texts:
            known = self._searched[name] = self._search(texts, seeker)
        return known

    def _search(self, texts: Texts, seeker: Seeker) -> Searched:
        """Search values for anchors; what is settled by that is remembered."""
        places: dict[int, list[I64]] = defaultdict(list)
        if seeker.automaton is not None and len(texts.raw):
            patterns, values = seeker.automaton.find(texts.laid(seeker.automaton.edges))
            values = texts.owners(values)
            ends = np.searchsorted(patterns, np.arange(seeker.automaton.size + 1))
            for pattern in np.unique(patterns).tolist():
                for atom in seeker.atoms[pattern]:
                    places[atom].append(values[ends[pattern] : ends[pattern + 1]])
        if seeker.numbers:
            self._numbers(texts, seeker.numbers, places)
        found = []
        anywhere = np.zeros(len(texts.raw) + 1, bool)
        for atom, parts in sorted(places.items()):
            held = np.zeros(len(texts.raw) + 1, bool)
            for part in parts:
                held[part + 1] = True
            if self.program.atoms[atom].settled:
                texts.verdict(atom)[:] = np.where(held, YES, NO)
            else:
                asked = np.flatnonzero(held).astype(np.int32)
                held[asked] = self._known(atom, texts, asked)
            if held.any():
                anywhere |= held
                found.append((atom, held))
        return Searched(texts, anywhere, found)

    def _numbers(self, texts: Texts, atoms: tuple[int, ...], places: dict[int, list[I64]]) -> None:
        """Where values are, or may be, the numbers that atoms ask for; whoever looks on asks again."""
        wanted: dict[object, list[int]] = defaultdict(list)
        for atom in atoms:
            for value in self.program.atoms[atom].values:
                wanted[value.lower()].append(atom)
                if (known := number(value)) is not None:
                    wanted[known].append(atom)
        at: dict[int, list[int]] = defaultdict(list)
        for place, text in enumerate(texts.lower.to_pylist()):
            for key in (text, number(text)):
                for atom in wanted.get(key, ()) if key is not None else ():
                    at[atom].append(place)
        for atom, found in at.items():
            places[atom].append(texts.owners(np.array(found, np.int64)))


@dataclass(frozen=True, slots=True)
class Searched:
    """What anchors a column's values hold: each with a truth by place + 1."""

    texts: Texts
    any: Bools
    atoms: list[tuple[int, Bools]]
