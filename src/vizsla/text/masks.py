"""What makes a program or a library look like one that passes for another: places, parents, signers and names.

Each look gives bits and a sentence; the strongest counts, since they are looks at one disguise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import log2

import pyarrow as pa

from vizsla.shape import shapes
from vizsla.text.given import Pairs
from vizsla.text.names import SURE, Near, facts, spelling, split

JUDGED = 5_000  # known names by which it is told how often names are near to each other by chance
UNSIGNED = "nobody"
Row = tuple[str, str, int]
_NAMED = {"system#": "system32", "syswow#": "syswow64"}
_STORE = re.compile(r"^(\\windows\\(?:winsxs|assembly|microsoft\.net\\assembly))\\.*$")
_WOW = re.compile(r"^(\\windows\\)syswow64(?=\\|$)")
_WINDOWS = re.compile(r"(?<=^\\windows\\)(system|syswow)#(?=\\|$)")
Said = tuple[float, str, str]  # bits, sentence, pattern
NOTHING: Said = (0.0, "", "")


@dataclass(frozen=True)
class Masks:
    """What is usual: `places` of names, `parents` of programs of Windows, `signers` of names.

    `own_places` and `own_parents` are the facts of Windows among them, which no log was seen for.
    """

    places: Pairs
    parents: Pairs
    signers: Pairs
    own_places: Pairs
    own_parents: Pairs

    @classmethod
    def of(cls, places: Iterable[Row] = (), parents: Iterable[Row] = (), signers: Iterable[Row] = ()) -> Masks:
        """From what a baseline counted, beside the facts of Windows."""
        known_places, known_parents = facts()
        own = [(name, place, SURE) for name, all_ in known_places.items() for place in all_]
        by = [(name, parent, SURE) for name, all_ in known_parents.items() for parent in all_]
        return cls(Pairs.of(own, places), Pairs.of(by, parents), Pairs.of(signers), Pairs.of(own), Pairs.of(by))

    @cached_property
    def near(self) -> Near:
        """Names that others may be near to."""
        return Near(self.places.counts)

    @cached_property
    def chance(self) -> dict[str, float]:
        """Bits that each likeness is worth: -log2 of how many known names have it by chance."""
        names = sorted(self.places.counts)[:JUDGED]
        kinds = [self.near.of(name)[1] for name in names]
        spelled = sum(bool(spelling(name)) for name in names)
        worth = {how: -log2((kinds.count(how) + 1) / (len(names) + 2)) for how in ("looks like", "is one edit from")}
        return worth | {"spelled": -log2((spelled + 1) / (len(names) + 2))}

    def place(self, path: str, shape: str) -> Said:
        """A known name in another place than its own. `shape`: of the directory."""
        name = split(path)[1]
        bits = self.places.surprise(name, shape)
        times = _times(self.places, self.own_places, name, shape)
        says = f"{name} lies in {shape or 'no directory'}: {times}; usual: {_usual(self.places, name)}"
        return (bits, says, f"{name} in {shape}") if bits > 0 else NOTHING

    def parent(self, path: str, parent: str) -> Said:
        """A program of Windows that another than its usual parent started."""
        name, by = split(path)[1], split(parent)[1]
        if not by:
            return NOTHING
        bits = self.parents.surprise(name, by)
        times = _times(self.parents, self.own_parents, name, by)
        says = f"{name} was started by {by}: {times}; usual: {_usual(self.parents, name)}"
        return (bits, says, f"{name} by {by}") if bits > 0 else NOTHING

    def signer(self, path: str, signer: str) -> Said:
        """A known name that another than its usual signer vouches for, or nobody."""
        name = split(path)[1]
        bits = self.signers.surprise(name, signer)
        times = _times(self.signers, Pairs.of(), name, signer)
        says = f"{name} is signed by {signer}: {times}; usual: {_usual(self.signers, name)}"
        return (bits, says, f"{name} signed by {signer}") if bits > 0 else NOTHING

    def spelled(self, path: str) -> Said:
        """A name never seen that is spelled to hide what it is."""
        name = split(path)[1]
        hidden = spelling(name) if name not in self.places.counts else ""
        return (self.chance["spelled"], f"the name {name} {hidden}", f"a name that {hidden}") if hidden else NOTHING

    def name(self, path: str) -> Said:
        """A program's name never seen that is near to a known one."""
        name = split(path)[1]
        if name in self.places.counts or not name:
            return NOTHING
        other, how = self.near.of(name)
        if not other:
            return NOTHING
        says = f"{name}, never seen before, {how} {other}, which lies in {_usual(self.places, other)}"
        return self.chance[how] + log2(1 + min(self.places.seen(other, "")[1], SURE)) / 2, says, f"{name} {how} {other}"

    def program(self, path: str, parent: str, shape: str) -> Said:
        """The strongest of what is said of a program that was started."""
        return max(self.name(path), self.spelled(path), self.place(path, shape), self.parent(path, parent))

    def library(self, path: str, signer: str, shape: str) -> Said:
        """The strongest of what is said of a library or driver that was loaded.

        Libraries of one maker have names near to each other: that says nothing of them.
        """
        return max(self.spelled(path), self.place(path, shape), self.signer(path, signer))


def directories(paths: list[str]) -> list[str]:
    """The shapes of the directories of paths: users, numbers and identifiers generalised, but for Windows's own.

    The store of components and the caches of assemblies are one place each. So are both directories of the system for
    names of which Windows may have two; for programs of which it is known, they are not.
    """
    split_ = [split(path) for path in paths]
    made = shapes(pa.array([directory for directory, _ in split_], pa.string())).to_pylist()
    named = (_WINDOWS.sub(lambda found: _NAMED[found[0]], text or "") for text in made)
    merged = (_STORE.sub(r"\1", text) for text in named)
    known = facts()[0]
    return [text if name in known else _WOW.sub(r"\1system32", text)
            for text, (_, name) in zip(merged, split_, strict=True)]  # fmt: skip


def _usual(pairs: Pairs, name: str) -> str:
    return ", ".join(value or "no directory" for value, _ in pairs.usual(name))


def _times(pairs: Pairs, facts: Pairs, name: str, value: str) -> str:
    """How often it was so in the baseline, without what is only known of Windows."""
    (own, total), (fact, facts_total) = pairs.seen(name, value), facts.seen(name, value)
    seen = f"{own - fact:,} of {total - facts_total:,} times before"
    return f"{seen}, and not so on any Windows" if facts_total and not fact else seen
