"""A verdict: what an analyst says of a finding, how far that reaches, and until when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Judgement = Literal["malicious", "benign", "unsure"]
JUDGEMENTS: tuple[Judgement, ...] = ("malicious", "benign", "unsure")
Reach = Literal["finding", "pattern", "pattern+host", "pattern+user"]
REACHES: tuple[Reach, ...] = ("finding", "pattern", "pattern+host", "pattern+user")
Same = Literal["finding", "pattern"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of a native field: '=' compares the value without case, where * stands for anything; '~' its shape."""

    field: str
    test: Literal["=", "~"]
    value: str

    def __str__(self) -> str:
        return f"{self.field}{self.test}{self.value}"


@dataclass(frozen=True, slots=True)
class Shown:
    """A piece of evidence by what makes it the same elsewhere: the kind of unit, and the code of its pattern.

    `bits`: what it was worth, before it was weighed against others of its family.
    """

    kind: str
    code: str  # 16 hexadecimal digits
    bits: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said, of which finding, with all that a later hunt needs to know the same again.

    `hosts` and `users`: those that it reaches, where its reach names them. `shown`: the evidence that stood in the
    finding, the strongest first. `traits`: what the ranking learns from; no entity's name is among them.
    """

    id: str
    at: datetime
    by: str
    judgement: Judgement
    reach: Reach
    finding: str  # its id
    pattern_id: str
    title: str
    bits: float
    hosts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    reason: str = ""
    until: datetime | None = None
    shown: tuple[Shown, ...] = ()
    traits: Mapping[str, float] = field(default_factory=dict)
    techniques: tuple[str, ...] = ()

    def ended(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.until is not None and self.until <= now


@dataclass(frozen=True, slots=True)
class Judged:
    """An earlier verdict as a finding shows it. `same`: it was given of this very finding, or of its pattern."""

    id: str
    judgement: Judgement
    at: datetime
    by: str
    reach: Reach
    same: Same
    reason: str = ""
    until: datetime | None = None
