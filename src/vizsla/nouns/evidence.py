"""Evidence: one observation, how strong it is in bits, why, and on which events it rests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Usual:
    """A value usually seen in a field's place, and how often."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a field's value is surprising: `seen` of `of` events, on `hosts` of `of_hosts` hosts, in the baseline.

    `value` is the shape that was compared, `raw` the value as it stood in the log, `surprisal` in bits
    (-log2 of the smoothed conditional probability; 0 or more). `given` names what it was conditioned on.
    """

    field: str
    value: str
    raw: str
    surprisal: float
    seen: int
    of: int
    hosts: int
    of_hosts: int
    given: str = ""
    first: datetime | None = None
    last: datetime | None = None
    usual: tuple[Usual, ...] = ()
    text: str = ""


@dataclass(frozen=True, slots=True)
class EventRef:
    """Where an event of the evidence can be found: in the lake by `id`, in its log by file and offset."""

    id: str
    table: str
    host: str
    time: datetime | None
    channel: str | None = None
    record_id: str | None = None
    file: str | None = None
    offset: str | None = None
    native: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation by one analytic.

    bits: what this line adds to its finding (0 or more). alone_bits: its strength by itself.
    p: the p-value behind the bits, None where the run claims none. family: evidence of one family shares
    its inputs and does not add. kind: the kind of event, as the relevance table knows it.
    """

    analytic: str
    family: str
    kind: str
    bits: float
    alone_bits: float
    why: str
    reasons: tuple[Reason, ...]
    events: tuple[EventRef, ...]
    count: int = 1  # events that show the same pattern; `events` holds the first of them
    surprisal: float = 0.0
    p: float | None = None
    relevance: float = 0.0  # bits that the relevance table added or took, already within alone_bits
    pattern_id: str = ""
    rule: Mapping[str, object] | None = None
    indicator: Mapping[str, object] | None = None
    also: tuple[Mapping[str, object], ...] = ()  # other rules or indicators that met events of it, adding no bits
    picture: Mapping[str, object] | None = None  # what to draw, see charts/pictures/
