"""What a lake covers, and what it does not: tables, views, analytics, silences, gaps and clocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class TableSeen:
    """A table: its events, hosts and span. Times are UTC; `first` and `last` leave out times not to be believed.

    gaps: days without any event between the first and the last, as 'from..to'.
    hour_gaps: the same in hours ('2026-03-02T05..2026-03-02T07'), of a table that has events in most hours.
    host_days: hosts' days with events. timeless: events without a time that can be believed.
    """

    name: str
    events: int
    hosts: int
    first: datetime | None
    last: datetime | None
    days: int
    host_days: int
    timeless: int
    gaps: tuple[str, ...] = ()
    hour_gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ViewSeen:
    """A view, or with `table` what one table gives it. filled: (field, events that fill it), the view's order.

    lacks: the fields that no event fills; for a view without events, the tables that would fill it.
    actions: (event.action, events), where the mapping says the action itself.
    """

    name: str
    events: int
    table: str = ""
    filled: tuple[tuple[str, int], ...] = ()
    lacks: tuple[str, ...] = ()
    actions: tuple[tuple[str, int], ...] = ()
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DemandSeen:
    """Something that needs tables, views and fields (an analytic): what it lacks, in words; none: it can run."""

    kind: str
    name: str
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Silence:
    """A host that fell silent: all of it, or in one table while others go on.

    since: its last event. hours: from then to the end of the logs. longest_before: its longest earlier silence.
    pauses: how many earlier silences that is the longest of. among: of how many hosts as regular as this one.
    alike: how many of those have been silent as long: a weekend, or a collector that broke.
    host '': the whole table fell silent.
    """

    host: str
    table: str
    since: datetime
    hours: int
    longest_before: int
    pauses: int
    alike: int = 0
    among: int = 0


@dataclass(frozen=True, slots=True)
class HostGap:
    """Hours in which an otherwise continuous host was silent, in all of its tables."""

    host: str
    first: datetime
    hours: int
    usual: int  # its longest other silence


ClockKind = Literal["future", "ahead", "second", "back", "shifted", "zone"]


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock that looks wrong. seconds: how far it is ahead (above 0) or behind, as far as can be told.

    future: events later than the present. ahead: its last events lie after everybody's. second: two clocks of one
    event disagree. back: the clock was set back between two records. shifted: its hours of activity are everybody
    else's, some hours off. zone: in one table its hours are off from its own in other tables.
    rests_on: what that rests on, in words.
    """

    kind: ClockKind
    host: str
    table: str
    seconds: int
    rests_on: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A log, or a field, that is lacking, and what it would enable.

    demands: (kind, name) of what could run with it alone. views: empty views that it would fill.
    fields: ('view.field') that nothing fills and it would.
    """

    name: str
    demands: tuple[tuple[str, str], ...]
    views: tuple[str, ...]
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleSeen:
    """A Sigma rule that names a technique. lacks: why it can find nothing here; '' where it has data."""

    id: str
    title: str
    level: str
    techniques: tuple[str, ...]
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class ImpliedSeen:
    """A row of triage/attack.yaml by which an analytic's evidence implies techniques.

    kinds: the kinds of event that it looks at ('windows_sysmon:10'). events: how many of those the lake holds.
    """

    name: str
    techniques: tuple[str, ...]
    kinds: tuple[str, ...]
    events: int


@dataclass(frozen=True, slots=True)
class ComponentSeen:
    """One of ATT&CK's data components, as far as a technique's platforms go.

    view: ours that shows it; '' where no view does. events: of those, here, in `tables`. brings: the tables that would
    show it, where none does.
    """

    name: str
    view: str = ""
    events: int = 0
    tables: tuple[str, ...] = ()
    brings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TechniqueSeen:
    """How a technique of ATT&CK is covered: by rules, by analytics, and by data at hand.

    rules, implied: of its sub-techniques, too: a sub-technique is one way of doing it. components: what ATT&CK says it
    is seen in, those with events first. outside: it happens where no log of ours is (platform PRE).
    """

    id: str
    name: str
    tactics: tuple[str, ...]
    rules: tuple[RuleSeen, ...] = ()
    implied: tuple[ImpliedSeen, ...] = ()
    components: tuple[ComponentSeen, ...] = ()
    outside: bool = False

    @property
    def by_rules(self) -> bool:
        """Whether a rule that has data here looks for it."""
        return any(not rule.lacks for rule in self.rules)

    @property
    def by_analytics(self) -> bool:
        """Whether evidence of events that are here can imply it."""
        return any(row.events for row in self.implied)

    @property
    def by_data(self) -> bool:
        """Whether events are here in which ATT&CK says that it is seen."""
        return any(one.events for one in self.components)


@dataclass(frozen=True, slots=True)
class Coverage:
    """All of it. `end`: the hour that the logs as a whole reach, by which silence is judged; None without events."""

    tables: tuple[TableSeen, ...]
    views: tuple[ViewSeen, ...] = ()
    parts: tuple[ViewSeen, ...] = ()  # of each view, by table
    demands: tuple[DemandSeen, ...] = ()
    missing: tuple[Missing, ...] = ()
    silences: tuple[Silence, ...] = ()
    host_gaps: tuple[HostGap, ...] = ()
    clocks: tuple[Clock, ...] = ()
    hosts: int = 0
    end: datetime | None = None
    hosts_of: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)  # by table
