"""A Sigma rule as it is matched: plain data, compiled once from what pySigma parses, kept as JSON.

A condition is a tree of `And`, `Or`, `Not` and `Test`. A test asks one thing of one field of one event:

    how         value                     holds where the field's text
    equals      text                      is it
    startswith, endswith, contains  text  begins with it, ends with it, has it in it
    like        RE2 pattern               matches it as a whole (wildcards * and ? within a text)
    re          RE2 pattern               matches it somewhere (flags stand in the pattern: (?i)…)
    cidr        network                   is an address in it (v4 or v6)
    number      text of a number          is that number, however written ('4624', '4624.0'), or that very text
    lt, lte, gt, gte  text of a number    is a number less …
    exists      'true' or 'false'         is there, is not there
    null        ''                        is not there, or empty
    field, field_startswith, field_endswith, field_contains  another field's name   stands to that field's text so
    minute, hour, day, week, month, year  text of a number      is a time of which that part is so (with lt … as `than`)

Texts compare in lower case unless `cased`, and values that do stand here in lower case already. Patterns say their
case themselves: `re` is asked of the text as it is, `like` bears (?i) unless `cased`. `field` '' asks any field of the
event (keywords). A test of a field that an event lacks does not hold, but for `exists: false` and `null`.
`literals`: for like and re, texts (in lower case) one of which stands in whatever matches; () where none is sure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Test:
    """One question about one field."""

    field: str
    how: str
    value: str
    cased: bool = False
    literals: tuple[str, ...] = ()
    than: str = ""  # of parts of times: lt, lte, gt, gte; '' for equal

    __test__ = False  # no test case, whatever pytest takes its name for


@dataclass(frozen=True, slots=True)
class And:
    """All of these."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of these."""

    of: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Not this."""

    of: Condition


Condition = And | Or | Not | Test


@dataclass(frozen=True, slots=True)
class LogSource:
    """Where a rule looks, in Sigma's words; '' where it does not say."""

    category: str = ""
    product: str = ""
    service: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: what it says of itself, and what it asks of an event. `condition` holds if any of its conditions does."""

    id: str  # the rule's own, or a hash of its text where it has none
    version: str  # a hash of all that decides what it matches
    title: str
    level: str  # informational, low, medium, high, critical; 'medium' where it does not say
    status: str
    logsource: LogSource
    condition: Condition | None  # None: a correlation
    tags: tuple[str, ...] = ()
    description: str = ""
    falsepositives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    name: str = ""  # by which correlations may refer to it
    author: str = ""
    date: str = ""
    file: str = ""
    correlation: Correlation | None = None
    silent: bool = False  # only its correlation speaks (generate: false)

    @property
    def techniques(self) -> tuple[str, ...]:
        """The ATT&CK techniques of its tags: 'T1059.001'."""
        names = (tag.lower().removeprefix("attack.") for tag in self.tags if tag.lower().startswith("attack.t"))
        return tuple(dict.fromkeys(name.upper() for name in names if name[1:2].isdigit()))


@dataclass(frozen=True, slots=True)
class Correlation:
    """What a correlation rule asks of the events that other rules met.

    `kind`: event_count, value_count, value_sum, value_avg, value_percentile, temporal, temporal_ordered (and their
    extended forms). `rules`: ids of those it speaks of. `aliases`: alias -> rule id -> field. `tests`: (operator,
    number), all of which must hold; `extended`: a condition over the rules' ids ('a and not b') where it has one.
    """

    kind: str
    rules: tuple[str, ...]
    seconds: int
    group_by: tuple[str, ...] = ()
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    tests: tuple[tuple[str, float], ...] = ()  # gt, gte, lt, lte, eq, neq
    fields: tuple[str, ...] = ()  # of value_count and value_…
    percentile: float | None = None
    extended: Condition | None = None  # its tests: field 'rule', how 'equals', value the rule's id


@dataclass(frozen=True, slots=True)
class Filter:
    """What narrows the rules that it names: they hold only where this holds too."""

    place: str
    title: str
    logsource: LogSource
    rules: tuple[str, ...] | None  # ids or names; None: every rule of the log source
    condition: Condition

    def fits(self, rule: Rule) -> bool:
        """Whether it narrows this rule."""
        own, other = self.logsource, rule.logsource
        pairs = ((own.category, other.category), (own.product, other.product), (own.service, other.service))
        if rule.condition is None or any(asked and asked != has for asked, has in pairs):
            return False
        return self.rules is None or rule.id in self.rules or (bool(rule.name) and rule.name in self.rules)
