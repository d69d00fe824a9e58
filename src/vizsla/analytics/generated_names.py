"""Names that nobody made: registered domains, programs and services whose names look drawn at random; and domains that
look like others that this house knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import log2
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from vizsla.analytic import Need, State
from vizsla.nouns.event import HOST, ID, TIME

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from vizsla.engine import Engine
    from vizsla.lake import Scan
    from vizsla.text.characters import Characters
    from vizsla.text.names import Near
    from vizsla.text.units import Judge

TIES = {"guid": "process.entity_id", "pid": "process.pid", "source": "source.ip", "destination": "destination.ip"}
# What is looked at: the view, the event's action where one is asked for, the field with the name, and its kind.
LOOKED = (
    ("dns", None, "dns.question.name", "domain"),
    ("process", "process-started", "process.executable", "program"),
    ("service", "service-installed", "service.name", "service"),
)
TOLD = 3.0  # bits from which a sentence is written
KNOWN = 3  # host-days on which a domain was asked for until others are compared with it
JUDGED = 5_000  # of them by which it is told how often names are near to each other by chance
MOST = 50_000  # such domains, the most usual first
QUIET = "a name as people make them"


class GeneratedNames:
    """Names that nobody made. It holds nothing between calls."""

    name = "generated_names"
    family = "generated_names"
    unit = "a registered domain, program or installed service on a host in a day"
    doc = "Domains, programs and services named at random, and domains that look like known ones"
    needs = (Need(("dns", "process", "service")),)

    def learn(self, engine: Engine, scans: Sequence[Scan]) -> State | None:
        """What the names of each kind are made of, each name once, and on how many host-days domains were asked for."""
        from vizsla.sequence.markov import GRAMS
        from vizsla.text.characters import counted

        state: dict[str, Any] = {}
        for events, kind in looked(engine, scans):
            once = events.select(HOST, "day", "name").distinct()
            found: dict[str, int] = {}
            for batch in engine.batches(once.group_by("name").agg(n=once.count())):
                for name, n in zip(batch["name"].to_pylist(), batch["n"].to_pylist(), strict=True):
                    made = label(kind, name)
                    if made:
                        found[made] = found.get(made, 0) + n
            state[kind] = counted(sorted(found)).table().cast(GRAMS)
            if kind == "domain":
                usual = sorted((n, name) for name, n in found.items() if n >= KNOWN)[-MOST:]
                state["known"] = pa.table({"name": pa.array([name for _, name in usual], pa.string()),
                                           "n": pa.array([n for n, _ in usual], pa.int64())})  # fmt: skip
        return state

    def find(self, engine: Engine, scans: Sequence[Scan], state: State | None) -> Iterator[pa.RecordBatch]:
        """Every odd name on every host-day, with the bits by which it looks drawn rather than made."""
        from vizsla.sequence.markov import Grams
        from vizsla.text.characters import ORDER, Characters
        from vizsla.text.units import observations

        for events, kind in looked(engine, scans):
            grams = Grams.read(state[kind], ORDER) if state else None
            names = Names(kind, Characters.of(grams), known(state) if kind == "domain" else {})
            judge = self._judge(names)
            yield from observations(engine, events, ("name",), judge, TOLD, (QUIET, f"a usual {kind}"))

    @staticmethod
    def _judge(names: Names) -> Judge:
        return lambda values: names.said([name for (name,) in values])


def looked(engine: Engine, scans: Sequence[Scan]) -> list[tuple[ir.Table, str]]:
    """Events with names, by the kind of name."""
    from vizsla.view import TABLE, view_of, views

    found = []
    for view, action, field, kind in LOOKED:
        has = {one.name for one in views()[view].fields}
        fields = ("event.action", "event.code", field, *(tie for tie in TIES.values() if tie in has))
        events = view_of(engine, scans, view, fields)
        events = events.filter(events[TIME].notnull(), events[field].notnull())
        if action:
            events = events.filter(events["event.action"] == action)
        ties = {name: events[tie].cast("string") for name, tie in TIES.items() if tie in has}
        named = events.select(ID, HOST, TIME, TABLE, code=events["event.code"], name=events[field],
                              day=events[TIME].date().cast("string"), **ties)  # fmt: skip
        found.append((named, kind))
    return found


def label(kind: str, name: str) -> str:
    """The part of a name that somebody chose: of a domain what was registered, of a program its name without ending.

    '' where nothing was chosen: names of this network, addresses, numbers that Windows puts behind a service's name.
    """
    from vizsla.text.names import split, stem
    from vizsla.text.registered import registered

    if kind == "domain":
        return registered(name)
    if kind == "program":
        return stem(split(name)[1])
    own, _, number = name.rpartition("_")
    return (
        own.lower() if own and number and all(letter in "0123456789abcdefABCDEF" for letter in number) else name.lower()
    )


def known(state: State | None) -> dict[str, int]:
    """The domains that others are compared with, and on how many host-days they were asked for."""
    return dict(zip(*(state["known"][name].to_pylist() for name in ("name", "n")), strict=True)) if state else {}


@dataclass
class Names:
    """What is said of names of one kind. `known`: domains, and on how many host-days they were asked for."""

    kind: str
    characters: Characters
    known: dict[str, int]

    @cached_property
    def near(self) -> Near:
        """The known names, to find those that others are near to."""
        from vizsla.text.names import Near

        return Near(self.known)

    @cached_property
    def chance(self) -> float:
        """Bits that nearness is worth: -log2 of how many known names are near to another by chance."""
        some = self.near.names[:JUDGED]
        return -log2((sum(bool(self.near.of(name)[0]) for name in some) + 1) / (len(some) + 2))

    def said(self, names: Sequence[str]) -> list[tuple[float, str, str]]:
        """Bits, sentence and pattern of each name."""
        from vizsla.text.names import shipped

        found = []
        made = shipped().get(self.kind, frozenset())
        labels = [label(self.kind, name) for name in names]
        for name, own, bits in zip(names, labels, self.characters.random(labels).tolist(), strict=True):
            said = (0.0, QUIET, f"a usual {self.kind}")
            if bits > 0 and own not in made:
                times = _times(bits)
                why = (
                    f"{own} ({self.kind} {name}) is {times} likelier drawn at random than made of words or known names"
                )
                said = (bits, why if bits >= TOLD else QUIET, f"{self.kind} named at random")
            found.append(max(said, self._like(own)) if self.kind == "domain" else said)
        return found

    def _like(self, own: str) -> tuple[float, str, str]:
        if not own or not self.known or own in self.known:
            return 0.0, QUIET, "a usual domain"
        other, how = self.near.of(own)
        if not other:
            return 0.0, QUIET, "a usual domain"
        seen = self.known[other]
        why = f"{own}, never asked for before, {how} {other}, which was asked for on {seen:,} host-days"
        return max(0.0, self.chance + log2(seen) / 2), why, f"{own} {how} {other}"


def _times(bits: float) -> str:
    """How much likelier, for a reader."""
    times = 2.0 ** min(bits, 40)
    return f"{times:,.0f} times" if times < 1e6 else "over a million times"


ANALYTIC = GeneratedNames()
