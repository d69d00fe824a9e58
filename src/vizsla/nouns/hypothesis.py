"""A report turned into a hunt: what it says, the hypotheses that follow from it, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from vizsla.nouns.coverage import TechniqueSeen
from vizsla.nouns.hunt import Hit, HuntResult

Said = Literal["named", "described", "known of its actors"]
Able = Literal["yes", "in part", "no"]
Outcome = Literal["traces found", "not found", "nothing looks for it", "cannot be told"]


@dataclass(frozen=True, slots=True)
class Reported:
    """A report or a feed as it was read. `format` '': of unknown kind; why: for what it could not be read."""

    name: str
    path: str
    format: str
    indicators: int = 0
    context: int = 0  # told of, not meant: never matched
    refused: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a report is about: a group, a campaign, malware or a tool, by ATT&CK's name where it has one.

    techniques: how many ATT&CK ties to it.
    """

    kind: str
    name: str
    id: str = ""
    techniques: int = 0


@dataclass(frozen=True, slots=True)
class Sought:
    """The indicators of a type: how many the reports name, and the tables whose columns can hold them."""

    type: str
    count: int
    tables: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What would be true if the actors of a report had been here, how that can be told, and what was found.

    technique '': the hypothesis of all indicators. said: how the report speaks of it; context: its sentence.
    confirm, refute: what would, in words. able: whether the data at hand can tell. missing: data that is lacking.
    hits: ids of rules and indicators that met something. findings: ids of findings that touch it, best first.
    """

    technique: str
    sentence: str
    said: Said
    able: Able
    outcome: Outcome
    name: str = ""
    tactics: tuple[str, ...] = ()
    context: str = ""
    source: str = ""
    confirm: tuple[str, ...] = ()
    refute: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()  # titles of those that have data here
    waiting: tuple[str, ...] = ()  # and of those that have none, with the reason
    analytics: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    hits: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    seen: TechniqueSeen | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class IntelHunt:
    """An intelligence-driven hunt: reports, hypotheses, and the ranked findings of the lake.

    met, rules_met: what the reports' own indicators, and rules, met in all of the lake's history. touches: by finding's
    id, what of the reports it touches ('indicator evil.com', 'T1059.001'). left_out: techniques that ATT&CK ties to the
    subjects and that were not asked for.
    """

    title: str
    reports: tuple[Reported, ...]
    subjects: tuple[Subject, ...]
    sought: tuple[Sought, ...]
    hypotheses: tuple[Hypothesis, ...]
    result: HuntResult
    met: tuple[Hit, ...] = ()
    rules_met: tuple[Hit, ...] = ()
    touches: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    silenced: tuple[tuple[str, str], ...] = ()  # indicators that are none here: value, and the list that says so
    left_out: int = 0
    first: datetime | None = None  # of the lake's events
    last: datetime | None = None
    events: int = 0
    hosts: int = 0
