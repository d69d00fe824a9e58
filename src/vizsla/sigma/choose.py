"""Which rules are wanted: by level, status, tag and product; and which of them a lake has data for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vizsla.errors import UsageError
from vizsla.nouns.level import LEVELS
from vizsla.sigma.load import STATUSES
from vizsla.sigma.logsource import unanswerable
from vizsla.sigma.rule import Rule

if TYPE_CHECKING:
    from vizsla.lake import Lake


@dataclass(frozen=True, slots=True)
class Wanted:
    """What rules are asked for; nothing said: all.

    level: this one and those above. statuses, products: one of them. tags: at least one of them, or one below it:
    'attack.t1059' takes 'attack.t1059.001' too; 'T1059' and 'TA0002' are ATT&CK's names for the same tags.
    """

    level: str = ""
    statuses: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    products: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.level and self.level not in LEVELS:
            raise UsageError(f"there is no level {self.level!r}", fix=f"choose one of: {', '.join(LEVELS)}")
        for status in self.statuses:
            if status not in STATUSES:
                raise UsageError(f"there is no status {status!r}", fix=f"choose of: {', '.join(STATUSES)}")

    def __call__(self, rule: Rule) -> bool:
        """Whether a rule is one of those."""
        return (
            (not self.level or LEVELS.index(rule.level) >= LEVELS.index(self.level))
            and (not self.statuses or rule.status in self.statuses)
            and (not self.products or rule.logsource.product in self.products)
            and (not self.tags or any(_tagged(rule, tag) for tag in self.tags))
        )


def _tagged(rule: Rule, wanted: str) -> bool:
    asked = wanted.lower()
    if asked[:1] == "t" and asked[1:2].isdigit():
        asked = f"attack.{asked}"
    own = (tag.lower() for tag in rule.tags)
    return any(tag == asked or tag.startswith(f"{asked}.") for tag in own)


def chosen(rules: Iterable[Rule], wanted: Wanted) -> tuple[Rule, ...]:
    """The rules that are wanted, and those that a wanted correlation speaks of: these silent where they are not.

    A rule that only correlations silenced that are not wanted speaks again.
    """
    from dataclasses import replace

    all_of = tuple(rules)
    by_id = {rule.id: rule for rule in all_of}
    own = {rule.id for rule in all_of if wanted(rule)}
    needed: set[str] = set()
    waiting = [by_id[one] for one in own]
    while waiting:
        rule = waiting.pop()
        for one in rule.correlation.rules if rule.correlation is not None else ():
            if one in by_id and one not in needed:
                needed.add(one)
                waiting.append(by_id[one])
    return tuple(
        replace(rule, silent=rule.id in needed and (rule.silent or rule.id not in own))
        for rule in all_of
        if rule.id in own or rule.id in needed
    )


def answerable(rules: Sequence[Rule], tables: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Of each rule's id why a lake with these tables and columns cannot answer it; '' where it can.

    A correlation can be answered where every rule that it speaks of can; where it counts or sums, where one can.
    """
    reasons = {rule.id: unanswerable(rule, tables) for rule in rules if rule.correlation is None}
    waiting = [rule for rule in rules if rule.correlation is not None]
    while waiting:
        ready = [r for r in waiting if r.correlation and all(of in reasons for of in r.correlation.rules)]
        if not ready:  # rules that were not given: nothing is known of them
            reasons.update((rule.id, "speaks of rules that are not here") for rule in waiting)
            break
        for rule in ready:
            reasons[rule.id] = _of_correlation(rule, reasons)
        waiting = [rule for rule in waiting if rule.id not in reasons]
    return {rule.id: reasons[rule.id] for rule in rules}


def _of_correlation(rule: Rule, reasons: Mapping[str, str]) -> str:
    found = rule.correlation
    if found is None:
        return ""
    lost = [reasons[of] for of in found.rules if reasons[of]]
    together = found.kind.startswith("temporal") and found.extended is None
    return lost[0] if lost and (together or len(lost) == len(found.rules)) else ""


def columns_of(lake: Lake) -> dict[str, tuple[str, ...]]:
    """A lake's tables, and the columns of each."""
    return {table: tuple(lake.scan(table).schema.names) for table in lake.tables()}
