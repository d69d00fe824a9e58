"""What a table's rules come to: atoms, trees over them, and for each rule what must be found before it is looked at.

A rule's *anchors* are atoms one of which holds wherever the rule does: of what stands in an `and` any one will do, the
one least likely to be met; of an `or` all are needed; a `not` gives none.
"""

from __future__ import annotations

import math
import threading
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import ahocorasick_rs
import orjson

from vizsla.sigma.atoms import JOINED, LITERAL, ORDER, PAIRS, PATTERNS, Atom
from vizsla.sigma.automaton import Automaton, pattern
from vizsla.sigma.column import lower

Tree = tuple[Any, ...]  # ('is', atom) ('and', (tree, …)) ('or', (tree, …)) ('not', tree)
Where = tuple[tuple[str, tuple[str, ...]], ...]
Sought = tuple[tuple[str, str], ...]  # (how, text in lower case)
TRUE: Tree = ("and", ())
FALSE: Tree = ("or", ())
FORMAT = 1
_MAKING = threading.Lock()
_DEAR = 1e6  # of an anchor that is met everywhere
_BY_LENGTH = (_DEAR, 400.0, 150.0, 60.0, 30.0, 18.0, 12.0, 8.0, 6.0)  # how often a literal is met, by its length
_USUAL = frozenset((
    "\\powershell.exe", "\\cmd.exe", "\\svchost.exe", "\\rundll32.exe", "powershell.exe", "cmd.exe", "powershell",
    "c:\\windows\\", "\\windows\\", "c:\\windows\\system32\\", "\\system32\\", "\\syswow64\\", "\\users\\",
    "c:\\users\\", "\\appdata\\", "\\appdata\\local\\", "\\services\\", "\\software\\", "\\microsoft\\",
    "c:\\program files\\", "system", "c:\\program files (x86)\\", "\\services.exe", "\\explorer.exe", "\\lsass.exe",
    "\\currentversion\\", "windows", "\\currentcontrolset\\", "microsoft", "c:\\", "http", "https", "://", ".exe",
    ".dll", "true", "false", "tcp", "udp",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Bound:
    """A rule as it is looked for: its columns are expressions over native ones."""

    by: str
    where: int  # in Program.wheres
    tree: Tree  # children in the order in which they are best asked
    positive: tuple[int, ...]  # atoms outside of any `not`, in the rule's own order
    anchors: tuple[int, ...] | None  # None: every row must be looked at
    keys: tuple[tuple[str, str], ...] = ()  # field of a correlation, expression


@dataclass(frozen=True, slots=True)
class Seeker:
    """What is sought in one column: an automaton, and the atoms of each of its patterns."""

    automaton: Automaton | None
    atoms: tuple[tuple[int, ...], ...]
    numbers: tuple[int, ...] = ()  # atoms that are asked of every value


@dataclass(frozen=True, slots=True)
class Program:
    """All rules of a table, ready to run; never changed once it is made, so that threads share it."""

    atoms: tuple[Atom, ...]
    rules: tuple[Bound, ...]
    wheres: tuple[Where, ...]
    seekers: dict[str, Seeker]  # by column; '' of atoms that ask any column
    rules_of: dict[int, tuple[int, ...]]  # by anchor
    everywhere: tuple[int, ...]  # rules without anchors


def pack(rules: Sequence[tuple[str, Where, Tree, tuple[tuple[str, str], ...]]], atoms: Sequence[Atom]) -> bytes:
    """Rules (id, where, tree, keys) over atoms, as bytes to be shipped."""
    body = {
        "format": FORMAT,
        "atoms": [[a.column, a.how, a.values, a.cased, a.literals, a.than] for a in atoms],
        "rules": rules,
    }
    return zlib.compress(orjson.dumps(body), 1)


def program(packed: bytes) -> Program:
    """The program of what `pack` made; made once in a process, whichever thread comes first."""
    with _MAKING:
        return _made(packed)


@lru_cache(maxsize=16)
def _made(packed: bytes) -> Program:
    body = orjson.loads(zlib.decompress(packed))
    atoms = tuple(Atom(c, h, tuple(v), cased, tuple(lits), than) for c, h, v, cased, lits, than in body["atoms"])
    wheres: dict[Where, int] = {}
    used = Counter(atom for _, _, tree, _ in body["rules"] for atom in set(_atoms(tree)))
    sought = _sought(atoms)
    costs = [_cost(atom, sought[number], used[number]) for number, atom in enumerate(atoms)]
    rules = []
    for by, where, tree, keys in body["rules"]:
        place = wheres.setdefault(tuple((c, tuple(v)) for c, v in where), len(wheres))
        anchors = _anchors(tree, costs)
        ordered, _ = _ordered(tree, atoms, costs, frozenset(anchors[1] if anchors else ()))
        rules.append(
            Bound(
                by=by,
                where=place,
                tree=ordered,
                positive=tuple(dict.fromkeys(_positive(tree))),
                anchors=None if anchors is None else tuple(sorted(anchors[1])),
                keys=tuple((name, expression) for name, expression in keys),
            )
        )
    return _program(atoms, sought, tuple(rules), tuple(wheres))


def _program(
    atoms: tuple[Atom, ...], sought: list[Sought], rules: tuple[Bound, ...], wheres: tuple[Where, ...]
) -> Program:
    rules_of: dict[int, list[int]] = defaultdict(list)
    for number, rule in enumerate(rules):
        for atom in rule.anchors or ():
            rules_of[atom].append(number)
    return Program(
        atoms=atoms,
        rules=rules,
        wheres=wheres,
        seekers=_seekers(atoms, sought, sorted(rules_of)),
        rules_of={atom: tuple(numbers) for atom, numbers in rules_of.items()},
        everywhere=tuple(n for n, rule in enumerate(rules) if rule.anchors is None),
    )


def _seekers(atoms: Sequence[Atom], sought: Sequence[Sought], anchors: Iterable[int]) -> dict[str, Seeker]:
    patterns: dict[str, dict[bytes, list[int]]] = defaultdict(lambda: defaultdict(list))
    numbers: dict[str, list[int]] = defaultdict(list)
    for number in anchors:
        atom = atoms[number]
        if atom.how == "number":
            numbers[atom.column].append(number)
        for how, text in sought[number]:
            patterns[atom.column][pattern(how, text)].append(number)
    found = {}
    for column in {*patterns, *numbers}:
        own = patterns.get(column, {})
        search = Automaton(list(own)) if own else None
        found[column] = Seeker(search, tuple(tuple(of) for of in own.values()), tuple(numbers.get(column, ())))
    return found


def _sought(atoms: Sequence[Atom]) -> list[Sought]:
    """What each atom seeks, in lower case: all at once, since each by itself takes long."""
    texts = lower([text for atom in atoms for text in atom.seeks[1]])
    found, at = [], 0
    for atom in atoms:
        how, own = atom.seeks
        each = list(dict.fromkeys(texts[at : at + len(own)]))
        found.append(tuple((how, text) for text in (_shortest(each) if how == "contains" else each)))
        at += len(own)
    return found


def _shortest(texts: list[str]) -> list[str]:
    """Those texts that hold none of the others: wherever one of all stands, one of these does."""
    if len(texts) < 2:
        return texts
    holds = ahocorasick_rs.AhoCorasick(texts).find_matches_as_indexes
    # Another text that stands in one stands in it without its first or without its last character.
    return [text for text in texts if not (holds(text[1:]) or holds(text[:-1]))]


def _cost(atom: Atom, sought: Sought, rules: int) -> float:
    """How often an atom is likely to be met, as far as that can be guessed; infinite for one that is no anchor."""
    if atom.how == "number":
        return 200.0 * math.sqrt(rules)
    texts = [text for _, text in sought]
    if not texts:
        return float("inf")
    each = [_BY_LENGTH[min(len(text), len(_BY_LENGTH) - 1)] * (40 if text in _USUAL else 1) for text in texts]
    if atom.how == "equals":
        each = [cost / 4 for cost in each]
    # What many rules ask is no rare thing.
    return (max(each) + 0.1 * sum(each)) * math.pow(rules, 0.7)


def _anchors(tree: Tree, costs: Sequence[float]) -> tuple[float, frozenset[int]] | None:
    kind, of = tree
    if kind == "is":
        return None if costs[of] == float("inf") else (costs[of], frozenset((of,)))
    if kind == "not":
        return None
    inner = [_anchors(child, costs) for child in of]
    if kind == "and":
        return min((one for one in inner if one is not None), default=None, key=lambda one: one[0])
    found = [one for one in inner if one is not None]
    if len(found) < len(inner):
        return None
    return sum(one[0] for one in found), frozenset().union(*(one[1] for one in found))


def _atoms(tree: Tree) -> Iterable[int]:
    kind, of = tree
    if kind == "is":
        yield of
    else:
        for child in (of,) if kind == "not" else of:
            yield from _atoms(child)


def _positive(tree: Tree) -> Iterable[int]:
    kind, of = tree
    if kind == "is":
        yield of
    elif kind != "not":
        for child in of:
            yield from _positive(child)


def _effort(atom: Atom) -> float:
    """What asking an atom costs, roughly."""
    if not atom.column:
        return 1000.0
    if atom.how in PAIRS:
        return 50.0
    if atom.how in PATTERNS:
        return 30.0 + len(atom.values)
    if atom.how == "contains":
        return 3.0 + len(atom.values) / 4
    return 2.0 if atom.how in JOINED or atom.how in LITERAL or atom.how in ORDER else 1.0


def _ordered(
    tree: Tree, atoms: Sequence[Atom], costs: Sequence[float], known: frozenset[int]
) -> tuple[Tree, tuple[float, float]]:
    """The tree with what is cheap to ask, and then what is seldom met, asked first."""
    kind, of = tree
    if kind == "is":
        return ("is", of), (0.0 if of in known else _effort(atoms[of]), costs[of])
    if kind == "not":
        inner, rank = _ordered(of, atoms, costs, known)
        return ("not", inner), (rank[0], _DEAR)
    done = sorted((_ordered(child, atoms, costs, known) for child in of), key=lambda one: one[1])
    effort = sum(rank[0] for _, rank in done)
    return (kind, tuple(child for child, _ in done)), (effort, done[0][1][1] if done else 0.0)


@dataclass(slots=True)
class Builder:
    """Collects the atoms of a table's rules, each once."""

    atoms: list[Atom] = field(default_factory=list)
    _known: dict[Atom, int] = field(default_factory=dict)

    def atom(self, atom: Atom) -> Tree:
        """A leaf."""
        number = self._known.setdefault(atom, len(self.atoms))
        if number == len(self.atoms):
            self.atoms.append(atom)
        return ("is", number)


def both(trees: Iterable[Tree]) -> Tree:
    """All of these; what is always so is left out."""
    kept = [tree for tree in trees if tree != TRUE]
    if FALSE in kept:
        return FALSE
    return kept[0] if len(kept) == 1 else ("and", tuple(kept))


def either(trees: Iterable[Tree]) -> Tree:
    """Any of these; what is never so is left out."""
    kept = [tree for tree in trees if tree != FALSE]
    if TRUE in kept:
        return TRUE
    return kept[0] if len(kept) == 1 else ("or", tuple(kept))


def negated(tree: Tree) -> Tree:
    """The opposite."""
    if tree in (TRUE, FALSE):
        return FALSE if tree == TRUE else TRUE
    return ("not", tree)
