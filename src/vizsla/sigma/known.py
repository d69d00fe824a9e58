"""Sigma rules as knowledge that a hunt looks for (see `hunt.known`)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from vizsla import __version__
from vizsla.analytics.rarity.encode import U64
from vizsla.baseline.fired import fired_code
from vizsla.hit import passes
from vizsla.nouns import Unable
from vizsla.sigma.correlate import correlate, needed, unspoken
from vizsla.sigma.load import Loaded
from vizsla.sigma.match import Unmatched, matchers
from vizsla.sigma.rule import Rule
from vizsla.triage.known import About

if TYPE_CHECKING:
    from vizsla.engine import Engine
    from vizsla.hunt.scope import Progress
    from vizsla.lake import Scan

# What a hit is worth where nobody knows how usual it is: as if rules of this level were met, where nothing is amiss, on
# one of 2^bits host-days. Sigma's specification says what a level means; the numbers are ours.
PRIOR = {"informational": 1.0, "low": 3.0, "medium": 6.0, "high": 9.0, "critical": 12.0}
TOLD = 8  # rules that did not load, told by name


@dataclass(slots=True)
class SigmaRules:
    """Loaded rules, looked for in a hunt's tables."""

    loaded: Loaded
    analytic: str = "sigma"
    _known: dict[str, Rule] = field(default_factory=dict)
    _unmatched: list[Unmatched] = field(default_factory=list)
    _tables: int = 0

    def __post_init__(self) -> None:
        self._known = {rule.id: rule for rule in self.loaded.rules}

    def hits(self, engine: Engine, scans: Sequence[Scan], progress: Progress | None = None) -> Iterator[pa.RecordBatch]:
        """What the rules meet, table by table."""
        return self.hits_of(self._known, engine, scans, progress)

    def hits_of(
        self, only: Collection[str], engine: Engine, scans: Sequence[Scan], progress: Progress | None = None
    ) -> Iterator[pa.RecordBatch]:
        """What these rules meet, table by table."""
        chosen = [rule for name, rule in self._known.items() if name in only]
        made, unmatched = matchers(chosen, scans, needed(self._correlations()))
        self._unmatched = [one for one in self._unmatched if one.rule.id not in only] + unmatched
        self._tables += len(made)
        yield from passes(engine, scans, made, "rules", progress)

    def asked(self) -> Mapping[str, str]:
        """By rule over single events: what it matches, whether its own hits are told, the fields that correlations ask
        of them, and who matches."""
        fields, silent = needed(self._correlations()), self.silent()
        return {
            name: json.dumps([rule.version, name in silent, fields.get(name), __version__])
            for name, rule in self._known.items()
            if rule.condition is not None
        }

    def parts(self) -> Collection[str]:
        """The rules that correlations speak of."""
        return needed(self._correlations()).keys()

    def _correlations(self) -> list[Rule]:
        return [rule for rule in self.loaded.rules if rule.correlation is not None]

    def silent(self) -> frozenset[str]:
        """The rules that only their correlations speak for."""
        return unspoken(self.loaded.rules)

    def more(self, hits: Path) -> Iterator[pa.RecordBatch]:
        """What correlations make of the hits."""
        if self._correlations():
            yield from correlate(ds.dataset(hits), self.loaded.rules).to_batches()

    def about(self, by: Mapping[str, datetime | None]) -> Mapping[str, About]:
        """What is known of these rules."""
        return {name: _about(self._known[name]) for name in by}

    def looked(self) -> U64:
        """The codes of the rules that were looked for."""
        left = {one.rule.id for one in self._unmatched}
        return self.codes([name for name in self._known if name not in left])

    def answered(self) -> Set[str]:
        """The rules over single events that some table could answer."""
        return self.asked().keys() - {one.rule.id for one in self._unmatched}

    def codes(self, only: Collection[str]) -> U64:
        """The codes of these rules."""
        return np.array([fired_code(name, self._known[name].version) for name in only], dtype=np.uint64)

    def unable(self) -> Sequence[Unable]:
        """Nothing where any rule could look somewhere; `notes` counts the others."""
        if self._tables or not self._known:
            return ()
        return (Unable("sigma", "a table that any of its rules is about"),)

    def notes(self) -> Sequence[str]:
        """How many rules were looked for, how many could not be and why, and those that did not load."""
        told = [f"rules: {len(self._known) - len(self._unmatched):,} of {len(self._known):,} were looked for"]
        if self._unmatched:
            why = Counter(one.reason for one in self._unmatched).most_common(3)
            reasons = "; ".join(f"{count:,}: {reason}" for reason, count in why)
            told[0] += f", {len(self._unmatched):,} have no data here ({reasons}; vizsla rules list says it of each)"
        quiet = len(self.silent())
        if quiet:
            told.append(f"rules that only correlations speak for, as they ask: {quiet:,}; their own hits are not told")
        told += [f"rule {one.place}: {one.reason}" for one in self.loaded.told[:TOLD]]
        if len(self.loaded.told) > TOLD:
            told.append(f"rules that are odd, and used: {len(self.loaded.told) - TOLD:,} more (vizsla rules list)")
        refused = self.loaded.refused
        told += [f"rule not loaded: {one.place}: {one.reason}" for one in refused[:TOLD]]
        if len(refused) > TOLD:
            told.append(f"rules not loaded: {len(refused) - TOLD:,} more")
        return told


def _about(rule: Rule) -> About:
    record = {
        "id": rule.id,
        "title": rule.title,
        "level": rule.level,
        "status": rule.status,
        "tags": list(rule.tags),
        "techniques": list(rule.techniques),
        "falsepositives": list(rule.falsepositives),
        "description": rule.description,
        "references": list(rule.references),
        "author": rule.author,
        "file": rule.file,
    }
    return About(
        id=rule.id,
        version=rule.version,
        name=rule.title,
        phrase=f"rule '{rule.title}' ({rule.level})",
        level=rule.level,
        prior=PRIOR[rule.level],
        techniques=rule.techniques,
        record=record,
    )
